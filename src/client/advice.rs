//! What to fix, and how. Pure: it judges the state and the decision, and touches nothing.

mod files;
mod launch;
mod places;
mod sending;
pub(crate) mod values;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::decision::{Decision, Mode};
use super::destination::{Destination, Refusal};
use super::installed::Fault;
use super::keychain;
use super::paths;
use super::settings;
use super::source::{Layer, Origin, Source};
use super::state::State;
use super::surroundings::Surroundings;
use crate::disk::tools::MOVE;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The client does something other than was asked for, or a key is open to others.
    Error,
    /// It works, and should be seen to.
    Warning,
}

/// Something to fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What programs know it by.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, and where.
    pub message: String,
    /// What fixes it: a command or a sentence.
    pub fix: String,
}

/// What the advice is about.
pub struct Case<'a> {
    /// The machine.
    pub state: &'a State,
    /// What lies around its files.
    pub around: &'a Surroundings,
    /// What the client does.
    pub decision: &'a Decision,
    /// Where the requests go.
    pub destination: &'a Destination,
    /// Why the credential must not go there.
    pub refusal: Option<&'a Refusal>,
    /// What is called `claude` and cannot be started.
    pub unusable_clients: &'a [(PathBuf, Fault)],
    /// The modes asked about.
    pub modes: &'a [Mode],
    /// The source that was expected; none for any.
    pub expected: Option<&'a Source>,
    /// The profile of cck that was asked about.
    pub profile: Option<&'a str>,
    /// Inside of `cck run`: where the key comes from that cck adds.
    pub session: Option<&'a str>,
    /// The home directory, for paths as the user writes them.
    pub home: Option<&'a OsStr>,
}

/// The problems found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, code: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(code, Severity::Error, message.into(), fix.into());
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(code, Severity::Warning, message.into(), fix.into());
    }

    fn add(&mut self, code: &'static str, severity: Severity, message: String, fix: String) {
        let problem = Problem { code, severity, message, fix };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }
}

/// Everything to fix, errors first.
pub fn problems(case: &Case<'_>) -> Vec<Problem> {
    let mut problems = Problems::default();
    sending::add(case, &mut problems);
    places::add(case, &mut problems);
    values::add(case, &mut problems);
    files::add(case, &mut problems);
    launch::add(case, &mut problems);
    let (mut first, then): (Vec<_>, Vec<_>) =
        problems.0.into_iter().partition(|problem| problem.severity == Severity::Error);
    first.extend(then);
    first
}

impl Case<'_> {
    /// A path as the user would write it.
    fn show(&self, path: &Path) -> String {
        paths::display(path, self.home)
    }

    /// A path for a command line.
    fn quote(&self, path: &Path) -> String {
        if cfg!(windows) {
            // Neither shell there takes `~` for the home directory within quotes.
            return format!("\"{}\"", path.display());
        }
        let shown = self.show(path);
        let is_plain = |c: char| c.is_alphanumeric() || "/._-~+@%:,".contains(c);
        if shown.chars().all(is_plain) {
            shown
        } else {
            format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
        }
    }

    /// The file that a layer's settings are in.
    fn layer_file(&self, layer: Layer) -> String {
        let settings = self.state.layers.iter().find(|settings| settings.layer == layer);
        settings.map_or_else(String::new, |settings| self.show(&settings.file))
    }

    /// A command of cck, for the profile that was asked about.
    fn cck(&self, command: &str) -> String {
        match self.profile {
            Some(profile) => format!("cck {command} --profile {profile}"),
            None => format!("cck {command}"),
        }
    }

    /// Whether cck itself is the helper in force.
    fn helper_is_of_cck(&self) -> bool {
        settings::helper(self.state)
            .is_some_and(|(_, helper)| helper.split_ascii_whitespace().nth(1) == Some("get-key"))
    }

    /// Where a source is set.
    fn place(&self, source: &Source) -> String {
        match source {
            Source::Variable(Origin::Settings(layer), _) | Source::Helper(layer) => {
                self.layer_file(*layer)
            }
            _ => self.show(&self.state.config_file.path),
        }
    }

    /// What takes a source away.
    fn remove(&self, source: &Source) -> String {
        match source {
            Source::Variable(Origin::Process, name) => format!("unset {name}"),
            Source::Variable(Origin::Config, name) => {
                format!("remove {name} from `env` in {}", self.show(&self.state.config_file.path))
            }
            Source::Variable(Origin::Settings(layer), name) => {
                format!("remove {name} from `env` in {}", self.layer_file(*layer))
            }
            Source::Helper(Layer::User) if self.helper_is_of_cck() => self.cck("helper remove"),
            Source::Helper(layer) => {
                format!("remove apiKeyHelper from {}", self.layer_file(*layer))
            }
            Source::PrimaryKey => self.cck("unset-key"),
            // Logging out in the client would remove primaryApiKey and the approvals too (2.1.332, observed 2026-11-25).
            Source::Login => {
                let file = self.quote(&self.state.credentials_file.path);
                format!("{MOVE} {file} {file}.off")
            }
            Source::Profile(name) => format!("remove the Anthropic profile {name}"),
            Source::Gateway => "claude auth logout".into(),
            Source::WellKnownKey | Source::WellKnownToken => {
                format!("empty {}", self.quote(&self.state.paths.well_known))
            }
            Source::KeychainKey => format!(
                "{} delete-generic-password -a \"$USER\" -s '{}'",
                keychain::program(),
                self.state.facts.keychain.services[0]
            ),
            Source::KeychainLogin => format!(
                "{} delete-generic-password -a \"$USER\" -s '{}'",
                keychain::program(),
                self.state.facts.keychain.services[1]
            ),
        }
    }
}
