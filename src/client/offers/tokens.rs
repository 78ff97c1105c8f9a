//! The sources of OAuth tokens, and what comes by a file descriptor. Pure.

use super::super::decision::{Mode, Standing};
use super::super::federation;
use super::super::settings::{self, names};
use super::super::source::Source;
use super::super::state::{Scopes, Secret};
use super::super::version::since;
use super::{Offers, Sorter};
use crate::key;

impl Sorter<'_, '_> {
    /// The source of a key or token that comes by a file descriptor, if that is open. It is read from the process's
    /// environment only, and an API key that comes so needs no approval (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    /// 0.2.109 does not know these variables (observed 2026-11-24).
    pub(super) fn descriptor(&mut self, name: &str, higher: Option<&Source>) -> Option<Source> {
        let source = Source::env(name);
        for (setting, disregarded) in settings::places(self.state, name) {
            if let Some(reason) = disregarded {
                self.ledger.mark(&setting.source, Standing::Ignored, reason);
            }
        }
        let value = self.state.process.get(name)?;
        if value.is_empty() {
            return None;
        }
        if self.state.client < since::V1 {
            let reason = "this client does not know this variable";
            self.ledger.mark(&source, Standing::Ignored, reason);
            return None;
        }
        if !self.state.open_descriptors.iter().any(|open| open == value.reveal()) {
            let reason = "it names no open file descriptor, or one with nothing in it";
            self.ledger.mark(&source, Standing::Ignored, reason);
            return None;
        }
        if let Some(higher) = higher {
            self.ledger.mark(&source, Standing::Shadowed, format!("{higher} comes first"));
            return None;
        }
        Some(source)
    }

    /// A descriptor named for an API key keeps OAuth tokens and the stored login out even where it gives no key, being
    /// closed or no number; federation it does not touch (1.0.128, 2.0.77 and 2.1.330, observed 2026-11-24).
    pub(super) fn dead_descriptor(&mut self, offers: &mut Offers<'_>) {
        let named = self.state.process.get(names::KEY_DESCRIPTOR);
        let is_named =
            self.state.client >= since::V1 && named.is_some_and(|value| !value.is_empty());
        if !is_named || offers.key.is_some() {
            return;
        }
        let login = std::mem::take(&mut offers.login).then_some(Source::Login);
        for source in [offers.oauth.take(), login].into_iter().flatten() {
            let reason = format!("{} is set, which keeps it out", names::KEY_DESCRIPTOR);
            self.ledger.mark(&source, Standing::Ignored, reason);
        }
    }

    pub(super) fn oauth(&mut self) -> Option<Source> {
        let variable = if self.reads_oauth_late() {
            let all = settings::places(self.state, names::OAUTH).into_iter();
            self.first_of(names::OAUTH, all.map(|(setting, _)| setting).collect())
        } else {
            self.variable(names::OAUTH)
        };
        if self.state.client < since::V1 {
            if let Some(setting) = variable {
                // 0.2.109, observed 2026-11.
                let reason = "this client does not know this variable";
                self.ledger.mark(&setting.source, Standing::Ignored, reason);
            }
            return None;
        }
        let variable = variable.map(|setting| setting.source);
        let descriptor = self.descriptor(names::OAUTH_DESCRIPTOR, variable.as_ref());
        variable.or(descriptor)
    }

    /// Whether CLAUDE_CODE_OAUTH_TOKEN is read once the `env` blocks are applied. These versions keep what they find when they
    /// first look for it, and do not look while a key or a token of the environment counts; such a one may be taken away
    /// by a block (2.0.77, 2.1.20, observed 2026-11-24).
    fn reads_oauth_late(&self) -> bool {
        let state = self.state;
        let at_start = |name| state.process.get(name).filter(|value| !value.is_empty());
        let key_counts = |key: &Secret| {
            let approved = &state.config.approved;
            self.mode == Mode::Print
                || approved.include(state.client, key::suffix(key.reveal())) == Some(true)
        };
        (since::OAUTH_IS_KEPT..since::OAUTH_IS_KEPT_NO_MORE).contains(&state.client)
            && (at_start(names::TOKEN).is_some() || at_start(names::KEY).is_some_and(key_counts))
    }

    /// Whether the stored login counts: an expired one does, one without the scope does not (0.2.109, 1.0.128, 2.0.77,
    /// 2.1.330, observed 2026-11).
    pub(super) fn login(&mut self) -> bool {
        let Some(login) = &self.state.login else {
            return false;
        };
        if login.scopes == Scopes::Lacking {
            let reason = "its scopes lack user:inference";
            self.ledger.mark(&Source::Login, Standing::Ignored, reason);
        }
        login.scopes != Scopes::Lacking
    }

    /// Federation and Anthropic profiles: those in use take the stored login out of use.
    pub(super) fn grants(&mut self, offers: &mut Offers<'_>) {
        if self.state.client < since::PROFILES {
            // 2.0.77 knows none of it (observed 2026-11).
            for name in [names::PROFILE, names::FEDERATION_RULE] {
                for (setting, _) in settings::places(self.state, name) {
                    let reason = "this client does not know this variable";
                    self.ledger.mark(&setting.source, Standing::Ignored, reason);
                }
            }
            return;
        }
        let explicit = self.variable(names::PROFILE).map(|setting| setting.source);
        let rule = self.variable(names::FEDERATION_RULE).map(|setting| setting.source);
        let judged = federation::judge(self.state, explicit, rule);
        for (source, reason) in judged.ignored {
            self.ledger.mark(&source, Standing::Ignored, reason);
        }
        if let Some(grant) = &judged.grant
            && std::mem::take(&mut offers.login)
        {
            let reason = format!("{} takes the stored login out of use", grant.source);
            self.ledger.mark(&Source::Login, Standing::Shadowed, reason);
        }
        offers.grant = judged.grant;
        offers.default_profile = judged.default_profile;
        if let Some(grant) = &offers.default_profile
            && self.state.client < since::LOGIN_BEFORE_DEFAULT_PROFILE
            && std::mem::take(&mut offers.login)
        {
            let reason = format!("{} comes first", grant.source);
            self.ledger.mark(&Source::Login, Standing::Shadowed, reason);
        }
    }
}
