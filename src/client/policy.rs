//! Policies that the system keeps: the registry on Windows, managed preferences on macOS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keychain;
use crate::context::{Context, Platform};
use crate::key::command;
use crate::shell;

/// How long the system's program may take.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Missing,
    /// It is of a type that holds no text, or could not be read.
    Malformed,
    Text(String),
}

pub(crate) fn read(context: &Context) -> [Policy; 2] {
    match context.platform() {
        Platform::Linux => Default::default(),
        Platform::Macos => [preferences(context), Policy::Missing],
        Platform::Windows => registry(),
    }
}

/// The value `Settings` of the client's key under both roots of the registry (2.1.332 and 2.1.200 under Wine, 2026-11-25).
#[cfg(windows)]
fn registry() -> [Policy; 2] {
    [windows_registry::LOCAL_MACHINE, windows_registry::CURRENT_USER].map(|root| {
        let value =
            root.open(r"SOFTWARE\Policies\ClaudeCode").and_then(|key| key.get_value("Settings"));
        // A list of texts, or another type, is malformed.
        value.map_or(Policy::Missing, |value| {
            String::try_from(value).map_or(Policy::Malformed, Policy::Text)
        })
    })
}

#[cfg(not(windows))]
fn registry() -> [Policy; 2] {
    Default::default()
}

/// Managed preferences, the account's before the machine's (2.1.112, read off its code, 2026-11-25).
fn preferences(context: &Context) -> Policy {
    let dir = PathBuf::from("/Library/Managed Preferences");
    let name = "com.anthropic.claudecode.plist";
    let files = [dir.join(keychain::account(context)).join(name), dir.join(name)];
    let Some(file) = files.iter().find(|file| file.is_file()) else { return Policy::Missing };
    let program = if cfg!(target_os = "macos") { "/usr/bin/plutil" } else { "plutil" };
    let file = shell::quote(&file.to_string_lossy());
    let command = format!("exec {program} -convert json -o - -- {file} 2>/dev/null");
    match command::output(&command, Path::new("/"), PATIENCE) {
        Ok(Ok(text)) => Policy::Text(text.to_string()),
        _ => Policy::Malformed,
    }
}
