//! The lock as others leave it, and signals: put off while it is held, at once while it is waited for.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::{Home, key, text};

const BEFORE: &str = "{\n  \"userID\": \"abc\"\n}\n";

fn lock(home: &Home) -> PathBuf {
    home.path().join(".claude.json.lock")
}

/// A lock that was refreshed so long ago.
fn lay_lock(home: &Home, age: Duration) {
    fs::create_dir(lock(home)).unwrap();
    File::open(lock(home)).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

fn set_key(home: &Home, timeout: &str) -> (Output, Duration) {
    let start = Instant::now();
    let run = home.cck(&["set-key", "--lock-timeout", timeout], &key(1)).output().unwrap();
    (run, start.elapsed())
}

#[test]
fn a_fresh_lock_is_waited_for_and_then_named() {
    let home = Home::new();
    home.lay(BEFORE);
    lay_lock(&home, Duration::from_secs(5));
    let (run, took) = set_key(&home, "1");
    assert_eq!(run.status.code(), Some(2));
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    assert!(
        text(&run.stderr).contains(&format!("holds the lock {}", lock(&home).display())),
        "{}",
        text(&run.stderr)
    );
    assert!(lock(&home).exists());
    assert_eq!(fs::read_to_string(home.config()).unwrap(), BEFORE);
}

#[test]
fn a_lock_is_taken_over_when_it_goes_stale_and_not_before() {
    for (age, at_least, at_most) in [(3600, 0, 3000), (9, 700, 4000)] {
        let home = Home::new();
        home.lay(BEFORE);
        lay_lock(&home, Duration::from_secs(age));
        let (run, took) = set_key(&home, "5");
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert!(
            took >= Duration::from_millis(at_least) && took < Duration::from_millis(at_most),
            "{age}: {took:?}"
        );
        assert_eq!(home.names(), [".claude.json"]);
    }
}

#[test]
fn a_holder_that_is_alive_keeps_its_lock_and_one_that_ends_hands_it_on() {
    let home = Home::new();
    home.lay(BEFORE);
    lay_lock(&home, Duration::ZERO);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..6 {
                thread::sleep(Duration::from_millis(100));
                File::open(lock(&home)).unwrap().set_modified(SystemTime::now()).unwrap();
            }
            fs::remove_dir(lock(&home)).unwrap();
        });
        let (run, took) = set_key(&home, "5");
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert!(took >= Duration::from_millis(550), "{took:?}");
    });
}

#[test]
fn many_that_find_the_same_stale_lock_do_not_take_it_from_each_other() {
    let home = Home::new();
    home.lay(BEFORE);
    lay_lock(&home, Duration::from_secs(11));
    let runs: Vec<Child> =
        (0..16).map(|n| home.cck(&["approve"], &key(n)).spawn().unwrap()).collect();
    for run in runs {
        let run = run.wait_with_output().unwrap();
        assert!(run.status.success(), "{}", text(&run.stderr));
    }
    let config = fs::read_to_string(home.config()).unwrap();
    let missing = (0..16).filter(|n| !config.contains(&format!("{n:020}"))).count();
    assert_eq!((missing, home.names().len()), (0, 1), "{config}");
}

#[test]
fn a_lock_that_is_not_a_directory_is_named_and_left() {
    let home = Home::new();
    home.lay(BEFORE);
    fs::write(lock(&home), "mine").unwrap();
    let (run, _) = set_key(&home, "5");
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("is not a directory"), "{}", text(&run.stderr));
    assert_eq!(fs::read_to_string(lock(&home)).unwrap(), "mine");
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_signal_ends_the_wait_for_the_lock() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let home = Home::new();
        home.lay(BEFORE);
        lay_lock(&home, Duration::ZERO);
        let child = home.cck(&["set-key", "--lock-timeout", "60"], &key(1)).spawn().unwrap();
        thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        send(&child, signal);
        let run = child.wait_with_output().unwrap();
        assert_eq!(run.status.signal(), Some(signal.as_raw()));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(lock(&home).exists() && home.names().len() == 2);
    }
}

/// Starts `cck set-key` so that its first `fsync` takes long, under a shell that runs `before` first.
fn slow(home: &Home, before: &str) -> Option<Child> {
    if !Command::new("strace").arg("true").output().is_ok_and(|run| run.status.success()) {
        super::skip::without("strace");
        return None;
    }
    // strace passes no signal on that is sent to itself, so cck's own id is what the file tells.
    let script = format!(
        "{before} exec strace -f -qq -o $HOME/trace -e inject=fsync:delay_enter=1500000:when=1 $CCK set-key"
    );
    // As in `Home::cck`.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT,HUP,TERM,QUIT", "sh", "-c", &script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.path());
    command.env("CCK", env!("CARGO_BIN_EXE_cck")).env("ANTHROPIC_API_KEY", key(1));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(command.spawn().unwrap())
}

/// Sends the signal to the run under strace once it is at the slow call.
fn send_at_fsync(home: &Home, signal: Signal) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let trace = fs::read_to_string(home.path().join("trace")).unwrap_or_default();
        if trace.contains("fchmod(") {
            let id: i32 = trace.split_whitespace().next().unwrap().parse().unwrap();
            thread::sleep(Duration::from_millis(100));
            kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the run did not come to its fsync");
}

/// The signals, each with its name in a shell.
const SIGNALS: [(&str, Signal); 4] =
    [("HUP", Signal::HUP), ("INT", Signal::INT), ("QUIT", Signal::QUIT), ("TERM", Signal::TERM)];

#[test]
fn a_signal_under_the_lock_is_put_off_until_all_is_tidy() {
    thread::scope(|scope| {
        for (_, signal) in SIGNALS {
            scope.spawn(move || {
                let home = Home::new();
                home.lay(BEFORE);
                // No core of it is wanted.
                let Some(child) = slow(&home, "ulimit -c 0;") else {
                    return;
                };
                send_at_fsync(&home, signal);
                let run = child.wait_with_output().unwrap();
                // strace ends as its child did.
                assert_eq!(run.status.signal(), Some(signal.as_raw()), "{}", text(&run.stderr));
                assert_eq!(fs::read_to_string(home.config()).unwrap(), BEFORE);
                assert_eq!(home.names(), [".claude.json", "trace"]);
            });
        }
    });
}

#[test]
fn a_signal_that_the_parent_ignores_stays_ignored() {
    thread::scope(|scope| {
        for (name, signal) in SIGNALS {
            scope.spawn(move || {
                let home = Home::new();
                home.lay(BEFORE);
                let Some(child) = slow(&home, &format!("trap '' {name};")) else {
                    return;
                };
                send_at_fsync(&home, signal);
                let run = child.wait_with_output().unwrap();
                assert!(run.status.success(), "{name}: {}", text(&run.stderr));
                assert!(fs::read_to_string(home.config()).unwrap().contains(&key(1)));
            });
        }
    });
}

#[test]
fn a_file_size_limit_is_an_error_and_no_end() {
    let home = Home::new();
    home.lay(BEFORE);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 0; exec $CCK set-key"]).env_clear().env("HOME", home.path());
    command
        .env("CCK", env!("CARGO_BIN_EXE_cck"))
        .env("ANTHROPIC_API_KEY", key(1))
        .env("PATH", "/usr/bin:/bin");
    let run = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("ulimit -f"), "{}", text(&run.stderr));
    assert_eq!(
        (fs::read_to_string(home.config()).unwrap().as_str(), home.names().len()),
        (BEFORE, 1)
    );
}
