//! After a change to the config: which credential the client sends now.

use std::path::Path;

use crate::client::decision::Mode;
use crate::client::destination;
use crate::client::gather;
use crate::client::installed;
use crate::client::launch::Launch;
use crate::client::paths::{ChosenBy, ConfigFile};
use crate::client::resolve;
use crate::client::source::Source;
use crate::client::state::State;
use crate::context::Context;
use crate::report::names::Names;

/// What the client sends now, as a line for people; none where it cannot be told.
pub(crate) fn line(file: &ConfigFile, context: &Context) -> Option<String> {
    let state = state(file, context)?;
    let decision = resolve::resolve(&state);
    let names = Names { state: &state, home: context.home_var(), is_session: false };
    let sent = |mode| {
        let sources = decision.outcome(mode).sources();
        let sources: Vec<String> = sources.iter().map(|source| names.name(source)).collect();
        if sources.is_empty() { "no credential".to_owned() } else { sources.join(" and ") }
    };
    let (print, interactive) = (sent(Mode::Print), sent(Mode::Interactive));
    Some(if print == interactive {
        format!("Claude Code now sends {print}")
    } else {
        format!("claude -p now sends {print}, interactive claude {interactive}")
    })
}

/// A warning if the key would go where a folder leads it that the user has not trusted.
pub(crate) fn warn_if_led_away(file: &ConfigFile, context: &mut Context) {
    if let Some(state) = state(file, context) {
        warn_of_refusal(&state, context);
    }
}

fn warn_of_refusal(state: &State, context: &mut Context) {
    let destination = destination::destination(state, context.home().as_deref());
    if let Err(refusal) = destination::may_send(&destination, None) {
        let reason = refusal.reason(&destination);
        context.warn(&format!("started here, Claude Code would have the key {reason}"));
    }
}

/// A warning for each mode in which the key that was written, at `own`, is not what is sent, or not all that is sent.
pub(crate) fn warn_if_shadowed(own: &Source, file: &ConfigFile, context: &mut Context) {
    let Some(state) = state(file, context) else { return };
    warn_of_refusal(&state, context);
    let decision = resolve::resolve(&state);
    let names = Names { state: &state, home: context.home_var(), is_session: false };
    let blame = |mode| -> Option<String> {
        let outcome = decision.outcome(mode);
        if decision.meets(mode, Some(own)) {
            return None;
        }
        let sources = outcome.sources();
        let others: Vec<String> = sources
            .iter()
            .filter(|source| **source != own)
            .map(|source| names.name(source))
            .collect();
        let others = others.join(" and ");
        let is_sent = sources.contains(&own);
        Some(match (is_sent, others.is_empty()) {
            (true, false) => format!("sends {others} as well as this key"),
            (false, false) => format!("sends {others} instead of this key"),
            _ => "does not send this key".into(),
        })
    };
    let message = match (blame(Mode::Print), blame(Mode::Interactive)) {
        (None, None) => return,
        (Some(print), Some(interactive)) if print == interactive => format!("Claude Code {print}"),
        (Some(print), Some(interactive)) => {
            format!("claude -p {print}; interactive claude {interactive}")
        }
        (Some(print), None) => format!("claude -p {print}"),
        (None, Some(interactive)) => format!("interactive claude {interactive}"),
    };
    context.warn(&format!("{message}; `cck verify` says why and what to do"));
}

fn state(file: &ConfigFile, context: &Context) -> Option<State> {
    let named = (file.chosen_by == ChosenBy::Flag).then_some(file.path.as_path());
    let (client, _) = installed::choose(None, &installed::find(context, None, None));
    gather::gather(context, client, &Launch::default(), None::<&Path>, named).ok()
}
