//! Reads everything that decides which credential the client sends. IO only: nothing is judged here, and what cannot
//! be read is data, not an error.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Client;
use super::json::{Json, NotJson, decode};
use super::paths::Paths;
use super::settings::{self, Settings};
use super::source::Layer;
use super::state::{Answers, Attributes, Config, FileState, HelperRun, Login, Reading, Secret, State};
use crate::command;
use crate::context::Context;

/// A file with more bytes than this is not read: it is the longest text that the client's JavaScript engine can hold
/// (V8: 2^29 - 24 characters).
pub const MAX_BYTES: u64 = (1 << 29) - 24;

/// How long a helper may run. The client waits longer; a person who asks `cck verify` does not want to.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the state for `client` started in `project` (default: the working directory).
///
/// # Errors
/// Only where it is unknown where to look: HOME is needed and not set.
pub fn gather(
    context: &Context,
    client: Client,
    project: Option<&Path>,
    config_override: Option<&Path>,
) -> anyhow::Result<State> {
    let paths = Paths::locate(context, client, project, config_override)?;
    let process = context
        .vars()
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_str().filter(|name| matters(name))?;
            Some((name.to_owned(), Secret::new(value.to_string_lossy().into_owned())))
        })
        .collect();

    let mut settings_files = Vec::new();
    let layers: Vec<Settings> = Layer::ALL
        .into_iter()
        .map(|layer| read_layer(&paths, layer, &mut settings_files))
        .collect();

    let config_choice = paths.config_file(|path| fs::symlink_metadata(path).is_ok());
    // Trust only matters where the project brings settings; looking for it in a large config costs a second scan.
    let project_has_settings = settings_files
        .iter()
        .any(|(layer, file)| layer.is_of_project() && file.reading == Reading::Read);
    let (mut config_file, bytes) = read(&config_choice.path);
    let config = parse(&mut config_file, &bytes, |bytes| {
        let project = project_has_settings.then_some(paths.project.as_path());
        read_config(bytes, client, project)
    });
    drop(bytes);

    let credentials_path = credentials_path(&paths, client, context);
    let (mut credentials_file, bytes) = read(&credentials_path);
    let login = parse(&mut credentials_file, &bytes, read_login);
    Ok(State {
        client,
        process,
        layers,
        settings_files,
        config_choice,
        config_file,
        config: config.unwrap_or_default(),
        credentials_file,
        login: login.flatten(),
        helper: HelperRun::NotRun,
        paths,
    })
}

/// Runs the helper that the client would run, as it does: by the shell, in the project, with the effective variables.
///
/// # Errors
/// Only where no shell can be started.
pub fn run_helper(state: &mut State) -> anyhow::Result<()> {
    let Some((_, helper)) = settings::helper(state) else {
        return Ok(());
    };
    let printed = command::output_with(
        helper,
        &state.paths.project,
        HELPER_TIMEOUT,
        &settings::overrides(state),
    )?;
    state.helper = match printed {
        Ok(text) => HelperRun::Printed(Secret::new(text.trim().to_owned())),
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
    match (client, context.home()) {
        // 0.2.109 ignores a login in $CLAUDE_CONFIG_DIR (observed 2026-11).
        (Client::V0_2, Some(home)) => home.join(".claude/.credentials.json"),
        _ => paths.credentials.clone(),
    }
}

fn read_layer(paths: &Paths, layer: Layer, files: &mut Vec<(Layer, FileState)>) -> Settings {
    let main = match layer {
        Layer::Managed => &paths.managed_settings,
        Layer::Local => &paths.local_settings,
        Layer::Project => &paths.project_settings,
        Layer::User => &paths.user_settings,
    };
    let mut settings = Settings::empty(layer, main.clone());
    let drop_ins = if layer == Layer::Managed {
        drop_ins(&paths.managed_drop_ins)
    } else {
        Vec::new()
    };
    for path in std::iter::once(main.clone()).chain(drop_ins) {
        let (mut file, bytes) = read(&path);
        parse(&mut file, &bytes, |bytes| settings.merge(bytes));
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
            !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    paths.sort();
    paths
}

/// Parses what was read; what is no JSON becomes the file's reading.
fn parse<T>(
    file: &mut FileState,
    bytes: &[u8],
    parser: impl FnOnce(&[u8]) -> Result<T, NotJson>,
) -> Option<T> {
    if file.reading != Reading::Read {
        return None;
    }
    match parser(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            file.reading = Reading::Malformed(error);
            None
        }
    }
}

fn read_config(bytes: &[u8], client: Client, project: Option<&Path>) -> Result<Config, NotJson> {
    // 2.0.77 and 2.1.330 skip a BOM; 1.0.128 stops at it (observed 2026-11).
    if client < Client::V2 && bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(NotJson {
            line: 1,
            column: 1,
            why: "this client does not take a byte order mark".into(),
        });
    }
    let text = decode(bytes);
    let [key, onboarded, answers, env, projects] = Json::pick(
        &text,
        [
            "primaryApiKey",
            "hasCompletedOnboarding",
            "customApiKeyResponses",
            "env",
            "projects",
        ],
    )?;
    let list = |name| {
        let items = answers
            .and_then(|answers| answers.get(name))
            .and_then(Json::items);
        items.map_or(Answers::None, |items| {
            Answers::List(items.into_iter().filter_map(Json::string).collect())
        })
    };
    let mut variables = BTreeMap::new();
    for (name, value) in env.map(Json::members).unwrap_or_default() {
        if let Some(value) = value.string().or_else(|| value.literal().map(str::to_owned)) {
            variables.insert(name, Secret::new(value));
        }
    }
    Ok(Config {
        primary_key: key.and_then(Json::string).map(Secret::new),
        primary_key_kind: key.map(Json::kind).filter(|kind| *kind != "a string"),
        onboarded: onboarded.is_some_and(Json::is_truthy),
        approved: list("approved"),
        rejected: list("rejected"),
        env: variables,
        trusted: match (projects, project) {
            (Some(projects), Some(project)) => is_trusted(projects, project),
            _ => false,
        },
    })
}

/// Whether the client was told to trust the project or a directory above it.
fn is_trusted(projects: Json<'_>, project: &Path) -> bool {
    let real = fs::canonicalize(project).unwrap_or_else(|_| project.to_path_buf());
    let names: Vec<&str> = real.ancestors().filter_map(Path::to_str).collect();
    projects
        .get_all(&names)
        .into_iter()
        .flatten()
        .any(|entry| entry.get("hasTrustDialogAccepted").is_some_and(Json::is_truthy))
}

fn read_login(bytes: &[u8]) -> Result<Option<Login>, NotJson> {
    let text = decode(bytes);
    let [login] = Json::pick(&text, ["claudeAiOauth"])?;
    Ok(login.and_then(|login| {
        let token = login.get("accessToken")?.string()?;
        let scopes = login.get("scopes").and_then(Json::items).unwrap_or_default();
        Some(Login {
            token: Secret::new(token),
            may_infer: scopes
                .iter()
                .any(|scope| scope.string().as_deref() == Some("user:inference")),
            expires_at: login.get("expiresAt").and_then(Json::number),
        })
    }))
}

/// Reads a file. Never waits: a FIFO is opened without blocking and not read.
fn read(path: &Path) -> (FileState, Vec<u8>) {
    let mut attributes = None;
    let mut bytes = Vec::new();
    let reading = match open(path) {
        Ok(file) => read_open(&file, &mut attributes, &mut bytes).unwrap_or_else(|error| unreadable(&error)),
        Err(error) => {
            attributes = fs::metadata(path).ok().map(|metadata| attributes_of(&metadata));
            unreadable(&error)
        }
    };
    if reading != Reading::Read {
        bytes.clear();
    }
    let file = FileState {
        path: path.to_path_buf(),
        reading,
        attributes,
    };
    (file, bytes)
}

fn open(path: &Path) -> io::Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblock.bits().cast_signed())
        .open(path)
}

fn read_open(
    mut file: &File,
    attributes: &mut Option<Attributes>,
    bytes: &mut Vec<u8>,
) -> io::Result<Reading> {
    let metadata = file.metadata()?;
    *attributes = Some(attributes_of(&metadata));
    let kind = metadata.file_type();
    if !kind.is_file() {
        return Ok(Reading::NotAFile(if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        }));
    }
    if metadata.len() > MAX_BYTES {
        return Ok(Reading::TooLarge(metadata.len()));
    }
    bytes.reserve_exact(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    // One byte over the limit tells that the file has grown past it meanwhile.
    let read = Read::by_ref(&mut file).take(MAX_BYTES + 1).read_to_end(bytes)? as u64;
    Ok(if read > MAX_BYTES {
        Reading::TooLarge(read)
    } else if read == 0 {
        Reading::Empty
    } else {
        Reading::Read
    })
}

fn attributes_of(metadata: &fs::Metadata) -> Attributes {
    Attributes {
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
        size: metadata.len(),
    }
}

fn unreadable(error: &io::Error) -> Reading {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reading::Missing,
        // What opening a socket says.
        _ if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            Reading::NotAFile("a socket")
        }
        _ => Reading::Unreadable(error.to_string()),
    }
}
