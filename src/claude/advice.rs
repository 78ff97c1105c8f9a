//! What to mend, and how. Pure: it judges the state and the decision, and touches nothing.

use serde::Serialize;

use super::decision::Decision;
use super::resolve;
use super::settings;
use super::source::Source;
use super::state::State;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The client does something other than it looks like, or a key is open to others.
    Error,
    /// It works, and should be seen to.
    Warning,
}

/// Something to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What programs know it by.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, and where.
    pub message: String,
    /// What mends it: a command or a sentence.
    pub fix: String,
}

/// Everything to mend.
pub fn problems(state: &State, _decision: &Decision) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(failure) = resolve::helper_failure(state)
        && let Some((layer, _)) = settings::helper(state)
    {
        problems.push(Problem {
            code: "helper-failed",
            severity: Severity::Error,
            message: format!("{} {failure}", Source::Helper(layer)),
            fix: "run the command by hand: it must print the key alone on standard output and exit with 0"
                .into(),
        });
    }
    problems
}
