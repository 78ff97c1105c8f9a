//! The broker of `cck run`: the command talks to it instead of the API, with a token that is worth nothing elsewhere; it adds
//! the key and sends each call on.
//!
//! child's request → [`guard`] (token, path, headers) → [`request`]: size, model → [`budget`] → [`lend`] the key → upstream;
//! the API's [`answer`] → [`meter`] → child; the [`call`] drops → [`record`]: [`log`], budgets, alerts. [`forward`] leads through it.

mod answer;
pub(crate) mod budget;
mod call;
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
mod refusal;
mod request;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::fail;
use crate::http::Connector;
use crate::key::command::Change;
use budget::Budgets;
use call::Shared;
use guard::Token;
use listen::Listeners;
use prices::LazyPrices;

pub(crate) use lend::{Lender, Reread};
pub(crate) use record::Summary;

/// An API that says nothing for so long is given up: the SDKs wait as long for an answer, Claude Code 300 s for the next
/// event of one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Setup {
    pub(crate) run: log::Run,
    pub(crate) connector: Connector,
    pub(crate) budgets: Mutex<Budgets>,
    /// Lists of patterns, of each of which one has to match.
    pub(crate) models: Vec<Vec<String>>,
    pub(crate) prices: LazyPrices,
    pub(crate) require_log: bool,
    pub(crate) on_alert: Option<String>,
    /// What becomes of the environment for that command, which has no use for a credential.
    pub(crate) env: Vec<Change>,
    /// cck's state directory; without one nothing is logged.
    pub(crate) state: Option<PathBuf>,
    /// Where the socket may be, best first.
    pub(crate) bases: Vec<PathBuf>,
    /// See [`PATIENCE`].
    pub(crate) patience: Duration,
}

impl Setup {
    pub(crate) fn budgets(&self) -> MutexGuard<'_, Budgets> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Broker {
    pub(crate) socket: Option<PathBuf>,
    pub(crate) port: u16,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    recorder: JoinHandle<Summary>,
}

impl Broker {
    /// Binds the sockets and serves them in a thread.
    pub(crate) fn start(setup: Setup, lender: Lender) -> anyhow::Result<Broker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners = runtime.block_on(Listeners::bind(&setup.bases)).map_err(|error| {
            fail(
                format!("the broker cannot listen: {error:#}"),
                "set TMPDIR to a directory of yours with a short path, or use `cck helper` or `cck set-key` instead",
            )
        })?;
        let (socket, port) = listeners.places()?;
        let setup = Arc::new(setup);
        let (entries, recorder) = record::start(Arc::clone(&setup))?;
        let shared =
            Arc::new(Shared { token: Token::new(), lender: Arc::new(lender), setup, entries });
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let server = thread::Builder::new().name("broker".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = listeners.serve(serving) => {}
                }
            });
            // What is under way ends here, and is recorded as it drops; a key's command that still runs is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Broker { socket, port, shared, stop, server, recorder })
    }

    /// What the child proves itself with.
    pub(crate) fn token(&self) -> &str {
        self.shared.token.reveal()
    }

    /// Ends all calls, and returns what came of the run.
    pub(crate) fn stop(self) -> Summary {
        _ = self.stop.send(());
        _ = self.server.join();
        // With the last sender the recorder ends.
        drop(self.shared);
        self.recorder.thread().unpark();
        self.recorder.join().unwrap_or_default()
    }
}

/// A name for a run, in the log.
pub(crate) fn run_id() -> String {
    crate::private::hex(&guard::rand::<8>())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test reads the log")]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;

    use wildmatch::WildMatch;

    use super::*;
    use crate::context::Context;
    use crate::key::ApiKey;

    /// A lost network, or an API that hangs: before its answer, and in the middle of it.
    #[test]
    fn an_api_that_says_nothing_for_too_long_is_given_up() {
        let stream = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n";
        for (begun, answer) in [("", "HTTP/1.1 502"), (stream, "HTTP/1.1 200")] {
            let api = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", api.local_addr().unwrap());
            let serving = thread::spawn(move || {
                let mut stream = api.accept().unwrap().0;
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                stream.write_all(begun.as_bytes()).unwrap();
                // Until the broker closes the connection.
                stream.read_to_end(&mut Vec::new())
            });
            let dir = tempfile::tempdir().unwrap();
            let context = Context::for_test(&[], &[], dir.path(), Path::new("/etc"));
            let setup = Setup {
                run: log::Run { id: run_id(), profile: None, project: String::new() },
                connector: Connector::new(&url, &context).unwrap(),
                budgets: Mutex::new(Budgets::new(vec![], Some(dir.path()), None).unwrap()),
                models: Vec::new(),
                prices: prices::Prices::load(&context).unwrap(),
                require_log: false,
                on_alert: None,
                env: Vec::new(),
                state: Some(dir.path().to_owned()),
                bases: vec![dir.path().to_owned()],
                patience: Duration::from_millis(300),
            };
            let key = ApiKey::parse("sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
            let lender = Lender::new(key, false, None, Duration::MAX).unwrap();
            let broker = Broker::start(setup, lender).unwrap();
            let mut child = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
            child.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let token = broker.token();
            write!(child, "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {token}\r\nconnection: close\r\n\r\n").unwrap();
            let mut text = Vec::new();
            _ = child.read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(text.starts_with(answer), "{text}");
            assert!(!text.ends_with("0\r\n\r\n"), "a stream that was cut has no end: {text}");
            serving.join().unwrap().unwrap();
            assert_eq!(broker.stop().calls, 1);
            let log = std::fs::read_to_string(log::file(dir.path())).unwrap();
            assert!(log.contains("failed") && log.contains("nothing came for 300ms"), "{log}");
        }
    }

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
            assert_eq!(WildMatch::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }
}
