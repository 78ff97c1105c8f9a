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
    pub old_digest: String,
    pub old_trace: Option<Trace>,
    #[serde(skip)]
    file: PathBuf,
}

/// The records of this rotation and of those before it that were cut off.
pub(crate) struct Records {
    /// The rotations whose old keys are still to be named or retired, each key once, this one's last.
    pub olds: Vec<Pending>,
    /// Whether the new key is in place already, and only the steps after the swap are left.
    pub is_resumed: bool,
    files: Vec<PathBuf>,
}

impl Records {
    pub(crate) fn of(
        old: &str,
        new: &ApiKey,
        config: &Path,
        context: &Context,
    ) -> anyhow::Result<Records> {
        let is_resumed = old == new.reveal();
        let [old_digest, new_digest] = [old, new.reveal()].map(key::digest);
        let base = state::file_for(config, "rotate", context)?.with_extension("");
        let dir = base.parent().unwrap_or(&base);
        let (mut all, mut olds) = (Vec::new(), Vec::<Pending>::new());
        for file in private::list(dir).map_err(|error| disk::refused(error, "list", dir))? {
            let is_of_config = file
                .as_os_str()
                .as_encoded_bytes()
                .starts_with(base.as_os_str().as_encoded_bytes());
            if is_of_config && let Some(bytes) = private::read(&file)? {
                let pending: Pending = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is not a record of a rotation", file.display()))?;
                all.push(Pending { file, ..pending });
            }
        }
        if !is_resumed {
            let [from, to] = [&old_digest, &new_digest].map(|it| it.trim_start_matches("sha256:"));
            all.push(Pending {
                schema: 1,
                old: Named::of(old),
                old_trace: ApiKey::parse(old).ok().map(|old| Trace::of(&old)),
                file: PathBuf::from(format!("{}-{from}-{to}.json", base.display())),
                old_digest,
            });
        }
        let files = all.iter().map(|pending| pending.file.clone()).collect();
        for pending in all.into_iter().rev().filter(|pending| pending.old_digest != new_digest) {
            if !olds.iter().any(|old| old.old_digest == pending.old_digest) {
                olds.insert(0, pending);
            }
        }
        Ok(Records { olds, is_resumed, files })
    }

    fn this(&self) -> Option<&Pending> {
        self.olds.last().filter(|_| !self.is_resumed)
    }

    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let Some(this) = self.this() else { return Ok(()) };
        private::write(&this.file, &serde_json::to_vec(this)?).inspect_err(|_| self.abandon())
    }

    /// Removes this rotation's record: the swap was not made.
    pub(crate) fn abandon(&self) {
        let _ = self.this().map(|this| private::remove(&this.file));
    }

    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        let left: Vec<_> = self.files.iter().filter_map(|it| private::remove(it).err()).collect();
        left.first().map_or(Ok(()), |error| {
            let problem = format!("the record of this rotation is left: {error:#}");
            Err(fail(problem, "run the same command again: it removes the record"))
        })
    }
}
