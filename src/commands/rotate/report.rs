//! What `cck rotate` says.

use serde_json::json;

use super::super::change::Changed;
use super::super::unset_key;
use super::Rotation;
use super::pending::{Named, Pending};
use crate::admin::Listed;
use crate::context::Context;
use crate::output::one_line;
use crate::records::scrub::Scrubbed;

/// What was done after the swap.
#[derive(Default)]
pub(crate) struct Done {
    pub scrubbed: Scrubbed,
    /// The old keys, as the Admin API has them now.
    pub retired: Vec<Listed>,
    /// What is left to do, a line each.
    pub left: Vec<String>,
    /// How many sessions are running that still have the old key.
    pub running: usize,
}

impl Rotation {
    pub(super) fn print(
        &self,
        changed: &Changed,
        done: &Done,
        context: &mut Context,
    ) -> anyhow::Result<()> {
        if self.args.change.json {
            return self.print_json(changed, done, context);
        }
        let (place, new, dry_run) =
            (self.place(context), self.new.hint(), self.args.change.dry_run);
        let olds = self.records.olds();
        let Some(Named { hint: old, .. }) = olds.last().map(|last| &last.old) else {
            context.say(format!("{place} already holds the key {new}; there is nothing to rotate"));
            return Ok(());
        };
        if dry_run {
            context.say(format!(
                "{old} would be replaced with {new} in {place} (dry run, nothing was written)"
            ));
        } else if changed.shown.is_empty() {
            context.done(format!("{new} was already in {place}; went on with what was left"));
        } else {
            context.done(format!("replaced {old} with {new} in {place}"));
        }
        changed.print_diff(context);
        unset_key::tell(&done.scrubbed, dry_run, context);
        for key in &done.retired {
            let name = one_line(&key.name);
            context.say(format!("the old key is {}: {} {name}", key.status, key.id));
        }
        let left = &done.left;
        if !dry_run && done.retired.is_empty() && left.is_empty() {
            for Pending { old, .. } in olds {
                context.say(format!("revoke the old key: {} ({})", old.hint, old.fingerprint));
            }
        }
        if done.running > 0 && !dry_run {
            context.warn(&unset_key::still_running(done.running));
        }
        let steps = if left.len() == 1 { "this is" } else { "these steps are" };
        match (left.is_empty(), dry_run) {
            (true, _) => {}
            (false, true) => {
                context.warn("the new key would be in place, with this left to do:");
            }
            (false, false) => context.warn(&format!(
                "the new key is in place, and {steps} left to do; run the same command again after:"
            )),
        }
        left.iter().for_each(|step| context.warn(step));
        Ok(())
    }

    fn print_json(
        &self,
        changed: &Changed,
        done: &Done,
        context: &mut Context,
    ) -> anyhow::Result<()> {
        let new = Named::of(self.new.reveal());
        let mut olds: Vec<_> = self.records.olds().iter().map(|pending| &pending.old).collect();
        let report = json!({
            "source": self.source,
            "old": olds.pop().unwrap_or(&new),
            "new": new,
            // The old keys of rotations before this one that were cut off.
            "older": olds,
            "checked_online": self.args.online || self.args.retire_old,
            "scrubbed": done.scrubbed,
            "retired": done.retired.last(),
            "left": done.left,
            "running": done.running,
        });
        changed.print_json(&self.target, report, context)
    }
}
