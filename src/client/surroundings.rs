//! Looks at what lies around the files: copies, git, owners, the helper's program. IO only; nothing is judged here.

mod misplaced;

use std::fs;
use std::path::{Path, PathBuf};

use super::{
    Env, FileState, Json, Problem, Reading, State,
    copies::{self, Kind},
    decode,
    gather::{self, files},
    git::{self, Git},
    names, settings,
};
use crate::context::Context;
use crate::disk;

const MAX_COPY_BYTES: u64 = 4 << 20;

#[derive(Debug, Default)]
pub struct Surroundings {
    pub user: u32,
    /// Copies of the config that hold a key, or are too large to tell.
    pub copies: Vec<FileState>,
    pub in_git: Vec<(PathBuf, Git)>,
    pub replaced_config: Option<PathBuf>,
    pub config_dir_is_missing: bool,
    /// Whether CLAUDE_CONFIG_DIR is set and empty: the client takes the working directory for its own.
    pub config_dir_is_empty: bool,
    pub is_mount: bool,
    pub misplaced: Vec<Problem>,
    /// The program of the helper in force, where it is named by a path and cannot be run.
    pub unusable_helper: Option<PathBuf>,
}

pub(crate) fn look(state: &State, context: &Context) -> Surroundings {
    let paths = &state.paths;
    let is_legacy = paths.legacy_config.as_ref() == Some(&state.config_file.path);
    Surroundings {
        user: disk::user(),
        copies: copies::find(paths, &state.config_file.path)
            .files
            .iter()
            .filter(|(path, kind)| *kind != Kind::Other && *path != paths.global_config)
            .filter_map(|(path, _)| copy_with_key(path))
            .collect(),
        in_git: with_credentials(state)
            .into_iter()
            .map(|path| disk::real(path).unwrap_or_else(|_| path.to_path_buf()))
            .filter_map(|path| git::look(&path, context).map(|git| (path, git)))
            .collect(),
        replaced_config: Some(paths.global_config.clone())
            .filter(|path| is_legacy && fs::symlink_metadata(path).is_ok()),
        is_mount: matches!(state.config_file.reading, Reading::NotAFile(_))
            && is_mount(&state.config_file.path),
        misplaced: misplaced::find(state, context),
        config_dir_is_missing: paths.config_dir_var.is_some() && !paths.claude_dir.is_dir(),
        config_dir_is_empty: !state.client.is_v0()
            && context.var_os("CLAUDE_CONFIG_DIR").is_some_and(|dir| dir.is_empty()),
        unusable_helper: settings::helper(state)
            .and_then(|(_, helper)| program(helper, &paths.project, context))
            .filter(|program| !disk::is_program(program)),
    }
}

pub(crate) fn with_credentials(state: &State) -> Vec<&Path> {
    const VARIABLES: [&str; 4] = [names::KEY, names::TOKEN, names::OAUTH, names::HEADERS];
    let holds = |env: &Env| {
        VARIABLES.iter().any(|name| env.get(*name).is_some_and(|value| !value.is_empty()))
    };
    let config = &state.config;
    let has_key = config.primary_key.is_some() || holds(&config.env);
    let config = has_key.then_some(&state.config_file.path);
    let layers = state.layers.iter().filter(|settings| holds(&settings.env));
    let login = state.login.as_ref().map(|_| &state.credentials_file.path);
    let files = config.into_iter().chain(layers.map(|settings| &settings.file)).chain(login);
    files.map(PathBuf::as_path).collect()
}

fn is_mount(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = disk::real(path).unwrap_or_else(|_| path.to_path_buf());
    mounts.lines().any(|line| {
        let place = line.split(' ').nth(4).unwrap_or_default().replace("\\040", " ");
        Path::new(&place) == real
    })
}

pub(crate) fn copy_with_key(path: &Path) -> Option<FileState> {
    let (file, opened) = files::look(path);
    if opened?.1 > MAX_COPY_BYTES {
        return Some(file);
    }
    let (file, bytes) = gather::read(path);
    if file.reading != Reading::Read {
        return None;
    }
    let text = decode(&bytes);
    let holds = match Json::pick(&text, ["primaryApiKey"]) {
        Ok([key]) => key.and_then(Json::string).is_some_and(|key| !key.is_empty()),
        // A corrupted copy may hold one anyway.
        Err(_) => text.contains("sk-ant-"),
    };
    holds.then_some(file)
}

/// The program that a helper starts, where it is plainly a path.
fn program(helper: &str, project: &Path, context: &Context) -> Option<PathBuf> {
    let word = helper.split_ascii_whitespace().next()?;
    let is_plain = word
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~' | '+' | '@'));
    if !is_plain || !word.contains('/') {
        return None;
    }
    Some(match word.strip_prefix("~/") {
        Some(rest) => context.home()?.join(rest),
        None if word.starts_with('~') => return None,
        None => project.join(word),
    })
}
