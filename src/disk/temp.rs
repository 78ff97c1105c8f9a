//! A file beside another, to be put in its place in one step.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};

use super::{Dir, Kind, NAME_MAX, Open, Rename, user};

/// A file beside the target, for its owner alone. Dropping it removes it.
pub(crate) struct Temp<'d> {
    dir: &'d Dir,
    target: &'d OsStr,
    /// After an exchange, that of the file which was in the target's place.
    pub name: OsString,
    pub file: File,
    is_there: bool,
}

impl<'d> Temp<'d> {
    /// Makes it: new, under a name that nobody can foresee.
    pub(crate) fn create(dir: &'d Dir, target: &'d OsStr) -> io::Result<Self> {
        loop {
            let name = temp_name(target, &random());
            match dir.open_file(&name, Open::New) {
                Ok(file) => return Ok(Temp { dir, target, name, file, is_there: true }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn rename(&mut self, how: Rename) -> io::Result<()> {
        self.dir.rename(&self.name, self.target, how)?;
        self.is_there = how == Rename::Exchange;
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.is_there {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

/// Six random bytes, as a name shows them. That nobody can make the file first is up to `O_EXCL`.
pub(super) fn random() -> String {
    let mut tag = format!("{:016x}", RandomState::new().build_hasher().finish());
    tag.truncate(12);
    tag
}

/// `.NAME.cck-TAG.tmp`, the name cut where it would be too long.
pub(super) fn temp_name(target: &OsStr, tag: &str) -> OsString {
    beside(target, &format!(".cck-{tag}.tmp"))
}

pub(crate) fn beside(target: &OsStr, ending: &str) -> OsString {
    let mut name = OsString::new();
    if !target.as_encoded_bytes().starts_with(b".") {
        name.push(".");
    }
    name.push(cut(target, NAME_MAX - name.len() - ending.len()));
    name.push(ending);
    name
}

pub(crate) fn cut(name: &OsStr, length: usize) -> OsString {
    let bytes = name.as_encoded_bytes();
    super::system::name_from(bytes[..bytes.len().min(length)].to_vec())
}

/// Removes what killed runs have left beside the file. The lock is held, so none of it is in use.
pub(crate) fn sweep(dir: &Dir, target: &OsStr) {
    const TAG: &str = "0123456789ab";
    let model = temp_name(target, TAG);
    let prefix = &model.as_encoded_bytes()[..model.len() - TAG.len() - ".tmp".len()];
    let ours = |name: &OsStr| {
        let rest = name.as_encoded_bytes().strip_prefix(prefix);
        let tag = rest.and_then(|rest| rest.strip_suffix(b".tmp")).unwrap_or_default();
        tag.len() == TAG.len() && tag.iter().all(u8::is_ascii_hexdigit)
    };
    let user = user();
    for name in dir.list().unwrap_or_default().into_iter().filter(|name| ours(name)) {
        let is_ours = dir.stat(&name).is_ok_and(|stat| {
            // Earlier versions left files of root's in a user's directory.
            stat.kind == Kind::File && (stat.uid == user || stat.uid == 0 || user == 0)
        });
        if is_ours {
            let _ = dir.remove_file(&name);
        }
    }
}
