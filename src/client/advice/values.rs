//! Values that are not what their place takes: a token where a key belongs, a placeholder, a key where nobody looks.

use super::Problems;
use crate::client::{ANTHROPIC, Case, Kind, Origin, Problem, Severity, Source, names, settings};
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
    let mut mistakes = case.sent().filter_map(|source| mistake(case, source));
    let mistake = mistakes.find(|mistake| mistake.severity == Severity::Error)?;
    Some(format!("be refused: {}", mistake.message))
}

fn is_first_party(case: &Case<'_>) -> bool {
    case.destination.address.as_ref().is_ok_and(|address| address.host() == ANTHROPIC)
}

fn mistake(case: &Case<'_>, source: &Source) -> Option<Problem> {
    let secret = case.decision.candidate(source)?.secret.as_ref()?;
    let text = Some(settings::js_trim(secret.reveal())).filter(|text| !text.is_empty())?;
    let kind = source.kind();
    let code = match kind {
        Kind::Key | Kind::Primary => "odd-key-shape",
        Kind::Helper => "helper-output",
        Kind::Token => "odd-token",
        Kind::Oauth if *source != Source::WellKnownToken => "odd-oauth-token",
        _ => return None,
    };
    let remove = match source {
        Source::PrimaryKey | Source::KeychainKey => case.set_key(),
        _ => case.remove(source),
    };
    let error = |code, message, fix| Some(Problem::error(code, message, fix));
    let (is_key, is_oauth) = (code == "odd-key-shape", text.starts_with("sk-ant-oat"));
    if is_key && is_oauth {
        let message = format!("{source} holds an OAuth token, not an API key");
        let fix = rename(source, names::OAUTH)
            .unwrap_or_else(|| format!("put it in {}, then: {remove}", names::OAUTH));
        return error(code, message, fix);
    }
    let is_bearer = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
    if kind == Kind::Token && is_bearer {
        let message = format!("{source} begins with `Bearer `, which the client adds itself");
        let fix = match source {
            Source::Variable(Origin::Process, name) => {
                format!("export {name}=\"${{{name}#* }}\"")
            }
            _ => format!("remove `Bearer ` from it in {}", case.place(source)),
        };
        return error("bearer-twice", message, fix);
    }
    let holds_key = text.starts_with("sk-ant-api")
        && (kind == Kind::Oauth || (kind == Kind::Token && is_first_party(case)));
    if holds_key {
        let code = if kind == Kind::Token { "key-as-token" } else { code };
        let message = format!(
            "{source} holds an API key, not an OAuth token: it belongs in ANTHROPIC_API_KEY"
        );
        let fix = rename(source, names::KEY)
            .unwrap_or_else(|| format!("rename it to {} in {}", names::KEY, case.place(source)));
        return error(code, message, fix);
    }
    let takes_keys = is_key || (kind == Kind::Helper && !is_oauth);
    let wrong = shape::misplaced(text).filter(|_| takes_keys).or_else(|| shape::mistake(text));
    let is_doubt = wrong.is_none();
    let failure = wrong.or_else(|| shape::doubt(text).filter(|_| is_key))?;
    if kind == Kind::Helper {
        let message = format!("what {source} prints is not the key alone: {failure}");
        return error(code, message, format!("either have it print the key alone, or {remove}"));
    }
    let is_warning = is_doubt || (kind == Kind::Token && !is_first_party(case));
    let make = if is_warning { Problem::warning } else { Problem::error };
    Some(make(code, format!("{source}: {failure}"), remove))
}

fn rename(source: &Source, name: &str) -> Option<String> {
    let Source::Variable(Origin::Process, old) = source else { return None };
    Some(format!("export {name}=\"${old}\"; unset {old}"))
}
