//! Takes the key out of every copy of the config that cck knows of.
//!
//! The client keeps whole copies of its config, key included (`backups/`, `.claude.json.backup*`, `.corrupted`
//! files; 2.1.330, observed 2026-11), and cck its record for undo. Of each copy only `primaryApiKey` is taken out, so
//! what else it is kept for stays.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::client::paths::{ConfigFile, Paths};
use crate::context::Context;
use crate::disk::{self, Dir};
use crate::document::{Document, Edit};
use crate::records::undo;
use crate::store;

/// The name of the member that holds the key.
const MEMBER: &str = "primaryApiKey";

/// What became of the copies.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Scrubbed {
    /// The files that the key was taken out of.
    pub cleaned: Vec<PathBuf>,
    /// The records for undo that were removed.
    pub removed: Vec<PathBuf>,
    /// The files that still hold a key, or may, and why.
    pub left: Vec<Left>,
}

/// A file that was left as it is.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    /// The file.
    pub path: PathBuf,
    /// Why it was left.
    pub why: String,
}

/// The copies of a config that may hold a key.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The files. Sorted, so that reports are the same each time.
    pub files: Vec<PathBuf>,
    /// The directories that could not be looked through.
    pub unseen: Vec<Left>,
}

/// The files of [`find`].
pub(crate) fn copies(paths: &Paths, config: &ConfigFile) -> Vec<PathBuf> {
    find(paths, config).files
}

/// Every copy of the config that may hold a key: the client's backups of all ages, and the config that another
/// one hides.
pub(crate) fn find(paths: &Paths, config: &ConfigFile) -> Copies {
    let mut copies = Copies::default();
    copies.look_in(&paths.backups, |_| true);
    let beside =
        [Some(paths.claude_dir.as_path()), paths.global_config.parent(), config.path.parent()];
    let mut dirs = Vec::new();
    for dir in beside.into_iter().flatten() {
        if !dirs.contains(&dir) {
            dirs.push(dir);
            copies.look_in(dir, is_copy);
        }
    }
    let hidden = [Some(&paths.global_config), paths.legacy_config.as_ref()].into_iter().flatten();
    copies.files.extend(hidden.filter(|path| **path != config.path && may_be_file(path)).cloned());
    copies.files.sort();
    copies.files.dedup();
    copies
}

impl Copies {
    /// Adds the files in `dir` that `wanted` picks by their names.
    fn look_in(&mut self, dir: &Path, wanted: impl Fn(&str) -> bool) {
        // Not by the standard library, which panics where closing the directory fails.
        match Dir::open(dir).and_then(|dir| dir.list()) {
            Ok(names) => {
                let names = names.iter().filter(|name| wanted(&name.to_string_lossy()));
                let files = names.map(|name| dir.join(name)).filter(|path| may_be_file(path));
                self.files.extend(files);
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => self.unseen.push(Left {
                path: dir.to_path_buf(),
                why: format!("it cannot be looked through for copies: {}", disk::what(&error)),
            }),
        }
    }
}

/// Whether there is a file. Of what cannot be looked at, the edit will say why.
fn may_be_file(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether a file beside the config is one of the client's copies of it.
fn is_copy(name: &str) -> bool {
    [".claude.json", ".config.json", "config.json"].iter().any(|config| {
        name.strip_prefix(config)
            .is_some_and(|rest| rest.starts_with(".backup") || rest.starts_with(".corrupted"))
    })
}

/// Takes `primaryApiKey` out of each of `copies`, unless it is `keep`; then looks for `old` in all of them, and in the
/// config.
pub(crate) fn scrub(
    copies: Copies,
    config: &ConfigFile,
    keep: Option<&str>,
    old: Option<&str>,
    options: &store::Options,
    context: &Context,
) -> Scrubbed {
    let mut scrubbed = Scrubbed { left: copies.unseen, ..Scrubbed::default() };
    let copies = copies.files;
    for path in &copies {
        match store::update(path, options, |document| Ok(removal(document, keep))) {
            Ok(outcome) if outcome.changes.is_empty() => {}
            Ok(_) => scrubbed.cleaned.push(path.clone()),
            // Malformed, and no key in it.
            Err(_) if holds(path, MEMBER).is_ok_and(|holds| !holds) => {}
            Err(error) => scrubbed.left.push(Left { path: path.clone(), why: error.to_string() }),
        }
    }
    match undo::forget(&config.path, context) {
        Ok(removed) => scrubbed.removed.extend(removed),
        Err(error) => {
            scrubbed.left.push(Left { path: config.path.clone(), why: format!("{error:#}") });
        }
    }
    if let Some(old) = old.filter(|old| !options.dry_run && !old.is_empty() && !is_in(old, keep)) {
        for path in copies.iter().chain([&config.path]) {
            if scrubbed.left.iter().any(|left| left.path == *path) {
                continue;
            }
            let why = match holds(path, old) {
                Ok(false) => continue,
                Ok(true) => "the old key is also somewhere else in it".to_owned(),
                Err(error) => error.to_string(),
            };
            scrubbed.left.push(Left { path: path.clone(), why });
        }
    }
    scrubbed
}

fn removal(document: &Document<'_>, keep: Option<&str>) -> Vec<Edit> {
    let key: Option<String> = document.get(&[MEMBER]);
    let kept = keep.is_some() && key.as_deref().map(str::trim) == keep;
    if document.raw(&[MEMBER]).is_none() || kept {
        Vec::new()
    } else {
        vec![Edit::remove(&[MEMBER])]
    }
}

/// Whether `old` is a piece of the key that stays, and so cannot be looked for.
fn is_in(old: &str, keep: Option<&str>) -> bool {
    keep.is_some_and(|keep| keep.contains(old))
}

/// Whether the bytes of `text` are anywhere in the file.
fn holds(path: &Path, text: &str) -> anyhow::Result<bool> {
    let bytes = store::read(path)?.unwrap_or_default();
    Ok(memchr::memmem::find(&bytes, text.as_bytes()).is_some())
}
