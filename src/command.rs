//! Runs a command that prints a secret: `--key-command`, a profile's source, the client's `apiKeyHelper`.
//!
//! The contract is that of every secret store's command line: one shell command, the secret alone on standard output,
//! success told by the exit code. Standard input is closed, standard error is passed on for the store's own questions
//! and errors. The output never appears in an error.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec};
use zeroize::Zeroizing;

use crate::failure::fail;

/// More output than this is no key; the command is stopped.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// How long output may still arrive after the command has exited, from a process that it left in the background.
const GRACE: Duration = Duration::from_millis(50);

/// How a command ended that did not give a secret.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code, not 0.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It ran past its time and was stopped.
    TimedOut,
    /// It printed more than [`MAX_OUTPUT_BYTES`] and was stopped.
    Flooded,
    /// It printed bytes that are no UTF-8.
    NotText,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "exited with code {code}"),
            Ended::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Ended::TimedOut => f.write_str("did not finish in time and was stopped"),
            Ended::Flooded => write!(
                f,
                "printed more than {} KiB and was stopped",
                MAX_OUTPUT_BYTES / 1024
            ),
            Ended::NotText => f.write_str("printed bytes that are not UTF-8 text"),
        }
    }
}

/// Runs `sh -c command` in `cwd` for at most `timeout` and returns what it printed, or how else it ended.
///
/// # Errors
/// Only if the shell cannot be started.
pub fn output(
    command: &str,
    cwd: &Path,
    timeout: Duration,
) -> anyhow::Result<Result<Zeroizing<String>, Ended>> {
    output_with(command, cwd, timeout, &BTreeMap::new())
}

/// [`output`], with these variables set over the environment.
///
/// # Errors
/// Only if the shell cannot be started.
pub fn output_with(
    command: &str,
    cwd: &Path,
    timeout: Duration,
    variables: &BTreeMap<&str, &str>,
) -> anyhow::Result<Result<Zeroizing<String>, Ended>> {
    use std::os::unix::process::{CommandExt, ExitStatusExt};

    let mut shell = Command::new("sh");
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
    let mut child = shell.spawn().context("cannot start sh")?;
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
        (Some(0), _) => match std::str::from_utf8(&text) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(Ended::NotText),
        },
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
    let short = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
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

/// The key-command's failure as an error that names the command and not its output.
pub fn failure(flag: &str, command: &str, ended: &Ended) -> anyhow::Error {
    fail(
        format!("{flag} `{command}` {ended}"),
        "run it by hand: it must print the key alone on standard output and exit with 0 (--timeout sets its time)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str, millis: u64) -> Result<String, Ended> {
        output(command, Path::new("/"), Duration::from_millis(millis))
            .unwrap()
            .map(|text| text.to_string())
    }

    #[test]
    fn a_command_gives_its_output_or_how_it_ended() {
        assert_eq!(run("echo key", 5000), Ok("key\n".into()));
        assert_eq!(run("echo key; exit 3", 5000), Err(Ended::Code(3)));
        assert_eq!(run("kill -TERM $$", 5000), Err(Ended::Signal(15)));
        assert_eq!(run("yes", 5000), Err(Ended::Flooded));
        assert_eq!(run("printf '\\377'", 5000), Err(Ended::NotText));
        assert_eq!(run("cat", 5000), Ok(String::new()), "standard input is closed");
    }

    #[test]
    fn a_command_that_hangs_or_leaves_a_child_is_not_waited_for() {
        let start = Instant::now();
        assert_eq!(run("sleep 60", 100), Err(Ended::TimedOut));
        assert_eq!(run("exec >&-; sleep 60", 100), Err(Ended::TimedOut));
        assert_eq!(run("echo key; sleep 60 &", 5000), Ok("key\n".into()));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
