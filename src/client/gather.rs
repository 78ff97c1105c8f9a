//! Reads everything that decides which credential the client sends. IO only: nothing is judged here, and what cannot
//! be read is data, not an error.

mod descriptors;
mod files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Client;
use super::config;
use super::federation::{AnthropicProfile, is_name};
use super::json::{Json, decode};
use super::launch::Launch;
use super::paths::Paths;
use super::settings::{self, Settings, names};
use super::source::Layer;
use super::state::{FileState, HelperRun, Login, Reading, Scopes, Secret, State};
use super::version::since;
use super::worktree;
use crate::context::Context;
use crate::key::command;
use descriptors::open_descriptors;

pub(crate) use files::{MAX_BYTES, attributes_only, look, read, unreadable};

/// How long a helper may run. The client waits longer; a person who asks `cck verify` does not want to.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the state for `client` started in `project` (default: the working directory).
pub fn gather(
    context: &Context,
    client: Client,
    launch: &Launch,
    project: Option<&Path>,
    config_override: Option<&Path>,
) -> anyhow::Result<State> {
    let paths = Paths::locate(context, client, project, config_override)?;
    let mut process = BTreeMap::new();
    process.extend(context.vars().iter().filter_map(|(name, value)| {
        let name = name.to_str().filter(|name| matters(name))?;
        Some((name.to_owned(), Secret::new(value.to_string_lossy().into_owned())))
    }));
    // First of all, while cck itself has no file open.
    let open_descriptors = open_descriptors(&process);

    let mut settings_files = Vec::new();
    let layers: Vec<Settings> = Layer::ALL
        .into_iter()
        .map(|layer| read_layer(&paths, client, context, layer, &mut settings_files))
        .collect();

    let config_choice = paths.config_file(|path| is_legacy_config(client, path));
    let (config_file, config) = config::read(&config_choice.path, client, Some(&paths.project));

    let credentials_path = credentials_path(&paths, client, context);
    let (mut credentials_file, bytes) = read(&credentials_path);
    let login = parse(&mut credentials_file, &bytes, read_login);
    let mut state = State {
        client,
        launch: launch.clone(),
        process,
        layers,
        settings_files,
        config_choice,
        config_file,
        config: config.unwrap_or_default(),
        credentials_file,
        login: login.flatten(),
        open_descriptors,
        profile: None,
        has_identity_file: false,
        now: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |elapsed| elapsed.as_secs_f64()),
        helper: HelperRun::NotRun,
        paths,
    };
    if client >= since::PROFILES {
        state.profile = read_profile(&state, context);
        state.has_identity_file =
            settings::effective(&state, names::IDENTITY_FILE).is_some_and(|setting| {
                let (file, _) = read(&state.paths.project.join(setting.value.reveal()));
                file.reading == Reading::Read
            });
    }
    Ok(state)
}

/// Runs the helper that the client would run, as it does: by the shell, in the project, with the effective variables.
pub fn run_helper(state: &mut State) -> anyhow::Result<()> {
    let Some((_, helper)) = settings::helper(state) else {
        return Ok(());
    };
    // Before 2.1.330 the client took what a helper printed whatever its exit code (2.0.77, observed 2026-11).
    let command = if state.client < since::HELPER_EXIT_CODE {
        format!("(\n{helper}\n)\nexit 0")
    } else {
        helper.to_owned()
    };
    let printed = command::output_with(
        &command,
        &state.paths.project,
        HELPER_TIMEOUT,
        &settings::helper_variables(state),
    )?;
    state.helper = match printed {
        Ok(text) => HelperRun::Printed(Secret::new(settings::js_trim(&text).to_owned())),
        Err(ended) => HelperRun::Failed(ended),
    };
    Ok(())
}

/// Whether a variable of that name can matter to a credential.
fn matters(name: &str) -> bool {
    name.starts_with("ANTHROPIC_") || name.starts_with("CLAUDE_")
}

/// Where the stored login is.
fn credentials_path(paths: &Paths, client: Client, context: &Context) -> PathBuf {
    match context.home() {
        // 0.2.109 ignores a login in $CLAUDE_CONFIG_DIR (observed 2026-11).
        Some(home) if client < since::V1 => home.join(".claude/.credentials.json"),
        _ => paths.credentials.clone(),
    }
}

/// Whether the legacy config replaces the global one: 2.1.330 passes over one of 0 bytes and a directory, 2.0.77 does not;
/// a dangling link is as absent (observed 2026-11).
pub(crate) fn is_legacy_config(client: Client, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        client < since::EMPTY_LEGACY_IS_NONE
            || (!metadata.is_dir() && (!metadata.is_file() || metadata.len() > 0))
    })
}

/// The Anthropic profile that ANTHROPIC_PROFILE names, else the one in `active_config`, else `default`.
fn read_profile(state: &State, context: &Context) -> Option<AnthropicProfile> {
    let dir = match settings::effective(state, names::PROFILES_DIR) {
        Some(setting) => state.paths.project.join(setting.value.reveal()),
        None => match context.var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()) {
            Some(dir) => Path::new(dir).join("anthropic"),
            None => context.home()?.join(".config/anthropic"),
        },
    };
    let text = |path: &Path| match read(path) {
        (FileState { reading: Reading::Read, attributes, .. }, bytes) => Some((bytes, attributes)),
        _ => None,
    };
    let name = match settings::effective(state, names::PROFILE) {
        Some(setting) => setting.value.reveal().trim().to_owned(),
        None => text(&dir.join("active_config")).map_or_else(
            || "default".to_owned(),
            |(bytes, _): (Vec<u8>, _)| decode(&bytes).trim().to_owned(),
        ),
    };
    if !is_name(&name) {
        return None;
    }
    let (config, _) = text(&dir.join(format!("configs/{name}.json")))?;
    let credentials = text(&dir.join(format!("credentials/{name}.json")));
    let mode = credentials
        .as_ref()
        .and_then(|(_, attributes)| attributes.map(|attributes| attributes.mode));
    Some(AnthropicProfile::parse(
        &name,
        Some(&config),
        credentials.as_ref().map(|(bytes, _)| &**bytes),
        mode,
    ))
}

fn read_layer(
    paths: &Paths,
    client: Client,
    context: &Context,
    layer: Layer,
    files: &mut Vec<(Layer, FileState)>,
) -> Settings {
    let main = match layer {
        Layer::Managed => &paths.managed_settings,
        Layer::Local => &paths.local_settings,
        Layer::Project => &paths.project_settings,
        Layer::User => &paths.user_settings,
    };
    let mut settings = Settings::empty(layer, main.clone());
    // Laid over the main file, in this order. 2.0.77 knows none of them (observed 2026-11).
    let over = match layer {
        Layer::Managed if client >= since::DROP_INS => drop_ins(&paths.managed_drop_ins),
        Layer::Local if client >= since::LOCAL_OF_ROOT => {
            worktree::root(&paths.project, context.home().as_deref())
                .map(|root| root.join(".claude/settings.local.json"))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    };
    for path in std::iter::once(main.clone()).chain(over) {
        let (mut file, bytes) = read(&path);
        parse(&mut file, &bytes, |bytes| settings.merge(client, bytes));
        files.push((layer, file));
    }
    settings
}

/// The drop-ins of managed settings, in the order they are merged: by name.
fn drop_ins(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| {
            !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    // Directories of that name are passed over.
    paths.retain(|path| fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()));
    paths.sort();
    paths
}

/// Parses what was read; what the client does not take becomes the file's reading.
fn parse<T>(
    file: &mut FileState,
    bytes: &[u8],
    parser: impl FnOnce(&[u8]) -> Result<T, Reading>,
) -> Option<T> {
    if file.reading != Reading::Read {
        return None;
    }
    match parser(bytes) {
        Ok(value) => Some(value),
        Err(reading) => {
            file.reading = reading;
            None
        }
    }
}

/// The login in the bytes of a credentials file, if there is one.
pub fn read_login(bytes: &[u8]) -> Result<Option<Login>, Reading> {
    // Unlike the other files, this one must not begin with a BOM (2.0.77, 2.1.330, observed 2026-11).
    let text = String::from_utf8_lossy(bytes);
    let [login] = Json::pick(&text, ["claudeAiOauth"]).map_err(Reading::Malformed)?;
    let member = |name| login.and_then(|login: Json<'_>| login.get(name));
    let Some(token) = member("accessToken").filter(|token| token.is_truthy()) else {
        return Ok(None);
    };
    let scopes = member("scopes").map_or(Scopes::Lacking, |scopes| {
        let granted = match (scopes.items(), scopes.string()) {
            (Some(items), _) => {
                items.iter().any(|scope| scope.string().as_deref() == Some("user:inference"))
            }
            // A text is searched.
            (None, Some(text)) => text.contains("user:inference"),
            (None, None) if scopes.is_truthy() => return Scopes::Odd,
            (None, None) => false,
        };
        if granted { Scopes::Granted } else { Scopes::Lacking }
    });
    Ok(Some(Login {
        token: Secret::new(token.to_js_string()),
        scopes,
        expires_at: member("expiresAt").and_then(Json::number),
    }))
}
