//! The flow of every change: try what can fail → audit line → undo record → swap → audit line → report.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use super::target::{ShownChange, Target, TargetArgs};
use crate::broker;
use crate::client::git::{self, Git};
use crate::client::paths::ChosenBy;
use crate::context::Context;
use crate::document::{Change, Document, Edit};
use crate::error::{Exit, fail, said};
use crate::key::cache::Cache;
use crate::key::fingerprint;
use crate::key::place;
use crate::private;
use crate::records::audit::{AuditArgs, Event, Trail};
use crate::records::{runs, undo};
use crate::signals;
use crate::store::{self, Options};

/// The flags of every command that changes the config.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Which config, and how it is edited.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where the audit line goes.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// Removes what has expired of cck's own secrets: caches, records for undo, directories of runs that were killed. Every
/// command that changes or runs something does this first.
pub(crate) fn clear_expired(context: &Context) {
    let base = place::base(context).path;
    Cache::clear_expired(&base);
    broker::sweep(&base);
    runs::sweep(&base);
    undo::expire(context);
}

type Decide<'a> = dyn FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>> + 'a;

/// What is to be done to one file.
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

    fn run(
        &mut self,
        options: &Options,
        record: impl FnMut(&[Change]) -> anyhow::Result<()>,
    ) -> anyhow::Result<store::Outcome> {
        store::update_recorded(&self.path, options, &mut self.decide, record)
    }

    /// Whether the file is as planned, or cannot be read to see that.
    fn is_in_place(&mut self, options: &Options) -> bool {
        self.run(&Options { dry_run: true, ..*options }, |_| Ok(()))
            .is_ok_and(|outcome| outcome.changes.is_empty())
    }
}

/// A change: its name, the kind of source of its key, and the files in the order in which they are written.
pub(crate) struct Plan<'a> {
    pub action: &'a str,
    pub source: Option<&'a str>,
    pub files: Vec<FilePlan<'a>>,
}

/// What a change did.
#[derive(Default)]
pub(crate) struct Changed {
    /// The changes as they may be shown.
    pub shown: Vec<ShownChange>,
    /// Whether the config did not exist before.
    pub created: bool,
    /// The key before, if the change replaced or removed one.
    pub old_key: Option<Zeroizing<String>>,
}

/// Makes the change. If it fails, nothing was changed, or `context.changed` says so.
pub(crate) fn apply(
    args: &ChangeArgs,
    target: &Target,
    mut plan: Plan<'_>,
    context: &mut Context,
) -> anyhow::Result<Changed> {
    if !args.target.dry_run {
        clear_expired(context);
    }
    let mut changed = Changed::default();
    let options = *target.options();
    // A signal takes effect when the change has its records, or before it is made.
    let section = signals::hold();
    let mut record = undo::Record::new(plan.action, &target.file.path);
    if plan.files.len() > 1 {
        for file in &mut plan.files {
            file.run(&Options { dry_run: true, ..options }, |_| Ok(()))?;
        }
    }
    let last = plan.files.len().saturating_sub(1);
    let mut done: Vec<PathBuf> = Vec::new();
    for (at, file) in plan.files.iter_mut().enumerate() {
        let path = file.path.clone();
        let mut event =
            Event { action: plan.action, config: &path, source: plan.source, old: None, new: None };
        let mut trail: Option<Trail> = None;
        let (mut begun, mut refused, mut unprepared) = (false, false, None);
        let result = file.run(&options, |changes| {
            if !begun {
                [event.old, event.new] = keys(changes).map(|key| key.map(|key| fingerprint(&key)));
                refused = true;
                trail = args.audit.start(&event, context)?;
                (begun, refused) = (true, false);
            }
            match record.prepare(&path, changes, context) {
                Err(error) if section.pending() => Err(error),
                prepared => {
                    unprepared = prepared.err();
                    Ok(())
                }
            }
        });
        let failed = result.is_err() && !(begun && file.is_in_place(&options));
        if failed {
            record.abandon(context);
        } else if begun {
            section.finish();
            context.changed = true;
            if at == last {
                record.commit(context);
            }
        }
        let outcome = if failed { "failed" } else { "done" };
        match trail.map(|mut trail| trail.append(&event, outcome, context)) {
            Some(Ok(())) => {}
            // Nothing was begun that has to be written down.
            None if options.dry_run || refused || (!begun && !failed) => {}
            _ => args.audit.log(&event, outcome, context),
        }
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) if failed => {
                revert(args, &options, &record, &done, context);
                return Err(error);
            }
            Err(error) => {
                let problem = format!("the change is in place, but: {}", said(&error));
                return Err(fail(problem, "look at the disk, then run `cck verify`"));
            }
        };
        if let Some(error) = unprepared {
            context.warn(&format!("`cck undo` will not know this change: {}", said(&error)));
        }
        let [old, new] = keys(&outcome.changes);
        changed.old_key = changed.old_key.or(old);
        changed.created |= outcome.created;
        changed.shown.extend(outcome.changes.iter().map(|change| ShownChange::new(&path, change)));
        if new.is_some() && begun {
            warn_if_exposed(&outcome, context);
        }
        if begun {
            done.push(path);
        }
    }
    Ok(changed)
}

/// The error of [`apply`], with the steps that are left to do if the change is in place.
pub(crate) fn with_left(error: anyhow::Error, steps: &str, context: &Context) -> anyhow::Error {
    if !context.changed {
        return error;
    }
    let problem = format!("{error:#}; {steps} left to do");
    fail(problem, "look at the disk, then run the same command again")
}

/// Does `work`, which changes a file of cck's own, with an audit line before and after it.
pub(crate) fn audited<T>(
    action: &str,
    file: &Path,
    source: Option<&str>,
    context: &mut Context,
    work: impl FnOnce(&mut Context) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let section = signals::hold();
    clear_expired(context);
    let event = Event { action, config: file, source, old: None, new: None };
    let audit = AuditArgs::default();
    let trail = audit.start(&event, context)?;
    let result = work(context);
    if result.is_ok() {
        section.finish();
        context.changed = true;
    }
    let outcome = if result.is_ok() { "done" } else { "failed" };
    if trail.is_none_or(|mut trail| trail.append(&event, outcome, context).is_err()) {
        audit.log(&event, outcome, context);
    }
    result
}

/// Puts back the files that were written before the one that failed.
fn revert(
    args: &ChangeArgs,
    options: &Options,
    record: &undo::Record,
    done: &[PathBuf],
    context: &mut Context,
) {
    context.changed = false;
    for (path, members) in record.files().filter(|(path, _)| done.iter().any(|done| done == path)) {
        let restored = store::update(path, options, |_| {
            Ok(members.iter().map(undo::Member::restore).collect())
        });
        if let Err(error) = restored {
            context.changed = true;
            context.warn(&format!("{} stays changed: {}", path.display(), said(&error)));
            continue;
        }
        let event =
            Event { action: &record.action, config: path, source: None, old: None, new: None };
        args.audit.log(&event, "reverted", context);
    }
}

/// The keys before and after.
fn keys(changes: &[Change]) -> [Option<Zeroizing<String>>; 2] {
    let change = changes.iter().find(|change| change.path == ["primaryApiKey"]);
    let text = |raw: &Option<String>| {
        let text: String = serde_json::from_str(raw.as_deref()?).ok()?;
        // As the client trims a key.
        Some(Zeroizing::new(text.trim().to_owned()))
    };
    change.map_or([None, None], |change| [text(&change.before), text(&change.after)])
}

/// Warns of others who can get at the key that was just written.
fn warn_if_exposed(written: &store::Outcome, context: &mut Context) {
    let config = &written.path;
    let dir = config.parent().unwrap_or(config);
    if let Some(mode) = written.exposed {
        context.warn(&format!(
            "others can read {} (mode {mode:04o}): its file system keeps no permissions; use a directory on another one",
            config.display()
        ));
    }
    match git::look(config, context) {
        Some(Git::Tracked) => context.warn(&format!(
            "{} is tracked by git: the next commit has the key in it; use `cck helper install`, or take the file out of git",
            config.display()
        )),
        Some(Git::Addable) => context.warn(&format!(
            "{} is in a git repository and not ignored: `git add` would take the key in",
            config.display()
        )),
        _ => {}
    }
    if let Some(problem) = private::exposure(dir) {
        context.warn(&format!(
            "{} {problem}: they can replace the config, and put settings beside it that send the key elsewhere",
            dir.display()
        ));
    }
}

/// The report of a change for programs; `more` is what the command adds.
#[derive(Serialize)]
struct Report<'a, T> {
    schema: u32,
    path: &'a str,
    chosen_by: ChosenBy,
    changed: bool,
    dry_run: bool,
    changes: &'a [ShownChange],
    #[serde(flatten)]
    more: T,
}

impl Changed {
    /// Prints the report for programs.
    pub(crate) fn print_json(
        &self,
        args: &ChangeArgs,
        target: &Target,
        more: impl Serialize,
        context: &mut Context,
    ) -> anyhow::Result<Exit> {
        let report = Report {
            schema: 1,
            path: &target.file.path.to_string_lossy(),
            chosen_by: target.file.chosen_by,
            changed: !self.shown.is_empty(),
            dry_run: args.target.dry_run,
            changes: &self.shown,
            more,
        };
        context.say_json(&report)?;
        Ok(Exit::Done)
    }

    /// Prints the changes as a diff.
    pub(crate) fn print_diff(&self, context: &mut Context) {
        let diff: String = self.shown.iter().map(ShownChange::diff).collect();
        context.say_diff(&diff);
    }
}
