//! The settings layers, what each holds that decides about credentials, and the variables that come of them. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Client;
use super::json::{Json, decode};
use super::schema;
use super::source::{Layer, Origin, Source};
use super::state::{Reading, Secret, State};
use super::version::since;

/// The names of the variables that decide.
pub(crate) mod names {
    pub(crate) const KEY: &str = "ANTHROPIC_API_KEY";
    pub(crate) const KEY_DESCRIPTOR: &str = "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR";
    pub(crate) const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
    pub(crate) const OAUTH: &str = "CLAUDE_CODE_OAUTH_TOKEN";
    pub(crate) const OAUTH_DESCRIPTOR: &str = "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR";
    pub(crate) const HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";
    pub(crate) const BASE_URL: &str = "ANTHROPIC_BASE_URL";
    pub(crate) const SIMPLE: &str = "CLAUDE_CODE_SIMPLE";
    pub(crate) const GATEWAY: &str = "CLAUDE_CODE_USE_GATEWAY";
    pub(crate) const PROFILE: &str = "ANTHROPIC_PROFILE";
    pub(crate) const PROFILES_DIR: &str = "ANTHROPIC_CONFIG_DIR";
    pub(crate) const FEDERATION_RULE: &str = "ANTHROPIC_FEDERATION_RULE_ID";
    pub(crate) const ORGANIZATION: &str = "ANTHROPIC_ORGANIZATION_ID";
    pub(crate) const IDENTITY: &str = "ANTHROPIC_IDENTITY_TOKEN";
    pub(crate) const IDENTITY_FILE: &str = "ANTHROPIC_IDENTITY_TOKEN_FILE";
}

/// Where the client sends its requests if nothing else is said.
pub(crate) const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// One layer of settings, as far as credentials go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which layer.
    pub layer: Layer,
    /// The file (of managed settings: the main one).
    pub file: PathBuf,
    /// `apiKeyHelper`, if it is there as text; empty text hides a lower layer's.
    pub helper: Option<String>,
    /// The `env` block.
    pub env: BTreeMap<String, Secret>,
}

impl Settings {
    /// A layer that sets nothing.
    pub fn empty(layer: Layer, file: PathBuf) -> Settings {
        Settings { layer, file, helper: None, env: BTreeMap::new() }
    }

    /// Takes over what the text of a settings file sets.
    ///
    /// Fails if the client does not take the file: it is not JSON, no object, or breaks the client's schema anywhere. Members
    /// of a wrong type in managed settings are dropped one by one by 2.1.330; everywhere else they cost the whole file
    /// (2.0.77, 2.1.330, observed 2026-11).
    pub fn merge(&mut self, client: Client, bytes: &[u8]) -> Result<(), Reading> {
        let text = decode(bytes);
        let one_by_one = self.layer == Layer::Managed && client >= since::MANAGED_BY_MEMBER;
        let members = Json::object(&text).map_err(Reading::Malformed)?;
        let Some(members) = members else {
            return Err(Reading::Invalid("it holds no object".into()));
        };
        if !one_by_one && let Some(broken) = schema::violation(client, &members) {
            return Err(Reading::Invalid(broken));
        }
        if let Some(helper) = members.get("apiKeyHelper").and_then(|helper| helper.string()) {
            self.helper = Some(helper);
        }
        for (name, value) in members.get("env").map(|env| env.members()).unwrap_or_default() {
            self.env.insert(name, Secret::new(value.to_js_string()));
        }
        Ok(())
    }
}

/// Trims a text as JavaScript does.
pub(crate) fn js_trim(text: &str) -> &str {
    text.trim_matches(|c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}')
}

/// A variable where it is set.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'a> {
    /// Where.
    pub source: Source,
    /// To what; empty text counts as unset, and hides the lower ones all the same.
    pub value: &'a Secret,
}

/// Why the client does not read the variable `name` where it is set; `None` where it does.
fn disregard(client: Client, origin: Origin, name: &str) -> Option<&'static str> {
    let project_only = matches!(origin, Origin::Settings(layer) if layer.is_of_project());
    match origin {
        // 0.2.109 takes `env` from managed and project settings only (observed 2026-11).
        Origin::Settings(Layer::Local | Layer::User) if client < since::V1 => {
            Some("this client does not read `env` there")
        }
        Origin::Process => None,
        // 2.0.77, 2.1.330, observed 2026-11.
        _ if matches!(name, names::KEY_DESCRIPTOR | names::OAUTH_DESCRIPTOR) => {
            Some("the client reads this variable from its environment only")
        }
        // 1.0.128 and 2.0.77, observed 2026-11-24: read as it was at the start.
        _ if name == names::OAUTH && client >= since::V1 && client < since::OAUTH_OF_SETTINGS => {
            Some("this client reads it from its environment only")
        }
        // 2.1.330, observed 2026-11: a project's word counts less, in a trusted folder too.
        _ if project_only && is_weak_in_projects(client, name) => {
            Some("the client does not take this variable from a project")
        }
        _ => None,
    }
}

/// Whether `client` does not take the variable from a project.
fn is_weak_in_projects(client: Client, name: &str) -> bool {
    match name {
        names::OAUTH => !(since::OAUTH_OF_PROJECTS..since::OAUTH_NOT_OF_PROJECTS).contains(&client),
        names::SIMPLE => client >= since::SIMPLE_NOT_OF_PROJECTS,
        names::PROFILE
        | names::PROFILES_DIR
        | names::FEDERATION_RULE
        | names::ORGANIZATION
        | names::IDENTITY
        | names::IDENTITY_FILE => client >= since::PROFILES,
        _ => false,
    }
}

/// Every place that sets the variable `name`, highest first, and why the client does not read it there if it does not.
pub(crate) fn places<'a>(state: &'a State, name: &str) -> Vec<(Setting<'a>, Option<&'static str>)> {
    let layers =
        state.layers.iter().map(|settings| (Origin::Settings(settings.layer), &settings.env));
    layers
        .chain([(Origin::Config, &state.config.env), (Origin::Process, &state.process)])
        .filter_map(|(origin, env)| {
            let value = env.get(name)?;
            let source = Source::Variable(origin, name.to_owned());
            Some((Setting { source, value }, disregard(state.client, origin, name)))
        })
        .collect()
}

/// Every place that sets the variable `name` and that the client reads, the effective one first.
///
/// `env` blocks of settings override the process's environment: managed > local > project > user, then `env` of the
/// global config, then the process (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
pub(crate) fn settings_of<'a>(state: &'a State, name: &str) -> Vec<Setting<'a>> {
    let places = places(state, name).into_iter();
    places.filter(|(_, disregarded)| disregarded.is_none()).map(|(setting, _)| setting).collect()
}

/// Whether a variable counts as set: not empty, and for 2.1.330 not blank (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
pub(crate) fn is_set(client: Client, name: &str, value: &Secret) -> bool {
    let trims = if matches!(name, names::KEY | names::OAUTH) {
        since::KEY_IS_TRIMMED
    } else {
        since::BLANK_IS_UNSET
    };
    if client >= trims { !js_trim(value.reveal()).is_empty() } else { !value.is_empty() }
}

/// The effective value of a variable; none where it is unset or empty.
pub(crate) fn effective<'a>(state: &'a State, name: &str) -> Option<Setting<'a>> {
    settings_of(state, name)
        .into_iter()
        .next()
        .filter(|setting| is_set(state.client, name, setting.value))
}

/// Whether the client sends to a gateway: it is switched on, by whomever, and there is a token for it that is not a
/// project's (2.1.195, 2.1.246, 2.1.330, observed 2026-11-24).
pub(crate) fn is_gateway(state: &State) -> bool {
    state.client >= since::GATEWAY
        && is_on(state, names::GATEWAY)
        && settings_of(state, names::TOKEN)
            .into_iter()
            .find(|setting| !setting.source.is_of_project())
            .is_some_and(|setting| is_set(state.client, names::TOKEN, setting.value))
}

/// Whether a variable is switched on: `1`, `true`, `yes` or `on`, trimmed and without case; `2`, `y` and the like are
/// not (1.0.128, 2.0.77, 2.1.330, observed 2026-11). To 0.2.109 all but nothing is on, `0` and `false` too (observed
/// 2026-11-24).
pub(crate) fn is_on(state: &State, name: &str) -> bool {
    effective(state, name).is_some_and(|setting| {
        if state.client < since::V1 {
            return true;
        }
        let value = js_trim(setting.value.reveal()).to_ascii_lowercase();
        ["1", "true", "yes", "on"].contains(&value.as_str())
    })
}

/// The helper that the client would run: that of the highest layer that names one, even if by an empty text.
pub(crate) fn helper(state: &State) -> Option<(Layer, &str)> {
    // 0.2.109 does not know `apiKeyHelper` in settings (observed 2026-11).
    if state.client < since::V1 {
        return None;
    }
    state
        .layers
        .iter()
        .find_map(|settings| settings.helper.as_deref().map(|helper| (settings.layer, helper)))
        .filter(|(_, helper)| !helper.is_empty())
}

/// The variables that a helper sees besides the process's environment: 2.1.330 adds those of settings and config, 2.0.77
/// none (observed 2026-11).
pub(crate) fn helper_variables(state: &State) -> BTreeMap<&str, &str> {
    let mut all = BTreeMap::new();
    if state.client < since::HELPER_VARIABLES {
        return all;
    }
    let layers =
        state.layers.iter().map(|settings| (Origin::Settings(settings.layer), &settings.env));
    // What no environment can hold is left out.
    let fits = |text: &str| !text.contains('\0');
    for (origin, env) in layers.chain([(Origin::Config, &state.config.env)]) {
        for (name, value) in env {
            let fits =
                fits(name) && fits(value.reveal()) && !name.is_empty() && !name.contains('=');
            if fits && disregard(state.client, origin, name).is_none() {
                all.entry(name.as_str()).or_insert(value.reveal());
            }
        }
    }
    all
}

/// Where the client sends its requests: the effective ANTHROPIC_BASE_URL, and who set it. Blanks and a trailing slash are
/// cut (2.0.77, 2.1.330, observed 2026-11).
pub fn base_url(state: &State) -> (Option<Source>, &str) {
    match effective(state, names::BASE_URL) {
        Some(setting) => {
            let url = js_trim(setting.value.reveal());
            (Some(setting.source), url.strip_suffix('/').unwrap_or(url))
        }
        None => (None, DEFAULT_BASE_URL),
    }
}
