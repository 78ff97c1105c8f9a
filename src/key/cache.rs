//! What a key command printed, kept for as long as `--ttl` asks: in memory, 0600. Callers of the same key take turns at the
//! lock of its file: the first runs the command, the others find what it got.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::disk::{self, Open};
use crate::key::{self, ApiKey};
use crate::private;

const MAX_BYTES: u64 = 128 * 1024;

pub(crate) struct Cache {
    pub dir: PathBuf,
}

impl Cache {
    pub(crate) fn open(base: &Path) -> io::Result<Cache> {
        let cache = Cache::at(base);
        private::own_dir(&cache.dir).map(|()| cache)
    }

    pub(crate) fn at(base: &Path) -> Cache {
        Cache { dir: base.join(format!("cck-cache-{}", disk::user())) }
    }

    pub(crate) fn clear_expired(base: &Path) {
        if fs::symlink_metadata(Cache::at(base).dir).is_ok()
            && let Ok(cache) = Cache::open(base)
        {
            cache.forget_expired();
        }
    }

    /// The key under `name`, at most `ttl` old, or what `read` gives; it waits no longer than `patience` for another caller.
    pub(crate) fn get(
        &self,
        name: &str,
        ttl: Duration,
        patience: Duration,
        read: impl FnOnce() -> anyhow::Result<ApiKey>,
    ) -> anyhow::Result<ApiKey> {
        let digest = Sha256::new().chain_update("cck-cache-v1:").chain_update(name).finalize();
        let file = self.dir.join(private::hex(&digest[..16]));
        let Ok(mut file) = private::open_locked(&file, Open::Make, patience) else { return read() };
        self.forget_expired();
        if let Some(key) = fresh(&mut file, ttl) {
            return Ok(key);
        }
        let key = read()?;
        // A failed write leaves a file whose fingerprint does not fit: the next caller reads anew.
        let _ = keep(&mut file, &key, ttl);
        Ok(key)
    }

    /// Empties the files whose time is over. They are not removed: another caller may be waiting for their lock.
    fn forget_expired(&self) {
        for path in private::list(&self.dir).unwrap_or_default() {
            if let Ok(mut file) = private::open_locked(&path, Open::Make, Duration::ZERO)
                && file.metadata().is_ok_and(|metadata| metadata.len() > 0)
                && parse(&mut file).is_none_or(|(expires, _)| expires <= now())
            {
                let _ = file.set_len(0);
            }
        }
    }
}

/// Empties a file of the cache if its key is an old one, and says whether it is.
pub(crate) fn forget(
    file: &Path,
    is_old: impl Fn(&str) -> bool,
    dry_run: bool,
) -> anyhow::Result<bool> {
    let forget = || {
        let mut file = private::open_locked(file, Open::Make, private::LOCK_WAIT)?;
        let is_old = parse(&mut file).is_some_and(|(_, key)| is_old(key.reveal()));
        if is_old && !dry_run {
            file.set_len(0)?;
        }
        io::Result::Ok(is_old)
    };
    forget().map_err(|e| anyhow::Error::msg(format!("it cannot be emptied: {}", disk::what(&e))))
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn parse(file: &mut File) -> Option<(u128, ApiKey)> {
    let mut text = Zeroizing::new(String::new());
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let expires = lines.next()?.parse().ok()?;
    let fingerprint = lines.next()?;
    let key = lines.next()?;
    (key::digest(key) == fingerprint).then(|| ApiKey::parse(key).ok())?.map(|key| (expires, key))
}

fn fresh(file: &mut File, ttl: Duration) -> Option<ApiKey> {
    let (expires, key) = parse(file)?;
    // A clock that was set back must not make a key last; and who asks for a shorter time gets it.
    let age = file.metadata().ok()?.modified().ok()?.elapsed().ok()?;
    (age < ttl && now() < expires).then_some(key)
}

fn keep(file: &mut File, key: &ApiKey, ttl: Duration) -> io::Result<()> {
    let text =
        format!("{}\n{}\n{}\n", now() + ttl.as_millis(), key::digest(key.reveal()), key.reveal());
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(Zeroizing::new(text).as_bytes())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const MINUTE: Duration = Duration::from_secs(60);

    fn key(text: &str) -> ApiKey {
        ApiKey::parse(text).unwrap()
    }

    #[test]
    fn a_key_is_asked_for_once_and_again_after_its_time() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::open(base.path()).unwrap();
        let asked = AtomicUsize::new(0);
        let read = || {
            asked.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            Ok(key("sk-ant-one"))
        };
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    assert_eq!(cache.get("a", MINUTE, MINUTE, read).unwrap(), key("sk-ant-one"));
                });
            }
        });
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let other = cache.get("b", MINUTE, MINUTE, || Ok(key("sk-ant-two"))).unwrap();
        assert_eq!(other, key("sk-ant-two"));
        let short = Duration::from_millis(1);
        assert_eq!(
            cache.get("a", short, MINUTE, || Ok(key("sk-ant-new"))).unwrap(),
            key("sk-ant-new")
        );
        std::thread::sleep(Duration::from_millis(5));
        cache.get("c", short, MINUTE, || Ok(key("sk-ant-c"))).unwrap();
        let sizes =
            || fs::read_dir(&cache.dir).unwrap().map(|e| e.unwrap().metadata().unwrap().len());
        assert_eq!(sizes().filter(|size| *size == 0).count(), 1, "the expired one is emptied");
    }

    #[test]
    fn a_failure_is_not_kept_and_a_cache_of_others_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::open(base.path()).unwrap();
        assert!(cache.get("a", MINUTE, MINUTE, || anyhow::bail!("no")).is_err());
        assert_eq!(cache.get("a", MINUTE, MINUTE, || Ok(key("k"))).unwrap(), key("k"));
        fs::set_permissions(&cache.dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        assert!(Cache::open(base.path()).is_err());
    }
}
