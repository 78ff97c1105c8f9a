//! What to fix, and how. Pure: it judges the state and the decision, and touches nothing.

mod files;
mod launch;
mod places;
mod sending;
pub(crate) mod values;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    ChosenBy, Decision, Destination, Item, Keychain, Layer, Mode, Origin, Outcome, Refusal, Source,
    State, installed::Fault, names, settings, surroundings::Surroundings,
};
use crate::disk::tools::{MOVE, REMOVE};
use crate::shell;

const LEAVE: &str = "leave this `cck run`: exit";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The client does something other than was asked for, or a key is open to others.
    Error,
    /// It works, and should be seen to.
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub fix: String,
}

impl Problem {
    pub(crate) fn error(
        code: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem { code, severity: Severity::Error, message: message.into(), fix: fix.into() }
    }

    pub(crate) fn warning(
        code: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(code, message, fix) }
    }
}

pub struct Case<'a> {
    pub state: &'a State,
    pub around: &'a Surroundings,
    pub decision: &'a Decision,
    pub destination: &'a Destination,
    pub refusal: Option<&'a Refusal>,
    pub unusable_clients: &'a [(PathBuf, Fault)],
    pub modes: &'a [Mode],
    /// The source that was expected; none for any.
    pub expected: Option<&'a Source>,
    pub profile: Option<&'a str>,
    /// Inside of `cck run`: where the key comes from that cck adds.
    pub session: Option<&'a str>,
}

pub fn problems(case: &Case<'_>) -> Vec<Problem> {
    let mut found = Problems::default();
    for add in [sending::add, places::add, values::add, files::add, launch::add] {
        add(case, &mut found);
    }
    found.0.sort_by_key(|problem| problem.severity);
    found.0
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, code: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.push(Problem::error(code, message, fix));
    }

    fn warning(&mut self, code: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.push(Problem::warning(code, message, fix));
    }

    /// Two modes may have the same one.
    fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }
}

/// A command for the config that was asked about: without these words it would be for another one.
pub(crate) fn cck(command: &str, profile: Option<&str>, config_file: Option<String>) -> String {
    let profile = profile.map(|name| format!(" --profile {name}")).unwrap_or_default();
    let file = config_file.map(|file| format!(" --config-file {file}")).unwrap_or_default();
    format!("cck {command}{profile}{file}")
}

impl<'a> Case<'a> {
    /// Those of the modes that are asked about.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &'a Outcome> {
        self.modes.iter().map(|mode| self.decision.outcome(*mode))
    }

    /// The sources that are sent in any of them.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &'a Source> {
        self.outcomes().flat_map(Outcome::sources)
    }

    fn show(&self, path: &Path) -> String {
        self.state.show(path)
    }

    fn quote(&self, path: &Path) -> String {
        if cfg!(windows) {
            // Neither shell there takes `~` for the home directory within quotes.
            return format!("\"{}\"", path.display());
        }
        let shown = self.show(path);
        let is_plain = |c: char| c.is_alphanumeric() || "/._-~+@%:,".contains(c);
        if shown.chars().all(is_plain) { shown } else { shell::word(path.display()) }
    }

    fn config(&self) -> String {
        self.show(&self.state.config_file.path)
    }

    pub(crate) fn cck(&self, command: &str) -> String {
        let is_named = self.state.chosen_by == ChosenBy::Flag;
        let file = is_named.then(|| self.quote(&self.state.config_file.path));
        cck(command, self.profile, file)
    }

    /// The command that puts a key where it is sent. cck writes none into a file of the working directory, which
    /// CLAUDE_CONFIG_DIR may have the client read.
    fn set_key(&self) -> String {
        let is_relative =
            self.state.paths.config_dir_var.as_ref().is_some_and(|dir| dir.is_relative());
        let is_legacy = self.state.chosen_by == ChosenBy::Legacy;
        let is_named = self.state.chosen_by == ChosenBy::Flag;
        if (is_relative && !is_named) || (self.around.config_dir_is_empty && is_legacy) {
            "unset CLAUDE_CONFIG_DIR; cck set-key".to_owned()
        } else if matches!(self.state.facts.keychain.key, Item::Text(_)) {
            // A key in the config would not be sent.
            self.cck("set-key --keychain")
        } else {
            self.cck("set-key")
        }
    }

    fn place(&self, source: &Source) -> String {
        self.show(self.state.file_of(source))
    }

    fn remove_either(&self, one: &Source, other: &Source) -> String {
        format!("either {}, or {}", self.remove(one), self.remove(other))
    }

    fn remove(&self, source: &Source) -> String {
        let keychain = |item: usize| {
            let Keychain { services, account, .. } = &self.state.facts.keychain;
            let account = shell::word(account);
            format!("security delete-generic-password -a {account} -s '{}'", services[item])
        };
        let well_known =
            |name| format!("{REMOVE} {}", self.quote(&self.state.paths.well_known.join(name)));
        let is_of_cck = |(_, helper): (Layer, &str)| helper.split(' ').nth(1) == Some("get-key");
        match source {
            // Without its token the run would have no key.
            Source::Variable(Origin::Process, name)
                if self.session.is_some() && name == names::TOKEN =>
            {
                LEAVE.into()
            }
            Source::Variable(Origin::Process, name) => format!("unset {name}"),
            Source::Variable(_, name) => {
                format!("remove {name} from `env` in {}", self.place(source))
            }
            // In HOME, the project's settings are the user's.
            Source::Helper(_)
                if settings::helper(self.state).is_some_and(is_of_cck)
                    && self.place(source) == self.show(&self.state.paths.user_settings) =>
            {
                self.cck("helper remove")
            }
            Source::Helper(_) => format!("remove apiKeyHelper from {}", self.place(source)),
            Source::PrimaryKey => self.cck("unset-key"),
            // Logging out in the client would remove primaryApiKey and the approvals too (2.1.332, observed 2026-11-25).
            Source::Gateway if self.state.login_source == Source::KeychainLogin => keychain(1),
            Source::Login | Source::Gateway => {
                let file = self.quote(&self.state.credentials_file.path);
                format!("{MOVE} {file} {file}.off")
            }
            Source::Profile(name) => format!("remove the Anthropic profile {name}"),
            Source::WellKnownKey => well_known(".api_key"),
            Source::WellKnownToken => well_known(".oauth_token"),
            Source::KeychainKey => keychain(0),
            Source::KeychainLogin => keychain(1),
        }
    }
}
