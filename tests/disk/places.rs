//! Places that are not there, or in which nothing may be made.

use std::fs;
use std::process::Output;

use super::{Home, key, text};

fn fails(run: &Output, words: &[&str]) {
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_home_that_does_not_exist_is_not_made() {
    let home = Home::new();
    let missing = home.path().join("none");
    for args in
        [&["set-key"][..], &["approve"], &["unset-key"], &["profile", "add", "a", "--key-env", "K"]]
    {
        let run = home.cck(args, &key(1)).env("HOME", &missing).output().unwrap();
        fails(&run, &["home directory", "does not exist", "try: "]);
        assert!(!missing.exists(), "{args:?}");
    }
}

#[test]
fn a_named_config_that_is_missing_is_said_to_be_and_nothing_is_made_for_it() {
    let home = Home::new();
    let missing = home.path().join("none/config.json");
    for command in ["verify", "unset-key", "rotate", "undo"] {
        let args = [command, "--config-file", missing.to_str().unwrap()];
        fails(&home.cck(&args, &key(1)).output().unwrap(), &["does not exist", "none/config.json"]);
    }
    let directory = home.path().join("elsewhere");
    let run = home.cck(&["unset-key"], "").env("CLAUDE_CONFIG_DIR", &directory).output().unwrap();
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(!directory.exists() && !missing.parent().unwrap().exists());
}

/// The wait is longer than what a lock that was left by a crash takes to go stale, even if its time is in the future.
#[test]
fn a_lock_from_the_future_is_taken_over_in_the_end() {
    let home = Home::new();
    home.lay("{}\n");
    let lock = home.path().join(".claude.json.lock");
    fs::create_dir(&lock).unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let ahead = std::time::SystemTime::now() + hour;
    fs::File::open(&lock).unwrap().set_modified(ahead).unwrap();
    let run = home.cck(&["set-key"], &key(1)).output().unwrap();
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(!lock.exists() && fs::read_to_string(home.config()).unwrap().contains(&key(1)));
}
