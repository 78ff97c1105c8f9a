//! The client's items in the macOS Keychain, through `security`. Nothing here can make macOS ask: a locked keychain is not
//! opened.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::context::{Context, Platform};
use crate::error::fail;
use crate::key::command::{self, Ended};
use crate::shell;

/// How long `security` may take in all.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What `security` exits with where the keychain is locked, and where the item does not exist.
const LOCKED: i32 = 36;
const NO_ITEM: i32 = 44;

/// How looking for an item went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Item {
    /// The item does not exist, or the Keychain does not.
    #[default]
    Missing,
    /// The keychain is locked.
    Locked,
    /// `security` failed.
    Failed(String),
    /// What is in it.
    Text(Zeroizing<String>),
}

/// The client's two items.
#[derive(Clone, Debug, Default)]
pub struct Keychain {
    /// The API key: `Claude Code`.
    pub key: Item,
    /// The subscription login: `Claude Code-credentials`.
    pub login: Item,
    /// The services they are kept under.
    pub services: [String; 2],
}

/// The services that the client keeps its API key and its login under. With CLAUDE_CONFIG_DIR they end in a digest of it
/// (1.0.128 to 2.1.112, observed 2026-11-25).
pub(crate) fn services(context: &Context) -> [String; 2] {
    let set = |name: &str| context.var(name).filter(|value| !value.is_empty());
    let end = set("CLAUDE_CONFIG_DIR").map_or_else(String::new, |dir| {
        let digest = Sha256::digest(dir.as_bytes());
        digest.iter().take(4).fold("-".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    });
    // Read off the code of 2.1.112.
    let custom =
        if set(super::settings::names::OAUTH_URL).is_some() { "-custom-oauth" } else { "" };
    ["", "-credentials"].map(|kind| format!("Claude Code{custom}{kind}{end}"))
}

/// The account that the items belong to.
pub(crate) fn account(context: &Context) -> String {
    let user = context.var("USER").filter(|user| !user.is_empty());
    user.or_else(|| context.account_name()).unwrap_or_else(|| "claude-code-user".to_owned())
}

/// The program; where another system is only pretended, that of PATH.
pub(crate) fn program() -> &'static str {
    if cfg!(target_os = "macos") { "/usr/bin/security" } else { "security" }
}

/// Reads both items, where there is a Keychain.
pub(crate) fn read(context: &Context) -> Keychain {
    if context.platform() != Platform::Macos {
        return Keychain::default();
    }
    let deadline = Instant::now() + PATIENCE;
    let run = |arguments: &str| -> Result<Zeroizing<String>, Item> {
        let left = deadline.saturating_duration_since(Instant::now());
        let command = format!("exec {} {arguments} 2>/dev/null", program());
        let failed = |why: String| Item::Failed(format!("`security` {why}"));
        if left.is_zero() {
            return Err(failed(Ended::TimedOut.to_string()));
        }
        match command::output(&command, Path::new("/"), left) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(Ended::Code(LOCKED))) => Err(Item::Locked),
            Ok(Err(Ended::Code(NO_ITEM))) => Err(Item::Missing),
            Ok(Err(ended)) => Err(failed(ended.to_string())),
            Err(error) => Err(failed(format!("cannot be run: {error}"))),
        }
    };
    // Asking a locked keychain for an item would show its dialog.
    let state = run("show-keychain-info");
    let services = services(context);
    if let Err(item @ Item::Locked) = state {
        return Keychain { key: item.clone(), login: item, services };
    }
    let account = shell::quote(&account(context));
    let [key, login] = services.each_ref().map(|service| {
        let service = shell::quote(service);
        match run(&format!("find-generic-password -a {account} -w -s {service}")) {
            Ok(text) if text.trim().is_empty() => Item::Missing,
            Ok(text) => Item::Text(text),
            Err(item) => item,
        }
    });
    Keychain { key, login, services }
}

/// Puts the API key into the client's item, as the client itself does: in hexadecimal, on standard input.
pub(crate) fn put(context: &Context, key: &str) -> anyhow::Result<()> {
    let (account, [service, _]) = (account(context), services(context));
    let advice = "leave --keychain out, or name the account in USER";
    if account.contains(['"', '\\', '\n']) {
        return Err(fail("the account's name cannot be given to the Keychain", advice));
    }
    let mut hex = Zeroizing::new(String::with_capacity(key.len() * 2));
    key.bytes().for_each(|byte| _ = write!(hex, "{byte:02x}"));
    let line = Zeroizing::new(format!(
        "add-generic-password -U -a \"{account}\" -s \"{service}\" -X \"{}\"\n",
        hex.as_str()
    ));
    run(&["-i"], line.as_bytes())?;
    // `security -i` ends well whatever became of its lines.
    match read(context).key {
        Item::Text(text) if text.trim() == key => Ok(()),
        item => Err(refused("did not take the key", &item)),
    }
}

/// Deletes the client's item for the API key, if it exists.
pub(crate) fn delete(context: &Context) -> anyhow::Result<bool> {
    match read(context).key {
        Item::Missing => return Ok(false),
        Item::Text(_) => {}
        item => return Err(refused("cannot be asked", &item)),
    }
    let (account, [service, _]) = (account(context), services(context));
    run(&["delete-generic-password", "-a", &account, "-s", &service], b"")?;
    match read(context).key {
        Item::Missing => Ok(true),
        item => Err(refused("did not delete the key", &item)),
    }
}

/// An error about the Keychain, with what to do.
pub(crate) fn refused(what: &str, item: &Item) -> anyhow::Error {
    let program = program();
    match item {
        Item::Locked => fail(
            format!("the Keychain {what}: it is locked"),
            format!("{program} unlock-keychain, then again"),
        ),
        Item::Failed(why) => {
            fail(format!("the Keychain {what}: {why}"), format!("{program} show-keychain-info"))
        }
        _ => fail(format!("the Keychain {what}"), format!("{program} show-keychain-info")),
    }
}

/// Runs `security` with this on standard input, and waits for it no longer than [`PATIENCE`].
fn run(arguments: &[&str], input: &[u8]) -> anyhow::Result<()> {
    let advice = "leave --keychain out, if this is not a Mac";
    let cannot = |error: io::Error| fail(format!("`security` cannot be run: {error}"), advice);
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that ends without reading has refused; its end says so.
        _ = stdin.write_all(input);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        if child.try_wait().map_err(cannot)?.is_some() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            _ = child.kill();
            _ = child.wait();
            return Err(fail("`security` did not end in time", advice));
        }
        thread::sleep(Duration::from_millis(2));
    }
}
