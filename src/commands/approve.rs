//! `cck approve`: answers the client's question about a key in the environment before it is asked. The interactive client uses
//! a key only if its last 20 characters are in `customApiKeyResponses.approved` (2.1.330, observed 2026-11).

use clap::Args;
use serde_json::{Map, Value, json};

use super::change::{self, FilePlan};
use super::target::{ChangeArgs, Target};
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::Exit;
use crate::key::source::{DEFAULT_VARIABLE, KeySource, Place};

const RESPONSES: &str = "customApiKeyResponses";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck approve                       use $ANTHROPIC_API_KEY without asking
  cck approve --key-env TEAM_KEY    the key in $TEAM_KEY
  cck approve --revoke              let the client ask again")]
pub(crate) struct ApproveArgs {
    /// The variable that holds the key
    #[arg(long, value_name = "VAR", default_value = DEFAULT_VARIABLE)]
    key_env: String,
    /// Withdraw the approval: the client asks again
    #[arg(long)]
    revoke: bool,
    /// Take a key that does not start with sk-ant-, such as a gateway's
    #[arg(long, hide_short_help = true)]
    any_shape: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) fn run(args: ApproveArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = Target::locate(&args.change, context)?.existing()?;
    let key =
        KeySource { any_shape: args.any_shape, ..KeySource::new(Place::Env(args.key_env.clone())) }
            .read(context)?;
    let action = if args.revoke { "revoke" } else { "approve" };
    let edits = |document: &Document<'_>| Ok(edits(document, key.suffix(), !args.revoke));
    let files = vec![FilePlan::new(&target.file.path, edits)];
    let changed = change::apply(&target, action, Some("env"), files, context)?;
    let (shown, hint) = (context.show(&target.file.path), key.hint());
    let state = if args.revoke { "not approved" } else { "approved" };
    let now = if args.revoke { "no longer approved" } else { "now approved" };
    let lines = [
        format!("{hint} is already {state} in {shown}; nothing to change"),
        format!("{hint} would be {state} in {shown} (dry run, nothing was written)"),
        format!("{hint} is {now} in {shown}"),
    ];
    let fingerprint = key.fingerprint();
    let report = json!({"hint": hint, "fingerprint": fingerprint, "approved": !args.revoke});
    changed.report(&target, report, lines, context)?;
    Ok(Exit::Done)
}

/// Puts `suffix` among the approved and out of the rejected, or out of the approved.
fn edits(document: &Document<'_>, suffix: &str, approve: bool) -> Vec<Edit> {
    if !approve {
        return without(document, "approved", suffix).into_iter().collect();
    }
    if document.get::<Map<String, Value>>(&[RESPONSES]).is_none() {
        // Of another shape the client takes nothing from it.
        return vec![Edit::set(&[RESPONSES], &json!({"approved": [suffix], "rejected": []}))];
    }
    let mut approved = list(document, "approved");
    let is_new = !approved.contains(&suffix.into());
    approved.push(suffix.into());
    let edit = is_new.then(|| Edit::set(&[RESPONSES, "approved"], &approved));
    edit.into_iter().chain(without(document, "rejected", suffix)).collect()
}

pub(crate) fn carry(document: &Document<'_>, old: &str, new: &str) -> Vec<Edit> {
    let mut approved = list(document, "approved");
    if !approved.contains(&old.into()) {
        return Vec::new();
    }
    approved.retain(|entry| entry != new);
    approved.iter_mut().filter(|entry| **entry == *old).for_each(|entry| *entry = new.into());
    approved.dedup();
    let edit = Edit::set(&[RESPONSES, "approved"], &approved);
    [edit].into_iter().chain(without(document, "rejected", new)).collect()
}

fn list(document: &Document<'_>, name: &str) -> Vec<Value> {
    document.get(&[RESPONSES, name]).unwrap_or_default()
}

fn without(document: &Document<'_>, name: &str, suffix: &str) -> Option<Edit> {
    let mut answers = list(document, name);
    let count = answers.len();
    answers.retain(|answer| answer != suffix);
    (answers.len() < count).then(|| Edit::set(&[RESPONSES, name], &answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUFFIX: &str = "ghijklmnopqrstuvwxyz";

    fn after(config: &str, approve: bool) -> String {
        let document = Document::parse(config.as_bytes()).unwrap();
        let edited = document.apply(&edits(&document, SUFFIX, approve)).unwrap();
        String::from_utf8(edited.pieces.concat()).unwrap()
    }

    #[test]
    fn the_suffix_goes_from_one_list_to_the_other() {
        let approved = format!(
            "{{\"customApiKeyResponses\":{{\"approved\":[\"{SUFFIX}\"],\"rejected\":[]}}}}"
        );
        let rejected = format!(
            "{{\"customApiKeyResponses\":{{\"rejected\":[\"{SUFFIX}\"],\"approved\":[]}}}}"
        );
        let neither = approved.replace(&format!("\"{SUFFIX}\""), "");
        for before in ["{\"customApiKeyResponses\":5}", &approved, &neither] {
            assert_eq!(after(before, true), approved, "{before}");
        }
        assert_eq!(after("{\"a\":1}", true), approved.replacen('{', "{\"a\":1,", 1));
        let value: Value = serde_json::from_str(&after(&rejected, true)).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(&approved).unwrap());
        assert_eq!(after(&approved, false), neither);
        assert_eq!(after(&neither, false), neither);
        assert_eq!(
            after(&rejected, false),
            rejected,
            "revoking takes back an approval, not a refusal"
        );
    }

    #[test]
    fn an_approval_is_carried_over() {
        let edited = |config: &str| {
            let document = Document::parse(config.as_bytes()).unwrap();
            let edited = document.apply(&carry(&document, "old", "new")).unwrap();
            String::from_utf8(edited.pieces.concat()).unwrap()
        };
        let lists = |approved: &str, rejected: &str| {
            format!(
                "{{\"customApiKeyResponses\":{{\"approved\":[{approved}],\"rejected\":[{rejected}]}}}}"
            )
        };
        let row =
            |a, r, after_a, after_r| assert_eq!(edited(&lists(a, r)), lists(after_a, after_r));
        row("\"a\",\"old\",\"b\"", "", "\"a\",\"new\",\"b\"", "");
        row("\"old\"", "\"new\",\"c\"", "\"new\"", "\"c\"");
        row("\"new\",\"old\"", "", "\"new\"", "");
        row("\"a\"", "\"old\"", "\"a\"", "\"old\"");
        assert_eq!(edited("{\"customApiKeyResponses\":7}"), "{\"customApiKeyResponses\":7}");
    }

    #[test]
    fn other_answers_stay() {
        let before =
            "{\"customApiKeyResponses\":{\"approved\":[\"a\"],\"rejected\":[\"b\"],\"more\":1}}";
        let both = format!(
            "{{\"customApiKeyResponses\":{{\"approved\":[\"a\",\"{SUFFIX}\"],\"rejected\":[\"b\"],\"more\":1}}}}"
        );
        assert_eq!(after(before, true), both);
        assert_eq!(after(&both, false), before);
    }
}
