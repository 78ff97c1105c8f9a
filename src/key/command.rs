//! Runs a command that prints a secret: `--key-command`, a profile's source, the client's `apiKeyHelper`.
//!
//! The contract is that of every secret store's command line: one shell command, the secret alone on standard output,
//! success told by the exit code. Standard input is closed, standard error is passed on for the store's own questions
//! and errors. The output never appears in an error.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::fail;
#[cfg(unix)]
pub(crate) use unix::output_with;
#[cfg(windows)]
pub(crate) use windows::output_with;

/// More output than this is not a key; the command is stopped.
pub(crate) const MAX_OUTPUT_BYTES: usize = 64 * 1024;

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
    /// It printed bytes that are not UTF-8.
    NotText,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "exited with code {code}"),
            Ended::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Ended::TimedOut => f.write_str("did not finish in time and was stopped"),
            Ended::Flooded => {
                write!(f, "printed more than {} KiB and was stopped", MAX_OUTPUT_BYTES / 1024)
            }
            Ended::NotText => f.write_str("printed bytes that are not UTF-8 text"),
        }
    }
}

/// Runs `command` by the shell (`sh -c`; on Windows `cmd /d /s /c`, as Node does) in `cwd` for at most `timeout` and
/// returns what it printed, or how else it ended.
pub(crate) fn output(
    command: &str,
    cwd: &Path,
    timeout: Duration,
) -> anyhow::Result<Result<Zeroizing<String>, Ended>> {
    output_with(command, cwd, timeout, &BTreeMap::new())
}

/// What a command printed that exited with 0, as text.
fn text(bytes: &[u8]) -> Result<Zeroizing<String>, Ended> {
    let text = std::str::from_utf8(bytes).map_err(|_| Ended::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The key-command's failure as an error that names the command and not its output.
pub(crate) fn failure(flag: &str, command: &str, ended: &Ended) -> anyhow::Error {
    fail(
        format!("{flag} `{command}` {ended}"),
        "run it by hand: it must print the key alone on standard output and exit with 0 (--timeout sets its time)",
    )
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
