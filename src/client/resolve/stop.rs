//! What keeps the client from sending anything, whatever credentials there are. Pure.

use super::super::decision::{Dialog, Mode, Outcome, Provider};
use super::super::offers::{self, Asks, Ledger};
use super::super::source::Layer;
use super::super::state::{Reading, State};
use super::super::version::since;

/// What keeps the client from sending, and what it asks.
pub(super) struct Stop {
    pub(super) dialogs: Vec<Dialog>,
    pub(super) reason: String,
}

/// What keeps the client from sending anything, whatever credentials there are.
pub(super) fn stop(state: &State, mode: Mode, outcome: &Outcome) -> Option<Stop> {
    let stop = |dialog: Option<Dialog>, reason: &str| {
        Some(Stop {
            dialogs: dialog.into_iter().filter(|_| mode == Mode::Interactive).collect(),
            reason: reason.to_owned(),
        })
    };
    if let Some(refusal) = state.launch.refusal(state.client) {
        return stop(None, &refusal);
    }
    // 2.1.330; 2.0.77 ignores the file (observed 2026-11).
    let managed_is_refused = state.settings_files.iter().any(|(layer, file)| {
        *layer == Layer::Managed
            && matches!(file.reading, Reading::Malformed(_) | Reading::Invalid(_))
    });
    if managed_is_refused && state.client >= since::STRICT_MANAGED {
        return stop(None, "the client refuses to start with malformed managed settings");
    }
    let client = state.client;
    let config_is_refused = match state.config_file.reading {
        Reading::Malformed(_) | Reading::TooLarge(_) => true,
        // 2.1.330 takes a directory for an empty config, 2.0.77 stops (observed 2026-11). A FIFO would be waited for.
        Reading::NotAFile(kind) => client < since::CONFIG_DIRECTORY || kind != "a directory",
        // 2.0.77 sends nothing with a config of 0 bytes or blanks, 2.1.330 starts with defaults (observed 2026-11).
        Reading::Empty => client < since::EMPTY_CONFIG,
        Reading::Invalid(_) | Reading::Unreadable(_) | Reading::Missing | Reading::Read => false,
    };
    if config_is_refused {
        return stop(Some(Dialog::InvalidConfig), "the client cannot use its config, and stops");
    }
    // 2.1.330, observed 2026-11. It needs the network to go on.
    if mode == Mode::Interactive && !state.config.onboarded {
        let reason = "onboarding is not complete, so the client stops at its first questions";
        return stop(Some(Dialog::Onboarding), reason);
    }
    // 2.0.77's default answer is to exit; it asks about a key before (observed 2026-11-24).
    if mode == Mode::Interactive
        && client < since::SETTINGS_ERROR_GOES_ON
        && has_settings_error(state)
    {
        let mut dialogs = asks(state, mode);
        dialogs.push(Dialog::InvalidSettings);
        return Some(Stop {
            dialogs,
            reason: "the client asks what to do about a settings file, and its default answer is to exit"
                .into(),
        });
    }
    if outcome.provider != Provider::Anthropic {
        let switch = Provider::SWITCHES.iter().find(|(other, _)| *other == outcome.provider);
        let name = switch.map_or("another provider", |(_, name)| name);
        // 2.0.77 asks about an unapproved key all the same, 2.1.330 does not (observed 2026-11).
        let dialog =
            asks(state, mode).first().copied().filter(|_| client < since::PROVIDER_ASKS_NOTHING);
        return stop(dialog, &format!("{name} is on, and the client sends nothing to Anthropic"));
    }
    None
}

/// What the client asks about the sources.
fn asks(state: &State, mode: Mode) -> Vec<Dialog> {
    let mut asks = Asks::default();
    offers::sort_out(state, mode, &mut Ledger::default(), &mut asks);
    asks.dialogs
}

/// Whether the interactive client shows its "Settings Error": a file of user, project or local settings is there and not
/// taken; 0 bytes are no error (2.0.77, 2.1.330, observed 2026-11).
pub(super) fn has_settings_error(state: &State) -> bool {
    state.settings_files.iter().any(|(layer, file)| {
        *layer != Layer::Managed
            && match file.reading {
                Reading::Malformed(_) | Reading::Invalid(_) => true,
                Reading::NotAFile(_) => state.client >= since::SETTINGS_DIRECTORY_IS_ERROR,
                _ => false,
            }
    })
}
