//! Lock → read → edit → replace → read back. A dry run does all but the lock and the replace.
//!
//! The promise: at every instant the path holds the whole old or the whole new content (a file that is itself a mount
//! point excepted, see `store::recovery`); nobody but the owner can read it; what cannot be understood is never written over.
//! Symlinks are followed and their target is replaced. Of a file with several hard links only the named one gets the
//! new content, as with the client's own rename: the others, often backups, do not get the key.

mod load;
pub(crate) mod lock;
mod outline;
mod recovery;
mod replace;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::io::ErrorKind::{self, PermissionDenied, ReadOnlyFilesystem};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::tools::{CLIENTS, MOVE};
use crate::disk::{self, Dir};
use crate::document::{Change, Document, Edit, Edited, Malformed};
use crate::error::fail;
use crate::shell;
use crate::signals::{self, HeldSignals};
use load::{Content, MAX_CHECKED, is_recent, load_settled, written_since};
use lock::Lock;
use outline::Piece;
use recovery::Aside;
use replace::{Replaced, Site};

/// How long a lock is waited for: longer than one that was left by a crash takes to go stale.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(15);

/// How often the work is done again because another writer was faster.
const MAX_TRIES: usize = 50;

/// How long to look after the replaced file where a writer without the lock is at work.
const LINGER: Duration = Duration::from_millis(30);

/// The same where the file was written in the last second, by whom is not known.
const GLANCE: Duration = Duration::from_millis(8);

static EMPTY: Content = Content::Whole(Vec::new());

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub lock_timeout: Duration,
    /// Fail on a link at the path, instead of editing what it leads to.
    pub no_follow: bool,
    /// Find out what would change, and write nothing.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { lock_timeout: LOCK_TIMEOUT, no_follow: false, dry_run: false }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The file that was written, symlinks followed.
    pub path: PathBuf,
    pub created: bool,
    /// The members that changed; none where the file was already as wanted.
    pub changes: Vec<Change>,
    /// The mode of what was written, if others may read it: the file system keeps no permissions.
    pub exposed: Option<u32>,
}

/// Edits the file at `path` as `decide` says, which is asked again where another writer was faster.
pub(crate) fn update(
    path: &Path,
    options: &Options,
    decide: impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
) -> anyhow::Result<Outcome> {
    update_recorded(path, options, decide, |_| Ok(()))
}

/// As [`update`]; `record` sees the changes right before they take effect, and if it fails, nothing is changed. It is
/// called again if another writer was faster. It is not called in a dry run, nor if there is nothing to change.
pub(crate) fn update_recorded(
    path: &Path,
    options: &Options,
    mut decide: impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
    mut record: impl FnMut(&[Change]) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let _acting = disk::act_for(path)?;
    let target = if options.no_follow { path.to_path_buf() } else { disk::resolve(path)? };
    let (parent, name) = disk::split(&target)?;
    if options.dry_run {
        return preview(&target, &mut decide);
    }
    if matches!(parent.try_exists(), Ok(false)) {
        // No directory is made for a file that is not.
        let outcome = preview(&target, &mut decide)?;
        if outcome.changes.is_empty() {
            return Ok(outcome);
        }
    }
    // Declared first, dropped last: a signal that was put off takes effect when lock and temp file are gone.
    let held = signals::hold();
    let dir = Rc::new(disk::open_or_make(parent)?);
    let mut aside = None;
    let outcome = Outcome { path: target.clone(), ..Outcome::default() };
    let mut work = Work { outcome, ..Work::default() };
    let deadline = Instant::now() + options.lock_timeout;
    for tries in 0..MAX_TRIES {
        let locks = match take_locks(path, &dir, name, deadline, &held) {
            Err(error) if is_refusal(&error, &[ReadOnlyFilesystem]) => {
                // Nothing can be made beside the file, which itself may be mounted for writing.
                let aside = aside.insert(Aside::of(&dir, name).ok_or(error)?);
                vec![Lock::take(&aside.dir, &aside.name, options.lock_timeout, &held)?]
            }
            locks => locks?,
        };
        let site = Site { dir: &dir, name, aside: aside.as_ref(), locks: &locks, held: &held };
        if tries == 0 {
            recovery::recover(&site)?;
            disk::sweep(&dir, name);
        }
        if work.attempt(&site, &mut decide, &mut record)? {
            return Ok(work.outcome);
        }
    }
    Err(outrun(&target))
}

fn preview(
    target: &Path,
    decide: &mut impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
) -> anyhow::Result<Outcome> {
    let (parent, name) = disk::split(target)?;
    for whole in [false, true] {
        let old = match Dir::open(parent) {
            Ok(dir) => load_settled(&dir, name, whole)?,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(disk::refused(error, "open the directory", parent)),
        };
        let content = old.as_ref().map_or(&EMPTY, |old| &old.content);
        if let Some(Edited { changes, .. }) = edit(target, content, decide)? {
            let created = old.is_none() && !changes.is_empty();
            return Ok(Outcome { path: target.to_owned(), created, changes, exposed: None });
        }
    }
    Err(outrun(target))
}

fn outrun(path: &Path) -> anyhow::Error {
    fail(
        format!("another program keeps writing {} without its lock", path.display()),
        format!("end it ({CLIENTS} shows it), and run this again"),
    )
}

/// The content of the file at `path`; `None` where there is none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let _acting = disk::act_for(path)?;
    let target = disk::resolve(path)?;
    let (parent, name) = disk::split(&target)?;
    let dir = disk::if_any(Dir::open(parent));
    let Some(dir) = dir.map_err(|e| disk::refused(e, "read", &target))? else { return Ok(None) };
    Ok(match load::load(&dir, name, true)?.map(|file| file.content) {
        Some(Content::Whole(bytes)) => Some(bytes),
        _ => None,
    })
}

/// Takes the locks of the file: the target's, and before it that of the link to it, beside which the client has its
/// lock (2.1.330, observed 2026-11).
fn take_locks(
    path: &Path,
    dir: &Rc<Dir>,
    name: &OsStr,
    deadline: Instant,
    held: &HeldSignals,
) -> anyhow::Result<Vec<Lock>> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut locks = Vec::with_capacity(2);
    let (link_parent, link_name) = disk::split(path)?;
    if dir.path != link_parent || name != link_name {
        let link_dir = Rc::new(disk::open_or_make(link_parent)?);
        match Lock::take(&link_dir, link_name, left(), held) {
            Ok(lock) => locks.push(lock),
            // Where it cannot be made, the client has none either; the target's directory is what matters.
            Err(error) if is_refusal(&error, &[PermissionDenied, ReadOnlyFilesystem]) => {}
            Err(error) => return Err(error),
        }
    }
    locks.push(Lock::take(dir, name, left(), held)?);
    Ok(locks)
}

/// Whether nothing can be made in a directory.
fn is_refusal(error: &anyhow::Error, kinds: &[ErrorKind]) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| kinds.contains(&error.kind()))
}

#[derive(Default)]
struct Work {
    /// What comes of it; of several writes, what the first one changed.
    outcome: Outcome,
    /// Whether the outline of the file does not do.
    whole: bool,
    /// What another writer has put into the file that was replaced meanwhile.
    lost: Option<Content>,
    disturbed: bool,
}

impl Work {
    /// Makes the update once, and returns whether it holds.
    fn attempt(
        &mut self,
        site: &Site<'_>,
        decide: &mut impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
        record: &mut impl FnMut(&[Change]) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let old = load_settled(site.dir, site.name, self.whole)?;
        let lost = self.lost.take();
        let content = lost.as_ref().or(old.as_ref().map(|old| &old.content)).unwrap_or(&EMPTY);
        let Some(edited) = edit(&self.outcome.path, content, decide)? else {
            (self.whole, self.lost) = (true, lost);
            return Ok(false);
        };
        if edited.changes.is_empty() && lost.is_none() {
            // Where the file was written before, this is the look that finds the edit in place.
            return Ok(true);
        }
        let pieces = match content {
            Content::Outline(outline) => outline.pieces(&edited.pieces),
            Content::Whole(_) => edited.pieces.iter().map(|piece| Piece::Bytes(piece)).collect(),
        };
        // Where the file was written before, what undoes the change is the first one.
        let is_first = self.outcome.changes.is_empty();
        let mut record = || record(if is_first { &edited.changes } else { &self.outcome.changes });
        let put = if site.aside.is_some() { replace::write_over } else { replace::replace };
        let replaced = put(site, old.as_ref(), &pieces, &mut record);
        let written = match replaced? {
            Replaced::Done(written) => written,
            Replaced::NotWhole => {
                (self.whole, self.lost) = (true, lost);
                return Ok(false);
            }
            Replaced::Outrun => {
                (self.disturbed, self.lost) = (true, lost);
                return Ok(false);
            }
        };
        // The change stands: no signal gives up what completes it.
        site.held.finish();
        if is_first {
            (self.outcome.created, self.outcome.changes) = (old.is_none(), edited.changes);
        }
        self.outcome.exposed = Some(written.mode).filter(|mode| mode & 0o077 != 0);
        let target = &self.outcome.path;
        let look = || old.as_ref().and_then(|old| written_since(old, target));
        self.disturbed |= look().is_some();
        if self.disturbed {
            // It may have read before the replace what it is about to write after it.
            thread::sleep(LINGER);
        } else if old.as_ref().is_some_and(is_recent) {
            thread::sleep(GLANCE);
        }
        // Only now: it may have opened the old file before the replace, and written to it just then.
        self.lost = look();
        self.disturbed |= self.lost.is_some();
        let failed = |error| disk::refused(error, "read back", target);
        let now = site.dir.stat(site.name).map_err(failed)?;
        let is_ours = now.stamp == written.stamp;
        self.disturbed |= !is_ours;
        if let Some(old) = old.filter(|old| old.stat.stamp.size > MAX_CHECKED as u64) {
            // Its last name is gone: closing it frees its blocks, for which nobody has to wait.
            let _ = thread::Builder::new().spawn(move || drop(old));
        }
        Ok(self.lost.is_none() && is_ours)
    }
}

/// The content with the edits that `decide` wants; `None` where its outline does not do for them.
fn edit<'a>(
    path: &Path,
    content: &'a Content,
    decide: &mut impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
) -> anyhow::Result<Option<Edited<'a>>> {
    let document = match content {
        Content::Whole(bytes) => Document::parse(bytes),
        Content::Outline(outline) => Ok(outline.document()),
    };
    let document = document.map_err(|e| malformed(path, &e))?;
    let edits = decide(&document);
    if document.missed() {
        return Ok(None);
    }
    let edited = document.apply(&edits?);
    if document.missed() {
        return Ok(None);
    }
    edited.map(Some).map_err(|e| malformed(path, &e))
}

fn malformed(path: &Path, malformed: &Malformed) -> anyhow::Error {
    let shown = path.display();
    let problem = match malformed {
        Malformed::Syntax { .. } | Malformed::TopLevel => format!("{shown}:{malformed}"),
        _ => format!("{shown}: {malformed}"),
    };
    let first = match malformed {
        Malformed::NotUtf8 { .. } => "convert it to UTF-8",
        _ => "fix it there (it was not changed)",
    };
    let [from, to] = ["", ".bad"].map(|end| shell::word(format_args!("{shown}{end}")));
    let advice = format!("{first}, or move it aside: {MOVE} {from} {to}");
    fail(problem, advice)
}
