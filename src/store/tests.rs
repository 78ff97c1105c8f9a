mod settle;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::error::Failure;

/// A directory to work in, with the signals put off.
pub(super) struct Place {
    pub home: tempfile::TempDir,
    pub dir: Rc<Dir>,
    pub held: HeldSignals,
}

impl Place {
    pub(super) fn new() -> Place {
        let home = temp();
        let dir = Rc::new(Dir::open(home.path()).unwrap());
        Place { dir, held: signals::hold(), home }
    }
}

/// Sets `k` to this value.
fn set(path: &Path, value: &str) -> anyhow::Result<Outcome> {
    update(path, &Options::default(), |_| Ok(vec![Edit::set(&["k"], value)]))
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test lays its files")]
fn lay(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn problem(error: &anyhow::Error) -> String {
    error.downcast_ref::<Failure>().unwrap().problem.clone()
}

#[test]
fn a_new_file_is_private_and_nothing_is_left_beside_it() {
    let home = temp();
    let path = home.path().join("new").join("deep").join(".claude.json");
    let outcome = set(&path, "v").unwrap();
    assert!(outcome.created && outcome.path == path);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"k\": \"v\"\n}\n");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(names(path.parent().unwrap()), [".claude.json"]);
}

#[test]
fn a_change_is_recorded_before_it_is_made_or_it_is_not_made() {
    let home = temp();
    let path = home.path().join(".claude.json");
    set(&path, "old").unwrap();
    let before = fs::read(&path).unwrap();
    let update = |value: &str, result: fn() -> anyhow::Result<()>| {
        let mut recorded = Vec::new();
        let edit = |_: &Document<'_>| Ok(vec![Edit::set(&["k"], value)]);
        let outcome = update_recorded(&path, &Options::default(), edit, |changes| {
            assert_eq!(fs::read(&path).unwrap(), before, "the file is still the old one");
            recorded.extend(changes.iter().map(|change| change.after.clone().unwrap()));
            result()
        });
        (outcome, recorded)
    };
    let (outcome, recorded) = update("new", || anyhow::bail!("no room"));
    assert_eq!(outcome.unwrap_err().to_string(), "no room");
    assert_eq!(recorded, ["\"new\""]);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(home.path()), [".claude.json"]);

    assert_eq!(update("old", || Ok(())).1, [""; 0], "nothing to change, nothing to record");
    let (outcome, recorded) = update("new", || Ok(()));
    assert_eq!((outcome.unwrap().changes.len(), recorded), (1, vec!["\"new\"".to_owned()]));
    assert!(fs::read_to_string(&path).unwrap().contains("new"));
}

#[test]
fn a_second_update_writes_nothing() {
    let home = temp();
    let path = home.path().join(".claude.json");
    set(&path, "v").unwrap();
    let before = fs::metadata(&path).unwrap();
    let outcome = set(&path, "v").unwrap();
    let after = fs::metadata(&path).unwrap();
    assert!(outcome.changes.is_empty() && !outcome.created);
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
}

#[test]
fn the_mode_is_made_private_and_a_stricter_one_kept() {
    for (old, new) in
        [(0o644, 0o600), (0o666, 0o600), (0o600, 0o600), (0o400, 0o400), (0o755, 0o600)]
    {
        let home = temp();
        let path = home.path().join(".claude.json");
        lay(&path, "{}");
        fs::set_permissions(&path, fs::Permissions::from_mode(old)).unwrap();
        set(&path, "v").unwrap();
        assert_eq!(mode(&path), new, "{old:o}");
    }
}

#[test]
fn a_symlink_stays_and_its_target_is_replaced() {
    let home = temp();
    let dotfiles = home.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    let (link, target) = (home.path().join(".claude.json"), dotfiles.join("claude.json"));
    symlink("dotfiles/claude.json", &link).unwrap();
    let outcome = set(&link, "dangling").unwrap();
    assert!(outcome.created && outcome.path == target);
    set(&link, "there").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("there"));
    assert_eq!((names(home.path()).len(), names(&dotfiles).len()), (2, 1));
    symlink("loop", home.path().join("loop")).unwrap();
    assert!(problem(&set(&home.path().join("loop"), "v").unwrap_err()).contains("cannot look up"));
}

#[test]
fn another_hard_link_keeps_the_old_content() {
    let home = temp();
    let (path, backup) = (home.path().join(".claude.json"), home.path().join("backup"));
    lay(&path, "{\"k\":1}");
    fs::hard_link(&path, &backup).unwrap();
    set(&path, "v").unwrap();
    assert_eq!(fs::read_to_string(&backup).unwrap(), "{\"k\":1}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"k\":\"v\"}");
}

#[test]
fn what_is_no_config_is_refused_and_stays() {
    let home = temp();
    let path = home.path().join(".claude.json");
    for (content, place) in
        [("{\n \"a\" 1}", ":2:6: expected `:`"), ("[]", ":1:1: the top level is not an object")]
    {
        lay(&path, content);
        let error = set(&path, "v").unwrap_err();
        assert_eq!(problem(&error), format!("{}{place}", path.display()));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(names(home.path()), [".claude.json"]);
    }
    let directory = home.path().join("d");
    fs::create_dir(&directory).unwrap();
    assert_eq!(
        problem(&set(&directory, "v").unwrap_err()),
        format!("{} is a directory, not a file", directory.display())
    );
    let fifo = home.path().join("f");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(
        problem(&read(&fifo).unwrap_err()),
        format!("{} is a named pipe, not a file", fifo.display())
    );
    let large = home.path().join("large");
    fs::File::create(&large).unwrap().set_len((1 << 30) + 1).unwrap();
    assert!(problem(&set(&large, "v").unwrap_err()).contains("is larger than 1 GiB"));
    assert_eq!(read(&home.path().join("none").join("x")).unwrap(), None);
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let home = temp();
    let path = home.path().join("dir").join(".claude.json");
    let options = Options { dry_run: true, ..Options::default() };
    let outcome = update(&path, &options, |_| Ok(vec![Edit::set(&["k"], "v")])).unwrap();
    assert_eq!(outcome.changes.len(), 1);
    assert!(outcome.created && names(home.path()).is_empty());
}

#[test]
fn an_error_of_the_caller_leaves_no_lock() {
    let home = temp();
    let path = home.path().join(".claude.json");
    lay(&path, "{}");
    let error = update(&path, &Options::default(), |_| anyhow::bail!("no")).unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert_eq!(names(home.path()), [".claude.json"]);
}

#[test]
fn a_name_of_255_bytes_works() {
    let home = temp();
    let path = home.path().join("n".repeat(255));
    set(&path, "v").unwrap();
    set(&path, "w").unwrap();
    assert_eq!(names(home.path()).len(), 1);
}

#[test]
fn what_killed_runs_left_is_swept() {
    let home = temp();
    let path = home.path().join(".claude.json");
    let kept = [
        ".claude.json.cck-xyz.tmp",
        ".claude.json.cck-0123456789ab.tmpx",
        ".other.cck-0123456789ab.tmp",
    ];
    for name in kept {
        lay(&home.path().join(name), "");
    }
    lay(&home.path().join(".claude.json.cck-0123456789ab.tmp"), "half");
    set(&path, "v").unwrap();
    let mut expected: Vec<_> = kept.map(String::from).to_vec();
    expected.push(".claude.json".into());
    expected.sort();
    assert_eq!(names(home.path()), expected);
}

#[test]
fn the_lock_beside_a_link_is_respected_as_is_the_one_beside_its_target() {
    let home = temp();
    let dotfiles = home.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    let link = home.path().join(".claude.json");
    symlink(dotfiles.join("claude.json"), &link).unwrap();
    let options = Options { lock_timeout: Duration::from_millis(30), ..Options::default() };
    for lock in [home.path().join(".claude.json.lock"), dotfiles.join("claude.json.lock")] {
        fs::create_dir(&lock).unwrap();
        let error = update(&link, &options, |_| Ok(vec![])).unwrap_err();
        assert!(
            problem(&error)
                .starts_with(&format!("another process holds the lock {}", lock.display()))
        );
        assert!(lock.exists());
        fs::remove_dir(&lock).unwrap();
    }
    set(&link, "v").unwrap();
    assert_eq!((names(home.path()).len(), names(&dotfiles).len()), (2, 1));
}

#[test]
fn a_lock_that_is_released_at_once_keeps_nobody_waiting() {
    let home = temp();
    let path = home.path().join(".claude.json");
    let start = Instant::now();
    for value in 0..20 {
        set(&path, &value.to_string()).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn malformed_content_is_told_with_its_place() {
    let path = Path::new("/w/f");
    let at = |names: &[&str]| Malformed::NotAnObject {
        path: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let told = |malformed: &Malformed| {
        let error = super::malformed(path, malformed);
        let (problem, advice) =
            (problem(&error), error.downcast_ref::<Failure>().unwrap().advice.clone());
        (problem, advice)
    };
    let (problem, advice) = told(&Malformed::TopLevel);
    assert!(problem.starts_with("/w/f:1:1: "), "{problem}");
    assert!(advice.contains("fix it there") && advice.contains("mv /w/f /w/f.bad"), "{advice}");
    let (problem, _) = told(&at(&["env"]));
    assert!(problem.starts_with("/w/f: ") && problem.contains("env"), "{problem}");
    let (problem, advice) = told(&Malformed::NotUtf8 { offset: 7 });
    assert!(problem.starts_with("/w/f: "), "{problem}");
    assert!(advice.contains("convert it to UTF-8"), "{advice}");
}
