//! The command line from outside: the real binary, a HOME of its own, a cleared environment.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "these are tests; they lay files and stop where something is amiss"
)]

mod advice;
mod answers;
mod approve;
mod audit;
mod cases;
mod destination;
mod edges;
mod errors;
mod get_key;
mod helper;
mod inputs;
mod keychain;
mod killed;
mod launch;
mod layers;
mod leaks;
mod online;
mod profile;
mod prompt;
mod random;
mod recorded;
#[path = "../conformance/rng.rs"]
mod rng;
mod rotate;
mod rules;
mod run;
mod sandbox;
mod set_key;
mod standing;
mod truth;
mod unset_key;
mod usage;
mod verify;
mod words;

#[path = "../support/mod.rs"]
mod support;

use support::skip;
