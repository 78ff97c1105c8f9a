//! A call on its way, which is recorded however it ends.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Instant, SystemTime};

use hyper::http::request::Parts;

use super::Setup;
use super::guard::Token;
use super::lend::Lender;
use super::log::{self, Call};
use super::meter::Meter;
use super::record::Entry;

/// What every call of a run is handled with.
pub(crate) struct Shared {
    pub(crate) setup: Arc<Setup>,
    pub(crate) token: Token,
    pub(crate) lender: Arc<Lender>,
    pub(crate) entries: Sender<Entry>,
}

/// A call on its way. It is recorded when this is dropped: whatever happens, once.
pub(crate) struct Tracked {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: Box<Call>,
    pub(crate) started: Instant,
    pub(crate) meter: Option<Meter>,
}

impl Tracked {
    pub(crate) fn new(shared: Arc<Shared>, parts: &Parts) -> Tracked {
        let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(log::text);
        let call = Box::new(Call {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            session: header("x-claude-code-session-id"),
            agent: header("x-claude-code-agent-id"),
            method: parts.method.clone(),
            path: log::text(parts.uri.path()),
            decision: "aborted",
            ..Call::default()
        });
        Tracked { shared, call, started: Instant::now(), meter: None }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut call = std::mem::take(&mut *self.call);
        call.duration_ms = millis(self.started);
        if let Some(meter) = &mut self.meter {
            let prices = &self.shared.setup.prices;
            let (usage, model) = meter.finish();
            let models = [model.as_deref(), call.model.as_deref()];
            call.cost_usd = prices.cost(models, &usage, call.terms);
            call.usage = usage;
            call.prices = Arc::clone(&prices.date);
            if call.decision == "passed" && !meter.is_seen {
                call.reason = Some("the answer reports no usage".to_owned());
            }
            self.shared.setup.budgets().run.add(call.amount());
        }
        _ = self.shared.entries.send((call, None));
    }
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
