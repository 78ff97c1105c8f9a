use std::fs;
use std::path::PathBuf;
use std::thread;

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::error::Failure;
use crate::store::tests::Place;

impl Place {
    fn lock(&self) -> PathBuf {
        self.home.path().join(".claude.json.lock")
    }

    /// Makes a lock of another program's that was refreshed so long ago.
    fn lay_lock(&self, age: Duration) {
        fs::create_dir(self.lock()).unwrap();
        let lock = File::open(self.lock()).unwrap();
        lock.set_modified(SystemTime::now() - age).unwrap();
    }

    fn take(&self, timeout: Duration) -> anyhow::Result<Lock> {
        Lock::take(&self.dir, OsStr::new(".claude.json"), timeout, &self.held)
    }

    fn seen(&self) -> Stamp {
        self.dir.stat(OsStr::new(".claude.json.lock")).unwrap().stamp
    }
}

fn problem(error: &anyhow::Error) -> &str {
    &error.downcast_ref::<Failure>().unwrap().problem
}

#[test]
fn a_stale_lock_is_taken_over_and_a_fresh_one_is_not() {
    let place = Place::new();
    place.lay_lock(STALE + Duration::from_millis(100));
    let taken = place.take(Duration::ZERO).unwrap();
    assert!(taken.is_held());
    // The turn to take it over is passed on at once, not when the lock is released.
    let other = File::open(place.home.path()).unwrap();
    other.try_lock().unwrap();
    drop((taken, other));
    assert!(!place.lock().exists());

    place.lay_lock(STALE - Duration::from_secs(2));
    let error = place.take(Duration::ZERO).err().unwrap();
    assert!(problem(&error).contains("(refreshed 8."), "{error}");
    assert!(place.lock().exists());
}

#[test]
fn a_lock_is_waited_for_until_it_is_free_or_the_time_is_over() {
    let place = Place::new();
    place.lay_lock(Duration::ZERO);
    let start = Instant::now();
    let error = place.take(Duration::from_millis(60)).err().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert!(problem(&error).contains("waited 0.1 s"), "{error}");
    let lock = place.lock();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(60));
            fs::remove_dir(&lock).unwrap();
        });
        let start = Instant::now();
        place.take(Duration::from_secs(30)).unwrap();
        // Not only when the time is over.
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    });
}

#[test]
fn a_lock_that_another_has_taken_over_is_not_held_and_stays() {
    let place = Place::new();
    let lock = place.take(Duration::ZERO).unwrap();
    assert!(lock.is_held());
    fs::remove_dir(place.lock()).unwrap();
    assert!(!lock.is_held());
    place.lay_lock(Duration::from_secs(1));
    assert!(!lock.is_held());
    drop(lock);
    assert!(place.lock().exists());
}

#[test]
fn a_held_lock_is_refreshed_and_a_lost_one_is_left_alone() {
    let (held, lost) = (Place::new(), Place::new());
    let first = held.take(Duration::ZERO).unwrap();
    let second = lost.take(Duration::ZERO).unwrap();
    fs::remove_dir(lost.lock()).unwrap();
    lost.lay_lock(Duration::from_secs(1));
    let (mine, theirs) = (held.seen(), lost.seen());
    first.refresh();
    assert!(held.seen() == mine, "it is not due yet");
    for lock in [&first, &second] {
        lock.refreshed.set(Instant::now() - REFRESH);
        lock.refresh();
    }
    assert!(held.seen() != mine, "it was not refreshed");
    assert!(lost.seen() == theirs, "another's lock was refreshed");
    assert!(first.is_held() && !second.is_held());
}

#[test]
fn a_lock_from_the_future_is_stale_once_it_was_watched_long_enough() {
    let hour = Duration::from_secs(3600);
    let soon = SystemTime::now() + hour;
    let ahead =
        |offset| Stamp { id: (0, 0), size: 0, modified: soon + Duration::from_secs(offset) };
    let mut watch = Watch::default();
    assert!(!watch.is_stale(ahead(0)) && !watch.is_stale(ahead(0)));
    watch.0 = watch.0.map(|(seen, since)| (seen, since - STALE));
    assert!(watch.is_stale(ahead(0)));
    assert!(!watch.is_stale(ahead(5)), "its holder has refreshed it");
    assert_eq!(watch.age(), Duration::ZERO);

    let place = Place::new();
    fs::create_dir(place.lock()).unwrap();
    File::open(place.lock()).unwrap().set_modified(SystemTime::now() + hour).unwrap();
    assert!(place.take(Duration::from_millis(20)).is_err());
    assert!(place.take(crate::store::LOCK_TIMEOUT).is_ok());
}

#[test]
fn what_is_no_directory_is_no_lock() {
    let place = Place::new();
    File::create(place.lock()).unwrap();
    let error = place.take(Duration::from_secs(30)).err().unwrap();
    assert!(problem(&error).contains("is not a directory"), "{error}");
    assert!(place.lock().exists());
}

#[test]
fn the_name_of_a_lock_is_as_long_as_names_may_be() {
    for (length, expected) in [(1, 6), (100, 105), (250, 255), (251, 255), (255, 255)] {
        let name = lock_name(OsStr::new(&"n".repeat(length)));
        assert_eq!(name.len(), expected, "{length}");
        assert!(name.to_str().unwrap().ends_with("n.lock"));
    }
}

#[test]
fn the_age_of_a_lock_counts_the_parts_of_a_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let modified = Duration::new(now.as_secs() - 5, 900_000_000);
    let seen = Stamp { id: (0, 0), size: 0, modified: UNIX_EPOCH + modified };
    let expected = now - modified;
    let age = seen.age();
    assert!(age >= expected && age < expected + Duration::from_secs(1), "{age:?}");
}
