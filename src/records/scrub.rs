//! Removes the key from every copy of it that cck knows: those that the client made, and cck's own. Of a copy of the config
//! only a `primaryApiKey` in question is removed; what may hold the key and is left as it is, is named.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{runs, undo};
use crate::client::Paths;
use crate::client::copies::{self, Kind};
use crate::context::Context;
use crate::disk::{self, Stat};
use crate::document::Edit;
use crate::error::in_one_line;
use crate::key::cache::{self, Cache};
use crate::key::{self, place};
use crate::private;
use crate::store;

const MEMBER: &str = "primaryApiKey";

/// A temporary file of the client's that is older was left by one that was killed: it has this name for milliseconds.
const LEFT_BEHIND: Duration = Duration::from_secs(10);

/// The piece of a key that is looked for at the end of a file that was cut short.
const SHORTEST_PIECE: usize = 20;

/// A larger file is named, and not read.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Scrubbed {
    pub cleaned: Vec<PathBuf>,
    /// Records for undo, kept keys, what a killed client has left.
    pub removed: Vec<PathBuf>,
    pub left: Vec<Left>,
    pub others: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Left {
    pub path: PathBuf,
    pub why: String,
}

#[derive(Default)]
pub(crate) struct Keys {
    // A key of which only the digest was known is added when it is seen.
    texts: RefCell<Vec<Zeroizing<String>>>,
    digests: Vec<String>,
    keep: Option<Zeroizing<String>>,
}

impl Keys {
    pub(crate) fn other_than(keep: &str, digests: Vec<String>) -> Keys {
        Keys { digests, keep: Some(Zeroizing::new(keep.to_owned())), ..Keys::default() }
    }

    pub(crate) fn add(&self, key: &str) {
        let mut texts = self.texts.borrow_mut();
        if !key.is_empty() && !self.is_kept(key) && !texts.iter().any(|text| **text == key) {
            texts.push(Zeroizing::new(key.to_owned()));
        }
    }

    fn is_kept(&self, key: &str) -> bool {
        self.keep.as_ref().is_some_and(|keep| **keep == key)
    }

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

    /// Looks for a key of which only the digest is known, as a command that completes a rotation has it.
    fn learn(&self, bytes: &[u8]) {
        let is_known =
            |digest: &String| self.texts.borrow().iter().any(|text| key::digest(text) == *digest);
        if self.digests.iter().all(is_known) {
            return;
        }
        let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let words = bytes.split(|byte| !is_of_key(byte));
        let quoted = bytes.split(|byte| *byte == b'"');
        let usual = words.chain(quoted).filter(|text| (SHORTEST_PIECE..=512).contains(&text.len()));
        usual.flat_map(std::str::from_utf8).for_each(|text| _ = self.has(text));
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
        [Some(bytes), unescaped.as_deref()].into_iter().flatten().for_each(|it| self.learn(it));
        let texts = self.texts.borrow();
        // A piece of the key that stays cannot be looked for.
        let is_kept = |text: &str| self.keep.as_ref().is_some_and(|keep| keep.contains(text));
        for text in texts.iter().filter(|text| !is_kept(text)) {
            let wide: Vec<u8> = text.bytes().flat_map(|byte| [byte, 0]).collect();
            if find(bytes, text.as_bytes()) {
                return Some("the old key is in it");
            } else if find(bytes, &wide[..wide.len() - 1]) {
                return Some("the old key is in it, in UTF-16");
            } else if unescaped.as_ref().is_some_and(|bytes| find(bytes, text.as_bytes())) {
                return Some("the old key is in it, in JSON escapes");
            }
            let is_cut = |end| bytes.ends_with(&text.as_bytes()[..end]);
            if (SHORTEST_PIECE..text.len()).any(is_cut) {
                return Some("the beginning of the old key is in it");
            }
        }
        None
    }
}

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

/// Removes the keys from the copies of `config`, and from cck's own files.
pub(crate) fn scrub(
    paths: &Paths,
    config: &Path,
    keys: &Keys,
    options: &store::Options,
    context: &Context,
) -> Scrubbed {
    let mut work = Work { keys, options, again: false, done: Scrubbed::default() };
    let copies = copies::find(paths, config);
    for (path, why) in copies.unseen {
        work.again |= work.leave(&path, why);
    }
    let base = place::base(context).path;
    let (whole, mut rest): (Vec<_>, Vec<_>) =
        copies.files.into_iter().partition(|(_, kind)| *kind == Kind::Config);
    rest.extend(runs::configs(&base).into_iter().map(|path| (path, Kind::Other)));
    // Whole configs first: they may show a key of which only the digest was known.
    for (path, kind) in whole.iter().chain(&rest) {
        work.visit(path, *kind);
    }
    work.clear(&Cache::at(&base).dir, |file| {
        cache::forget(file, |key| keys.has(key), options.dry_run)
    });
    if !options.dry_run {
        for (path, _) in &whole {
            work.again |= work.check(path, "");
        }
        work.check(config, "; somewhere else in the config");
    }
    work.forget_records(config, context);
    // Only the user edits these.
    let Paths { user_settings, project_settings, local_settings, managed_settings, .. } = paths;
    for path in [user_settings, project_settings, local_settings, managed_settings] {
        work.check(path, "; Claude Code may send it from there");
    }
    work.done
}

struct Work<'w> {
    keys: &'w Keys,
    options: &'w store::Options,
    /// Whether something was left that the same command, run again, may clean.
    again: bool,
    done: Scrubbed,
}

impl Work<'_> {
    /// Names a file that was left; false if it was named before.
    fn leave(&mut self, path: &Path, why: impl Into<String>) -> bool {
        let is_new = !self.done.left.iter().any(|left| left.path == path);
        if is_new {
            self.done.left.push(Left { path: path.to_path_buf(), why: why.into() });
        }
        is_new
    }

    fn visit(&mut self, path: &Path, kind: Kind) {
        // Root takes only what its owner could take.
        let (Ok(_acting), Ok(stat)) = (disk::act_for(path), disk::look(path)) else { return };
        let is_link = matches!(disk::read_link(path), Ok(Some(_)));
        let why = match stat.kind {
            _ if is_link => "it is a link, and what it leads to is left alone",
            disk::Kind::File if stat.uid != disk::user() => "it belongs to another user",
            disk::Kind::File if kind == Kind::Config => return self.clean(path, &stat),
            disk::Kind::File if kind == Kind::Temp && stat.stamp.size <= MAX_BYTES => {
                return self.remove(path, &stat);
            }
            _ => "cck does not change it",
        };
        if let Some(found) = self.found_in(path) {
            self.leave(path, format!("{why}: {found}"));
        }
    }

    fn clean(&mut self, path: &Path, stat: &Stat) {
        let mut other = false;
        let options = store::Options { no_follow: true, ..*self.options };
        let result = store::update(path, &options, |document| {
            let key = document.get::<String>(&[MEMBER]).map(Zeroizing::new);
            let key = key.as_ref().map(|key| key.trim()).filter(|key| !key.is_empty());
            let is_old = key.is_some_and(|key| self.keys.has(key));
            other = key.is_some_and(|key| !is_old && !self.keys.is_kept(key));
            Ok(is_old.then(|| Edit::remove(&[MEMBER])).into_iter().collect())
        });
        match result {
            Ok(outcome) if !outcome.changes.is_empty() => {
                self.done.cleaned.push(path.to_path_buf());
            }
            Ok(_) if other && self.keys.is_unknown() => {
                let why = "it holds a key, and the config holds none to compare it with";
                self.again |= self.leave(path, why);
            }
            Ok(_) if other => self.done.others.push(path.to_path_buf()),
            Ok(_) => {}
            Err(error) => {
                let bytes = read(path).and_then(Result::ok).unwrap_or_default();
                let found = self.keys.found_in(&bytes);
                let may_hold = found.is_some()
                    || (bytes.is_empty() && stat.stamp.size > 0)
                    || (self.keys.is_unknown()
                        && memchr::memmem::find(&bytes, MEMBER.as_bytes()).is_some());
                // Malformed copies without the key are left in peace.
                if may_hold {
                    let found = found.map_or(String::new(), |found| format!("{found}: "));
                    self.again |= self.leave(path, format!("{found}{error}"));
                }
            }
        }
    }

    /// Removes what a killed client has left, if a key is in it.
    fn remove(&mut self, path: &Path, stat: &Stat) {
        if self.found_in(path).is_none() {
            return;
        }
        if stat.stamp.age() < LEFT_BEHIND {
            self.leave(path, "Claude Code is writing it; run this again");
        } else if self.options.dry_run || private::remove(path).is_ok() {
            self.done.removed.push(path.to_path_buf());
        } else {
            self.leave(path, "it cannot be removed");
        }
    }

    /// Has `clear` clear the files in a directory of cck's own. It says whether it did, or would have.
    fn clear(&mut self, dir: &Path, clear: impl Fn(&Path) -> anyhow::Result<bool>) {
        let files = private::list(dir).unwrap_or_else(|error| {
            self.leave(dir, format!("it cannot be looked through: {}", disk::what(&error)));
            Vec::new()
        });
        for file in files {
            match clear(&file) {
                Ok(true) => self.done.removed.push(file),
                Ok(false) => {}
                Err(error) => _ = self.leave(&file, in_one_line(&error)),
            }
        }
    }

    /// Removes the record of the config's last change, and those of other changes that hold a key.
    fn forget_records(&mut self, config: &Path, context: &Context) {
        let (keys, dry_run) = (self.keys, self.options.dry_run);
        // Without its digest, only the record tells the same command, run again, which key is meant.
        let is_needed = self.again && keys.digests.is_empty();
        let own = undo::places(config, context);
        let Ok(own) = own.map_err(|error| self.leave(config, in_one_line(&error))) else { return };
        self.clear(own[0].parent().unwrap_or(config), |file| {
            let holds_key = |bytes: Zeroizing<Vec<u8>>| keys.found_in(&bytes).is_some();
            let is_old =
                own.iter().any(|own| own == file) || private::read(file)?.is_some_and(holds_key);
            if is_old && is_needed {
                anyhow::bail!("by it the same command, run again, knows the key");
            }
            Ok(is_old && (dry_run || private::remove(file)?))
        });
    }

    fn found_in(&self, path: &Path) -> Option<&'static str> {
        match read(path)? {
            Ok(bytes) => self.keys.found_in(&bytes),
            Err(why) => Some(why),
        }
    }

    /// Names a file that still holds the key; false if it does not, or was named before.
    fn check(&mut self, path: &Path, more: &str) -> bool {
        self.found_in(path).is_some_and(|found| self.leave(path, format!("{found}{more}")))
    }
}

/// The content of a regular file, or why it was not read; none if there is none, or it cannot be read.
fn read(path: &Path) -> Option<Result<Zeroizing<Vec<u8>>, &'static str>> {
    let _acting = disk::act_for(path).ok()?;
    match disk::read_file(path, MAX_BYTES) {
        Ok(bytes) => Some(Ok(Zeroizing::new(bytes))),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Some(Err("it is larger than 1 GiB, and was not looked through"))
        }
        Err(_) => None,
    }
}
