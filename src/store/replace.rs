//! Replaces the content of a file: whole and durable beside it first, then under its name in one step.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use super::load::Snapshot;
use super::lock::Lock;
use super::outline::Piece;
use super::recovery::{self, Aside};
use crate::disk::{self, Dir, Rename, Stat, Temp};
use crate::signals::HeldSignals;

const CHUNK: usize = 4 << 20;

/// How much goes from file to file at a time: what stays in a processor's cache between the two.
const BLOCK: usize = 512 << 10;

/// A file in a directory, under the lock that its writers take.
pub(crate) struct Site<'s> {
    pub dir: &'s Dir,
    pub name: &'s OsStr,
    /// If nothing can be made beside it.
    pub aside: Option<&'s Aside>,
    pub locks: &'s [Lock],
    pub held: &'s HeldSignals,
}

/// How an attempt to replace a file went.
pub(crate) enum Replaced {
    /// The new content is in its place and looked like this.
    Done(Stat),
    /// Another writer was at the file, or the lock was lost: read it anew.
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
    let path = dir.path.join(name);
    let failed = |error| disk::refused(error, "write", &path);
    let temp =
        Temp::create(dir, name).map_err(|error| disk::refused(error, "write beside", &path))?;
    adopt(&temp.file, old, &path)?;
    if !write(&temp.file, pieces, site).map_err(failed)? {
        return Err(disk::interrupted());
    }
    disk::set_mode(&temp.file, mode(old.map(|old| &old.stat))).map_err(failed)?;
    temp.file.sync_all().map_err(failed)?;
    let written = disk::stat(&temp.file).map_err(failed)?;
    if site.held.pending() {
        return Err(disk::interrupted());
    }
    // Before the last look at the file: it takes milliseconds, in which a writer without the lock can come.
    record()?;
    if !site.locks.iter().all(Lock::is_held) || !is_as_read(dir, name, old.map(|old| &old.stat)) {
        return Ok(Replaced::Outrun);
    }
    let refused = |error| disk::refused(error, "replace", &path);
    let written = match (put(dir, temp, old), old) {
        (Ok(true), _) => written,
        (Ok(false), _) => return Ok(Replaced::Outrun),
        // A single file that is mounted there cannot be replaced, only written to.
        (Err(error), Some(old)) if is_mount(&error) => {
            let Some(content) = old.whole() else { return Ok(Replaced::NotWhole) };
            recovery::write_in_place(site, &old.stat, content, pieces)?
        }
        (Err(error), _) => return Err(refused(error)),
    };
    dir.sync().map_err(|error| disk::refused(error, "make sure of the new", &path))?;
    Ok(Replaced::Done(written))
}

/// As [`replace`], for a file that can only be written in place.
pub(crate) fn write_over(
    site: &Site<'_>,
    old: Option<&Snapshot>,
    pieces: &[Piece<'_>],
    record: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Replaced> {
    let Some(old) = old else { return Ok(Replaced::Outrun) };
    let Some(content) = old.whole() else { return Ok(Replaced::NotWhole) };
    if site.held.pending() {
        return Err(disk::interrupted());
    }
    record()?;
    let is_as_read = is_as_read(site.dir, site.name, Some(&old.stat));
    if !is_as_read || !site.locks.iter().all(Lock::is_held) {
        return Ok(Replaced::Outrun);
    }
    recovery::write_in_place(site, &old.stat, content, pieces).map(Replaced::Done)
}

fn is_mount(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::CrossesDevices)
}

/// Puts the new file in its place, and removes the old one. The two change names if the file system can do that, so
/// that what comes out can be looked at: if it is not what was read, it goes back. False if the place has changed.
fn put(dir: &Dir, mut temp: Temp<'_>, old: Option<&Snapshot>) -> io::Result<bool> {
    let outrun = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotFound => Ok(false),
        _ => Err(error),
    };
    let Some(old) = old else { return temp.rename(Rename::IfNone).map(|()| true).or_else(outrun) };
    // A run that is killed then leaves the old file under another name: not one that others may read.
    let exchanged = if old.stat.mode & 0o077 == 0 {
        temp.rename(Rename::Exchange)
    } else {
        Err(ErrorKind::Unsupported.into())
    };
    match exchanged {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(_) => return temp.rename(Rename::Replace).map(|()| true).or_else(outrun),
    }
    if dir.stat(&temp.name)?.stamp == old.stat.stamp {
        return Ok(true);
    }
    temp.rename(Rename::Exchange).map(|()| false)
}

/// Whether the file is still what was read; with no `old`, whether there is still none.
fn is_as_read(dir: &Dir, name: &OsStr, old: Option<&Stat>) -> bool {
    match (dir.stat(name), old) {
        (Ok(now), Some(old)) => now.stamp == old.stamp,
        (Err(error), None) => error.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

/// The mode that a file with a key gets: 0600, or what is stricter in the one it replaces.
pub(crate) fn mode(old: Option<&Stat>) -> u32 {
    0o600 & old.map_or(0o600, |stat| stat.mode)
}

/// Gives `file`, which is still empty, the owner and the attributes of the file it is to replace.
fn adopt(file: &File, old: Option<&Snapshot>, path: &Path) -> anyhow::Result<()> {
    let Some(old) = old else { return Ok(()) };
    let refused = |error| disk::refused(error, "keep the owner of", path);
    let now = disk::stat(file).map_err(refused)?;
    if old.stat.gid != now.gid {
        // Without group permissions the group matters little: not to be in it is not a reason to fail.
        let _ = disk::set_owner(file, None, Some(old.stat.gid));
    }
    if let Some(old) = &old.file {
        disk::copy_attributes(old, file);
    }
    if old.stat.uid != now.uid {
        disk::set_owner(file, Some(old.stat.uid), None).map_err(refused)?;
    }
    Ok(())
}

/// Writes all pieces to `file`, which is new; false if a signal came in between. What is written of a large file goes to
/// the disk while the rest is written.
pub(crate) fn write(file: &File, pieces: &[Piece<'_>], site: &Site<'_>) -> io::Result<bool> {
    // What is as large as its buffer passes it by.
    let mut out = BufWriter::with_capacity(BLOCK / 8, file);
    let (mut at, mut under_way) = (0, 0);
    let mut put = |bytes: &[u8]| {
        out.write_all(bytes)?;
        at += bytes.len();
        if at - under_way >= CHUNK {
            disk::start_writing(file, under_way..at);
            under_way = at;
            site.locks.iter().for_each(Lock::refresh);
        }
        io::Result::Ok(!site.held.pending())
    };
    let mut buffer = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => {
                for block in bytes.chunks(BLOCK) {
                    if !put(block)? {
                        return Ok(false);
                    }
                }
            }
            Piece::Range(from, range) => {
                buffer.resize(BLOCK, 0);
                for start in range.clone().step_by(BLOCK) {
                    let block = &mut buffer[..BLOCK.min(range.end - start)];
                    // Where it is shorter by now, another program has written to it, which shows before the replace.
                    let length = disk::fill(from, block, start)?;
                    if !put(&block[..length])? {
                        return Ok(false);
                    }
                }
            }
        }
    }
    out.flush().map(|()| true)
}
