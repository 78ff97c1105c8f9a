//! What is known about Claude Code: where its files are, what it reads from them, what it sends.
//!
//! Each rule cites the client version it was observed on, so that a new version is one small change here.

pub mod address;
pub mod advice;
pub mod config;
pub(crate) mod conflict;
pub(crate) mod copies;
pub(crate) mod credentials;
pub mod decision;
pub mod destination;
pub mod federation;
pub mod gather;
pub mod git;
pub mod headers;
pub mod installed;
pub(crate) mod json;
pub mod keychain;
pub mod launch;
pub(crate) mod layers;
pub mod login;
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
pub(crate) mod variables;
pub mod version;
pub(crate) mod worktree;

pub use version::Client;

/// The value of `lastOnboardingVersion` where the config has none and the user gives none.
///
/// The client compares it with nothing that matters to the key: 2.0.77 and 2.1.330 start straight at the prompt with it
/// (observed 2026-11).
pub(crate) const DEFAULT_ONBOARDING_VERSION: &str = "0.2.107";
