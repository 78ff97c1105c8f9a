//! The records of rotations that are not finished, one per old and new key. They hold no key: of the old one only what
//! names it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::admin::Trace;
use crate::context::Context;
use crate::disk;
use crate::error::fail;
use crate::key::{self, ApiKey};
use crate::private;
use crate::records::state;

/// A key as people recognise it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Named {
    pub hint: String,
    pub fingerprint: String,
}

impl Named {
    pub(crate) fn of(key: &str) -> Named {
        Named { hint: key::hint(key), fingerprint: key::fingerprint(key) }
    }
}

/// A rotation that has begun. It is remembered until its old key is named or retired.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// 1; another number was written by another version.
    schema: u32,
    pub old: Named,
    /// By which a copy of the old key is known.
    pub old_digest: String,
    /// What the Admin API finds the old key by.
    pub old_trace: Option<Trace>,
    /// Where it was read.
    #[serde(skip)]
    file: PathBuf,
}

impl Pending {
    fn new(old: &str, new: &ApiKey, config: &Path, context: &Context) -> anyhow::Result<Pending> {
        let [old_digest, new_digest] = [old, new.reveal()].map(key::digest);
        let base = state::file_for(config, "rotate", context)?.with_extension("");
        let [from, to] =
            [&old_digest, &new_digest].map(|digest| digest.rsplit(':').next().unwrap_or_default());
        Ok(Pending {
            schema: 1,
            old: Named::of(old),
            old_trace: ApiKey::parse(old).ok().map(|old| Trace::of(&old)),
            file: PathBuf::from(format!("{}-{from}-{to}.json", base.display())),
            old_digest,
        })
    }

    fn all(config: &Path, context: &Context) -> anyhow::Result<Vec<Pending>> {
        let base = state::file_for(config, "rotate", context)?;
        let stem = base.file_stem().unwrap_or_default().as_encoded_bytes();
        let dir = base.parent().unwrap_or(&base);
        let mut files = private::list(dir).map_err(|error| disk::refused(error, "list", dir))?;
        files.retain(|file| {
            file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(stem))
        });
        files.sort();
        let mut all = Vec::new();
        for file in files {
            let Some(bytes) = private::read(&file)? else { continue };
            let pending: Pending = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not a record of a rotation", file.display()))?;
            all.push(Pending { file, ..pending });
        }
        Ok(all)
    }
}

/// The records of this rotation and of those before it that were cut off.
pub(crate) struct Records {
    unfinished: Vec<Pending>,
    /// None if the new key is in place already.
    this: Option<Pending>,
    new: String,
}

impl Records {
    /// Those for the rotation of `old` to `new` in this config.
    pub(crate) fn of(
        old: &str,
        new: &ApiKey,
        config: &Path,
        context: &Context,
    ) -> anyhow::Result<Records> {
        let this = (old != new.reveal()).then(|| Pending::new(old, new, config, context));
        Ok(Records {
            unfinished: Pending::all(config, context)?,
            this: this.transpose()?,
            new: key::digest(new.reveal()),
        })
    }

    /// The rotations whose old keys are still to be named or retired, each key once, this one's last.
    pub(crate) fn olds(&self) -> Vec<&Pending> {
        let mut olds: Vec<&Pending> = Vec::new();
        for pending in self.this.iter().chain(self.unfinished.iter().rev()) {
            let is_same = |old: &&Pending| old.old_digest == pending.old_digest;
            if pending.old_digest != self.new && !olds.iter().any(is_same) {
                olds.insert(0, pending);
            }
        }
        olds
    }

    /// Whether the new key is in place already, and only the steps after the swap are left.
    pub(crate) fn is_resumed(&self) -> bool {
        self.this.is_none()
    }

    /// Lays this rotation's record down, before the swap.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let Some(this) = &self.this else { return Ok(()) };
        private::write(&this.file, &serde_json::to_vec(this)?).inspect_err(|_| self.abandon())
    }

    /// Removes this rotation's record: the swap was not made.
    pub(crate) fn abandon(&self) {
        let _ = self.this.as_ref().map(|this| private::remove(&this.file));
    }

    /// Removes all, once the old keys are named.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        let records = self.unfinished.iter().chain(&self.this);
        let left: Vec<_> = records.filter_map(|it| private::remove(&it.file).err()).collect();
        left.first().map_or(Ok(()), |error| {
            let problem = "the new key is in place, but the record of this rotation is left";
            Err(fail(
                format!("{problem}: {error:#}"),
                "run the same command again: it removes the record",
            ))
        })
    }
}
