//! Reads what decides which credential the client sends, each file once. IO only: nothing is judged here, no version of the
//! client plays a part, and what cannot be read is data, not an error.

pub(crate) mod files;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::{
    AnthropicProfile, Client, Env, FileState, HelperRun, Json, Keychain, Launch, Mode, Picked,
    Policy, Reading, Roots, Rule, Secret, State, config, decode, federation::is_name, git, js_trim,
    keychain, names, policy, settings, variables::matters,
};
use crate::context::{Context, Platform};
use crate::disk;
use crate::key::command;
use crate::shell;

pub(crate) use files::{MAX_BYTES, read};

/// How long a helper may run. The client waits longer; a person who asks `cck verify` does not want to.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// What was read, by its path.
type Known<T> = RefCell<BTreeMap<PathBuf, (FileState, T)>>;

#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub roots: Roots,
    pub home: Option<PathBuf>,
    /// The environment that the client would be started with, as far as its names matter.
    pub process: Env,
    /// Whether a file that is not here yet is read.
    pub reads: bool,
    pub files: Known<Rc<Zeroizing<Vec<u8>>>>,
    pub configs: Known<Picked>,
    pub drop_ins: Vec<PathBuf>,
    pub root_local: Option<PathBuf>,
    pub profiles_dir: Option<PathBuf>,
    /// Those of the file descriptors named by variables that are open.
    pub open_descriptors: BTreeMap<String, Option<Secret>>,
    /// Server-managed settings: as they are cached, or as the server gave them.
    pub server_settings: Option<Zeroizing<Vec<u8>>>,
    /// The cached ones, where the server gave others or none.
    pub last_settings: Option<Zeroizing<Vec<u8>>>,
    /// Whether the server was asked, and gave no answer: those cached are not confirmed.
    pub server_fails: bool,
    /// What a managed `policyHelper` gave when it was run, or how it failed.
    pub policy: Option<Result<Option<Secret>, String>>,
    pub keychain: Keychain,
    /// The machine's policy and the user's, as the system keeps them.
    pub policies: [Option<Policy>; 2],
    /// The time, in seconds since 1970.
    pub now: f64,
}

/// The state for `client`, started so in `project` (default: the working directory).
pub fn gather(
    context: &Context,
    client: Client,
    launch: &Launch,
    project: Option<&Path>,
    config_override: Option<&Path>,
) -> anyhow::Result<State> {
    let roots = Roots::locate(context, project, config_override)?;
    let home = context.home();
    let mut facts = Facts { roots, home, reads: true, ..Facts::default() };
    facts.process.extend(context.vars().iter().filter_map(|(name, value)| {
        let name = name.to_str().filter(|name| matters(name))?;
        Some((name.to_owned(), Secret::new(value.to_string_lossy().into_owned())))
    }));
    // First of all, while cck itself has no file open.
    facts.open_descriptors = open_descriptors(&facts.process);
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    facts.now = elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64());
    let is_windows = context.platform() == Platform::Windows;
    // Not read on Windows (2.1.332 under Wine, observed 2026-11-25).
    facts.root_local = git::root(&facts.roots.project, facts.home.as_deref())
        .filter(|_| !is_windows)
        .map(|root| root.join(".claude/settings.local.json"));
    let (variable, name) =
        if is_windows { ("APPDATA", "Anthropic") } else { ("XDG_CONFIG_HOME", "anthropic") };
    // A blank one is as none (2.1.195, 2.1.332, observed 2026-11-27).
    let is_set = |dir: &&OsStr| !dir.to_string_lossy().trim().is_empty();
    facts.profiles_dir = match context.var_os(variable).filter(is_set) {
        Some(dir) => Some(Path::new(dir).join(name)),
        None => facts.home.as_ref().map(|home| home.join(".config/anthropic")),
    };
    let paths = facts.roots.paths(Client::V2);
    facts.drop_ins = drop_ins(&paths.managed_settings.with_extension("d"));
    let (cached, bytes) = facts.file(&paths.server_settings);
    facts.server_settings = cached.reading.exists().then(|| (*bytes).clone());
    facts.keychain = keychain::read(context);
    facts.policies = policy::read(context);
    Ok(State::new(facts, client, launch.clone()))
}

impl Facts {
    pub(crate) fn file(&self, path: &Path) -> (FileState, Rc<Zeroizing<Vec<u8>>>) {
        self.look_up(&self.files, path, || {
            let (file, bytes) = read(path);
            (file, Rc::new(bytes.into()))
        })
    }

    pub(crate) fn config(&self, path: &Path) -> (FileState, Picked) {
        self.look_up(&self.configs, path, || config::read(path, Some(&self.roots.project)))
    }

    fn look_up<T: Clone + Default>(
        &self,
        known: &Known<T>,
        path: &Path,
        read: impl FnOnce() -> (FileState, T),
    ) -> (FileState, T) {
        if let Some(found) = known.borrow().get(path) {
            return found.clone();
        }
        let found = self.reads.then(read).filter(|(file, _)| file.reading.exists());
        let found = found.unwrap_or_else(|| (FileState::missing(path), T::default()));
        known.borrow_mut().insert(path.to_path_buf(), found.clone());
        found
    }

    /// The text of a file that holds something, trimmed.
    pub(crate) fn text(&self, path: &Path) -> Option<String> {
        let (file, bytes) = self.file(path);
        let text = decode(&bytes);
        (file.reading == Reading::Read && !text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    /// The Anthropic profile of that name, else the one in `active_config`, else `default`; in `dir`, else the usual place.
    pub(crate) fn profile(
        &self,
        dir: Option<&str>,
        name: Option<&str>,
    ) -> Option<AnthropicProfile> {
        let dir = match dir {
            Some(dir) => self.roots.project.join(dir),
            None => self.profiles_dir.clone()?,
        };
        let active = || self.text(&dir.join("active_config"));
        let name = name.map(|name| name.trim().to_owned()).or_else(active);
        let name = name.unwrap_or_else(|| "default".to_owned());
        if !is_name(&name) {
            return None;
        }
        let [config, credentials] = ["configs", "credentials"].map(|kind| {
            let (file, bytes) = self.file(&dir.join(format!("{kind}/{name}.json")));
            (file.reading == Reading::Read).then_some((bytes, file.attributes))
        });
        let mode = credentials.as_ref().and_then(|(_, attributes)| Some(attributes.as_ref()?.mode));
        let credentials = credentials.as_ref().map(|(bytes, _)| bytes.as_slice());
        Some(AnthropicProfile::parse(&name, &config?.0, credentials, mode))
    }
}

/// What open descriptors hold that variables name: nothing of one that cannot be looked into.
fn open_descriptors(process: &Env) -> BTreeMap<String, Option<Secret>> {
    let open = |name: &str| {
        let number = process.get(name).filter(|_| !cfg!(windows))?.reveal();
        let held = match number.parse::<u32>().ok()? {
            // The standard streams are cck's own, and other files for the client.
            0..=2 => None,
            _ => look_into(Path::new(&format!("/proc/self/fd/{number}")))?,
        };
        Some((number.to_owned(), held))
    };
    [names::KEY_DESCRIPTOR, names::OAUTH_DESCRIPTOR].into_iter().filter_map(open).collect()
}

/// What may be read from an open descriptor. Only a file is looked into, which leaves it as it was: what is read from a pipe
/// is gone for the client. To the client an empty one is as closed (2.0.77, 2.1.331, observed 2026-11-24).
fn look_into(descriptor: &Path) -> Option<Option<Secret>> {
    if !fs::metadata(descriptor).ok()?.is_file() {
        return Some(None);
    }
    let (file, bytes) = read(descriptor);
    match file.reading {
        Reading::Empty => None,
        Reading::Read => {
            let text = String::from_utf8_lossy(&bytes);
            let text = js_trim(&text);
            (!text.is_empty()).then(|| Some(Secret::new(text.to_owned())))
        }
        _ => Some(None),
    }
}

/// Runs the helper that the client would run, as it does: by the shell, in the project, with the effective variables.
pub fn run_helper(state: &mut State) -> anyhow::Result<()> {
    let Some((_, helper)) = settings::helper(state) else { return Ok(()) };
    // Before 2.1.77 the client took what a helper printed whatever its exit code (2.0.77, observed 2026-11). On Windows the
    // helper is for another shell.
    let command = if state.client.has(Rule::HelperExitCodeCounts) || cfg!(windows) {
        helper.to_owned()
    } else {
        format!("(\n{helper}\n)\nexit 0")
    };
    let mut variables = settings::helper_variables(state);
    if state.variables.entrypoint().is_empty() {
        // The client sets it for itself (2.1.332, observed 2026-11-25).
        variables.insert(names::ENTRYPOINT, "sdk-cli");
    }
    let mut shell = command::shell(&command);
    shell.current_dir(&state.paths.project).envs(&variables);
    let start = Instant::now();
    let printed = command::output_of(&mut shell, HELPER_TIMEOUT)?;
    let printed = printed.map(|text| Secret::new(js_trim(&text).to_owned()));
    state.helper = Some(HelperRun { printed, took: start.elapsed() });
    Ok(())
}

/// Runs the program of a managed `policyHelper`; if that fails, the client does not start (2.1.332, observed 2026-11-25).
pub fn run_policy_helper(state: &mut State) -> anyhow::Result<()> {
    // In the terminal it may be run where the server is not asked.
    let in_terminal = || state.without_server(Mode::Interactive)?.policy_helper();
    let Some(program) = state.policy_helper().or_else(in_terminal) else { return Ok(()) };
    let command = shell::quote_program(&program.to_string_lossy());
    let printed = command::output(&command, &state.paths.project, HELPER_TIMEOUT)?;
    let policy = match &printed {
        Ok(text) => match Json::object(text) {
            Ok(Some(members)) => {
                let settings = members.get("managedSettings");
                Ok(settings.map(|settings| Secret::new(settings.0.to_owned())))
            }
            _ => Err("printed something other than a JSON object".to_owned()),
        },
        Err(ended) => Err(ended.to_string()),
    };
    state.update(|facts| facts.policy = Some(policy));
    Ok(())
}

pub(crate) fn is_legacy_config(client: Client, path: &Path) -> bool {
    files::look(path).0.is_legacy_config(client)
}

fn drop_ins(dir: &Path) -> Vec<PathBuf> {
    let is_json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    // A directory or a FIFO of that name is passed over (2.1.332, observed 2026-11-26).
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut paths = disk::entries(dir).unwrap_or_default();
    paths.retain(|path| is_json(path) && !disk::is_hidden(path) && is_file(path));
    // As JavaScript sorts.
    paths.sort_by_cached_key(|path| Vec::from_iter(path.to_string_lossy().encode_utf16()));
    paths
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a test lays its files")]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_of_an_empty_file_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (content, holds) in [("", None), (" \n", None), (" sk-1\n", Some("sk-1"))] {
            let path = dir.path().join("key");
            fs::write(&path, content).unwrap();
            let holds = holds.map(|text: &str| Some(Secret::new(text.to_owned())));
            assert_eq!(look_into(&path), holds, "{content:?}");
        }
        assert_eq!(look_into(&dir.path().join("none")), None);
        // What is not a file cannot be looked into.
        assert_eq!(look_into(Path::new("/dev/null")), Some(None));
    }
}
