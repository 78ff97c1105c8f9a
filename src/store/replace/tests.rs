use std::fs;
use std::time::Duration;

use std::ffi::OsString;

use super::super::load;
use super::*;
use crate::store::tests::Place;

const NAME: &str = ".claude.json";

impl Place {
    #[expect(clippy::disallowed_methods, reason = "a test lays its files")]
    fn lay(&self, name: &str, content: &str) {
        fs::write(self.home.path().join(name), content).unwrap();
    }

    fn read(&self) -> Option<String> {
        fs::read_to_string(self.home.path().join(NAME)).ok()
    }

    fn names(&self) -> Vec<OsString> {
        let mut names = self.dir.list().unwrap();
        names.sort();
        names
    }

    fn load(&self) -> Option<Snapshot> {
        load::load(&self.dir, OsStr::new(NAME), true).unwrap()
    }

    /// Whether the file was replaced by `new`.
    fn replace(&self, old: Option<&Snapshot>, locks: &[Lock]) -> bool {
        let (dir, name) = (&self.dir, OsStr::new(NAME));
        let site = Site { dir, name, aside: None, locks, held: &self.held };
        let pieces = [Piece::Bytes(b"new")];
        matches!(replace(&site, old, &pieces, &mut || Ok(())).unwrap(), Replaced::Done(..))
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
    place.lay(NAME, "another's");
    assert!(!place.replace(old.as_ref(), &[]));
    assert_eq!(place.read().as_deref(), Some("another's"));

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
    let locks = [Lock::take(&place.dir, OsStr::new(NAME), Duration::ZERO, &place.held).unwrap()];
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
    let (dir, name) = (&place.dir, OsStr::new("f"));
    let site = Site { dir, name, aside: None, locks: &[], held: &place.held };
    assert!(write(&file, &pieces, &site).unwrap());
    assert!(fs::read(place.home.path().join("f")).unwrap() == parts.concat());
}
