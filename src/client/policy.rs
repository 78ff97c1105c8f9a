//! Policies that the system keeps: the registry on Windows, managed preferences on macOS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keychain;
use crate::context::{Context, Platform};
use crate::key::command;
use crate::shell;

/// How long the system's program may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Settings in a policy of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// There is none.
    #[default]
    Missing,
    /// It is of a type that holds no text, or could not be read.
    Malformed,
    /// The text of a settings file.
    Text(String),
}

/// The machine's policy and the user's.
pub(crate) fn read(context: &Context) -> [Policy; 2] {
    match context.platform() {
        Platform::Linux => Default::default(),
        Platform::Macos => [preferences(context), Policy::Missing],
        Platform::Windows => ["HKLM", "HKCU"].map(registry),
    }
}

/// The text that a program of the system prints.
fn output(command: &str) -> Option<String> {
    let printed = command::output(command, Path::new("/"), PATIENCE).ok()?;
    printed.ok().map(|text| text.to_string())
}

/// The value `Settings` of the client's key under a root of the registry (2.1.332 and 2.1.200 under Wine, 2026-11-25).
fn registry(root: &str) -> Policy {
    let printed =
        output(&format!(r"reg.exe query {root}\SOFTWARE\Policies\ClaudeCode /v Settings"));
    printed.map_or(Policy::Missing, |text| value(&text))
}

/// The value in what `reg.exe query` prints: its name, its type and its text, four blanks between.
fn value(printed: &str) -> Policy {
    let name = printed.to_ascii_lowercase().find("\n    settings    ").map(|at| at + 17);
    let Some((kind, text)) = name.and_then(|at| printed[at..].split_once("    ")) else {
        return Policy::Missing;
    };
    match kind.trim() {
        "REG_SZ" | "REG_EXPAND_SZ" => Policy::Text(text.trim().to_owned()),
        _ => Policy::Malformed,
    }
}

/// Managed preferences, the account's before the machine's (2.1.112, read off its code, 2026-11-25).
fn preferences(context: &Context) -> Policy {
    let dir = PathBuf::from("/Library/Managed Preferences");
    let name = "com.anthropic.claudecode.plist";
    let files = [dir.join(keychain::account(context)).join(name), dir.join(name)];
    let Some(file) = files.iter().find(|file| file.is_file()) else { return Policy::Missing };
    let program = if cfg!(target_os = "macos") { "/usr/bin/plutil" } else { "plutil" };
    let file = shell::quote(&file.to_string_lossy());
    let printed = output(&format!("exec {program} -convert json -o - -- {file} 2>/dev/null"));
    printed.map_or(Policy::Malformed, Policy::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_registry_is_read_by_its_type() {
        let printed = |kind: &str| {
            value(&format!(
                "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\ClaudeCode\r\n    settings    {kind}    {{\"a\": 1}}\r\n\r\n"
            ))
        };
        let text = Policy::Text("{\"a\": 1}".to_owned());
        assert_eq!([printed("REG_SZ"), printed("REG_EXPAND_SZ")], [text.clone(), text]);
        assert_eq!(printed("REG_MULTI_SZ"), Policy::Malformed);
        assert_eq!(value("\r\nERROR: not found\r\n"), Policy::Missing);
    }
}
