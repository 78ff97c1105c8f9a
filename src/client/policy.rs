//! Policies that the system keeps: the registry on Windows, managed preferences on macOS.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::context::{Context, Platform};
use crate::key::command;

/// How long the system's program may take.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Policy {
    /// The file, or the key of the registry.
    pub place: PathBuf,
    /// None if it is of a type that holds no text, or could not be read.
    pub text: Option<String>,
}

/// The machine's policy and the user's, as far as there are any.
pub(crate) fn read(context: &Context) -> [Option<Policy>; 2] {
    match context.platform() {
        Platform::Linux => [None, None],
        Platform::Macos => [preferences(context), None],
        Platform::Windows => registry(),
    }
}

/// The value `Settings` of the client's key under both roots of the registry (2.1.332 and 2.1.200 under Wine, 2026-11-25).
#[cfg(windows)]
fn registry() -> [Option<Policy>; 2] {
    const KEY: &str = r"SOFTWARE\Policies\ClaudeCode";
    let roots =
        [("HKLM", windows_registry::LOCAL_MACHINE), ("HKCU", windows_registry::CURRENT_USER)];
    roots.map(|(name, root)| {
        let value = root.open(KEY).and_then(|key| key.get_value("Settings")).ok()?;
        // A list of texts, or another type, is malformed.
        let text = String::try_from(value).ok();
        Some(Policy { place: format!(r"{name}\{KEY}").into(), text })
    })
}

#[cfg(not(windows))]
fn registry() -> [Option<Policy>; 2] {
    [None, None]
}

/// Managed preferences, the account's before the machine's (read off the code of 2.1.112 and 2.1.332, 2026-11-27).
fn preferences(context: &Context) -> Option<Policy> {
    let dir = Path::new("/Library/Managed Preferences");
    let name = "com.anthropic.claudecode.plist";
    let own = dir.join(context.account_name().unwrap_or_default()).join(name);
    let place = [own, dir.join(name)].into_iter().find(|file| file.is_file())?;
    let program = if cfg!(target_os = "macos") { "/usr/bin/plutil" } else { "plutil" };
    let mut plutil = Command::new(program);
    plutil.args(["-convert", "json", "-o", "-", "--"]).arg(&place).stderr(Stdio::null());
    let printed = command::run(&mut plutil, PATIENCE, b"").ok().and_then(Result::ok);
    Some(Policy { place, text: printed.map(|text| text.to_string()) })
}
