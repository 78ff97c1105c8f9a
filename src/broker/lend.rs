//! The key, as long as it is lent: read again from its source when it may have changed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderName, HeaderValue};

use crate::key::ApiKey;

pub(crate) type Reread = Box<dyn Fn() -> anyhow::Result<ApiKey> + Send + Sync>;

/// A key as the API takes it.
pub(crate) struct Lent {
    pub(crate) fingerprint: Arc<str>,
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
    key: ApiKey,
}

impl Lent {
    fn new(key: ApiKey, as_bearer: bool) -> anyhow::Result<Lent> {
        let (name, text) = if as_bearer {
            (header::AUTHORIZATION, format!("Bearer {}", key.reveal()))
        } else {
            (HeaderName::from_static("x-api-key"), key.reveal().to_owned())
        };
        let mut value = HeaderValue::from_str(&zeroize::Zeroizing::new(text))?;
        value.set_sensitive(true);
        Ok(Lent { fingerprint: key.fingerprint().into(), name, value, key })
    }
}

pub(crate) struct Lender {
    lent: Mutex<(Arc<Lent>, Instant)>,
    /// None for a source that can be read only once.
    reread: Option<Arc<Reread>>,
    ttl: Duration,
    as_bearer: bool,
    /// Held while the source is read: those that wait get what it gave.
    reading: tokio::sync::Mutex<()>,
}

impl Lender {
    pub(crate) fn new(
        key: ApiKey,
        as_bearer: bool,
        reread: Option<Reread>,
        ttl: Duration,
    ) -> anyhow::Result<Lender> {
        let lent = Arc::new(Lent::new(key, as_bearer)?);
        let lent = Mutex::new((lent, Instant::now()));
        let reading = tokio::sync::Mutex::new(());
        Ok(Lender { lent, reread: reread.map(Arc::new), ttl, as_bearer, reading })
    }

    /// The key at hand. One that is older than its time is read again meanwhile.
    pub(crate) fn lend(self: &Arc<Self>) -> Arc<Lent> {
        let (lent, since) = self.current();
        if self.reread.is_some() && since.elapsed() > self.ttl {
            let (lender, old) = (Arc::clone(self), Arc::clone(&lent));
            tokio::spawn(async move { lender.newer_than(&old).await });
        }
        lent
    }

    /// Another key than this one, if the source has one by now.
    pub(crate) async fn newer_than(&self, old: &Lent) -> Option<Arc<Lent>> {
        let reread = Arc::clone(self.reread.as_ref()?);
        let asked = Instant::now();
        let _turn = self.reading.lock().await;
        let (lent, since) = self.current();
        if lent.key == old.key && since < asked {
            let read = tokio::task::spawn_blocking(move || reread()).await;
            let newer = read.ok().and_then(Result::ok).filter(|key| *key != old.key);
            let newer = newer.and_then(|key| Lent::new(key, self.as_bearer).ok());
            // What cannot be read now is asked again when its time is over once more.
            let newer = newer.map_or(lent, Arc::new);
            *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = (newer, Instant::now());
        }
        let (lent, _) = self.current();
        (lent.key != old.key).then_some(lent)
    }

    fn current(&self) -> (Arc<Lent>, Instant) {
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&lent.0), lent.1)
    }
}
