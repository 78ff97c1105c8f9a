//! The file descriptors by which a key or a token may come. IO only.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::client::{Reading, Secret, gather::files::read, js_trim, names};

/// What open descriptors hold that variables name: nothing of one that cannot be looked into.
pub(super) fn open_descriptors(
    process: &BTreeMap<String, Secret>,
) -> BTreeMap<String, Option<Secret>> {
    let open = |name: &str| {
        let number = process.get(name).filter(|_| !cfg!(windows))?.reveal();
        let held = match number.parse::<u32>().ok()? {
            // The standard streams are cck's own, and other files for the client.
            0..=2 => None,
            _ => look_into(Path::new(&format!("/proc/self/fd/{number}")))?,
        };
        Some((number.to_owned(), held))
    };
    [names::KEY_DESCRIPTOR, names::OAUTH_DESCRIPTOR].into_iter().filter_map(open).collect()
}

/// What may be read from an open descriptor. Only a file is looked into, which leaves it as it was: what is read from a pipe
/// is gone for the client. To the client an empty one is as closed (2.0.77, 2.1.331, observed 2026-11-24).
fn look_into(descriptor: &Path) -> Option<Option<Secret>> {
    if !fs::metadata(descriptor).ok()?.is_file() {
        return Some(None);
    }
    let (file, bytes) = read(descriptor);
    match file.reading {
        Reading::Empty => None,
        Reading::Read => {
            let text = String::from_utf8_lossy(&bytes);
            let text = js_trim(&text);
            (!text.is_empty()).then(|| Some(Secret::new(text.to_owned())))
        }
        _ => Some(None),
    }
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a test lays its files")]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_of_an_empty_file_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (content, holds) in [("", None), (" \n", None), (" sk-1\n", Some("sk-1"))] {
            let path = dir.path().join("key");
            fs::write(&path, content).unwrap();
            let holds = holds.map(|text: &str| Some(Secret::new(text.to_owned())));
            assert_eq!(look_into(&path), holds, "{content:?}");
        }
        assert_eq!(look_into(&dir.path().join("none")), None);
        // What is not a file cannot be looked into.
        assert_eq!(look_into(Path::new("/dev/null")), Some(None));
    }
}
