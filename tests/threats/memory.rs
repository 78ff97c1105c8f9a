//! A key in cck's memory: no core dump, no tracing, nothing under `/proc` for others.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{KEY, Sandbox};
use crate::skip;

/// `program`, allowed to dump core, in a directory of its own.
fn dumping(sandbox: &Sandbox, program: &[&str]) -> Child {
    Command::new("sh")
        .args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"])
        .args(program)
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(sandbox.project())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the process has read what it was given and waits for more.
fn until_it_reads(child: &Child, name: &str) {
    let start = Instant::now();
    let proc = |file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default()
    };
    while !(proc("comm").trim() == name && proc("wchan").contains("pipe"))
        && start.elapsed() < Duration::from_secs(3)
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    // `wchan` may be hidden: the time has to do then.
    std::thread::sleep(Duration::from_millis(100));
}

fn dumps_core(mut child: Child, name: &str) -> bool {
    child.stdin.as_mut().unwrap().write_all(KEY.as_bytes()).unwrap();
    until_it_reads(&child, name);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::ABORT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status:?}");
    status.core_dumped()
}

#[test]
fn a_crash_leaves_no_core_with_the_key_in_it() {
    let sandbox = Sandbox::new();
    if !dumps_core(dumping(&sandbox, &["cat"]), "cat") {
        skip::because("this machine dumps no cores at all");
        return;
    }
    let cck = env!("CARGO_BIN_EXE_cck");
    assert!(!dumps_core(dumping(&sandbox, &[cck, "set-key", "--stdin"]), "cck"));
    let left: Vec<_> = std::fs::read_dir(sandbox.project())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("cck")), "{left:?}");
}

/// The kernel gives what is under `/proc` of a process that may not be looked into to root.
#[test]
fn the_same_user_cannot_look_into_it() {
    use std::os::unix::fs::MetadataExt;

    if !rustix::process::geteuid().is_root() {
        return skip::without_root();
    }
    let other = crate::others::Other::new();
    let mut child = other
        .command(&["set-key", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(KEY.as_bytes()).unwrap();
    until_it_reads(&child, "cck");
    let owner =
        |file: &str| std::fs::metadata(format!("/proc/{}/{file}", child.id())).unwrap().uid();
    let owners = (owner("environ"), owner("mem"));
    let uid = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert!(uid.contains(&format!("Uid:\t{}", crate::others::USER)), "{uid}");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(owners, (0, 0), "the files of the process are its user's");
}
