//! The settings layers, what each holds that decides about credentials, and the variables that come of them. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Client;
use super::json::{Json, NotJson, decode};
use super::source::{Layer, Origin, Source};
use super::state::{Secret, State};

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
        Settings {
            layer,
            file,
            helper: None,
            env: BTreeMap::new(),
        }
    }

    /// Takes over what the text of a settings file sets.
    ///
    /// # Errors
    /// Where the file is not JSON; the client then goes on as if it was not there (2.1.330, observed 2026-11).
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), NotJson> {
        let text = decode(bytes);
        let [helper, env] = Json::pick(&text, ["apiKeyHelper", "env"])?;
        if let Some(helper) = helper.and_then(Json::string) {
            self.helper = Some(helper);
        }
        for (name, value) in env.map(Json::members).unwrap_or_default() {
            // A number or a boolean becomes its text.
            let value = value.string().or_else(|| value.literal().map(str::to_owned));
            if let Some(value) = value {
                self.env.insert(name, Secret::new(value));
            }
        }
        Ok(())
    }
}

/// Whether the client reads this layer at all.
fn is_read(client: Client, layer: Layer) -> bool {
    // 0.2.109 takes `env` from managed and project settings only (observed 2026-11).
    client != Client::V0_2 || matches!(layer, Layer::Managed | Layer::Project)
}

/// A variable where it is set.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Where.
    pub source: Source,
    /// To what; empty text counts as unset, and hides the lower ones all the same.
    pub value: &'a Secret,
}

/// Every place that sets the variable `name`, the effective one first.
///
/// `env` blocks of settings override the process's environment: managed > local > project > user, then `env` of the
/// global config, then the process (1.0.128, 2.0.77, 2.1.330, observed 2026-11).
pub fn settings_of<'a>(state: &'a State, name: &str) -> Vec<Setting<'a>> {
    let layers = state
        .layers
        .iter()
        .filter(|settings| is_read(state.client, settings.layer))
        .map(|settings| (Origin::Settings(settings.layer), &settings.env));
    layers
        .chain([
            (Origin::Config, &state.config.env),
            (Origin::Process, &state.process),
        ])
        .filter_map(|(origin, env)| {
            env.get(name).map(|value| Setting {
                source: Source::Variable(origin, name.to_owned()),
                value,
            })
        })
        .collect()
}

/// The effective value of a variable; none where it is unset or empty.
pub fn effective<'a>(state: &'a State, name: &str) -> Option<Setting<'a>> {
    settings_of(state, name)
        .into_iter()
        .next()
        .filter(|setting| !setting.value.is_empty())
}

/// Whether a variable is switched on, as the client reads its switches (2.1.330, observed 2026-11: `0`, `false`, `no`,
/// `off` and the empty text do not switch on).
pub fn is_on(state: &State, name: &str) -> bool {
    effective(state, name).is_some_and(|setting| {
        let value = setting.value.reveal().trim().to_ascii_lowercase();
        ["1", "true", "yes", "on"].contains(&value.as_str())
    })
}

/// The helper that the client would run: that of the highest layer that names one, even if by an empty text.
pub fn helper(state: &State) -> Option<(Layer, &str)> {
    // 0.2.109 does not know `apiKeyHelper` in settings (observed 2026-11).
    if state.client == Client::V0_2 {
        return None;
    }
    state
        .layers
        .iter()
        .find_map(|settings| settings.helper.as_deref().map(|helper| (settings.layer, helper)))
        .filter(|(_, helper)| !helper.is_empty())
}

/// The variables that settings and config set over the process's environment, with the values in force.
pub fn overrides(state: &State) -> BTreeMap<&str, &str> {
    let layers = state
        .layers
        .iter()
        .filter(|settings| is_read(state.client, settings.layer))
        .map(|settings| &settings.env);
    let mut all = BTreeMap::new();
    for env in layers.chain([&state.config.env]) {
        // What no environment can hold is left out.
        let fits = |text: &str| !text.contains('\0');
        for (name, value) in env.iter().filter(|(name, value)| {
            fits(name) && fits(value.reveal()) && !name.is_empty() && !name.contains('=')
        }) {
            all.entry(name.as_str()).or_insert(value.reveal());
        }
    }
    all
}

/// Where the client sends its requests: the effective ANTHROPIC_BASE_URL, and who set it.
pub fn base_url(state: &State) -> (Option<Source>, &str) {
    match effective(state, "ANTHROPIC_BASE_URL") {
        Some(setting) => (Some(setting.source), setting.value.reveal()),
        None => (None, DEFAULT_BASE_URL),
    }
}

/// Where the client sends its requests if nothing else is said.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";
