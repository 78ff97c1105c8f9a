//! The recipes of docs/sources.md, each run as it stands there against the real store.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test lays files, reads its own settings and stops where something is amiss"
)]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../support/skip.rs"]
mod skip;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const KEY: &str =
    "sk-ant-api03-STOREDaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPwxyz";

/// The shell lines below `<!-- recipe: NAME -->`.
fn recipe(name: &str) -> String {
    let text = include_str!("../../docs/sources.md");
    let (_, rest) =
        text.split_once(&format!("<!-- recipe: {name} -->\n```sh\n")).expect("the recipe is there");
    rest.split_once("```").expect("a block ends").0.to_owned()
}

/// Whether the programs are there; skips the test if not.
fn has(programs: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap();
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| {
            !path.split(':').chain(["/"]).any(|dir| Path::new(dir).join(program).exists())
        })
        .collect();
    if missing.is_empty() {
        return true;
    }
    let missing: Vec<&str> = missing.into_iter().copied().collect();
    skip::without(&missing.join(" and "));
    false
}

/// Runs `before`, the recipe, and `cck get-key`, which must give the key. `wrap` is a program to run them under.
fn check(name: &str, wrap: &[&str], before: &str) {
    // Short, for the sockets of agents.
    let dir = tempfile::Builder::new().prefix("k").tempdir_in("/tmp").unwrap();
    for name in ["home", "run", "work"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let cck = Path::new(env!("CARGO_BIN_EXE_cck")).parent().unwrap();
    let script = format!(
        "set -eu\n{{ {before}\n{}\n}} >&2\ntest \"$(cck get-key --profile acme)\" = \"$KEY\"\n\
         cck run --profile acme -- sh -c 'test -n \"$ANTHROPIC_AUTH_TOKEN\" && ! env | grep -q STORED'\n! grep -rq STORED \"$HOME/.local/share\"\necho ok\n",
        recipe(name)
    );
    let mut words: Vec<&str> = wrap.to_vec();
    words.extend(["sh", "-c", &script]);
    let output = Command::new(words[0])
        .args(&words[1..])
        .env_clear()
        .env("HOME", dir.path().join("home"))
        .env("XDG_RUNTIME_DIR", dir.path().join("run"))
        .env("PATH", format!("{}:{}", cck.display(), std::env::var("PATH").unwrap()))
        .env("KEY", KEY)
        .current_dir(dir.path().join("work"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out == "ok\n", "{name}: {}\n{out}\n{err}", output.status);
    assert!(!err.contains(KEY), "{name} shows the key: {err}");
    println!("{name}: ok");
}

#[test]
fn pass() {
    if has(&["pass", "gpg"]) {
        check(
            "pass",
            &[],
            "trap 'gpgconf --kill all' EXIT; gpg --batch --quiet --passphrase '' --quick-generate-key me@example.org default default never; \
             pass init me@example.org",
        );
    }
}

#[test]
fn age() {
    if has(&["age", "age-keygen"]) {
        check("age", &[], ":");
    }
}

#[test]
fn secret_tool() {
    if has(&["secret-tool", "gnome-keyring-daemon", "dbus-run-session"]) {
        let daemon = "mkdir -p ~/.cache ~/.local/share/keyrings; \
             printf secret | gnome-keyring-daemon --unlock --components=secrets";
        check("secret-tool", &["dbus-run-session", "--"], daemon);
    }
}

#[test]
fn tpm2() {
    if has(&["swtpm", "tpm2_unseal", "tpm2_createprimary"]) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The control channel is on the next port.
        let start = format!(
            "swtpm socket --tpm2 --tpmstate dir=$XDG_RUNTIME_DIR --flags not-need-init,startup-clear \
               --server type=tcp,port={port} --ctrl type=tcp,port={} --pid file=$XDG_RUNTIME_DIR/pid --daemon; \
             trap 'kill $(cat $XDG_RUNTIME_DIR/pid)' EXIT; \
             export TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port={port}",
            port + 1
        );
        check("tpm2", &[], &start);
    }
}

#[test]
fn pkcs11() {
    if has(&["softhsm2-util", "pkcs11-tool", "usr/lib/softhsm/libsofthsm2.so"]) {
        let token = "mkdir ~/tokens; export SOFTHSM2_CONF=$HOME/softhsm2.conf; \
             echo \"directories.tokendir = $HOME/tokens\" > $SOFTHSM2_CONF; export PIN=246810; \
             softhsm2-util --init-token --free --label cck --so-pin 135791 --pin $PIN";
        check("pkcs11", &[], token);
    }
}

#[test]
fn systemd_creds() {
    let can = || {
        // The host's key is made in a directory of the test's own.
        let probe = ["--mount", "sh", "-c", "mount -t tmpfs none /var/lib/systemd"];
        Command::new("unshare")
            .args(probe)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if has(&["systemd-creds", "unshare"]) {
        if can() {
            check(
                "systemd-creds",
                &["unshare", "--mount"],
                "mount -t tmpfs -o mode=755 none /var/lib/systemd; systemd-creds setup",
            );
        } else {
            // It reads the host's key.
            skip::without_root();
        }
    }
}
