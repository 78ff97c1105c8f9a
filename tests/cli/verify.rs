//! `cck verify` from outside.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, OTHER, Ran, Sandbox, chmod};

const USUAL: &str = r#"{"primaryApiKey": "KEY", "hasCompletedOnboarding": true}"#;

fn usual() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", USUAL.replace("KEY", KEY));
    sandbox
}

#[track_caller]
fn checked(ran: Ran) -> Ran {
    assert_keeps_keys(&ran.stdout, "stdout");
    assert_keeps_keys(&ran.stderr, "stderr");
    ran
}

#[track_caller]
fn json(ran: Ran) -> Value {
    let ran = checked(ran);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn codes(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem["code"].as_str().unwrap()).collect()
}

#[test]
fn a_key_that_is_sent_is_a_yes() {
    let ran = checked(usual().cck(&["verify"]).run());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (first, rest) = ran.stdout.split_once('\n').unwrap();
    assert_eq!(first, "✓ Claude Code will send your key sk-ant-api03-…wxyz to api.anthropic.com");
    assert!(rest.starts_with("  from primaryApiKey in ~/.claude.json"), "{rest}");
    assert_eq!(rest.lines().count(), 1, "{rest}");
    let ran = usual().cck(&["verify", "--verbose"]).run().code(0);
    ran.out(&["highest precedence first", "sent as x-api-key", "not set  $ANTHROPIC_AUTH_TOKEN"]);
    let ran = usual().cck(&["verify", "--quiet"]).run().code(0);
    assert_eq!(ran.stdout + &ran.stderr, "");
}

#[test]
fn a_key_that_is_shadowed_is_a_no_with_its_remedy() {
    let sandbox = usual();
    let ran = checked(sandbox.cck(&["verify"]).env("ANTHROPIC_API_KEY", OTHER).run());
    assert_eq!(ran.code, Some(1));
    let said = "✗ claude -p sends another key: $ANTHROPIC_API_KEY (sk-ant-api03-…abcd)\n  \
                interactive claude sends yours, but first asks whether to use $ANTHROPIC_API_KEY (default: No)\n  \
                To use the key in the config:   unset ANTHROPIC_API_KEY\n  \
                or to use $ANTHROPIC_API_KEY:   cck approve   (then: cck verify --expect env.ANTHROPIC_API_KEY)\n";
    let wide = sandbox.cck(&["verify"]).env("ANTHROPIC_API_KEY", OTHER).env("COLUMNS", "200");
    assert!(wide.run().stdout.starts_with(said), "{}", ran.stdout);
    for (columns, width) in [("", 80), ("60", 60), ("20", 40)] {
        let narrow =
            sandbox.cck(&["verify"]).env("ANTHROPIC_API_KEY", OTHER).env("COLUMNS", columns);
        for line in narrow
            .run()
            .stdout
            .lines()
            .filter(|line| !line.contains("cck ") && !line.contains("unset "))
        {
            assert!(line.chars().count() <= width, "{columns}: {line}");
        }
    }
    let interactive = ["verify", "--mode", "interactive"];
    assert_eq!(sandbox.cck(&interactive).env("ANTHROPIC_API_KEY", OTHER).run().code, Some(0));
    let expect = ["verify", "--mode", "print", "--expect", "env.ANTHROPIC_API_KEY"];
    assert_eq!(sandbox.cck(&expect).env("ANTHROPIC_API_KEY", OTHER).run().code, Some(0));
}

#[test]
fn a_fix_beside_a_long_label_has_lines_of_its_own() {
    let sandbox = usual();
    sandbox.lay(".claude/settings.json", r#"{"apiKeyHelper":"x"}"#);
    let ran = sandbox.cck(&["verify"]).run().code(1);
    ran.out(&[
        "To use the key in the config:\n    remove apiKeyHelper from ~/.claude/settings.json\n",
    ]);
}

#[test]
fn the_same_key_from_another_source_is_a_yes_that_says_so() {
    let sandbox = usual();
    let ran =
        checked(sandbox.cck(&["verify", "--mode", "print"]).env("ANTHROPIC_API_KEY", KEY).run());
    let ran = ran.code(0);
    ran.out(&[
        "✓ claude -p will send your key",
        "from $ANTHROPIC_API_KEY, the same key as in the config",
    ]);
    let ran =
        sandbox.cck(&["verify", "--json", "--mode", "print"]).env("ANTHROPIC_API_KEY", KEY).run();
    let report = json(ran);
    assert_eq!((&report["verdict"], codes(&report)), (&"yes".into(), vec![]));
    // As a token it goes out on another header, which takes no API key.
    sandbox.cck(&["verify", "--mode", "print"]).env("ANTHROPIC_AUTH_TOKEN", KEY).run().code(1);
}

#[test]
fn the_json_is_schema_1() {
    let sandbox = usual();
    let report = json(sandbox.cck(&["verify", "--json"]).env("ANTHROPIC_AUTH_TOKEN", "tok").run());
    assert_eq!(report["schema"], 1);
    assert_eq!(report["config_file"]["chosen_by"], "default");
    assert_eq!(report["config_file"]["mode"], "0600");
    assert_eq!(report["config_file"]["exists"], true);
    for mode in ["print", "interactive"] {
        let mode = &report["modes"][mode];
        assert_eq!(mode["provider"], "anthropic");
        assert_eq!(mode["x_api_key"], "config.primaryApiKey");
        assert_eq!(mode["authorization"], "env.ANTHROPIC_AUTH_TOKEN");
        assert_eq!(mode["sends"], true);
        assert_eq!(mode["dialogs"], serde_json::json!([]));
    }
    let candidates = report["candidates"].as_array().unwrap();
    let key =
        candidates.iter().find(|candidate| candidate["id"] == "config.primaryApiKey").unwrap();
    assert_eq!(key["hint"], "sk-ant-api03-…wxyz");
    assert_eq!(key["fingerprint"].as_str().unwrap().len(), "sha256:0123456789ab".len());
    assert_eq!((&key["print"], &key["interactive"]), (&"used".into(), &"used".into()));
    assert_eq!(key["because"], "sent as x-api-key");
    assert_eq!(
        (&report["expected"], &report["verdict"]),
        (&"config.primaryApiKey".into(), &"no".into())
    );
    assert_eq!(codes(&report), ["key-sent-to-gateway"]);
}

#[test]
fn a_helper_is_run_by_the_shell_of_the_system_and_not_by_one_on_path() {
    let sandbox = usual();
    sandbox.lay(".claude/settings.json", format!("{{\"apiKeyHelper\": \"echo {OTHER}\"}}"));
    let mark = sandbox.home().join("ran");
    let other = sandbox.lay("bin/sh", format!("#!/bin/sh\n: > '{}'\n", mark.display()));
    chmod(&other, 0o755);
    let path = format!("{}:/usr/bin:/bin", sandbox.home().join("bin").display());
    let run = ["verify", "--run-helper", "--expect", "settings.user.apiKeyHelper"];
    sandbox.cck(&run).env("PATH", path).run().code(0);
    assert!(!mark.exists());
}

#[test]
fn a_helper_is_run_only_when_asked() {
    let sandbox = usual();
    let mark = sandbox.home().join("ran");
    let helper = |tail: &str| format!("{{\"apiKeyHelper\": \"touch {}; {tail}\"}}", mark.display());
    sandbox.lay(".claude/settings.json", helper(&format!("echo {OTHER}")));
    let report = json(sandbox.cck(&["verify", "--json"]).run());
    assert!(!mark.exists());
    assert_eq!(report["modes"]["print"]["authorization"], "settings.user.apiKeyHelper");
    let run = ["verify", "--json", "--run-helper", "--expect", "settings.user.apiKeyHelper"];
    let report = json(sandbox.cck(&run).run());
    assert!(mark.exists());
    assert_eq!(report["verdict"], "yes");
    sandbox.lay(".claude/settings.json", helper("exit 3"));
    let ran = sandbox.cck(&run).run();
    assert_eq!(ran.code, Some(1));
    let report = json(ran);
    let print = &report["modes"]["print"];
    assert_eq!(
        (&print["x_api_key"], &print["authorization"], &print["sends"]),
        (&Value::Null, &Value::Null, &true.into())
    );
    assert_eq!(print["invalid"], serde_json::json!(["x_api_key", "authorization"]));
    assert!(codes(&report).contains(&"helper-failed"), "{report}");
}

#[test]
fn what_one_mode_ignores_has_the_whole_reason_of_that_mode() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", "{}");
    sandbox.lay(".claude/settings.json", r#"{"apiKeyHelper": "exit 3"}"#);
    let all = ["verify", "--json", "--mode", "all", "--run-helper"];
    let run = [&all[..], &["--expect", "settings.user.apiKeyHelper"]].concat();
    let report = json(sandbox.cck(&run).run());
    let problems = report["problems"].as_array().unwrap();
    let ignored = problems.iter().filter(|problem| problem["code"] == "key-ignored");
    let messages: Vec<_> = ignored.map(|problem| problem["message"].as_str().unwrap()).collect();
    let [print, interactive] = messages[..] else { panic!("{messages:?}") };
    assert!(print.contains("in print mode: it exited with"), "{print}");
    assert!(print.ends_with("; x-api-key and authorization is sent without a credential"));
    assert!(
        interactive.contains("in interactive mode: onboarding is not complete"),
        "{messages:?}"
    );
}

#[test]
fn files_that_cannot_be_read_are_in_the_report() {
    let start = Instant::now();
    let fifo = |path: &std::path::Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    for (what, code) in [
        ("fifo", Some("config-unusable")),
        ("directory", Some("config-unusable")),
        ("malformed", Some("config-unusable")),
        ("huge", Some("config-unusable")),
        ("empty", Some("config-empty")),
        ("dangling", None),
    ] {
        let sandbox = Sandbox::new();
        let path = sandbox.config();
        match what {
            "fifo" => fifo(&path),
            "directory" => fs::create_dir(&path).unwrap(),
            "malformed" => drop(sandbox.lay(".claude.json", "{\n \"a\": }")),
            "huge" => fs::File::create(&path).unwrap().set_len(1 << 31).unwrap(),
            "empty" => drop(sandbox.lay(".claude.json", "")),
            _ => symlink("nowhere", &path).unwrap(),
        }
        let ran = sandbox.cck(&["verify", "--json"]).run();
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        let report = json(ran);
        assert!(code.is_none_or(|code| codes(&report).contains(&code)), "{what}: {report}");
    }
    let sandbox = usual();
    fs::create_dir(sandbox.home().join(".claude")).unwrap();
    for path in [".claude/settings.json", ".claude/.credentials.json"] {
        fifo(&sandbox.home().join(path));
    }
    assert_eq!(sandbox.cck(&["verify", "--mode", "print"]).run().code, Some(0));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn files_that_are_open_to_others_or_in_git_are_problems() {
    let sandbox = usual();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(sandbox.home()).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        assert!(git.output().unwrap().status.success(), "{args:?}");
    };
    chmod(&sandbox.config(), 0o644);
    sandbox.lay(".claude/backups/.claude.json.backup.1", USUAL.replace("KEY", KEY));
    let report = json(sandbox.cck(&["verify", "--json"]).run());
    assert_eq!(codes(&report), ["loose-mode", "key-in-backups"]);
    chmod(&sandbox.config(), 0o600);
    if Command::new("git").arg("--version").output().is_err() {
        return crate::skip::without("git");
    }
    git(&["init", "-q"]);
    // A hostile work tree: git must not run what it configures.
    let mark = sandbox.home().join("owned");
    git(&["config", "core.fsmonitor", &format!("touch {}", mark.display())]);
    assert!(codes(&json(sandbox.cck(&["verify", "--json"]).run())).contains(&"not-ignored-by-git"));
    let add = ["-c", "core.fsmonitor=false", "add", ".claude.json"];
    git(&add);
    assert!(codes(&json(sandbox.cck(&["verify", "--json"]).run())).contains(&"tracked-by-git"));
    assert!(!mark.exists());
}

/// Needs root, to give a file away.
#[test]
fn a_config_of_another_user_is_a_problem() {
    let sandbox = usual();
    if std::os::unix::fs::chown(sandbox.config(), Some(7), None).is_err() {
        return crate::skip::without_root();
    }
    let report = json(sandbox.cck(&["verify", "--json"]).run());
    assert_eq!(codes(&report), ["wrong-owner"]);
}

#[test]
fn settings_and_directories_that_mislead_are_problems() {
    let sandbox = usual();
    sandbox.lay(".claude/settings.json", "{\"env\": null}");
    let project = sandbox.project().join(".claude");
    fs::create_dir(&project).unwrap();
    fs::write(
        project.join("settings.json"),
        r#"{"apiKeyHelper": "./none", "env": {"ANTHROPIC_BASE_URL": "http://evil.example"}}"#,
    )
    .unwrap();
    let report = json(sandbox.cck(&["verify", "--json"]).run());
    for code in [
        "settings-malformed",
        "helper-not-executable",
        "untrusted-helper",
        "host-set-by-project",
        "key-shadowed",
    ] {
        assert!(codes(&report).contains(&code), "{code}: {report}");
    }
    for (dir, code) in [
        ("~/x", "config-dir-tilde"),
        ("x", "config-dir-relative"),
        ("/nonexistent", "config-dir-missing"),
    ] {
        let report = json(sandbox.cck(&["verify", "--json"]).env("CLAUDE_CONFIG_DIR", dir).run());
        assert!(codes(&report).contains(&code), "{code}: {report}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_errors() {
    let sandbox = usual();
    for args in [
        &["verify", "--expect", "nonsense"][..],
        &["verify", "--expect", KEY],
        &["verify", "--project", "missing"],
        &["verify", "--client-version", "x"],
        &["verify", "--mode", "x"],
    ] {
        let ran = checked(sandbox.cck(args).run());
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "");
    }
}

/// `cck approve` knows the environment only: of a key that settings set it would say that the variable is not set.
#[test]
fn a_key_that_a_file_sets_is_not_to_be_approved_by_cck() {
    let settings = format!("{{\"env\": {{\"ANTHROPIC_API_KEY\": \"{OTHER}\"}}}}");
    for of_project in [true, false] {
        let sandbox = Sandbox::new();
        sandbox.lay(".claude.json", "{\"hasCompletedOnboarding\": true}");
        if of_project {
            fs::create_dir(sandbox.project().join(".claude")).unwrap();
            fs::write(sandbox.project().join(".claude/settings.json"), &settings).unwrap();
        } else {
            sandbox.lay(".claude/settings.json", &settings);
        }
        for args in [&["verify", "--expect", "any"][..], &["verify", "--json", "--expect", "any"]] {
            let ran = sandbox.cck(args).run();
            assert!(!ran.stdout.contains("cck approve"), "{ran:?}");
        }
    }
}

#[test]
fn the_fixes_for_a_profile_name_it() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["profile", "add", "a", "--key-env", "K"]).run().code(0);
    let report = sandbox.cck(&["verify", "--profile", "a", "--json"]).run().json();
    let fixes: Vec<_> = report["problems"].as_array().unwrap().iter().map(|p| &p["fix"]).collect();
    assert!(!fixes.is_empty());
    for fix in fixes.iter().map(|fix| fix.as_str().unwrap()) {
        assert!(!fix.contains("cck ") || fix.contains("--profile a"), "{fix}");
    }
    assert!(fixes.iter().any(|fix| *fix == "cck set-key --profile a"), "{fixes:?}");
}

#[test]
fn without_a_command_it_says_what_is_in_force() {
    let sandbox = Sandbox::new();
    let ran = sandbox.cck(&[]).run();
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stdout.contains("no credential") && ran.stdout.contains("cck set-key"),
        "{}",
        ran.stdout
    );
    let ran = checked(usual().cck(&[]).run());
    assert!(
        ran.stdout.starts_with(
            "✓ Claude Code will send your key sk-ant-api03-…wxyz to api.anthropic.com\n"
        ),
        "{}",
        ran.stdout
    );
    let sandbox = usual();
    for (config, words) in [
        ("{\"a\": ", "is not JSON"),
        ("{\"primaryApiKey\": \"\"}", "next: cck set-key\n"),
        (&USUAL.replace("KEY", KEY), "next: unset ANTHROPIC_API_KEY\n"),
    ] {
        sandbox.lay(".claude.json", config);
        let cck = sandbox.cck(&[]);
        let cck = if words.contains("unset") { cck.env("ANTHROPIC_API_KEY", OTHER) } else { cck };
        let ran = checked(cck.run()).code(0).out(&["✗ ", "next: ", words]);
        // A key would not make a config readable.
        let is_malformed = words == "is not JSON";
        assert!(!is_malformed || !ran.stdout.contains("cck set-key"), "{ran:?}");
    }
}

/// A stand-in for the API: answers one request with this status and gives what it was asked.
pub(crate) fn stand_in(status: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..read]);
        }
        let location = "Location: http://127.0.0.1:1/stolen\r\n";
        write!(
            stream,
            "HTTP/1.1 {status}\r\n{location}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        )
        .unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    (url, asked)
}

#[test]
fn online_asks_once_with_what_would_be_sent() {
    let sandbox = usual();
    for (status, result, code, exit) in [
        ("200 OK", "valid", None, 0),
        ("401 Unauthorized", "rejected", Some("credential-rejected"), 1),
        ("403 Forbidden", "rejected", Some("credential-rejected"), 1),
        ("429 Too Many Requests", "rate-limited", Some("rate-limited"), 0),
        ("302 Found", "unexpected", Some("unexpected-answer"), 1),
        ("404 Not Found", "unexpected", Some("unexpected-answer"), 1),
        ("503 Service Unavailable", "unexpected", Some("unexpected-answer"), 1),
    ] {
        let (url, asked) = stand_in(status);
        let ran =
            sandbox.cck(&["verify", "--online", "--json"]).env("ANTHROPIC_BASE_URL", &url).run();
        assert_eq!(ran.code, Some(exit), "{status}: {ran:?}");
        let report = json(ran);
        assert_eq!(report["online"]["result"], result);
        assert_eq!(codes(&report).first().copied(), code, "{report}");
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("GET /v1/models?limit=1 HTTP/1.1\r\n"), "{asked}");
        assert!(
            asked.contains(&format!("x-api-key: {KEY}\r\n"))
                && asked.contains("anthropic-version: ")
        );
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = sandbox
        .cck(&["verify", "--online", "--json"])
        .env("ANTHROPIC_BASE_URL", format!("http://{gone}"))
        .run();
    assert_eq!(codes(&json(ran)), ["unreachable"]);
}

#[test]
fn an_address_that_only_the_client_can_use_is_reported_as_unreachable() {
    for url in
        ["https://a,b", "https://a..b", "http://127.0.0.1:9/\u{e4}", "http://127.0.0.1:9/a b"]
    {
        let sandbox = usual();
        let ran =
            sandbox.cck(&["verify", "--online", "--json"]).env("ANTHROPIC_BASE_URL", url).run();
        assert_eq!(ran.code, Some(1), "{url}: {ran:?}");
        assert_eq!(json(ran)["online"]["result"], "unreachable", "{url}");
    }
}

#[test]
fn online_sends_nothing_to_a_plain_host_that_a_project_names() {
    let sandbox = usual();
    fs::create_dir(sandbox.project().join(".claude")).unwrap();
    let settings = r#"{"env": {"ANTHROPIC_BASE_URL": "http://192.0.2.1"}}"#;
    fs::write(sandbox.project().join(".claude/settings.json"), settings).unwrap();
    let start = Instant::now();
    let report = json(sandbox.cck(&["verify", "--online", "--json"]).run());
    assert_eq!(report["online"]["result"], "not-asked");
    assert!(codes(&report).contains(&"online-refused"), "{report}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_same_key_from_another_source_is_a_yes() {
    let sandbox = usual();
    let ran = sandbox.cck(&["verify", "--mode", "print"]).env("ANTHROPIC_API_KEY", KEY).run();
    ran.code(0).out(&["the same key as in the config"]);
    let ran = sandbox.cck(&["verify", "--json"]).env("ANTHROPIC_API_KEY", KEY).run();
    assert!(!codes(&ran.json()).contains(&"key-shadowed"), "{ran:?}");
    sandbox.cck(&["verify", "--mode", "print"]).env("ANTHROPIC_API_KEY", OTHER).run().code(1);
}
