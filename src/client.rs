//! What is known about Claude Code: where its files are, what it reads from them, what it sends. Each rule cites the version it
//! was observed on.

pub mod address;
pub mod advice;
pub mod config;
pub(crate) mod copies;
pub(crate) mod credentials;
pub mod decision;
pub mod destination;
pub mod federation;
pub mod gather;
pub mod git;
pub mod headers;
pub mod installed;
pub mod keychain;
pub mod launch;
pub(crate) mod layers;
pub mod login;
mod options;
pub mod paths;
pub mod policy;
pub(crate) mod ranking;
pub(crate) mod reason;
pub mod resolve;
pub mod rules;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod sessions;
pub mod settings;
pub mod source;
pub mod state;
pub mod surroundings;
pub(crate) mod value;
pub(crate) mod variables;
pub mod version;

pub(crate) use address::{ANTHROPIC, Address};
pub(crate) use advice::{Case, Problem, Severity};
pub(crate) use config::{Config, Picked};
pub(crate) use credentials::{Credential, Credentials};
pub(crate) use decision::{
    Candidate, Decision, Dialog, Header, Mode, Note, Outcome, Provider, Race, Standing, Stop,
};
pub(crate) use destination::{Destination, Refusal};
pub(crate) use federation::AnthropicProfile;
pub(crate) use gather::Facts;
pub(crate) use keychain::{Item, Keychain};
pub(crate) use launch::{Launch, Launcher};
pub(crate) use login::{GatewayLogin, Login};
pub(crate) use paths::{ChosenBy, ConfigFile, Paths, Roots};
pub(crate) use policy::Policy;
pub(crate) use rules::Rule;
pub(crate) use settings::{Settings, js_trim, names};
pub(crate) use source::{Kind, Layer, Origin, Source};
pub(crate) use state::{FileState, HelperRun, Reading, Secret, State, parse};
pub(crate) use value::{Json, NotJson, decode};
pub(crate) use variables::{Env, Place, Variables};
pub use version::Client;
pub(crate) use version::NEWEST;

/// What `lastOnboardingVersion` becomes; any will do for 2.0.77 and 2.1.330 to start at the prompt (observed 2026-11).
pub(crate) const DEFAULT_ONBOARDING_VERSION: &str = "0.2.107";
