//! The client's items in the macOS Keychain, through `security`. A locked one is not opened, so macOS asks nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::names;
use crate::context::{Context, Platform};
use crate::document::{Change, Document, Edit};
use crate::error::fail;
use crate::key::command::{self, Ended};
use crate::private;
use crate::shell;

const PATIENCE: Duration = Duration::from_secs(2);

/// A longer line `security -i` breaks in two (read off the code of 2.1.112 to 2.1.332, 2026-11-27).
const MAX_LINE: usize = 4032;

/// What `security` exits with where the keychain is locked, and where the item does not exist.
const LOCKED: i32 = 36;
const NO_ITEM: i32 = 44;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Item {
    /// The item does not exist, or the Keychain does not.
    #[default]
    Missing,
    Locked,
    Failed(String),
    Text(Zeroizing<String>),
}

#[derive(Clone, Debug, Default)]
pub struct Keychain {
    pub key: Item,
    pub login: Item,
    pub services: [String; 2],
    pub account: String,
    /// Whether `security` did not end in time: the client waits longer, and may find what was not found here.
    pub hangs: bool,
}

/// The services that the client keeps its API key and its login under. With CLAUDE_CONFIG_DIR they end in a digest of it
/// (1.0.128 to 2.1.112, observed 2026-11-25), or of CLAUDE_SECURESTORAGE_CONFIG_DIR if that is set, even if it is empty (read
/// off the code of 2.1.166 to 2.1.332, 2026-11-27).
pub(crate) fn services(context: &Context) -> [String; 2] {
    let set = |name: &str| context.var(name).filter(|value| !value.is_empty());
    let dir = context.var(names::SECURE_STORAGE).or_else(|| context.var("CLAUDE_CONFIG_DIR"));
    let end = dir.filter(|dir| !dir.is_empty()).map_or_else(String::new, |dir| {
        format!("-{}", private::hex(&Sha256::digest(dir.as_bytes())[..4]))
    });
    // Read off the code of 2.1.112.
    let custom = if set(names::OAUTH_URL).is_some() { "-custom-oauth" } else { "" };
    ["", "-credentials"].map(|kind| format!("Claude Code{custom}{kind}{end}"))
}

/// The account that the items are of. A name with other characters than these counts as none (read off the code of 2.1.166
/// to 2.1.332, 2026-11-27; 2.1.113 takes any).
fn account(context: &Context) -> String {
    let user = context.var("USER").filter(|user| !user.is_empty());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = user.or_else(|| context.account_name()).filter(|name| name.chars().all(is_plain));
    name.unwrap_or_else(|| "claude-code-user".to_owned())
}

/// The program; where another system is only pretended, that of PATH.
fn program() -> &'static str {
    if cfg!(target_os = "macos") { "/usr/bin/security" } else { "security" }
}

/// Set once `security` has not ended in time: it is not waited for twice.
static HANGS: AtomicBool = AtomicBool::new(false);

pub(crate) fn read(context: &Context) -> Keychain {
    if context.platform() != Platform::Macos {
        return Keychain::default();
    }
    let services = services(context);
    let [key, login] = look(services.each_ref().map(String::as_str), context);
    let hangs = HANGS.load(Ordering::Relaxed);
    Keychain { key, login, services, account: account(context), hangs }
}

fn look<const N: usize>(services: [&str; N], context: &Context) -> [Item; N] {
    let deadline = Instant::now() + PATIENCE;
    let run = |arguments: &[&str]| {
        run(arguments, b"", deadline.saturating_duration_since(Instant::now()))
    };
    // Asking a locked keychain for an item would show its dialog.
    if let Err(Item::Locked) = run(&["show-keychain-info"]) {
        return [(); N].map(|()| Item::Locked);
    }
    let account = account(context);
    services.map(|service| {
        match run(&["find-generic-password", "-a", &account, "-w", "-s", service]) {
            Ok(text) if text.trim().is_empty() => Item::Missing,
            Ok(text) => Item::Text(text),
            Err(item) => item,
        }
    })
}

fn run(arguments: &[&str], input: &[u8], left: Duration) -> Result<Zeroizing<String>, Item> {
    let failed = |why: String| Item::Failed(format!("`security` {why}"));
    if HANGS.fetch_or(left.is_zero(), Ordering::Relaxed) || left.is_zero() {
        return Err(failed(Ended::TimedOut.to_string()));
    }
    let mut security = Command::new(program());
    security.args(arguments).stderr(Stdio::null());
    match command::run(&mut security, left, input) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(Ended::Code(LOCKED))) => Err(Item::Locked),
        Ok(Err(Ended::Code(NO_ITEM))) => Err(Item::Missing),
        Ok(Err(ended)) => {
            HANGS.fetch_or(ended == Ended::TimedOut, Ordering::Relaxed);
            Err(failed(ended.to_string()))
        }
        Err(error) => Err(failed(format!("cannot be run: {error}"))),
    }
}

/// What stands before the service in an item's place.
const PLACE: &str = "Keychain item ";

/// The one member of an item, as changes and their records name it.
pub(crate) const MEMBER: &str = "password";

/// How often a change is made again because the item was changed meanwhile.
const MAX_TRIES: usize = 5;

/// The item of the API key, as a change names it in place of a file's path. None if this system has no Keychain.
pub(crate) fn place(context: &Context) -> Option<PathBuf> {
    let is_mac = context.platform() == Platform::Macos;
    is_mac.then(|| format!("{PLACE}{}", services(context)[0]).into())
}

/// The service of an item's place; none if the path is a file's.
pub(crate) fn service(place: &Path) -> Option<&str> {
    place.to_str()?.strip_prefix(PLACE)
}

/// The item as a document, which has [`MEMBER`] if there is a key.
pub(crate) fn read_document(
    service: &str,
    context: &Context,
) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let [item] = look([service], context);
    let text = match &item {
        Item::Text(text) => serde_json::json!({ MEMBER: text.trim() }).to_string(),
        Item::Missing => "{}".to_owned(),
        Item::Locked | Item::Failed(_) => {
            return Err(refused("cannot be used", &item, service, context));
        }
    };
    Ok(Zeroizing::new(text.into_bytes()))
}

/// The place of the API key's item, and the key in it, if there is one, or why it cannot be read.
pub(crate) fn held(context: &Context) -> Option<(PathBuf, Held)> {
    let place = place(context)?;
    let key = |bytes: Zeroizing<Vec<u8>>| Ok(key_in(&Document::parse(&bytes)?));
    let held = read_document(service(&place)?, context).and_then(key);
    Some((place, held))
}

pub(crate) type Held = anyhow::Result<Option<Zeroizing<String>>>;

pub(crate) fn key_in(item: &Document<'_>) -> Option<Zeroizing<String>> {
    item.get::<String>(&[MEMBER]).map(Zeroizing::new)
}

/// Edits an item as [`store::update_recorded`](crate::store) edits a file.
pub(crate) fn update(
    service: &str,
    dry_run: bool,
    context: &Context,
    decide: &mut dyn FnMut(&Document<'_>) -> anyhow::Result<Vec<Edit>>,
    record: &mut dyn FnMut(&[Change]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Change>> {
    for _ in 0..MAX_TRIES {
        let before = read_document(service, context)?;
        let document = Document::parse(&before)?;
        let edited = document.apply(&decide(&document)?)?;
        if edited.changes.is_empty() || dry_run {
            return Ok(edited.changes);
        }
        record(&edited.changes)?;
        if read_document(service, context)? != before {
            continue;
        }
        let after = Zeroizing::new(edited.pieces.concat());
        let key = key_in(&Document::parse(&after)?);
        write(service, key.as_ref().map(|key| key.as_str()), context)?;
        return Ok(edited.changes);
    }
    Err(fail("another program keeps changing the Keychain", "end it, and run this again"))
}

/// Gives the item this key as the client does, in hexadecimal on standard input. Without a key, deletes it.
fn write(service: &str, key: Option<&str>, context: &Context) -> anyhow::Result<()> {
    let account = account(context);
    if let Some(key) = key {
        let hex = Zeroizing::new(private::hex(key.as_bytes()));
        let line = Zeroizing::new(format!(
            "add-generic-password -U -a \"{account}\" -s \"{service}\" -X \"{}\"\n",
            *hex
        ));
        if line.len() > MAX_LINE {
            let advice = "keep it in the config: leave --keychain out";
            return Err(fail("the key is too long for the Keychain", advice));
        }
        _ = run(&["-i"], line.as_bytes(), PATIENCE);
    } else {
        _ = run(&["delete-generic-password", "-a", &account, "-s", service], b"", PATIENCE);
    }
    // Looked at anyway: `security -i` ends well whatever became of its lines, and one that hung may have done its work.
    HANGS.store(false, Ordering::Relaxed);
    let [item] = look([service], context);
    let what = match (&item, key) {
        (Item::Text(text), Some(key)) if text.trim() == key => return Ok(()),
        (Item::Missing, None) => return Ok(()),
        (Item::Locked | Item::Failed(_), _) => "may or may not have been changed",
        (_, Some(_)) => "did not take the key",
        (_, None) => "did not delete the key",
    };
    Err(refused(what, &item, service, context))
}

/// A command that asks for an item as the client does and does not show it: it says what is wrong, or macOS asks for leave.
pub(crate) fn ask(account: &str, service: &str) -> String {
    let account = shell::word(account);
    format!("security find-generic-password -a {account} -w -s '{service}' >/dev/null")
}

fn refused(what: &str, item: &Item, service: &str, context: &Context) -> anyhow::Error {
    match item {
        Item::Locked => fail(
            format!("the Keychain {what}: it is locked"),
            "unlock it, and run this again: security unlock-keychain",
        ),
        Item::Failed(why) => {
            fail(format!("the Keychain {what}: {why}"), ask(&account(context), service))
        }
        Item::Missing | Item::Text(_) => {
            fail(format!("the Keychain {what}"), "security show-keychain-info")
        }
    }
}
