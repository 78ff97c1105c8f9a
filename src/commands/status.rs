//! `cck` without a command: what is in force, in a few lines, and the next step.

use crate::client::Client;
use crate::client::advice::{self, Case, Severity};
use crate::client::decision::{Mode, Outcome};
use crate::client::launch::Launch;
use crate::client::source::Source;
use crate::client::{destination, gather, installed, paths, resolve, settings, surroundings};
use crate::context::Context;
use crate::error::Exit;
use crate::online::without_user;
use crate::output::one_line;

/// Says what is in force. This is information, not a verdict: it ends well unless nothing could be looked at.
pub(crate) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let search = installed::find(context, None, None);
    let client = search.client.as_ref().and_then(|found| found.client()).unwrap_or(Client::V2);
    let state = gather::gather(context, client, &Launch::default(), None, None)?;
    let decision = resolve::resolve(&state);
    let around = surroundings::look(&state, context);
    let destination = destination::destination(&state, context.home().as_deref());
    let refusal = destination::may_send(&destination, None).err();
    let home = context.home().map(std::path::PathBuf::into_os_string);
    let case = Case {
        state: &state,
        around: &around,
        decision: &decision,
        destination: &destination,
        refusal: refusal.as_ref(),
        unusable_clients: &search.unusable,
        modes: &[Mode::Print, Mode::Interactive],
        expected: None,
        home: home.as_deref(),
    };
    let problems = advice::problems(&case);
    let (print, interactive) = (&decision.print, &decision.interactive);
    let url = one_line(&without_user(settings::base_url(&state).1));
    if print.sources() == interactive.sources() && print.sends == interactive.sends {
        context.say(format!("Claude Code sends {} to {url}", sent(print)));
    } else {
        context.say(format!("claude -p sends {} to {url}", sent(print)));
        context.say(format!("claude sends {}", sent(interactive)));
    }
    let config = &state.config_file;
    let shown = one_line(&paths::display(&config.path, home.as_deref()));
    let what = if config.reading.exists() { "" } else { ", which does not exist" };
    context.say(format!("its config is {shown}{what}"));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let nothing = !decision.candidates.iter().any(|candidate| candidate.secret.is_some())
        && settings::helper(&state).is_none();
    context.say(match (nothing, errors, problems.len()) {
        (true, ..) => "next: cck set-key puts an API key there (see cck --help)".to_owned(),
        (false, _, 0) => "next: cck verify says why, cck --help what else there is".to_owned(),
        (false, errors, all) => {
            format!("next: cck verify explains {}", counted(errors, all - errors))
        }
    });
    Ok(Exit::Done)
}

fn sent(outcome: &Outcome) -> String {
    let sources: Vec<String> = outcome.sources().into_iter().map(Source::to_string).collect();
    if outcome.sends && !sources.is_empty() {
        sources.join(" and ")
    } else {
        "no credential".to_owned()
    }
}

fn counted(errors: usize, warnings: usize) -> String {
    let count = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        more => Some(format!("{more} {word}s")),
    };
    let parts: Vec<String> =
        [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    parts.join(" and ")
}
