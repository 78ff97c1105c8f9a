//! Clients that a project can redirect: those before 2.1.113 take an address or a proxy of its settings, and would send the
//! session token and the prompts there (2.0.77, 2.1.59 and 2.1.112, observed 2026-11).

use std::ffi::{OsStr, OsString};

use crate::client::destination::{self, Project, Trust};
use crate::client::launch::Launch;
use crate::client::{Client, gather, installed};
use crate::context::Context;
use crate::error::fail;

/// The first version that reaches the broker through its socket, whatever a project says.
const SAFE: Client = Client::at(2, 1, 113);

/// Warns of such a client, and refuses it if this folder's settings make use of it and the folder is not trusted.
pub(super) fn check(
    command: &[OsString],
    allowed: bool,
    context: &mut Context,
) -> anyhow::Result<()> {
    let Some(client) = client(command, context).filter(|client| *client < SAFE) else {
        return Ok(());
    };
    let state = gather::gather(context, client, &Launch::default(), None, None)?;
    let project = Project::of(&state.paths.project, context.home().as_deref());
    let trusted = destination::trust(&state, &project) == Trust::Trusted;
    // Each counts, not only the first that leads requests: a proxy is asked for what goes to the broker, too.
    if let Some(redirect) = destination::project_redirects(&state, &project).first()
        && !trusted
        && !allowed
    {
        return Err(fail(
            format!(
                "{} sets {}, and Claude Code {client} would send its prompts there; this folder is not trusted",
                redirect.file.display(),
                redirect.name,
            ),
            "update Claude Code to 2.1.113 or later, trust the folder in it, or add --allow-project-host",
        ));
    }
    context.warn(&format!(
        "Claude Code {client} can be redirected by the settings of a project; 2.1.113 and later cannot"
    ));
    Ok(())
}

/// The version of the client that the command starts, by where its program lies; never by running it. A command that is not
/// the client may start the one on PATH.
fn client(command: &[OsString], context: &Context) -> Option<Client> {
    let words = command.iter().take(4).map(OsString::as_os_str).chain([OsStr::new("claude")]);
    words.into_iter().find_map(|word| installed::version_of(word, context))
}
