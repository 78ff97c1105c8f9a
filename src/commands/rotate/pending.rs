//! The records of rotations that are not finished, one per old and new key. They hold no key: of the old one only what
//! names it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::admin::Trace;
use crate::context::Context;
use crate::disk;
use crate::key::{self, ApiKey};
use crate::private;
use crate::records::state;

/// A rotation that has begun. It is remembered until its old key is named or retired.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// 1; another number was written by another version.
    pub schema: u32,
    /// The old key's hint.
    pub old_hint: String,
    /// The old key's digest.
    pub old_fingerprint: String,
    /// The old key's last characters, by which the client's approval lists know it.
    pub old_suffix: String,
    /// What the Admin API finds the old key by.
    pub old_trace: Option<Trace>,
    /// The new key's digest.
    pub new_fingerprint: String,
    /// Whether the old key's digest may be shown: not if the key could be guessed from it.
    #[serde(default = "yes")]
    is_shown: bool,
    /// Where it was read.
    #[serde(skip)]
    file: PathBuf,
}

impl Pending {
    /// The rotation of `old` to `new` in this config.
    pub(crate) fn new(
        old: &str,
        new: &ApiKey,
        config: &Path,
        context: &Context,
    ) -> anyhow::Result<Pending> {
        let (old_fingerprint, new_fingerprint) = (key::digest(old), key::digest(new.reveal()));
        let base = state::file_for(config, "rotate", context)?.with_extension("");
        let short = |fingerprint: &str| fingerprint.rsplit(':').next().unwrap_or("").to_owned();
        let (from, to) = (short(&old_fingerprint), short(&new_fingerprint));
        Ok(Pending {
            schema: 1,
            old_hint: key::hint(old),
            old_suffix: key::suffix(old).to_owned(),
            old_trace: ApiKey::parse(old).ok().map(|old| Trace::of(&old)),
            is_shown: key::is_usual_shape(old),
            file: PathBuf::from(format!("{}-{from}-{to}.json", base.display())),
            old_fingerprint,
            new_fingerprint,
        })
    }

    /// Lays the record down, before the swap.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        private::write(&self.file, &serde_json::to_vec(self)?)
    }

    /// The records for this config.
    pub(crate) fn all(config: &Path, context: &Context) -> anyhow::Result<Vec<Pending>> {
        let base = state::file_for(config, "rotate", context)?;
        let stem = base.file_stem().unwrap_or_default().as_encoded_bytes();
        let mut all = Vec::new();
        let dir = base.parent().unwrap_or(&base);
        let files = private::list(dir).map_err(|error| disk::refused(error, "list", dir))?;
        for file in files {
            if !file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(stem)) {
                continue;
            }
            let Some(bytes) = private::read(&file)? else { continue };
            let pending: Pending = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not a record of a rotation", file.display()))?;
            all.push(Pending { file, ..pending });
        }
        all.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(all)
    }

    /// Removes the record.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        private::remove(&self.file).map(drop)
    }

    /// The old key as people recognise it.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.old_hint, self.fingerprint())
    }

    /// The old key's fingerprint.
    pub(crate) fn fingerprint(&self) -> &str {
        if self.is_shown { &self.old_fingerprint } else { "not shown" }
    }
}

fn yes() -> bool {
    true
}
