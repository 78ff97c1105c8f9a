//! Runs a command that prints a secret alone on standard output: `--key-command`, a profile's source, the client's helper. Its
//! input is closed, its standard error is passed on for a store's own questions, and its output never appears in an error.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use zeroize::Zeroizing;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(crate) use system::{shell, stop};

/// More output than this is not a key; the command is stopped.
pub(crate) const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// How long output may still arrive after the command has exited, from a process that it left in the background.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("exited with code {0}")]
    Code(i32),
    #[error("was ended by signal {0}")]
    Signal(i32),
    #[error("did not finish in time and was stopped")]
    TimedOut,
    #[error("printed more than {} KiB and was stopped", MAX_OUTPUT_BYTES / 1024)]
    Flooded,
    #[error("printed bytes that are not UTF-8 text")]
    NotText,
}

/// What a command printed, or how else it ended.
pub(crate) type Printed = Result<Zeroizing<String>, Ended>;

/// Runs `command` by the shell (`sh -c`; on Windows `cmd /d /s /c`, as Node does) in `cwd` for at most `timeout`.
pub(crate) fn output(command: &str, cwd: &Path, timeout: Duration) -> anyhow::Result<Printed> {
    output_of(shell(command).current_dir(cwd), timeout)
}

pub(crate) fn output_of(shell: &mut Command, timeout: Duration) -> anyhow::Result<Printed> {
    run(shell, timeout, b"").context("cannot run the shell")
}

pub(crate) type Change = (OsString, Option<OsString>);

pub(crate) fn change_env(command: &mut Command, changes: &[Change]) {
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Runs a program, with this on its standard input, and returns what it printed, or how else it ended.
pub(crate) fn run(program: &mut Command, timeout: Duration, input: &[u8]) -> io::Result<Printed> {
    let deadline = Instant::now() + timeout;
    let own_group = system::group(program);
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child = program.stdin(stdin).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading has refused; its end says so.
        _ = stdin.write_all(input);
    }
    let pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut pipe = system::Pipe::of(pipe)?;
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT_BYTES));
    let mut is_open = true;
    let mut exited: Option<(ExitStatus, Instant)> = None;
    loop {
        // Looked at before the pipe is read: what the command itself has written is then in it, however busy the machine.
        if exited.is_none() {
            exited = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        while is_open && let Some(bytes) = pipe.read() {
            is_open = !bytes.is_empty();
            if text.len() + bytes.len() > MAX_OUTPUT_BYTES {
                stop(&mut child, own_group);
                return Ok(Err(Ended::Flooded));
            }
            text.extend_from_slice(&bytes);
        }
        match exited {
            Some((status, at)) if !is_open || at.elapsed() >= GRACE => {
                return Ok(match status.code() {
                    Some(0) => match std::str::from_utf8(&text) {
                        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                        Err(_) => Err(Ended::NotText),
                    },
                    Some(code) => Err(Ended::Code(code)),
                    None => Err(Ended::Signal(system::signal(status))),
                });
            }
            None if Instant::now() >= deadline => {
                stop(&mut child, own_group);
                return Ok(Err(Ended::TimedOut));
            }
            _ => pipe.wait(is_open),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Instant;

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
