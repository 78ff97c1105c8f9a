//! Errors as people read them: a line with what is wrong and where, a line with what to do.

use std::fmt;

/// An error with its remedy. Neither line may ever hold a key.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and where.
    pub problem: String,
    /// What the user can do about it: a command or a sentence.
    pub advice: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Failure {}

/// A [`Failure`] as an [`anyhow::Error`], for `return Err(fail(…))`.
pub fn fail(problem: impl Into<String>, advice: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { problem: problem.into(), advice: advice.into() })
}

/// An error with its remedy on one line, for where it is one of several.
pub fn said(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Failure>() {
        Some(Failure { problem, advice }) => format!("{problem}; {advice}"),
        None => format!("{error:#}"),
    }
}
