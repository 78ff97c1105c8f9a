//! What is known about Claude Code: where its files are, what it reads from them, what it sends.
//!
//! Each rule cites the client version it was observed on, so that a new version is one small change here.

pub mod advice;
pub mod config;
pub mod conflict;
pub mod decision;
pub mod federation;
pub mod gather;
pub mod git;
pub mod headers;
pub mod json;
pub mod offers;
pub mod paths;
pub mod reason;
pub mod resolve;
pub mod schema;
pub mod settings;
pub mod source;
pub mod state;
pub mod surroundings;
pub mod worktree;

use std::str::FromStr;

/// The value of `lastOnboardingVersion` where the config has none and the user gives none.
///
/// The client compares it with nothing that matters to the key: 2.0.77 and 2.1.330 start straight at the prompt with it
/// (observed 2026-11).
pub const DEFAULT_ONBOARDING_VERSION: &str = "0.2.107";

/// The generations of the client whose rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// 0.2.x, observed on 0.2.109.
    V0_2,
    /// 1.x, observed on 1.0.128.
    V1,
    /// 2.0.x, observed on 2.0.77.
    V2_0,
    /// 2.1 and later, observed on 2.1.330.
    V2,
}

impl FromStr for Client {
    type Err = String;

    /// Takes a version of the client (`2.1.330`) or a generation (`2`, `2.x`). Versions above 2 are taken as 2.x.
    fn from_str(version: &str) -> Result<Client, String> {
        let mut parts = version.trim_start_matches('v').split('.');
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        match number() {
            Some(0) => Ok(Client::V0_2),
            Some(1) => Ok(Client::V1),
            Some(2) if number() == Some(0) => Ok(Client::V2_0),
            Some(_) => Ok(Client::V2),
            None => Err("not a version of Claude Code, such as 2.1.330".into()),
        }
    }
}
