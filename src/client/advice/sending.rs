//! Problems in what is sent.

use super::super::decision::{Dialog, Header, Mode, Outcome, Provider, Standing};
use super::super::headers::helper_failure;
use super::super::settings::{self, names};
use super::super::source::Source;
use super::super::state::{HelperRun, Reading};
use super::{Case, Problems};
use crate::key;

pub(crate) fn add(case: &Case<'_>, problems: &mut Problems) {
    for mode in case.modes {
        let outcome = case.decision.outcome(*mode);
        expected(case, *mode, outcome, problems);
        several(case, outcome, problems);
        dialogs(case, *mode, outcome, problems);
    }
    provider(case, problems);
    custom_headers(case, problems);
    helper(case, problems);
    login(case, problems);
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Print => "print",
        Mode::Interactive => "interactive",
    }
}

/// The expected source is not sent, or nothing is.
fn expected(case: &Case<'_>, mode: Mode, outcome: &Outcome, problems: &mut Problems) {
    let candidates = &case.decision.candidates;
    let standing = |source: &Source| {
        let candidate = candidates.iter().find(|candidate| candidate.source == *source)?;
        let standing = match mode {
            Mode::Print => candidate.print,
            Mode::Interactive => candidate.interactive,
        };
        Some((standing, candidate))
    };
    if let Some(expected) = case.expected.filter(|_| !case.decision.meets(mode, case.expected)) {
        let by = [&outcome.x_api_key, &outcome.authorization]
            .into_iter()
            .filter_map(Header::taken_by)
            .find(|source| *source != expected);
        match standing(expected) {
            Some((Standing::Shadowed, _)) if by.is_some() => {
                let by = by.unwrap_or(expected);
                problems.error(
                    "key-shadowed",
                    format!("{expected} is not sent: {by} is sent in its place"),
                    case.remove(by),
                );
            }
            Some((Standing::Ignored | Standing::Shadowed, candidate)) => problems.error(
                "key-ignored",
                format!("{expected} is not sent in {} mode: {}", name(mode), candidate.because),
                format!("change that, then: cck verify --expect {expected}"),
            ),
            Some((Standing::Unset, _)) | None => problems.error(
                "key-not-set",
                format!("{expected} is expected, and is not set"),
                if *expected == Source::PrimaryKey {
                    case.cck("set-key")
                } else {
                    format!(
                        "set it, or expect another source: cck verify --expect any (now {expected})"
                    )
                },
            ),
            Some((Standing::Used, _)) => {}
        }
    }
    let there = candidates.iter().any(|candidate| candidate.secret.is_some());
    let nothing = !there && helper_of(case).is_none();
    // What is wrong with an unusable config is said with the files; setting a key would not fix it.
    let readable =
        matches!(case.state.config_file.reading, Reading::Missing | Reading::Empty | Reading::Read);
    if !outcome.sends && outcome.provider == Provider::Anthropic && nothing && readable {
        problems.error(
            "no-credential",
            "the client finds no credential, and asks to log in",
            case.cck("set-key"),
        );
    }
}

fn helper_of<'a>(case: &Case<'a>) -> Option<&'a str> {
    settings::helper(case.state).map(|(_, helper)| helper)
}

/// Two credentials in one request, and a key that goes to a gateway.
fn several(case: &Case<'_>, outcome: &Outcome, problems: &mut Problems) {
    let (Some(key), Some(token)) = (outcome.x_api_key.source(), outcome.authorization.source())
    else {
        return;
    };
    if key == token {
        return;
    }
    let url = crate::output::without_user(settings::base_url(case.state).1);
    let is_token = matches!(token, Source::Variable(_, variable) if variable == names::TOKEN);
    if is_token && *key == Source::PrimaryKey {
        problems.error(
            "key-sent-to-gateway",
            format!(
                "{key} is also sent to {url}, beside {token}; the gateway needs the token only"
            ),
            case.cck("unset-key"),
        );
    } else {
        problems.warn(
            "two-credentials",
            format!("two credentials go to {url} in one request: {key} and {token}"),
            format!("either {}, or {}", case.remove(token), case.remove(key)),
        );
    }
}

fn dialogs(case: &Case<'_>, mode: Mode, outcome: &Outcome, problems: &mut Problems) {
    for dialog in &outcome.dialogs {
        match dialog {
            Dialog::Onboarding => problems.warn(
                "onboarding-incomplete",
                "onboarding is not complete: the interactive client starts with questions that need the network",
                case.cck("set-key"),
            ),
            Dialog::ApproveEnvKey => problems.warn(
                "env-key-not-approved",
                "the interactive client asks whether it may use ANTHROPIC_API_KEY, and no is the default",
                approve(case),
            ),
            Dialog::InvalidConfig | Dialog::InvalidSettings | Dialog::Login => {}
        }
    }
    let Some(setting) =
        settings::effective(case.state, names::KEY).filter(|_| mode == Mode::Interactive)
    else {
        return;
    };
    let suffix = key::suffix(settings::js_trim(setting.value.reveal()));
    let config = &case.state.config;
    let include = |answers: &super::super::config::Answers| {
        answers.include(case.state.client, suffix) == Some(true)
    };
    if include(&config.rejected) && !include(&config.approved) {
        problems.warn(
            "env-key-rejected",
            format!("the interactive client does not use {}: its use was rejected", setting.source),
            approve(case),
        );
    }
}

/// What approves the key in ANTHROPIC_API_KEY: cck knows that of the environment only.
fn approve(case: &Case<'_>) -> String {
    match settings::effective(case.state, names::KEY).map(|setting| &setting.source) {
        Some(source) if *source != Source::env(names::KEY) => {
            format!("start claude and answer Yes, if you mean the key in {}", case.place(source))
        }
        _ => case.cck("approve"),
    }
}

fn provider(case: &Case<'_>, problems: &mut Problems) {
    let provider = case.decision.print.provider;
    if let Some((_, switch)) = Provider::SWITCHES.iter().find(|(other, _)| *other == provider)
        && let Some(setting) = settings::effective(case.state, switch)
    {
        problems.warn(
            "other-provider",
            format!(
                "{} sends requests to {}: no Anthropic credential is used",
                setting.source,
                provider.name()
            ),
            case.remove(&setting.source),
        );
    }
}

fn custom_headers(case: &Case<'_>, problems: &mut Problems) {
    for mode in case.modes {
        let outcome = case.decision.outcome(*mode);
        for (header, value) in
            [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)]
        {
            if let Some(source @ Source::Variable(_, variable)) = value.taken_by()
                && variable == names::HEADERS
            {
                problems.warn(
                    "custom-headers",
                    format!("{source} has an {header} line, which replaces the credential"),
                    format!("{} or that line of it", case.remove(source)),
                );
            }
        }
    }
}

fn helper(case: &Case<'_>, problems: &mut Problems) {
    let Some((layer, _)) = settings::helper(case.state) else {
        return;
    };
    let source = Source::Helper(layer);
    if let Some(failure) = helper_failure(case.state) {
        problems.error(
            "helper-failed",
            format!("{source} {failure}"),
            format!(
                "either have it print the key alone and exit with 0, or {}",
                case.remove(&source)
            ),
        );
    } else if let Some(program) = &case.around.unusable_helper {
        problems.error(
            "helper-not-executable",
            format!("{source} names {}, which is not a file that can be run", case.show(program)),
            format!("either chmod +x {}, or {}", case.quote(program), case.remove(&source)),
        );
    }
    if case.destination.helper_is_untrusted && case.modes.contains(&Mode::Print) {
        let fix = match case.state.helper {
            HelperRun::NotRun => {
                "read it first; then, to try it: cck verify --run-helper=project".to_owned()
            }
            _ => case.remove(&source),
        };
        problems.warn(
            "untrusted-helper",
            format!(
                "`claude -p` runs apiKeyHelper of {} though you have not trusted this folder",
                case.layer_file(layer)
            ),
            fix,
        );
    }
}

fn login(case: &Case<'_>, problems: &mut Problems) {
    let Some(login) = &case.state.login else {
        return;
    };
    let used = case.modes.iter().any(|mode| {
        let outcome = case.decision.outcome(*mode);
        outcome.authorization.source() == Some(&case.state.login_source)
    });
    let expired = login.expires_at.is_some_and(|at| at / 1000.0 < case.state.now);
    if used && login.is_refreshed(case.state.now) {
        problems.warn(
            "login-refreshes",
            "the stored login has expired and is refreshed before the first request, so what is sent is not known here",
            "start claude once, then ask again",
        );
    } else if used && expired {
        problems.warn(
            "login-expired",
            "the stored login has expired; the client sends it anyway",
            format!(
                "either log in again with /login in claude, or {}",
                case.remove(&Source::Login)
            ),
        );
    }
}
