//! `cck undo`: puts back what the last change to the config replaced.

use clap::Args;
use serde::Serialize;

use super::change::{self, ChangeArgs};
use super::target::{ShownChange, Target};
use crate::context::Context;
use crate::error::Exit;
use crate::error::fail;
use crate::records::undo;

/// The arguments of `cck undo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Puts back the members that the last set-key, rotate, unset-key or approve changed in this
config; a second undo takes that back. What was scrubbed is gone.")]
pub(crate) struct UndoArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Put the members back even where somebody else has changed them since
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    path: &'a str,
    undone: Option<&'a str>,
    of: Option<&'a str>,
    changed: bool,
    dry_run: bool,
    changes: &'a [ShownChange],
}

/// Runs `cck undo`. Where there is nothing to undo the exit code is 1.
pub(crate) fn run(args: UndoArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = Target::locate(&args.change.target, context)?;
    let shown = target.shown(context);
    let json = args.change.target.json;
    let path = target.file.path.to_string_lossy();
    let mut report = Report {
        schema: 1,
        path: &path,
        undone: None,
        of: None,
        changed: false,
        dry_run: args.change.target.dry_run,
        changes: &[],
    };
    let Some(record) = undo::load(&target.file.path, context)? else {
        if json {
            context.say_json(&report)?;
        } else {
            context.say(format!("cck knows of no change to {shown} that it could undo"));
        }
        return Ok(Exit::No);
    };
    let changed = change::apply(&args.change, &target, "undo", None, context, |document| {
        if !args.force && !record.members.iter().all(|member| member.is_untouched(document)) {
            return Err(fail(
                format!("{shown} was changed after the {} of {}", record.action, record.time),
                "look at it with `cck undo --dry-run --force`; --force puts the old values back all the same",
            ));
        }
        Ok(record.members.iter().map(undo::Member::restore).collect())
    })?;
    if json {
        report.undone = Some(&record.action);
        report.of = Some(&record.time);
        report.changed = !changed.shown.is_empty();
        report.changes = &changed.shown;
        context.say_json(&report)?;
        return Ok(Exit::Done);
    }
    let verb = if args.change.target.dry_run { "would undo" } else { "undid" };
    context.say(format!("{verb} the {} of {} in {shown}:", record.action, record.time));
    let diff: String = changed.shown.iter().map(ShownChange::diff).collect();
    context.say_diff(&diff);
    Ok(Exit::Done)
}
