//! The files that the client writes the key to, by their own names (a trace of 2.1.332, 2026-11-26:
//! `tests/data/client-writes.json`): the config, as `.claude.json.tmp.PID.HEX` (before 2.1 `.tmp.PID.TIME`); whole copies of it
//! in `backups/` and, by older versions, beside it; and with CLAUDE_CODE_REMOTE a key that came by descriptor.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Paths;
use crate::disk::{self, Dir};

const CONFIGS: [&str; 3] = [".claude.json", ".config.json", "config.json"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole copy of the config: the key can be removed from it.
    Config,
    /// What the client writes before it takes the config's name. One that stays is of a client that was killed.
    Temp,
    /// Not in the client's format, or not under a name of the client's.
    Other,
}

#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// Sorted, so that reports are the same each time.
    pub files: Vec<(PathBuf, Kind)>,
    /// The directories that could not be looked through, and why.
    pub unseen: Vec<(PathBuf, String)>,
}

/// Every file of the client's that may hold a copy of the key in the config, but not the config and settings.
pub(crate) fn find(paths: &Paths, config: &Path) -> Copies {
    let mut copies = Copies::default();
    // With CLAUDE_CONFIG_DIR empty the client's directory is the project, whose files are not the user's copies.
    let claude_dir = Some(&*paths.claude_dir).filter(|dir| *dir != paths.project);
    if claude_dir.is_some() {
        copies.look_in(&paths.claude_dir.join("backups"), |name| {
            Some(kind(name).unwrap_or(Kind::Other))
        });
    }
    let beside = [claude_dir, paths.global_config.parent(), config.parent()];
    let mut dirs = Vec::new();
    for dir in beside.into_iter().flatten() {
        if !dirs.contains(&dir) {
            dirs.push(dir);
            copies.look_in(dir, kind);
        }
    }
    if cfg!(target_os = "linux") {
        // What came by descriptor, whatever the home is.
        copies.look_in(&paths.well_known, |_| Some(Kind::Other));
    }
    let hidden = [Some(&paths.global_config), paths.legacy_config.as_ref()].into_iter().flatten();
    for path in hidden.filter(|path| **path != config && disk::look(path).is_ok()) {
        copies.files.push((path.clone(), Kind::Config));
    }
    copies.files.retain(|(path, _)| *path != config);
    copies.files.sort_by(|one, other| one.0.cmp(&other.0));
    copies.files.dedup();
    copies
}

impl Copies {
    pub(crate) fn look_in(&mut self, dir: &Path, kind: impl Fn(&str) -> Option<Kind>) {
        match Dir::open(dir).and_then(|dir| dir.list()) {
            Ok(names) => self.files.extend(names.iter().filter_map(|name| {
                let kind = kind(&name.to_string_lossy())?;
                let path = dir.join(name);
                let is_dir = disk::look(&path).is_ok_and(|stat| stat.kind == disk::Kind::Dir);
                (!is_dir).then_some((path, kind))
            })),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                let why = format!("it cannot be looked through for copies: {}", disk::what(&error));
                self.unseen.push((dir.to_path_buf(), why));
            }
        }
    }
}

/// The kind of a file beside a config, by its name; none for what is not a copy.
fn kind(name: &str) -> Option<Kind> {
    let rest = CONFIGS.iter().find_map(|config| name.strip_prefix(config))?;
    let is_temp = |rest: &str| {
        let mut parts = rest.split('.');
        let pid = parts.next().is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit()));
        let tag = parts.next().is_some_and(|tag| tag.bytes().all(|b| b.is_ascii_hexdigit()));
        pid && tag && parts.next().is_none()
    };
    if rest.is_empty() {
        None
    } else if rest.starts_with(".backup") || rest.starts_with(".corrupted") {
        Some(Kind::Config)
    } else if rest.strip_prefix(".tmp.").is_some_and(is_temp) {
        Some(Kind::Temp)
    } else {
        Some(Kind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_by_its_name() {
        for (name, expected) in [
            (".claude.json", None),
            (".claude.json.backup", Some(Kind::Config)),
            (".claude.json.backup.1795653078961", Some(Kind::Config)),
            (".claude.json.corrupted.1", Some(Kind::Config)),
            ("config.json.backup", Some(Kind::Config)),
            (".claude.json.tmp.2339.7f87923c613f", Some(Kind::Temp)),
            (".claude.json.tmp.2339.1764000000000", Some(Kind::Temp)),
            (".claude.json.tmp.x.1", Some(Kind::Other)),
            (".claude.json.bak", Some(Kind::Other)),
            (".claude.json~", Some(Kind::Other)),
            (".claude.json.gz", Some(Kind::Other)),
            ("settings.json", None),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
