//! Budgets, models, alerts, and what was used.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Machine;
use crate::sandbox::KEY;
use crate::upstream::{MESSAGE, Upstream, json};

const ASK: &str = r#"{"model":"claude-opus-5","messages":[]}"#;

#[test]
fn a_spent_budget_refuses_with_a_sentence_and_a_count_of_tokens_still_passes() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    // A message of the stand-in has 15 tokens.
    let run = machine.run(&upstream, &["--budget", "20tok", "--budget", "100usd/day"]);
    assert_eq!(run.message(ASK).status, 200);
    assert_eq!(run.message(ASK).status, 200, "20 are not spent yet");
    let refused = run.message(ASK);
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("x-should-retry: false"), "{}", refused.head);
    let json = refused.json();
    assert_eq!((&json["type"], &json["error"]["type"]), (&"error".into(), &"billing_error".into()));
    let message = json["error"]["message"].as_str().unwrap();
    for word in ["20 tok for this run", "30 tok", "ends with the run", "--budget"] {
        assert!(message.contains(word), "no {word} in {message}");
    }
    assert_eq!(run.call("POST /v1/messages/count_tokens", "", b"{}").status, 200);
    assert_eq!(upstream.seen().len(), 3, "what was refused went nowhere");
    assert_eq!(run.end().0, Some(0));
    assert_eq!(
        machine.run(&upstream, &["--budget", "20tok"]).message(ASK).status,
        200,
        "each run has its own"
    );
}

#[test]
fn two_runs_share_a_budget_and_one_of_another_profile_does_not() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let key = machine.key.to_str().unwrap();
    for name in ["a", "b"] {
        machine
            .s
            .cck(&[
                "profile",
                "add",
                name,
                "--key-file",
                key,
                "--base-url",
                &upstream.url(),
                "--budget",
                "25tok/day",
                "--allow-model",
                "claude-*",
            ])
            .run()
            .code(0);
    }
    let shown = machine.s.cck(&["profile", "show", "a", "--json"]).run().code(0).json();
    assert_eq!(shown["profile"]["budget"][0], "25tok/day");
    let start = |name: &str| machine.run_with("", &["--profile", name], &[]);
    let (one, other, third) = (start("a"), start("a"), start("b"));
    assert_eq!(one.message(ASK).status, 200);
    machine.wait_for_calls(1);
    assert_eq!(other.message(ASK).status, 200);
    machine.wait_for_calls(2);
    for run in [&one, &other] {
        let refused = run.message(ASK);
        assert_eq!(refused.status, 429);
        let text = refused.text();
        assert!(
            text.contains("25 tok a day") && text.contains("30 tok") && text.contains("profile a"),
            "{text}"
        );
    }
    assert_eq!(third.message(ASK).status, 200);
    assert_eq!(
        third.message(r#"{"model":"other"}"#).status,
        429,
        "the profile allows claude-* only"
    );
    machine.wait_for_calls(6);
    let usage = machine.s.cck(&["usage", "--by", "profile", "--json"]).run().code(0).json();
    let budget = &usage["budgets"][0];
    assert_eq!(
        (&budget["profile"], &budget["used"], &budget["amount"]),
        (&"a".into(), &30.0.into(), &25.0.into())
    );
}

#[test]
fn a_model_that_is_not_allowed_is_refused_and_others_pass() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &["--allow-model", "claude-opus-*", "--allow-model", "x"]);
    for model in ["claude-haiku-4-5", "Claude-opus-5", "", "x "] {
        let refused = run.message(&format!(r#"{{"model":"{model}"}}"#));
        assert_eq!(
            (refused.status, refused.json()["error"]["type"].as_str()),
            (429, Some("billing_error")),
            "{model}"
        );
        assert!(refused.text().contains("--allow-model"));
    }
    for body in ["{}", "[]", "no json", r#"{"model":5}"#, r#"{"messages":{"model":"x"}}"#] {
        assert_eq!(run.message(body).status, 429, "{body}");
    }
    assert_eq!(upstream.seen().len(), 0);
    for model in ["claude-opus-5", "x"] {
        assert_eq!(run.message(&format!(r#"{{"model":"{model}"}}"#)).status, 200);
    }
    assert_eq!(run.call("POST /v1/messages/count_tokens", "", br#"{"model":"y"}"#).status, 200);
}

#[test]
fn alerts_go_to_the_command_and_the_log_and_hold_no_secret() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let alerts = machine.s.home().join("alerts");
    let environment = machine.s.home().join("environment");
    let command = format!(
        "line=$(cat); env >{}; printf '%s\\n' \"$line\" >>{}; echo noise; echo noise >&2",
        environment.display(),
        alerts.display()
    );
    let run = machine.run_with(
        &upstream.url(),
        &["--budget", "20tok", "--on-alert", &command, "--allow-model", "claude-*"],
        &[("ANTHROPIC_ADMIN_KEY", "admin-value"), ("MINE", KEY), ("UNRELATED", "stays")],
    );
    let token = run.token.clone();
    assert_eq!(run.message(ASK).status, 200);
    // Calls that are recorded together raise the highest alert alone.
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(&alerts).unwrap_or_default().is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(run.message(r#"{"model":"other"}"#).status, 429);
    assert_eq!(run.message(ASK).status, 200);
    assert_eq!(run.message(ASK).status, 429);
    let (code, text) = run.end();
    assert_eq!(code, Some(0));
    assert!(
        !text.contains("noise") && !text.contains("budget"),
        "nothing on the child's screen: {text}"
    );
    let text = fs::read_to_string(&alerts).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut kinds: Vec<_> = lines.iter().map(|alert| alert["alert"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["budget-100", "budget-75", "refused", "refused"]);
    for secret in [KEY, &token] {
        assert!(!text.contains(secret));
    }
    let text = fs::read_to_string(&environment).unwrap();
    assert!(text.contains("UNRELATED=stays"), "{text}");
    for secret in [KEY, &token, "admin-value"] {
        assert!(!text.contains(secret), "{text}");
    }
    let logged: Vec<_> = machine
        .calls()
        .iter()
        .flat_map(|call| call["alerts"].as_array().unwrap().clone())
        .collect();
    assert_eq!(logged.len(), 4, "{logged:?}");
    machine.check();
}

#[test]
fn an_alert_command_that_hangs_or_fails_holds_nothing_up_for_long() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &["--budget", "1tok", "--on-alert", "sleep 600 & sleep 600"]);
    let start = Instant::now();
    assert_eq!(run.message(ASK).status, 200);
    assert_eq!(run.message(ASK).status, 429);
    assert!(start.elapsed() < Duration::from_secs(5), "calls do not wait for it");
    assert_eq!(run.end().0, Some(0));
    assert!(start.elapsed() < Duration::from_secs(25), "nor does the end, beyond its bound");
}

#[test]
fn usage_sums_the_log_and_its_limits_are_for_cron() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    machine.s.cck(&["usage"]).run().code(0).out(&["no calls"]);
    let run = machine.run(&upstream, &["--allow-model", "claude-*"]);
    for _ in 0..3 {
        assert_eq!(run.message(ASK).status, 200);
    }
    assert_eq!(run.message(r#"{"model":"other"}"#).status, 429);
    run.end();
    let json =
        machine.s.cck(&["usage", "--json", "--by", "model", "--since", "1d"]).run().code(0).json();
    assert_eq!((&json["schema"], &json["by"]), (&1.into(), &"model".into()));
    let row = &json["rows"][0];
    assert_eq!(
        (&row["key"], &row["calls"], &row["input_tokens"], &row["output_tokens"]),
        (&"claude-opus-5".into(), &3.into(), &30.into(), &15.into())
    );
    assert_eq!(json["rows"].as_array().unwrap().len(), 1, "what was refused used nothing");
    assert_eq!(json["total"]["cache_write_tokens"], 0);
    for by in ["day", "profile", "project", "session", "key"] {
        let ran = machine.s.cck(&["usage", "--by", by]).run().code(0);
        assert!(ran.stdout.contains("total") && ran.stdout.contains("45 tok"), "{ran:?}");
        assert!(!ran.stdout.contains(KEY));
    }
    machine.s.cck(&["usage", "--warn", "40tok"]).run().code(0).err(&["45 tok", "more than 40 tok"]);
    machine.s.cck(&["usage", "--fail", "40tok"]).run().code(1).err(&["more than 40 tok"]);
    assert_eq!(
        machine.s.cck(&["usage", "--fail", "1usd", "--warn", "45tok"]).run().code(0).stderr,
        ""
    );
    machine.s.cck(&["usage", "--since", "yesterday"]).run().code(2).err(&["--since yesterday"]);
    machine.s.cck(&["usage", "--since", "2000-01-01", "--json"]).run().code(0);
}

#[test]
fn verify_inside_of_a_run_says_so_and_names_the_source() {
    let machine = Machine::new();
    let key = machine.key.to_str().unwrap();
    let cck = crate::sandbox::binary();
    machine.s.lay(".claude.json", format!(r#"{{"primaryApiKey":"{KEY}"}}"#));
    let inside = |args: &str| {
        let script = format!("rm -f {key}; '{cck}' verify {args}");
        machine.s.cck(&["run", "--key-file", key, "--", "sh", "-c", &script]).run()
    };
    let ran = inside("").code(0).out(&["inside cck run", key, "from the session token of cck run"]);
    assert!(!ran.stdout.contains(KEY), "{ran:?}");
    machine.s.lay("key", KEY);
    let json = inside("--json --expect session").code(0).json();
    assert!(json["session"]["key_source"].as_str().unwrap().contains(key));
    assert_eq!(json["verdict"], "yes");
    assert_eq!(json["expected"], "session");
    assert_eq!(json["modes"]["print"]["authorization"], "session");
    let candidates = json["candidates"].as_array().unwrap();
    let used = candidates.iter().filter(|found| found["print"] == "used");
    assert_eq!(used.map(|found| &found["id"]).collect::<Vec<_>>(), ["session"]);
    assert!(!json.to_string().contains("env.ANTHROPIC_AUTH_TOKEN"), "{json}");
    let outside = machine.s.cck(&["verify", "--json"]).run().json();
    assert_eq!(outside["session"], serde_json::Value::Null);
    let outside = machine.s.cck(&["verify", "--expect", "session"]).run();
    outside.code(2).err(&["not inside of `cck run`"]);
}

/// Each with what lies in the store of what was used before.
#[test]
fn a_refused_key_a_model_that_is_new_and_an_hour_that_costs_too_much_raise_alerts() {
    let yesterday = Command::new("date").args(["-d", "yesterday", "+%F"]).output().unwrap().stdout;
    let yesterday = String::from_utf8(yesterday).unwrap();
    let hours = (10..16)
        .map(|hour| format!(r#""{}T{hour}":{{"usd":0.000001,"tokens":1}}"#, yesterday.trim()));
    let cheap = format!(r#"{{"hours":{{{}}},"models":[]}}"#, hours.collect::<Vec<_>>().join(","));
    let known = r#"{"hours":{},"models":["claude-haiku-4-5"]}"#;
    for (status, spend, raised) in [
        ("401 Unauthorized", "", "upstream-401"),
        ("403 Forbidden", "", "upstream-403"),
        ("200 OK", known, "new-model"),
        ("200 OK", &cheap, "unusual-hour"),
        ("200 OK", "", ""),
    ] {
        let machine = Machine::new();
        let upstream = Upstream::start(move |_, stream| json(stream, status, MESSAGE));
        if !spend.is_empty() {
            machine.s.lay(".local/state/cck/spend/no-profile.json", spend);
        }
        let alerts = machine.s.home().join("alerts");
        let command = format!("cat >>{}", alerts.display());
        let run = machine.run(&upstream, &["--on-alert", &command]);
        // Twice: of a run, each is raised once.
        run.message(ASK);
        machine.wait_for_calls(1);
        run.message(ASK);
        assert_eq!(run.end().0, Some(0));
        let text = fs::read_to_string(&alerts).unwrap_or_default();
        let kinds: Vec<_> = serde_json::Deserializer::from_str(&text)
            .into_iter::<serde_json::Value>()
            .map(|alert| alert.unwrap()["alert"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds.join(" "), raised, "{status}: {text}");
        let logged: Vec<_> = machine.calls().iter().map(|call| call["alerts"].clone()).collect();
        assert_eq!(logged.len(), 2, "{logged:?}");
        assert!(raised.is_empty() || logged[0] == serde_json::json!([raised]), "{logged:?}");
    }
}
