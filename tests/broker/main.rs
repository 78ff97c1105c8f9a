//! The broker of `cck run` from outside: the real binary between a test that plays the child and one that plays the API.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "these are tests; they lay files and stop where something is amiss"
)]

mod calls;
mod clients;
mod failures;
mod guard;
mod harness;
mod hunt;
mod limits;
#[allow(dead_code, reason = "shared with the tests of the command line")]
#[path = "../cli/sandbox.rs"]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;
mod upstream;

use support::skip;
