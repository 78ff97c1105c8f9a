//! `cck unset-key`: removes the key from the config, and with `--scrub` from every copy of it.

use clap::Args;
use serde::Serialize;

use super::change::{self, ChangeArgs, FilePlan, Plan};
use super::in_force;
use super::target::Target;
use crate::client::copies::{self, Kind};
use crate::client::keychain::{self, Item};
use crate::client::paths;
use crate::client::sessions;
use crate::context::Context;
use crate::document::Edit;
use crate::error::Exit;
use crate::key;
use crate::key::place;
use crate::profile::ProfileArg;
use crate::records::scrub::{self, Keys, Scrubbed};
use crate::records::{runs, undo};

/// The arguments of `cck unset-key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck unset-key             remove the key; `cck undo` brings it back
  cck unset-key --scrub     also from the client's backups and cck's undo record
  cck unset-key --dry-run   see what would change

Revoke a key that may have been seen in the Console: what was on a disk can be
read from it until its blocks are used again.")]
pub(crate) struct UnsetKeyArgs {
    #[command(flatten)]
    profile: ProfileArg,
    #[command(flatten)]
    change: ChangeArgs,
    /// Also remove the key from the client's backups and other copies
    #[arg(long)]
    scrub: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    scrubbed: Option<&'a Scrubbed>,
    /// How many sessions are running that still have the key.
    running: usize,
}

/// Runs `cck unset-key`. The exit code is 1 if `--scrub` had to leave a copy as it is.
pub(crate) fn run(args: UnsetKeyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    args.profile.enter(context)?;
    let target = Target::locate(&args.change.target, context)?;
    target.require_named()?;
    let dry_run = args.change.target.dry_run;
    let keys = Keys::default();
    // What cck replaced in this config before is a copy too.
    undo::keys(&target.file.path, context).iter().for_each(|key| keys.add(key));
    let remove = FilePlan::new(&target.file.path, |document| {
        let key = document.raw(&["primaryApiKey"]);
        Ok(key.map(|_| Edit::remove(&["primaryApiKey"])).into_iter().collect())
    });
    let plan = Plan { action: "unset-key", source: None, files: vec![remove] };
    let changed = change::apply(&args.change, &target, plan, context).map_err(|error| {
        if args.scrub { change::with_left(error, "the copies are", context) } else { error }
    })?;
    changed.old_key.iter().for_each(|key| keys.add(key));
    let in_keychain = match dry_run {
        true => matches!(keychain::read(context).key, Item::Text(_)),
        false => keychain::delete(context)?,
    };
    let scrubbed = args.scrub.then(|| target.scrub(&keys, context));
    let exit = if scrubbed.as_ref().is_some_and(|scrubbed| !scrubbed.left.is_empty()) {
        Exit::No
    } else {
        Exit::Done
    };
    let running = sessions::running(&target.paths, context);

    if args.change.target.json {
        let report = Report { scrubbed: scrubbed.as_ref(), running };
        changed.print_json(&args.change, &target, report, context)?;
        return Ok(exit);
    }
    let shown = target.shown(context);
    let hint = changed
        .old_key
        .as_deref()
        .map_or_else(|| "the key".to_owned(), |key| format!("the key {}", key::hint(key)));
    match (changed.shown.is_empty(), dry_run) {
        (true, _) => context.say(format!("{shown} holds no key; nothing to change there")),
        (false, true) => {
            context.say(format!("would remove {hint} from {shown} (dry run, nothing was written)"));
        }
        (false, false) => context.done(format!("removed {hint} from {shown}")),
    }
    if in_keychain && dry_run {
        context.say("would delete the key in the Keychain");
    } else if in_keychain {
        context.done("deleted the key in the Keychain; `cck undo` does not bring it back");
    }
    if let Some(scrubbed) = &scrubbed {
        tell(scrubbed, dry_run, context);
    }
    if running > 0 && changed.old_key.is_some() {
        context.warn(&still_running(running));
    }
    if !dry_run && let Some(line) = in_force::line(&target.file, context) {
        context.say(line);
    }
    Ok(exit)
}

/// Says what became of the copies.
pub(crate) fn tell(scrubbed: &Scrubbed, dry_run: bool, context: &mut Context) {
    let home = context.home_var().map(ToOwned::to_owned);
    let shown = |path| paths::display(path, home.as_deref());
    let verb = if dry_run { "would remove" } else { "removed" };
    for path in &scrubbed.cleaned {
        context.say(format!("{verb} the key from {}", shown(path)));
    }
    for path in &scrubbed.removed {
        context.say(format!("{verb} {}", shown(path)));
    }
    for left in &scrubbed.left {
        context.say(format!("left {}: {}", shown(&left.path), left.why));
    }
    for other in &scrubbed.others {
        context.say(format!("note: {} holds another key, which stays", shown(other)));
    }
    if scrubbed.cleaned.is_empty() && scrubbed.removed.is_empty() && scrubbed.left.is_empty() {
        context.say("no copy holds the key");
    }
}

/// What a session does that was started before the key changed.
pub(crate) fn still_running(sessions: usize) -> String {
    let (subject, until) = match sessions {
        1 => ("1 Claude Code session is".to_owned(), "it is"),
        n => (format!("{n} Claude Code sessions are"), "they are"),
    };
    format!(
        "{subject} running and will send the old key until {until} restarted (a key from `cck helper` or `cck run` is picked up without that)"
    )
}

impl Target {
    /// Removes `keys` from every copy of this config; see [`scrub::scrub`].
    pub(crate) fn scrub(&self, keys: &Keys, context: &Context) -> Scrubbed {
        let paths = &self.paths;
        let base = place::base(context).path;
        let mut found = copies::find(paths, &self.file);
        found.files.extend(runs::configs(&base).into_iter().map(|file| (file, Kind::Other)));
        let settings = [
            &*paths.user_settings,
            &*paths.project_settings,
            &*paths.local_settings,
            &*paths.managed_settings,
        ];
        scrub::scrub(found, &self.file, &settings, keys, &base, self.options(), context)
    }
}
