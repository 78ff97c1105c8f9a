//! Clients that a project can redirect: those before 2.1.113 take an address or a proxy of its settings, and would send the
//! session token and the prompts there (2.0.77, 2.1.59 and 2.1.112, observed 2026-11).

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::client::destination::Refusal;
use crate::client::installed::Installed;
use crate::client::{Client, Launch, destination, gather, installed};
use crate::context::Context;
use crate::error::fail;

const OLD: Client = Client::at(2, 1, 112);

/// The first version that reaches the broker through its socket, whatever a project says.
const SAFE: Client = Client::at(2, 1, 113);

/// Warns of such a client, and refuses it, or one of unknown version, if this folder's settings redirect it and the folder is
/// not trusted.
pub(super) fn check(
    command: &[OsString],
    allowed: bool,
    context: &mut Context,
) -> anyhow::Result<()> {
    let Some(client) = client(command, context) else { return Ok(()) };
    if client.is_some_and(|client| client >= SAFE) {
        return Ok(());
    }
    let shown = client.map_or_else(|| "of unknown version".to_owned(), |client| client.to_string());
    let state = gather::gather(context, client.unwrap_or(OLD), &Launch::default(), None, None)?;
    let destination = destination::beside_broker(&state);
    if let Err(Refusal::Untrusted(redirect)) = destination::may_send(&destination, None)
        && !allowed
    {
        let (file, name) = (redirect.file.display(), redirect.name);
        return Err(fail(
            format!("{file} sets {name} for Claude Code {shown}, and this folder is not trusted"),
            "update Claude Code to 2.1.113 or later, trust the folder in it, or add --allow-project-host",
        ));
    }
    if client.is_some() {
        let problem = format!("a project can redirect Claude Code {shown}");
        context.warn(&format!("{problem}; update it to 2.1.113 or later"));
    }
    Ok(())
}

/// The version of the client that the command starts, by where its program lies, never by running it; none inside if that
/// cannot be told. A command that is not the client may start the one on PATH: one that is known to be old is old here, too.
fn client(command: &[OsString], context: &Context) -> Option<Option<Client>> {
    let mut is_unknown = false;
    for word in command.iter().take(4) {
        let path = Path::new(word);
        // As npx names it, with a version after it or none.
        let package = word.to_str().and_then(|word| word.strip_prefix(installed::PACKAGE));
        let program = installed::named(word, context);
        let version = match package {
            Some(version) => version.trim_start_matches('@').parse().ok(),
            None => program.as_ref().and_then(Installed::client),
        };
        if version.is_some() {
            return Some(version);
        }
        let is_client = path.file_stem() == Some("claude".as_ref())
            || path.iter().any(|part| part == "claude-code");
        is_unknown |= package.is_some() || (is_client && program.is_some());
    }
    if is_unknown {
        return Some(None);
    }
    installed::named(OsStr::new("claude"), context)?.client().map(Some)
}
