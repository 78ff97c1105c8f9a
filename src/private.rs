//! cck's own small files, which no other program writes: whole, durable, for their owner alone.

use std::path::{Path, PathBuf};

use crate::document::store;

/// Puts `bytes` at `path` in one step, with mode 0600, in a directory that is made 0700 where it is missing. What a
/// killed run has left beside it is cleared away: it may hold a key.
///
/// # Errors
/// Whatever the disk refuses; what was at `path` then still is.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    store::put(path, bytes)
}

/// Removes the file at `path`, and returns the path if there was one.
///
/// # Errors
/// Where it cannot be removed.
pub fn remove(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(Some(path.to_path_buf())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context(format!("cannot remove {}", path.display()))),
    }
}
