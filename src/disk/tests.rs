use std::ffi::OsStr;
use std::os::unix::fs::symlink;

use rustix::io::{Errno, FdFlags, fcntl_getfd};

use super::*;
use crate::error::Failure;

fn parts(error: &anyhow::Error) -> (&str, &str) {
    let failure = error.downcast_ref::<Failure>().unwrap();
    (&failure.problem, &failure.advice)
}

#[test]
fn each_refusal_of_the_disk_says_what_to_do() {
    for (errno, words, advice) in [
        (Errno::ACCESS, "permission denied", "ls -ld /w /w/f"),
        (Errno::PERM, "operation not permitted", "who owns it"),
        (Errno::ROFS, "read-only", "set CLAUDE_CONFIG_DIR"),
        (Errno::BUSY, "busy", "it is a mount, which cannot be taken over"),
        (Errno::NOSPC, "no space", "df -h /w"),
        (Errno::DQUOT, "quota", "quota is used up"),
        (Errno::FBIG, "file too large", "ulimit -f"),
        (Errno::MFILE, "too many open files", "ulimit -n"),
        (Errno::NFILE, "too many open files", "ulimit -n"),
        (Errno::IO, "input/output error", "dmesg"),
        (Errno::LOOP, "symbolic links", "ls -l /w/f"),
        (Errno::NOTDIR, "not a directory", "a part of the path"),
        (Errno::NOENT, "no such file", "mkdir -p /w"),
        (Errno::NAMETOOLONG, "file name too long", "a shorter name"),
        (Errno::INTR, "interrupted", "run it again"),
        (Errno::TXTBSY, "text file busy", "look at the file and its directory: ls -ld /w /w/f"),
    ] {
        let error = refused(errno.into(), "read", Path::new("/w/f"));
        let (problem, said) = parts(&error);
        assert!(problem.starts_with("cannot read /w/f: ") && problem.contains(words), "{problem}");
        assert!(!problem.contains("os error"), "{problem}");
        assert!(said.contains(advice), "{errno:?}: {said}");
        let cause = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        assert_eq!(cause, Some(errno.raw_os_error()));
    }
    let error = refused(Errno::NOSPC.into(), "read", Path::new("f"));
    assert!(parts(&error).1.contains("df -h .)"), "{}", parts(&error).1);
}

/// What cck starts gets none of its descriptors: a file with a key in it could be read from one.
#[test]
fn descriptors_are_closed_on_exec_and_links_not_followed() {
    let home = tempfile::tempdir().unwrap();
    File::create(home.path().join("file")).unwrap();
    symlink("file", home.path().join("link")).unwrap();
    let dir = Dir::open(home.path()).unwrap();
    assert!(fcntl_getfd(dir.lockable().unwrap()).unwrap().contains(FdFlags::CLOEXEC));
    let open = |name: &str| dir.open_file(OsStr::new(name), Open::Read);
    assert!(fcntl_getfd(open("file").unwrap()).unwrap().contains(FdFlags::CLOEXEC));
    assert_eq!(open("link").unwrap_err().raw_os_error(), Some(system::LOOP));
    let error = Dir::open(&home.path().join("file")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotADirectory);
    let mut names = dir.list().unwrap();
    names.sort();
    assert_eq!(names, ["file", "link"]);
}

use std::io::Write;

#[test]
fn a_file_is_read_up_to_the_bound_whatever_size_was_expected() {
    let content: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let size = content.len() as u64;
    for expected in [0, 1, size - 1, size, size + 1] {
        for (max, is_read) in [(size + 5, true), (size + 1, true), (size - 1, false)] {
            let read = read_up_to(&file, expected, max).unwrap();
            assert_eq!(read.as_ref() == Some(&content), is_read, "{expected} of at most {max}");
            assert_eq!(read.is_some(), is_read);
        }
    }
    assert_eq!(read_up_to(&file, size, size).unwrap().as_ref(), Some(&content));
    assert_eq!(read_up_to(&file, size, size - 1).unwrap(), None);
}

#[test]
fn the_name_of_a_temporary_file_is_hidden_random_and_short_enough() {
    let (one, other) = (temp::random(), temp::random());
    assert!(one != other && one.len() == 12 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(temp::temp_name(OsStr::new(".f"), "0"), ".f.cck-0.tmp");
    assert_eq!(temp::temp_name(OsStr::new("f"), "0"), ".f.cck-0.tmp");
    for length in [1, 200, 237, 238, 255] {
        let name = temp::temp_name(OsStr::new(&"n".repeat(length)), &one);
        assert_eq!(name.len(), (length + 1 + ".cck-.tmp".len() + 12).min(255), "{length}");
    }
}

#[test]
fn only_files_that_a_killed_run_made_are_swept() {
    let home = tempfile::tempdir().unwrap();
    let dir = Dir::open(home.path()).unwrap();
    let lay = |name: &str| drop(File::create(home.path().join(name)).unwrap());
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
        lay(name);
    }
    let (link, directory) =
        (".claude.json.cck-aaaaaaaaaaaa.tmp", ".claude.json.cck-bbbbbbbbbbbb.tmp");
    symlink("x", home.path().join(link)).unwrap();
    std::fs::create_dir(home.path().join(directory)).unwrap();
    lay(".claude.json.cck-0123456789ab.tmp");
    sweep(&dir, OsStr::new(".claude.json"));
    let mut expected = kept.to_vec();
    expected.extend([link, directory]);
    expected.sort_unstable();
    let mut names = dir.list().unwrap();
    names.sort();
    assert_eq!(names, expected);
}

/// Root clears away after everybody. Who is not root leaves what belongs to another user.
#[test]
fn root_sweeps_what_a_user_has_left() {
    let home = tempfile::tempdir().unwrap();
    let dir = Dir::open(home.path()).unwrap();
    let lay = |name: &str| drop(File::create(home.path().join(name)).unwrap());
    let name = ".claude.json.cck-0123456789ab.tmp";
    lay(name);
    let path = home.path().join(name);
    if std::os::unix::fs::chown(&path, Some(7), None).is_err() {
        return;
    }
    // Root clears away after everybody.
    sweep(&dir, OsStr::new(".claude.json"));
    assert!(!path.exists());
}

#[test]
fn a_closed_acl_keeps_its_entries_without_effect() {
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let version = 2u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    let mut acl = [
        version.clone(),
        entry(1, 7, none),
        entry(2, 6, 1000),
        entry(4, 4, none),
        entry(0x10, 6, none),
        entry(0x20, 4, none),
    ]
    .concat();
    unix::close_acl(&mut acl);
    let closed = [
        version,
        entry(1, 6, none),
        entry(2, 6, 1000),
        entry(4, 0, none),
        entry(0x10, 0, none),
        entry(0x20, 0, none),
    ]
    .concat();
    assert_eq!(acl, closed);
}

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, mknodat};
    mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn a_fifo_in_the_place_of_a_file_is_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("fifo");
    fifo(&path);
    assert!(read_file(&path, 10).unwrap_err().to_string().contains("not a file"));
}

#[test]
fn what_is_waited_for_has_a_bound_and_an_answer_ends_the_wait() {
    let start = Instant::now();
    let never = wait(Duration::from_millis(50), || Ok::<Option<()>, ()>(None));
    assert!(never == Ok(None) && start.elapsed() >= Duration::from_millis(50));
    let mut asked = 0;
    let answer = wait(Duration::from_secs(30), || {
        asked += 1;
        Ok::<_, ()>((asked == 5).then_some(asked))
    });
    assert!(answer == Ok(Some(5)) && start.elapsed() < Duration::from_secs(10));
    assert_eq!(wait(Duration::ZERO, || Err::<Option<()>, _>("no")), Err("no"));
}

#[test]
fn two_files_change_names_or_nothing_happens() {
    let home = tempfile::tempdir().unwrap();
    let dir = Dir::open(home.path()).unwrap();
    let [one, other] = ["one", "other"].map(OsStr::new);
    for name in [one, other] {
        let mut file = dir.open_file(name, Open::New).unwrap();
        file.write_all(name.as_encoded_bytes()).unwrap();
    }
    dir.rename(one, other, Rename::Exchange).unwrap();
    assert_eq!(std::fs::read_to_string(home.path().join("one")).unwrap(), "other");
    let error = dir.rename(one, other, Rename::IfNone).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let error = dir.rename(one, OsStr::new("none"), Rename::Exchange).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    dir.rename(one, other, Rename::Replace).unwrap();
    assert_eq!(dir.list().unwrap(), ["other"]);
}
