//! The settings layers, and what each holds that decides about credentials. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{
    Client, Env, Json, Layer, Reading, Rule, Secret, Source, State, decode, schema,
    variables::matters,
};

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
    pub(crate) const UNIX_SOCKET: &str = "ANTHROPIC_UNIX_SOCKET";
    pub(crate) const ENTRYPOINT: &str = "CLAUDE_CODE_ENTRYPOINT";
    pub(crate) const REMOTE: &str = "CLAUDE_CODE_REMOTE";
    pub(crate) const RESTRICTED: &str = "CLAUDE_CODE_RESTRICTED";
    pub(crate) const MANAGED_BY_HOST: &str = "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST";
    pub(crate) const HOST_AUTH: &str = "CLAUDE_CODE_HOST_AUTH_ENV_VAR";
    pub(crate) const OAUTH_SCOPES: &str = "CLAUDE_CODE_OAUTH_SCOPES";
    pub(crate) const OAUTH_URL: &str = "CLAUDE_CODE_CUSTOM_OAUTH_URL";
    pub(crate) const NONESSENTIAL: &str = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC";
    pub(crate) const SECURE_STORAGE: &str = "CLAUDE_SECURESTORAGE_CONFIG_DIR";
}

pub(crate) const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// One layer of settings, as far as credentials go.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub layer: Layer,
    /// The file (of managed settings: the main one; none where the settings are not in a file).
    pub file: PathBuf,
    /// `apiKeyHelper`; empty text hides a lower layer's.
    pub helper: Option<String>,
    pub env: Env,
    /// `forceLoginMethod`, where it names a method.
    pub login_method: Option<String>,
    /// `forceLoginOrgUUID`: how many organizations it names.
    pub organizations: Option<usize>,
    /// Whether anything at all is in it.
    pub has_content: bool,
    pub policy_helper: Option<PathBuf>,
    /// Whether its `env` ranks below every other block, just above the process's environment.
    pub gave_way: bool,
}

impl Settings {
    pub fn empty(layer: Layer, file: PathBuf) -> Settings {
        Settings { layer, file, ..Settings::default() }
    }

    /// Managed settings in whose place a policyHelper gave others. What is left is `env`, which the client lays over its own
    /// environment before it runs the helper (2.1.332, observed 2026-11-26).
    pub(crate) fn give_way(&mut self) {
        (self.helper, self.login_method, self.organizations) = (None, None, None);
        self.gave_way = true;
    }

    pub(crate) fn sets_something(&self) -> bool {
        self.helper.is_some() || !self.env.is_empty() || self.login_method.is_some()
    }

    /// Takes over what the text of a settings file sets.
    ///
    /// Fails if the client does not take the file: it is not JSON, not an object, or breaks the client's schema anywhere.
    /// Members of a wrong type in managed settings are dropped one by one by newer clients; everywhere else they cost the
    /// whole file (2.0.77, 2.1.330, observed 2026-11).
    pub fn merge(&mut self, client: Client, bytes: &[u8]) -> Result<(), Reading> {
        let text = decode_settings(bytes);
        // What a policyHelper prints is taken whole or not (2.1.332, observed 2026-11-26).
        let one_by_one = self.layer.is_managed()
            && self.layer != Layer::Policy
            && client.has(Rule::BadManagedMembersAreDropped);
        let members = Json::object(&text)
            .map_err(Reading::Malformed)?
            .ok_or_else(|| Reading::Invalid("it holds no object".into()))?;
        if !one_by_one && let Some(broken) = schema::violation(client, &members) {
            return Err(Reading::Invalid(broken));
        }
        let is_none = |value: &Json<'_>| {
            self.layer == Layer::Remote
                && client.has(Rule::EmptyObjectsAreNoAnswer)
                && value.is_empty_object()
        };
        self.has_content |= !members.values().all(is_none);
        let text_of = |name: &str| members.get(name).and_then(|value| value.string());
        if let Some(helper) = text_of("apiKeyHelper") {
            self.helper = Some(helper);
        }
        for (name, value) in members.get("env").map(|env| env.entries()).unwrap_or_default() {
            self.env.insert(variable_name(name), Secret::new(value.to_js_string()));
        }
        if let Some(method) = text_of("forceLoginMethod") {
            let known = ["claudeai", "console", "gateway"].contains(&method.as_str());
            self.login_method = Some(method).filter(|_| known);
        }
        if let Some(organizations) = members.get("forceLoginOrgUUID") {
            let one = organizations.string().map(|_| 1);
            self.organizations = organizations.items().map(|items| items.len()).or(one);
        }
        if let Some(path) = members.get("policyHelper").and_then(|helper| helper.get("path")) {
            self.policy_helper = path.string().map(PathBuf::from);
        }
        Ok(())
    }
}

/// The text of a settings file, which may be UTF-16LE with its mark: PowerShell 5 writes that (2.0.77 to 2.1.332, observed
/// 2026-11-25; not the config, nor credentials, nor UTF-16BE).
pub(crate) fn decode_settings(bytes: &[u8]) -> Cow<'_, str> {
    match bytes.strip_prefix(b"\xff\xfe") {
        Some(wide) => {
            let units = wide.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            Cow::Owned(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect())
        }
        None => decode(bytes),
    }
}

/// The name of a variable in an `env` block; on Windows it has no case (2.1.332, observed 2026-11-25).
pub(crate) fn variable_name(name: String) -> String {
    if cfg!(windows) { name.to_ascii_uppercase() } else { name }
}

pub(crate) fn js_trim(text: &str) -> &str {
    text.trim_matches(|c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}')
}

/// The helper that the client would run: that of the highest layer that names one, even if by an empty text.
pub(crate) fn helper(state: &State) -> Option<(Layer, &str)> {
    // 0.2.109 does not know `apiKeyHelper` in settings (observed 2026-11).
    if state.client.is_v0() || state.is_of_host() {
        return None;
    }
    let simple = state.is_simple();
    let mut layers = state.layers.iter().filter(|layer| !simple || layer.layer == Layer::Flag);
    layers
        .find_map(|settings| Some((settings.layer, settings.helper.as_deref()?)))
        .filter(|(_, helper)| !helper.is_empty())
}

/// The variables that a helper sees in addition to the process's environment: 2.1.330 adds those of settings and config, 2.0.77
/// none (observed 2026-11).
pub(crate) fn helper_variables(state: &State) -> BTreeMap<&str, &str> {
    let mut all = BTreeMap::new();
    if !state.client.has(Rule::BlocksAreAppliedFirst) {
        return all;
    }
    let layers = state.layers.iter().map(|settings| &settings.env);
    // What no environment can hold is left out.
    let fits = |text: &str| !text.contains('\0');
    for (name, value) in layers.chain([&state.config.env]).flatten() {
        let value = if matters(name) {
            let place = state.variables.read(name).next();
            place.filter(|place| place.source != Source::env(name)).map(|place| &place.value)
        } else {
            Some(value)
        };
        let is_name = fits(name) && !name.is_empty() && !name.contains('=');
        if let Some(value) = value.filter(|value| is_name && fits(value.reveal())) {
            all.entry(name.as_str()).or_insert(value.reveal());
        }
    }
    all
}

/// Where the client sends its requests: the effective ANTHROPIC_BASE_URL, and who set it. Blanks and a trailing slash are
/// cut (2.0.77, 2.1.330, observed 2026-11).
pub fn base_url(state: &State) -> (Option<Source>, &str) {
    match state.variables.effective(names::BASE_URL) {
        Some(place) => {
            let url = js_trim(place.value.reveal());
            (Some(place.source.clone()), url.strip_suffix('/').unwrap_or(url))
        }
        None => (None, DEFAULT_BASE_URL),
    }
}
