//! The promise of the disk among other writers, and on file systems that are unlike a plain directory.
//!
//! `cargo test --test disk`. What needs root (mounts, other owners) is skipped without it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests; they lay files and report what they did"
)]

mod acting;
mod client;
mod contention;
mod large;
mod mounts;
mod places;
mod signals;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::skip;

/// A key of the usual shape that ends in this number.
fn key(number: usize) -> String {
    format!("sk-ant-api03-{}-{number:020}", "A".repeat(60))
}

/// A HOME of one's own.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        Home { dir: tempfile::Builder::new().prefix("cck-disk-").tempdir().unwrap() }
    }

    /// In memory, where many runs need no slow disk.
    fn in_memory() -> Home {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Home::new();
        }
        Home { dir: tempfile::Builder::new().prefix("cck-disk-").tempdir_in(memory).unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join(".claude.json")
    }

    fn lay(&self, content: &str) {
        fs::write(self.config(), content).unwrap();
        fs::set_permissions(self.config(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// cck with this key in the environment.
    fn cck(&self, args: &[&str], key: &str) -> Command {
        // What the test itself was started with (`nohup`, a shell's `&`) may ignore signals, and children inherit that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT,HUP,TERM", env!("CARGO_BIN_EXE_cck")])
            .args(args)
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command
            .env("ANTHROPIC_API_KEY", key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A shell script with `$CCK` and `$HOME`, in mount and process namespaces of its own.
    fn in_namespace(&self, script: &str) -> Output {
        let words = ["unshare", "-m", "--propagation", "private", "sh", "-euc", script];
        self.run(&words)
    }

    /// A shell script with `$CCK` and `$HOME`.
    fn shell(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command
            .env("CCK", env!("CARGO_BIN_EXE_cck"))
            .env("ANTHROPIC_API_KEY", key(1))
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What lies in HOME, cck's own state aside.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| name != ".local");
        names.sort();
        names
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether mounts can be made here; skips the test if not.
fn can_mount() -> bool {
    let can =
        Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|run| run.status.success());
    if !can {
        skip::without_root();
    }
    can
}
