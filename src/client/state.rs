//! What a client sees of the machine: the facts, by the rules of one version and one launch. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::Client;
use super::federation::AnthropicProfile;
use super::gather::Facts;
use super::json::{Json, NotJson};
use super::keychain::Item;
use super::launch::{FlagSettings, Launch};
use super::paths::{ConfigFile, Paths};
use super::policy::Policy;
use super::rules::Rule;
use super::server;
use super::settings::{Settings, js_trim, names};
use super::source::{Layer, Source};
use super::variables::{Variables, is_of_host, is_truthy};
use crate::key::command::Ended;

/// A value that may be a credential: wiped when dropped, not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Secret {
        Secret(Zeroizing::new(value))
    }

    /// The value itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty text.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// How reading a file went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is no such file.
    Missing,
    /// It was read.
    Read,
    /// It was read and holds nothing.
    Empty,
    /// It was read and is not JSON.
    Malformed(NotJson),
    /// It was read and is JSON that the client does not take.
    Invalid(String),
    /// It is there and cannot be read.
    Unreadable(String),
    /// It is a directory, a FIFO, a device or a socket.
    NotAFile(&'static str),
    /// It has more bytes than the client can hold in a string.
    TooLarge(u64),
}

impl Reading {
    /// Whether something is at that path.
    pub(crate) fn exists(&self) -> bool {
        *self != Reading::Missing
    }
}

/// What the file system says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The permission bits.
    pub mode: u32,
    /// The owner's id.
    pub owner: u32,
    /// How many bytes it has.
    pub size: u64,
}

/// A file that the client reads.
#[derive(Clone, Debug)]
pub struct FileState {
    /// Where.
    pub path: PathBuf,
    /// How reading it went.
    pub reading: Reading,
    /// What the file system says about it, if it is there.
    pub attributes: Option<Attributes>,
}

impl FileState {
    /// A file that is not there.
    pub(crate) fn missing(path: &Path) -> FileState {
        FileState { path: path.to_path_buf(), reading: Reading::Missing, attributes: None }
    }

    /// A file that was read, with the usual mode.
    pub(crate) fn laid(path: &Path, bytes: &[u8]) -> FileState {
        let attributes = Attributes { mode: 0o600, owner: 0, size: bytes.len() as u64 };
        let reading = if bytes.is_empty() { Reading::Empty } else { Reading::Read };
        FileState { path: path.to_path_buf(), reading, attributes: Some(attributes) }
    }

    /// Why the client ends at once with this file as `--settings`. One that breaks the schema is ignored (2.1.332,
    /// observed 2026-11-25).
    fn unusable_flag(&self) -> Option<String> {
        match &self.reading {
            Reading::Read | Reading::Invalid(_) => None,
            Reading::Missing => Some("there is no such file".into()),
            Reading::Empty => Some("it is empty".into()),
            Reading::Malformed(at) => {
                Some(format!("it is not JSON: line {}, column {}: {}", at.line, at.column, at.why))
            }
            Reading::Unreadable(why) => Some(format!("it cannot be read: {why}")),
            Reading::NotAFile(kind) => Some(format!("it is {kind}, not a file")),
            Reading::TooLarge(bytes) => Some(format!("it is too large ({} MiB)", bytes >> 20)),
        }
    }
}

impl Client {
    /// Whether a legacy config replaces the global one: 2.1.330 passes over one of 0 bytes and a directory, 2.0.77 does
    /// not; a dangling link is as absent (observed 2026-11).
    fn takes_legacy_config(self, file: &FileState) -> bool {
        file.attributes.is_some_and(|attributes| {
            !self.has(Rule::EmptyLegacyConfigIsIgnored)
                || match file.reading {
                    Reading::NotAFile(kind) => kind != "a directory",
                    _ => attributes.size > 0,
                }
        })
    }
}

/// A list of the client's answers about keys, as it tests it: by `includes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// Absent, or of a type that holds nothing.
    #[default]
    None,
    /// The last characters of keys.
    List(Vec<String>),
    /// A text in place of a list: 2.0.77 searches it, for 2.1.330 it is not a list.
    Text(String),
    /// A number, boolean or object: 2.0.77 fails on it, for 2.1.330 it is not a list.
    Odd,
}

impl Answers {
    /// Whether the key that ends so is in the list; `None` if the client fails on it.
    pub(crate) fn include(&self, client: Client, suffix: &str) -> Option<bool> {
        match self {
            Answers::List(list) => Some(list.iter().any(|item| item == suffix)),
            Answers::Text(text) if !client.has(Rule::ApprovalsMustBeLists) => {
                Some(text.contains(suffix))
            }
            Answers::Odd if !client.has(Rule::ApprovalsMustBeLists) => None,
            Answers::None | Answers::Text(_) | Answers::Odd => Some(false),
        }
    }
}

/// A `primaryApiKey` that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddPrimary {
    /// What it is.
    pub kind: &'static str,
    /// Whether JavaScript takes it for true.
    pub truthy: bool,
}

/// What the global config says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `primaryApiKey`, if it is text.
    pub primary_key: Option<Secret>,
    /// A `primaryApiKey` that is not text.
    pub odd_primary: Option<OddPrimary>,
    /// Whether `hasCompletedOnboarding` holds.
    pub onboarded: bool,
    /// `customApiKeyResponses.approved`.
    pub approved: Answers,
    /// `customApiKeyResponses.rejected`.
    pub rejected: Answers,
    /// The `env` block.
    pub env: BTreeMap<String, Secret>,
    /// The names in it whose values are not text.
    pub odd_env: Vec<String>,
    /// Whether the project is trusted: `projects.<project>.hasTrustDialogAccepted`, there or for a directory above.
    pub trusted: bool,
}

/// Whether the login's scopes let it be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// They have `user:inference`.
    Granted,
    /// They do not, or there are none.
    Lacking,
    /// They are a number or an object, on which the client fails when it needs them.
    Odd,
}

/// The stored subscription login, where it has a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// `claudeAiOauth.accessToken`.
    pub token: Secret,
    /// What its scopes say.
    pub scopes: Scopes,
    /// `expiresAt`, in milliseconds since 1970.
    pub expires_at: Option<f64>,
    /// Whether it can be refreshed.
    pub refreshable: bool,
    /// `subscriptionType`.
    pub plan: Option<String>,
}

/// What `.credentials.json` holds.
#[derive(Clone, Debug, Default)]
pub struct CredentialsFile {
    /// The subscription login.
    pub login: Option<Login>,
    /// The login of a cloud gateway.
    pub gateway: Option<GatewayLogin>,
}

/// The login of a cloud gateway: `enterpriseGateway`, with a certificate pinned for its host in `gatewayTrust`.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayLogin {
    /// Where every request goes.
    pub url: String,
    /// The token.
    pub token: Secret,
    /// `expiresAt`, in milliseconds since 1970.
    pub expires_at: Option<f64>,
    /// Whether it can be refreshed.
    pub refreshable: bool,
}

impl GatewayLogin {
    /// Whether it can be used: an expired one only if it can be refreshed (2.1.332, observed 2026-11-25).
    pub(crate) fn counts(&self, now: f64) -> bool {
        self.refreshable || !is_past(self.expires_at, now)
    }
}

impl Login {
    /// Whether the client refreshes it before it sends anything (2.0.77, 2.1.332, observed 2026-11-25).
    pub(crate) fn is_refreshed(&self, now: f64) -> bool {
        self.refreshable && is_past(self.expires_at, now)
    }
}

/// Whether a time in milliseconds lies before `now`, in seconds.
pub(crate) fn is_past(at: Option<f64>, now: f64) -> bool {
    at.is_some_and(|at| at / 1000.0 < now)
}

/// What running the helper gave.
#[derive(Debug, Default)]
pub enum HelperRun {
    /// It was not run: it is taken to succeed.
    #[default]
    NotRun,
    /// It printed this, after so long.
    Printed(Secret, Duration),
    /// It failed, after so long.
    Failed(Ended, Duration),
}

/// What a client of one version, started in one way, sees of the facts.
#[derive(Debug)]
pub struct State {
    /// The facts.
    pub facts: Facts,
    /// The client whose rules hold.
    pub client: Client,
    /// How it is started.
    pub launch: Launch,
    /// Every path that it looks at.
    pub paths: Paths,
    /// The environment that it is started with, as far as its names matter, with what options stand for.
    pub process: BTreeMap<String, Secret>,
    /// The settings, highest layer first.
    pub layers: Vec<Settings>,
    /// The settings files, in the order of the layers; managed drop-ins after their main file.
    pub settings_files: Vec<(Layer, FileState)>,
    /// Which config is read, and why that.
    pub config_choice: ConfigFile,
    /// The config's file.
    pub config_file: FileState,
    /// What it says.
    pub config: Config,
    /// The variables.
    pub variables: Variables,
    /// The login's file.
    pub credentials_file: FileState,
    /// The login in force: the Keychain's, else that of the file.
    pub login: Option<Login>,
    /// Where the login in force is.
    pub login_source: Source,
    /// The login of a cloud gateway.
    pub gateway: Option<GatewayLogin>,
    /// The API key of the Keychain.
    pub keychain_key: Option<Secret>,
    /// The login of the file, where the Keychain's goes before it.
    pub hidden_login: Option<Login>,
    /// The Anthropic profile that ANTHROPIC_PROFILE names, or the default one.
    pub profile: Option<AnthropicProfile>,
    /// Whether the file in ANTHROPIC_IDENTITY_TOKEN_FILE holds something.
    pub has_identity_file: bool,
    /// Why the client ends at once, if it does.
    pub refusal: Option<String>,
    /// The time, in seconds since 1970.
    pub now: f64,
    /// What the helper did.
    pub helper: HelperRun,
}

impl State {
    /// What `client`, started so, sees of the facts.
    pub fn new(facts: Facts, client: Client, launch: Launch) -> State {
        let paths = facts.roots.paths(client);
        let mut process = facts.process.clone();
        let on = || Secret::new("1".to_owned());
        if launch.bare {
            process.insert(names::SIMPLE.to_owned(), on());
        }
        if launch.restricted {
            process.insert(names::RESTRICTED.to_owned(), on());
        }
        let config_choice =
            paths.config_file(|path| client.takes_legacy_config(&facts.config(path).0));
        let (mut config_file, picked) = facts.config(&config_choice.path);
        let config = parse(&mut config_file, || picked.seen_by(client)).unwrap_or_default();
        let mut state = State {
            client,
            process,
            layers: Vec::new(),
            settings_files: Vec::new(),
            config_choice,
            config_file,
            config,
            variables: Variables::default(),
            credentials_file: FileState::missing(&paths.credentials),
            login: None,
            login_source: Source::Login,
            gateway: None,
            keychain_key: None,
            hidden_login: None,
            profile: None,
            has_identity_file: false,
            refusal: launch.refusal(client),
            now: facts.now,
            helper: HelperRun::NotRun,
            paths,
            launch,
            facts,
        };
        for layer in Layer::ALL {
            state.read_layer(layer);
        }
        state.settle();
        if let (Some(Err(failure)), Some(_)) = (&state.facts.policy, state.policy_helper()) {
            let refusal =
                format!("the managed policyHelper {failure}, and the client does not start");
            state.refuse(refusal);
        }
        if let Some(text) = state.facts.server_settings.clone()
            && server::asks_with(&state).is_some()
        {
            let mut settings = Settings::empty(Layer::Remote, state.paths.server_settings.clone());
            if settings.merge(client, &text).is_ok() {
                state.layers[0] = settings;
                state.settle();
            }
        }
        state
    }

    /// Reads the files of a layer.
    fn read_layer(&mut self, layer: Layer) {
        let (client, paths) = (self.client, &self.paths);
        let main = match layer {
            Layer::Managed => paths.managed_settings.clone(),
            Layer::Local => paths.local_settings.clone(),
            Layer::Project => paths.project_settings.clone(),
            Layer::User => paths.user_settings.clone(),
            Layer::Flag => match self.launch.flag_settings(client) {
                Some(FlagSettings::File(file)) => paths.project.join(file),
                _ => PathBuf::new(),
            },
            Layer::Remote | Layer::Policy => PathBuf::new(),
        };
        let mut settings = Settings::empty(layer, main.clone());
        // Laid over the main file, in this order.
        let mut files = vec![main];
        match layer {
            Layer::Remote => files.clear(),
            Layer::Policy => {
                files.clear();
                if let Some(Ok(Some(text))) = &self.facts.policy {
                    _ = settings.merge(client, text.reveal().as_bytes());
                }
            }
            Layer::Managed if client.has(Rule::DropInsAreRead) => {
                files.extend(self.facts.drop_ins.iter().cloned());
            }
            Layer::Local if client.has(Rule::LocalOfRootIsRead) => {
                files.extend(self.facts.root_local.clone());
            }
            Layer::Flag => match self.launch.flag_settings(client) {
                Some(FlagSettings::Json(text)) => {
                    files.clear();
                    let merged = settings.merge(client, text.as_bytes());
                    if let Err(Reading::Invalid(why)) = &merged {
                        let mut file = FileState::missing(Path::new("--settings"));
                        file.reading = Reading::Invalid(why.clone());
                        self.settings_files.push((layer, file));
                    }
                    if let Err(Reading::Malformed(at)) = merged {
                        self.refuse(format!(
                            "--settings is not JSON: column {}: {}",
                            at.column, at.why
                        ));
                    }
                }
                Some(FlagSettings::File(_)) => {}
                None => files.clear(),
            },
            _ => {}
        }
        if !self.reads(layer) {
            files.clear();
        }
        for path in files {
            let (mut file, bytes) = self.facts.file(&path);
            parse(&mut file, || settings.merge(client, bytes));
            if layer == Layer::Flag
                && let Some(why) = file.unusable_flag()
            {
                self.refuse(format!("--settings {}: {why}", file.path.display()));
            }
            self.settings_files.push((layer, file));
        }
        if layer == Layer::Managed && client.has(Rule::RegistryIsRead) {
            self.lay_policy(&mut settings);
        }
        self.layers.push(settings);
    }

    /// Lays the system's policies over managed files. The first of the machine's policy, the files and the user's policy wins
    /// whole; for newer clients the machine's is merged with the files (2.1.112 to 2.1.332, observed 2026-11-25).
    fn lay_policy(&mut self, managed: &mut Settings) {
        let merges = self.client.has(Rule::RegistryIsMerged);
        let [machine, user] = self.facts.policies.clone();
        let (text, of_machine) = match machine {
            Policy::Text(text) => (text, true),
            Policy::Missing if !managed.has_content => match user {
                Policy::Text(text) => (text, false),
                _ => return,
            },
            Policy::Missing => return,
            Policy::Malformed => (String::new(), true),
        };
        let mut settings = if merges {
            managed.clone()
        } else {
            Settings::empty(Layer::Managed, managed.file.clone())
        };
        if settings.merge(self.client, text.as_bytes()).is_ok() {
            *managed = settings;
        } else if of_machine && merges {
            self.refuse(
                "the machine's policy is malformed, and the client does not start".to_owned(),
            );
        }
    }

    /// Judges the facts again after a change to them.
    pub fn update(&mut self, change: impl FnOnce(&mut Facts)) {
        let nothing = Facts::empty(self.facts.roots.clone());
        let mut facts = mem::replace(&mut self.facts, nothing);
        change(&mut facts);
        let helper = mem::take(&mut self.helper);
        *self = State { helper, ..State::new(facts, self.client, self.launch.clone()) };
    }

    /// The program of a managed `policyHelper`, which the client runs when it starts (2.1.200, 2.1.332, observed 2026-11-25).
    pub(crate) fn policy_helper(&self) -> Option<PathBuf> {
        let mut managed = self.layers.iter().filter(|layer| layer.layer == Layer::Managed);
        let program = managed.find_map(|layer| layer.policy_helper.clone());
        program.filter(|_| self.client.has(Rule::PolicyHelperIsRun))
    }

    /// Whether the client reads the settings of a layer, started so (2.1.332, observed 2026-11-25).
    fn reads(&self, layer: Layer) -> bool {
        let name = match layer {
            Layer::Local => "local",
            Layer::Project => "project",
            Layer::User => "user",
            _ => return true,
        };
        let restricted =
            self.client.has(Rule::RestrictedIsKnown) && self.started_with(names::RESTRICTED);
        !restricted && self.launch.reads(name)
    }

    fn refuse(&mut self, why: String) {
        self.refusal.get_or_insert(why);
    }

    /// Computes what depends on the layers.
    fn settle(&mut self) {
        let (client, facts) = (self.client, &self.facts);
        self.variables = Variables::new(client, &self.layers, &self.config, &self.process);
        let effective =
            |name: &str| self.variables.effective(name).map(|place| place.value.reveal());
        let secure = self.variables.read(names::SECURE_STORAGE).find(|place| {
            let of_project = place.source.is_of_project();
            (!of_project || client.has(Rule::SecureStorageDirOfProjectsCounts))
                && !place.value.is_empty()
        });
        let credentials = match secure {
            Some(place) if client.has(Rule::SecureStorageDirIsKnown) => {
                self.paths.project.join(place.value.reveal()).join(".credentials.json")
            }
            _ => self.paths.credentials.clone(),
        };
        let (mut credentials_file, bytes) = facts.file(&credentials);
        let credentials = parse(&mut credentials_file, || read_credentials(bytes));
        let identity = effective(names::IDENTITY_FILE).map(|path| self.paths.project.join(path));
        let has_identity_file =
            identity.is_some_and(|path| facts.file(&path).0.reading == Reading::Read);
        let profile = client
            .has(Rule::ProfilesAreKnown)
            .then(|| facts.profile(effective(names::PROFILES_DIR), effective(names::PROFILE)))
            .flatten();
        // The Keychain's item goes before the file, unless it is locked, absent or malformed (2.0.77, 2.1.112, observed
        // 2026-11-25).
        let in_keychain = match &facts.keychain.login {
            Item::Text(text) => read_credentials(text.as_bytes()).ok(),
            _ => None,
        };
        self.keychain_key = match &facts.keychain.key {
            Item::Text(text) => Some(Secret::new(text.trim().to_owned())),
            _ => None,
        };
        self.credentials_file = credentials_file;
        let CredentialsFile { login, gateway } = credentials.unwrap_or_default();
        (self.login, self.gateway, self.login_source) = (login, gateway, Source::Login);
        self.hidden_login = None;
        if let Some(CredentialsFile { login, gateway }) = in_keychain {
            self.hidden_login = mem::replace(&mut self.login, login);
            (self.gateway, self.login_source) = (gateway, Source::KeychainLogin);
        }
        (self.profile, self.has_identity_file) = (profile, has_identity_file);
    }

    /// Whether the environment of the process switches a variable on.
    pub(crate) fn started_with(&self, name: &str) -> bool {
        self.process.get(name).is_some_and(|value| is_truthy(value.reveal()))
    }

    /// Whether CLAUDE_CODE_SIMPLE is on. To 2.0.77 it changes nothing about credentials (observed 2026-11).
    pub(crate) fn is_simple(&self) -> bool {
        self.client.has(Rule::SimpleLeavesVariables) && self.variables.is_on(names::SIMPLE)
    }

    /// Whether a host owns every credential but those of the process's environment (2.1.332, observed 2026-11-25).
    pub(crate) fn is_of_host(&self) -> bool {
        self.client.has(Rule::HostOwnsCredentials) && is_of_host(&self.process)
    }

    /// The program that started the client, as CLAUDE_CODE_ENTRYPOINT has it.
    pub(crate) fn entrypoint(&self) -> &str {
        let text = self.process.get(names::ENTRYPOINT).map_or("", |value| value.reveal());
        if self.client.has(Rule::EntrypointIsTrimmed) { js_trim(text) } else { text }
    }

    /// Whether the login of a cloud gateway is used, and not another.
    pub(crate) fn uses_gateway_login(&self) -> bool {
        self.client.has(Rule::CloudGatewayIsKnown)
            && self.gateway.as_ref().is_some_and(|login| login.counts(self.now))
    }
}

/// Parses what was read; what the client does not take becomes the file's reading.
fn parse<T>(file: &mut FileState, parser: impl FnOnce() -> Result<T, Reading>) -> Option<T> {
    if file.reading != Reading::Read {
        return None;
    }
    match parser() {
        Ok(value) => Some(value),
        Err(reading) => {
            file.reading = reading;
            None
        }
    }
}

/// What the bytes of a credentials file hold.
pub fn read_credentials(bytes: &[u8]) -> Result<CredentialsFile, Reading> {
    // Unlike the other files, this one must not begin with a BOM (2.0.77, 2.1.330, observed 2026-11).
    let text = String::from_utf8_lossy(bytes);
    let [login, gateway, pins] =
        Json::pick(&text, ["claudeAiOauth", "enterpriseGateway", "gatewayTrust"])
            .map_err(Reading::Malformed)?;
    Ok(CredentialsFile {
        login: login.and_then(read_login),
        gateway: gateway.and_then(|gateway| read_gateway(gateway, pins?)),
    })
}

fn read_login(login: Json<'_>) -> Option<Login> {
    let token = login.get("accessToken").filter(|token| token.is_truthy())?;
    let scopes = login.get("scopes").map_or(Scopes::Lacking, |scopes| {
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
    Some(Login {
        token: Secret::new(token.to_js_string()),
        scopes,
        expires_at: login.get("expiresAt").and_then(time),
        refreshable: login.get("refreshToken").is_some_and(Json::is_truthy),
        plan: login.get("subscriptionType").and_then(Json::string),
    })
}

/// The login of a gateway; none without a certificate pinned for its host (2.1.332, observed 2026-11-25).
fn read_gateway(gateway: Json<'_>, pins: Json<'_>) -> Option<GatewayLogin> {
    let url = gateway.get("url").and_then(Json::string)?;
    let token = gateway.get("jwt").and_then(Json::string).filter(|token| !token.is_empty())?;
    let host = url.split_once("://").map_or(&*url, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host);
    pins.get(host).and_then(Json::string).filter(|pin| !pin.is_empty())?;
    Some(GatewayLogin {
        token: Secret::new(token),
        expires_at: gateway.get("expiresAt").and_then(time),
        refreshable: gateway.get("refreshToken").is_some_and(Json::is_truthy),
        url,
    })
}

/// A time in milliseconds, a number or its digits (2.1.332, observed 2026-11-25).
fn time(value: Json<'_>) -> Option<f64> {
    value.number().or_else(|| value.string()?.trim().parse().ok())
}
