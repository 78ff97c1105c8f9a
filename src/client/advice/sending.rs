//! Problems in what is sent.

use super::{LEAVE, Problems};
use crate::client::{
    Case, Dialog, Mode, Outcome, Reading, Source, Standing, config::Answers,
    headers::helper_failure, login::is_past, names, settings,
};
use crate::key;
use crate::output::without_user;

pub(super) fn add(case: &Case<'_>, found: &mut Problems) {
    for (mode, outcome) in case.modes.iter().zip(case.outcomes()) {
        expected(case, *mode, outcome, found);
        nothing(case, outcome, found);
        several(case, outcome, found);
        asked(case, outcome, found);
        if *mode == Mode::Interactive {
            rejected(case, found);
        }
        custom_headers(case, outcome, found);
    }
    provider(case, found);
    helper(case, found);
    login(case, found);
}

fn expected(case: &Case<'_>, mode: Mode, outcome: &Outcome, found: &mut Problems) {
    let Some(expected) = case.expected else { return };
    // What is wrong with the command line is said with the launch.
    let is_refused = outcome.stop.as_ref().is_some_and(|stop| stop.code == "launch");
    if is_refused || case.decision.meets(mode, Some(expected)) {
        return;
    }
    let note = case.decision.candidate(expected).map(|candidate| candidate.note(mode));
    let mut takers = outcome.headers().into_iter().filter_map(|(_, header)| header.taken_by());
    let by = takers.find(|source| *source != expected);
    match (note.map_or(Standing::Unset, |note| note.standing), by) {
        (Standing::Used, _) => {}
        (Standing::Unset, _) => {
            let fix = match expected {
                Source::PrimaryKey => case.set_key(),
                _ => {
                    let any = case.cck("verify --expect any");
                    format!("set it, or expect another source: {any}")
                }
            };
            found.error("key-not-set", format!("{expected} is expected, and is not set"), fix);
        }
        (Standing::Shadowed, Some(by)) => {
            let message = format!("{expected} is not sent: {by} is sent in its place");
            found.error("key-shadowed", message, case.remove(by));
        }
        _ => {
            let because = note.map_or("", |note| &note.because);
            let message = format!("{expected} is not sent in {} mode: {because}", mode.name());
            let fix = if outcome.dialogs.contains(&Dialog::Onboarding) {
                case.set_key()
            } else if case.session.is_some() {
                LEAVE.to_owned()
            } else {
                let verify = case.cck(&format!("verify --expect {expected}"));
                format!("change that, then: {verify}")
            };
            found.error("key-ignored", message, fix);
        }
    }
}

fn nothing(case: &Case<'_>, outcome: &Outcome, found: &mut Problems) {
    let has_one = case.decision.candidates.iter().any(|candidate| candidate.secret.is_some())
        || settings::helper(case.state).is_some();
    // What is wrong with an unusable config is said with the files; setting a key would not fix it.
    let is_readable =
        matches!(case.state.config_file.reading, Reading::Missing | Reading::Empty | Reading::Read);
    if !outcome.sends && outcome.provider.is_none() && !has_one && is_readable {
        let message = "the client finds no credential, and asks to log in";
        found.error("no-credential", message, case.set_key());
    }
}

/// Two credentials in one request, and a key that goes to a gateway.
fn several(case: &Case<'_>, outcome: &Outcome, found: &mut Problems) {
    let (Some(key), Some(token)) = (outcome.x_api_key.source(), outcome.authorization.source())
    else {
        return;
    };
    if key == token {
        return;
    }
    let url = without_user(settings::base_url(case.state).1);
    let either = case.remove_either(token, key);
    if *key == Source::PrimaryKey && token.is_variable(names::TOKEN) {
        let (why, fix) = if url == settings::DEFAULT_BASE_URL {
            ("it needs one of them", either)
        } else {
            ("the gateway needs the token only", case.cck("unset-key"))
        };
        let message = format!("{key} is also sent to {url}, beside {token}; {why}");
        found.error("key-sent-to-gateway", message, fix);
    } else {
        let message = format!("two credentials go to {url} in one request: {key} and {token}");
        found.warning("two-credentials", message, either);
    }
}

fn asked(case: &Case<'_>, outcome: &Outcome, found: &mut Problems) {
    if outcome.dialogs.contains(&Dialog::Onboarding) {
        let message = "onboarding is not complete: the interactive client starts with questions that need the network";
        found.warning("onboarding-incomplete", message, case.set_key());
    }
    if outcome.dialogs.contains(&Dialog::ApproveEnvKey) {
        let message = "the interactive client asks whether it may use ANTHROPIC_API_KEY, and no is the default";
        found.warning("env-key-not-approved", message, approve(case));
    }
}

/// The key in ANTHROPIC_API_KEY was rejected when the interactive client asked.
fn rejected(case: &Case<'_>, found: &mut Problems) {
    let Some(setting) = case.state.variables.effective(names::KEY) else { return };
    let suffix = key::suffix(settings::js_trim(setting.value.reveal()));
    let config = &case.state.config;
    let include = |answers: &Answers| answers.include(case.state.client, suffix) == Some(true);
    if include(&config.rejected) && !include(&config.approved) {
        let source = &setting.source;
        let message = format!("the interactive client does not use {source}: its use was rejected");
        found.warning("env-key-rejected", message, approve(case));
    }
}

/// What approves the key in ANTHROPIC_API_KEY: cck knows that of the environment only.
fn approve(case: &Case<'_>) -> String {
    match case.state.variables.effective(names::KEY).map(|setting| &setting.source) {
        Some(source) if *source != Source::env(names::KEY) => {
            format!("start claude and answer Yes, if you mean the key in {}", case.place(source))
        }
        _ => case.cck("approve"),
    }
}

fn provider(case: &Case<'_>, found: &mut Problems) {
    let Some(provider) = case.decision.print.provider else { return };
    if let Some(place) = case.state.variables.effective(&provider.switch()) {
        let (source, name) = (&place.source, provider.id);
        let message = format!("{source} sends requests to {name}: no Anthropic credential is used");
        found.warning("other-provider", message, case.remove(source));
    }
}

fn custom_headers(case: &Case<'_>, outcome: &Outcome, found: &mut Problems) {
    for (name, header) in outcome.headers() {
        if let Some(source) = header.taken_by().filter(|source| source.is_variable(names::HEADERS))
        {
            let message = format!("{source} has an {name} line, which replaces the credential");
            let fix = format!("either remove that line of it, or {}", case.remove(source));
            found.warning("custom-headers", message, fix);
        }
    }
}

fn helper(case: &Case<'_>, found: &mut Problems) {
    let Some((layer, _)) = settings::helper(case.state) else { return };
    let source = Source::Helper(layer);
    let remove = case.remove(&source);
    if let Some(failure) = helper_failure(case.state) {
        let fix = format!("either have it print the key alone and exit with 0, or {remove}");
        found.error("helper-failed", format!("{source} {failure}"), fix);
    } else if let Some(program) = &case.around.unusable_helper {
        let shown = case.show(program);
        let message = format!("{source} names {shown}, which is not a file that can be run");
        let fix = format!("either chmod +x {}, or {remove}", case.quote(program));
        found.error("helper-not-executable", message, fix);
    }
    if case.destination.helper_is_untrusted && case.modes.contains(&Mode::Print) {
        let file = case.place(&source);
        let message = format!("`claude -p` runs apiKeyHelper of {file}, which is not trusted");
        let fix = match case.state.helper {
            None => {
                let verify = case.cck("verify --run-helper=project");
                format!("read it first; then, to try it: {verify}")
            }
            Some(_) => remove,
        };
        found.warning("untrusted-helper", message, fix);
    }
}

fn login(case: &Case<'_>, found: &mut Problems) {
    let Some(login) = &case.state.login else { return };
    let is_used = case.sent().any(|source| *source == case.state.login_source);
    if !is_used || !is_past(login.expires_at, case.state.facts.now) {
        return;
    }
    if login.refreshable {
        let message = "the stored login has expired and is refreshed before the first request, so what is sent is not known here";
        found.warning("login-refreshes", message, "start claude once, then ask again");
    } else {
        let message = "the stored login has expired; the client sends it anyway";
        let remove = case.remove(&Source::Login);
        let fix = format!("either log in again with /login in claude, or {remove}");
        found.warning("login-expired", message, fix);
    }
}
