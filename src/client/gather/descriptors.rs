//! The file descriptors by which a key or a token may come. IO only.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::settings::names;
use super::super::state::{Reading, Secret};
use super::files::read;

/// The file descriptors that variables name, and that are open and not known to hold nothing.
pub(super) fn open_descriptors(process: &BTreeMap<String, Secret>) -> Vec<String> {
    let named = [names::KEY_DESCRIPTOR, names::OAUTH_DESCRIPTOR]
        .into_iter()
        .filter_map(|name| process.get(name))
        .map(|value| value.reveal().to_owned());
    named
        .filter(|number| number.parse::<u32>().is_ok() && !cfg!(windows))
        .filter(|number| may_hold_something(Path::new(&format!("/proc/self/fd/{number}"))))
        .collect()
}

/// Whether something may be read from an open descriptor. Only a file is looked into, which leaves it as it was: what is
/// read from a pipe is gone for the client. To the client an empty one is as closed (2.0.77, 2.1.331, observed 2026-11-24).
fn may_hold_something(descriptor: &Path) -> bool {
    let Ok(metadata) = fs::metadata(descriptor) else {
        return false;
    };
    if !metadata.is_file() {
        return true;
    }
    let (file, bytes) = read(descriptor);
    file.reading != Reading::Empty
        && !(file.reading == Reading::Read && bytes.trim_ascii().is_empty())
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a test lays its files")]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_of_an_empty_file_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (content, holds) in [("", false), (" \n", false), ("sk-1\n", true)] {
            let path = dir.path().join("key");
            fs::write(&path, content).unwrap();
            assert_eq!(may_hold_something(&path), holds, "{content:?}");
        }
        assert!(!may_hold_something(&dir.path().join("none")));
        // What is not a file cannot be looked into.
        assert!(may_hold_something(Path::new("/dev/null")));
    }
}
