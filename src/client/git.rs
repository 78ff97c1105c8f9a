//! Whether a file with a credential is in a git repository. The repository may be hostile: what it configures must start no
//! program, and what it is made of must not hang.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::disk;
use crate::key::command::{self, Ended};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Git {
    Tracked,
    /// Not in the index, and nothing keeps it from being added.
    Addable,
}

/// How long git may take in all. It opens pipes that stand where its files should be, and waits.
const PATIENCE: Duration = Duration::from_millis(1500);

const SAFE: [&str; 5] =
    ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

/// The variables that git may see. Others point it elsewhere, or are keys.
const VARIABLES: [&str; 3] = ["PATH", "HOME", "XDG_CONFIG_HOME"];

/// None if it is ignored, is not in a work tree, or git does not say. No process is started outside of a work tree.
pub(crate) fn look(path: &Path, context: &Context) -> Option<Git> {
    let real = disk::real(path);
    let path = real.as_deref().unwrap_or(path);
    let dir = path.parent()?;
    dir.ancestors().find(|dir| dir.join(".git").exists())?;
    let deadline = Instant::now() + PATIENCE;
    let run = |args: &[&str]| -> Option<i32> {
        let mut git = Command::new("git");
        git.env_clear();
        for name in VARIABLES {
            git.envs(context.var_os(name).map(|value| (name, value)));
        }
        // An index may ask for objects that are not there, and those are fetched by a program that the repository names.
        git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
        git.arg("-C").arg(dir).args(SAFE).args(args).arg("--").arg(path);
        git.stderr(Stdio::null());
        let left = deadline.saturating_duration_since(Instant::now());
        match command::run(&mut git, left, b"").ok()? {
            Ok(_) => Some(0),
            Err(Ended::Code(code)) => Some(code),
            Err(_) => None,
        }
    };
    match run(&["ls-files", "--error-unmatch"])? {
        0 => Some(Git::Tracked),
        1 => (run(&["check-ignore", "-q"])? == 1).then_some(Git::Addable),
        _ => None,
    }
}
