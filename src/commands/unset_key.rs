//! `cck unset-key`: removes the key from the config, and with `--scrub` from every copy of it.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::change::{self, FilePlan};
use super::in_force;
use super::target::{ChangeArgs, Target};
use crate::client::{ChosenBy, keychain, sessions};
use crate::context::Context;
use crate::error::{Exit, in_one_line};
use crate::key;
use crate::records::scrub::{self, Keys, Left, Scrubbed};
use crate::records::undo;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck unset-key             `cck undo` brings the key back
  cck unset-key --scrub     remove it from backups too
  cck unset-key --dry-run   see what would change

If someone may have seen the key, revoke it in the Console: what was on a disk can be read until its blocks are used again.")]
pub(crate) struct UnsetKeyArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Also remove the key from the client's backups and other copies
    #[arg(long)]
    scrub: bool,
}

/// Runs `cck unset-key`. The exit code is 1 if something that may hold the key had to be left as it is.
pub(crate) fn run(args: UnsetKeyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = Target::locate(&args.change, context)?.existing()?;
    let keys = Keys::default();
    // What cck replaced in this config before is a copy too.
    undo::keys(&target.file.path, context).iter().for_each(|key| keys.add(key));
    let (mut files, mut unseen) = (Vec::new(), None);
    // The item goes with the client's config, not with any file.
    let is_clients = target.file.chosen_by != ChosenBy::Flag;
    match is_clients.then(|| keychain::held(context)).flatten() {
        Some((path, Ok(_))) => files.push(FilePlan::removal(&path, keychain::MEMBER)),
        Some((path, Err(error))) => unseen = Some((path, error)),
        None => {}
    }
    files.push(FilePlan::removal(&target.file.path, "primaryApiKey"));
    let changed = change::apply(&target, "unset-key", None, files, context)?;
    changed.old_keys.iter().for_each(|key| keys.add(key));
    // What may still hold the key, apart from its copies.
    let left = match unseen {
        Some((_, error)) if changed.shown.is_empty() && !args.scrub => return Err(error),
        Some((path, error)) => vec![Left { path, why: in_one_line(&error) }],
        None => Vec::new(),
    };
    let (config, options) = (&target.file.path, &target.options);
    let scrub = || scrub::scrub(&target.paths, config, &keys, options, context);
    let scrubbed = args.scrub.then(scrub);
    let running = sessions::running(&target.paths, context);

    let key = changed.old_keys.last().map(|key| format!(" {}", key::hint(key)));
    let key = format!("the key{}", key.unwrap_or_default());
    let files = changed.shown.iter().map(|change| Path::new(&change.file));
    let places = change::places(files, context);
    let lines = [
        format!("{} holds no key; nothing to change there", context.show(config)),
        format!("would remove {key} from {places} (dry run, nothing was written)"),
        format!("removed {key} from {places}"),
    ];
    let report = json!({"scrubbed": scrubbed, "left": left, "running": running});
    changed.report(&target, report, lines, context)?;
    let are_copies_left = scrubbed.as_ref().is_some_and(|scrubbed| !scrubbed.left.is_empty());
    let exit = if are_copies_left || !left.is_empty() { Exit::No } else { Exit::Done };
    if args.change.json {
        return Ok(exit);
    }
    if let Some(scrubbed) = &scrubbed {
        tell(scrubbed, args.change.dry_run, context);
    }
    for Left { path, why } in &left {
        let path = path.display();
        context.warn(&format!("{path} may hold a key that Claude Code sends: {why}"));
    }
    if running > 0 && !changed.old_keys.is_empty() {
        context.warn(&still_running(running));
    }
    if !args.change.dry_run
        && let Some(line) = in_force::line(&target.file, context)
    {
        context.say(line);
    }
    Ok(exit)
}

pub(crate) fn tell(scrubbed: &Scrubbed, dry_run: bool, context: &mut Context) {
    let verb = if dry_run { "would remove" } else { "removed" };
    for path in &scrubbed.cleaned {
        context.say(format!("{verb} the key from {}", context.show(path)));
    }
    for path in &scrubbed.removed {
        context.say(format!("{verb} {}", context.show(path)));
    }
    for left in &scrubbed.left {
        context.say(format!("left {}: {}", context.show(&left.path), left.why));
    }
    for other in &scrubbed.others {
        context.say(format!("note: {} holds another key, which stays", context.show(other)));
    }
    if scrubbed.cleaned.is_empty() && scrubbed.removed.is_empty() && scrubbed.left.is_empty() {
        context.say("no copy holds the key");
    }
}

pub(crate) fn still_running(sessions: usize) -> String {
    let (subject, until) = match sessions {
        1 => ("1 Claude Code session is".to_owned(), "it is"),
        n => (format!("{n} Claude Code sessions are"), "they are"),
    };
    format!(
        "{subject} running and will send the old key until {until} restarted (a key from `cck helper` or `cck run` is picked up without that)"
    )
}
