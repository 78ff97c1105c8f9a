//! What the first edition's `cck run` has left: a private config directory with the key, in memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::disk::{self, Kind};

/// The config of each such run.
pub(crate) fn configs(base: &Path) -> Vec<PathBuf> {
    let mut configs = Vec::new();
    for root in disk::entries(base).unwrap_or_default() {
        let name = root.file_name().unwrap_or_default();
        let is_run = name.as_encoded_bytes().starts_with(b"cck-run-")
            && disk::look(&root)
                .is_ok_and(|stat| stat.kind == Kind::Dir && stat.uid == disk::user());
        let config = root.join("config/.claude.json");
        if is_run && disk::look(&config).is_ok() {
            configs.push(config);
        }
    }
    configs.sort();
    configs
}

/// Removes the directories of runs that were killed.
pub(crate) fn sweep(base: &Path) {
    for config in configs(base) {
        let Some(root) = config.ancestors().nth(2) else { continue };
        let lock = root.join("lock");
        let is_dead = File::open(&lock).is_ok_and(|file| file.try_lock().is_ok())
            && !fs::read_to_string(&lock).is_ok_and(|note| command_lives(&note));
        if is_dead {
            let _ = fs::remove_dir_all(root);
        }
    }
}

/// Whether the run's command lives: its process is written down as `PID START`.
fn command_lives(note: &str) -> bool {
    let pid = note.split_once(' ').map_or("", |(pid, _)| pid);
    !pid.is_empty() && Path::new("/proc").join(pid).exists()
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
        assert_eq!(configs(base.path()).len(), 4);
        sweep(base.path());
        assert!(!dead.exists() && !unnoted.exists());
        assert!(child.exists() && live.exists() && other.exists());
    }
}
