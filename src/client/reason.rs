//! What became of every source of a credential, and why. Pure.

use super::{
    Candidate, Credential, Credentials, Header, Kind, Note, Outcome, Secret, Source, Standing,
    State, headers::helper_failure,
};

/// The report's candidates, from what was noted in both modes.
pub(crate) fn candidates(in_print: Credentials, in_interactive: Credentials) -> Vec<Candidate> {
    let note = |note: Option<Note>| note.unwrap_or_else(|| Note::new(Standing::Unset, "not set"));
    // A policyHelper gives way to the server, and runs where that is not asked.
    let mut all = in_print.all;
    for (at, found) in in_interactive.all.iter().enumerate() {
        if all.iter().all(|other| other.source != found.source) {
            let because = "the server's settings go before it";
            let note = Some(Note::new(Standing::Ignored, because));
            all.insert(at.min(all.len()), Credential { note, ..found.clone() });
        }
    }
    let candidate = |found: Credential| {
        let mut others = in_interactive.all.iter();
        let interactive = match others.find(|other| other.source == found.source) {
            Some(other) => note(other.note.clone()),
            None => Note::new(Standing::Ignored, "the server is not asked for settings"),
        };
        let is_descriptor = found.source.is_descriptor();
        let is_shown = |secret: &Secret| !is_descriptor && !secret.reveal().trim().is_empty();
        Candidate {
            secret: found.secret.filter(is_shown),
            source: found.source,
            print: note(found.note),
            interactive,
        }
    };
    all.into_iter().map(candidate).collect()
}

/// Notes what becomes of the sources that count; `failure` is why nothing is sent, if nothing is.
pub(crate) fn note(
    state: &State,
    found: &mut Credentials,
    outcome: &Outcome,
    failure: Option<&str>,
) {
    for credential in found.all.iter_mut().filter(|credential| credential.counts()) {
        credential.note = Some(standing(state, &credential.source, outcome, failure));
    }
}

fn standing(state: &State, source: &Source, outcome: &Outcome, failure: Option<&str>) -> Note {
    let of = |wanted: &dyn Fn(&Header) -> bool| {
        let headers = outcome.headers().into_iter().filter(|(_, header)| wanted(header));
        headers.map(|(name, _)| name).collect::<Vec<_>>().join(" and ")
    };
    let sent_as = of(&|header| header.source() == Some(source));
    if !sent_as.is_empty() {
        return match failure {
            Some(failure) => Note::new(Standing::Ignored, failure),
            None => Note::new(Standing::Used, format!("sent as {sent_as}")),
        };
    }
    let empty = of(&|header| *header == Header::Invalid(source.clone()));
    let kind = source.kind();
    let is_helper = kind == Kind::Helper;
    let is_blank = || (!empty.is_empty()).then(|| "is blank".to_owned());
    if let Some(failure) = helper_failure(state).filter(|_| is_helper).or_else(is_blank) {
        let then = match &*empty {
            "" => String::new(),
            header => format!("; {header} is sent without a credential"),
        };
        return Note::new(Standing::Ignored, format!("it {failure}{then}"));
    }
    let is_key = matches!(kind, Kind::Key | Kind::Primary);
    if is_key && state.variables.is_gateway() {
        let reason = "CLAUDE_CODE_USE_GATEWAY is on: only ANTHROPIC_AUTH_TOKEN is sent";
        return Note::new(Standing::Ignored, reason);
    }
    let (key, token) = (outcome.x_api_key.taken_by(), outcome.authorization.taken_by());
    let is_gateway = token == Some(&Source::Gateway);
    match (key, token) {
        (Some(key), Some(token)) if is_helper && !is_gateway && key != token => {
            let because = format!("{key} comes first as x-api-key, {token} as authorization");
            Note::shadowed(token, because)
        }
        (Some(key), _) if is_key && !is_gateway => Note::first(key),
        (_, Some(first)) | (Some(first), None) => Note::first(first),
        (None, None) => Note::new(Standing::Shadowed, "the client sends nothing"),
    }
}
