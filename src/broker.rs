//! The broker of `cck run`: the command talks to it instead of the API, with a token that is worth nothing elsewhere; it adds
//! the key and sends each call on.
//!
//! child's request → [`guard`] (token, path, headers, size) → [`budget`], models → [`lend`] the key → [`forward`] → upstream;
//! the answer → [`meter`] → child; then [`record`]: [`log`], budgets, alerts.

pub(crate) mod budget;
pub(crate) mod env;
mod forward;
#[doc(hidden)]
pub mod guard;
mod lend;
mod listen;
pub(crate) mod log;
#[doc(hidden)]
pub mod meter;
pub(crate) mod prices;
mod record;

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use chrono::Local;
use tokio::sync::oneshot;

use crate::error::fail;
use crate::http::Connector;
use crate::key::ApiKey;
use budget::{Budget, Ledger, Store};
use forward::Shared;
use guard::Token;
use lend::Lender;
use listen::Listeners;
use prices::Prices;
use record::Entry;

pub(crate) use lend::Reread;
pub(crate) use listen::sweep;
pub(crate) use record::Summary;

/// What a run's broker is made of.
pub(crate) struct Setup {
    pub(crate) key: ApiKey,
    /// Whether the key is a token for `Authorization: Bearer`.
    pub(crate) as_bearer: bool,
    pub(crate) reread: Option<Reread>,
    /// How old a key may be before its source is read again.
    pub(crate) ttl: Duration,
    pub(crate) connector: Connector,
    pub(crate) budgets: Vec<Budget>,
    /// Lists of patterns, of each of which one has to match.
    pub(crate) models: Vec<Vec<String>>,
    pub(crate) prices: Prices,
    pub(crate) require_log: bool,
    pub(crate) on_alert: Option<String>,
    /// cck's state directory; without one nothing is logged.
    pub(crate) state: Option<PathBuf>,
    pub(crate) profile: Option<String>,
    pub(crate) project: String,
    /// Where the socket may be, best first.
    pub(crate) bases: Vec<PathBuf>,
}

/// A running broker.
pub(crate) struct Broker {
    pub(crate) socket: Option<PathBuf>,
    pub(crate) port: u16,
    shared: Arc<Shared>,
    entries: Sender<Entry>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    recorder: JoinHandle<Summary>,
}

impl Broker {
    /// Binds the sockets and serves them in a thread.
    pub(crate) fn start(setup: Setup) -> anyhow::Result<Broker> {
        let store = setup.state.as_ref().map(|state| Store::new(state, setup.profile.as_deref()));
        let ledger = Ledger::new(setup.budgets, store.clone(), setup.profile.clone())?;
        let ledger = Arc::new(Mutex::new(ledger));
        let run: String = crate::private::hex(&guard::rand::<8>());
        let recording = record::Setup {
            state: setup.state,
            store,
            durable: setup.require_log,
            on_alert: setup.on_alert,
            run: run.clone(),
            profile: setup.profile.clone(),
            project: setup.project.clone(),
        };
        let lender = Lender::new(setup.key, setup.as_bearer, setup.reread, setup.ttl)?;
        let listeners = Listeners::bind(&setup.bases).map_err(|error| {
            fail(
                format!("the broker cannot listen: {error:#}"),
                "set TMPDIR to a directory of yours with a short path, or use `cck helper` or `cck set-key` instead",
            )
        })?;
        let (socket, port) = (listeners.socket(), listeners.port);
        let (entries, recorder) = record::start(recording, Arc::clone(&ledger))?;
        let host = setup.connector.endpoint.authority().parse().context("the base URL's host")?;
        let shared = Arc::new(Shared {
            token: Token::new(),
            connector: setup.connector,
            host,
            idle: Mutex::default(),
            lender: Arc::new(lender),
            models: setup.models,
            require_log: setup.require_log,
            ledger,
            prices: setup.prices,
            entries: Mutex::new(entries.clone()),
            run,
            profile: setup.profile,
            project: setup.project,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let server = thread::Builder::new().name("broker".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = listeners.serve(serving) => {}
                }
            });
            // What is under way ends here, and is recorded as it drops; a key's command that still runs is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Broker { socket, port, shared, entries, stop, server, recorder })
    }

    /// What the child proves itself with.
    pub(crate) fn token(&self) -> &str {
        self.shared.token.reveal()
    }

    /// Ends all calls, and returns what came of the run and what is left of its budgets.
    pub(crate) fn stop(self) -> (Summary, Vec<String>) {
        _ = self.stop.send(());
        _ = self.server.join();
        _ = self.entries.send(Entry::End);
        let summary = self.recorder.join().unwrap_or_default();
        let mut ledger = self.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        (summary, ledger.left(Local::now()))
    }
}

/// Whether a name matches a pattern, in which `*` stands for any characters and `?` for one.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not match.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((after, at)) = star else { return false };
                star = Some((after, at + 1));
                (p, n) = (after, at + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_name() {
        for (pattern, name, matches) in [
            ("claude-opus-*", "claude-opus-5-5", true),
            ("claude-opus-*", "a-claude-opus-5", false),
            ("*haiku*", "claude-haiku-4-5-20251001", true),
            ("claude-?-5", "claude-x-5", true),
            ("claude-?-5", "claude--5", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("*****a", &"b".repeat(100), false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }
}
