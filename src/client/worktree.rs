//! The second file of local settings: that of the git work tree. IO only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk;

/// The directory, other than `project`, whose `.claude/settings.local.json` the client lays over the project's own.
///
/// It is the root of the git work tree that `project` is in, or of the main work tree where that one is linked; anything
/// named `.git` makes a root. A home that is a root does not count, nor do directories in between (2.1.330, observed
/// 2026-11-24; 2.0.77 reads the project's own file alone).
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
    let text = small_text(&file)?;
    let git_dir = root.join(text.trim().strip_prefix("gitdir:")?.trim());
    let common = git_dir.join(small_text(&git_dir.join("commondir"))?.trim());
    let back = git_dir.join(small_text(&git_dir.join("gitdir"))?.trim());
    let common = disk::real(common).ok()?;
    (disk::real(back).ok()? == disk::real(file).ok()?)
        .then(|| common.parent().map(Path::to_path_buf))
        .flatten()
}

/// The text of a file of git's, which is short; none for a FIFO and the like, which could hold cck up.
fn small_text(path: &Path) -> Option<String> {
    String::from_utf8(disk::read_file(path, 1 << 16).ok()?).ok()
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
