//! The directory that a file lies in, held open, so that every step works in the same one whatever its path comes to mean.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::error;
use crate::error::fail;
use crate::os;
use crate::os::ext::DirBuilderExt;
use crate::os::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::os::fs::{AtFlags, CWD, Gid, Mode, OFlags, Stat, Uid};
use crate::os::io::{Errno, retry_on_intr};

/// How many symlinks are followed, as by the kernel.
const MAX_LINKS: usize = 40;

/// An open directory.
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    /// Whether it was opened for reading: one without read permission can be worked in, but not listed or synced.
    readable: bool,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens a directory.
    pub(crate) fn open(path: &Path) -> Result<Dir, Errno> {
        let open = |flags| {
            let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
            retry_on_intr(|| os::fs::open(path, flags, Mode::empty()))
        };
        let path = path.to_path_buf();
        match open(OFlags::RDONLY) {
            Ok(fd) => Ok(Dir { fd, path, readable: true }),
            #[cfg(target_os = "linux")]
            Err(Errno::ACCESS) => Ok(Dir { fd: open(OFlags::PATH)?, path, readable: false }),
            Err(errno) => Err(errno),
        }
    }

    /// Its path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What `name` is, links not followed.
    pub(crate) fn stat(&self, name: &OsStr) -> Result<Stat, Errno> {
        retry_on_intr(|| os::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Opens the file `name`; a link in its place is not followed.
    pub(crate) fn open_file(
        &self,
        name: &OsStr,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        retry_on_intr(|| os::fs::openat(&self.fd, name, flags, mode))
    }

    /// Removes the file `name`.
    pub(crate) fn remove_file(&self, name: &OsStr) -> Result<(), Errno> {
        retry_on_intr(|| os::fs::unlinkat(&self.fd, name, AtFlags::empty()))
    }

    /// Removes the empty directory `name`.
    pub(crate) fn remove_dir(&self, name: &OsStr) -> Result<(), Errno> {
        retry_on_intr(|| os::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR))
    }

    /// The names in the directory that `wanted` picks; none where it cannot be listed.
    pub(crate) fn names(&self, wanted: impl Fn(&OsStr) -> bool) -> Vec<OsString> {
        let mut names = self.list().unwrap_or_default();
        names.retain(|name| wanted(name));
        names
    }

    /// All names in the directory.
    pub(crate) fn list(&self) -> Result<Vec<OsString>, Errno> {
        if !self.readable {
            return Err(Errno::ACCESS);
        }
        os::fs::names(&self.fd)
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        if !self.readable {
            return Ok(());
        }
        match retry_on_intr(|| os::fs::fsync(&self.fd)) {
            // Some file systems have nothing to sync in a directory.
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            result => result,
        }
    }
}

/// Where the path leads when its last part is followed through symlinks, whether there is a file or not.
pub(crate) fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    let mut at = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match retry_on_intr(|| os::fs::readlink(&at, Vec::new())) {
            Ok(target) => {
                use crate::os::ext::OsStringExt;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                at = at.parent().unwrap_or(Path::new("")).join(target);
            }
            // No link, or nothing there yet.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(at),
            Err(errno) => return Err(error::disk(errno, "look up", &at)),
        }
    }
    Err(error::disk(Errno::LOOP, "look up", path))
}

/// The directory and the name of a file.
pub(crate) fn split(path: &Path) -> anyhow::Result<(&Path, &OsStr)> {
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => {
            Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, name))
        }
        _ => Err(fail(
            format!("{} is no file name", path.display()),
            "name the file itself, for example ~/.claude.json",
        )),
    }
}

/// Opens the directory, which is made for its owner alone where it is missing.
pub(crate) fn open_or_make(path: &Path) -> anyhow::Result<Dir> {
    match Dir::open(path) {
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(error::disk(errno, "open the directory", path)),
        Ok(dir) => return Ok(dir),
    }
    let refused = |errno| error::disk(errno, "make the directory", path);
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let above = path.ancestors().skip(1).find(|above| above.exists()).map(Path::to_path_buf);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| refused(errno(error)))?;
    if let Some(above) = above.filter(|_| os::process::geteuid().is_root()) {
        hand_over(path, &above).map_err(refused)?;
    }
    Dir::open(path).map_err(refused)
}

/// Under sudo, the directories made below somebody's own are theirs.
fn hand_over(path: &Path, above: &Path) -> Result<(), Errno> {
    let owner = os::fs::stat(above)?;
    for made in path.ancestors().take_while(|made| *made != above) {
        let (uid, gid) = (Uid::from_raw(owner.st_uid), Gid::from_raw(owner.st_gid));
        os::fs::chownat(CWD, made, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
