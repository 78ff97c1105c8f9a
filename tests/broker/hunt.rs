//! The red team: an ordinary user's command hunts for the key of the run that it is in.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sandbox::{KEY, Sandbox, binary, chmod};
use crate::skip;
use crate::upstream::Upstream;

const USER: u32 = 64_803;

/// Every regular file below a directory that holds the text.
fn holding(dir: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            holding(&entry.path(), text, found);
        } else if kind.is_file() && crate::harness::holds(&entry.path(), text) {
            found.push(entry.path());
        }
    }
}

/// The key comes through a pipe, so that the user has no file of it; the command runs as the same user as cck. The key is
/// made here: as an ordinary user, the hunter can read this binary, its source and what other tests lay.
#[test]
fn a_command_that_hunts_for_the_key_finds_it_nowhere() {
    let python = Path::new("/usr/bin/python3");
    if !python.exists() {
        return skip::without("/usr/bin/python3");
    }
    let (sandbox, upstream) = (Sandbox::new(), Upstream::usual());
    let root = sandbox.home().parent().unwrap().to_path_buf();
    let (cck, hunt) = (root.join("cck"), root.join("hunt.py"));
    fs::copy(binary(), &cck).unwrap();
    fs::write(&hunt, include_str!("hunt.py")).unwrap();
    for (path, mode) in
        [(&root, 0o755), (&cck, 0o755), (&hunt, 0o644), (&sandbox.runtime().to_path_buf(), 0o700)]
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let is_root = rustix::process::geteuid().is_root();
    let mut command = if is_root {
        for dir in [&sandbox.home(), &sandbox.project(), &sandbox.runtime().to_path_buf()] {
            chown(dir, Some(USER), Some(USER)).unwrap();
            chmod(dir, 0o700);
        }
        let mut command = Command::new("setpriv");
        command.args([
            &format!("--reuid={USER}"),
            &format!("--regid={USER}"),
            "--clear-groups",
            "--",
        ]);
        command.arg(&cck);
        command
    } else {
        Command::new(&cck)
    };
    let drawn =
        fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().replace(['-', '\n'], "");
    let key = format!("{}{drawn}{drawn}{}", &KEY[..13], &KEY[77..]);
    // A piece from its middle: no mask or hint shows it.
    let needle = &key[20..60];
    let mut child = command
        .args(["run", "--stdin", "--base-url", &upstream.url(), "--on-alert", "cat", "--"])
        .arg(python)
        .arg(&hunt)
        .args([needle, "a-word-that-is-to-be-found"])
        .env_clear()
        .env("HOME", sandbox.home())
        .env("XDG_RUNTIME_DIR", sandbox.runtime())
        .env("PATH", "/usr/bin:/bin")
        .env("CONTROL", "a-word-that-is-to-be-found")
        .current_dir(sandbox.project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The arguments of the hunter itself hold the needle, and so does its memory.
    let found = out
        .rsplit_once("found: ")
        .map(|(_, found)| found.trim())
        .unwrap_or_else(|| panic!("{out}{err}"));
    let others: Vec<&str> = found
        .trim_matches(['[', ']'])
        .split(", ")
        .filter(|place| !place.is_empty() && !place.contains("cmdline") && !place.contains("'ps'"))
        .collect();
    assert_eq!(others, [""; 0], "{out}{err}");
    assert!(out.contains("the control was found"), "{out}");
    assert_eq!(output.status.signal(), Some(6), "cck was killed as if it had crashed: {err}");
    assert!(!output.status.core_dumped(), "a core was dumped");
    assert!(!err.contains(needle));
    let mut left = Vec::new();
    holding(&root, needle, &mut left);
    holding(sandbox.runtime(), needle, &mut left);
    assert_eq!(left, [""; 0].map(PathBuf::from), "the key is left in files");
    assert!(
        upstream
            .seen()
            .iter()
            .all(|seen| seen.header("x-api-key") == [key.as_str()] && !seen.head.contains("evil")),
        "{:?}",
        upstream.seen()
    );
}
