//! `cck rotate`, against a stand-in for the Messages and the Admin API.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, OTHER, Sandbox};
use crate::unset_key::holders;
use crate::verify::stand_in;

const ADMIN: &str = "sk-ant-admin01-MADEUPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A stand-in, written from Anthropic's public reference of the Admin API: it answers with what `answer` gives for a
/// method and a path, and keeps `METHOD PATH KEY BODY` of each request.
struct Api {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

fn api(answer: impl Fn(&str, &str) -> (u16, Value) + Send + 'static) -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let (mut key, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim_end().split_once(": ") else {
                    break;
                };
                match name.to_ascii_lowercase().as_str() {
                    "x-api-key" => key = value.to_owned(),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut words = first.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let body = String::from_utf8(body).unwrap();
            log.lock().unwrap().push(format!("{method} {path} {key} {body}"));
            let (code, answer) = answer(method, path);
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {code} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all((head + &answer).as_bytes());
        }
    });
    Api { url, seen }
}

fn listed(id: &str, hint: &str, status: &str) -> Value {
    json!({"type": "api_key", "id": id, "name": "team", "status": status, "partial_key_hint": hint,
        "workspace_id": null, "created_at": "2026-01-01T00:00:00Z", "created_by": {"id": "user_1", "type": "user"}})
}

/// The hint that the Admin API would show of a key.
fn hint(key: &str) -> String {
    format!("{}...{}", &key[..16], &key[key.len() - 4..])
}

fn page(keys: Vec<Value>) -> Value {
    let id = |key: Option<&Value>| key.map(|key| key["id"].clone());
    json!({"has_more": false, "first_id": id(keys.first()), "last_id": id(keys.last()), "data": keys})
}

/// An API that takes the new key, and has the old one among `keys`.
fn good(keys: Vec<Value>) -> Api {
    api(move |method, path| match (method, path) {
        ("GET", path) if path.starts_with("/v1/models") => (200, json!({"data": []})),
        ("GET", path) if path.starts_with("/v1/organizations/api_keys") => {
            (200, page(keys.clone()))
        }
        ("POST", path) => (200, listed(path.rsplit('/').next().unwrap(), &hint(OTHER), "inactive")),
        _ => (404, json!({})),
    })
}

fn config(key: &str) -> String {
    let suffix = &key[key.len() - 20..];
    format!(
        "{{\"primaryApiKey\":\"{key}\",\"hasCompletedOnboarding\":true,\"customApiKeyResponses\":{{\"approved\":[\"{suffix}\"],\"rejected\":[]}}}}"
    )
}

/// A home whose config and backups hold the old key.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(OTHER));
    sandbox.lay(".claude/backups/.claude.json.backup.1", config(OTHER));
    sandbox
}

fn rotate(sandbox: &Sandbox, args: &[&str], api: Option<&Api>) -> crate::sandbox::Ran {
    let mut all = vec!["rotate", "--stdin"];
    all.extend(args);
    let admin = api.map(|api| format!("--admin-url={}", api.url));
    all.extend(admin.as_deref());
    let mut cck = sandbox.cck(&all).env("ANTHROPIC_ADMIN_KEY", ADMIN).stdin(KEY);
    if let Some(api) = api {
        cck = cck.env("ANTHROPIC_BASE_URL", &api.url);
    }
    let ran = cck.run();
    assert_keeps_keys(&format!("{}{}", ran.stdout, ran.stderr), "rotate");
    assert!(!ran.stdout.contains(ADMIN) && !ran.stderr.contains(ADMIN));
    ran
}

#[test]
fn the_new_key_is_in_and_nothing_is_left_of_the_old() {
    let sandbox = home();
    rotate(&sandbox, &["--dry-run"], None).code(0).out(&["would be replaced", "would remove"]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(OTHER));

    rotate(&sandbox, &[], None)
        .code(0)
        .out(&["replaced sk-ant-api03-…abcd with sk-ant-api03-…wxyz", "revoke the old key"]);
    assert_eq!(
        fs::read_to_string(sandbox.config()).unwrap(),
        config(KEY),
        "the approval is carried over"
    );
    assert_eq!(holders(&sandbox.home(), OTHER), [""; 0]);
    sandbox.cck(&["undo"]).run().code(1);
    sandbox.cck(&["audit"]).run().code(0).out(&["rotate", "stdin"]);
    let again = rotate(&sandbox, &[], None).code(0).out(&["nothing to rotate"]);
    assert!(!again.stdout.contains("revoke"), "{again:?}");
    assert_eq!(rotate(&sandbox, &["--json"], None).code(0).json()["changed"], false);
}

#[test]
fn without_an_old_key_there_is_nothing_to_rotate() {
    let sandbox = Sandbox::new();
    rotate(&sandbox, &[], None).code(2).err(&["no key", "cck set-key"]);
    assert_eq!(sandbox.names(), [""; 0]);
    sandbox.lay(".claude.json", "{\"a\": }");
    rotate(&sandbox, &[], None).code(2).err(&[":1:7"]);
    assert_eq!(sandbox.names(), [".claude.json"]);
}

#[test]
fn a_key_that_the_api_does_not_take_changes_nothing() {
    for (code, word) in
        [(401, "rejects the new key"), (403, "rejects"), (429, "HTTP 429"), (500, "HTTP 500")]
    {
        let sandbox = home();
        let api = api(move |_, _| (code, json!({})));
        rotate(&sandbox, &["--online"], Some(&api)).code(2).err(&[word, "nothing was changed"]);
        assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(OTHER));
        assert_eq!(sandbox.names(), [".claude", ".claude.json"]);
    }
    let sandbox = home();
    let nobody = Api { url: "http://127.0.0.1:9".into(), seen: Arc::default() };
    rotate(&sandbox, &["--online"], Some(&nobody))
        .code(2)
        .err(&["cannot be reached", "nothing was changed"]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(OTHER));
}

#[test]
fn the_new_key_is_checked_with_what_the_client_sends_along() {
    for (headers, along) in [
        ("authorization: Basic Z2F0ZXdheQ==", "authorization: Basic Z2F0ZXdheQ==\r\n"),
        // Another key is sent instead; the new one is what is asked about.
        ("x-api-key: another", ""),
    ] {
        let sandbox = home();
        let settings = json!({"env": {"ANTHROPIC_CUSTOM_HEADERS": headers}});
        sandbox.lay(".claude/settings.json", settings.to_string());
        let (url, asked) = stand_in("200 OK");
        let cck = sandbox.cck(&["rotate", "--stdin", "--online"]).stdin(KEY);
        cck.env("ANTHROPIC_BASE_URL", &url).run();
        let asked = asked.join().unwrap();
        assert!(asked.contains(&format!("x-api-key: {KEY}\r\n")), "{asked}");
        assert!(asked.contains(along) && !asked.contains("another"), "{asked}");
        assert!(!asked.contains(OTHER), "{asked}");
        assert_eq!(asked.contains("authorization"), !along.is_empty(), "{asked}");
        assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(KEY));
    }
}

#[test]
fn the_old_key_is_retired_only_by_a_match_that_is_sure() {
    let sandbox = home();
    let api = good(vec![
        listed("apikey_1", &hint(KEY), "active"),
        listed("apikey_2", &hint(OTHER), "active"),
        listed("apikey_3", "sk-ant-api03-xxx...abcd", "active"),
    ]);
    rotate(&sandbox, &["--retire-old"], Some(&api)).code(0).out(&["is inactive: apikey_2"]);
    let seen = api.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0], format!("GET /v1/models?limit=1 {KEY} "));
    assert_eq!(seen[1], format!("GET /v1/organizations/api_keys?limit=1000 {ADMIN} "));
    assert_eq!(
        seen[2],
        format!("POST /v1/organizations/api_keys/apikey_2 {ADMIN} {{\"status\":\"inactive\"}}")
    );

    for (keys, word) in [
        (vec![], "no key that looks like the old one"),
        (
            vec![
                listed("apikey_1", &hint(OTHER), "active"),
                listed("apikey_2", &hint(OTHER), "active"),
            ],
            "does not guess",
        ),
        (vec![listed("../users/1", &hint(OTHER), "active")], "an id that is not one"),
    ] {
        let sandbox = home();
        let api = good(keys);
        rotate(&sandbox, &["--retire-old"], Some(&api)).code(1).err(&["retire the old key", word]);
        assert!(
            api.seen.lock().unwrap().iter().all(|line| !line.starts_with("POST")),
            "nothing is guessed"
        );
        assert!(fs::read_to_string(sandbox.config()).unwrap().contains(KEY), "the swap stands");
    }
}

#[test]
fn what_was_left_is_completed_by_the_same_command() {
    for code in [401, 404, 429, 500] {
        let sandbox = home();
        let broken =
            api(
                move |_, path| {
                    if path.starts_with("/v1/models") {
                        (200, json!({}))
                    } else {
                        (code, json!({}))
                    }
                },
            );
        rotate(&sandbox, &["--retire-old"], Some(&broken))
            .code(1)
            .err(&["in place", &format!("HTTP {code}")]);
        let fixed = good(vec![listed("apikey_2", &hint(OTHER), "active")]);
        rotate(&sandbox, &["--retire-old"], Some(&fixed))
            .code(0)
            .out(&["went on with what was left", "apikey_2"]);
        assert_eq!(holders(&sandbox.home(), OTHER), [""; 0]);
    }
    let sandbox = home();
    let args =
        ["--command-after", "test -e ready && echo \"$CCK_OLD_HINT $CCK_OLD_FINGERPRINT\" > seen"];
    rotate(&sandbox, &args, None).code(1).err(&["--command-after", "code 1"]);
    fs::write(sandbox.project().join("ready"), "").unwrap();
    rotate(&sandbox, &args, None).code(0);
    let seen = fs::read_to_string(sandbox.project().join("seen")).unwrap();
    assert!(seen.starts_with("sk-ant-api03-…abcd sha256:"), "{seen}");
    // It has no use for a key: those of the environment are left out.
    let other = home();
    rotate(&other, &["--command-after", "env > seen"], None).code(0);
    let seen = fs::read_to_string(other.project().join("seen")).unwrap();
    assert!(seen.contains("CCK_OLD_HINT=") && seen.contains("HOME="), "{seen}");
    assert!(!seen.contains("ANTHROPIC_ADMIN_KEY") && !seen.contains(ADMIN), "{seen}");
    rotate(&sandbox, &args, None).code(0).out(&["nothing to rotate"]);
}

#[test]
fn a_page_of_a_thousand_keys_is_read_to_its_end() {
    let sandbox = home();
    let api = api(|method, path| match (method, path) {
        (_, path) if path.starts_with("/v1/models") => (200, json!({})),
        ("POST", path) => (200, listed(path.rsplit('/').next().unwrap(), "", "inactive")),
        (_, path) if path.contains("after_id=apikey_999") => {
            (200, page(vec![listed("apikey_last", &hint(OTHER), "active")]))
        }
        _ => {
            let keys = (0..1000)
                .map(|at| listed(&format!("apikey_{at}"), "sk-ant-api03-aaa...zzzz", "active"));
            let mut first = page(keys.collect());
            first["has_more"] = true.into();
            (200, first)
        }
    });
    rotate(&sandbox, &["--retire-old"], Some(&api)).code(0).out(&["apikey_last"]);
}

#[test]
fn the_admin_key_has_to_be_there_and_goes_nowhere_unsafe() {
    let sandbox = home();
    let ran = sandbox.cck(&["rotate", "--stdin", "--retire-old"]).stdin(KEY).run();
    ran.code(2).err(&["ANTHROPIC_ADMIN_KEY", "try:"]);
    let elsewhere = Api { url: "http://example.invalid".into(), seen: Arc::default() };
    rotate(&sandbox, &["--retire-old"], Some(&elsewhere)).code(2).err(&["not sent to"]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(OTHER));
}

#[test]
fn a_profile_is_rotated_in_its_own_directory() {
    let sandbox = Sandbox::new();
    let file = sandbox.lay("source", OTHER);
    let command = format!("cat {}", file.display());
    sandbox.cck(&["profile", "add", "team", "--key-command", &command]).run().code(0);
    sandbox.cck(&["set-key", "--profile", "team"]).run().code(0);
    sandbox.lay("source", KEY);
    let ran = sandbox.cck(&["rotate", "--profile", "team", "--json"]).run().code(0);
    let path = ran.json()["path"].as_str().unwrap().to_owned();
    assert!(path.contains("team") && fs::read_to_string(path).unwrap().contains(KEY));
    assert!(!sandbox.config().exists(), "tenants share no file");
    assert_eq!(holders(&sandbox.home(), OTHER), [""; 0]);
}

/// A third key.
const THIRD: &str =
    "sk-ant-api03-THIRD2x4y6z8w1a3b5c7d9e2f4g6h8i1j3k5l7m9n2o4p6q8r1s3t5u7v9-9w2x4y6third";

#[test]
fn a_rotation_that_was_cut_off_is_remembered_by_the_next() {
    let sandbox = home();
    // Cut off after the swap: its report cannot be written, so nobody has read which key to revoke.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut cck = sandbox.cck(&["rotate", "--key-env", "K"]).env("K", KEY).command();
    let status = cck.stdin(std::process::Stdio::null()).stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(1), "something was changed");
    let ran = sandbox.cck(&["rotate", "--stdin"]).stdin(THIRD).run().code(0);
    ran.out(&["revoke the old key: sk-ant-api03-…abcd", "revoke the old key: sk-ant-api03-…wxyz"]);
    let again = sandbox.cck(&["rotate", "--stdin"]).stdin(THIRD).run().code(0);
    again.out(&["nothing to rotate"]);
}

#[test]
fn of_two_rotations_at_once_each_names_the_key_that_it_replaced() {
    let sandbox = home();
    let runs: Vec<_> = thread::scope(|scope| {
        let run = |key: &'static str| {
            let sandbox = &sandbox;
            scope.spawn(move || sandbox.cck(&["rotate", "--stdin", "--json"]).stdin(key).run())
        };
        [run(KEY), run(THIRD)].map(|run| run.join().unwrap()).into()
    });
    let text = fs::read_to_string(sandbox.config()).unwrap();
    let winner = if text.contains(KEY) { KEY } else { THIRD };
    assert!(text.contains(winner) && !text.contains(OTHER), "{text}");
    assert!(runs.iter().any(|run| run.code == Some(0)), "{runs:?}");
    // Each that went through names what it replaced: of two, one the first key and the other that one's.
    let loser = if winner == KEY { THIRD } else { KEY };
    let went_through = runs.iter().filter(|run| run.code == Some(0)).count();
    for (run, key) in runs.iter().zip([KEY, THIRD]) {
        let replaced = if key == winner && went_through == 2 { loser } else { OTHER };
        if run.code == Some(0) {
            let hint = run.json()["old"]["hint"].as_str().unwrap().to_owned();
            assert!(hint.ends_with(&replaced[replaced.len() - 4..]), "{runs:?}");
        } else {
            assert!(run.stderr.contains("just now"), "{run:?}");
        }
    }
    // What is left of a loser is not a record of a rotation.
    let rest = sandbox.cck(&["rotate", "--stdin"]).stdin(winner).run().code(0);
    assert!(!rest.stdout.contains(&winner[winner.len() - 4..]) || !rest.stdout.contains("revoke"));
}

/// Whichever is first: what is left of its rotation is done by the next command, and not forgotten with the loser's.
#[test]
fn what_is_left_of_a_rotation_outlives_another_at_the_same_time() {
    for _ in 0..5 {
        let sandbox = home();
        let args = ["rotate", "--stdin", "--command-after", "false"];
        let runs: Vec<_> = thread::scope(|scope| {
            let run = |key: &'static str| {
                let sandbox = &sandbox;
                scope.spawn(move || sandbox.cck(&args).stdin(key).run())
            };
            [run(KEY), run(THIRD)].map(|run| run.join().unwrap()).into()
        });
        let text = fs::read_to_string(sandbox.config()).unwrap();
        let winner = if text.contains(KEY) { KEY } else { THIRD };
        assert!(runs.iter().any(|run| run.stderr.contains("--command-after")), "{runs:?}");
        let rest = sandbox.cck(&["rotate", "--stdin"]).stdin(winner).run().code(0);
        let old = format!("…{}", &OTHER[OTHER.len() - 4..]);
        assert!(rest.stdout.contains(&old) && rest.stdout.contains("revoke"), "{rest:?} {runs:?}");
    }
}

#[test]
fn a_path_in_the_report_for_programs_is_the_path() {
    let sandbox = home();
    let path = sandbox.lay("a\u{202e}b.json", config(OTHER));
    let args = ["rotate", "--stdin", "--json", "--config-file", path.to_str().unwrap()];
    let ran = sandbox.cck(&args).stdin(KEY).run().code(0);
    assert_eq!(ran.json()["path"], path.to_str().unwrap());
    assert!(!ran.stdout.contains('\u{202e}'), "{ran:?}");
}

/// tests/data/cases/k18: the client would go on sending the old key from there.
#[test]
fn an_old_key_that_settings_still_send_is_named_and_not_called_revocable() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let text = fs::read_to_string(dir.join("k18-rotate-old-key-in-settings.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    let items = case["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    for item in items {
        let sandbox = Sandbox::new();
        for (path, content) in item["home"].as_object().unwrap() {
            sandbox.lay(path, content.to_string());
        }
        let new = item["stdin"].as_str().unwrap();
        let try_out = sandbox.cck(&["rotate", "--stdin", "--dry-run"]).stdin(new).run().code(1);
        assert!(!try_out.err(&["would be in place"]).stderr.contains("is in place"));
        let run = || sandbox.cck(&["rotate", "--stdin"]).stdin(new).run();
        let ran = run().code(1).err(&["left to do", "settings.json", "Claude Code may send it"]);
        assert!(!ran.stdout.contains("revoke"), "{ran:?}");
        assert!(fs::read_to_string(sandbox.config()).unwrap().contains(new));
        // Nor by the same command, which has only the digest of the old key.
        let ran = run().code(1).err(&["left to do", "settings.json", "Claude Code may send it"]);
        assert!(!ran.stdout.contains("revoke"), "{ran:?}");
        // When it is gone from there, the same command names the key to revoke.
        sandbox.lay(".claude/settings.json", "{}");
        run().code(0).out(&["revoke the old key"]);
    }
    let sandbox = home();
    let ran = sandbox.cck(&["rotate", "--stdin"]).env("ANTHROPIC_API_KEY", OTHER).stdin(KEY).run();
    ran.code(1).err(&["$ANTHROPIC_API_KEY is the old key"]);
}

/// Whatever a rotation was doing when it was killed: once its key is in place, the key that it replaced is named by the
/// next, though that one is to a third key.
#[test]
fn a_rotation_that_was_killed_after_its_swap_leaves_no_key_unnamed() {
    let hint = |key: &str| format!("revoke the old key: sk-ant-api03-…{}", &key[key.len() - 4..]);
    let next = |sandbox: &Sandbox| {
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        // Those of a killed run are taken over after a while.
        for name in [".claude.json.lock", ".claude/backups/.claude.json.backup.1.lock"] {
            if let Ok(lock) = fs::File::open(sandbox.home().join(name)) {
                lock.set_modified(long_ago).unwrap();
            }
        }
        sandbox.cck(&["rotate", "--stdin"]).stdin(THIRD).run()
    };
    // With all done except the report.
    let sandbox = home();
    let kill = ["rotate", "--stdin", "--command-after", "kill -9 $PPID"];
    assert_eq!(sandbox.cck(&kill).stdin(KEY).run().code, None, "it was killed");
    next(&sandbox).code(0).out(&[&hint(OTHER), &hint(KEY)]);

    let start = std::time::Instant::now();
    home().cck(&["rotate", "--key-env", "K"]).env("K", KEY).run().code(0);
    let took = start.elapsed();
    let points = crate::support::scale::part(100);
    let mut swapped = 0;
    for point in 0..points {
        let sandbox = home();
        let mut command = sandbox.cck(&["rotate", "--key-env", "K"]).env("K", KEY).command();
        let null = std::process::Stdio::null;
        let report = sandbox.home().join("report");
        let stdout = fs::File::create(&report).unwrap();
        let mut child = command.stdin(null()).stdout(stdout).stderr(null()).spawn().unwrap();
        thread::sleep(took.mul_f64(1.2 * point as f64 / points as f64));
        child.kill().unwrap();
        child.wait().unwrap();
        let has_reported = fs::read_to_string(report).unwrap().contains(&hint(OTHER));
        let is_swapped = fs::read_to_string(sandbox.config()).unwrap().contains(KEY);
        swapped += usize::from(is_swapped && !has_reported);
        let ran = next(&sandbox).code(0);
        let replaced = if is_swapped { KEY } else { OTHER };
        assert!(ran.stdout.contains(&hint(replaced)), "{point}: {ran:?}");
        assert!(
            !is_swapped || has_reported || ran.stdout.contains(&hint(OTHER)),
            "{point}: {ran:?}"
        );
        for key in [OTHER, KEY] {
            assert_eq!(holders(&sandbox.home(), key), [""; 0], "{point}");
        }
    }
    println!("{points} points, {swapped} of them after the swap");
}
