//! Keys at a place or under a name that the client does not read. IO only.

use std::path::{Path, PathBuf};

use crate::client::{
    Json, Problem, State, decode, names, source::VARIABLES, surroundings::MAX_COPY_BYTES,
};
use crate::context::Context;
use crate::disk;
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

const IN_SETTINGS: [&str; 5] = ["apiKey", "api_key", "primaryApiKey", names::KEY, names::TOKEN];

pub(super) fn find(state: &State, context: &Context) -> Vec<Problem> {
    let show = |path: &Path| state.show(path);
    let remove = |name: &str, place: &str| format!("remove {name} from {place}, then: cck set-key");
    let mut found = in_other_configs(state);
    for (_, file) in &state.settings_files {
        let place = show(&file.path);
        for name in members(&file.path, IN_SETTINGS) {
            let message = format!("{place} has {name}, which the client does not read");
            found.push(misplaced(message, remove(name, &place)));
        }
    }
    let place = show(&state.config_file.path);
    for &name in &state.config.misplaced {
        let message = format!("{place} has {name}, which the client does not read there");
        let fix = match name {
            "apiKeyHelper" => format!("move it to {}", show(&state.paths.user_settings)),
            _ => remove(name, &place),
        };
        found.push(misplaced(message, fix));
    }
    in_variables(state, context, &mut found);
    found
}

fn misplaced(message: String, fix: impl Into<String>) -> Problem {
    Problem::warning("misplaced-key", message, fix)
}

/// Configs with a key that the client passes over, where it finds none in its own.
fn in_other_configs(state: &State) -> Vec<Problem> {
    if state.config.primary_key.is_some() {
        return Vec::new();
    }
    let show = |path: &Path| state.show(path);
    let read = &state.config_file.path;
    let at_home = state.facts.home.as_ref().map(|home| home.join(".claude.json"));
    let in_dir = [".claude.json", "config.json"].map(|name| state.paths.claude_dir.join(name));
    let why = match state.paths.config_dir_var {
        Some(_) => format!("CLAUDE_CONFIG_DIR has the client read {}", show(read)),
        None => format!("the client reads {}", show(read)),
    };
    let others = at_home.into_iter().chain(in_dir).filter(|path| path != read);
    let with_key = others.filter(|path| members(path, ["primaryApiKey"]).next().is_some());
    let message = |path: PathBuf| format!("{} holds a key, but {why}", show(&path));
    with_key.map(|path| misplaced(message(path), "cck set-key")).collect()
}

/// Those of the names that are members with a text, in a JSON file that is not too large.
fn members<const N: usize>(
    path: &Path,
    names: [&'static str; N],
) -> impl Iterator<Item = &'static str> {
    let bytes = disk::read_file(path, MAX_COPY_BYTES).unwrap_or_default();
    let text = decode(&bytes);
    let has_text = |value: Json<'_>| value.string().is_some_and(|text| !text.is_empty());
    let found = Json::pick(&text, names);
    let found = found.map_or([false; N], |found| found.map(|value| value.is_some_and(has_text)));
    names.into_iter().zip(found).filter(|(_, has)| *has).map(|(name, _)| name)
}

/// Variables whose names are nearly those that the client reads, with a key in them.
fn in_variables(state: &State, context: &Context, found: &mut Vec<Problem>) {
    let process = context.vars().iter().filter_map(|(name, value)| {
        Some((name.to_str()?, value.to_str()?, "the environment".to_owned()))
    });
    let settings = state.layers.iter().flat_map(|settings| {
        let place = state.show(&settings.file);
        settings.env.iter().map(move |(name, value)| (&**name, value.reveal(), place.clone()))
    });
    for (name, value, place) in process.chain(settings) {
        // To compare all names with one another would take as long as everything else.
        if VARIABLES.iter().any(|(known, _)| *known == name) || !shape::holds_key(value) {
            continue;
        }
        let upper = name.to_ascii_uppercase();
        let mut known = VARIABLES.iter().map(|(name, _)| *name);
        let meant = known.find(|known| strsim::osa_distance(&upper, known) <= 2);
        if meant.is_none() && !NEIGHBOURS.contains(&&*upper) {
            continue;
        }
        let meant = meant.unwrap_or(names::KEY);
        let fix = if place == "the environment" {
            format!("export {meant}=\"${name}\"; unset {name}")
        } else {
            format!("rename it to {meant} in {place}")
        };
        let message = format!("{name} in {place} holds a key, and the client reads {meant}");
        found.push(misplaced(message, fix));
    }
}
