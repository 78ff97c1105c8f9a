//! What a test needs to run the real client: a stand-in for the API, a pinned client, a state laid on disk, a terminal.
//! Included by the integration tests that need it (`#[path = "../support/mod.rs"] mod support;`).

#![allow(dead_code, reason = "each test uses the part it needs")]

pub mod client;
pub mod install;
pub mod pty;
pub mod sandbox;
pub mod scale;
pub mod skip;
pub mod standin;
pub mod tls;
pub mod world;
