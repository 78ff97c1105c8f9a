//! What undo needs: for each config a record of the last change, which holds only the members that it changed.
//!
//! The record may hold the old key, so it is 0600 in a 0700 directory, and `rotate` and `unset-key --scrub` remove it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::document::{Change, Document, Edit};
use crate::error::fail;
use crate::private;
use crate::records::state;
use crate::store;

/// The last change of one config.
#[derive(Serialize, Deserialize)]
pub struct Record {
    /// 1; another number was written by another version.
    pub schema: u32,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The command that changed it.
    pub action: String,
    /// The config.
    pub config: PathBuf,
    /// The members that it changed.
    pub members: Vec<Member>,
}

/// One changed member.
#[derive(Serialize, Deserialize)]
pub struct Member {
    /// Its path from the top-level object down.
    pub path: Vec<String>,
    /// Its value before as JSON text; none where it was absent.
    before: Option<Box<RawValue>>,
    /// SHA-256 of its value after as JSON text, by which undo knows that nobody has changed it since; none where it
    /// was removed.
    after: Option<String>,
}

impl Member {
    /// Whether the member is still as the change left it.
    pub(crate) fn is_untouched(&self, document: &Document<'_>) -> bool {
        document.raw(&self.names()).map(digest) == self.after
    }

    /// The edit that puts the member back.
    pub(crate) fn restore(&self) -> Edit {
        match &self.before {
            Some(value) => Edit::set(&self.names(), value),
            None => Edit::remove(&self.names()),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// Keeps what `changes` replaced in `config`, in place of the record of the change before.
pub(crate) fn save(
    action: &str,
    config: &Path,
    changes: &[Change],
    context: &Context,
) -> anyhow::Result<()> {
    let member = |change: &Change| {
        let before = change.before.clone().map(RawValue::from_string).transpose()?;
        Ok(Member { path: change.path.clone(), before, after: change.after.as_deref().map(digest) })
    };
    let record = Record {
        schema: 1,
        time: crate::records::audit::now(),
        action: action.to_owned(),
        config: config.to_path_buf(),
        members: changes.iter().map(member).collect::<serde_json::Result<_>>()?,
    };
    let text = zeroize::Zeroizing::new(serde_json::to_vec(&record)?);
    private::write(&file(config, context)?, &text)
}

/// Clears away what a killed run has left of a record of `config`.
pub(crate) fn tidy(config: &Path, context: &Context) {
    if let Ok(path) = file(config, context) {
        store::tidy(&path);
    }
}

/// The record of the last change of `config`, if there is one.
pub(crate) fn load(config: &Path, context: &Context) -> anyhow::Result<Option<Record>> {
    let path = file(config, context)?;
    let Some(bytes) = private::read(&path)? else {
        return Ok(None);
    };
    let record = serde_json::from_slice::<Record>(&bytes)
        .with_context(|| format!("{} is no record of a change", path.display()))?;
    if record.config != config {
        return Err(fail(
            format!("{} is the record of another config", path.display()),
            "it was put there by hand: look at it, and remove it",
        ));
    }
    Ok(Some(record))
}

/// Removes the record of the last change of `config` and returns its path, if there was one.
pub(crate) fn forget(config: &Path, context: &Context) -> anyhow::Result<Option<PathBuf>> {
    private::remove(&file(config, context)?)
}

fn file(config: &Path, context: &Context) -> anyhow::Result<PathBuf> {
    state::file_for(config, "undo", context)
}

/// The digest of a JSON text, however it is laid out.
fn digest(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).map(|value| value.to_string());
    Sha256::digest(value.as_deref().unwrap_or(text))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
