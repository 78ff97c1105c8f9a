//! Judges the state: which credential the client sends, on which header, in which mode, and why the others are not
//! sent. Pure. Each rule cites the versions it was observed on; `docs/claude-code.md` and `tests/data/truth` hold the
//! observations.

use super::{
    Credentials, Decision, Dialog, Header, Kind, Layer, Mode, Note, Outcome, Provider, Reading,
    Rule, Standing, State, Stop, decision::PROVIDERS, destination, headers, ranking::rank, reason,
};

pub fn resolve(state: &State) -> Decision {
    let without_server = state.without_server(Mode::Interactive);
    let (print, in_print) = judge(state, Mode::Print);
    let (interactive, in_interactive) =
        judge(without_server.as_ref().unwrap_or(state), Mode::Interactive);
    Decision { candidates: reason::candidates(in_print, in_interactive), print, interactive }
}

/// The client's answer in one mode, and what became of every source.
fn judge(state: &State, mode: Mode) -> (Outcome, Credentials) {
    let mut outcome = Outcome { provider: provider(state), ..Outcome::default() };
    let mut found = rank(state, mode, false);
    if let Some((stop, dialogs)) = stop(state, mode, &outcome, &found) {
        outcome.dialogs = dialogs;
        let mut found = Credentials::of(state);
        let note = || Note::new(Standing::Ignored, &*stop.reason);
        found.all.iter_mut().for_each(|found| found.note = found.is_set.then(note));
        outcome.stop = Some(stop);
        return (outcome, found);
    }
    if mode == Mode::Interactive && has_settings_error(state) {
        outcome.dialogs.push(Dialog::InvalidSettings);
    }
    outcome.dialogs.extend(&found.dialogs);
    let failure = headers::decide(state, mode, &found, &mut outcome);
    let failure = failure.or_else(|| destination::unusable(state));
    // What the helper printed keeps nothing back if it comes too late (2.1.112, observed 2026-11-26).
    let key = &outcome.x_api_key;
    outcome.race.take_if(|race| match &failure {
        None => !outcome.sends,
        some => key.source() != Some(&race.helper) || *some != headers::unfit(state, key),
    });
    if failure.is_none() && !outcome.sends && mode == Mode::Interactive {
        outcome.dialogs.push(Dialog::Login);
    }
    outcome.sends &= failure.is_none();
    let alone = (!outcome.sends).then_some("this client sends nothing with it alone");
    reason::note(state, &mut found, &outcome, failure.as_deref().or(alone));
    if !outcome.sends {
        outcome.x_api_key = Header::Absent;
        outcome.authorization = Header::Absent;
    }
    (outcome, found)
}

/// The provider that the switches choose. A gateway goes before all of them (2.1.195, 2.1.331, observed 2026-11-24).
pub(crate) fn provider(state: &State) -> Option<&'static Provider> {
    if state.variables.is_gateway() || state.uses_gateway_login() {
        return None;
    }
    let mut known = PROVIDERS.iter().filter(|provider| provider.is_known(state.client));
    known.find(|provider| state.variables.is_on(&provider.switch()))
}

/// What keeps the client from sending anything, whatever credentials there are, and what it asks.
fn stop(
    state: &State,
    mode: Mode,
    outcome: &Outcome,
    found: &Credentials,
) -> Option<(Stop, Vec<Dialog>)> {
    let (client, is_interactive) = (state.client, mode == Mode::Interactive);
    let stop = |code, reason: &str, dialogs: &[Dialog]| {
        Some((Stop { code, reason: reason.to_owned(), source: None }, dialogs.to_vec()))
    };
    // It may have asked about a key before.
    let asked = found.dialogs.as_slice();
    let asked_until = |rule| if client.has(rule) { &[] } else { asked };
    if let Some(refusal) = state.refusal.as_ref().filter(|_| !state.launch.asks_first) {
        return stop("launch", refusal, &[]);
    }
    // 2.1.330; 2.0.77 ignores the file (observed 2026-11).
    let managed_is_refused = state.settings_files.iter().any(|(layer, file)| {
        *layer == Layer::Managed
            && match file.reading {
                Reading::Malformed(_) | Reading::Invalid(_) | Reading::TooLarge(_) => true,
                Reading::NotAFile(_) => client.has(Rule::SettingsDirectoryIsError),
                _ => false,
            }
    });
    let of_variables = [Kind::Gateway, Kind::Key, Kind::Token, Kind::Helper];
    let passes = !client.has(Rule::MalformedManagedStopsAll)
        && of_variables.into_iter().any(|kind| found.has(kind));
    if managed_is_refused && client.has(Rule::MalformedManagedStops) && !passes {
        let reason = "the client refuses to start with managed settings that it cannot read";
        // 2.1.258, observed 2026-11-26.
        return stop("managed-settings", reason, asked_until(Rule::MalformedManagedStopsAll));
    }
    let config_is_refused = match state.config_file.reading {
        Reading::Malformed(_) | Reading::TooLarge(_) => true,
        // 2.1.330 takes a directory for an empty config, 2.0.77 stops (observed 2026-11). A FIFO would be waited for.
        Reading::NotAFile(kind) => {
            !client.has(Rule::ConfigDirectoryIsEmpty) || kind != "a directory"
        }
        // 2.0.77 sends nothing with a config of 0 bytes or blanks, 2.1.330 starts with defaults (observed 2026-11).
        Reading::Empty => !client.has(Rule::EmptyConfigIsTaken),
        Reading::Invalid(_) | Reading::Unreadable(_) | Reading::Missing | Reading::Read => false,
    };
    if config_is_refused {
        let dialogs: &[_] = if is_interactive { &[Dialog::InvalidConfig] } else { &[] };
        return stop("config", "the client cannot use its config, and stops", dialogs);
    }
    // 2.1.332, observed 2026-11-26.
    if let Some(stop) = found.refusal.as_ref().filter(|_| outcome.provider.is_none()) {
        return Some((stop.clone(), asked.to_vec()));
    }
    // 2.1.330, observed 2026-11. It needs the network to go on.
    if is_interactive && !state.config.onboarded {
        let reason = "onboarding is not complete, so the client stops at its first questions";
        return stop("onboarding", reason, &[Dialog::Onboarding]);
    }
    // 2.0.77's default answer is to exit (observed 2026-11-24).
    if is_interactive && !client.has(Rule::SettingsErrorGoesOn) && has_settings_error(state) {
        let reason =
            "the client asks what to do about a settings file, and its default answer is to exit";
        return stop("settings", reason, &[asked, &[Dialog::InvalidSettings]].concat());
    }
    if let Some(provider) = outcome.provider {
        // 2.0.77 asks about an unapproved key anyway, 2.1.330 does not (observed 2026-11).
        let reason =
            format!("{} is on, and the client sends nothing to Anthropic", provider.switch());
        return stop("provider", &reason, asked_until(Rule::OtherProviderAsksNothing));
    }
    stop("launch", state.refusal.as_ref()?, asked)
}

/// Whether the interactive client shows its "Settings Error": a settings file is there and not taken; 0 bytes are not an
/// error (2.0.77, 2.1.330, observed 2026-11).
fn has_settings_error(state: &State) -> bool {
    let asks = |layer: Layer| layer != Layer::Managed || state.client.has(Rule::ManagedErrorAsks);
    let files = state.settings_files.iter().filter(|(layer, _)| asks(*layer));
    files.into_iter().any(|(_, file)| match file.reading {
        Reading::Malformed(_) | Reading::Invalid(_) => true,
        Reading::NotAFile(_) => state.client.has(Rule::SettingsDirectoryIsError),
        _ => false,
    })
}
