//! The audit trail: what is in it, that its chain holds, and what happens where it cannot be written.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, OTHER, Sandbox, binary, mode};

/// The fingerprint as a security team would make it.
fn by_hand(key: &str) -> String {
    let command = format!("printf 'cck-fingerprint-v1:%s' '{key}' | sha256sum | cut -c1-12");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    format!("sha256:{}", String::from_utf8(output.stdout).unwrap().trim())
}

#[test]
fn each_change_is_a_line_in_a_chain() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["audit"]).run().code(0).out(&["no change has been recorded"]);
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    sandbox.cck(&["set-key", "--dry-run"]).stdin(OTHER).run().code(0);
    sandbox.cck(&["set-key", "--key-env"]).env("ANTHROPIC_API_KEY", OTHER).run().code(0);
    sandbox.cck(&["unset-key"]).run().code(0);

    let trail = sandbox.home().join(".local/state/cck/audit.jsonl");
    assert_eq!(mode(&trail), 0o600);
    let text = fs::read_to_string(&trail).unwrap();
    assert_keeps_keys(&text, "the trail");
    let records = sandbox.cck(&["audit", "--json"]).run().code(0).json()["records"].clone();
    let fields = |name: &str| -> Vec<serde_json::Value> {
        records.as_array().unwrap().iter().map(|record| record[name].clone()).collect()
    };
    let (key, other) = (by_hand(KEY), by_hand(OTHER));
    let twice = |values: [serde_json::Value; 3]| -> Vec<serde_json::Value> {
        values.into_iter().flat_map(|value| [value.clone(), value]).collect()
    };
    let none = || serde_json::Value::Null;
    assert_eq!(
        fields("action"),
        twice(["set-key", "set-key", "unset-key"].map(Into::into)),
        "a line before each change and one after it"
    );
    assert_eq!(fields("source"), twice(["stdin".into(), "env".into(), none()]));
    assert_eq!(fields("old"), twice([none(), key.clone().into(), other.clone().into()]));
    assert_eq!(fields("new"), twice([key.into(), other.into(), none()]));
    assert_eq!(fields("outcome"), ["started", "done"].repeat(3));
    let time = fields("time")[0].as_str().unwrap().to_owned();
    assert!(time.len() == 20 && time.ends_with('Z') && time.starts_with("20"), "{time}");

    // The chain by hand, with sha256sum.
    let lines: Vec<&str> = text.lines().collect();
    for (line, next) in lines.iter().zip(&lines[1..]) {
        let command = "printf %s \"$1\" | sha256sum | cut -c1-64";
        let output = Command::new("sh").args(["-c", command, "sh", line]).output().unwrap();
        let hash = String::from_utf8(output.stdout).unwrap();
        assert!(next.contains(hash.trim()), "{next}");
    }
    sandbox.cck(&["audit", "--check"]).run().code(0).out(&["6 lines is whole"]);
    let table = sandbox.cck(&["audit"]).run().code(0);
    assert_eq!(table.stdout.lines().count(), 6, "{}", table.stdout);
    let last = sandbox.cck(&["audit", "-n", "1"]).run().code(0);
    assert!(table.stdout.ends_with(&last.stdout) && last.stdout.lines().count() == 1, "{last:?}");

    fs::write(&trail, text.replacen("stdin", "flag!", 1)).unwrap();
    sandbox.cck(&["audit", "--check"]).run().code(1).out(&["line 2 breaks the chain"]);
    assert_eq!(sandbox.cck(&["audit", "--check", "--json"]).run().code(1).json()["broken_line"], 2);
    // A broken log does not stop the work, and what follows still chains to what is there.
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    assert_eq!(fs::read_to_string(&trail).unwrap().lines().count(), 8);
}

#[test]
fn the_trail_goes_where_it_is_sent() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.home().join("one.jsonl"), sandbox.home().join("two/two.jsonl"));
    sandbox.cck(&["set-key"]).env("CCK_AUDIT_FILE", &one).stdin(KEY).run().code(0);
    let args = ["set-key", "--audit-file", two.to_str().unwrap()];
    sandbox.cck(&args).env("CCK_AUDIT_FILE", &one).stdin(OTHER).run().code(0);
    assert_eq!(fs::read_to_string(&one).unwrap().lines().count(), 2);
    sandbox
        .cck(&["audit", "--file", two.to_str().unwrap(), "--check"])
        .run()
        .code(0)
        .out(&["2 lines"]);
    // A misspelt name does not pass for a whole trail.
    let typo = sandbox.cck(&["audit", "--file", "tow.jsonl", "--check"]).run();
    typo.code(2).err(&["tow.jsonl does not exist"]);
    let state = sandbox.home().join("state");
    sandbox.cck(&["unset-key"]).env("XDG_STATE_HOME", &state).run().code(0);
    assert!(state.join("cck/audit.jsonl").exists());
}

#[test]
fn a_trail_that_cannot_be_written_warns_or_stops() {
    let sandbox = Sandbox::new();
    let link = sandbox.home().join("link.jsonl");
    let target = sandbox.lay("target", "");
    symlink(&target, &link).unwrap();
    let dir = sandbox.home().join("dir");
    fs::create_dir(&dir).unwrap();
    for bad in [link.to_str().unwrap(), dir.to_str().unwrap(), "/dev/full", "/proc/no/such"] {
        let args = ["set-key", "--require-audit", "--audit-file", bad];
        sandbox.cck(&args).stdin(KEY).run().code(2).err(&["audit", "nothing was changed", "try:"]);
        assert!(!sandbox.config().exists(), "{bad}");
    }
    for bad in [link.to_str().unwrap(), dir.to_str().unwrap()] {
        sandbox
            .cck(&["set-key", "--audit-file", bad])
            .stdin(KEY)
            .run()
            .code(0)
            .err(&["warning:", "audit line"]);
        fs::remove_file(sandbox.config()).unwrap();
    }
    assert_eq!(fs::read_to_string(target).unwrap(), "", "nothing is written through a link");
    let good = sandbox.home().join("good.jsonl");
    sandbox
        .cck(&["set-key", "--require-audit", "--audit-file", good.to_str().unwrap()])
        .stdin(KEY)
        .run()
        .code(0);
    let text = fs::read_to_string(good).unwrap();
    assert!(text.contains("\"started\"") && text.contains("\"done\""), "{text}");
}

#[test]
fn a_damaged_end_of_the_trail_is_described_and_the_chain_goes_on() {
    let long = "x".repeat(70_000);
    for (damage, words, lines) in [
        ("{\"time\":\"2026-11-25T1".to_owned(), "was cut short (21 bytes)", 2 + 1 + 1 + 2),
        (format!("{long}\n"), "is not an audit record (70000 bytes)", 2 + 1 + 1 + 2),
        ("\0\0\0\0".to_owned(), "was cut short (4 bytes)", 2 + 1 + 1 + 2),
    ] {
        let sandbox = Sandbox::new();
        sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
        let trail = sandbox.home().join(".local/state/cck/audit.jsonl");
        let text = fs::read_to_string(&trail).unwrap();
        fs::write(&trail, format!("{text}{damage}")).unwrap();
        sandbox.cck(&["audit", "--check"]).run().code(1).out(&["line 3 breaks"]);
        let ran = sandbox.cck(&["unset-key"]).run().code(0);
        // Whether a client runs on this machine is not the trail's affair.
        let warnings = ran.stderr.lines().filter(|line| !line.contains("will send the old key"));
        assert_eq!(warnings.count(), 0, "a damaged trail is still written to: {}", ran.stderr);
        assert_eq!(fs::read_to_string(&trail).unwrap().lines().count(), lines);
        sandbox.cck(&["audit", "--check"]).run().code(0).out(&["whole", "1 damaged line"]);
        sandbox.cck(&["audit", "--json"]).run().code(0).out(&["\"damage\": "]);
        sandbox.cck(&["audit"]).run().code(0).out(&["repair", words]);
        // A damaged line that no repair describes still breaks the chain.
        let text = fs::read_to_string(&trail).unwrap();
        fs::write(&trail, text.replacen("{\"time\"", "{\"tame\"", 1)).unwrap();
        sandbox.cck(&["audit", "--check"]).run().code(1).out(&["line 1 breaks"]);
    }
}

#[test]
fn a_line_that_lost_only_its_end_is_still_a_record() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    let trail = sandbox.home().join(".local/state/cck/audit.jsonl");
    let text = fs::read_to_string(&trail).unwrap();
    fs::write(&trail, text.trim_end()).unwrap();
    sandbox.cck(&["unset-key"]).run().code(0);
    sandbox.cck(&["audit", "--check"]).run().code(0).out(&["4 lines is whole"]);
}

#[test]
fn a_change_that_fails_is_in_the_trail() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", "{\"a\": }");
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(2).err(&[":1:7"]);
    // Of several files each is tried before the first is changed.
    let install = ["helper", "install", "--key-env", "K", "--remove-primary-key"];
    sandbox.cck(&install).env("K", KEY).run().code(2).err(&[":1:7"]);
    assert!(!sandbox.home().join(".claude/settings.json").exists());
    let records = sandbox.cck(&["audit", "--json"]).run().code(0).json()["records"].clone();
    assert_eq!(records.as_array().unwrap().len(), 2, "{records}");
    for (record, action) in [(&records[0], "set-key"), (&records[1], "helper-install")] {
        assert_eq!((&record["action"], &record["outcome"]), (&action.into(), &"failed".into()));
        assert_eq!(record["config"], sandbox.config().to_str().unwrap());
    }
}

/// What a change replaced is what the change before it wrote, so the lines are in the order of the changes.
#[test]
fn lines_are_in_the_order_of_the_changes() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    std::thread::scope(|scope| {
        for at in 0..12 {
            let sandbox = &sandbox;
            let key = format!("{}{at:04}", &OTHER[..OTHER.len() - 4]);
            scope.spawn(move || sandbox.cck(&["set-key"]).stdin(key).run().code(0));
        }
    });
    let records = sandbox.cck(&["audit", "--json"]).run().code(0).json()["records"].clone();
    let records = records.as_array().unwrap();
    assert_eq!(records.len(), 2 * 13);
    for pair in records.chunks(2) {
        assert_eq!((&pair[0]["outcome"], &pair[1]["outcome"]), (&"started".into(), &"done".into()));
        assert_eq!(pair[0]["pid"], pair[1]["pid"]);
    }
    for (one, next) in records.iter().step_by(2).zip(records.iter().step_by(2).skip(1)) {
        assert_eq!(next["old"], one["new"]);
    }
}

/// A key is never without the address that was set with it, so it goes first and comes last.
#[test]
fn undo_goes_back_over_the_files_of_a_change_in_reverse() {
    let sandbox = Sandbox::new();
    let add = ["profile", "add", "a", "--key-env", "K", "--base-url", "https://g.example"];
    sandbox.cck(&add).run().code(0);
    sandbox.cck(&["set-key", "--profile", "a"]).env("K", KEY).run().code(0);
    for _ in 0..2 {
        sandbox.cck(&["undo", "--profile", "a"]).run().code(0);
    }
    let records = sandbox.cck(&["audit", "--json"]).run().code(0).json()["records"].clone();
    let files = records.as_array().unwrap().iter().filter(|record| {
        record["outcome"] == "done" && record["config"].as_str().unwrap().contains("profiles/a/")
    });
    let names: Vec<&str> = files
        .map(|record| record["config"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    let (address, key) = ("settings.json", ".claude.json");
    assert_eq!(names, [address, key, key, address, address, key]);
}

#[test]
fn helpers_profiles_and_runs_are_in_the_trail() {
    let s = Sandbox::new();
    s.cck(&["profile", "add", "a", "--key-env", "K"]).run().code(0);
    s.cck(&["helper", "install", "--profile", "a"]).env("K", KEY).run().code(0);
    s.cck(&["run", "--profile", "a", "--", "true"]).env("K", KEY).run().code(0);
    s.cck(&["helper", "remove", "--profile", "a"]).run().code(0);
    s.cck(&["profile", "remove", "a"]).run().code(0);
    let records = s.cck(&["audit", "--json"]).run().code(0).json()["records"].clone();
    let records = records.as_array().unwrap();
    let shown: Vec<String> = records
        .iter()
        .map(|record| format!("{} {}", record["action"], record["outcome"]).replace('"', ""))
        .collect();
    let expected: Vec<String> =
        ["profile-add", "helper-install", "onboard", "run", "helper-remove", "profile-remove"]
            .iter()
            .flat_map(|action| ["started", "done"].map(|outcome| format!("{action} {outcome}")))
            .collect();
    assert_eq!(shown, expected);
    let run = records.iter().find(|record| record["action"] == "run").unwrap();
    assert_eq!((&run["source"], &run["new"]), (&"profile".into(), &by_hand(KEY).into()));
    s.cck(&["audit", "--check"]).run().code(0);
}

/// A real full disk: a tmpfs of two pages in a mount namespace of its own.
#[test]
fn on_a_full_disk_no_half_line_is_left() {
    let sandbox = Sandbox::new();
    let disk = sandbox.home().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = r#"
        mount -t tmpfs -o size=8k none "$DISK" || exit 77
        "$CCK" set-key --stdin --audit-file "$DISK/a" <key1 || exit 1
        head -c 8192 /dev/zero | tr '\0' '\n' >>"$DISK/a" 2>/dev/null
        size=$(stat -c %s "$DISK/a")
        "$CCK" set-key --stdin --audit-file "$DISK/a" --require-audit <key2 && exit 2
        grep -q "$(cat key1)" "$HOME/.claude.json" || exit 3
        "$CCK" set-key --stdin --audit-file "$DISK/a" <key2 || exit 4
        grep -q "$(cat key2)" "$HOME/.claude.json" || exit 5
        test "$(stat -c %s "$DISK/a")" = "$size" || exit 6
    "#;
    for (name, key) in [("key1", KEY), ("key2", OTHER)] {
        fs::write(sandbox.project().join(name), key).unwrap();
    }
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", sandbox.home())
        .env("DISK", &disk)
        .env("CCK", binary())
        .current_dir(sandbox.project())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.contains("unshare failed") {
        return crate::skip::without_root();
    }
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("the audit line was not written") && stderr.contains("nothing was changed"),
        "{stderr}"
    );
}
