//! The record of a rotation that is not finished. It holds no key: of the old one only what names it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::admin::Trace;
use crate::context::Context;
use crate::private;
use crate::records::state;

/// A rotation that has begun.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// 1; another number was written by another version.
    pub schema: u32,
    /// The old key's hint.
    pub old_hint: String,
    /// The old key's fingerprint.
    pub old_fingerprint: String,
    /// The old key's last characters, by which the client's approval lists know it.
    pub old_suffix: String,
    /// What the Admin API finds the old key by.
    pub old_trace: Option<Trace>,
    /// The new key's fingerprint.
    pub new_fingerprint: String,
}

impl Pending {
    /// Lays the record down, before the swap.
    pub(crate) fn save(&self, config: &Path, context: &Context) -> anyhow::Result<()> {
        private::write(&file(config, context)?, &serde_json::to_vec(self)?)
    }

    /// The record for this config, if there is one.
    pub(crate) fn load(config: &Path, context: &Context) -> anyhow::Result<Option<Pending>> {
        let path = file(config, context)?;
        let Some(bytes) = private::read(&path)? else {
            return Ok(None);
        };
        let pending = serde_json::from_slice(&bytes);
        pending.map(Some).with_context(|| format!("{} is no record of a rotation", path.display()))
    }

    /// Removes the record.
    pub(crate) fn remove(config: &Path, context: &Context) -> anyhow::Result<()> {
        private::remove(&file(config, context)?).map(|_| ())
    }
}

fn file(config: &Path, context: &Context) -> anyhow::Result<PathBuf> {
    state::file_for(config, "rotate", context)
}
