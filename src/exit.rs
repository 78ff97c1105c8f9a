//! Exit codes: 0 yes or done, 1 no (a verdict), 2 error or usage; `cck run` gives its child's own.

use std::process::ExitCode;

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The answer is yes, or the work is done: 0.
    Done,
    /// The answer is no; nothing went wrong in finding it out: 1.
    No,
    /// Something was wrong with the call, the input or the machine: 2.
    Error,
    /// The exit code of a child, or 128 plus the signal that ended it.
    Child(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::No => ExitCode::from(1),
            Exit::Error => ExitCode::from(2),
            Exit::Child(code) => ExitCode::from(code),
        }
    }
}
