//! An answer as text for people and as JSON for programs.

pub mod json;
pub(crate) mod names;
pub mod text;

use std::borrow::Cow;

use serde::Serialize;

use crate::client::advice::values;
use crate::client::settings::names::TOKEN;
use crate::client::{Case, Problem, Severity, Source, installed};

#[derive(Debug, Serialize)]
pub struct Online {
    pub url: String,
    pub result: &'static str,
    pub status: Option<u16>,
    #[serde(skip)]
    pub problem: Option<Problem>,
}

pub struct Answer<'a> {
    pub(crate) case: &'a Case<'a>,
    pub(crate) installed: &'a installed::Report,
    pub(crate) problems: Vec<Problem>,
    pub(crate) online: Option<Online>,
    pub(crate) verdict: bool,
    /// Why the answer is "no" though every mode sends what is expected.
    pub(crate) refused: Option<String>,
}

impl<'a> Answer<'a> {
    pub fn new(
        case: &'a Case<'a>,
        installed: &'a installed::Report,
        mut problems: Vec<Problem>,
        mut online: Option<Online>,
    ) -> Answer<'a> {
        let (problem, was_asked) = match &mut online {
            Some(online) => (online.problem.take(), online.result != "not-asked"),
            None => (None, true),
        };
        // What was asked and not answered is not a yes.
        let doubt = problem.as_ref().filter(|it| it.severity == Severity::Error);
        let doubt = doubt.map(|problem| problem.message.clone());
        let doubt = doubt.or((!was_asked).then(|| "the API was not asked".to_owned()));
        let unread = problems.iter().find(|problem| problem.code == "keychain-failed");
        let unread = unread.filter(|problem| problem.severity == Severity::Error);
        let doubt = doubt.or(unread.map(|problem| problem.message.clone()));
        problems.splice(0..0, problem);
        let refusal = case.refusal.map(|refusal| refusal.reason(case.destination));
        let refused = refusal
            .or_else(|| values::refused(case))
            .map(|reason| format!("the credential would {reason}"))
            .or(doubt);
        let meets = case.modes.iter().all(|mode| case.decision.meets(*mode, case.expected));
        let verdict = meets && refused.is_none();
        Answer { case, installed, problems, online, verdict, refused: refused.filter(|_| meets) }
    }

    /// A report for programs: inside of `cck run` the source of its token has an id of its own.
    fn with_session<'t>(&self, report: &'t str) -> Cow<'t, str> {
        if self.case.session.is_none() {
            return report.into();
        }
        // `settings.user.env.ANTHROPIC_AUTH_TOKEN` is another source.
        let (id, other) = (Source::env(TOKEN).to_string(), "\0");
        let text = report.replace(&format!(".{id}"), other).replace(&id, "session");
        text.replace(other, &format!(".{id}")).into()
    }
}
