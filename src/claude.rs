//! What is known about Claude Code: where its files are, what it reads from them, what it sends.
//!
//! Each rule cites the client version it was observed on, so that a new version is one small change here.

pub mod paths;

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
    /// 2.x, observed on 2.0.77 and 2.1.330.
    V2,
}
