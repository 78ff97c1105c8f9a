//! Removes the key from every copy of it that cck knows: those that the client made, and cck's own.
//!
//! Of a copy of the config only `primaryApiKey` is removed, and only if it is a key in question, so what else the copy is
//! kept for stays. What may hold the key and is left as it is, is named.

use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::client::copies::{Copies, Kind};
use crate::client::paths::ConfigFile;
use crate::context::Context;
use crate::disk::{self, Open};
use crate::document::{Document, Edit};
use crate::key;
use crate::key::cache::Cache;
use crate::records::undo;
use crate::store;

/// The name of the member that holds the key.
const MEMBER: &str = "primaryApiKey";

/// A temporary file of the client's that is older was left by one that was killed: it has this name for milliseconds.
const LEFT_BEHIND: Duration = Duration::from_secs(10);

/// The piece of a key that is looked for at the end of a file that was cut short.
const SHORTEST_PIECE: usize = 20;

/// A larger file is named, and not read.
const MAX_BYTES: u64 = 1 << 30;

/// What became of the copies.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Scrubbed {
    /// The files that the key was removed from.
    pub cleaned: Vec<PathBuf>,
    /// The files that were removed: records for undo, kept keys, what a killed client has left.
    pub removed: Vec<PathBuf>,
    /// The files that still hold the key, or may, and why.
    pub left: Vec<Left>,
    /// The copies that hold another key, which is not touched.
    pub others: Vec<PathBuf>,
}

/// A file that was left as it is.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    /// The file.
    pub path: PathBuf,
    /// Why it was left.
    pub why: String,
}

/// The keys in question.
#[derive(Default)]
pub(crate) struct Keys {
    texts: RefCell<Vec<Zeroizing<String>>>,
    /// Of keys whose text is not known any more.
    digests: Vec<String>,
    /// The key that stays.
    keep: Option<Zeroizing<String>>,
}

impl Keys {
    /// Those of these digests, which `keep` is not one of.
    pub(crate) fn other_than(keep: &str, digests: Vec<String>) -> Keys {
        Keys { digests, keep: Some(Zeroizing::new(keep.to_owned())), ..Keys::default() }
    }

    /// Adds a key whose text is known.
    pub(crate) fn add(&self, key: &str) {
        let mut texts = self.texts.borrow_mut();
        if !key.is_empty() && !self.is_kept(key) && !texts.iter().any(|text| **text == key) {
            texts.push(Zeroizing::new(key.to_owned()));
        }
    }

    fn is_kept(&self, key: &str) -> bool {
        self.keep.as_ref().is_some_and(|keep| **keep == key)
    }

    /// Whether a value is a key in question.
    pub(crate) fn has(&self, value: &str) -> bool {
        let is_old = !self.is_kept(value)
            && (self.texts.borrow().iter().any(|text| **text == value)
                || self.digests.contains(&key::digest(value)));
        if is_old {
            self.add(value);
        }
        is_old
    }

    fn is_unknown(&self) -> bool {
        self.texts.borrow().is_empty() && self.digests.is_empty()
    }

    /// How one of the keys is in the bytes, if one is.
    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        const PACKED: [&[u8]; 6] =
            [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh", b"PK\x03\x04", b"7z\xbc\xaf"];
        let find = |bytes: &[u8], text: &[u8]| memchr::memmem::find(bytes, text).is_some();
        if PACKED.iter().any(|magic| bytes.starts_with(magic)) {
            return Some("it is compressed, and cannot be looked through");
        }
        let unescaped = find(bytes, b"\\u00").then(|| unescape(bytes));
        let texts = self.texts.borrow();
        // A piece of the key that stays cannot be looked for.
        let sought = texts
            .iter()
            .filter(|text| !self.keep.as_ref().is_some_and(|keep| keep.contains(text.as_str())));
        for text in sought {
            let wide: Vec<u8> = text.bytes().flat_map(|byte| [byte, 0]).collect();
            if find(bytes, text.as_bytes()) {
                return Some("the old key is in it");
            } else if find(bytes, &wide[..wide.len() - 1]) {
                return Some("the old key is in it, in UTF-16");
            } else if unescaped.as_ref().is_some_and(|bytes| find(bytes, text.as_bytes())) {
                return Some("the old key is in it, in JSON escapes");
            } else if (SHORTEST_PIECE..text.len())
                .any(|end| bytes.ends_with(text[..end].as_bytes()))
            {
                return Some("the beginning of the old key is in it");
            }
        }
        None
    }
}

/// The bytes with `\u00XX` as what it means.
fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, b"\\u00") {
        plain.extend_from_slice(&rest[..at]);
        let digits = rest.get(at + 4..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, length) = byte.map_or((b'\\', 1), |byte| (byte, 6));
        plain.push(byte);
        rest = &rest[at + length..];
    }
    plain.extend_from_slice(rest);
    plain
}

/// Removes the keys from `copies` and from cck's own files. `settings` are the files that only the user edits.
pub(crate) fn scrub(
    copies: Copies,
    config: &ConfigFile,
    settings: &[&Path],
    keys: &Keys,
    base: &Path,
    options: &store::Options,
    context: &Context,
) -> Scrubbed {
    let mut work = Work { keys, options, done: Scrubbed::default() };
    // What the same command is to look for again, if it is left.
    let mut again: Vec<PathBuf> = copies.unseen.iter().map(|(path, _)| path.clone()).collect();
    for (path, why) in copies.unseen {
        work.done.left.push(Left { path, why });
    }
    let (whole, rest): (Vec<_>, Vec<_>) =
        copies.files.into_iter().partition(|(_, kind)| *kind == Kind::Config);
    // These first: they may show a key of which only the digest was known.
    for (path, _) in &whole {
        work.clean(path);
    }
    for (path, kind) in &rest {
        work.look_at(path, *kind);
    }
    let emptied = Cache::forget(
        base,
        |key| keys.has(key),
        options.dry_run,
        |path, error| work.leave(path, format!("it cannot be emptied: {}", disk::what(error))),
    );
    work.done.removed.extend(emptied);
    if !options.dry_run {
        for (path, _) in &whole {
            work.check(path, "");
        }
        work.check(&config.path, "somewhere else in the config");
    }
    // What is never cleaned needs no other run.
    let is_for_good = |path: &Path| {
        matches!(disk::read_link(path), Ok(Some(_)))
            || disk::look(path)
                .is_ok_and(|stat| stat.kind != disk::Kind::File || stat.uid != disk::user())
    };
    again.extend(whole.into_iter().map(|(path, _)| path).filter(|path| !is_for_good(path)));
    // Without its digest, only the record tells the same command, run again, which key is meant.
    let is_needed =
        keys.digests.is_empty() && work.done.left.iter().any(|left| again.contains(&left.path));
    let forgotten = undo::forget(
        &config.path,
        |bytes| keys.found_in(bytes).is_some(),
        options.dry_run || is_needed,
        context,
        |path, why| work.leave(path, why),
    );
    match forgotten {
        Ok(records) if is_needed => {
            for record in records {
                work.leave(&record, "by it the same command, run again, knows the key");
            }
        }
        Ok(removed) => work.done.removed.extend(removed),
        Err(error) => work.leave(&config.path, format!("{error:#}")),
    }
    for path in settings {
        work.check(path, "Claude Code may send it from there");
    }
    work.done
}

struct Work<'w> {
    keys: &'w Keys,
    options: &'w store::Options,
    done: Scrubbed,
}

impl Work<'_> {
    fn leave(&mut self, path: &Path, why: impl Into<String>) {
        if !self.done.left.iter().any(|left| left.path == path) {
            self.done.left.push(Left { path: path.to_path_buf(), why: why.into() });
        }
    }

    /// Removes the key from a copy of the config.
    fn clean(&mut self, path: &Path) {
        let stat = match disk::look(path) {
            Ok(stat) => stat,
            Err(_) => return,
        };
        if stat.kind == disk::Kind::Link {
            return self.leave_if_found(
                path,
                Open::Follow,
                "it is a link, and what it leads to is left alone: ",
            );
        }
        if stat.kind != disk::Kind::File {
            return;
        }
        if stat.uid != disk::user() {
            return self.leave_if_found(path, Open::Read, "it belongs to another user: ");
        }
        let (mut other, mut unknown) = (false, false);
        let options = store::Options { no_follow: true, ..*self.options };
        let result = store::update(path, &options, |document| {
            let found = self.removal(document);
            (other, unknown) = match found {
                Found::Other => (!self.keys.is_unknown(), self.keys.is_unknown()),
                _ => (false, false),
            };
            Ok(matches!(found, Found::Old).then(|| Edit::remove(&[MEMBER])).into_iter().collect())
        });
        match result {
            Ok(outcome) if !outcome.changes.is_empty() => {
                self.done.cleaned.push(path.to_path_buf());
            }
            Ok(_) if unknown => {
                let why = "it holds a key, and the config holds none to compare it with";
                self.leave(path, why);
            }
            Ok(_) if other => self.done.others.push(path.to_path_buf()),
            Ok(_) => {}
            Err(error) => {
                let bytes = read(path, Open::Read).unwrap_or_default();
                let found = self.keys.found_in(&bytes);
                let may_hold = found.is_some()
                    || (bytes.is_empty() && stat.size > 0)
                    || (self.keys.is_unknown()
                        && memchr::memmem::find(&bytes, MEMBER.as_bytes()).is_some());
                // Malformed copies without the key are left in peace.
                if may_hold {
                    let found = found.map_or(String::new(), |found| format!("{found}: "));
                    self.leave(path, format!("{found}{error}"));
                }
            }
        }
    }

    fn removal(&self, document: &Document<'_>) -> Found {
        let key: Option<String> = document.get(&[MEMBER]);
        match key.as_deref().map(str::trim).filter(|key| !key.is_empty()) {
            Some(key) if self.keys.has(key) => Found::Old,
            Some(key) if !self.keys.is_kept(key) => Found::Other,
            _ => Found::Nothing,
        }
    }

    /// Removes what a killed client has left, and names what else holds a key.
    fn look_at(&mut self, path: &Path, kind: Kind) {
        let Ok(stat) = disk::look(path) else { return };
        let is_mine = stat.kind == disk::Kind::File && stat.uid == disk::user();
        if kind == Kind::Other || !is_mine || stat.size > MAX_BYTES {
            let follow = if stat.kind == disk::Kind::Link { Open::Follow } else { Open::Read };
            return self.leave_if_found(path, follow, "cck does not change it: ");
        }
        let found = read(path, Open::Read).and_then(|bytes| self.keys.found_in(&bytes));
        if found.is_none() {
            return;
        }
        let age = path
            .symlink_metadata()
            .and_then(|metadata| metadata.modified())
            .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age < LEFT_BEHIND) {
            self.leave(path, "Claude Code is writing it; run this again");
        } else if self.options.dry_run || std::fs::remove_file(path).is_ok() {
            self.done.removed.push(path.to_path_buf());
        } else {
            self.leave(path, "it cannot be removed");
        }
    }

    /// How one of the keys is in the file, or may be.
    fn found_in(&self, path: &Path, how: Open) -> Option<&'static str> {
        let file = disk::open(path, how).ok()?;
        let stat = disk::stat(&file).ok()?;
        if stat.kind == disk::Kind::File && stat.size > MAX_BYTES {
            return Some("it is larger than 1 GiB, and was not looked through");
        }
        self.keys.found_in(&read_open(file)?)
    }

    fn leave_if_found(&mut self, path: &Path, how: Open, why: &str) {
        if let Some(found) = self.found_in(path, how) {
            self.leave(path, format!("{why}{found}"));
        }
    }

    /// Names a file that still holds the key.
    fn check(&mut self, path: &Path, more: &str) {
        if let Some(found) = self.found_in(path, Open::Follow) {
            let separator = if more.is_empty() { "" } else { "; " };
            self.leave(path, format!("{found}{separator}{more}"));
        }
    }
}

/// What a copy of the config holds.
enum Found {
    Nothing,
    Old,
    Other,
}

/// The content of a regular file; none if there is none, or it cannot be read.
fn read(path: &Path, how: Open) -> Option<Zeroizing<Vec<u8>>> {
    read_open(disk::open(path, how).ok()?)
}

fn read_open(file: std::fs::File) -> Option<Zeroizing<Vec<u8>>> {
    let stat = disk::stat(&file).ok()?;
    if stat.kind != disk::Kind::File || stat.size > MAX_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
