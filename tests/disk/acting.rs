//! Root in a user's home: it acts as the user, and what the user puts in its way gains nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::support::{scale, skip};
use super::{key, text};

const USER: u32 = 64_811;

/// A directory of root's with a home of [`USER`]'s and a directory that only root may enter.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    /// None if this is not root, which has to be two users.
    fn new() -> Option<Machine> {
        if !rustix::process::geteuid().is_root() {
            skip::without_root();
            return None;
        }
        let root = tempfile::Builder::new().prefix("cck-acting-").tempdir().unwrap();
        let machine = Machine { root };
        fs::set_permissions(machine.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(machine.home()).unwrap();
        chown(machine.home(), Some(USER), Some(USER)).unwrap();
        // The build directory may be closed to others.
        fs::copy(env!("CARGO_BIN_EXE_cck"), machine.root.path().join("cck")).unwrap();
        fs::create_dir_all(machine.victim().join("b")).unwrap();
        fs::write(machine.victim().join("b/.claude.json"), "{\"root\": true}").unwrap();
        fs::set_permissions(machine.victim(), fs::Permissions::from_mode(0o700)).unwrap();
        Some(machine)
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// What is root's alone.
    fn victim(&self) -> PathBuf {
        self.root.path().join("victim")
    }

    fn run(&self, user: u32, args: &[&str], vars: &[(&str, &Path)]) -> Output {
        let mut command = Command::new("setpriv");
        command
            .args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "--"])
            .arg(self.root.path().join("cck"))
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .env("K", key(1))
            .envs(vars.iter().copied())
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// All there is under a directory, with its owner and, of a file, its content.
    fn tree(dir: &Path) -> Vec<(PathBuf, u32, u32, Vec<u8>)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            if metadata.is_dir() {
                found.extend(Machine::tree(&path));
            }
            found.push((path, metadata.uid(), metadata.gid(), content));
        }
        found.sort();
        found
    }
}

#[test]
fn what_root_makes_in_a_users_home_is_the_users_and_the_trail_goes_on() {
    let Some(machine) = Machine::new() else { return };
    let config = machine.home().join("new/claude");
    let vars = [("CLAUDE_CONFIG_DIR", &*config)];
    let trail = machine.home().join(".local/state/cck/audit.jsonl");
    let lines = || fs::read_to_string(&trail).unwrap().lines().count();
    let done = |user: u32, args: &[&str]| {
        let run = machine.run(user, args, &vars);
        assert!(run.status.success(), "{args:?} {} {}", text(&run.stdout), text(&run.stderr));
        assert!(!text(&run.stderr).contains("warning"), "{}", text(&run.stderr));
    };
    done(0, &["set-key", "--key-env", "K"]);
    done(0, &["profile", "add", "acme", "--key-env", "K"]);
    done(0, &["approve", "--key-env", "K"]);
    done(0, &["undo"]);
    let before = lines();
    done(USER, &["unset-key"]);
    assert!(lines() > before);
    done(USER, &["profile", "remove", "acme"]);
    let tree = Machine::tree(&machine.home());
    let others: Vec<_> =
        tree.iter().filter(|(_, uid, gid, _)| (*uid, *gid) != (USER, USER)).collect();
    assert!(others.is_empty() && tree.len() > 5, "{others:?}");
}

#[test]
fn what_is_roots_stays_roots_while_the_config_is_a_users() {
    let Some(machine) = Machine::new() else { return };
    let state = machine.victim().join("state");
    let run = machine.run(0, &["set-key", "--key-env", "K"], &[("XDG_STATE_HOME", &state)]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert_eq!(fs::metadata(machine.home().join(".claude.json")).unwrap().uid(), USER);
    let tree = Machine::tree(&state);
    assert!(tree.len() > 2 && tree.iter().all(|(_, uid, ..)| *uid == 0), "{tree:?}");
}

/// The user swaps a part of the path for a link to root's directory, as fast as that goes.
#[test]
fn a_user_who_swaps_a_part_of_the_path_owns_nothing_of_roots() {
    let Some(machine) = Machine::new() else { return };
    let before = Machine::tree(&machine.victim());
    let (swapped, kept, link) =
        (machine.home().join("a"), machine.home().join("kept"), machine.home().join("link"));
    let config = swapped.join("b");
    let (done, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut written, mut refused) = (0, String::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            // Of this thread alone.
            let user = rustix::process::Uid::from_raw(USER);
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            symlink(machine.victim(), &link).unwrap();
            while !done.load(Ordering::Relaxed) {
                let _ = fs::create_dir(&swapped);
                thread::sleep(Duration::from_micros(300));
                let _ = fs::rename(&swapped, &kept).and_then(|()| fs::rename(&link, &swapped));
                swaps.fetch_add(1, Ordering::Relaxed);
                let _ = fs::rename(&swapped, &link).and_then(|()| fs::rename(&kept, &swapped));
                // So that what root makes has to be made again.
                if swaps.load(Ordering::Relaxed).is_multiple_of(50) {
                    let _ = fs::remove_dir_all(&swapped);
                }
            }
        });
        for _ in 0..scale::part(1000) {
            let run =
                machine.run(0, &["set-key", "--key-env", "K"], &[("CLAUDE_CONFIG_DIR", &config)]);
            match run.status.code() {
                Some(0) => written += 1,
                _ => refused = text(&run.stderr),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(Machine::tree(&machine.victim()), before);
    assert!(written > 0 && swaps.into_inner() > 100, "{written} written; {refused}");
}

/// A user who may remove nothing of root's has root remove it: a directory of copies that is a link to root's.
#[test]
fn root_scrubs_a_users_copies_as_the_user() {
    let Some(machine) = Machine::new() else { return };
    let config = |name: &Path| {
        fs::write(name, format!("{{\"primaryApiKey\": \"{}\"}}", key(1))).unwrap();
        let past = std::time::SystemTime::now() - Duration::from_secs(60);
        fs::File::options().write(true).open(name).unwrap().set_modified(past).unwrap();
    };
    for name in [".claude.json.backup.1", ".claude.json.tmp.1.ab", "key.txt"] {
        config(&machine.victim().join(name));
    }
    let claude = machine.home().join(".claude");
    let lay = |path: &Path| {
        config(path);
        chown(path, Some(USER), Some(USER)).unwrap();
    };
    for leads_to in [None, Some(machine.victim())] {
        lay(&machine.home().join(".claude.json"));
        let copies =
            [claude.join(".claude.json.tmp.1.ab"), claude.join("backups/.claude.json.backup.1")];
        if let Some(victim) = &leads_to {
            fs::remove_dir_all(&claude).unwrap();
            symlink(victim, &claude).unwrap();
            rustix::fs::chownat(
                rustix::fs::CWD,
                &claude,
                Some(rustix::fs::Uid::from_raw(USER)),
                None,
                rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
            )
            .unwrap();
            symlink(victim, machine.victim().join("backups")).unwrap();
        } else {
            fs::create_dir_all(claude.join("backups")).unwrap();
            for dir in [&claude, &claude.join("backups")] {
                chown(dir, Some(USER), Some(USER)).unwrap();
            }
            copies.iter().for_each(|copy| lay(copy));
        }
        let before = Machine::tree(&machine.victim());
        let run = machine.run(0, &["unset-key", "--scrub"], &[]);
        let said = text(&run.stdout) + &text(&run.stderr);
        assert_eq!(Machine::tree(&machine.victim()), before, "{said}");
        if leads_to.is_none() {
            assert!(run.status.success() && !copies[0].exists(), "{said}");
            let cleaned = fs::read_to_string(&copies[1]).unwrap();
            assert!(!cleaned.contains(&key(1)), "{cleaned}");
            assert_eq!(fs::metadata(&copies[1]).unwrap().uid(), USER);
        }
    }
}
