//! A file that cannot be replaced, because it is itself a mount point, is written in place under a recovery copy.
//!
//! The copy holds the old and the new content and is durable before the first byte is written over. The next run finds
//! it: where the file holds neither, but parts of both, the writing is taken to its end; else someone has written the
//! file since, and the copy is stale.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;

use super::load;
use super::outline::Piece;
use super::replace::{Site, mode, write};
use crate::disk::{self, Dir, Open, Stat};
use crate::document::Document;
use crate::private;

/// What a recovery copy starts with; the lengths of the new and the old content follow, then both.
const MAGIC: &str = "cck recovery 1";

pub(crate) fn copy_name(name: &OsStr) -> OsString {
    disk::beside(name, ".cck-recovery")
}

/// Where the lock and the recovery copy of a file are if nothing can be made beside it: the file alone is mounted for
/// writing, in a directory that is not. The client has no lock there.
pub(crate) struct Aside {
    pub dir: Rc<Dir>,
    /// What names the file there: its device and its number.
    pub name: OsString,
}

impl Aside {
    /// A directory of the user's own, on a disk if there is one that can be written; none if the file itself cannot.
    pub(crate) fn of(dir: &Dir, name: &OsStr) -> Option<Aside> {
        let (device, number) = disk::stat(&dir.open_file(name, Open::Write).ok()?).ok()?.stamp.id;
        let dir = ["/var/tmp", "/dev/shm", "/tmp"].iter().find_map(|base| {
            let dir = Path::new(base).join(format!("cck-{}", disk::user()));
            private::own_dir(&dir).ok()?;
            Dir::open(&dir).ok()
        })?;
        Some(Aside { dir: Rc::new(dir), name: format!("{device:x}-{number:x}").into() })
    }
}

/// Writes `pieces`, all of them in memory, over the file, whose content is `old`, and returns what it then looks like.
pub(crate) fn write_in_place(
    site: &Site<'_>,
    stat: &Stat,
    old: &[u8],
    pieces: &[Piece<'_>],
) -> anyhow::Result<Stat> {
    let Site { dir, name, .. } = *site;
    let path = dir.path.join(name);
    let (copies, copy) = place(site);
    let failed = |error| disk::refused(error, "write in place", &path);
    let new: Vec<&[u8]> = pieces.iter().filter_map(Piece::in_memory).collect();
    let length: usize = new.iter().map(|piece| piece.len()).sum();
    let head = format!("{MAGIC} {length} {}\n", old.len());
    let parts = [&[head.as_bytes()], &new[..], &[old]].concat();
    let parts: Vec<Piece<'_>> = parts.into_iter().map(Piece::Bytes).collect();
    let made = match make_copy(copies, &copy, &parts, site) {
        Ok(true) => open(dir, name, stat).map_err(failed),
        Ok(false) => Err(disk::interrupted()),
        Err(error) => Err(failed(error)),
    };
    let file = made.inspect_err(|_| {
        let _ = copies.remove_file(&copy);
    })?;
    // From here on a signal waits: half of it would be worse than either.
    let result = overwrite(&file, &new, length as u64);
    if let Err(error) = result {
        // Back to the old content; where that fails too, the copy stays for the next run.
        if overwrite(&file, &[old], old.len() as u64).is_ok() {
            let _ = copies.remove_file(&copy);
        }
        return Err(failed(error));
    }
    copies.remove_file(&copy).map_err(failed)?;
    disk::stat(&file).map_err(failed)
}

/// Opens the file that was read, for writing. In a directory that others may write to, another one could have been put in
/// its place since: a hard link to a file that only the user of this process may write.
fn open(dir: &Dir, name: &OsStr, read: &Stat) -> io::Result<File> {
    let file = dir.open_file(name, Open::Write)?;
    let stat = disk::stat(&file)?;
    if stat.stamp.id != read.stamp.id {
        return Err(ErrorKind::StaleNetworkFileHandle.into());
    }
    let mode = mode(Some(&stat));
    if mode != stat.mode {
        // The key is not written where others may read it.
        disk::set_mode(&file, mode)?;
    }
    Ok(file)
}

/// Makes the recovery copy; false if a signal came in between.
fn make_copy(dir: &Dir, name: &OsStr, parts: &[Piece<'_>], site: &Site<'_>) -> io::Result<bool> {
    disk::if_any(dir.remove_file(name))?;
    let file = dir.open_file(name, Open::New)?;
    let (copy, target) = (disk::stat(&file)?, site.dir.stat(site.name)?);
    if copy.uid != target.uid {
        // The next run may be that user's own.
        disk::set_owner(&file, Some(target.uid), None)?;
    }
    let whole = write(&file, parts, site)?;
    file.sync_all()?;
    dir.sync()?;
    Ok(whole)
}

/// Writes over what is there, then cuts off what is left of it: at no time is the file empty, which the client would
/// take for a new one.
fn overwrite(file: &File, pieces: &[&[u8]], length: u64) -> io::Result<()> {
    let mut at = 0;
    for piece in pieces {
        disk::write_at(file, piece, at)?;
        at += piece.len() as u64;
    }
    file.set_len(length)?;
    file.sync_all()
}

fn place<'s>(site: &Site<'s>) -> (&'s Dir, OsString) {
    let beside = || (site.dir, copy_name(site.name));
    site.aside.map_or_else(beside, |aside| (&*aside.dir, copy_name(&aside.name)))
}

pub(crate) fn recover(site: &Site<'_>) -> anyhow::Result<()> {
    let Site { dir, name, .. } = *site;
    let (copies, copy) = place(site);
    // The usual case costs one look.
    if copies.stat(&copy).is_err() {
        return Ok(());
    }
    // Without the file, what was mounted there may come back; and another user's copy does not count.
    let Ok(target) = dir.stat(name) else { return Ok(()) };
    let Some(saved) = load::load(copies, &copy, true)? else { return Ok(()) };
    let (owner, user) = (saved.stat.uid, disk::user());
    if owner != user && owner != target.uid {
        return Ok(());
    }
    let path = dir.path.join(name);
    if let Some((new, old)) = saved.whole().and_then(parse)
        && let Some(file) = load::load(dir, name, true)?
        && let Some(now) = file.whole()
        && now != new
        && now != old
        && (is_mixed(now, new, old) || !is_usable(now))
    {
        let failed = |error| disk::refused(error, "restore", &path);
        let file = open(dir, name, &file.stat).map_err(failed)?;
        overwrite(&file, &[new], new.len() as u64).map_err(failed)?;
    }
    let path = copies.path.join(&copy);
    copies.remove_file(&copy).map_err(|error| disk::refused(error, "remove", &path))
}

/// The new and the old content in a recovery copy; `None` where it is incomplete.
fn parse(copy: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = copy.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&copy[..end]).ok()?.strip_prefix(MAGIC)?;
    let (new, old) = head.trim().split_once(' ')?;
    let (new, old): (usize, usize) = (new.parse().ok()?, old.parse().ok()?);
    let body = &copy[end + 1..];
    (body.len() == new.checked_add(old)?).then(|| body.split_at(new))
}

/// Whether `now` is what an interrupted writing of `new` over `old` leaves: each byte from one of the two.
fn is_mixed(now: &[u8], new: &[u8], old: &[u8]) -> bool {
    now.len() <= new.len().max(old.len())
        && now
            .iter()
            .enumerate()
            .all(|(at, byte)| new.get(at) == Some(byte) || old.get(at) == Some(byte))
}

fn is_usable(bytes: &[u8]) -> bool {
    !bytes.is_empty() && Document::parse(bytes).is_ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_read_back_only_where_it_is_whole() {
        let copy = b"cck recovery 1 3 5\nnewolder";
        assert_eq!(parse(copy), Some((&b"new"[..], &b"older"[..])));
        assert_eq!(parse(&copy[..copy.len() - 1]), None);
        assert_eq!(parse(b"cck recovery 1 18446744073709551615 1\nx"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_mixture_is_told_from_a_third_content() {
        assert!(is_mixed(b"neder", b"new", b"older"), "a prefix of new, the rest of old");
        assert!(is_mixed(b"", b"new", b"older"));
        assert!(!is_mixed(b"nexer", b"new", b"older"));
        assert!(!is_mixed(b"newolder", b"new", b"older"));
    }

    const NEW: &str = "{\"a\":1,\"k\":\"new\"}";
    const OLD: &str = "{\"b\":2}";

    /// Lays a file with this content and a copy of [`NEW`] and [`OLD`], recovers, and returns what the file then holds and
    /// whether the copy is gone.
    #[expect(clippy::disallowed_methods, reason = "a test lays its files")]
    fn recovered(now: &str, owners: Option<(u32, u32)>) -> (String, bool) {
        let home = tempfile::tempdir().unwrap();
        let name = OsStr::new(".claude.json");
        let (path, copy) = (home.path().join(name), home.path().join(copy_name(name)));
        std::fs::write(&path, now).unwrap();
        let saved = format!("{MAGIC} {} {}\n{NEW}{OLD}", NEW.len(), OLD.len());
        std::fs::write(&copy, saved).unwrap();
        if let Some((of_file, of_copy)) = owners {
            std::os::unix::fs::chown(&path, Some(of_file), None).unwrap();
            std::os::unix::fs::chown(&copy, Some(of_copy), None).unwrap();
        }
        let (dir, held) = (Dir::open(home.path()).unwrap(), crate::signals::hold());
        recover(&Site { dir: &dir, name, aside: None, locks: &[], held: &held }).unwrap();
        (std::fs::read_to_string(&path).unwrap(), !copy.exists())
    }

    #[test]
    fn what_a_killed_write_left_is_ended_and_what_came_later_stays() {
        for (now, after) in [
            (NEW, NEW),
            (OLD, OLD),
            ("", NEW),
            ("{\"a\":2}", NEW),
            ("{\"a\":1,\"k\"", NEW),
            ("{\"x\":9}", "{\"x\":9}"),
            ("{\"x\":9", NEW),
        ] {
            assert_eq!(recovered(now, None), (after.to_owned(), true), "{now}");
        }
    }

    #[test]
    fn a_copy_of_someone_else_is_none() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for (of_file, of_copy, is_used) in
            [(0, 7, false), (7, 7, true), (7, 0, true), (8, 7, false)]
        {
            let after = recovered("", Some((of_file, of_copy)));
            let expected = if is_used { NEW } else { "" };
            assert_eq!(after, (expected.to_owned(), is_used), "{of_file} {of_copy}");
        }
    }
}
