//! `cck` without a command: what is in force, in a few lines, and the next step.

use super::verify::{self, VerifyArgs};
use crate::context::Context;
use crate::error::Exit;
use crate::report::text;

/// Says what is in force. This is information, not a verdict: it ends well unless nothing could be looked at.
pub(crate) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let width = context.width();
    let args = VerifyArgs::default();
    let text = verify::answer(&args, context, |answer| Ok(text::status(answer, width)))?;
    if !context.quiet {
        context.out.push_str(&text);
    }
    Ok(Exit::Done)
}
