//! The shell of Unix.

use std::io::{ErrorKind, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use zeroize::Zeroizing;

pub(crate) fn shell(command: &str) -> Command {
    // As the client does, and not by a `sh` that PATH finds first.
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell
}

/// Gives a program a process group of its own: that lets a time-out end all that it started. Not on a terminal: in
/// another group a question on /dev/tty (a pinentry) would stop it, and Ctrl-C would not reach it.
pub(super) fn group(program: &mut Command) -> bool {
    let own_group = !std::io::IsTerminal::is_terminal(&std::io::stderr());
    if own_group {
        program.process_group(0);
    }
    own_group
}

pub(super) struct Pipe(ChildStdout);

impl Pipe {
    pub(super) fn of(pipe: ChildStdout) -> std::io::Result<Pipe> {
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Pipe(pipe))
    }

    /// What has come; `None` if there is nothing now, and no bytes at its end.
    pub(super) fn read(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; 4096]);
        let length = loop {
            match self.0.read(&mut bytes) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => break 0,
            }
        };
        bytes.truncate(length);
        Some(bytes)
    }

    /// Waits for output, but not long: that a command has exited is seen by looking.
    pub(super) fn wait(&self, is_open: bool) {
        if !is_open {
            return thread::sleep(Duration::from_micros(200));
        }
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        let short = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // Woken early or not at all, the pipe is read again.
        _ = rustix::event::poll(&mut polled, Some(&short));
    }
}

pub(super) fn signal(status: ExitStatus) -> i32 {
    status.signal().unwrap_or_default()
}

/// Ends a command, with its whole process group where that is its own.
pub(crate) fn stop(child: &mut Child, own_group: bool) {
    if own_group && let Ok(pid) = i32::try_from(child.id()) {
        if let Some(group) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    } else {
        let _ = child.kill();
    }
    let _ = child.wait();
}
