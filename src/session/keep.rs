//! `--keep-sessions`: brings the conversations of the working directory into the private config directory, and takes
//! them back afterwards, so that `--resume` finds them on both sides.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::key::ApiKey;
use crate::os::ext::{DirBuilderExt, OpenOptionsExt};

/// What the client keeps of a conversation: its transcript, what it needs to undo edits, its lists of things to do
/// (2.1.330, observed 2026-11).
const KEPT: [&str; 5] = ["projects", "file-history", "todos", "tasks", "plans"];

/// The longest name that the client gives to a project's directory before it shortens it.
const LONGEST_NAME: usize = 200;

/// The name of a project's directory under `projects`: its path, with `-` for all but letters and digits (2.1.330,
/// observed 2026-11).
fn project_name(project: &Path) -> String {
    project
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// Copies the conversations of `project` from the user's claude directory into the session's.
pub(crate) fn bring(from: &Path, to: &Path, project: &Path) -> io::Result<()> {
    let mut name = project_name(project);
    let shortened = name.len() > LONGEST_NAME;
    name.truncate(LONGEST_NAME);
    let projects = match fs::read_dir(from.join("projects")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        projects => projects?,
    };
    for entry in projects.flatten() {
        let found = entry.file_name();
        let found = found.to_string_lossy();
        if *found == name || (shortened && found.starts_with(&name)) {
            for file in files(&entry.path())? {
                if let Ok(relative) = file.strip_prefix(from) {
                    put(&to.join(relative), &fs::read(&file)?)?;
                }
            }
        }
    }
    Ok(())
}

/// Copies the session's conversations back, and returns what the user should know.
///
/// A conversation only grows, so the longer one wins. Where it went on in two places, both are kept. The key never
/// reaches the disk: where a transcript has it (the model ran `env`, say), it is starred out.
pub(crate) fn take_back(from: &Path, to: &Path, key: &ApiKey) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    for kept in KEPT {
        for file in files(&from.join(kept))? {
            let Ok(relative) = file.strip_prefix(from) else {
                continue;
            };
            let mut content = fs::read(&file)?;
            if star_out(&mut content, key.reveal().as_bytes()) {
                notes.push(format!(
                    "the key was in {}; it is starred out there",
                    relative.display()
                ));
            }
            let target = to.join(relative);
            let old = match fs::read(&target) {
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                old => old?,
            };
            if content.starts_with(&old) {
                if content.len() > old.len() || !target.exists() {
                    put(&target, &content)?;
                }
            } else if !old.starts_with(&content) {
                let mut name = target.into_os_string();
                name.push(format!(".cck-{}", std::process::id()));
                put(Path::new(&name), &content)?;
                notes.push(format!(
                    "{} went on elsewhere in the meantime; what happened here is in {}",
                    relative.display(),
                    Path::new(&name).display()
                ));
            }
        }
    }
    Ok(notes)
}

/// Every regular file below `dir`; none where there is no such directory.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Puts a file, 0600, whole or not at all.
fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    let temporary = Path::new(&name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written
}

fn star_out(content: &mut [u8], key: &[u8]) -> bool {
    let mut found = false;
    let mut from = 0;
    while let Some(at) = content[from..].windows(key.len()).position(|part| part == key) {
        content[from + at..from + at + key.len()].fill(b'*');
        from += at + key.len();
        found = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_come_and_go_back_without_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (home, private) = (dir.path().join("home"), dir.path().join("private"));
        let key = ApiKey::parse("sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
        let project = Path::new("/w/my.app");
        put(&home.join("projects/-w-my-app/a.jsonl"), b"1\n").unwrap();
        put(&home.join("projects/-w-my-app/c.jsonl"), b"1\n").unwrap();
        put(&home.join("projects/-w-other/b.jsonl"), b"1\n").unwrap();
        bring(&home, &private, project).unwrap();
        assert_eq!(files(&private).unwrap().len(), 2);

        let here = private.join("projects/-w-my-app");
        put(&here.join("a.jsonl"), format!("1\n2 {} x\n", key.reveal()).as_bytes()).unwrap();
        put(&here.join("new.jsonl"), b"3\n").unwrap();
        put(&here.join("c.jsonl"), b"1\nhere\n").unwrap();
        put(&home.join("projects/-w-my-app/c.jsonl"), b"1\nthere\n").unwrap();
        put(&private.join(".claude.json"), key.reveal().as_bytes()).unwrap();
        let notes = take_back(&private, &home, &key).unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");

        let back = home.join("projects/-w-my-app");
        let read = |name: &str| fs::read_to_string(back.join(name)).unwrap();
        assert_eq!(read("a.jsonl"), format!("1\n2 {} x\n", "*".repeat(key.reveal().len())));
        assert_eq!(read("new.jsonl"), "3\n");
        assert_eq!(read("c.jsonl"), "1\nthere\n");
        assert_eq!(read(&format!("c.jsonl.cck-{}", std::process::id())), "1\nhere\n");
        assert!(!home.join(".claude.json").exists());
        assert_eq!(take_back(&private, &home, &key).unwrap().len(), 2, "twice is the same");
    }
}
