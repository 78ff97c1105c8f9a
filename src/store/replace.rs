//! Puts new content in the place of a file: whole and durable beside it first, then under its name in one step.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::IoSlice;
use std::ops::Range;

use super::dir::Dir;
use super::load::{Snapshot, Stamp, read_at};
use super::outline::Piece;
use super::{error, meta, recovery};
use crate::os;
use crate::os::ext::{OsStrExt, OsStringExt};
use crate::os::fs::{FileType, Mode, OFlags, RenameFlags, Stat};
use crate::os::io::{Errno, retry_on_intr};
use crate::signals::Section;
use crate::store::lock::Lock;

/// The longest file name that file systems take.
const NAME_MAX: usize = 255;

/// How much is written before it is sent to the disk.
const CHUNK: usize = 4 << 20;

/// How much goes from file to file at a time: what stays in a processor's cache between the two.
const BLOCK: usize = 512 << 10;

/// A file in a directory, under the lock that its writers take.
pub(crate) struct Site<'s> {
    /// The directory.
    pub dir: &'s Dir,
    /// The name in it.
    pub name: &'s OsStr,
    /// The locks that are held.
    pub locks: &'s [Lock],
    /// The signals that are put off.
    pub section: &'s Section,
}

/// How an attempt to replace a file went.
pub(crate) enum Replaced {
    /// The new content is in its place; it looked like this.
    Done(Stamp),
    /// Somebody else was at the file, or the lock was lost: read it anew.
    Outrun,
    /// The file can only be written in place, for which all of its content is needed.
    NotWhole,
}

/// Replaces the file with `pieces`. `old` is what they were made from; `record` is called before the new content takes
/// its place, and stops it with an error.
pub(crate) fn replace(
    site: &Site<'_>,
    old: Option<&Snapshot>,
    pieces: &[Piece<'_>],
    record: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Replaced> {
    let Site { dir, name, .. } = *site;
    let path = dir.path().join(name);
    let mut temp =
        Temp::create(dir, name).map_err(|errno| error::disk(errno, "write beside", &path))?;
    meta::adopt(&temp.file, old.map(|old| (&old.file, &old.stat)), dir, &path)?;
    let failed = |errno| error::disk(errno, "write", &path);
    write(&temp.file, pieces, site.section).map_err(|errno| match errno {
        Errno::CANCELED => error::interrupted(),
        errno => failed(errno),
    })?;
    retry_on_intr(|| os::fs::fchmod(&temp.file, meta::mode(old.map(|old| &old.stat))))
        .map_err(failed)?;
    retry_on_intr(|| os::fs::fsync(&temp.file)).map_err(failed)?;
    let written = retry_on_intr(|| os::fs::fstat(&temp.file)).map_err(failed)?;
    if site.section.pending() {
        return Err(error::interrupted());
    }
    if !site.locks.iter().all(Lock::is_held) || !is_as_read(dir, name, old.map(|old| &old.stat)) {
        return Ok(Replaced::Outrun);
    }
    record()?;
    let stamp = match (temp.rename(old.is_none()), old) {
        (Ok(()), _) => Stamp::of(&written),
        (Err(Errno::EXIST | Errno::NOENT), _) => return Ok(Replaced::Outrun),
        // A single file that is mounted there cannot be replaced, only written to.
        (Err(Errno::BUSY | Errno::XDEV), Some(old)) => {
            drop(temp);
            let Some(content) = old.whole() else {
                return Ok(Replaced::NotWhole);
            };
            recovery::write_in_place(site, &old.stat, content, pieces)?
        }
        (Err(errno), _) => return Err(error::disk(errno, "replace", &path)),
    };
    dir.sync().map_err(|errno| error::disk(errno, "make sure of the new", &path))?;
    Ok(Replaced::Done(stamp))
}

/// Whether the file is still what was read; with no `old`, whether there is still none.
fn is_as_read(dir: &Dir, name: &OsStr, old: Option<&Stat>) -> bool {
    match (dir.stat(name), old) {
        (Ok(now), Some(old)) => Stamp::of(&now) == Stamp::of(old),
        (Err(Errno::NOENT), None) => true,
        _ => false,
    }
}

/// Writes all pieces to `file`, which is new; [`Errno::CANCELED`] where a signal came in between. What is written of a
/// large file goes to the disk while the rest is written.
pub(crate) fn write(file: &File, pieces: &[Piece<'_>], section: &Section) -> Result<(), Errno> {
    let (mut at, mut under_way) = (0, 0);
    let mut written = |length: usize| {
        if section.pending() {
            return Err(Errno::CANCELED);
        }
        at += length;
        if at - under_way >= CHUNK {
            start_writing(file, under_way..at);
            under_way = at;
        }
        Ok(())
    };
    let mut queue = Vec::new();
    let mut buffer = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => queue.extend(bytes.chunks(CHUNK)),
            Piece::Range(from, range) => {
                write_queue(file, &mut queue, &mut written)?;
                copy(file, from, range.clone(), &mut buffer, &mut written)?;
            }
        }
    }
    write_queue(file, &mut queue, &mut written)
}

/// Has the system write this part of the file to the disk, and does not wait for it.
#[cfg(target_os = "linux")]
fn start_writing(file: &File, range: Range<usize>) {
    use std::num::NonZeroU64;

    // What is asked for is to forget the part, for which it must be on the disk: what is not is sent there, and stays.
    let length = NonZeroU64::new(range.len() as u64);
    let _ = rustix::fs::fadvise(file, range.start as u64, length, rustix::fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn start_writing(_: &File, _: Range<usize>) {}

/// Writes what is queued, and empties the queue.
fn write_queue(
    file: &File,
    queue: &mut Vec<&[u8]>,
    written: &mut impl FnMut(usize) -> Result<(), Errno>,
) -> Result<(), Errno> {
    queue.reverse();
    while !queue.is_empty() {
        let mut size = 0;
        let fits = queue.iter().rev().take(64).take_while(|piece| {
            size += piece.len();
            size <= CHUNK
        });
        let batch: Vec<IoSlice<'_>> = fits.map(|piece| IoSlice::new(piece)).collect();
        let mut length = match retry_on_intr(|| os::io::writev(file, &batch))? {
            0 => return Err(Errno::IO),
            length => length,
        };
        written(length)?;
        while let Some(piece) = queue.pop() {
            if piece.len() > length {
                queue.push(&piece[length..]);
                break;
            }
            length -= piece.len();
        }
    }
    Ok(())
}

/// Writes what stands in this range of `from`. Where that is shorter by now, somebody has written to it, which shows
/// before the replace.
fn copy(
    file: &File,
    from: &File,
    range: Range<usize>,
    buffer: &mut Vec<u8>,
    written: &mut impl FnMut(usize) -> Result<(), Errno>,
) -> Result<(), Errno> {
    buffer.resize(BLOCK, 0);
    for at in range.clone().step_by(BLOCK) {
        let block = &mut buffer[..BLOCK.min(range.end - at)];
        let length = read_at(from, block, at)?;
        write_queue(file, &mut vec![&block[..length]], written)?;
    }
    Ok(())
}

/// A file beside the target. Dropping it removes it.
struct Temp<'d> {
    dir: &'d Dir,
    target: &'d OsStr,
    name: OsString,
    file: File,
    renamed: bool,
}

impl<'d> Temp<'d> {
    /// Makes it: new, under a name that cannot be foreseen, for nobody else to read from its birth.
    fn create(dir: &'d Dir, target: &'d OsStr) -> Result<Self, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        loop {
            let name = temp_name(target, &random());
            match dir.open_file(&name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => {
                    return Ok(Temp { dir, target, name, file: File::from(fd), renamed: false });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Puts it in the target's place; with `fresh`, only if there is nothing.
    fn rename(&mut self, fresh: bool) -> Result<(), Errno> {
        let (dir, from, to) = (self.dir, &self.name, self.target);
        match retry_on_intr(|| os::fs::renameat_with(dir, from, dir, to, flags(fresh))) {
            // Not every file system can refuse to replace; the look before has to do there.
            Err(Errno::INVAL | Errno::NOSYS) if fresh => {
                retry_on_intr(|| os::fs::renameat(dir, from, dir, to))
            }
            result => result,
        }?;
        self.renamed = true;
        Ok(())
    }
}

fn flags(fresh: bool) -> RenameFlags {
    if fresh { RenameFlags::NOREPLACE } else { RenameFlags::empty() }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

/// Six random bytes, as a name shows them. That nobody can make the file first is up to `O_EXCL`.
fn random() -> String {
    let mut tag = format!("{:016x}", RandomState::new().build_hasher().finish());
    tag.truncate(12);
    tag
}

/// `.NAME.cck-TAG.tmp`, the name cut where it would be too long.
fn temp_name(target: &OsStr, tag: &str) -> OsString {
    beside(target, &format!(".cck-{tag}.tmp"))
}

/// A hidden name beside `target` with this ending.
pub(crate) fn beside(target: &OsStr, ending: &str) -> OsString {
    let target = target.as_bytes();
    let dot: &[u8] = if target.starts_with(b".") { b"" } else { b"." };
    let kept = &target[..target.len().min(NAME_MAX - dot.len() - ending.len())];
    OsString::from_vec([dot, kept, ending.as_bytes()].concat())
}

/// Removes what killed runs have left beside the file. The lock is held, so none of it is in use.
pub(crate) fn sweep(dir: &Dir, target: &OsStr) {
    let length = temp_name(target, "0123456789ab").len();
    let prefix = beside(target, ".cck-0123456789ab.tmp");
    let prefix = &prefix.as_bytes()[..length - "0123456789ab.tmp".len()];
    let ours = |name: &OsStr| {
        let bytes = name.as_bytes();
        bytes.len() == length
            && bytes.starts_with(prefix)
            && bytes.ends_with(b".tmp")
            && bytes[prefix.len()..length - 4].iter().all(u8::is_ascii_hexdigit)
    };
    let user = os::process::geteuid().as_raw();
    for name in dir.names(ours) {
        let is_ours = dir.stat(&name).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                // A run under sudo that was killed early has left a file of root's in its user's directory.
                && (stat.st_uid == user || stat.st_uid == 0 || user == 0)
        });
        if is_ours {
            let _ = dir.remove_file(&name);
        }
    }
}
