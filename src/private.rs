//! cck's own files, which no other program writes: for their owner alone, opened without following links, written whole
//! or line by line under a lock, and in a user's home as that user.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::disk::{self, Dir, Kind, Open, Rename, Stat, Temp};
use crate::error::fail;
use crate::shell::word;
use crate::signals;

const MAX_BYTES: u64 = 1 << 30;

/// How long another run is waited for. Each holds a lock for milliseconds.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(5);

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Puts `bytes` at `path` in one step, 0600 in a 0700 directory, and clears away what a killed run has left beside it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let _acting = disk::act_for(path)?;
    let (parent, name) = disk::split(path)?;
    let section = signals::hold();
    let dir = disk::open_or_make(parent)?;
    lock_dir(&dir)?;
    disk::sweep(&dir, name);
    if section.pending() {
        return Err(disk::interrupted());
    }
    let failed = |error| disk::refused(error, "write", path);
    if dir.stat(name).is_ok_and(|stat| stat.kind == Kind::Dir) {
        return Err(failed(ErrorKind::IsADirectory.into()));
    }
    let mut temp = Temp::create(&dir, name).map_err(failed)?;
    temp.file.write_all(bytes).and_then(|()| temp.file.sync_all()).map_err(failed)?;
    temp.rename(Rename::Replace).and_then(|()| dir.sync()).map_err(failed)
}

pub(crate) fn tidy(path: &Path) {
    let _section = signals::hold();
    if let Ok(_acting) = disk::act_for(path)
        && let Ok((parent, name)) = disk::split(path)
        && let Ok(dir) = Dir::open(parent)
        && lock_dir(&dir).is_ok()
    {
        disk::sweep(&dir, name);
    }
}

/// Locks a directory against other runs of cck, until it is closed.
fn lock_dir(dir: &Dir) -> anyhow::Result<()> {
    match dir.lockable().map(|file| disk::lock(file, LOCK_WAIT)) {
        Some(Err(error)) if error.kind() == ErrorKind::TimedOut => {
            Err(disk::refused(error, "lock", &dir.path))
        }
        // Not every file system has these locks; the replace itself needs none.
        _ => Ok(()),
    }
}

/// Opens a file that is written in place, and makes it. No link, and no hard link: another user would choose the file.
pub(crate) fn open(path: &Path, how: Open) -> io::Result<File> {
    let _acting = disk::act_for(path).map_err(io::Error::other)?;
    if let Some(dir) = path.parent() {
        disk::make_dirs(dir)?;
    }
    let file = disk::open(path, how)?;
    let stat = disk::stat(&file)?;
    if stat.kind != Kind::File {
        return Err(io::Error::other("it is not a regular file"));
    }
    if stat.links > 1 {
        return Err(io::Error::other("it has another name (a hard link), and may be another file"));
    }
    Ok(file)
}

/// Opens a file as [`open`] does, and locks it. Anyone who may read it can hold the lock: the wait has an end.
pub(crate) fn open_locked(path: &Path, how: Open, timeout: Duration) -> io::Result<File> {
    let file = open(path, how)?;
    disk::lock(&file, timeout).map(|()| file)
}

/// The files and directories in a directory, in order; none if it is missing.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let _acting = disk::act_for(&dir.join("."));
    let mut files = disk::if_any(disk::entries(dir))?.unwrap_or_default();
    files.sort();
    Ok(files)
}

/// Makes the directory for its owner alone, and refuses one that others made or may use: its name may be taken.
pub(crate) fn own_dir(path: &Path) -> io::Result<()> {
    let (parent, name) = disk::split(path).map_err(io::Error::other)?;
    let parent = Dir::open(parent)?;
    match parent.make_dir(name) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let stat = parent.stat(name)?;
    if stat.kind == Kind::Dir && stat.uid == disk::user() && stat.mode & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!("{} is not a directory of yours alone", path.display())))
}

pub(crate) fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    let _acting = disk::act_for(from)?;
    std::fs::rename(from, to).map_err(|error| disk::refused(error, "rename", from))
}

/// Removes the file at `path`; false if there is none.
pub(crate) fn remove(path: &Path) -> anyhow::Result<bool> {
    let _acting = disk::act_for(path)?;
    let removed = disk::if_any(std::fs::remove_file(path));
    Ok(removed.map_err(|error| disk::refused(error, "remove", path))?.is_some())
}

/// The content of a file that [`write()`] wrote.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    let _acting = disk::act_for(path)?;
    read_trusted(path, Open::Read)
}

/// The content of a file that tells cck what to do: one that others may write is refused.
pub(crate) fn read_trusted(path: &Path, how: Open) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    let failed = |error| disk::refused(error, "read", path);
    let file = match disk::open(path, how) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        file => file.map_err(failed)?,
    };
    let stat = disk::stat(&file).map_err(failed)?;
    let shown = path.display();
    if stat.kind != Kind::File {
        return Err(fail(format!("{shown} is not a file"), "move it aside"));
    }
    if let Some(problem) = untrusted(&stat) {
        let file = word(&shown);
        return Err(fail(
            format!("{shown} {problem}, and is not trusted"),
            format!("look at what is in it, then: sudo chown \"$USER\" {file}; chmod go-w {file}"),
        ));
    }
    let bytes = disk::read_up_to(&file, stat.stamp.size, MAX_BYTES);
    let bytes = bytes.and_then(|bytes| bytes.ok_or_else(|| ErrorKind::FileTooLarge.into()));
    Ok(Some(Zeroizing::new(bytes.map_err(failed)?)))
}

pub(crate) fn untrusted(stat: &Stat) -> Option<String> {
    let is_open = stat.mode & 0o022 != 0;
    let open = || is_open.then(|| format!("can be written by others (mode {:04o})", stat.mode));
    foreign(stat).or_else(open)
}

fn foreign(stat: &Stat) -> Option<String> {
    let owner = stat.uid;
    (owner != disk::user() && owner != 0).then(|| format!("belongs to another user (uid {owner})"))
}

/// Who else may put files into a directory, and by that choose what the client reads there; none if nobody may.
pub(crate) fn exposure(dir: &Path) -> Option<String> {
    let _acting = disk::act_for(&dir.join("."));
    let stat = disk::look(dir).ok().filter(|stat| stat.kind == Kind::Dir)?;
    foreign(&stat).or_else(|| {
        (stat.mode & 0o002 != 0)
            .then(|| format!("can be written to by everybody (mode {:04o})", stat.mode))
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// A directory that another run is writing in, and a file in it.
    fn busy() -> (tempfile::TempDir, File, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let held = File::open(dir.path()).unwrap();
        held.try_lock().unwrap();
        let path = dir.path().join("record");
        (dir, held, path)
    }

    #[test]
    fn another_run_in_the_directory_is_waited_for() {
        let (_dir, held, path) = busy();
        let held_for = Duration::from_millis(60);
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(held_for);
                held.unlock().unwrap();
            });
            write(&path, b"one").unwrap();
        });
        assert!(start.elapsed() >= held_for);
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn another_run_in_the_directory_is_not_waited_for_without_end() {
        let (dir, _held, path) = busy();
        let start = Instant::now();
        let error = write(&path, b"one").unwrap_err();
        assert!(start.elapsed() >= LOCK_WAIT);
        assert!(
            error.to_string().starts_with(&format!("cannot lock {}", dir.path().display())),
            "{error}"
        );
        assert!(!path.exists());
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/record");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        for content in ["one", "two"] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().as_slice(), content.as_bytes());
        }
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1);
        assert_eq!(hex(&[0, 0xab, 7]), "00ab07");
    }
}
