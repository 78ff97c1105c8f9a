//! A config directory for one run of a command: private, in memory where the machine allows, gone afterwards.
//!
//! ```text
//! <base>/cck-run-XXXXXX/     0700
//!     lock                   held (flock) by the cck that made the directory
//!     child                  the process id and start time of the command
//!     config/                its CLAUDE_CONFIG_DIR
//! ```
//! A cck that is killed cannot remove its directory. The next run does: the lock of such a directory is free, and its
//! command has ended.

pub(crate) mod child;
pub(crate) mod keep;
pub(crate) mod place;
pub(crate) mod seed;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::os;
use crate::os::ext::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use crate::os::fs::{FlockOperation, OFlags};
use crate::process::start_time;

/// How the names of the directories begin. The rest is random, so nobody can take a name in advance.
const PREFIX: &str = "cck-run-";

/// A directory without a lock is one that is being made; after this time, one that never was finished.
const UNFINISHED: Duration = Duration::from_secs(60);

/// The directory of one run. It is removed when this is dropped.
pub(crate) struct Session {
    root: PathBuf,
    config: PathBuf,
    /// Held for as long as the session is. It holds the command's process, once there is one.
    lock: Option<File>,
}

impl Session {
    /// Makes the directory in `base`.
    pub(crate) fn create(base: &Path) -> anyhow::Result<Session> {
        let cannot = || format!("cannot make a private directory in {}", base.display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(os::ext::PermissionsExt::from_mode(0o700));
        let root = builder.tempdir_in(base).with_context(cannot)?;
        // The lock gets its name when it is held: a sweeper never sees it free.
        let unnamed = root.path().join("lock.new");
        let lock = create_file(&unnamed, b"").with_context(cannot)?;
        os::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .with_context(cannot)?;
        fs::rename(&unnamed, root.path().join("lock")).with_context(cannot)?;
        let config = root.path().join("config");
        DirBuilder::new().mode(0o700).create(&config).with_context(cannot)?;
        Ok(Session { root: root.keep(), config, lock: Some(lock) })
    }

    /// The CLAUDE_CONFIG_DIR.
    pub(crate) fn config_dir(&self) -> &Path {
        &self.config
    }

    /// Makes a file in the config directory, 0600.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let path = self.config.join(name);
        create_file(&path, content)
            .map(drop)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes down the command's process, so that its directory is left to it should cck be killed.
    pub(crate) fn note_child(&self, pid: u32) {
        // Without the note the directory is only swept earlier.
        if let Some((start, mut lock)) = start_time(pid).zip(self.lock.as_ref()) {
            let _ = lock.write_all(format!("{pid} {start}").as_bytes());
        }
    }

    /// Removes the directory.
    pub(crate) fn remove(mut self) -> io::Result<()> {
        // Where what is open can be removed, the lock is held until all is gone.
        let _held = self.lock.take().map(os::keep);
        // Taken, so that the drop does not remove what was just said to stay.
        remove(&std::mem::take(&mut self.root))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.root.as_os_str().is_empty() {
            let _held = self.lock.take().map(os::keep);
            let _ = remove(&self.root);
        }
    }
}

/// Removes a directory that others may still be adding to.
fn remove(root: &Path) -> io::Result<()> {
    // What is there where the command has written nothing; looking for more takes as long as starting it.
    let config = root.join("config");
    if fs::remove_file(config.join(".claude.json")).is_ok() && fs::remove_dir(&config).is_ok() {
        let _ = fs::remove_file(root.join("lock"));
        if fs::remove_dir(root).is_ok() {
            return Ok(());
        }
    }
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // The key is in it: whatever the reason, it is tried again.
            Err(_) if tries < 20 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Removes what killed runs have left in `base`, and returns how many that were.
pub(crate) fn sweep(base: &Path) -> usize {
    let me = os::process::geteuid().as_raw();
    let Ok(entries) = fs::read_dir(base) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        .filter(|entry| {
            entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == me)
        })
        .filter(|entry| sweep_one(&entry.path()))
        .count()
}

fn sweep_one(root: &Path) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match os::fs::open(root.join("lock"), flags, os::fs::Mode::empty()) {
        Ok(lock) => {
            let lock = File::from(lock);
            os::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
                && !child_lives(&lock)
                && {
                    let _held = os::keep(lock);
                    remove(root).is_ok()
                }
        }
        Err(os::io::Errno::NOENT) => {
            let age = fs::symlink_metadata(root)
                .and_then(|metadata| metadata.modified())
                .map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
            age.is_ok_and(|age| age > UNFINISHED) && remove(root).is_ok()
        }
        Err(_) => false,
    }
}

/// Whether the command lives that is written down in the lock.
fn child_lives(mut lock: &File) -> bool {
    let mut note = String::new();
    if lock.read_to_string(&mut note).is_err() {
        return false;
    }
    let Some((pid, start)) = note.split_once(' ') else {
        return false;
    };
    pid.parse().ok().and_then(start_time).is_some_and(|now| now == start)
}

/// Makes a new file, 0600 from birth.
fn create_file(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    Ok(file)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::process::Command;

    fn names(base: &Path) -> usize {
        fs::read_dir(base).unwrap().count()
    }

    #[test]
    fn a_session_is_private_and_gone_afterwards() {
        let base = tempfile::tempdir().unwrap();
        let session = Session::create(base.path()).unwrap();
        session.write("x", b"secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(session.config_dir()), 0o700);
        assert_eq!(mode(session.config_dir().parent().unwrap()), 0o700);
        assert_eq!(mode(&session.config_dir().join("x")), 0o600);
        assert_eq!(sweep(base.path()), 0, "a live one is never swept");
        session.remove().unwrap();
        assert_eq!(names(base.path()), 0);
    }

    #[test]
    fn only_what_the_dead_have_left_is_swept() {
        let base = tempfile::tempdir().unwrap();
        let leave = |child: Option<u32>| {
            let mut session = Session::create(base.path()).unwrap();
            if let Some(child) = child {
                session.note_child(child);
            }
            // As if killed: the lock is freed, the directory stays.
            session.root = base.path().join("none");
        };
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        leave(None);
        leave(Some(child.id()));
        fs::create_dir(base.path().join("cck-run-new")).unwrap();
        fs::create_dir(base.path().join("other")).unwrap();
        assert_eq!(sweep(base.path()), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(sweep(base.path()), 1);
        assert_eq!(names(base.path()), 2);
    }
}
