//! What is recorded of calls, and how a stream passes.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::harness::{Machine, holds};
use crate::sandbox::{KEY, OTHER};
use crate::upstream::{EVENTS, HEAD, MESSAGE, Upstream, chunk, json};

const STREAM: &str = r#"{"model":"claude-opus-5","stream":true,"messages":["a secret prompt"]}"#;

#[test]
fn each_call_is_one_line_with_what_it_used_and_nothing_that_was_said() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    let headers = "x-claude-code-session-id: s-1\r\nx-claude-code-agent-id: a-1\r\n";
    assert_eq!(run.call("POST /v1/messages?beta=true", headers, STREAM.as_bytes()).status, 200);
    assert_eq!(run.message(r#"{"model":"claude-opus-5"}"#).status, 200);
    assert_eq!(run.call("POST /v1/messages/count_tokens", "", b"{}").status, 200);
    assert_eq!(run.call("GET /v1/organizations", "", b"").status, 404);
    let token = run.token.clone();
    assert_eq!(run.end().0, Some(0));
    let calls = machine.calls();
    assert_eq!(calls.len(), 4, "{calls:?}");
    let first = &calls[0];
    for (name, value) in [
        ("method", "POST"),
        ("path", "/v1/messages"),
        ("model", "claude-opus-5"),
        ("session", "s-1"),
        ("agent", "a-1"),
        ("request_id", "req_stream"),
        ("decision", "passed"),
        ("project", fs::canonicalize(machine.s.project()).unwrap().to_str().unwrap()),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert!(first["key"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!((&first["stream"], &first["status"]), (&true.into(), &200.into()));
    for call in &calls[..2] {
        assert_eq!((&call["input_tokens"], &call["output_tokens"]), (&10.into(), &5.into()));
        // 10 tokens at 5 dollars a million, 5 at 25.
        assert!((call["cost_usd"].as_f64().unwrap() - 0.000_175).abs() < 1e-12);
    }
    assert_eq!(calls[2]["cost_usd"], 0.0, "a count of tokens is free");
    assert_eq!((&calls[3]["decision"], &calls[3]["status"]), (&"refused".into(), &404.into()));
    let log = machine.state().join("calls.jsonl");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    for secret in [KEY, &token, "secret prompt", "cck-session"] {
        assert!(!holds(&log, secret), "{secret} is in the log");
    }
    assert!(machine.check().contains("the chain of 4 lines is whole"));
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replace("\"output_tokens\":5", "\"output_tokens\":1")).unwrap();
    machine.s.cck(&["audit", "--check"]).run().code(1).out(&["line 2 breaks the chain"]);
}

/// Each event arrives before the API has sent the next.
#[test]
fn a_stream_is_not_held_back() {
    let (gate, machine) = (Arc::new(Barrier::new(2)), Machine::new());
    let theirs = Arc::clone(&gate);
    let upstream = Upstream::start(move |_, stream| {
        stream.write_all(HEAD)?;
        for event in EVENTS {
            chunk(stream, event)?;
            theirs.wait();
        }
        stream.write_all(b"0\r\n\r\n")
    });
    let run = machine.run(&upstream, &[]);
    let mut stream = run.tcp();
    stream.write_all(&run.request("POST /v1/messages", "", STREAM.as_bytes())).unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    for event in EVENTS {
        while !text.contains(event.trim_end()) {
            let count =
                stream.read(&mut buffer).expect("the event arrives while the next is held back");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        gate.wait();
    }
    drop(run);
}

#[test]
fn an_abort_ends_the_call_upstream_and_counts_what_was_seen() {
    let machine = Machine::new();
    let upstream = Upstream::start(|_, stream| {
        stream.write_all(HEAD)?;
        [EVENTS[0], EVENTS[1], EVENTS[1]].iter().try_for_each(|event| chunk(stream, event))?;
        // The broker closes its connection: this read ends.
        stream.read(&mut [0]).map(drop)
    });
    let run = machine.run(&upstream, &[]);
    drop(run.begin(run.tcp(), "content_block_delta\"", 2));
    upstream.wait_for_end();
    let calls = machine.wait_for_calls(1);
    assert_eq!(calls[0]["decision"], "aborted");
    assert_eq!((&calls[0]["input_tokens"], &calls[0]["output_tokens"]), (&10.into(), &2.into()));
    assert_eq!(upstream.seen().len(), 1, "nothing is sent a second time");
}

#[test]
fn an_abort_before_the_answer_ends_the_call_upstream() {
    let machine = Machine::new();
    let upstream = Upstream::start(|_, stream| stream.read(&mut [0]).map(drop));
    let run = machine.run(&upstream, &[]);
    let mut stream = run.tcp();
    stream.write_all(&run.request("POST /v1/messages", "", STREAM.as_bytes())).unwrap();
    while upstream.seen().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(stream);
    upstream.wait_for_end();
    assert_eq!(machine.wait_for_calls(1)[0]["decision"], "aborted");
}

#[test]
fn a_key_that_was_rotated_at_its_source_reaches_an_open_session() {
    let machine = Machine::new();
    let upstream = Upstream::start(|seen, stream| match seen.header("x-api-key")[0].as_str() {
        OTHER => json(stream, "200 OK", MESSAGE),
        _ => json(stream, "401 Unauthorized", r#"{"type":"error"}"#),
    });
    let run = machine.run(&upstream, &[]);
    let ask = || run.message(r#"{"model":"claude-opus-5"}"#);
    assert_eq!(ask().status, 401, "the source has no other key: the refusal passes");
    assert_eq!(upstream.seen().len(), 1);
    fs::write(&machine.key, "").unwrap();
    assert_eq!(ask().status, 401, "a source that fails changes nothing");
    fs::write(&machine.key, OTHER).unwrap();
    assert_eq!(ask().status, 200);
    let keys: Vec<_> =
        upstream.seen().iter().map(|seen| seen.header("x-api-key")[0].clone()).collect();
    assert_eq!(keys, [KEY, KEY, KEY, OTHER], "one more try, with the new key");
    assert_eq!(ask().status, 200);
    assert_eq!(upstream.seen().len(), 5, "and from then on at once");
    let calls = machine.wait_for_calls(4);
    assert_ne!(calls[0]["key"], calls[3]["key"]);
}

#[test]
fn a_source_is_read_again_when_its_time_is_over() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &["--ttl", "0"]);
    let ask = || run.message(r#"{"model":"claude-opus-5"}"#).status;
    assert_eq!(ask(), 200);
    fs::write(&machine.key, OTHER).unwrap();
    let start = Instant::now();
    while upstream.seen().last().unwrap().header("x-api-key") != [OTHER] {
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(ask(), 200);
    }
}

#[test]
fn connections_to_the_api_are_used_again_and_calls_run_side_by_side() {
    let machine = Machine::new();
    let (barrier, most) = (Arc::new(Barrier::new(8)), Arc::new(AtomicUsize::new(0)));
    let (theirs, count) = (Arc::clone(&barrier), Arc::clone(&most));
    let upstream = Upstream::start(move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        // Eight have to be there at once.
        theirs.wait();
        json(stream, "200 OK", MESSAGE)
    });
    let run = machine.run(&upstream, &[]);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(run.message(r#"{"model":"m"}"#).status, 200));
            }
        });
    }
    assert_eq!(most.load(Ordering::SeqCst), 24);
}
