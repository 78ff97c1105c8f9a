//! Writers that know no lock: what is half written is waited for, what is written too late is found.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::SystemTime;

use super::super::load::{
    MAX_CHECKED, SETTLE, Snapshot, is_recent, is_whole, load_settled, written_since,
};
use super::*;

/// Long enough for a writer to be in between, and well within what is waited for.
const MOMENT: Duration = Duration::from_millis(40);

/// Whether it holds at one of a few tries: on a busy machine a moment can be long.
fn once(mut holds: impl FnMut() -> bool) -> bool {
    (0..10).any(|_| holds())
}

fn load(dir: &Dir, name: &str) -> Snapshot {
    load_settled(dir, OsStr::new(name), false).unwrap().unwrap()
}

fn whole(dir: &Dir, name: &str) -> Vec<u8> {
    load(dir, name).whole().unwrap().to_vec()
}

fn age(path: &Path, age: Duration) {
    let file = File::open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn a_fresh_file_is_given_a_moment_to_become_whole_and_an_old_one_is_not() {
    let home = temp();
    let (path, dir) = (home.path().join("f"), Dir::open(home.path()).unwrap());
    for half in ["", "{\"k\":"] {
        assert!(once(|| {
            lay(&path, half);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(MOMENT);
                    lay(&path, "{\"k\":1}");
                });
                whole(&dir, "f") == b"{\"k\":1}"
            })
        }));
    }
    lay(&path, "{\"k\":");
    let start = Instant::now();
    assert_eq!(whole(&dir, "f"), b"{\"k\":");
    assert!(start.elapsed() >= SETTLE);
    age(&path, Duration::from_secs(5));
    assert!(once(|| {
        let start = Instant::now();
        assert_eq!(whole(&dir, "f"), b"{\"k\":");
        start.elapsed() < SETTLE
    }));
}

#[test]
fn a_file_is_recent_for_about_a_second() {
    let home = temp();
    let (path, dir) = (home.path().join("f"), Dir::open(home.path()).unwrap());
    for (seconds, recent) in [(0, true), (3, false), (3600, false)] {
        lay(&path, "{}");
        age(&path, Duration::from_secs(seconds));
        assert_eq!(is_recent(&load(&dir, "f")), recent, "{seconds} s");
    }
}

#[test]
fn what_is_whole_ends_as_an_object_does_and_can_be_parsed_where_it_is_small() {
    for (text, whole) in [
        ("{}", true),
        ("{\"a\":1}\n \n", true),
        ("", false),
        ("{\"a\":", false),
        ("{\"a\":{}", false),
        ("{\"a\":{}}}", false),
        ("[1]", false),
    ] {
        assert_eq!(is_whole(text.as_bytes()), whole, "{text:?}");
    }
    let half = |length: usize| format!("{}{{}}", "{\"a\":".repeat(length)).into_bytes();
    // Of a large one the end has to do.
    let mut large = half(MAX_CHECKED / 5);
    large.truncate(MAX_CHECKED - 1);
    large.push(b'}');
    assert!(large.len() == MAX_CHECKED && !is_whole(&large));
    large.push(b'}');
    assert!(is_whole(&large));
    large.pop();
    large.push(b' ');
    large.push(b',');
    assert!(!is_whole(&large));
}

#[test]
fn what_is_written_into_a_replaced_file_is_found() {
    let home = temp();
    let (path, dir) = (home.path().join("f"), Dir::open(home.path()).unwrap());
    let lay_old = || {
        lay(&path, "{\"k\":0}");
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        (load(&dir, "f"), writer)
    };
    let replace = || {
        lay(&home.path().join("new"), "{\"k\":9}");
        fs::rename(home.path().join("new"), &path).unwrap();
    };
    let found = |old: &Snapshot| match written_since(old, &path)? {
        Content::Whole(bytes) => Some(bytes),
        Content::Outline(_) => None,
    };

    let (old, mut writer) = lay_old();
    writer.write_all(b"{\"k\":1, \"l\":2}").unwrap();
    assert_eq!(found(&old), None, "it has its name yet, and is read by that");
    replace();
    assert_eq!(found(&old).as_deref(), Some(&b"{\"k\":1, \"l\":2}"[..]));

    let (old, _writer) = lay_old();
    replace();
    assert_eq!(found(&old), None, "nobody has written");

    // Half of it is not content, but the rest may come.
    assert!(once(|| {
        let (old, mut writer) = lay_old();
        replace();
        writer.set_len(0).unwrap();
        writer.write_all(b"{\"k\":").unwrap();
        let start = Instant::now();
        assert_eq!(found(&old), None);
        assert!(start.elapsed() >= SETTLE);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(MOMENT);
                writer.write_all(b"2}").unwrap();
            });
            found(&old).as_deref() == Some(b"{\"k\":2}")
        })
    }));
}

#[test]
fn a_lock_of_someone_else_is_waited_for() {
    let home = temp();
    let path = home.path().join(".claude.json");
    let lock = home.path().join(".claude.json.lock");
    fs::create_dir(&lock).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(MOMENT);
            fs::remove_dir(&lock).unwrap();
        });
        set(&path, "v").unwrap();
    });
}

#[test]
fn a_link_to_a_file_beside_it_has_a_lock_of_its_own() {
    let home = temp();
    let link = home.path().join("link");
    symlink("file", &link).unwrap();
    fs::create_dir(home.path().join("link.lock")).unwrap();
    let options = Options { lock_timeout: Duration::ZERO, ..Options::default() };
    let error = update(&link, &options, |_| Ok(vec![])).unwrap_err();
    assert!(problem(&error).contains("link.lock"), "{error}");
}

#[test]
fn a_dry_run_creates_only_what_would_be_written() {
    let home = temp();
    let path = home.path().join("f");
    let options = Options { dry_run: true, ..Options::default() };
    let created = |edit: fn() -> Vec<Edit>| {
        let outcome = update(&path, &options, |_| Ok(edit())).unwrap();
        outcome.created
    };
    let some = || vec![Edit::set(&["k"], "v")];
    assert!(created(some) && !created(Vec::new));
    lay(&path, "{}");
    assert!(!created(some) && !created(Vec::new));
}

#[test]
fn a_large_file_is_read_in_outline_once_a_change_of_it_would_show() {
    let home = temp();
    let (path, dir) = (home.path().join("f"), Dir::open(home.path()).unwrap());
    lay(&path, format!("{{\"k\":\"{}\"}}", "x".repeat(4 << 20)));
    let is_outline = |whole| {
        let file = load_settled(&dir, OsStr::new("f"), whole).unwrap().unwrap();
        file.whole().is_none()
    };
    assert!(is_outline(false) && !is_outline(true));
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    // The stamps of a file system that keeps whole seconds, and of a clock that is ahead.
    for (stamp, outline) in [(seconds, false), (seconds - 10, true), (seconds + 10, false)] {
        let file = File::open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(stamp)).unwrap();
        assert_eq!(is_outline(false), outline, "{stamp} at {seconds}");
    }
}
