//! Problems in what is sent.

use crate::client::{
    Case, Dialog, Header, HelperRun, Mode, Outcome, Problem, Reading, Source, Standing,
    advice::LEAVE, config::Answers, headers::helper_failure, names, settings,
};
use crate::key;
use crate::output::without_user;

pub(crate) fn add(case: &Case<'_>, problems: &mut Vec<Problem>) {
    for mode in case.modes {
        let outcome = case.decision.outcome(*mode);
        problems.extend(expected(case, *mode, outcome));
        problems.extend(nothing(case, outcome));
        problems.extend(several(case, outcome));
        problems.extend(outcome.dialogs.iter().filter_map(|dialog| asked(case, *dialog)));
        problems.extend(rejected(case).filter(|_| *mode == Mode::Interactive));
        problems.extend(custom_headers(case, outcome));
    }
    problems.extend(provider(case));
    helper(case, problems);
    problems.extend(login(case));
}

fn expected(case: &Case<'_>, mode: Mode, outcome: &Outcome) -> Option<Problem> {
    let expected = case.expected.filter(|expected| !case.decision.meets(mode, Some(*expected)))?;
    let candidate = case.decision.candidate(expected);
    let standing = candidate.map_or(Standing::Unset, |candidate| candidate.standing(mode));
    let mut takers = outcome.headers().into_iter().filter_map(|(_, header)| header.taken_by());
    let by = takers.find(|source| *source != expected);
    match (standing, by) {
        (Standing::Used, _) => None,
        (Standing::Unset, _) => Some(Problem::error(
            "key-not-set",
            format!("{expected} is expected, and is not set"),
            match expected {
                Source::PrimaryKey => case.set_key(),
                _ => {
                    let any = case.cck("verify --expect any");
                    format!("set it, or expect another source: {any}")
                }
            },
        )),
        (Standing::Shadowed, Some(by)) => Some(Problem::error(
            "key-shadowed",
            format!("{expected} is not sent: {by} is sent in its place"),
            case.remove(by),
        )),
        _ => {
            let name = mode.name();
            let because = candidate.map_or("", |candidate| &candidate.because);
            let of_mode = format!("{name}: ");
            let parts = because.split("; ").find_map(|part| part.strip_prefix(&of_mode));
            let because = parts.unwrap_or(because);
            Some(Problem::error(
                "key-ignored",
                format!("{expected} is not sent in {name} mode: {because}"),
                if outcome.dialogs.contains(&Dialog::Onboarding) {
                    case.set_key()
                } else if case.session.is_some() {
                    LEAVE.to_owned()
                } else {
                    let verify = case.cck(&format!("verify --expect {expected}"));
                    format!("change that, then: {verify}")
                },
            ))
        }
    }
}

/// The client has nothing to send.
fn nothing(case: &Case<'_>, outcome: &Outcome) -> Option<Problem> {
    let has_one = case.decision.candidates.iter().any(|candidate| candidate.secret.is_some())
        || settings::helper(case.state).is_some();
    // What is wrong with an unusable config is said with the files; setting a key would not fix it.
    let is_readable =
        matches!(case.state.config_file.reading, Reading::Missing | Reading::Empty | Reading::Read);
    let asks_to_log_in = !outcome.sends && outcome.provider.is_none() && !has_one && is_readable;
    asks_to_log_in.then(|| {
        let message = "the client finds no credential, and asks to log in";
        Problem::error("no-credential", message, case.set_key())
    })
}

/// Two credentials in one request, and a key that goes to a gateway.
fn several(case: &Case<'_>, outcome: &Outcome) -> Option<Problem> {
    let (key, token) = (outcome.x_api_key.source()?, outcome.authorization.source()?);
    if key == token {
        return None;
    }
    let url = without_user(settings::base_url(case.state).1);
    let either = format!("either {}, or {}", case.remove(token), case.remove(key));
    Some(if *key == Source::PrimaryKey && token.is_variable(names::TOKEN) {
        let (why, fix) = if url == settings::DEFAULT_BASE_URL {
            ("it needs one of them", either)
        } else {
            ("the gateway needs the token only", case.cck("unset-key"))
        };
        let message = format!("{key} is also sent to {url}, beside {token}; {why}");
        Problem::error("key-sent-to-gateway", message, fix)
    } else {
        Problem::warning(
            "two-credentials",
            format!("two credentials go to {url} in one request: {key} and {token}"),
            either,
        )
    })
}

fn asked(case: &Case<'_>, dialog: Dialog) -> Option<Problem> {
    match dialog {
        Dialog::Onboarding => Some(Problem::warning(
            "onboarding-incomplete",
            "onboarding is not complete: the interactive client starts with questions that need the network",
            case.set_key(),
        )),
        Dialog::ApproveEnvKey => Some(Problem::warning(
            "env-key-not-approved",
            "the interactive client asks whether it may use ANTHROPIC_API_KEY, and no is the default",
            approve(case),
        )),
        Dialog::InvalidConfig | Dialog::InvalidSettings | Dialog::Login => None,
    }
}

/// The key in ANTHROPIC_API_KEY was rejected when the interactive client asked.
fn rejected(case: &Case<'_>) -> Option<Problem> {
    let setting = settings::effective(case.state, names::KEY)?;
    let suffix = key::suffix(settings::js_trim(setting.value.reveal()));
    let config = &case.state.config;
    let include = |answers: &Answers| answers.include(case.state.client, suffix) == Some(true);
    (include(&config.rejected) && !include(&config.approved)).then(|| {
        let source = &setting.source;
        let message = format!("the interactive client does not use {source}: its use was rejected");
        Problem::warning("env-key-rejected", message, approve(case))
    })
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

fn provider(case: &Case<'_>) -> Option<Problem> {
    let provider = case.decision.print.provider?;
    let source = &settings::effective(case.state, &provider.switch())?.source;
    let name = provider.id;
    Some(Problem::warning(
        "other-provider",
        format!("{source} sends requests to {name}: no Anthropic credential is used"),
        case.remove(source),
    ))
}

fn custom_headers(case: &Case<'_>, outcome: &Outcome) -> Vec<Problem> {
    let problem = |(name, header): (&str, &Header)| {
        let source = header.taken_by().filter(|source| source.is_variable(names::HEADERS))?;
        let message = format!("{source} has an {name} line, which replaces the credential");
        let fix = format!("either remove that line of it, or {}", case.remove(source));
        Some(Problem::warning("custom-headers", message, fix))
    };
    outcome.headers().into_iter().filter_map(problem).collect()
}

fn helper(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let Some((layer, _)) = settings::helper(case.state) else { return };
    let source = Source::Helper(layer);
    let remove = case.remove(&source);
    if let Some(failure) = helper_failure(case.state) {
        problems.push(Problem::error(
            "helper-failed",
            format!("{source} {failure}"),
            format!("either have it print the key alone and exit with 0, or {remove}"),
        ));
    } else if let Some(program) = &case.around.unusable_helper {
        problems.push(Problem::error(
            "helper-not-executable",
            format!("{source} names {}, which is not a file that can be run", case.show(program)),
            format!("either chmod +x {}, or {remove}", case.quote(program)),
        ));
    }
    if case.destination.helper_is_untrusted && case.modes.contains(&Mode::Print) {
        let file = case.place(&source);
        problems.push(Problem::warning(
            "untrusted-helper",
            format!(
                "`claude -p` runs apiKeyHelper of {file} though you have not trusted this folder"
            ),
            match case.state.helper {
                HelperRun::NotRun => {
                    "read it first; then, to try it: cck verify --run-helper=project".to_owned()
                }
                _ => remove,
            },
        ));
    }
}

fn login(case: &Case<'_>) -> Option<Problem> {
    let login = case.state.login.as_ref()?;
    let source = Some(&case.state.login_source);
    let is_used =
        case.modes.iter().any(|mode| case.decision.outcome(*mode).authorization.source() == source);
    if !is_used {
        None
    } else if login.is_refreshed(case.state.now) {
        Some(Problem::warning(
            "login-refreshes",
            "the stored login has expired and is refreshed before the first request, so what is sent is not known here",
            "start claude once, then ask again",
        ))
    } else if login.expires_at.is_some_and(|at| at / 1000.0 < case.state.now) {
        let remove = case.remove(&Source::Login);
        Some(Problem::warning(
            "login-expired",
            "the stored login has expired; the client sends it anyway",
            format!("either log in again with /login in claude, or {remove}"),
        ))
    } else {
        None
    }
}
