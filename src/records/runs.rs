//! The directories of runs: each holds the socket of its broker. Before there was a broker, a run had a private config there,
//! with the key.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::disk::{self, Kind};
use crate::private;

pub(crate) const PREFIX: &str = "cck-run-";

#[cfg(unix)]
pub(crate) const SOCKET: &str = "s";

const CONFIG: &str = "config/.claude.json";

fn dirs(base: &Path) -> impl Iterator<Item = PathBuf> {
    private::list(base).unwrap_or_default().into_iter().filter(|dir| {
        let name = dir.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && disk::look(dir).is_ok_and(|stat| stat.kind == Kind::Dir && stat.uid == disk::user())
    })
}

pub(crate) fn configs(base: &Path) -> Vec<PathBuf> {
    let configs = dirs(base).map(|dir| dir.join(CONFIG));
    configs.filter(|config| disk::look(config).is_ok()).collect()
}

pub(crate) fn sweep(base: &Path) {
    for dir in dirs(base).filter(|dir| is_deserted(dir) || is_dead(dir)) {
        let _ = fs::remove_dir_all(dir);
    }
}

/// Whether there is a socket on which nobody listens; a run that is just starting will.
#[cfg(unix)]
fn is_deserted(dir: &Path) -> bool {
    disk::look(dir).is_ok_and(|stat| stat.stamp.age() > std::time::Duration::from_secs(1))
        && std::os::unix::net::UnixStream::connect(dir.join(SOCKET))
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[cfg(windows)]
fn is_deserted(_: &Path) -> bool {
    false
}

/// Whether there is a private config of a run that has ended, and so has its command, noted in the lock as `PID START`.
fn is_dead(dir: &Path) -> bool {
    let lock = dir.join("lock");
    let lives = |pid: &str| !pid.is_empty() && Path::new("/proc").join(pid).exists();
    let command_lives = |note: String| note.split_once(' ').is_some_and(|(pid, _)| lives(pid));
    disk::look(&dir.join(CONFIG)).is_ok()
        && File::open(&lock).is_ok_and(|file| file.try_lock().is_ok())
        && !fs::read_to_string(&lock).is_ok_and(command_lives)
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a test lays its files")]
mod tests {
    use super::*;

    #[test]
    fn only_what_killed_runs_have_left_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let lay = |name: &str, note: &str| {
            let root = base.path().join(name);
            fs::create_dir_all(root.join("config")).unwrap();
            fs::write(root.join("config/.claude.json"), "{}").unwrap();
            fs::write(root.join("lock"), note).unwrap();
            root
        };
        let dead = lay("cck-run-a", "999999999 5");
        let unnoted = lay("cck-run-b", "");
        let child = lay("cck-run-c", &format!("{} 5", std::process::id()));
        let live = lay("cck-run-d", "");
        let other = lay("other", "");
        let held = File::open(live.join("lock")).unwrap();
        held.lock().unwrap();
        let [deserted, served] = ["cck-run-s", "cck-run-t"].map(|name| base.path().join(name));
        let listen = |dir: &Path| {
            fs::create_dir(dir).unwrap();
            std::os::unix::net::UnixListener::bind(dir.join(SOCKET)).unwrap()
        };
        drop(listen(&deserted));
        let _served = listen(&served);
        for dir in [&deserted, &served] {
            File::open(dir).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        assert_eq!(configs(base.path()).len(), 4);
        sweep(base.path());
        assert!(!dead.exists() && !unnoted.exists() && !deserted.exists());
        assert!(child.exists() && live.exists() && other.exists() && served.exists());
    }
}
