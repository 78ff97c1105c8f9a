//! The places a credential can come from, and the ids that reports and `--expect` name them by.

use std::fmt;
use std::str::FromStr;

use super::federation::is_name;
use super::settings::names;
use crate::error::fail;

/// A layer of the client's settings, highest first: a member of one hides that member of those after it
/// (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// `/etc/claude-code/managed-settings.json` and its drop-ins.
    Managed,
    /// `<project>/.claude/settings.local.json`.
    Local,
    /// `<project>/.claude/settings.json`.
    Project,
    /// `<claude dir>/settings.json`.
    User,
}

impl Layer {
    /// All layers, highest first.
    pub const ALL: [Layer; 4] = [Layer::Managed, Layer::Local, Layer::Project, Layer::User];

    /// The layer's name in ids.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Layer::Managed => "managed",
            Layer::Local => "local",
            Layer::Project => "project",
            Layer::User => "user",
        }
    }

    /// Whether whoever wrote the project decides what is in it.
    pub(crate) fn is_of_project(self) -> bool {
        matches!(self, Layer::Local | Layer::Project)
    }
}

/// Where a variable is set, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The `env` block of settings.
    Settings(Layer),
    /// The `env` block of the global config.
    Config,
    /// The environment that the client is started with.
    Process,
}

/// A source of a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A variable.
    Variable(Origin, String),
    /// The output of the command in `apiKeyHelper`.
    Helper(Layer),
    /// `primaryApiKey` of the global config.
    PrimaryKey,
    /// The stored subscription login.
    Login,
    /// The default Anthropic profile of that name.
    Profile(String),
}

/// The variables that stand for a credential; an id with another name is a typing error.
pub(crate) const VARIABLES: [&str; 8] = [
    names::KEY,
    names::KEY_DESCRIPTOR,
    names::TOKEN,
    names::OAUTH,
    names::OAUTH_DESCRIPTOR,
    names::HEADERS,
    names::PROFILE,
    names::FEDERATION_RULE,
];

impl Source {
    /// A variable of the process's environment.
    pub(crate) fn env(name: &str) -> Source {
        Source::Variable(Origin::Process, name.to_owned())
    }

    /// Whether the project brings it.
    pub(crate) fn is_of_project(&self) -> bool {
        match self {
            Source::Variable(Origin::Settings(layer), _) | Source::Helper(layer) => {
                layer.is_of_project()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Variable(Origin::Settings(layer), name) => {
                write!(f, "settings.{}.env.{name}", layer.name())
            }
            Source::Variable(Origin::Config, name) => write!(f, "config.env.{name}"),
            Source::Variable(Origin::Process, name) => write!(f, "env.{name}"),
            Source::Helper(layer) => write!(f, "settings.{}.apiKeyHelper", layer.name()),
            Source::PrimaryKey => f.write_str("config.primaryApiKey"),
            Source::Login => f.write_str("credentials.claudeAiOauth"),
            Source::Profile(name) => write!(f, "profile.{name}"),
        }
    }
}

impl FromStr for Source {
    type Err = anyhow::Error;

    fn from_str(id: &str) -> anyhow::Result<Source> {
        let variable = |origin, name: &str| {
            VARIABLES.contains(&name).then(|| Source::Variable(origin, name.to_owned()))
        };
        let of_settings = |rest: &str| {
            let (layer, rest) = rest.split_once('.')?;
            let layer = Layer::ALL.into_iter().find(|known| known.name() == layer)?;
            match rest.strip_prefix("env.") {
                Some(name) => variable(Origin::Settings(layer), name),
                None => (rest == "apiKeyHelper").then_some(Source::Helper(layer)),
            }
        };
        let source = match id {
            "config.primaryApiKey" => Some(Source::PrimaryKey),
            "credentials.claudeAiOauth" => Some(Source::Login),
            _ => match id.split_once('.') {
                Some(("profile", name)) => is_name(name).then(|| Source::Profile(name.to_owned())),
                Some(("env", name)) => variable(Origin::Process, name),
                Some(("config", rest)) => {
                    rest.strip_prefix("env.").and_then(|name| variable(Origin::Config, name))
                }
                Some(("settings", rest)) => of_settings(rest),
                _ => None,
            },
        };
        source.ok_or_else(|| {
            fail(
                // It may be a key, typed in the wrong place.
                if id.contains("sk-ant") || id.len() > 80 {
                    "what was given is no id of a source of a credential".to_owned()
                } else {
                    format!("`{id}` is no source of a credential")
                },
                "one of: any, config.primaryApiKey, env.ANTHROPIC_API_KEY, env.ANTHROPIC_AUTH_TOKEN, \
                 env.CLAUDE_CODE_OAUTH_TOKEN, credentials.claudeAiOauth, config.env.NAME, \
                 settings.LAYER.env.NAME, settings.LAYER.apiKeyHelper (LAYER: managed, local, project, user)",
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
