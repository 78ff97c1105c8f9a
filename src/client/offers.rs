//! Sorts out which sources count in one mode, and says of the others why they do not. Pure.

mod ledger;
mod tokens;

use super::decision::{Dialog, Mode, Standing};
use super::federation::Grant;
use super::settings::{self, Setting, names};
use super::source::{Layer, Source};
use super::state::{Answers, State};
use super::version::since;
use crate::key;

pub(crate) use ledger::Ledger;

/// The sources that count.
#[derive(Debug, Default)]
pub(crate) struct Offers<'a> {
    /// ANTHROPIC_AUTH_TOKEN.
    pub token: Option<Setting<'a>>,
    /// Whether CLAUDE_CODE_USE_GATEWAY is on, and has a token: then no API key is sent (2.1.330, observed 2026-11).
    pub gateway: bool,
    /// The API key: ANTHROPIC_API_KEY, or the one that comes by a file descriptor.
    pub key: Option<Source>,
    /// The helper in force.
    pub helper: Option<Layer>,
    /// The OAuth token of a variable or a file descriptor.
    pub oauth: Option<Source>,
    /// Federation or an explicit Anthropic profile.
    pub grant: Option<Grant>,
    /// The stored login.
    pub login: bool,
    /// The default Anthropic profile.
    pub default_profile: Option<Grant>,
    /// `primaryApiKey`.
    pub primary: bool,
}

/// Why only some sources count with CLAUDE_CODE_SIMPLE.
const SIMPLE: &str = "CLAUDE_CODE_SIMPLE is on: only ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN and custom headers count";

/// What the client asks about the sources.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// The questions.
    pub dialogs: Vec<Dialog>,
    /// Whether it stumbles over a list of approvals that is none.
    pub stumbles: bool,
}

/// Sorts out the sources of `state` in `mode`.
pub(crate) fn sort_out<'a>(
    state: &'a State,
    mode: Mode,
    ledger: &mut Ledger,
    asks: &mut Asks,
) -> Offers<'a> {
    let mut sorter = Sorter { state, mode, ledger };
    // 2.0.77: the switch changes nothing about credentials; 2.1.330: it does (observed 2026-11).
    let simple = state.client >= since::SIMPLE && settings::is_on(state, names::SIMPLE);
    // What it does is judged with the headers; here the values that it hides are marked.
    sorter.variable(names::HEADERS);
    let gateway = settings::is_gateway(state);
    let token = sorter.token(gateway);
    let key = sorter.variable(names::KEY);
    let key = match key {
        Some(setting) if gateway || sorter.is_approved(&setting, simple, asks) => {
            Some(setting.source)
        }
        _ => None,
    };
    let descriptor = sorter.descriptor(names::KEY_DESCRIPTOR, key.as_ref());
    let mut offers = Offers {
        token,
        gateway,
        key: key.or(descriptor),
        helper: sorter.helper(),
        oauth: sorter.oauth(),
        grant: None,
        login: sorter.login(),
        default_profile: None,
        primary: sorter.primary(),
    };
    sorter.dead_descriptor(&mut offers);
    sorter.grants(&mut offers);
    if simple {
        sorter.simple(&mut offers);
    }
    offers
}

struct Sorter<'s, 'l> {
    state: &'s State,
    mode: Mode,
    ledger: &'l mut Ledger,
}

impl<'s> Sorter<'s, '_> {
    /// The effective value of a variable; those it hides are marked.
    fn variable(&mut self, name: &str) -> Option<Setting<'s>> {
        for (setting, disregarded) in settings::places(self.state, name) {
            if let Some(reason) = disregarded {
                self.ledger.mark(&setting.source, Standing::Ignored, reason);
            }
        }
        self.first_of(name, settings::settings_of(self.state, name))
    }

    /// The first of these places of a variable, if it counts; the others are marked.
    fn first_of(&mut self, name: &str, places: Vec<Setting<'s>>) -> Option<Setting<'s>> {
        let mut all = places.into_iter();
        let first = all.next()?;
        let is_set = settings::is_set(self.state.client, name, first.value);
        let hidden_by = if is_set {
            format!("{} overrides it", first.source)
        } else {
            let reason =
                "set to nothing, which counts as unset and hides the variable's lower values";
            self.ledger.mark(&first.source, Standing::Unset, reason);
            format!("{} is set to nothing, and hides it", first.source)
        };
        for setting in all {
            if setting.value.is_empty() {
                self.ledger.mark(&setting.source, Standing::Unset, "set to nothing");
            } else {
                self.ledger.mark(&setting.source, Standing::Shadowed, hidden_by.clone());
            }
        }
        Some(first).filter(|_| is_set)
    }

    /// ANTHROPIC_AUTH_TOKEN; a gateway takes none from a project (2.1.195, 2.1.330, observed 2026-11-24).
    fn token(&mut self, gateway: bool) -> Option<Setting<'s>> {
        if !gateway {
            return self.variable(names::TOKEN);
        }
        let mut places = settings::settings_of(self.state, names::TOKEN);
        places.retain(|setting| {
            let of_project = setting.source.is_of_project();
            if of_project {
                let reason = "a gateway's token is not taken from a project";
                self.ledger.mark(&setting.source, Standing::Ignored, reason);
            }
            !of_project
        });
        self.first_of(names::TOKEN, places)
    }

    /// Whether the client counts the effective ANTHROPIC_API_KEY.
    ///
    /// Print mode always does. Interactive mode does only if its last 20 characters are among the approved ones; where
    /// they are in neither list it asks, and no is the default (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    fn is_approved(&mut self, setting: &Setting<'_>, simple: bool, asks: &mut Asks) -> bool {
        if self.mode == Mode::Print {
            return true;
        }
        let config = &self.state.config;
        let key = setting.value.reveal();
        // 2.0.77 compares the raw end, blanks included; 2.1.330 trims first (observed 2026-11).
        let key =
            if self.state.client < since::KEY_IS_TRIMMED { key } else { settings::js_trim(key) };
        let include = |answers: &Answers| answers.include(self.state.client, key::suffix(key));
        let (approved, rejected) = match (include(&config.approved), include(&config.rejected)) {
            (Some(true), _) => (true, false),
            (Some(false), Some(rejected)) => (false, rejected),
            _ => {
                asks.stumbles = true;
                (false, true)
            }
        };
        if approved {
            return true;
        }
        if !rejected {
            asks.dialogs.push(Dialog::ApproveEnvKey);
        }
        if simple {
            // It asks, and sends the key whatever the answer (2.1.330, observed 2026-11).
            return true;
        }
        let reason = if rejected {
            "not approved: its end is in customApiKeyResponses.rejected"
        } else {
            "not approved: the client asks, and the default answer is no"
        };
        self.ledger.mark(&setting.source, Standing::Ignored, reason);
        false
    }

    /// The helper in force; those it hides are marked.
    fn helper(&mut self) -> Option<Layer> {
        let helpers =
            self.state.layers.iter().filter_map(|settings| {
                settings.helper.as_ref().map(|helper| (settings.layer, helper))
            });
        let mut first = None;
        for (layer, helper) in helpers {
            let source = Source::Helper(layer);
            if self.state.client < since::V1 {
                // 0.2.109, observed 2026-11.
                let reason = "this client does not know apiKeyHelper in settings";
                self.ledger.mark(&source, Standing::Ignored, reason);
            } else if helper.is_empty() {
                self.ledger.mark(
                    &source,
                    Standing::Unset,
                    "set to nothing, which hides a lower one",
                );
            } else if let Some(higher) = first {
                let reason = format!("{} overrides it", Source::Helper(higher));
                self.ledger.mark(&source, Standing::Shadowed, reason);
            }
            first = first.or(Some(layer));
        }
        settings::helper(self.state).map(|(layer, _)| layer)
    }

    /// Whether `primaryApiKey` counts: text, and not blank (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    fn primary(&mut self) -> bool {
        let config = &self.state.config;
        if let Some(odd) = config.odd_primary {
            let reason = format!("it is {}, not a string", odd.kind);
            let standing = if odd.kind == "null" { Standing::Unset } else { Standing::Ignored };
            self.ledger.mark(&Source::PrimaryKey, standing, reason);
        }
        let primary = config.primary_key.as_ref();
        primary.is_some_and(|key| !settings::js_trim(key.reveal()).is_empty())
    }

    /// 2.1.330, observed 2026-11: with CLAUDE_CODE_SIMPLE on, nothing counts but the two variables and custom headers.
    fn simple(&mut self, offers: &mut Offers<'_>) {
        let is_variable =
            |source: &Source| matches!(source, Source::Variable(_, name) if name == names::KEY);
        let key = offers.key.take();
        let (key, descriptor) = match key {
            Some(key) if is_variable(&key) => (Some(key), None),
            other => (None, other),
        };
        let out = [
            descriptor,
            offers.helper.take().map(Source::Helper),
            offers.oauth.take(),
            offers.grant.take().map(|grant| grant.source),
            std::mem::take(&mut offers.login).then_some(Source::Login),
            offers.default_profile.take().map(|grant| grant.source),
            std::mem::take(&mut offers.primary).then_some(Source::PrimaryKey),
        ];
        for source in out.into_iter().flatten() {
            self.ledger.mark(&source, Standing::Ignored, SIMPLE);
        }
        offers.key = key;
    }
}
