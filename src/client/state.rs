//! Everything on the machine that decides which credential the client sends: what [`super::gather`] reads and
//! [`super::resolve`] judges.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Client;
use super::federation::AnthropicProfile;
use super::json::NotJson;
use super::launch::Launch;
use super::paths::{ConfigFile, Paths};
use super::settings::Settings;
use super::source::Layer;
use super::version::since;
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

/// A list of the client's answers about keys, as it tests it: by `includes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// Absent, or of a type that holds nothing.
    #[default]
    None,
    /// The last characters of keys.
    List(Vec<String>),
    /// A text in place of a list: 2.0.77 searches it, for 2.1.330 it is no list.
    Text(String),
    /// A number, boolean or object: 2.0.77 stumbles over it, for 2.1.330 it is no list.
    Odd,
}

impl Answers {
    /// Whether the key that ends so is in the list; `None` where the client stumbles over it.
    pub(crate) fn include(&self, client: Client, suffix: &str) -> Option<bool> {
        match self {
            Answers::List(list) => Some(list.iter().any(|item| item == suffix)),
            Answers::Text(text) if client < since::APPROVALS_MUST_BE_LISTS => {
                Some(text.contains(suffix))
            }
            Answers::Odd if client < since::APPROVALS_MUST_BE_LISTS => None,
            Answers::None | Answers::Text(_) | Answers::Odd => Some(false),
        }
    }
}

/// A `primaryApiKey` that is no text.
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
    /// A `primaryApiKey` that is no text.
    pub odd_primary: Option<OddPrimary>,
    /// Whether `hasCompletedOnboarding` holds.
    pub onboarded: bool,
    /// `customApiKeyResponses.approved`.
    pub approved: Answers,
    /// `customApiKeyResponses.rejected`.
    pub rejected: Answers,
    /// The `env` block.
    pub env: BTreeMap<String, Secret>,
    /// The names in it whose values are no text.
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
    /// They are a number or an object, over which the client stumbles when it needs them.
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
}

/// What running the helper gave.
#[derive(Debug)]
pub enum HelperRun {
    /// It was not run: it is taken to succeed.
    NotRun,
    /// It printed this.
    Printed(Secret),
    /// It failed.
    Failed(Ended),
}

/// The state of the machine.
#[derive(Debug)]
pub struct State {
    /// The client whose rules hold.
    pub client: Client,
    /// How it is started.
    pub launch: Launch,
    /// Every path that was looked at.
    pub paths: Paths,
    /// The environment that the client would be started with, as far as its names matter.
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
    /// The login's file.
    pub credentials_file: FileState,
    /// The login in it.
    pub login: Option<Login>,
    /// Those of the file descriptors named by variables that are open.
    pub open_descriptors: Vec<String>,
    /// The Anthropic profile that ANTHROPIC_PROFILE names, or the default one.
    pub profile: Option<AnthropicProfile>,
    /// Whether the file in ANTHROPIC_IDENTITY_TOKEN_FILE holds something.
    pub has_identity_file: bool,
    /// The time, in seconds since 1970.
    pub now: f64,
    /// What the helper did.
    pub helper: HelperRun,
}
