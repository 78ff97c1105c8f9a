//! Sources as people know them: `primaryApiKey in ~/.claude.json`, where JSON and `--expect` have ids.

use std::ffi::OsStr;

use crate::client::paths::display;
use crate::client::settings::names::TOKEN;
use crate::client::{Source, State};
use crate::output::one_line;

pub(crate) struct Names<'a> {
    pub state: &'a State,
    pub home: Option<&'a OsStr>,
    /// Whether the token in the environment is that of `cck run`.
    pub is_session: bool,
}

impl Names<'_> {
    pub(crate) fn name(&self, source: &Source) -> String {
        self.of_id(&source.to_string())
    }

    pub(crate) fn of_all(&self, sources: Vec<&Source>) -> String {
        let names = sources.into_iter().map(|source| self.name(source));
        names.collect::<Vec<_>>().join(" and ")
    }

    fn of_id(&self, id: &str) -> String {
        let paths = &self.state.paths;
        let show = |path| one_line(&display(path, self.home));
        let config = || show(&self.state.config_file.path);
        let member = |rest: &str| rest.strip_prefix("env.").unwrap_or(rest).to_owned();
        match id.split_once('.').unwrap_or((id, "")) {
            ("env", TOKEN) if self.is_session => "the session token of cck run".to_owned(),
            ("env", name) => format!("${name}"),
            ("config", rest) => format!("{} in {}", member(rest), config()),
            ("settings", rest) => {
                let (layer, rest) = rest.split_once('.').unwrap_or((rest, ""));
                let place = match layer {
                    "managed" => show(&paths.managed_settings),
                    "local" => show(&paths.local_settings),
                    "project" => show(&paths.project_settings),
                    "user" => show(&paths.user_settings),
                    other => format!("--{}", if other == "flag" { "settings" } else { other }),
                };
                format!("{} in {place}", member(rest))
            }
            ("remote", rest) => format!("{} in the server-managed settings", member(rest)),
            ("policy", rest) => format!("{} from the managed policyHelper", member(rest)),
            ("credentials", "enterpriseGateway") => {
                format!("the gateway login in {}", show(&paths.credentials))
            }
            ("credentials", _) => format!("the claude.ai login in {}", show(&paths.credentials)),
            ("keychain", "apiKey") => "the API key in the Keychain".to_owned(),
            ("keychain", _) => "the claude.ai login in the Keychain".to_owned(),
            ("wellknown", name) => format!("the cloud session's {}", name.replace('_', " ")),
            ("profile", name) => format!("the Anthropic profile {name}"),
            _ => id.to_owned(),
        }
    }

    /// A sentence with its ids made names, except where one is an argument of `--expect`.
    pub(crate) fn in_text(&self, text: &str) -> String {
        let mut words = Vec::new();
        let mut previous = "";
        for word in text.split(' ') {
            let id = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            // Not every variable is one of a credential: env.ANTHROPIC_BASE_URL.
            let is_variable = id.rsplit_once("env.").is_some_and(|(place, name)| {
                (place.is_empty() || place.ends_with('.'))
                    && name.contains('_')
                    && name
                        .chars()
                        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            });
            let is_id = previous != "--expect" && (is_variable || id.parse::<Source>().is_ok());
            words.push(if is_id { word.replace(id, &self.of_id(id)) } else { word.to_owned() });
            previous = word;
        }
        words.join(" ")
    }
}
