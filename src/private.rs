//! cck's own small files, which no other program writes: whole, durable, for their owner alone.

use std::path::Path;

use crate::document::store;

/// Puts `bytes` at `path` in one step, with mode 0600, in a directory that is made 0700 where it is missing. What a
/// killed run has left beside it is cleared away: it may hold a key.
///
/// # Errors
/// Whatever the disk refuses; what was at `path` then still is.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    store::put(path, bytes)
}
