//! Values that are not what their place takes: a token where a key belongs, a placeholder, a key where nobody looks.

use super::super::address::ANTHROPIC;
use super::super::settings::{self, names};
use super::super::source::{Origin, Source};
use super::{Case, Problems, Severity};
use crate::key::shape;

struct Mistake {
    code: &'static str,
    severity: Severity,
    message: String,
    fix: String,
}

pub(super) fn add(case: &Case<'_>, problems: &mut Problems) {
    for candidate in &case.decision.candidates {
        let Some(secret) = &candidate.secret else { continue };
        let text = settings::js_trim(secret.reveal());
        if let Some(mistake) = mistake(case, &candidate.source, text) {
            problems.add(mistake.code, mistake.severity, mistake.message, mistake.fix);
        }
    }
    for misplaced in &case.around.misplaced {
        problems.warn("misplaced-key", misplaced.message.clone(), misplaced.fix.clone());
    }
}

/// Why the API refuses what is sent, whatever key it is: the value is of the wrong kind for its header.
pub(crate) fn refused(case: &Case<'_>) -> Option<String> {
    if !is_first_party(case) {
        return None;
    }
    case.modes.iter().find_map(|mode| {
        let sources = case.decision.outcome(*mode).sources().into_iter();
        sources.into_iter().find_map(|source| {
            let candidates = &case.decision.candidates;
            let candidate = candidates.iter().find(|candidate| candidate.source == *source)?;
            let text = settings::js_trim(candidate.secret.as_ref()?.reveal());
            let mistake = mistake(case, source, text)?;
            (mistake.severity == Severity::Error)
                .then(|| format!("be refused: {}", mistake.message))
        })
    })
}

fn is_first_party(case: &Case<'_>) -> bool {
    case.destination.address.as_ref().is_ok_and(|address| address.host() == ANTHROPIC)
}

/// What is wrong with the value of a source.
fn mistake(case: &Case<'_>, source: &Source, text: &str) -> Option<Mistake> {
    let variable = match source {
        Source::Variable(_, name) => name.as_str(),
        Source::PrimaryKey | Source::KeychainKey | Source::WellKnownKey => names::KEY,
        Source::Helper(_) => "apiKeyHelper",
        _ => return None,
    };
    match variable {
        names::KEY => in_key(case, source, text),
        names::TOKEN => in_token(case, source, text),
        names::OAUTH => in_oauth(case, source, text),
        "apiKeyHelper" => from_helper(case, source, text),
        _ => None,
    }
}

fn in_key(case: &Case<'_>, source: &Source, text: &str) -> Option<Mistake> {
    let replace = || match source {
        Source::PrimaryKey | Source::KeychainKey => case.cck("set-key"),
        _ => case.remove(source),
    };
    let problem =
        |severity, message, fix| Some(Mistake { code: "odd-key-shape", severity, message, fix });
    if text.starts_with("sk-ant-oat") {
        let fix = match source {
            Source::Variable(Origin::Process, name) => {
                format!("export CLAUDE_CODE_OAUTH_TOKEN=\"${name}\"; unset {name}")
            }
            _ => format!("put it in CLAUDE_CODE_OAUTH_TOKEN, then: {}", replace()),
        };
        let message = format!("{source} holds an OAuth token, not an API key");
        return problem(Severity::Error, message, fix);
    }
    let failure = shape::misplaced(text).or_else(|| wrong_shape(text))?;
    let severity = if is_soft(&failure) { Severity::Warning } else { Severity::Error };
    problem(severity, format!("{source}: {failure}"), replace())
}

fn in_token(case: &Case<'_>, source: &Source, text: &str) -> Option<Mistake> {
    let error =
        |code, message, fix| Some(Mistake { code, severity: Severity::Error, message, fix });
    if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        let fix = match source {
            Source::Variable(Origin::Process, name) => {
                format!("export {name}=\"${{{name}#* }}\"")
            }
            _ => format!("take `Bearer ` out of it in {}", case.place(source)),
        };
        let message = format!("{source} begins with `Bearer `, which the client adds itself");
        return error("bearer-twice", message, fix);
    }
    if text.starts_with("sk-ant-api") && is_first_party(case) {
        let message = format!(
            "{source} holds an API key: as a Bearer token the API refuses it; it belongs in ANTHROPIC_API_KEY"
        );
        return error("key-as-token", message, move_to_key(case, source));
    }
    let failure = wrong_shape(text).filter(|failure| !is_soft(failure))?;
    let severity = if is_first_party(case) { Severity::Error } else { Severity::Warning };
    let message = format!("{source}: {failure}");
    Some(Mistake { code: "odd-token", severity, message, fix: case.remove(source) })
}

fn in_oauth(case: &Case<'_>, source: &Source, text: &str) -> Option<Mistake> {
    let code = "odd-oauth-token";
    if text.starts_with("sk-ant-api") {
        let message = format!(
            "{source} holds an API key, not an OAuth token: it belongs in ANTHROPIC_API_KEY"
        );
        let fix = move_to_key(case, source);
        return Some(Mistake { code, severity: Severity::Error, message, fix });
    }
    let failure = wrong_shape(text).filter(|failure| !is_soft(failure))?;
    let message = format!("{source}: {failure}");
    Some(Mistake { code, severity: Severity::Error, message, fix: case.remove(source) })
}

fn from_helper(case: &Case<'_>, source: &Source, text: &str) -> Option<Mistake> {
    let failure = shape::misplaced(text)
        .filter(|_| !text.starts_with("sk-ant-oat"))
        .or_else(|| wrong_shape(text).filter(|failure| !is_soft(failure)))?;
    let message = format!("what {source} prints is not the key alone: {failure}");
    let fix = format!("either have it print the key alone, or {}", case.remove(source));
    Some(Mistake { code: "helper-output", severity: Severity::Error, message, fix })
}

/// What takes an API key from another variable to its own.
fn move_to_key(case: &Case<'_>, source: &Source) -> String {
    match source {
        Source::Variable(Origin::Process, name) => {
            format!("export ANTHROPIC_API_KEY=\"${name}\"; unset {name}")
        }
        _ => format!("rename it to ANTHROPIC_API_KEY in {}", case.place(source)),
    }
}

/// The mistake in a value that should be a key, in words.
fn wrong_shape(text: &str) -> Option<crate::error::Failure> {
    shape::check(text).err().and_then(|error| error.downcast().ok())
}

/// Whether it may be a key anyway: a gateway's own, or a short one.
fn is_soft(failure: &crate::error::Failure) -> bool {
    ["they start with sk-ant-", "too short", "that no key has"]
        .iter()
        .any(|words| failure.problem.contains(words))
}
