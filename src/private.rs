//! cck's own small files, which no other program writes: whole, durable, for their owner alone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context as _;

/// Puts `bytes` at `path` in one step, with mode 0600, in a directory that is made 0700 where it is missing.
///
/// # Errors
/// Whatever the disk refuses; what was at `path` then still is.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    let dir = path
        .parent()
        .with_context(|| format!("{shown} has no directory"))?;
    let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    make.with_context(|| format!("cannot make the directory {}", dir.display()))?;
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("cannot write {shown}"))
}
