//! The places a credential can come from, and the ids that reports and `--expect` name them by.

use std::fmt;
use std::str::FromStr;

use super::{federation::is_name, names};
use crate::error::fail;

/// A layer of the client's settings, highest first: a member of one hides that member of those after it
/// (1.0.128, 2.0.77, 2.1.330, observed 2026-11; the flag's place 1.0.128 to 2.1.332, observed 2026-11-25).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What Anthropic's server has for the organization.
    Remote,
    /// What a managed `policyHelper` prints.
    Policy,
    /// `/etc/claude-code/managed-settings.json` and its drop-ins.
    Managed,
    Flag,
    /// `<project>/.claude/settings.local.json`.
    Local,
    /// `<project>/.claude/settings.json`.
    Project,
    /// `<claude dir>/settings.json`.
    #[default]
    User,
}

impl Layer {
    /// In their order, each with the beginning of the ids of what it sets.
    pub const ALL: [(Layer, &str); 7] = [
        (Layer::Remote, "remote"),
        (Layer::Policy, "policy"),
        (Layer::Managed, "settings.managed"),
        (Layer::Flag, "settings.flag"),
        (Layer::Local, "settings.local"),
        (Layer::Project, "settings.project"),
        (Layer::User, "settings.user"),
    ];

    fn prefix(self) -> &'static str {
        Layer::ALL[self as usize].1
    }

    /// Whether the client takes it for the project's. Where its file lies is another question.
    pub(crate) fn is_of_project(self) -> bool {
        matches!(self, Layer::Local | Layer::Project)
    }

    /// Whether it comes from an administrator, and may demand a login.
    pub(crate) fn is_managed(self) -> bool {
        matches!(self, Layer::Remote | Layer::Policy | Layer::Managed)
    }
}

/// Where a variable is set, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Settings(Layer),
    Config,
    Process,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Gateway,
    Variable(Origin, String),
    WellKnownKey,
    Helper(Layer),
    WellKnownToken,
    KeychainKey,
    PrimaryKey,
    KeychainLogin,
    #[default]
    Login,
    Profile(String),
}

/// What a credential is to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The login of a cloud gateway: nothing else counts beside it.
    Gateway,
    Headers,
    Token,
    /// ANTHROPIC_API_KEY, or the key that comes by a file descriptor or a well-known file.
    Key,
    Helper,
    /// The OAuth token of a variable, a file descriptor or a well-known file.
    Oauth,
    /// Federation or an explicit Anthropic profile.
    Grant,
    Login,
    /// `primaryApiKey`, or the Keychain's API key.
    Primary,
    Profile,
    /// It is none: another variable.
    Setting,
}

/// The variables that stand for a credential; an id with another name is a typing error.
pub(crate) const VARIABLES: [(&str, Kind); 8] = [
    (names::KEY, Kind::Key),
    (names::KEY_DESCRIPTOR, Kind::Key),
    (names::TOKEN, Kind::Token),
    (names::OAUTH, Kind::Oauth),
    (names::OAUTH_DESCRIPTOR, Kind::Oauth),
    (names::HEADERS, Kind::Headers),
    (names::PROFILE, Kind::Grant),
    (names::FEDERATION_RULE, Kind::Grant),
];

/// The sources of which there is one: their ids, and what people call them, with FILE for the file that they are in.
pub(crate) static FIXED: [(Source, &str, &str); 7] = [
    (Source::PrimaryKey, "config.primaryApiKey", "primaryApiKey in FILE"),
    (Source::Login, "credentials.claudeAiOauth", "the claude.ai login in FILE"),
    (Source::Gateway, "credentials.enterpriseGateway", "the gateway login in FILE"),
    (Source::KeychainKey, "keychain.apiKey", "the API key in the Keychain"),
    (Source::KeychainLogin, "keychain.claudeAiOauth", "the claude.ai login in the Keychain"),
    (Source::WellKnownKey, "wellknown.api_key", "the cloud session's api key"),
    (Source::WellKnownToken, "wellknown.oauth_token", "the cloud session's oauth token"),
];

impl Source {
    pub(crate) fn env(name: &str) -> Source {
        Source::Variable(Origin::Process, name.to_owned())
    }

    /// The source with this id, or the variable that has one, such as `env.ANTHROPIC_BASE_URL`.
    pub(crate) fn of_id(id: &str) -> Option<Source> {
        let layer =
            |prefix| Layer::ALL.iter().find(|(_, own)| *own == prefix).map(|(layer, _)| *layer);
        let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if let Some((place, name)) = id.rsplit_once("env.")
            && name.contains('_')
            && name.chars().all(is_of_name)
        {
            let origin = match place {
                "" => Origin::Process,
                "config." => Origin::Config,
                _ => Origin::Settings(layer(place.strip_suffix('.')?)?),
            };
            return Some(Source::Variable(origin, name.to_owned()));
        }
        if let Some(prefix) = id.strip_suffix(".apiKeyHelper") {
            return layer(prefix).map(Source::Helper);
        }
        match id.strip_prefix("profile.").filter(|name| is_name(name)) {
            Some(name) => Some(Source::Profile(name.to_owned())),
            None => FIXED.iter().find(|(_, fixed, _)| *fixed == id).map(|(it, ..)| it.clone()),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Source::Gateway => Kind::Gateway,
            Source::Variable(_, name) => VARIABLES
                .iter()
                .find(|(known, _)| known == name)
                .map_or(Kind::Setting, |(_, kind)| *kind),
            Source::WellKnownKey => Kind::Key,
            Source::Helper(_) => Kind::Helper,
            Source::WellKnownToken => Kind::Oauth,
            Source::KeychainKey | Source::PrimaryKey => Kind::Primary,
            Source::KeychainLogin | Source::Login => Kind::Login,
            Source::Profile(_) => Kind::Profile,
        }
    }

    /// Whether its credential is an OAuth token, which the client sends with a header of its own beside it.
    pub(crate) fn is_oauth(&self) -> bool {
        matches!(self.kind(), Kind::Oauth | Kind::Grant | Kind::Login | Kind::Profile)
    }

    pub(crate) fn is_variable(&self, name: &str) -> bool {
        matches!(self, Source::Variable(_, other) if other == name)
    }

    pub(crate) fn is_descriptor(&self) -> bool {
        self.is_variable(names::KEY_DESCRIPTOR) || self.is_variable(names::OAUTH_DESCRIPTOR)
    }

    pub(crate) fn is_of_managed(&self) -> bool {
        matches!(self, Source::Variable(Origin::Settings(layer), _) if layer.is_managed())
    }

    /// The layer of settings that it is in.
    pub(crate) fn layer(&self) -> Option<Layer> {
        match self {
            Source::Variable(Origin::Settings(layer), _) | Source::Helper(layer) => Some(*layer),
            _ => None,
        }
    }

    pub(crate) fn is_of_project(&self) -> bool {
        self.layer().is_some_and(Layer::is_of_project)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Variable(Origin::Settings(layer), name) => {
                write!(f, "{}.env.{name}", layer.prefix())
            }
            Source::Variable(Origin::Config, name) => write!(f, "config.env.{name}"),
            Source::Variable(Origin::Process, name) => write!(f, "env.{name}"),
            Source::Helper(layer) => write!(f, "{}.apiKeyHelper", layer.prefix()),
            Source::Profile(name) => write!(f, "profile.{name}"),
            fixed => {
                let id = FIXED.iter().find(|(it, ..)| it == fixed).map(|(_, id, _)| id);
                f.write_str(id.unwrap_or(&""))
            }
        }
    }
}

impl FromStr for Source {
    type Err = anyhow::Error;

    fn from_str(id: &str) -> anyhow::Result<Source> {
        let source = Source::of_id(id).filter(|source| source.kind() != Kind::Setting);
        source.ok_or_else(|| {
            // It may be a key, typed in the wrong place.
            let shown = if id.contains("sk-ant") || id.len() > 80 { "this" } else { id };
            fail(
                format!("`{shown}` is not a source of a credential"),
                "use `any`, or an id that cck verify --json lists, such as config.primaryApiKey",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_source_both_ways() {
        for id in [
            "env.ANTHROPIC_API_KEY",
            "settings.managed.env.ANTHROPIC_AUTH_TOKEN",
            "settings.local.apiKeyHelper",
            "config.env.CLAUDE_CODE_OAUTH_TOKEN",
            "config.primaryApiKey",
            "credentials.claudeAiOauth",
            "env.ANTHROPIC_PROFILE",
            "profile.default",
            "settings.flag.apiKeyHelper",
            "remote.env.ANTHROPIC_AUTH_TOKEN",
            "policy.apiKeyHelper",
            "credentials.enterpriseGateway",
            "keychain.apiKey",
            "keychain.claudeAiOauth",
            "wellknown.api_key",
            "wellknown.oauth_token",
        ] {
            assert_eq!(id.parse::<Source>().unwrap().to_string(), id);
        }
        for id in [
            "",
            "primaryApiKey",
            "env.PATH",
            "settings.mine.apiKeyHelper",
            "settings.user.model",
            "config.env.X",
        ] {
            assert!(id.parse::<Source>().is_err(), "{id}");
        }
    }
}
