//! The shell of Unix.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec};
use zeroize::Zeroizing;

use super::{Ended, GRACE, MAX_OUTPUT_BYTES};

/// [`super::output`], with these variables set over the environment.
pub(crate) fn output_with(
    command: &str,
    cwd: &Path,
    timeout: Duration,
    variables: &BTreeMap<&str, &str>,
) -> anyhow::Result<Result<Zeroizing<String>, Ended>> {
    // As the client does, and not by a `sh` that PATH finds first.
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(command)
        .current_dir(cwd)
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    // Its own process group lets a time-out end all that it started. On a terminal it has to stay in ours, or a
    // question on /dev/tty (a pinentry) would stop it, and Ctrl-C would not reach it.
    let own_group = !std::io::IsTerminal::is_terminal(&std::io::stderr());
    if own_group {
        shell.process_group(0);
    }
    let deadline = Instant::now() + timeout;
    let mut child = shell.spawn().context("cannot start /bin/sh")?;
    let mut pipe = child.stdout.take().context("no pipe to the command")?;
    let flags = rustix::fs::fcntl_getfl(&pipe)?;
    rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK)?;

    let mut text = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT_BYTES));
    let mut chunk = Zeroizing::new([0u8; 4096]);
    let mut is_open = true;
    let mut exited: Option<(ExitStatus, Instant)> = None;
    loop {
        // Looked at before the pipe is read: what the command itself has written is then in it, however busy the machine.
        if exited.is_none() {
            exited = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        while is_open {
            match pipe.read(&mut chunk[..]) {
                Ok(0) => is_open = false,
                Ok(n) if text.len() + n > MAX_OUTPUT_BYTES => {
                    stop(&mut child, own_group);
                    return Ok(Err(Ended::Flooded));
                }
                Ok(n) => text.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => is_open = false,
            }
        }
        match exited {
            Some((_, at)) if !is_open || at.elapsed() >= GRACE => break,
            None if Instant::now() >= deadline => {
                stop(&mut child, own_group);
                return Ok(Err(Ended::TimedOut));
            }
            _ => wait(&pipe, is_open),
        }
    }
    let (status, _) = exited.context("the command has not ended")?;
    Ok(match (status.code(), status.signal()) {
        (Some(0), _) => super::text(&text),
        (Some(code), _) => Err(Ended::Code(code)),
        (None, signal) => Err(Ended::Signal(signal.unwrap_or_default())),
    })
}

/// Waits for output, but not long: that a command has exited is seen by looking.
fn wait(pipe: &ChildStdout, is_open: bool) {
    if !is_open {
        return thread::sleep(Duration::from_micros(200));
    }
    let mut polled = [PollFd::new(pipe, PollFlags::IN)];
    let short = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    // Woken early or not at all, the pipe is read again.
    _ = rustix::event::poll(&mut polled, Some(&short));
}

/// Ends a command, with its whole process group where that is its own.
fn stop(child: &mut Child, own_group: bool) {
    if own_group && let Ok(pid) = i32::try_from(child.id()) {
        if let Some(group) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    } else {
        let _ = child.kill();
    }
    let _ = child.wait();
}
