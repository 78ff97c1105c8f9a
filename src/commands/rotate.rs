//! `cck rotate`: swaps a new key in for the old, and leaves nothing of the old behind.
//!
//! Up to the swap, a failure changes nothing. Before it a record of the rotation is laid down, which names the old key by
//! its hints; it stays until every step is done and the old key is named, so that the same command again completes what
//! was cut off, and a rotation to yet another key names the old keys of both.

mod check;
mod pending;
mod report;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::approve;
use super::change::{self, FilePlan, Plan};
use super::in_force;
use super::target::{ChangeArgs, Target};
use super::unset_key;
use crate::admin::{self, Admin, Listed};
use crate::client::keychain;
use crate::client::sessions;
use crate::client::source::Source;
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::Exit;
use crate::error::{fail, said};
use crate::key::command;
use crate::key::source::SourceArgs;
use crate::key::{self, ApiKey};
use crate::profile::{self, ProfileArg};
use crate::records::audit::Event;
use crate::records::scrub::{Keys, Left, Scrubbed};
use crate::records::undo;
use crate::store;
use pending::Pending;
use report::{Done, Rotated};

/// The arguments of `cck rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pass show anthropic-new | cck rotate --stdin --online    check it first
  cck rotate --key-file new --retire-old                   the old one: inactive
  cck rotate --key-env NEW --command-after './revoke.sh'   or in your own way

If a step fails after the swap, the same command again completes it.
The command of --command-after finds CCK_OLD_HINT, CCK_OLD_FINGERPRINT,
CCK_NEW_FINGERPRINT and CCK_CONFIG in its environment.")]
pub(crate) struct RotateArgs {
    /// Change nothing unless the API takes the new key
    #[arg(long)]
    online: bool,
    /// Set the old key inactive through the Admin API (key in ANTHROPIC_ADMIN_KEY); implies --online
    #[arg(long)]
    retire_old: bool,
    /// Retire the old key even if sessions are running that use it
    #[arg(long, hide_short_help = true)]
    yes: bool,
    /// Where the Admin API is
    #[arg(long, value_name = "URL", default_value = admin::DEFAULT_URL, hide_default_value = true, hide_short_help = true)]
    admin_url: String,
    /// A shell command to run when the old key is gone
    #[arg(long, value_name = "CMD")]
    command_after: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    profile: ProfileArg,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: SourceArgs,
}

/// How long the command of `--command-after` may take.
const AFTER_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs `cck rotate`. The exit code is 1 if the new key is in place and something is left to do.
pub(crate) fn run(args: RotateArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let target = Target::locate_existing(&args.change, context)?;
    let source = profile::key_source(args.source.clone(), profile.as_ref(), context)?;
    let new = source.read(context)?;
    if args.retire_old {
        // Its key has to be there before anything changes.
        Admin::new(&args.admin_url, context)?;
    }
    let held = Held::find(&target, context)?;
    let records = Records::plan(&held.old, &new, &target, context)?;
    let running = sessions::running(&target.paths, context);
    if args.retire_old && running > 0 && !args.yes {
        return Err(fail(
            unset_key::still_running(running),
            "restart them after a rotation without --retire-old; --yes retires the old key now",
        ));
    }
    if args.online || args.retire_old {
        check::check(&new, context)?;
    }
    let dry_run = args.change.dry_run;
    let olds = records.olds(&new);
    let digests = olds.iter().map(|old| old.old_fingerprint.clone()).collect();
    let keys = Keys::other_than(new.reveal(), digests);
    keys.add(&held.old);
    undo::keys(&target.file.path, context).iter().for_each(|key| keys.add(key));
    if let Some(this) = records.this.as_ref().filter(|_| !dry_run) {
        this.save().inspect_err(|_| _ = this.remove())?;
    }
    let files = held.plan(&target, &keys, &records, &new);
    let plan = Plan { action: "rotate", source: Some(source.kind()), files };
    let changed = change::apply(&args.change, &target, plan, context).map_err(|error| {
        // If the swap is in place, copies of the old key are left, and the record is what completes the rotation.
        if let Some(this) = records.this.as_ref().filter(|_| !dry_run && !context.changed) {
            let _ = this.remove();
        }
        change::with_left(error, "the steps after the swap are", context)
    })?;
    let mut done = Done { running, ..Done::default() };
    if let Some(last) = olds.last() {
        done.scrubbed = target.scrub(&keys, context);
        held.name_what_stays(&keys, &mut done.scrubbed);
        for (name, value) in context.vars() {
            if keys.has(value.to_string_lossy().trim()) {
                let name = name.to_string_lossy();
                done.failed.push(("update the environment", format!("${name} is the old key")));
            }
        }
        if !dry_run {
            finish(&args, &target, &new, &olds, &mut done, context);
            if records.this.is_none() {
                let event = Event {
                    action: "rotate",
                    config: &target.file.path,
                    source: Some(source.kind()),
                    old: Some(last.fingerprint().to_owned()),
                    new: Some(new.fingerprint()),
                };
                args.change.audit.log(&event, "resumed", context);
            }
            in_force::warn_if_shadowed(&held.source(), &target.file, context);
        }
    }
    let place = held.describe(&target, context);
    let rotated = Rotated {
        args: &args,
        source: source.kind(),
        place: &place,
        new: &new,
        olds: &olds,
        changed: &changed,
        done: &done,
    };
    rotated.print(&target, context)?;
    if !done.left().is_empty() {
        return Ok(Exit::No);
    }
    if olds.is_empty() || dry_run {
        return Ok(Exit::Done);
    }
    // Until the report is written, nobody knows the name of the key to revoke.
    match context.flush() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
        Err(error) => {
            return Err(fail(
                format!("cannot write the report to standard output: {error}"),
                "run the same command again: it names the old key to revoke",
            ));
        }
        Ok(()) => {}
    }
    records.remove()?;
    Ok(Exit::Done)
}

/// The records of this rotation and of those before it that were cut off.
struct Records {
    unfinished: Vec<Pending>,
    /// None if the new key is in place already.
    this: Option<Pending>,
}

impl Records {
    fn plan(old: &str, new: &ApiKey, target: &Target, context: &Context) -> anyhow::Result<Self> {
        let config = &target.file.path;
        let make = || Pending::new(old, new, config, context);
        let this = (old != new.reveal()).then(make).transpose()?;
        Ok(Records { unfinished: Pending::all(config, context)?, this })
    }

    /// The rotations whose old keys are still to be named or retired, each key once, this one's last.
    fn olds(&self, new: &ApiKey) -> Vec<&Pending> {
        let mut olds: Vec<&Pending> = Vec::new();
        let new = key::digest(new.reveal());
        for pending in self.this.iter().chain(self.unfinished.iter().rev()) {
            let is_known = |old: &&Pending| old.old_fingerprint == pending.old_fingerprint;
            if pending.old_fingerprint != new && !olds.iter().any(is_known) {
                olds.insert(0, pending);
            }
        }
        olds
    }

    fn remove(&self) -> anyhow::Result<()> {
        let records = self.unfinished.iter().chain(&self.this);
        let left: Vec<_> = records.filter_map(|record| record.remove().err()).collect();
        left.first().map_or(Ok(()), |error| {
            Err(fail(
                format!(
                    "the new key is in place, but the record of this rotation is left: {error:#}"
                ),
                "run the same command again: it removes the record",
            ))
        })
    }
}

/// The key that is rotated, and where it is: in the config, in the Keychain, or in both.
struct Held {
    old: Zeroizing<String>,
    in_config: bool,
    /// The Keychain's item, and the key in it.
    item: Option<(PathBuf, anyhow::Result<Option<Zeroizing<String>>>)>,
}

impl Held {
    fn find(target: &Target, context: &Context) -> anyhow::Result<Held> {
        let item = keychain::place(context).map(|item| {
            let key = keychain::key_in(&item, context);
            (item, key)
        });
        let bytes = Zeroizing::new(store::read(&target.file.path)?.unwrap_or_default());
        if let Some(old) = Document::parse(&bytes).ok().and_then(|config| primary_key(&config)) {
            return Ok(Held { old, in_config: true, item });
        }
        // A malformed file holds no key that could be found; the store says what is wrong with it.
        let options = store::Options { dry_run: true, ..target.options };
        store::update(&target.file.path, &options, |_| Ok(Vec::new()))?;
        match item {
            Some((item, Ok(Some(old)))) => {
                Ok(Held { old: old.clone(), in_config: false, item: Some((item, Ok(Some(old)))) })
            }
            Some((_, Err(error))) => Err(error),
            _ => Err(fail(
                format!("{} holds no key to rotate", target.shown(context)),
                "write the first one with cck set-key; a key from `cck helper` is replaced at its source, and open sessions pick it up",
            )),
        }
    }

    /// Swaps the key wherever it is, and carries the old one's approval over.
    fn plan<'a>(
        &'a self,
        target: &Target,
        keys: &'a Keys,
        records: &'a Records,
        new: &'a ApiKey,
    ) -> Vec<FilePlan<'a>> {
        let mut files = Vec::new();
        if let Some((item, Ok(Some(_)))) = &self.item {
            files.push(FilePlan::new(item, |document| {
                let key = document.get::<String>(&[keychain::MEMBER]).map(Zeroizing::new);
                let is_old = key.is_some_and(|key| keys.has(&key));
                let swap = Edit::set(&[keychain::MEMBER], new.reveal());
                Ok(is_old.then_some(swap).into_iter().collect())
            }));
        }
        files.push(FilePlan::new(&target.file.path, |document| {
            let now = primary_key(document);
            let is_known = |now: &Zeroizing<String>| *now == self.old || **now == new.reveal();
            if now.is_some() != self.in_config || !now.iter().all(is_known) {
                return Err(fail("another program changed the key just now", "run this again"));
            }
            let swap = || Edit::set(&["primaryApiKey"], new.reveal());
            let mut edits: Vec<Edit> = self.in_config.then(swap).into_iter().collect();
            if let Some(this) = &records.this {
                edits.extend(approve::carry(document, &this.old_suffix, new.suffix()));
            }
            Ok(edits)
        }));
        files
    }

    /// Where the client has the key from.
    fn source(&self) -> Source {
        if self.in_config { Source::PrimaryKey } else { Source::KeychainKey }
    }

    /// Where the key is, for people.
    fn describe(&self, target: &Target, context: &Context) -> String {
        let in_item = matches!(&self.item, Some((_, Ok(Some(key)))) if *key == self.old);
        match (self.in_config, in_item) {
            (true, true) => format!("{} and the Keychain", target.shown(context)),
            (true, false) => target.shown(context),
            (false, _) => "the Keychain".to_owned(),
        }
    }

    /// Names the item if it could not be read, or holds another key.
    fn name_what_stays(&self, keys: &Keys, scrubbed: &mut Scrubbed) {
        match &self.item {
            Some((item, Err(error))) => {
                scrubbed.left.push(Left { path: item.clone(), why: said(error) });
            }
            Some((item, Ok(Some(key)))) if *key != self.old && !keys.has(key) => {
                scrubbed.others.push(item.clone());
            }
            _ => {}
        }
    }
}

fn primary_key(document: &Document<'_>) -> Option<Zeroizing<String>> {
    let key = Zeroizing::new(document.get::<String>(&["primaryApiKey"])?.trim().to_owned());
    (!key.is_empty()).then_some(key)
}

/// The steps after the swap and the scrub. What fails is noted, and the others are done anyway.
fn finish(
    args: &RotateArgs,
    target: &Target,
    new: &ApiKey,
    olds: &[&Pending],
    done: &mut Done,
    context: &mut Context,
) {
    for pending in olds.iter().filter(|_| args.retire_old) {
        match retire(args, pending, context) {
            Ok(listed) => done.retired.push(listed),
            Err(error) => done.failed.push(("retire the old key", said(&error))),
        }
    }
    let Some((after, pending)) = args.command_after.as_ref().zip(olds.last()) else { return };
    let config = target.file.path.to_string_lossy();
    let fingerprint = new.fingerprint();
    let variables = BTreeMap::from([
        ("CCK_OLD_HINT", pending.old_hint.as_str()),
        ("CCK_OLD_FINGERPRINT", pending.fingerprint()),
        ("CCK_NEW_FINGERPRINT", &fingerprint),
        ("CCK_CONFIG", &config),
    ]);
    let cwd = context.cwd().to_path_buf();
    let problem = match command::output_with(after, &cwd, AFTER_TIMEOUT, &variables) {
        Ok(Ok(_)) => return,
        Ok(Err(ended)) => format!("it {ended}"),
        Err(error) => format!("{error:#}"),
    };
    done.failed.push(("run the command of --command-after", problem));
}

fn retire(args: &RotateArgs, pending: &Pending, context: &Context) -> anyhow::Result<Listed> {
    let trace = pending
        .old_trace
        .as_ref()
        .ok_or_else(|| fail("the old value was not a key", "there is nothing to retire"))?;
    Admin::new(&args.admin_url, context)?.retire(trace)
}
