//! `cck rotate`: swaps a new key in for the old, and leaves nothing of the old behind. Up to the swap, a failure changes
//! nothing. A record that names the old key by its hints is laid down before, and stays until every step is done: the same
//! command again completes what was cut off, and a rotation to yet another key names the old keys of both.

mod pending;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::change::{self, Changed, FilePlan};
use super::target::{ChangeArgs, Target, primary_key};
use super::{approve, in_force, unset_key, verify::online};
use crate::admin::{Admin, Listed};
use crate::broker::env;
use crate::client::{Source, keychain, sessions, settings};
use crate::context::Context;
use crate::document::Edit;
use crate::error::{Exit, fail, in_one_line};
use crate::key::{self, ApiKey, command, source::SourceArgs};
use crate::output::one_line;
use crate::profile;
use crate::records::audit::Trail;
use crate::records::scrub::{self, Keys, Left, Scrubbed};
use crate::records::undo;
use pending::{Named, Pending, Records};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck rotate                                  ask for the key
  pass show new | cck rotate --stdin --online
  cck rotate --key-file new --retire-old
  cck rotate --key-env NEW --command-after ./revoke.sh

If a step fails after the new key is in place, run the same command again. The command of --command-after \
finds CCK_OLD_HINT, CCK_OLD_FINGERPRINT, CCK_NEW_FINGERPRINT and CCK_CONFIG in its environment, and no credentials.")]
pub(crate) struct RotateArgs {
    /// Change nothing unless the API accepts the new key
    #[arg(long)]
    online: bool,
    /// Set the old key inactive through the Admin API (key in ANTHROPIC_ADMIN_KEY); implies --online
    #[arg(long)]
    retire_old: bool,
    /// Retire the old key even if sessions are running that use it
    #[arg(long, hide_short_help = true)]
    yes: bool,
    /// Where the Admin API is
    #[arg(long, value_name = "URL", default_value = settings::DEFAULT_BASE_URL, hide_short_help = true)]
    admin_url: String,
    /// A shell command to run when the old key is gone
    #[arg(long, value_name = "CMD")]
    command_after: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: SourceArgs,
}

const AFTER_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs `cck rotate`. The exit code is 1 if the new key is in place and something is left to do.
pub(crate) fn run(args: RotateArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let rotation = Rotation::prepare(args, context)?;
    let args = &rotation.args;
    let running = sessions::running(&rotation.target.paths, context);
    if args.retire_old && running > 0 && !args.yes {
        return Err(fail(
            unset_key::still_running(running),
            "restart them after a rotation without --retire-old; --yes retires the old key now",
        ));
    }
    if args.online || args.retire_old {
        online::check_new(&rotation.new, context)?;
    }
    let changed = rotation.swap(context)?;
    let done = Done { running, ..rotation.complete(context) };
    rotation.print(&changed, &done, context)?;
    if !done.left.is_empty() {
        return Ok(Exit::No);
    }
    if args.change.dry_run || rotation.records.olds.is_empty() {
        return Ok(Exit::Done);
    }
    // Until the report is written, nobody knows the name of the key to revoke.
    match context.flush() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => {
            let problem = format!("cannot write the report to standard output: {error}");
            Err(fail(problem, "run the same command again: it names the key to revoke"))
        }
        Ok(()) => rotation.records.remove().map(|()| Exit::Done),
    }
}

#[derive(Default)]
struct Done {
    scrubbed: Scrubbed,
    retired: Vec<Listed>,
    left: Vec<String>,
    running: usize,
}

struct Rotation {
    args: RotateArgs,
    target: Target,
    source: &'static str,
    new: ApiKey,
    old: Zeroizing<String>,
    in_config: bool,
    item: Option<(PathBuf, keychain::Held)>,
    records: Records,
    /// The old key, and those of rotations before that were cut off.
    keys: Keys,
}

impl Rotation {
    /// Reads the new key, and finds the old one: in the config, in the Keychain, or in both.
    fn prepare(args: RotateArgs, context: &mut Context) -> anyhow::Result<Rotation> {
        let target = Target::locate(&args.change, context)?.existing()?;
        let source = profile::key_source(args.source.clone(), target.profile.as_ref(), context)?;
        let new = source.read(context)?;
        if args.retire_old {
            // Its key has to be there before anything changes.
            Admin::new(&args.admin_url, context)?;
        }
        let config = &target.file.path;
        let in_config = target.key()?;
        let item = match (keychain::held(context), &in_config) {
            // It is nowhere else.
            (Some((_, Err(error))), None) => return Err(error),
            (item, _) => item,
        };
        let old = match (&in_config, &item) {
            (Some(key), _) | (None, Some((_, Ok(Some(key))))) => key.clone(),
            _ => {
                let problem = format!("{} holds no key to rotate", context.show(config));
                let set_key = target.args.cck("set-key");
                return Err(fail(
                    problem,
                    format!(
                        "write the first one with {set_key}; a key from `cck helper` is replaced at its source, and open sessions pick it up"
                    ),
                ));
            }
        };
        let records = Records::of(&old, &new, config, context)?;
        let digests = records.olds.iter().map(|old| old.old_digest.clone()).collect();
        let keys = Keys::other_than(new.reveal(), digests);
        keys.add(&old);
        undo::keys(config, context).iter().for_each(|key| keys.add(key));
        let (source, in_config) = (source.kind(), in_config.is_some());
        Ok(Rotation { args, target, source, new, old, in_config, item, records, keys })
    }

    /// Swaps the key wherever it is, and carries the old one's approval over.
    fn swap(&self, context: &mut Context) -> anyhow::Result<Changed> {
        let Rotation { new, old, keys, .. } = self;
        let mut files = Vec::new();
        if let Some((item, Ok(Some(_)))) = &self.item {
            files.push(FilePlan::new(item, |document| {
                let is_old = keychain::key_in(document).is_some_and(|key| keys.has(&key));
                let swap = Edit::set(&[keychain::MEMBER], new.reveal());
                Ok(is_old.then_some(swap).into_iter().collect())
            }));
        }
        files.push(FilePlan::new(&self.target.file.path, |document| {
            let now = primary_key(document);
            let is_known = |now: &Zeroizing<String>| now == old || **now == new.reveal();
            if now.is_some() != self.in_config || !now.iter().all(is_known) {
                return Err(fail("another program changed the key just now", "run this again"));
            }
            let swap = || Edit::set(&["primaryApiKey"], new.reveal());
            let mut edits: Vec<Edit> = self.in_config.then(swap).into_iter().collect();
            if **old != new.reveal() {
                edits.extend(approve::carry(document, key::suffix(old), new.suffix()));
            }
            Ok(edits)
        }));
        let dry_run = self.args.change.dry_run;
        if !dry_run {
            self.records.save()?;
        }
        let changed = change::apply(&self.target, "rotate", Some(self.source), files, context);
        // If the swap is in place, copies of the old key are left, and the record is what completes the rotation.
        if changed.is_err() && !dry_run && !context.changed {
            self.records.abandon();
        }
        changed
    }

    /// The steps after the swap. What fails is noted, and the others are done anyway.
    fn complete(&self, context: &mut Context) -> Done {
        let (mut done, olds) = (Done::default(), &self.records.olds);
        let Some(last) = olds.last() else { return done };
        let Target { args, paths, file, options, .. } = &self.target;
        done.scrubbed = scrub::scrub(paths, &file.path, &self.keys, options, context);
        match &self.item {
            Some((path, Err(error))) => {
                done.scrubbed.left.push(Left { path: path.clone(), why: in_one_line(error) });
            }
            Some((path, Ok(Some(key)))) if **key != *self.new.reveal() && !self.keys.has(key) => {
                done.scrubbed.others.push(path.clone());
            }
            _ => {}
        }
        for Left { path, why } in &done.scrubbed.left {
            done.left.push(format!("remove the old key from {}: {why}", path.display()));
        }
        for (name, value) in context.vars() {
            if self.keys.has(value.to_string_lossy().trim()) {
                let name = name.to_string_lossy();
                done.left.push(format!("update the environment: ${name} is the old key"));
            }
        }
        if self.args.change.dry_run {
            return done;
        }
        for old in olds.iter().filter(|_| self.args.retire_old) {
            let trace = old.old_trace.as_ref();
            let trace = trace
                .ok_or_else(|| fail("the old value was not a key", "there is nothing to retire"));
            let admin = Admin::new(&self.args.admin_url, context);
            match trace.and_then(|trace| admin?.retire(trace)) {
                Ok(listed) => done.retired.push(listed),
                Err(error) => {
                    done.left.push(format!("retire the old key: {}", in_one_line(&error)));
                }
            }
        }
        if let Some(problem) = self.run_command_after(last, context) {
            done.left.push(format!("run the command of --command-after: {problem}"));
        }
        if self.records.is_resumed {
            let mut trail = Trail::new(&args.audit, "rotate", &file.path, Some(self.source));
            trail.record.old = Some(last.old.fingerprint.clone());
            trail.record.new = Some(self.new.fingerprint());
            trail.log("resumed", context);
        }
        let own = if self.in_config { Source::PrimaryKey } else { Source::KeychainKey };
        in_force::warn_if_shadowed(&own, &self.target, context);
        done
    }

    fn run_command_after(&self, old: &Pending, context: &Context) -> Option<String> {
        let after = self.args.command_after.as_ref()?;
        let config = self.target.file.path.to_string_lossy();
        let fingerprint = self.new.fingerprint();
        let mut shell = command::shell(after);
        // It learns which keys by their fingerprints, and has no use for a credential.
        command::change_env(&mut shell, &env::changes(Some(&self.new), &[], context));
        shell.current_dir(context.cwd()).envs([
            ("CCK_OLD_HINT", old.old.hint.as_str()),
            ("CCK_OLD_FINGERPRINT", &old.old.fingerprint),
            ("CCK_NEW_FINGERPRINT", &fingerprint),
            ("CCK_CONFIG", &config),
        ]);
        match command::output_of(&mut shell, AFTER_TIMEOUT) {
            Ok(Ok(_)) => None,
            Ok(Err(ended)) => Some(format!("it {ended}")),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    fn print(&self, changed: &Changed, done: &Done, context: &mut Context) -> anyhow::Result<()> {
        let (new, dry_run) = (Named::of(self.new.reveal()), self.args.change.dry_run);
        let olds: Vec<&Named> = self.records.olds.iter().map(|pending| &pending.old).collect();
        let Done { scrubbed, retired, left, running } = done;
        if self.args.change.json {
            let report = json!({
                "source": self.source,
                "old": olds.last().unwrap_or(&&new),
                "new": new,
                // The old keys of rotations before this one that were cut off.
                "older": olds.split_last().map_or(&[][..], |(_, older)| older),
                "checked_online": self.args.online || self.args.retire_old,
                "scrubbed": scrubbed,
                "retired": retired.last(),
                "left": left,
                "running": running,
            });
            return changed.print_json(&self.target, report, context);
        }
        let (place, new) = (self.place(context), new.hint);
        let Some(Named { hint: old, .. }) = olds.last() else {
            context.say(format!("{place} already holds the key {new}; there is nothing to rotate"));
            return Ok(());
        };
        if dry_run {
            context.say(format!("{old} would be replaced with {new} in {place} (dry run)"));
        } else if changed.shown.is_empty() {
            context.done(format!("{new} was already in {place}; went on with what was left"));
        } else {
            context.done(format!("replaced {old} with {new} in {place}"));
        }
        changed.print_diff(context);
        unset_key::tell(scrubbed, dry_run, context);
        for Listed { id, name, status, .. } in retired {
            context.say(format!("the old key is {status}: {id} {}", one_line(name)));
        }
        if !dry_run && retired.is_empty() && left.is_empty() {
            for Named { hint, fingerprint } in olds {
                context.say(format!("revoke the old key: {hint} ({fingerprint})"));
            }
        }
        if *running > 0 && !dry_run {
            context.warn(&unset_key::still_running(*running));
        }
        let steps = if left.len() == 1 { "this is" } else { "these steps are" };
        if dry_run && !left.is_empty() {
            context.warn("the new key would be in place, with this left to do:");
        } else if !left.is_empty() {
            context.warn(&format!("the key is in place; {steps} left to do, then run this again:"));
        }
        left.iter().for_each(|step| context.warn(step));
        Ok(())
    }

    fn place(&self, context: &Context) -> String {
        let config = self.in_config.then_some(&self.target.file.path);
        let is_old = |key: &Zeroizing<String>| *key == self.old || self.keys.has(key);
        let item =
            self.item.iter().filter(|(_, held)| matches!(held, Ok(Some(key)) if is_old(key)));
        let all = config.into_iter().chain(item.map(|(path, _)| path));
        change::places(all.map(PathBuf::as_path), context)
    }
}
