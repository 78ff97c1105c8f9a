//! The flow of every change: try what can fail → audit line → undo record → swap → audit line → report.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::target::{ChangeArgs, ShownChange, Target};
use crate::client::git::Git;
use crate::client::{git, keychain};
use crate::context::Context;
use crate::document::{Change, Document, Edit};
use crate::error::{fail, in_one_line};
use crate::key::{cache::Cache, fingerprint, place};
use crate::private;
use crate::records::audit::Trail;
use crate::records::{runs, undo};
use crate::signals::{self, HeldSignals};
use crate::store::{self, Options};

/// Removes expired caches and records for undo, and what killed runs have left: before a command changes or runs something.
pub(crate) fn clear_expired(context: &Context) {
    let base = place::base(context).path;
    Cache::clear_expired(&base);
    runs::sweep(&base);
    undo::expire(context);
}

type Decide<'a> = dyn FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>> + 'a;

/// What is to be done to one file, or to the Keychain's item (see [`keychain::place`]).
pub(crate) struct FilePlan<'a> {
    path: PathBuf,
    decide: Box<Decide<'a>>,
}

impl<'a> FilePlan<'a> {
    pub(crate) fn new(
        path: &Path,
        decide: impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>> + 'a,
    ) -> FilePlan<'a> {
        FilePlan { path: path.to_path_buf(), decide: Box::new(decide) }
    }

    pub(crate) fn removal(path: &Path, member: &'a str) -> FilePlan<'a> {
        FilePlan::new(path, move |_| Ok(vec![Edit::remove(&[member])]))
    }

    fn run(
        &mut self,
        options: &Options,
        context: &Context,
        mut record: impl FnMut(&[Change]) -> anyhow::Result<()>,
    ) -> anyhow::Result<store::Outcome> {
        let Some(service) = keychain::service(&self.path) else {
            return store::update_recorded(&self.path, options, &mut self.decide, record);
        };
        let (dry_run, path) = (options.dry_run, self.path.clone());
        let changes = keychain::update(service, dry_run, context, &mut self.decide, &mut record)?;
        Ok(store::Outcome { path, created: false, changes, exposed: None })
    }

    fn try_out(&mut self, options: &Options, context: &Context) -> anyhow::Result<store::Outcome> {
        self.run(&Options { dry_run: true, ..*options }, context, |_| Ok(()))
    }
}

#[derive(Default)]
pub(crate) struct Changed {
    pub shown: Vec<ShownChange>,
    pub created: bool,
    pub old_keys: Vec<Zeroizing<String>>,
}

/// Makes the change `action` to the files, in this order; `source` is the kind of source of its key. If it fails, nothing
/// was changed, or `context.changed` says so.
pub(crate) fn apply(
    target: &Target,
    action: &str,
    source: Option<&str>,
    mut files: Vec<FilePlan<'_>>,
    context: &mut Context,
) -> anyhow::Result<Changed> {
    if !target.args.dry_run {
        clear_expired(context);
        undo::tidy(&target.file.path, context);
    }
    // A signal takes effect when the change has its records, or before it is made.
    let held = signals::hold();
    if files.len() > 1 {
        for file in &mut files {
            let Err(error) = file.try_out(&target.options, context) else { continue };
            if !target.args.dry_run {
                Trail::new(&target.args.audit, action, &file.path, source).log("failed", context);
            }
            return Err(error);
        }
    }
    let mut work = Work {
        target,
        source,
        held,
        record: undo::Record::new(action, &target.file.path),
        changed: Changed::default(),
    };
    let last = files.len().saturating_sub(1);
    for (at, file) in files.into_iter().enumerate() {
        work.make(file, at == last, context)?;
    }
    Ok(work.changed)
}

struct Work<'w> {
    target: &'w Target,
    source: Option<&'w str>,
    held: HeldSignals,
    record: undo::Record,
    changed: Changed,
}

impl Work<'_> {
    /// Changes one file, with its records. If that fails, the files before it are put back.
    fn make(
        &mut self,
        mut file: FilePlan<'_>,
        is_last: bool,
        context: &mut Context,
    ) -> anyhow::Result<()> {
        let Target { args, options, .. } = self.target;
        let path = file.path.clone();
        let mut trail = Trail::new(&args.audit, &self.record.action, &path, self.source);
        let (mut begun, mut refused, mut unprepared) = (false, args.dry_run, None);
        let result = file.run(options, context, |changes| {
            if !begun {
                let [old, new] = keys(changes).map(|key| key.map(|key| fingerprint(&key)));
                (trail.record.old, trail.record.new) = (old, new);
                refused = true;
                trail.start(context)?;
                (begun, refused) = (true, false);
            }
            match self.record.prepare(&path, changes, context) {
                Err(error) if self.held.pending() => Err(error),
                prepared => {
                    unprepared = prepared.err();
                    Ok(())
                }
            }
        });
        let is_unread = |service| keychain::read_document(service, context).is_err();
        let in_doubt = result.is_err() && begun && keychain::service(&path).is_some_and(is_unread);
        let failed = result.is_err() && !in_doubt && {
            let in_place = |outcome: store::Outcome| outcome.changes.is_empty();
            !(begun && file.try_out(options, context).is_ok_and(in_place))
        };
        if failed {
            self.record.abandon(context);
        } else if begun {
            self.held.finish();
            context.changed = true;
        }
        // What is in doubt stays as a run leaves it that is killed: the next command looks at what the item holds.
        if !failed && !in_doubt && is_last {
            self.record.commit(context);
        }
        if !in_doubt && (begun || (failed && !refused)) {
            trail.log(if failed { "failed" } else { "done" }, context);
        }
        drop(trail);
        match result {
            Ok(outcome) => {
                if let Some(error) = unprepared {
                    let why = in_one_line(&error);
                    context.warn(&format!("`cck undo` will not know this change: {why}"));
                }
                let [old, new] = keys(&outcome.changes);
                self.changed.old_keys.extend(old);
                self.changed.created |= outcome.created;
                let shown = outcome.changes.iter().map(|change| ShownChange::new(&path, change));
                self.changed.shown.extend(shown);
                if begun && new.is_some() && keychain::service(&path).is_none() {
                    warn_if_exposed(&outcome, &self.target.args, context);
                }
                Ok(())
            }
            Err(error) if failed => {
                self.revert(&path, context);
                Err(error)
            }
            Err(error) if in_doubt => Err(error),
            Err(error) => {
                let problem = format!("the change is in place, but: {}", in_one_line(&error));
                Err(fail(problem, "look at the disk, then run this again to complete it"))
            }
        }
    }

    /// Puts back the files before the one that failed.
    fn revert(&self, failed: &Path, context: &mut Context) {
        context.changed = false;
        for edited in self.record.files.iter().rev().filter(|file| file.path != failed) {
            let path = &edited.path;
            let mut file = FilePlan::new(path, |_| Ok(edited.restore()));
            if let Err(error) = file.run(&self.target.options, context, |_| Ok(())) {
                context.changed = true;
                context.warn(&format!("{} stays changed: {}", path.display(), in_one_line(&error)));
                continue;
            }
            let audit = &self.target.args.audit;
            Trail::new(audit, &self.record.action, path, None).log("reverted", context);
        }
    }
}

/// Files, and the Keychain for its items, as people know them.
pub(crate) fn places<'f>(files: impl Iterator<Item = &'f Path>, context: &Context) -> String {
    let place = |file| match keychain::service(file) {
        Some(_) => "the Keychain".to_owned(),
        None => context.show(file),
    };
    files.map(place).collect::<Vec<_>>().join(" and ")
}

fn keys(changes: &[Change]) -> [Option<Zeroizing<String>>; 2] {
    let change = changes.iter().find(|change| undo::is_key(&change.path));
    let text = |raw: &Option<String>| raw.as_deref().and_then(undo::key_in);
    change.map_or([None, None], |change| [text(&change.before), text(&change.after)])
}

fn warn_if_exposed(written: &store::Outcome, args: &ChangeArgs, context: &mut Context) {
    let config = &written.path;
    let (dir, shown) = (config.parent().unwrap_or(config), config.display());
    if let Some(mode) = written.exposed {
        context
            .warn(&format!("others can read {shown} (mode {mode:04o}): use another file system"));
    }
    match git::look(config, context) {
        Some(Git::Tracked) => context.warn(&format!(
            "{shown} is tracked by git: the next commit has the key in it; untrack it as `{}` says",
            args.cck("verify")
        )),
        Some(Git::Addable) => {
            context.warn(&format!("{shown} is not ignored by git: `git add` would add the key"));
        }
        _ => {}
    }
    if let Some(problem) = private::exposure(dir) {
        let dir = dir.display();
        context.warn(&format!("{dir} {problem}: they can have the key sent elsewhere"));
    }
}

impl Changed {
    /// Prints the report: for programs, or the line that holds: there was nothing to do, it would be done, it is done.
    pub(crate) fn report(
        &self,
        target: &Target,
        more: Value,
        [nothing, would, done]: [String; 3],
        context: &mut Context,
    ) -> anyhow::Result<()> {
        if target.args.json {
            return self.print_json(target, more, context);
        }
        if self.shown.is_empty() {
            context.say(nothing);
        } else if target.args.dry_run {
            context.say(would);
        } else {
            context.done(done);
        }
        Ok(())
    }

    pub(crate) fn print_json(
        &self,
        target: &Target,
        more: Value,
        context: &mut Context,
    ) -> anyhow::Result<()> {
        let mut report = json!({
            "schema": 1,
            "path": target.file.path.to_string_lossy(),
            "chosen_by": target.file.chosen_by,
            "changed": !self.shown.is_empty(),
            "dry_run": target.args.dry_run,
            "changes": self.shown,
        });
        if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
            report.extend(more);
        }
        Ok(context.say_json(&report)?)
    }

    pub(crate) fn print_diff(&self, context: &mut Context) {
        let diff: String = self.shown.iter().map(ShownChange::diff).collect();
        context.say_diff(&diff);
    }
}
