//! The macOS Keychain, with a stand-in for `security` on PATH.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Cck, KEY, OTHER, Sandbox, chmod};

/// Keeps items as files, and notes every argument it is given.
const SECURITY: &str = r#"#!/bin/bash
echo "$@" >> "$HOME/arguments"
[ -e "$HOME/locked" ] && exit 36
item() { while [ $# -gt 0 ]; do [ "$1" = -s ] && echo "$HOME/item $2"; shift; done; }
case $1 in
show-keychain-info) exit 0;;
find-generic-password) cat "$(item "$@")" 2>/dev/null || exit 44;;
delete-generic-password) rm "$(item "$@")" 2>/dev/null || exit 44;;
-i) read -r line; eval "set -- $line"; s=$(item "$@"); hex=${!#}
    printf "$(sed 's/../\\x&/g' <<< "$hex")" > "$s";;
esac
"#;

struct Mac(Sandbox);

impl Mac {
    fn new() -> Mac {
        let sandbox = Sandbox::new();
        let program = sandbox.lay("bin/security", SECURITY);
        chmod(&program, 0o755);
        Mac(sandbox)
    }

    fn cck(&self, args: &[&str]) -> Cck {
        let path = format!("{}:/usr/bin:/bin", self.0.home().join("bin").display());
        self.0.cck(args).env("PATH", path).env("CCK_PLATFORM", "macos").env("USER", "dev")
    }

    fn item(&self, service: &str) -> PathBuf {
        self.0.home().join(format!("item {service}"))
    }

    fn config(&self) -> String {
        fs::read_to_string(self.0.config()).unwrap_or_default()
    }
}

#[test]
fn a_key_goes_into_the_keychain_and_not_into_the_config() {
    let mac = Mac::new();
    mac.0.lay(".claude.json", format!(r#"{{"primaryApiKey":"{OTHER}"}}"#));
    mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(KEY).run().code(0).out(&["Keychain"]);
    assert_eq!(fs::read_to_string(mac.item("Claude Code")).unwrap(), KEY);
    assert!(
        !mac.config().contains("primaryApiKey") && mac.config().contains("hasCompletedOnboarding")
    );
    let arguments = fs::read_to_string(mac.0.home().join("arguments")).unwrap();
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!arguments.contains(KEY) && !arguments.contains(&hex), "{arguments}");
    mac.cck(&["verify", "--expect", "keychain.apiKey"]).run().code(0);

    let dir = mac.0.home().join("alt").display().to_string();
    fs::create_dir(&dir).unwrap();
    let other = mac.cck(&["set-key", "--keychain", "--stdin"]).env("CLAUDE_CONFIG_DIR", &dir);
    other.stdin(OTHER).run().code(0);
    assert_eq!(fs::read_to_string(mac.item("Claude Code")).unwrap(), KEY);

    mac.cck(&["unset-key"]).run().code(0).out(&["deleted the key in the Keychain"]);
    assert!(!mac.item("Claude Code").exists());
}

#[test]
fn a_keychain_that_is_locked_or_absent_changes_nothing() {
    let mac = Mac::new();
    let config = format!(r#"{{"primaryApiKey":"{OTHER}"}}"#);
    mac.0.lay(".claude.json", &config);
    mac.0.lay("locked", "");
    let set = |cck: Cck| cck.stdin(KEY).run().code(2);
    set(mac.cck(&["set-key", "--keychain", "--stdin"])).err(&["locked", "unlock-keychain"]);
    set(mac.0.cck(&["set-key", "--keychain", "--stdin"])).err(&["no Keychain"]);
    assert_eq!(mac.config(), config);

    // A config that cannot be edited: the item is what it was.
    fs::remove_file(mac.0.home().join("locked")).unwrap();
    mac.0.lay(".claude.json", "{");
    set(mac.cck(&["set-key", "--keychain", "--stdin"]));
    assert!(!mac.item("Claude Code").exists());
}

#[test]
fn set_key_says_that_the_keychain_is_sent_instead() {
    let mac = Mac::new();
    fs::write(mac.item("Claude Code"), OTHER).unwrap();
    mac.cck(&["set-key", "--stdin"]).stdin(KEY).run().code(0).err(&["Keychain", "instead"]);
}
