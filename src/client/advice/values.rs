//! Values that are not what their place takes: a token where a key belongs, a placeholder, a key where nobody looks.

use super::Problems;
use crate::client::{ANTHROPIC, Case, Kind, Origin, Problem, Severity, Source, names, settings};
use crate::error::Failure;
use crate::key::shape;

pub(super) fn add(case: &Case<'_>, found: &mut Problems) {
    for candidate in &case.decision.candidates {
        if let Some(problem) = mistake(case, &candidate.source) {
            found.push(problem);
        }
    }
    for misplaced in &case.around.misplaced {
        let fix = misplaced.fix.replace("cck set-key", &case.set_key());
        found.push(Problem { fix, ..misplaced.clone() });
    }
}

/// Why the API refuses what is sent, whatever key it is: the value is of the wrong kind for its header.
pub(crate) fn refused(case: &Case<'_>) -> Option<String> {
    if !is_first_party(case) {
        return None;
    }
    let sources = case.modes.iter().flat_map(|mode| case.decision.outcome(*mode).sources());
    let mut mistakes = sources.filter_map(|source| mistake(case, source));
    let mistake = mistakes.find(|mistake| mistake.severity == Severity::Error)?;
    Some(format!("be refused: {}", mistake.message))
}

fn is_first_party(case: &Case<'_>) -> bool {
    case.destination.address.as_ref().is_ok_and(|address| address.host() == ANTHROPIC)
}

fn mistake(case: &Case<'_>, source: &Source) -> Option<Problem> {
    let secret = case.decision.candidate(source)?.secret.as_ref()?;
    let text = settings::js_trim(secret.reveal());
    match source.kind() {
        Kind::Key | Kind::Primary => in_key(case, source, text),
        Kind::Helper => from_helper(case, source, text),
        Kind::Token => in_token(case, source, text),
        Kind::Oauth if *source != Source::WellKnownToken => in_oauth(case, source, text),
        _ => None,
    }
}

fn in_key(case: &Case<'_>, source: &Source, text: &str) -> Option<Problem> {
    let code = "odd-key-shape";
    let replace = match source {
        Source::PrimaryKey | Source::KeychainKey => case.set_key(),
        _ => case.remove(source),
    };
    if text.starts_with("sk-ant-oat") {
        let message = format!("{source} holds an OAuth token, not an API key");
        let fix = rename(source, names::OAUTH)
            .unwrap_or_else(|| format!("put it in {}, then: {replace}", names::OAUTH));
        return Some(Problem::error(code, message, fix));
    }
    let failure = shape::misplaced(text).or_else(|| wrong_shape(text))?;
    let severity = if is_soft(&failure) { Severity::Warning } else { Severity::Error };
    Some(Problem { severity, ..Problem::error(code, format!("{source}: {failure}"), replace) })
}

fn in_token(case: &Case<'_>, source: &Source, text: &str) -> Option<Problem> {
    if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        let message = format!("{source} begins with `Bearer `, which the client adds itself");
        let fix = match source {
            Source::Variable(Origin::Process, name) => {
                format!("export {name}=\"${{{name}#* }}\"")
            }
            _ => format!("remove `Bearer ` from it in {}", case.place(source)),
        };
        return Some(Problem::error("bearer-twice", message, fix));
    }
    if text.starts_with("sk-ant-api") && is_first_party(case) {
        let message = format!(
            "{source} holds an API key: as a Bearer token the API refuses it; it belongs in ANTHROPIC_API_KEY"
        );
        return Some(Problem::error("key-as-token", message, move_to_key(case, source)));
    }
    let failure = wrong_shape(text).filter(|failure| !is_soft(failure))?;
    let severity = if is_first_party(case) { Severity::Error } else { Severity::Warning };
    let problem = Problem::error("odd-token", format!("{source}: {failure}"), case.remove(source));
    Some(Problem { severity, ..problem })
}

fn in_oauth(case: &Case<'_>, source: &Source, text: &str) -> Option<Problem> {
    let code = "odd-oauth-token";
    if text.starts_with("sk-ant-api") {
        let message = format!(
            "{source} holds an API key, not an OAuth token: it belongs in ANTHROPIC_API_KEY"
        );
        return Some(Problem::error(code, message, move_to_key(case, source)));
    }
    let failure = wrong_shape(text).filter(|failure| !is_soft(failure))?;
    Some(Problem::error(code, format!("{source}: {failure}"), case.remove(source)))
}

fn from_helper(case: &Case<'_>, source: &Source, text: &str) -> Option<Problem> {
    let failure = shape::misplaced(text)
        .filter(|_| !text.starts_with("sk-ant-oat"))
        .or_else(|| wrong_shape(text).filter(|failure| !is_soft(failure)))?;
    let message = format!("what {source} prints is not the key alone: {failure}");
    let fix = format!("either have it print the key alone, or {}", case.remove(source));
    Some(Problem::error("helper-output", message, fix))
}

/// What takes an API key from another variable to its own.
fn move_to_key(case: &Case<'_>, source: &Source) -> String {
    rename(source, names::KEY)
        .unwrap_or_else(|| format!("rename it to {} in {}", names::KEY, case.place(source)))
}

/// What gives a variable of the environment another name.
fn rename(source: &Source, name: &str) -> Option<String> {
    let Source::Variable(Origin::Process, old) = source else { return None };
    Some(format!("export {name}=\"${old}\"; unset {old}"))
}

/// The mistake in a value that should be a key, in words.
fn wrong_shape(text: &str) -> Option<Failure> {
    shape::check(text).err().and_then(|error| error.downcast().ok())
}

/// Whether it may be a key anyway: a gateway's own, or a short one.
fn is_soft(failure: &Failure) -> bool {
    ["they start with sk-ant-", "too short", "that no key has"]
        .iter()
        .any(|words| failure.problem.contains(words))
}
