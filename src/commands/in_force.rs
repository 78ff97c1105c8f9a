//! After a change to the config: which credential the client sends now.

use super::target::Target;
use crate::client::{
    ChosenBy, ConfigFile, Launch, Mode, Source, State, destination, gather, installed, resolve,
};
use crate::context::Context;
use crate::report::names::Names;
use crate::report::text::who;

/// What the client sends now, as a line for people; none where it cannot be told.
pub(crate) fn line(file: &ConfigFile, context: &Context) -> Option<String> {
    let state = state(file, context)?;
    let decision = resolve::resolve(&state);
    let names = Names { state: &state, is_session: false };
    in_modes(|mode| {
        let sources = names.of_all(decision.outcome(mode).sources());
        Some(format!("now sends {}", if sources.is_empty() { "no credential" } else { &sources }))
    })
}

/// A warning if the key would go where a folder leads it that the user has not trusted.
pub(crate) fn warn_if_led_away(file: &ConfigFile, context: &mut Context) -> Option<State> {
    let state = state(file, context)?;
    let destination = destination::destination(&state);
    if let Err(refusal) = destination::may_send(&destination, None) {
        let reason = refusal.reason(&destination);
        context.warn(&format!("started here, Claude Code would have the key {reason}"));
    }
    Some(state)
}

/// A warning for each mode in which the key that was written, at `own`, is not what is sent, or not all that is sent.
pub(crate) fn warn_if_shadowed(own: &Source, target: &Target, context: &mut Context) {
    let Some(state) = warn_if_led_away(&target.file, context) else { return };
    let decision = resolve::resolve(&state);
    let names = Names { state: &state, is_session: false };
    let message = in_modes(|mode| {
        if decision.meets(mode, Some(own)) {
            return None;
        }
        let mut others = decision.outcome(mode).sources();
        let all = others.len();
        others.retain(|source| *source != own);
        let is_sent = others.len() < all;
        Some(match names.of_all(others) {
            others if others.is_empty() => "does not send this key".to_owned(),
            others if is_sent => format!("sends {others} as well as this key"),
            others => format!("sends {others} instead of this key"),
        })
    });
    if let Some(message) = message {
        let verify = target.args.cck("verify");
        context.warn(&format!("{message}; `{verify}` says why and what to do"));
    }
}

/// What there is to say of each mode, once if it is the same of both.
fn in_modes(say: impl Fn(Mode) -> Option<String>) -> Option<String> {
    let said = Mode::ALL.map(|mode| (who(mode), say(mode)));
    if said[0].1 == said[1].1 {
        return said[0].1.as_ref().map(|both| format!("Claude Code {both}"));
    }
    let said = said.into_iter().filter_map(|(who, said)| Some(format!("{who} {}", said?)));
    Some(said.collect::<Vec<_>>().join("; "))
}

fn state(file: &ConfigFile, context: &Context) -> Option<State> {
    let named = (file.chosen_by == ChosenBy::Flag).then_some(file.path.as_path());
    let (client, _) = installed::choose(None, &installed::find(context, None, None));
    gather::gather(context, client, &Launch::default(), None, named).ok()
}
