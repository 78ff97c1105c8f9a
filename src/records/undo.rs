//! What undo needs: for each config a record of the last change, with only the members that it changed. It may hold the old
//! key, so it is 0600, kept for a week, and removed by `rotate` and `unset-key --scrub`. It is written before the change,
//! beside the record of the change before, and takes that one's name after; after a run that was killed, the files show which
//! of the two holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::state;
use crate::client::keychain;
use crate::context::Context;
use crate::document::{Change, Document, Edit};
use crate::error::fail;
use crate::private;
use crate::store;

/// The directory of the records, in cck's state directory.
const DIR: &str = "undo";

const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The last change of one config, and of what else it changed.
#[derive(Serialize, Deserialize)]
pub struct Record {
    /// 1; another number was written by another version.
    schema: u32,
    pub time: String,
    pub action: String,
    config: PathBuf,
    pub(crate) files: Vec<Edited>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Edited {
    pub path: PathBuf,
    members: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
struct Member {
    path: Vec<String>,
    /// Its value before as JSON text; none where it was absent.
    before: Option<Box<RawValue>>,
    /// SHA-256 of its value after, by which undo knows that nobody has changed it since; none if it was removed.
    after: Option<String>,
}

impl Edited {
    pub(crate) fn is_untouched(&self, document: &Document<'_>) -> bool {
        self.members.iter().all(|it| document.raw(&it.names()).map(digest) == it.after)
    }

    pub(crate) fn restore(&self) -> Vec<Edit> {
        let restore = |member: &Member| match &member.before {
            Some(value) => Edit::set(&member.names(), value),
            None => Edit::remove(&member.names()),
        };
        self.members.iter().map(restore).collect()
    }

    /// Whether the change took effect: a killed run may have laid the record down and not made it.
    fn holds(&self, context: &Context) -> bool {
        let bytes = match keychain::service(&self.path) {
            Some(service) => keychain::read_document(service, context).ok(),
            None => store::read(&self.path).ok().flatten().map(Zeroizing::new),
        };
        Document::parse(&bytes.unwrap_or_default()).is_ok_and(|it| self.is_untouched(&it))
    }
}

impl Member {
    fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    fn of(change: &Change) -> serde_json::Result<Member> {
        let before = change.before.clone().map(RawValue::from_string).transpose()?;
        Ok(Member { path: change.path.clone(), before, after: change.after.as_deref().map(digest) })
    }
}

impl Record {
    pub(crate) fn new(action: &str, config: &Path) -> Record {
        Record {
            schema: 1,
            time: super::audit::now(),
            action: action.to_owned(),
            config: config.to_path_buf(),
            files: Vec::new(),
        }
    }

    /// Lays down that `changes` are about to be made. The caller holds the lock of the audit trail: no two do this at once.
    pub(crate) fn prepare(
        &mut self,
        path: &Path,
        changes: &[Change],
        context: &Context,
    ) -> anyhow::Result<()> {
        if self.files.is_empty() {
            settle(&self.config, context)?;
        }
        let members = changes.iter().map(Member::of).collect::<serde_json::Result<_>>()?;
        self.files.retain(|file| file.path != path);
        self.files.push(Edited { path: path.to_path_buf(), members });
        self.save_next(context)
    }

    pub(crate) fn abandon(&self, context: &Context) {
        if !self.files.is_empty() {
            let _ = places(&self.config, context).and_then(|[_, next]| private::remove(&next));
        }
    }

    pub(crate) fn commit(&self, context: &Context) {
        if !self.files.is_empty()
            && let Ok([last, next]) = places(&self.config, context)
        {
            // If this fails, the next command finds both and looks which one holds.
            let _ = private::rename(&next, &last);
        }
    }

    fn save_next(&self, context: &Context) -> anyhow::Result<()> {
        let text = Zeroizing::new(serde_json::to_vec(self)?);
        let [_, next] = places(&self.config, context)?;
        private::write(&next, &text)
    }
}

/// The record that a killed run has laid down, as far as its change took effect.
fn prepared(next: &Path, config: &Path, context: &Context) -> anyhow::Result<Option<Record>> {
    let Some(mut record) = read(next, config)? else { return Ok(None) };
    record.files.retain(|file| file.holds(context));
    Ok(Some(record).filter(|record| !record.files.is_empty()))
}

/// Clears away a record that a killed run has written in part: it may hold a key.
pub(crate) fn tidy(config: &Path, context: &Context) {
    if let Ok([_, next]) = places(config, context) {
        private::tidy(&next);
    }
}

/// Ends what a killed run has left: its record is the last one, if its change took effect.
fn settle(config: &Path, context: &Context) -> anyhow::Result<()> {
    let [_, next] = places(config, context)?;
    if let Ok(Some(record)) = prepared(&next, config, context) {
        record.save_next(context)?;
        record.commit(context);
    }
    private::remove(&next).map(drop)
}

pub(crate) fn load(config: &Path, context: &Context) -> anyhow::Result<Option<Record>> {
    let [last, next] = places(config, context)?;
    let prepared = prepared(&next, config, context)?;
    prepared.map_or_else(|| read(&last, config), |record| Ok(Some(record)))
}

fn read(path: &Path, config: &Path) -> anyhow::Result<Option<Record>> {
    let Some(bytes) = private::read(path)? else { return Ok(None) };
    let record = serde_json::from_slice::<Record>(&bytes)
        .with_context(|| format!("{} is not a record of a change", path.display()))?;
    if record.config != config {
        let problem = format!("{} is the record of another config", path.display());
        return Err(fail(problem, "it was put there by hand: look at it, and remove it"));
    }
    Ok(Some(record))
}

pub(crate) fn keys(config: &Path, context: &Context) -> Vec<Zeroizing<String>> {
    let record = load(config, context).ok().flatten();
    let files = record.iter().flat_map(|record| &record.files);
    let keys = files.flat_map(|file| &file.members).filter(|member| is_key(&member.path));
    let keys = keys.filter_map(|member| key_in(member.before.as_ref()?.get()));
    keys.collect()
}

/// Whether the member at this path is the key, in the config or in the Keychain's item.
pub(crate) fn is_key(path: &[String]) -> bool {
    [["primaryApiKey"], [keychain::MEMBER]].iter().any(|member| path == member)
}

pub(crate) fn key_in(raw: &str) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(serde_json::from_str::<String>(raw).ok()?);
    Some(Zeroizing::new(text.trim().to_owned()))
}

pub(crate) fn expire(context: &Context) {
    let Ok(state) = state::dir(context) else { return };
    for file in private::list(&state.join(DIR)).unwrap_or_default() {
        let modified = fs::symlink_metadata(&file).and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= KEPT)) {
            let _ = private::remove(&file);
        }
    }
}

/// Where the record of a config's last change is, and before a change is made, that of the change.
pub(crate) fn places(config: &Path, context: &Context) -> anyhow::Result<[PathBuf; 2]> {
    let last = state::file_for(config, DIR, context)?;
    let next = last.with_extension("next");
    Ok([last, next])
}

/// The digest of a JSON text, however it is laid out.
fn digest(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).map(|mut value| {
        value.sort_all_objects();
        value.to_string()
    });
    private::hex(&Sha256::digest(value.as_deref().unwrap_or(text)))
}
