//! Git's work trees: their roots, and whether they have a credential in them. A repository may be hostile: what it configures
//! must start no program, and what it is made of must not hang. IO only.

use std::fs;
use std::path::{Path, PathBuf};
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

/// The root of the git work tree that `project` is in, or of the main one if that is linked: the client lays its local settings
/// over the project's own. Anything named `.git` makes a root; a home does not count, nor do directories in between (2.1.330,
/// observed 2026-11-24; 2.0.77 reads the project's own file alone).
pub(crate) fn root(project: &Path, home: Option<&Path>) -> Option<PathBuf> {
    // The client's working directory is the real one.
    let project = disk::real(project).ok()?;
    let root = project.ancestors().find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok())?;
    let root = main_of(root).unwrap_or_else(|| root.to_path_buf());
    let is_home = home.is_some_and(|home| disk::real(home).is_ok_and(|home| home == root));
    (root != project && !is_home).then_some(root)
}

/// The main work tree of a linked one: `.git` names a directory whose `commondir` names the main `.git`, and whose
/// `gitdir` names that `.git` file in turn (2.1.330, observed 2026-11-24).
fn main_of(root: &Path) -> Option<PathBuf> {
    let file = root.join(".git");
    // Not of a FIFO and the like, which could hold cck up.
    let small_text = |path: &Path| disk::read_text(path, 1 << 16);
    let text = small_text(&file)?;
    let git_dir = root.join(text.trim().strip_prefix("gitdir:")?.trim());
    let common = git_dir.join(small_text(&git_dir.join("commondir"))?.trim());
    let back = git_dir.join(small_text(&git_dir.join("gitdir"))?.trim());
    let common = disk::real(common).ok()?;
    (disk::real(back).ok()? == disk::real(file).ok()?)
        .then(|| common.parent().map(Path::to_path_buf))
        .flatten()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test lays its files")]
mod tests {
    use super::*;

    /// What is laid, below a temporary directory.
    type Files<'a> = &'a [(&'a str, &'a str)];

    /// One row a state seen with 2.1.330 on 2026-11-24: what is laid, where the client is started, whose file counts.
    #[test]
    fn the_root_is_the_one_the_client_takes() {
        let linked: Files<'_> = &[
            (".git/HEAD", "ref: refs/heads/main\n"),
            (".git/worktrees/w/commondir", "../..\n"),
            (".git/worktrees/w/gitdir", "../../../w/.git\n"),
            ("w/.git", "gitdir: ../.git/worktrees/w\n"),
        ];
        let submodule: Files<'_> =
            &[(".git/modules/s/HEAD", "ref: x\n"), ("s/.git", "gitdir: ../.git/modules/s\n")];
        let astray: Files<'_> =
            &[linked[0], linked[1], (".git/worktrees/w/gitdir", "/else/.git"), linked[3]];
        let rows: &[(Files<'_>, &str, Option<&str>)] = &[
            (&[], "sub", None),
            (&[(".git/x", "")], "", None),
            (&[(".git/x", "")], "sub", Some("")),
            (&[(".git", "bogus")], "sub/deep", Some("")),
            (linked, "w", Some("")),
            (linked, "w/deep", Some("")),
            (astray, "w", None),
            (submodule, "s", None),
            (submodule, "s/deep", Some("s")),
        ];
        for (files, start, expected) in rows {
            let dir = tempfile::tempdir().unwrap();
            let base = disk::real(dir.path()).unwrap();
            for (path, text) in *files {
                let path = base.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            fs::create_dir_all(base.join(start)).unwrap();
            let seen = root(&base.join(start), None);
            let expected = expected.map(|dir| base.join(dir).components().collect::<PathBuf>());
            assert_eq!(seen, expected, "{files:?} {start}");
            assert_eq!(root(&base.join(start), Some(&base)), expected.filter(|root| *root != base));
        }
    }
}
