//! cck's own files, which are not a config: the audit log, the records for undo, a rotation that is not finished.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::error::fail;
use crate::private;

/// cck's state directory: `$XDG_STATE_HOME/cck`, else on Windows `%LOCALAPPDATA%\cck`, else `~/.local/state/cck`. A relative
/// XDG_STATE_HOME is ignored, as the XDG Base Directory Specification asks.
pub(crate) fn dir(context: &Context) -> anyhow::Result<PathBuf> {
    let xdg = context.var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let local = context.var_os("LOCALAPPDATA").filter(|dir| cfg!(windows) && !dir.is_empty());
    // A home that does not exist is not made.
    let home = || Some(context.home().filter(|home| home.exists())?.join(".local/state"));
    let dir = xdg.or_else(|| local.map(PathBuf::from)).or_else(home);
    dir.map(|dir| dir.join("cck")).ok_or_else(|| {
        let problem = "neither XDG_STATE_HOME nor HOME names a directory for cck's records";
        fail(problem, "set one of them, or name the audit file in CCK_AUDIT_FILE")
    })
}

/// The record of this kind for a config: `<state>/KIND/<a hash of the config's path>.json`.
pub(crate) fn file_for(config: &Path, kind: &str, context: &Context) -> anyhow::Result<PathBuf> {
    let name = Sha256::digest(config.as_os_str().as_encoded_bytes());
    let name = private::hex(&name[..8]);
    Ok(dir(context)?.join(kind).join(format!("{name}.json")))
}
