//! Clients that a project can redirect: those before 2.1.113 take an address or a proxy of its settings, and would send the
//! session token and the prompts there (2.0.77, 2.1.59 and 2.1.112, observed 2026-11).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::client::paths::Paths;
use crate::client::{Client, config, gather};
use crate::context::Context;
use crate::error::fail;

/// The first version that reaches the broker through its socket, whatever a project says.
const SAFE: Version = (2, 1, 113);

type Version = (u64, u64, u64);

/// Variables with which a project redirects such a client.
const NAMES: [&str; 4] = ["ANTHROPIC_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// Warns of such a client, and refuses it if this folder's settings make use of it and nobody trusts the folder.
pub(super) fn check(
    command: &[OsString],
    allowed: bool,
    context: &mut Context,
) -> anyhow::Result<()> {
    let Some(version) = version(command, context).filter(|version| *version < SAFE) else {
        return Ok(());
    };
    let (major, minor, patch) = version;
    let client = format!("Claude Code {major}.{minor}.{patch}");
    if let Some((file, name)) = redirectable(context)?
        && !allowed
    {
        return Err(fail(
            format!(
                "{} sets {name}, and {client} would send its prompts there; this folder is not trusted",
                file.display()
            ),
            "update Claude Code to 2.1.113 or later, trust the folder in it, or add --allow-project-host",
        ));
    }
    context.warn(&format!(
        "{client} can be redirected by the settings of a project; 2.1.113 and later cannot"
    ));
    Ok(())
}

/// The file of an untrusted project's settings that sets an address or a proxy, and the variable.
fn redirectable(context: &Context) -> anyhow::Result<Option<(PathBuf, String)>> {
    let paths = Paths::locate(context, Client::V2, None, None)?;
    let file = paths.config_file(|path| gather::is_legacy_config(Client::V2, path)).path;
    let (_, config) = config::read(&file, Some(&paths.project));
    if config.seen_by(Client::V2).is_ok_and(|config| config.trusted) {
        return Ok(None);
    }
    for file in [paths.local_settings, paths.project_settings] {
        let Ok(text) = crate::http::read_text(&file) else { continue };
        let settings: serde_json::Value =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
        let names = settings["env"].as_object().into_iter().flat_map(|env| env.keys());
        let mut found = names.filter(|name| NAMES.contains(&&*name.to_ascii_uppercase()));
        if let Some(name) = found.next() {
            return Ok(Some((file, name.clone())));
        }
    }
    Ok(None)
}

/// The version of the client that the command starts, by where its program lies; never by running it. A command that is not
/// the client may start the one on PATH.
fn version(command: &[OsString], context: &Context) -> Option<Version> {
    let named = command.iter().take(4).filter_map(|word| find(word, context));
    let on_path = find(OsStr::new("claude"), context);
    named.chain(on_path).find_map(|program| version_of(&program))
}

fn find(word: &OsStr, context: &Context) -> Option<PathBuf> {
    let path = Path::new(word);
    if path.components().count() > 1 {
        return std::fs::canonicalize(context.cwd().join(path)).ok();
    }
    std::env::split_paths(context.var_os("PATH")?)
        .filter(|dir| dir.is_absolute())
        .find_map(|dir| std::fs::canonicalize(dir.join(path)).ok().filter(|file| file.is_file()))
}

/// Native: the path has the version in it. From npm: the package.json beside it.
fn version_of(program: &Path) -> Option<Version> {
    let in_path = program.ancestors().find_map(|path| {
        let is_version = path.parent()?.ends_with("claude/versions");
        is_version.then(|| parse(path.file_name()?.to_str()?)).flatten()
    });
    in_path.or_else(|| {
        program.ancestors().skip(1).take(3).find_map(|dir| {
            let text = crate::http::read_text(&dir.join("package.json")).ok()?;
            let package: serde_json::Value = serde_json::from_str(&text).ok()?;
            let is_client = package["name"].as_str()?.starts_with("@anthropic-ai/claude-code");
            is_client.then(|| parse(package["version"].as_str()?)).flatten()
        })
    })
}

fn parse(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse);
    let version = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(version)
}
