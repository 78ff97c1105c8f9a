//! Judges the state: which credential the client sends, on which header, in which mode, and why the others are not
//! sent. Pure. Each rule cites the versions it was observed on; `docs/claude-code.md` and `tests/data/truth` hold the
//! observations.

mod sendable;
mod stop;
mod wire;

use super::decision::{Decision, Dialog, Header, Mode, Outcome, Provider, Standing};
use super::headers;
use super::offers::{self, Asks, Ledger};
use super::reason;
use super::settings::{self, names};
use super::state::State;
use super::version::since;
use sendable::{sends, unsendable};
use stop::{has_settings_error, stop};
use wire::{headers_of, headers_v0_2};

pub(crate) use sendable::helper_failure;

/// Judges the state in both modes.
pub fn resolve(state: &State) -> Decision {
    let (print, print_ledger) = judge(state, Mode::Print);
    let (interactive, interactive_ledger) = judge(state, Mode::Interactive);
    Decision {
        candidates: reason::candidates(state, &print_ledger, &interactive_ledger),
        print,
        interactive,
    }
}

/// The client's answer in one mode, and what became of every source.
fn judge(state: &State, mode: Mode) -> (Outcome, Ledger) {
    let mut ledger = Ledger::default();
    let mut outcome = Outcome {
        provider: provider(state),
        x_api_key: Header::Absent,
        authorization: Header::Absent,
        sends: false,
        dialogs: Vec::new(),
    };
    if let Some(stop) = stop(state, mode, &outcome) {
        outcome.dialogs = stop.dialogs;
        ledger.ignore_all(state, &stop.reason);
        return (outcome, ledger);
    }
    if mode == Mode::Interactive && has_settings_error(state) {
        outcome.dialogs.push(Dialog::InvalidSettings);
    }
    let mut asks = Asks::default();
    let offers = offers::sort_out(state, mode, &mut ledger, &mut asks);
    outcome.dialogs.append(&mut asks.dialogs);
    let custom = settings::effective(state, names::HEADERS);
    let headers = custom
        .as_ref()
        .map(|setting| headers::parse(state.client, setting.value.reveal()))
        .unwrap_or_default();
    let custom = custom.map(|setting| setting.source);
    let failure = if asks.stumbles {
        Some("the client stumbles over customApiKeyResponses".to_owned())
    } else if state.client < since::V1 {
        headers_v0_2(&offers, &headers, custom.as_ref(), &mut outcome);
        None
    } else {
        headers_of(state, &offers, &headers, custom.as_ref(), &mut outcome)
    };
    outcome.sends = failure.is_none() && sends(state.client, &offers, &outcome);
    let failure = failure.or_else(|| unsendable(state, mode, &offers, &headers, &outcome));
    reason::mark(state, &offers, custom.as_ref(), &headers, &outcome, &mut ledger);
    if let Some(failure) = failure {
        outcome.sends = false;
        ledger.nothing_sent(&failure);
    } else if !outcome.sends {
        ledger.nothing_sent("this client sends nothing with it alone");
        if mode == Mode::Interactive {
            outcome.dialogs.push(Dialog::Login);
        }
    }
    if !outcome.sends {
        outcome.x_api_key = Header::Absent;
        outcome.authorization = Header::Absent;
    }
    (outcome, ledger)
}

/// The provider that the switches choose. A gateway goes before all of them (2.1.195, 2.1.331, observed 2026-11-24).
pub(crate) fn provider(state: &State) -> Provider {
    if settings::is_gateway(state) {
        return Provider::Anthropic;
    }
    Provider::SWITCHES
        .into_iter()
        .filter(|(provider, _)| provider.is_known(state.client))
        .find(|(_, switch)| settings::is_on(state, switch))
        .map_or(Provider::Anthropic, |(provider, _)| provider)
}

impl Ledger {
    /// Notes of every source that is there that it is ignored.
    fn ignore_all(&mut self, state: &State, reason: &str) {
        for (source, there) in reason::sources(state) {
            if there {
                self.mark(&source, Standing::Ignored, reason);
            }
        }
    }
}
