//! `cck` without a command: what is in force, in a few lines, and the next step.

use crate::client::advice::{self, Case};
use crate::client::decision::Mode;
use crate::client::launch::Launch;
use crate::client::{destination, gather, installed, resolve, surroundings};
use crate::context::Context;
use crate::error::Exit;
use crate::report::json::Summary;
use crate::report::text;

/// Says what is in force. This is information, not a verdict: it ends well unless nothing could be looked at.
pub(crate) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let search = installed::find(context, None, None);
    let (client, installed) = installed::choose(None, &search);
    let state = gather::gather(context, client, &Launch::default(), None, None)?;
    let decision = resolve::resolve(&state);
    let around = surroundings::look(&state, context);
    let destination = destination::destination(&state, context.home().as_deref());
    let refusal = destination::may_send(&destination, None).err();
    let home = context.home().map(std::path::PathBuf::into_os_string);
    let session = super::run::session_source(context);
    let expected = super::verify::expected(None, &state, session.is_some())?;
    let case = Case {
        state: &state,
        around: &around,
        decision: &decision,
        destination: &destination,
        refusal: refusal.as_ref(),
        unusable_clients: &search.unusable,
        modes: &Mode::ALL,
        expected: expected.as_ref(),
        profile: None,
        home: home.as_deref(),
    };
    let problems = advice::problems(&case);
    let meets = Mode::ALL.iter().all(|mode| decision.meets(*mode, expected.as_ref()));
    let refused =
        refusal.map(|refusal| format!("the credential would {}", refusal.reason(&destination)));
    let summary = Summary {
        destination: &destination,
        modes: &Mode::ALL,
        expected: expected.as_ref(),
        verdict: meets && refused.is_none(),
        refused: refused.filter(|_| meets),
        problems: &problems,
        online: None,
        session: session.as_deref(),
        width: context.width(),
        verbose: false,
        installed: &installed,
        home: home.as_deref(),
    };
    if !context.quiet {
        context.out.push_str(&text::status(&state, &decision, &summary));
    }
    Ok(Exit::Done)
}
