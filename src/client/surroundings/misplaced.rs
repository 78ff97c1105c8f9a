//! Keys at a place or under a name that the client does not read. IO only.

use std::path::Path;

use super::super::gather;
use super::super::json::{Json, decode};
use super::super::paths::display;
use super::super::settings::names;
use super::super::source::VARIABLES;
use super::super::state::{Reading, State};
use super::{MAX_COPY_BYTES, Misplaced};
use crate::context::Context;
use crate::key::shape;

/// Names that are a variable's in other tools, or in what people remember of it.
const NEIGHBOURS: [&str; 8] = [
    "CLAUDE_API_KEY",
    "CLAUDE_KEY",
    "CLAUDE_CODE_API_KEY",
    "CLAUDE_AUTH_TOKEN",
    "ANTHROPIC_KEY",
    "ANTHROPIC_TOKEN",
    "ANTHROPIC_API_TOKEN",
    "ANTHROPIC_AUTH_KEY",
];

pub(super) fn find(state: &State, context: &Context) -> Vec<Misplaced> {
    let mut found = Vec::new();
    in_files(state, context, &mut found);
    in_variables(state, context, &mut found);
    found
}

/// Configs and members that the client passes over.
fn in_files(state: &State, context: &Context, found: &mut Vec<Misplaced>) {
    let show = |path: &Path| display(path, context.home_var());
    let read = &state.config_file.path;
    let home = context.home();
    let at_home = home.as_ref().map(|home| home.join(".claude.json"));
    let in_dir = [".claude.json", "config.json"].map(|name| state.paths.claude_dir.join(name));
    for path in at_home.into_iter().chain(in_dir) {
        let [key] = members(&path, ["primaryApiKey"]);
        if path == *read || key.is_none_or(|key| key.is_empty()) {
            continue;
        }
        let why = match &state.paths.config_dir_var {
            Some(_) => format!("CLAUDE_CONFIG_DIR has the client read {}", show(read)),
            None => format!("the client reads {}", show(read)),
        };
        found.push(Misplaced {
            message: format!("{} holds a key, but {why}", show(&path)),
            fix: "cck set-key".into(),
        });
    }
    let settings = state.settings_files.iter().map(|(_, file)| file.path.as_path());
    for path in settings {
        for name in ["apiKey", "api_key", "primaryApiKey", names::KEY, names::TOKEN] {
            let [key] = members(path, [name]);
            if key.is_some_and(|key| !key.is_empty()) {
                found.push(Misplaced {
                    message: format!("{} has {name}, which the client does not read", show(path)),
                    fix: format!("cck set-key, and remove {name} from {}", show(path)),
                });
            }
        }
    }
    for name in ["apiKeyHelper", "apiKey", names::KEY] {
        let [value] = members(read, [name]);
        if value.is_some_and(|value| !value.is_empty()) {
            let fix = if name == "apiKeyHelper" {
                format!("move it to {}", show(&state.paths.user_settings))
            } else {
                "cck set-key".to_owned()
            };
            found.push(Misplaced {
                message: format!("{} has {name}, which the client does not read there", show(read)),
                fix,
            });
        }
    }
}

/// Texts in a JSON file that is not too large.
fn members<const N: usize>(path: &Path, names: [&str; N]) -> [Option<String>; N] {
    const NONE: Option<String> = None;
    if std::fs::metadata(path).map_or(0, |metadata| metadata.len()) > MAX_COPY_BYTES {
        return [NONE; N];
    }
    let (file, bytes) = gather::read(path);
    if file.reading != Reading::Read {
        return [NONE; N];
    }
    Json::pick(&decode(&bytes), names)
        .map_or([NONE; N], |found| found.map(|value| value.and_then(Json::string)))
}

/// Variables whose names are nearly those that the client reads, with a key in them.
fn in_variables(state: &State, context: &Context, found: &mut Vec<Misplaced>) {
    let process = context.vars().iter().filter_map(|(name, value)| {
        Some((name.to_str()?, value.to_str()?, "the environment".to_owned()))
    });
    let show = |path: &Path| display(path, context.home_var());
    let settings = state.layers.iter().flat_map(|settings| {
        let place = show(&settings.file);
        settings.env.iter().map(move |(name, value)| (&**name, value.reveal(), place.clone()))
    });
    for (name, value, place) in process.chain(settings) {
        let upper = name.to_ascii_uppercase();
        let meant = VARIABLES.iter().find(|known| strsim::osa_distance(&upper, known) <= 2);
        let is_known = VARIABLES.contains(&name);
        let is_near = NEIGHBOURS.contains(&&*upper) || meant.is_some();
        if is_known || !is_near || !shape::holds_key(value) {
            continue;
        }
        let meant = meant.copied().unwrap_or(names::KEY);
        let fix = if place == "the environment" {
            format!("export {meant}=\"${name}\"; unset {name}")
        } else {
            format!("rename it to {meant} in {place}")
        };
        found.push(Misplaced {
            message: format!("{name} in {place} holds a key, and the client reads {meant}"),
            fix,
        });
    }
}
