use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::super::load;
use super::*;

const NAME: &str = ".claude.json";

struct Place {
    home: tempfile::TempDir,
    dir: std::sync::Arc<Dir>,
    section: Section,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        Place {
            dir: std::sync::Arc::new(Dir::open(home.path()).unwrap()),
            section: crate::signals::hold(),
            home,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays its files")]
    fn lay(&self, name: &str, content: &str) {
        fs::write(self.home.path().join(name), content).unwrap();
    }

    fn read(&self) -> Option<String> {
        fs::read_to_string(self.home.path().join(NAME)).ok()
    }

    fn names(&self) -> Vec<OsString> {
        let mut names = self.dir.names(|name| name != "." && name != "..");
        names.sort();
        names
    }

    fn load(&self) -> Option<Snapshot> {
        load::load(&self.dir, OsStr::new(NAME)).unwrap()
    }

    /// Whether the file was replaced by `new`.
    fn replace(&self, old: Option<&Snapshot>, locks: &[Lock]) -> bool {
        let site = Site { dir: &self.dir, name: OsStr::new(NAME), locks, section: &self.section };
        let pieces = [Piece::Bytes(b"new")];
        matches!(replace(&site, old, &pieces, &mut || Ok(())).unwrap(), Replaced::Done(_))
    }
}

#[test]
fn what_is_not_as_it_was_read_is_not_replaced() {
    let place = Place::new();
    assert!(place.replace(None, &[]));
    assert_eq!(place.read().as_deref(), Some("new"));
    assert!(!place.replace(None, &[]), "there is a file by now");

    place.lay(NAME, "old");
    let old = place.load();
    place.lay(NAME, "somebody's");
    assert!(!place.replace(old.as_ref(), &[]));
    assert_eq!(place.read().as_deref(), Some("somebody's"));

    let old = place.load();
    fs::remove_file(place.home.path().join(NAME)).unwrap();
    assert!(!place.replace(old.as_ref(), &[]));
    assert_eq!((place.read(), place.names().len()), (None, 0));
}

#[test]
fn without_the_lock_nothing_is_replaced() {
    let place = Place::new();
    place.lay(NAME, "old");
    let old = place.load();
    let locks = [Lock::take(&place.dir, OsStr::new(NAME), Duration::ZERO, &place.section).unwrap()];
    let lock = place.home.path().join(".claude.json.lock");
    fs::remove_dir(&lock).unwrap();
    assert!(!place.replace(old.as_ref(), &locks));
    assert_eq!(place.read().as_deref(), Some("old"));
    drop(locks);
    assert_eq!(place.names(), [NAME]);
}

#[test]
fn many_pieces_are_written_in_order() {
    let place = Place::new();
    place.lay("f", "");
    let file = File::options().write(true).open(place.home.path().join("f")).unwrap();
    let texts: Vec<String> = (0..500).map(|n| "x".repeat(n % 7) + &n.to_string()).collect();
    let mut parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    // Larger than what is written before a look at the signals, and nothing at all.
    let large = vec![b'y'; CHUNK + 3];
    parts.insert(100, &large);
    parts.insert(200, b"");
    let mut pieces: Vec<Piece<'_>> = parts.iter().map(|part| Piece::Bytes(part)).collect();
    // Out of another file: less than a block, more than one, nothing.
    let content = "0123456789".repeat(BLOCK / 4);
    place.lay("from", &content);
    let from = File::open(place.home.path().join("from")).unwrap();
    for range in [3..7, 5..2 * BLOCK + 5, 9..9] {
        pieces.insert(150, Piece::Range(&from, range.clone()));
        parts.insert(150, &content.as_bytes()[range]);
    }
    write(&file, &pieces, &place.section).unwrap();
    assert!(fs::read(place.home.path().join("f")).unwrap() == parts.concat());
}

#[test]
fn the_name_of_a_temporary_file_is_hidden_random_and_short_enough() {
    let (one, other) = (random(), random());
    assert!(one != other && one.len() == 12 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(temp_name(OsStr::new(".f"), "0"), ".f.cck-0.tmp");
    assert_eq!(temp_name(OsStr::new("f"), "0"), ".f.cck-0.tmp");
    for length in [1, 200, 237, 238, 255] {
        let name = temp_name(OsStr::new(&"n".repeat(length)), &one);
        assert_eq!(name.len(), (length + 1 + ".cck-.tmp".len() + 12).min(255), "{length}");
    }
}

#[test]
fn only_files_that_a_killed_run_made_are_swept() {
    let place = Place::new();
    let kept = [
        ".claude.json.cck-0123456789ab.tmp2",
        ".claude.json.cck-0123456789a.tmp",
        ".claude.json.cck-0123456789abc.tmp",
        ".claude.json.cck-0123456789ag.tmp",
        ".claude.json.cck-0123456789ab.txt",
        ".claude.json-cck-0123456789ab.tmp",
        ".elsewh.json.cck-0123456789ab.tmp",
    ];
    for name in kept {
        place.lay(name, "");
    }
    let (link, directory) =
        (".claude.json.cck-aaaaaaaaaaaa.tmp", ".claude.json.cck-bbbbbbbbbbbb.tmp");
    symlink("x", place.home.path().join(link)).unwrap();
    fs::create_dir(place.home.path().join(directory)).unwrap();
    place.lay(".claude.json.cck-0123456789ab.tmp", "half");
    sweep(&place.dir, OsStr::new(NAME));
    let mut expected = kept.to_vec();
    expected.extend([link, directory]);
    expected.sort_unstable();
    assert_eq!(place.names(), expected);
}

/// Root clears away after everybody. Who is not root leaves what belongs to another user.
#[test]
fn root_sweeps_what_a_user_has_left() {
    let place = Place::new();
    let name = ".claude.json.cck-0123456789ab.tmp";
    place.lay(name, "");
    let path = place.home.path().join(name);
    if std::os::unix::fs::chown(&path, Some(7), None).is_err() {
        return;
    }
    // Root clears away after everybody.
    sweep(&place.dir, OsStr::new(NAME));
    assert!(!path.exists());
}
