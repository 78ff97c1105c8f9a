//! Errors as people read them: a line with what is wrong and where, a line with what to do.

use std::process::ExitCode;

/// An error with its remedy. Neither line may ever hold a key.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Failure {
    pub problem: String,
    pub advice: String,
}

/// A [`Failure`] as an [`anyhow::Error`], for `return Err(fail(…))`.
pub(crate) fn fail(problem: impl Into<String>, advice: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { problem: problem.into(), advice: advice.into() })
}

/// An error with its remedy on one line, for where it is one of several.
pub(crate) fn in_one_line(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Failure>() {
        Some(Failure { problem, advice }) => format!("{problem}; {advice}"),
        None => format!("{error:#}"),
    }
}

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
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Error => 2,
            Exit::Child(code) => code,
        })
    }
}
