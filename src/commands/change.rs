//! A change to the config with all that follows from it: the audit line and the record for undo.

use clap::Args;

use super::target::{ShownChange, Target, TargetArgs};
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::said;
use crate::key::fingerprint;
use crate::private;
use crate::records::audit::{AuditArgs, Event};
use crate::records::undo;
use crate::store::Outcome;

/// The flags of every command that changes the config.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Which config, and how it is edited.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where the audit line goes.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// What a change did.
pub(crate) struct Changed {
    /// What the store did.
    pub outcome: Outcome,
    /// The changes as they may be shown.
    pub shown: Vec<ShownChange>,
    /// The key before, where the change replaced or removed one.
    pub old_key: Option<zeroize::Zeroizing<String>>,
}

/// Makes a change named `action`, with a key from a source of this kind.
pub(crate) fn apply(
    args: &ChangeArgs,
    target: &Target,
    action: &str,
    source: Option<&str>,
    context: &mut Context,
    decide: impl FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
) -> anyhow::Result<Changed> {
    let path = target.file.path.clone();
    let mut event = Event { action, config: &path, source, old: None, new: None };
    if !args.target.dry_run {
        args.audit.start(&event, context)?;
    }
    let outcome = target.update(decide).inspect_err(|_| args.audit.failed(&event, context))?;
    let key_change = outcome.changes.iter().find(|change| change.path == ["primaryApiKey"]);
    let key = |raw: &Option<String>| text(raw.as_deref()?);
    let old_key = key_change.and_then(|change| key(&change.before));
    let new_key = key_change.and_then(|change| key(&change.after));
    if !args.target.dry_run && !outcome.changes.is_empty() {
        if let Err(error) = undo::save(action, &path, &outcome.changes, context) {
            context.warn(&format!("`cck undo` will not know this change: {}", said(&error)));
        }
        event.old = old_key.as_deref().map(|key| fingerprint(key));
        event.new = new_key.as_deref().map(|key| fingerprint(key));
        args.audit.log(&event, "done", context);
        let dir = outcome.path.parent().unwrap_or(&outcome.path);
        if let Some(problem) = private::exposure(dir).filter(|_| new_key.is_some()) {
            context.warn(&format!(
                "{} {problem}: they can put another config in its place, and settings beside it that send the key elsewhere",
                dir.display()
            ));
        }
    } else if !args.target.dry_run {
        undo::tidy(&path, context);
    }
    let shown = outcome.changes.iter().map(ShownChange::from).collect();
    Ok(Changed { outcome, shown, old_key })
}

/// A JSON string's text, trimmed as the client trims a key.
fn text(raw: &str) -> Option<zeroize::Zeroizing<String>> {
    let text: String = serde_json::from_str(raw).ok()?;
    Some(zeroize::Zeroizing::new(text.trim().to_owned()))
}
