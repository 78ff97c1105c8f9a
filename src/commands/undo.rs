//! `cck undo`: puts back what the last change replaced.

use clap::Args;
use serde_json::json;

use super::change::{self, Changed, FilePlan};
use super::target::{ChangeArgs, Target};
use crate::context::Context;
use crate::error::{Exit, fail};
use crate::records::undo;

#[derive(Debug, Args)]
#[command(after_help = "\
Reverts the last set-key, rotate, unset-key, approve or helper command: in the config, in settings and in the macOS \
Keychain. A second undo takes that back. A change can be undone for 7 days; what was scrubbed is gone.")]
pub(crate) struct UndoArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Put the values back even if someone else has changed them since
    #[arg(long)]
    force: bool,
}

/// Runs `cck undo`. If there is nothing to undo, the exit code is 1.
pub(crate) fn run(args: UndoArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = Target::locate(&args.change, context)?.existing()?;
    let shown = context.show(&target.file.path);
    let Some(record) = undo::load(&target.file.path, context)? else {
        let lines = [format!("nothing to undo in {shown}"), String::new(), String::new()];
        let report = json!({"undone": null, "of": null});
        Changed::default().report(&target, report, lines, context)?;
        return Ok(Exit::No);
    };
    let look = args.change.cck("undo --dry-run --force");
    let mut files = Vec::new();
    // What was changed last goes first: a key never stays without the address that was set with it.
    for edited in record.files.iter().rev() {
        let shown = context.show(&edited.path);
        let (force, action, time, look) = (args.force, &record.action, &record.time, &look);
        files.push(FilePlan::new(&edited.path, move |document| {
            if !force && !edited.is_untouched(document) {
                return Err(fail(
                    format!("{shown} was changed after the {action} of {time}"),
                    format!("look at it with `{look}`; --force puts the old values back anyway"),
                ));
            }
            Ok(edited.restore())
        }));
    }
    let changed = change::apply(&target, "undo", None, files, context)?;
    let names = change::places(record.files.iter().map(|file| &*file.path), context);
    let what = format!("the {} of {} in {names}", record.action, record.time);
    let lines = [
        format!("{what} is undone already; nothing to change"),
        format!("would undo {what}:"),
        format!("undid {what}:"),
    ];
    let report = json!({"undone": record.action, "of": record.time});
    changed.report(&target, report, lines, context)?;
    if !args.change.json {
        changed.print_diff(context);
    }
    Ok(Exit::Done)
}
