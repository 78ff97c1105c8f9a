//! The macOS Keychain, with a stand-in for `security` on PATH.

use std::fs;
use std::path::PathBuf;
use std::thread;

use crate::sandbox::{Cck, KEY, OTHER, Sandbox, chmod};

/// Keeps items as files, and notes every argument it is given.
pub(crate) const SECURITY: &str = r#"#!/bin/bash
echo "$@" >> "$HOME/arguments"
[ "$1" = unlock-keychain ] && exec rm "$HOME/locked"
[ -e "$HOME/locked" ] && exit 36
[ -e "$HOME/fails" ] && exit 51
[ -e "$HOME/hangs" ] && exec sleep 60
item() { while [ $# -gt 0 ]; do [ "$1" = -s ] && echo "$HOME/item $2"; shift; done; }
case $1 in
show-keychain-info) exit 0;;
find-generic-password) cat "$(item "$@")" 2>/dev/null || exit 44;;
delete-generic-password) rm "$(item "$@")" 2>/dev/null || exit 44;;
-i) read -r line; [ -e "$HOME/full" ] && exit 0; eval "set -- $line"; s=$(item "$@"); hex=${!#}
    printf "$(sed 's/../\\x&/g' <<< "$hex")" > "$s"
    [ -e "$HOME/slow" ] && exec sleep 60; [ -e "$HOME/stuck" ] && { touch "$HOME/hangs"; exec sleep 60; }
    [ -e "$HOME/kill" ] && kill -9 $PPID; exit 0;;
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

    /// The key in the item; none if there is no item.
    fn held(&self) -> Option<String> {
        fs::read_to_string(self.item("Claude Code")).ok()
    }

    /// A Mac with this key in the Keychain and that one in the config; "" for none.
    fn with(item: &str, config: &str) -> Mac {
        let mac = Mac::new();
        if !item.is_empty() {
            fs::write(mac.item("Claude Code"), item).unwrap();
        }
        mac.0.lay(".claude.json", members(config));
        mac
    }

    fn set(&self, flag: &str, on: bool) {
        let path = self.0.home().join(flag);
        if on { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// The audit trail, which has to be whole, and no key in it nor in what `security` was given.
    fn trail(&self) -> String {
        self.cck(&["audit", "--check"]).run().code(0);
        let trail = self.cck(&["audit"]).run().code(0).stdout;
        let arguments = fs::read_to_string(self.0.home().join("arguments")).unwrap();
        for key in [KEY, OTHER, THIRD] {
            let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!arguments.contains(key) && !arguments.contains(&hex), "{arguments}");
            assert!(!trail.contains(key), "{trail}");
        }
        trail
    }
}

const THIRD: &str =
    "sk-ant-api03-THIRDaaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPthrd";

/// A config with this key; "" for none.
fn members(key: &str) -> String {
    match key {
        "" => r#"{"a":1}"#.to_owned(),
        key => format!(r#"{{"a":1,"primaryApiKey":"{key}"}}"#),
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

    mac.cck(&["unset-key"]).run().code(0).out(&["from the Keychain"]);
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

#[test]
fn unset_key_deletes_the_item_and_undo_brings_it_back() {
    for config in ["", OTHER, KEY] {
        let mac = Mac::with(KEY, config);
        let ran = mac.cck(&["unset-key", "--dry-run"]).run().code(0);
        ran.out(&["from the Keychain"]);
        assert_eq!((mac.held().as_deref(), mac.config()), (Some(KEY), members(config)));

        let ran = mac.cck(&["unset-key", "--json"]).run().code(0);
        let changes = ran.json()["changes"].clone();
        assert_eq!(changes[0]["file"], "Keychain item Claude Code", "{changes}");
        assert_eq!((mac.held(), mac.config()), (None, members("")));
        assert!(mac.trail().contains("Keychain item Claude Code"));

        mac.cck(&["undo"]).run().code(0).out(&["the Keychain", "+ password"]);
        assert_eq!((mac.held().as_deref(), mac.config()), (Some(KEY), members(config)));
        mac.cck(&["undo"]).run().code(0);
        assert_eq!((mac.held(), mac.config()), (None, members("")));
        let ran = mac.cck(&["unset-key", "--scrub"]).run().code(0);
        ran.out(&["nothing to change", "undo"]);
        assert!(!mac.trail().contains("failed"));
    }
}

#[test]
fn undo_of_set_key_restores_the_item_that_was_there() {
    for before in ["", OTHER] {
        let mac = Mac::with(before, THIRD);
        let ran = mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(KEY).run().code(0);
        assert!(!ran.stderr.contains("instead"), "{ran:?}");
        assert_eq!(mac.held().as_deref(), Some(KEY));
        mac.cck(&["undo"]).run().code(0);
        assert_eq!(mac.held().as_deref().unwrap_or_default(), before);
        assert!(mac.config().contains(THIRD));
    }
    // A key that someone else has put there since stays.
    let mac = Mac::with("", "");
    mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(KEY).run().code(0);
    fs::write(mac.item("Claude Code"), OTHER).unwrap();
    mac.cck(&["undo"]).run().code(2).err(&["Keychain item Claude Code was changed", "--force"]);
    assert_eq!(mac.held().as_deref(), Some(OTHER));
}

#[test]
fn undo_takes_the_last_change_also_if_only_the_item_changed() {
    let mac = Mac::new();
    mac.0.lay(".claude.json", r#"{"hasCompletedOnboarding":true,"lastOnboardingVersion":"1"}"#);
    for key in [KEY, OTHER] {
        mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(key).run().code(0);
    }
    fs::write(mac.item("Claude Code"), KEY).unwrap();
    mac.cck(&["undo"]).run().code(2).err(&["was changed after"]);
    assert_eq!(mac.held().as_deref(), Some(KEY));
}

#[test]
fn a_change_of_the_item_that_is_killed_is_in_the_trail_and_can_be_undone() {
    let mac = Mac::with(OTHER, THIRD);
    mac.set("kill", true);
    let ran = mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(KEY).run();
    assert_eq!((ran.code, mac.held().as_deref()), (None, Some(KEY)));
    mac.set("kill", false);
    assert!(mac.trail().contains("set-key   started"));
    mac.cck(&["undo"]).run().code(0).out(&["the Keychain"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(THIRD)));
}

#[test]
fn rotate_replaces_the_old_key_in_the_keychain_too() {
    for (item, config, after) in [
        (OTHER, "", (KEY, "")),
        (OTHER, OTHER, (KEY, KEY)),
        (THIRD, OTHER, (THIRD, KEY)),
        ("", OTHER, ("", KEY)),
    ] {
        let mac = Mac::with(item, config);
        let rotate = |args: &[&str]| mac.cck(&[&["rotate", "--stdin"], args].concat()).stdin(KEY);
        rotate(&["--dry-run"]).run().code(0).out(&["would be replaced"]);
        assert_eq!((mac.held().unwrap_or_default(), mac.config()), (item.into(), members(config)));
        let ran = rotate(&[]).run().code(0).out(&["revoke the old key: sk-ant-api03-…abcd"]);
        let now = (mac.held().unwrap_or_default(), mac.config());
        assert_eq!(now, (after.0.into(), members(after.1)), "{item} {config}");
        let is_named = ran.stdout.contains("note: Keychain item Claude Code holds another key");
        assert_eq!(is_named, item == THIRD, "{ran:?}");
        assert_eq!(ran.stderr.contains("instead of this key"), item == THIRD, "{ran:?}");
        mac.trail();
        rotate(&[]).run().code(0).out(&["nothing to rotate"]);
    }
    Mac::with("", "").cck(&["rotate", "--stdin"]).stdin(KEY).run().code(2).err(&["no key"]);
}

#[test]
fn a_locked_keychain_is_named_and_the_same_command_completes_the_change() {
    let mac = Mac::with(OTHER, OTHER);
    mac.set("locked", true);
    let rotate = || mac.cck(&["rotate", "--stdin"]).stdin(KEY).run();
    rotate().code(1).err(&["Keychain item Claude Code", "locked", "unlock-keychain"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(KEY)));
    mac.set("locked", false);
    rotate().code(0).out(&["revoke the old key: sk-ant-api03-…abcd"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(KEY), members(KEY)));

    mac.set("locked", true);
    let ran = mac.cck(&["unset-key", "--json"]).run().code(1);
    assert_eq!(ran.json()["left"][0]["path"], "Keychain item Claude Code");
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(KEY), members("")));
    mac.cck(&["unset-key"]).run().code(2).err(&["locked", "unlock-keychain"]);
    rotate().code(2).err(&["locked", "unlock-keychain"]);
    mac.set("locked", false);
    mac.cck(&["unset-key"]).run().code(0);
    assert_eq!(mac.held(), None);
}

#[test]
fn an_item_that_cannot_be_written_leaves_everything_as_it_was() {
    let mac = Mac::with(OTHER, THIRD);
    mac.set("full", true);
    let ran = mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(KEY).run().code(2);
    ran.err(&["did not take the key"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(THIRD)));
    let trail = mac.trail();
    assert!(trail.contains("started") && trail.contains("failed"), "{trail}");
    mac.cck(&["undo"]).run().code(1).out(&["nothing to undo"]);
}

#[test]
fn a_security_that_hangs_is_waited_for_once() {
    let hanging = || {
        let mac = Mac::with(OTHER, "");
        mac.set("hangs", true);
        mac
    };
    let commands =
        [&["unset-key"][..], &["rotate", "--stdin"], &["set-key", "--keychain", "--stdin"]];
    thread::scope(|scope| {
        for args in commands {
            scope.spawn(move || {
                let start = std::time::Instant::now();
                hanging().cck(args).stdin(KEY).run().code(2).err(&["in time", "try:"]);
                assert!(start.elapsed() < std::time::Duration::from_secs(4), "{args:?}");
            });
        }
    });
    let mac = hanging();
    mac.0.lay(".claude.json", members(OTHER));
    mac.cck(&["unset-key"]).run().code(1).err(&["Keychain item Claude Code", "in time"]);
    assert_eq!(mac.config(), members(""));
}

#[test]
fn a_write_that_hangs_is_looked_at_and_if_it_cannot_be_seen_its_records_stay() {
    let mac = Mac::with(OTHER, THIRD);
    let set = || mac.cck(&["set-key", "--keychain", "--stdin"]).stdin(KEY).run();
    mac.set("slow", true);
    set().code(0);
    mac.cck(&["undo"]).run();
    mac.set("slow", false);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(THIRD)));

    mac.set("stuck", true);
    set().code(1).err(&["may or may not", "in time", "security find-generic-password -a dev"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(KEY), members(THIRD)));
    let trail = mac.trail();
    assert!(trail.contains("set-key   started") && !trail.contains("failed"), "{trail}");
    mac.set("stuck", false);
    mac.set("hangs", false);
    mac.cck(&["undo"]).run().code(0).out(&["the Keychain"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(THIRD)));
}

#[test]
fn a_key_that_security_would_break_in_two_is_refused() {
    let mac = Mac::with(OTHER, THIRD);
    let long = "gw-Ab1cD2eF".repeat(200);
    let set = mac.cck(&["set-key", "--keychain", "--any-shape", "--stdin"]).stdin(long);
    set.run().code(2).err(&["too long for the Keychain", "leave --keychain out"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(THIRD)));
    assert!(!mac.trail().contains("done"));
}

#[test]
fn verify_answers_no_while_the_keychain_does_not_answer() {
    let mac = Mac::with("", "");
    mac.0.lay(".claude.json", format!(r#"{{"primaryApiKey":"{KEY}"}}"#));
    chmod(&mac.0.config(), 0o600);
    let verify = |args: &[&str]| mac.cck(&[&["verify", "--mode", "print"], args].concat());
    let ask = "security find-generic-password -a dev -w -s 'Claude Code' >/dev/null";
    mac.set("fails", true);
    // The client finds nothing there either.
    let ran = verify(&[]).run().code(0).out(&["code 51", ask]);
    assert_eq!(ran.stdout.matches("fix:").count(), 1, "{}", ran.stdout);
    mac.set("fails", false);
    mac.set("hangs", true);
    let ran = verify(&[]).run().code(1).out(&["✗", "in time", "may find a credential", ask]);
    assert_eq!(ran.stdout.matches("may find").count(), 1, "{}", ran.stdout);
    let of_variable = verify(&["--expect", "env.ANTHROPIC_API_KEY"]);
    of_variable.env("ANTHROPIC_API_KEY", OTHER).run().code(0).out(&["warning:"]);
}

#[test]
fn the_item_is_the_one_that_the_client_takes() {
    let mac = Mac::with("", "");
    let asked = |vars: &[(&str, &str)]| {
        let verify =
            vars.iter().fold(mac.cck(&["verify"]), |it, (name, value)| it.env(name, value));
        verify.run();
        let arguments = mac.0.home().join("arguments");
        let text = fs::read_to_string(&arguments).unwrap();
        fs::remove_file(arguments).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    };
    let dir = ("CLAUDE_CONFIG_DIR", "/nowhere");
    let plain = "find-generic-password -a dev -w -s Claude Code";
    let other = format!("{plain}-00147101");
    assert_eq!(asked(&[]), plain);
    assert_eq!(asked(&[dir]), other);
    assert_eq!(asked(&[dir, ("CLAUDE_SECURESTORAGE_CONFIG_DIR", "")]), plain);
    assert_eq!(asked(&[("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/nowhere")]), other);
    let account = asked(&[("USER", "a.b@c \"d\"")]);
    assert_eq!(account, "find-generic-password -a claude-code-user -w -s Claude Code");
}

#[test]
fn advice_names_the_keychain_where_it_holds_what_is_meant() {
    let mac = Mac::with(OTHER, "");
    mac.cck(&["verify"]).run().code(1).out(&["fix: cck set-key --keychain"]);
    // As `security` shows an item with a line break in it, in hexadecimal: the client sends that.
    fs::write(mac.item("Claude Code"), "736b2d616e742d6170690a").unwrap();
    mac.cck(&["verify"]).run().code(1).out(&["not an Anthropic API key", "cck set-key --keychain"]);
    let login = r#"{"enterpriseGateway": {"url": "https://g.example", "jwt": "tok-JWT", "expiresAt": 9999999999999}, "gatewayTrust": {"g.example": "5da97cbd5d226383f44fe7c9bda67aae421330469162e20196e2fb8ed6cb05bc"}}"#;
    fs::write(mac.item("Claude Code-credentials"), login).unwrap();
    mac.cck(&["verify"]).env("COLUMNS", "100").run().out(&["the gateway login in the Keychain"]);
}

#[test]
fn the_item_stays_if_another_file_loses_its_key() {
    let mac = Mac::with(OTHER, THIRD);
    let file = mac.0.lay("copy.json", members(KEY)).display().to_string();
    let ran = mac.cck(&["unset-key", "--config-file", &file]).run().code(0);
    ran.out(&["removed the key", "copy.json"]);
    assert_eq!((mac.held().as_deref(), mac.config()), (Some(OTHER), members(THIRD)));
}
