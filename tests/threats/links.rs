//! Links and other things planted where cck makes a file.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sandbox::{KEY, OTHER, Sandbox, mode};
use crate::{holds_key, look};

fn fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, mknodat};
    mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap();
}

/// The client's lock is a directory. What else is in its place is left alone, and nothing is written.
#[test]
fn a_link_or_file_at_the_lock_is_not_followed() {
    for plant in ["link", "dangling", "file", "fifo"] {
        let sandbox = Sandbox::new();
        let config = sandbox.lay(".claude.json", "{}");
        let victim = sandbox.lay("victim", "precious");
        let lock = sandbox.home().join(".claude.json.lock");
        match plant {
            "link" => symlink(&victim, &lock).unwrap(),
            "dangling" => symlink(sandbox.home().join("none"), &lock).unwrap(),
            "file" => fs::write(&lock, "x").unwrap(),
            _ => fifo(&lock),
        }
        let before = look(&lock);
        let ran = sandbox.cck(&["set-key"]).stdin(KEY).run().code(2);
        ran.err(&[".claude.json.lock", "not a directory", "try:"]);
        assert_eq!(look(&lock), before, "{plant}");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&config).unwrap(), b"{}");
        assert!(!sandbox.home().join("none").exists());
    }
}

/// A lock from the future, or one that is not empty, costs the wait and a clear error: no hang, no write without it.
#[test]
fn a_hostile_lock_directory_ends_in_an_error() {
    for plant in ["future", "full"] {
        let sandbox = Sandbox::new();
        let config = sandbox.lay(".claude.json", "{}");
        let lock = sandbox.home().join(".claude.json.lock");
        fs::create_dir(&lock).unwrap();
        if plant == "full" {
            fs::write(lock.join("x"), "").unwrap();
        }
        let time = if plant == "full" { "1 hour ago" } else { "1 hour" };
        let touched = std::process::Command::new("touch").args(["-d", time]).arg(&lock).status();
        assert!(touched.unwrap().success());
        let ran = sandbox.cck(&["set-key", "--lock-timeout", "1"]).stdin(KEY).run().code(2);
        ran.err(&[".claude.json.lock", "try:"]);
        assert_eq!(fs::read(&config).unwrap(), b"{}", "{plant}");
        assert!(lock.exists());
    }
}

/// The temp file's name is random and it is made with O_EXCL: links under every name that can be guessed are neither
/// followed nor removed, and the one file that fits the pattern goes as a file, not through its link.
#[test]
fn links_at_temp_and_recovery_names_are_not_followed() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", "{}");
    let victim = sandbox.lay("victim", "precious");
    for name in [
        "..claude.json.cck-0123456789ab.tmp",
        "..claude.json.cck-recovery",
        ".claude.json.tmp",
        ".claude.json.cck-recovery",
    ] {
        symlink(&victim, sandbox.home().join(name)).unwrap();
    }
    let ran = sandbox.cck(&["set-key"]).stdin(KEY).run();
    assert_eq!(fs::read(&victim).unwrap(), b"precious", "{ran:?}");
    assert!(!holds_key(&String::from_utf8_lossy(&fs::read(&victim).unwrap())));
    if ran.code == Some(0) {
        assert_eq!(mode(&sandbox.config()), 0o600);
    } else {
        assert_eq!(fs::read(sandbox.config()).unwrap(), b"{}");
    }
}

#[test]
fn a_link_at_the_audit_trail_is_refused() {
    for plant in ["link", "hard", "fifo"] {
        let sandbox = Sandbox::new();
        let victim = sandbox.lay("victim", "precious");
        let trail = sandbox.home().join("trail.jsonl");
        match plant {
            "link" => symlink(&victim, &trail).unwrap(),
            "hard" => fs::hard_link(&victim, &trail).unwrap(),
            _ => fifo(&trail),
        }
        let args = ["set-key", "--require-audit", "--audit-file", trail.to_str().unwrap()];
        sandbox.cck(&args).stdin(KEY).run().code(2).err(&["nothing was changed"]);
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{plant}");
        assert!(!sandbox.config().exists());
        let ran = sandbox.cck(&args[..1]).env("CCK_AUDIT_FILE", &trail).stdin(KEY).run().code(0);
        ran.err(&["audit line was not written"]);
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{plant}");
    }
}

/// A record for undo says what goes into the config. One that is a link, or that others may write to, says nothing.
#[test]
fn a_planted_record_for_undo_is_not_obeyed() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", format!("{{\"primaryApiKey\": \"{OTHER}\"}}"));
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    let dir = sandbox.home().join(".local/state/cck/undo");
    let record = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&dir), mode(&record)), (0o700, 0o600));
    let content = fs::read(&record).unwrap();

    crate::sandbox::chmod(&record, 0o666);
    let before = look(&sandbox.config());
    sandbox.cck(&["undo"]).run().code(2).err(&["can be written by others", "not trusted"]);
    fs::remove_file(&record).unwrap();
    let elsewhere = sandbox.lay("elsewhere", &content);
    symlink(&elsewhere, &record).unwrap();
    sandbox.cck(&["undo"]).run().code(2);
    fs::remove_file(&record).unwrap();
    let other = String::from_utf8(content.clone()).unwrap().replace(".claude.json", ".claude.jsom");
    fs::write(&record, other).unwrap();
    sandbox.cck(&["undo"]).run().code(2).err(&["another config"]);
    assert_eq!(look(&sandbox.config()), before);
    fs::write(&record, content).unwrap();
    sandbox.cck(&["undo"]).run().code(0);
}

/// The record of an unfinished rotation names the key that is to be set inactive.
#[test]
fn a_planted_record_of_a_rotation_is_not_obeyed() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", format!("{{\"primaryApiKey\": \"{OTHER}\"}}"));
    let args = ["rotate", "--stdin", "--command-after", "false"];
    sandbox.cck(&args).stdin(KEY).run().code(1);
    let dir = sandbox.home().join(".local/state/cck/rotate");
    let record = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&record).unwrap();
    assert!(!holds_key(&text), "{text}");
    crate::sandbox::chmod(&record, 0o666);
    sandbox.cck(&args).stdin(KEY).run().code(2).err(&["can be written by others", "not trusted"]);
}

/// Anyone who swaps the config for a link while cck works gets a key into no file that others can read, and no file of
/// which a part was written.
#[test]
fn swapping_the_config_for_a_link_gains_nothing() {
    let sandbox = Sandbox::new();
    let victim = sandbox.lay("victim", "{\"theirs\": true}");
    crate::sandbox::chmod(&victim, 0o644);
    let config = sandbox.config();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (sandbox.home().join("a"), sandbox.home().join("b"));
            while !done.load(Ordering::Relaxed) {
                let _ = symlink(&victim, &a).and_then(|()| fs::rename(&a, &config));
                let _ = fs::write(&b, "{}").and_then(|()| fs::rename(&b, &config));
            }
        });
        let ran: Vec<_> = (0..40).map(|_| sandbox.cck(&["set-key"]).stdin(KEY).run()).collect();
        done.store(true, Ordering::Relaxed);
        for ran in ran {
            // 1: the link replaced what had been written.
            let is_true = match ran.code {
                Some(1) => ran.stderr.contains("the change is in place, but"),
                code => matches!(code, Some(0 | 2)),
            };
            assert!(is_true, "{ran:?}");
        }
    });
    for entry in fs::read_dir(sandbox.home()).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_file() {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!holds_key(&text) || metadata.mode() & 0o077 == 0, "{}", path.display());
            let whole = text.is_empty() || serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert!(whole, "{}: {text}", path.display());
        }
    }
}
