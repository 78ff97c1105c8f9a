//! Whether a file with a credential is in a git repository. The repository may be hostile: what it configures must start no
//! program, and what it is made of must not hang.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::disk;
use crate::key::command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Git {
    Tracked,
    /// It is not, and nothing keeps it from being added.
    Addable,
    Ignored,
    /// git could not tell.
    Unknown,
}

/// How long git may take in all. It opens pipes that stand where its files should be, and waits.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What git is called with, whatever is asked.
const SAFE: [&str; 5] =
    ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

/// The variables that git may see. Others point it elsewhere, or are keys.
const VARIABLES: [&str; 3] = ["PATH", "HOME", "XDG_CONFIG_HOME"];

/// How git sees the file, if it or what it is a link to is inside a work tree. No process is started outside of one.
pub(crate) fn look(path: &Path, context: &Context) -> Option<Git> {
    let real = disk::real(path);
    let path = real.as_deref().unwrap_or(path);
    let dir = path.parent()?;
    dir.ancestors().find(|dir| dir.join(".git").exists())?;
    let deadline = Instant::now() + PATIENCE;
    let run = |args: &[&str]| {
        let mut git = Command::new("git");
        git.env_clear();
        for name in VARIABLES {
            git.envs(context.var_os(name).map(|value| (name, value)));
        }
        // An index may ask for objects that are not there, and those are fetched by a program that the repository names.
        git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
        git.arg("-C").arg(dir).args(SAFE).args(args).arg("--").arg(path);
        git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        git.spawn().ok().and_then(|child| wait(child, deadline))
    };
    Some(match run(&["ls-files", "--error-unmatch"]) {
        Some(0) => Git::Tracked,
        Some(1) => match run(&["check-ignore", "-q"]) {
            Some(0) => Git::Ignored,
            Some(1) => Git::Addable,
            _ => Git::Unknown,
        },
        _ => Git::Unknown,
    })
}

/// The exit code, if the process ends in time.
fn wait(mut child: Child, deadline: Instant) -> Option<i32> {
    command::end_within(deadline.saturating_duration_since(Instant::now()), &mut child)
        .ok()??
        .code()
}
