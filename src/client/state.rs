//! What a client sees of the machine: the facts, by the rules of one version and one launch. Pure.

use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{
    AnthropicProfile, ChosenBy, Client, Config, ConfigFile, Facts, GatewayLogin, Json, Launch,
    Layer, Login, Mode, NotJson, Paths, Rule, Settings, Source, Variables, login::is_past, names,
    server, variables::matters,
};
use crate::key::command::Ended;
use crate::output::display;

/// A value that may be a credential: wiped when dropped, not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(Zeroizing::new(value))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    #[default]
    Missing,
    Read,
    Empty,
    Malformed(NotJson),
    /// It was read and is JSON that the client does not take.
    Invalid(String),
    Unreadable(String),
    /// It is a directory, a FIFO, a device or a socket.
    NotAFile(&'static str),
    /// It has more bytes than the client can hold in a string.
    TooLarge(u64),
}

impl Reading {
    pub(crate) fn exists(&self) -> bool {
        *self != Reading::Missing
    }

    /// What keeps the file from being used, after its name; none if it is missing or empty.
    pub(crate) fn fault(&self) -> Option<String> {
        Some(match self {
            Reading::Missing | Reading::Read | Reading::Empty => return None,
            Reading::Malformed(at) => {
                format!("is not JSON: line {}, column {}: {}", at.line, at.column, at.why)
            }
            Reading::Invalid(why) => format!("is not what the client takes: {why}"),
            Reading::Unreadable(why) => format!("cannot be read: {why}"),
            Reading::NotAFile(kind) => format!("is {kind}, not a file"),
            Reading::TooLarge(bytes) => format!("is too large ({} MiB)", bytes >> 20),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub mode: u32,
    pub owner: u32,
    pub size: u64,
}

#[derive(Clone, Debug, Default)]
pub struct FileState {
    pub path: PathBuf,
    pub reading: Reading,
    pub attributes: Option<Attributes>,
}

impl FileState {
    pub(crate) fn missing(path: &Path) -> FileState {
        FileState { path: path.to_path_buf(), ..FileState::default() }
    }

    pub(crate) fn is_loose(&self) -> bool {
        self.attributes.is_some_and(|attributes| attributes.mode & 0o077 != 0)
    }

    /// Whether it replaces the global config, as the legacy config of `client`: 2.1.330 passes over one of 0 bytes and a
    /// directory, 2.0.77 does not; a dangling link is as absent (observed 2026-11).
    pub(crate) fn is_legacy_config(&self, client: Client) -> bool {
        let takes_any = !client.has(Rule::EmptyLegacyConfigIsIgnored);
        self.attributes.is_some_and(|attributes| match self.reading {
            Reading::Missing => false,
            _ if takes_any => true,
            Reading::NotAFile(kind) => kind != "a directory",
            _ => attributes.size > 0,
        })
    }
}

/// Parses what was read; what the client does not take becomes the file's reading.
pub(crate) fn parse<T>(
    file: &mut FileState,
    parser: impl FnOnce() -> Result<T, Reading>,
) -> Option<T> {
    if file.reading != Reading::Read {
        return None;
    }
    parser().map_err(|reading| file.reading = reading).ok()
}

#[derive(Debug)]
pub struct HelperRun {
    pub printed: Result<Secret, Ended>,
    pub took: Duration,
}

/// What a client of one version, started in one way, sees of the facts.
#[derive(Debug, Default)]
pub struct State {
    pub facts: Facts,
    pub client: Client,
    pub launch: Launch,
    pub paths: Paths,
    pub layers: Vec<Settings>,
    /// The settings files, in the order of the layers; managed drop-ins after their main file.
    pub settings_files: Vec<(Layer, FileState)>,
    pub config_file: FileState,
    pub chosen_by: ChosenBy,
    pub config: Config,
    pub variables: Variables,
    pub credentials_file: FileState,
    /// The login in force: the Keychain's, else that of the file.
    pub login: Option<Login>,
    pub login_source: Source,
    /// The login of the file, where the Keychain's goes before it.
    pub hidden_login: Option<Login>,
    pub gateway: Option<GatewayLogin>,
    pub refusal: Option<String>,
    /// None if it was not run: it is taken to succeed.
    pub helper: Option<HelperRun>,
}

impl State {
    pub fn new(facts: Facts, client: Client, launch: Launch) -> State {
        let state = State::with(facts, client, launch, None);
        match state.server_settings() {
            None => state,
            remote => State::with(state.facts, client, state.launch, remote),
        }
    }

    fn with(facts: Facts, client: Client, launch: Launch, remote: Option<Settings>) -> State {
        let mut process = facts.process.clone();
        let options = [(launch.bare, names::SIMPLE), (launch.restricted, names::RESTRICTED)];
        for (_, name) in options.into_iter().filter(|(is_given, _)| *is_given) {
            process.insert(name.to_owned(), Secret::new("1".to_owned()));
        }
        let variables = Variables::new(client, process);
        let (paths, refusal) = (facts.roots.paths(client), launch.refused.clone());
        let mut state =
            State { facts, client, launch, paths, variables, refusal, ..State::default() };
        state.read_config();
        state.read_layers(remote);
        state.variables.lay(&state.layers, &state.config);
        state.find_logins();
        if let (Some(Err(failure)), Some(_)) = (&state.facts.policy, state.policy_helper()) {
            let why = format!("the managed policyHelper {failure}, and the client does not start");
            state.refuse(why);
        }
        state
    }

    fn read_config(&mut self) {
        let is_legacy = |path: &Path| self.facts.config(path).0.is_legacy_config(self.client);
        let ConfigFile { path, chosen_by } = self.paths.config_file(is_legacy);
        let (mut file, picked) = self.facts.config(&path);
        self.config = parse(&mut file, || picked.seen_by(self.client)).unwrap_or_default();
        (self.config_file, self.chosen_by) = (file, chosen_by);
    }

    /// The settings of Anthropic's server, if the client asks for them; empty ones if it has none.
    fn server_settings(&self) -> Option<Settings> {
        let texts = [&self.facts.server_settings, &self.facts.last_settings];
        texts.iter().find(|text| text.is_some())?;
        server::asks_with(self, Mode::Print, false)?;
        let mut settings = Settings::empty(Layer::Remote, self.paths.server_settings.clone());
        // What it does not take is as nothing.
        _ = texts[0].as_ref().map(|text| settings.merge(self.client, text));
        // Where the helper of the last answer keeps the client from asking again, the rest of that answer holds, but its `env`
        // is not confirmed (2.1.332, observed 2026-11-26).
        let has_helper = Json::pick(&self.last_answer(), ["apiKeyHelper"]).is_ok_and(|[helper]| {
            helper.and_then(Json::string).is_some_and(|text| !text.is_empty())
        });
        let is_unconfirmed =
            self.facts.server_fails || server::asks_with(self, Mode::Print, has_helper).is_none();
        if is_unconfirmed && self.client.has(Rule::CachedVariablesAreConfirmed) {
            settings.env.clear();
        }
        Some(settings)
    }

    /// Whether the first request can have the server's answer of this start, and not the last one (2.1.112 to 2.1.332,
    /// observed 2026-11-26).
    pub fn hears_server(&self) -> bool {
        !self.is_simple() || self.client.has(Rule::ServerIsWaitedFor)
    }

    fn last_answer(&self) -> String {
        String::from_utf8_lossy(&self.facts.file(&self.paths.server_settings).1).into_owned()
    }

    /// The state without the settings of Anthropic's server, and its helper not run, if they are in force and the client does
    /// not ask for them in this mode: in the terminal a key that is not approved asks nothing (2.1.332, observed 2026-11-26).
    pub(crate) fn without_server(&self, mode: Mode) -> Option<State> {
        let mut facts = self.facts.clone();
        let taken = [facts.server_settings.take(), facts.last_settings.take()];
        taken.iter().find(|text| text.is_some())?;
        let state = State::new(facts, self.client, self.launch.clone());
        server::asks_with(&state, mode, false).is_none().then_some(state)
    }

    pub fn update(&mut self, change: impl FnOnce(&mut Facts)) {
        let mut facts = mem::take(&mut self.facts);
        change(&mut facts);
        let helper = mem::take(&mut self.helper);
        *self = State { helper, ..State::new(facts, self.client, self.launch.clone()) };
    }

    /// The program of a managed `policyHelper`, which the client runs when it starts, unless the server has settings
    /// (2.1.200, 2.1.332, observed 2026-11-25).
    pub(crate) fn policy_helper(&self) -> Option<PathBuf> {
        let mut managed = self.layers.iter().filter(|layer| layer.layer == Layer::Managed);
        let program = managed.find_map(|layer| layer.policy_helper.clone());
        let has_remote = self.layers.first().is_some_and(|remote| remote.has_content);
        let is_run = self.client.has(Rule::PolicyHelperIsRun) && !self.policy_gives_way(has_remote);
        program.filter(|_| is_run)
    }

    /// Whether a policyHelper gives way to the server: to its last answer, all that the client has of it when it starts, or to
    /// settings in the answer of this start. To these it does not where the last answer said nothing.
    pub(super) fn policy_gives_way(&self, has_remote: bool) -> bool {
        let has = |rule| self.client.has(rule);
        let cached = self.last_answer();
        // Where credentials go is nothing, too.
        let says_nothing = |(name, value): (&String, &Json<'_>)| match name.as_str() {
            "env" => value.entries().iter().all(|(name, _)| matters(name)),
            "permissions" => value.entries().is_empty(),
            _ => false,
        };
        let said = Json::object(&cached).ok().flatten().map(|members| {
            let nothing =
                has(Rule::PolicyHelperPassesVariables) && members.iter().all(says_nothing);
            !members.is_empty() && !nothing
        });
        let first = said == Some(true) && !has(Rule::PolicyHelperWaitsForServer);
        first || has_remote && said != Some(false) && has(Rule::PolicyHelperGivesWay)
    }

    /// A path as people write it.
    pub(crate) fn show(&self, path: &Path) -> String {
        display(path, self.facts.home.as_deref().map(Path::as_os_str))
    }

    /// The file that a source is in; of a layer of several files, the first.
    pub(crate) fn file_of(&self, source: &Source) -> &Path {
        if let Some(layer) = source.layer() {
            let settings = self.layers.iter().find(|settings| settings.layer == layer);
            return settings.map_or(Path::new(""), |settings| &settings.file);
        }
        match source {
            Source::Login | Source::Gateway => &self.credentials_file.path,
            _ => &self.config_file.path,
        }
    }

    pub(crate) fn profile(&self) -> Option<AnthropicProfile> {
        let value = |name| Some(self.variables.effective(name)?.value.reveal());
        let find = || self.facts.profile(value(names::PROFILES_DIR), value(names::PROFILE));
        self.client.has(Rule::ProfilesAreKnown).then(find).flatten()
    }

    /// Whether CLAUDE_CODE_SIMPLE is on. To 2.0.77 it changes nothing about credentials (observed 2026-11).
    pub(crate) fn is_simple(&self) -> bool {
        self.client.has(Rule::SimpleLeavesVariables) && self.variables.is_on(names::SIMPLE)
    }

    /// Whether a host owns every credential but those of the process's environment (2.1.332, observed 2026-11-25).
    pub(crate) fn is_of_host(&self) -> bool {
        self.client.has(Rule::HostOwnsCredentials)
            && self.variables.starts_on(names::MANAGED_BY_HOST)
    }

    /// Whether the login of a cloud gateway is used, and not another.
    pub(crate) fn uses_gateway_login(&self) -> bool {
        self.gateway.as_ref().is_some_and(|login| self.ignores_gateway(login).is_none())
    }

    pub(crate) fn ignores_gateway(&self, login: &GatewayLogin) -> Option<&'static str> {
        // Managed settings with anything in them, unless a policyHelper gives others.
        let is_managed = self.policy_helper().is_none()
            && self.layers.iter().any(|layer| layer.layer == Layer::Managed && layer.has_content);
        if !self.client.has(Rule::CloudGatewayIsKnown) {
            Some("this client does not know it")
        } else if !login.refreshable && is_past(login.expires_at, self.facts.now) {
            // 2.1.332, observed 2026-11-25.
            Some("it has expired, and cannot be refreshed")
        } else if self.variables.starts_on(names::MANAGED_BY_HOST)
            && self.client.has(Rule::HostKeepsGatewayOut)
        {
            Some("in a host's session only the environment of the process counts")
        } else if is_managed
            && self.forced_method() != Some("gateway")
            && self.client.has(Rule::ManagedKeepsGatewayOut)
        {
            Some("managed settings are in force, and their forceLoginMethod is not `gateway`")
        } else {
            None
        }
    }

    pub(crate) fn forced_method(&self) -> Option<&str> {
        let mut managed = self.layers.iter().filter(|layer| layer.layer.is_managed());
        managed.find_map(|layer| layer.login_method.as_deref())
    }
}
