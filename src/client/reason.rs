//! What became of every source of a credential, and why. Pure.

use super::{
    Candidate, Credential, Credentials, Header, Kind, Note, Outcome, Secret, Standing, State,
    headers::helper_failure,
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

pub(crate) fn note(state: &State, found: &mut Credentials, outcome: &Outcome) {
    let counting = found.all.iter().filter(|credential| credential.counts());
    let notes: Vec<_> = counting
        .map(|credential| (credential.source.clone(), standing(state, found, credential, outcome)))
        .collect();
    notes.into_iter().for_each(|(source, note)| found.note(&source, note));
}

fn standing(
    state: &State,
    found: &Credentials,
    credential: &Credential,
    outcome: &Outcome,
) -> Note {
    let source = &credential.source;
    let of = |wanted: &dyn Fn(&Header) -> bool| {
        let headers = outcome.headers().into_iter().filter(|(_, header)| wanted(header));
        headers.map(|(name, _)| name).collect::<Vec<_>>().join(" and ")
    };
    let sent_as = of(&|header| header.source() == Some(source));
    if !sent_as.is_empty() {
        return Note::new(Standing::Used, format!("sent as {sent_as}"));
    }
    let empty = of(&|header| *header == Header::Invalid(source.clone()));
    let kind = source.kind();
    let is_helper = kind == Kind::Helper;
    let failure = helper_failure(state).filter(|_| is_helper);
    let failure = failure.or_else(|| (!empty.is_empty()).then(|| "is blank".to_owned()));
    if let Some(failure) = failure {
        let then = if empty.is_empty() {
            String::new()
        } else {
            format!("; {empty} is sent without a credential")
        };
        return Note::new(Standing::Ignored, format!("it {failure}{then}"));
    }
    let is_key = matches!(kind, Kind::Key | Kind::Primary);
    if is_key && state.variables.is_gateway() {
        let reason = "CLAUDE_CODE_USE_GATEWAY is on: only ANTHROPIC_AUTH_TOKEN is sent";
        return Note::new(Standing::Ignored, reason);
    }
    let (key, token) = (outcome.x_api_key.taken_by(), outcome.authorization.taken_by());
    let first = if found.has(Kind::Gateway) {
        token
    } else if is_key {
        key.or(token)
    } else if is_helper {
        None
    } else {
        token.or(key)
    };
    match (first, key, token) {
        (None, Some(key), Some(token)) if key != token => {
            let because = format!("{key} comes first as x-api-key, {token} as authorization");
            Note::shadowed(token, because)
        }
        _ => match first.or(key).or(token) {
            Some(first) => Note::first(first),
            None => Note::new(Standing::Shadowed, "the client sends nothing"),
        },
    }
}
