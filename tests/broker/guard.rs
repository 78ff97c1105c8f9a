//! What passes the broker, and what does not.

use std::io::{Read, Write};

use crate::harness::{Machine, reply};
use crate::sandbox::KEY;
use crate::upstream::{EVENTS, Upstream};

const ASK: &str = r#"{"model":"claude-opus-5","messages":[]}"#;

#[test]
fn the_key_goes_upstream_and_no_other_credential_does() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    let headers = "anthropic-version: 2023-06-01\r\nanthropic-beta: a\r\nanthropic-beta: b\r\nx-claude-code-session-id: s1\r\nX-Stainless-Retry-Count: 0\r\n\
        x-api-key: sk-ant-other\r\ncookie: c=1\r\naccept-encoding: gzip, br\r\nexpect: 100-continue\r\nvia: 1.1 x\r\nforwarded: for=x\r\n\
        x-forwarded-for: 1.2.3.4\r\nx-forwarded-host: evil\r\nx-real-ip: 1.2.3.4\r\nproxy-authorization: Basic eA==\r\nproxy-connection: close\r\n\
        te: trailers\r\nkeep-alive: timeout=5\r\nupgrade: h2c\r\n";
    let odd = "{ \"model\" : \"claude-opus-5\",\n\t\"messages\": [], \"x\": 1e400, \"x\": \"\u{e9}\\u00e9\" }";
    let answer = run.call("POST /v1/messages?beta=true&b=%2F..%2f", headers, odd.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = upstream.seen().pop().unwrap();
    assert!(
        seen.head.starts_with("POST /v1/messages?beta=true&b=%2F..%2f HTTP/1.1\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.body, odd.as_bytes(), "the body passes untouched");
    for (name, values) in [
        ("x-api-key", vec![KEY]),
        ("host", vec![upstream.url().trim_start_matches("http://")]),
        ("accept-encoding", vec!["identity"]),
        ("content-length", vec![&*odd.len().to_string()]),
        ("anthropic-version", vec!["2023-06-01"]),
        ("anthropic-beta", vec!["a", "b"]),
        ("x-claude-code-session-id", vec!["s1"]),
        ("x-stainless-retry-count", vec!["0"]),
    ] {
        assert_eq!(seen.header(name), values, "{name} in {}", seen.head);
    }
    let gone = [
        "authorization",
        "cookie",
        "expect",
        "via",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-real-ip",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "keep-alive",
        "upgrade",
        "transfer-encoding",
    ];
    for name in gone {
        assert_eq!(seen.header(name), [""; 0], "{name} in {}", seen.head);
    }
    assert!(!seen.head.contains(&run.token), "the token stays here");
}

#[test]
fn the_answer_passes_unchanged() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    let answer = run.message(r#"{"model":"claude-opus-5","stream":true}"#);
    assert_eq!((answer.status, answer.text()), (200, EVENTS.concat()));
    for line in [
        "request-id: req_stream",
        "anthropic-ratelimit-requests-remaining: 7",
        "content-type: text/event-stream",
    ] {
        assert!(answer.head.contains(line), "{line} in {}", answer.head);
    }
    let error = Upstream::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 529 Overloaded\r\nretry-after: 3\r\nx-should-retry: true\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\ncontent-length: 2\r\n\r\n{}")
    });
    let run = machine.run(&error, &[]);
    let answer = run.message(ASK);
    assert_eq!((answer.status, answer.text().as_str()), (529, "{}"));
    assert!(
        answer.head.contains("retry-after: 3") && answer.head.contains("x-should-retry: true"),
        "{}",
        answer.head
    );
    assert!(!answer.head.contains("x-hop"), "{}", answer.head);
}

#[test]
fn only_the_token_of_this_run_is_taken_in_either_header() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let (run, other) = (machine.run(&upstream, &[]), machine.run(&upstream, &[]));
    let ask = |credential: &str| {
        let request = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{credential}content-length: {}\r\nconnection: close\r\n\r\n{ASK}",
            ASK.len()
        );
        reply(&run.raw(request.as_bytes()))
    };
    let token = &run.token;
    let (almost, longer) = (&token[..token.len() - 1], format!("{token}0"));
    for credential in [
        "".to_owned(),
        "authorization: Bearer \r\n".to_owned(),
        format!("authorization: {token}\r\n"),
        format!("authorization: Basic {token}\r\n"),
        format!("authorization: Bearer {almost}\r\n"),
        format!("authorization: Bearer {longer}\r\n"),
        format!("authorization: Bearer {}\r\n", other.token),
        format!("x-api-key: {almost}x\r\n"),
        format!("x-api-key: {KEY}\r\n"),
        format!("cookie: {token}\r\n"),
    ] {
        let answer = ask(&credential);
        assert_eq!(answer.status, 401, "{credential}: {answer:?}");
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
        assert!(answer.head.contains("x-should-retry: false"));
    }
    assert_eq!(upstream.seen().len(), 0, "nothing went upstream");
    for credential in [
        format!("authorization: Bearer {token}\r\n"),
        format!("authorization: bearer {token}\r\n"),
        format!("x-api-key: {token}\r\n"),
        format!("x-api-key: wrong\r\nauthorization: Bearer {token}\r\n"),
        format!("x-api-key: {token}\r\nauthorization: Bearer wrong\r\n"),
    ] {
        assert_eq!(ask(&credential).status, 200, "{credential}");
    }
    assert!(upstream.seen().iter().all(|seen| seen.header("x-api-key") == [KEY]));
    assert_eq!(run.over_socket(ASK).status, 200);
}

#[test]
fn what_is_not_a_path_of_the_api_ends_here() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    for line in [
        "GET /v1/messages",
        "PUT /v1/messages",
        "POST /v1/messages/",
        "POST //v1/messages",
        "POST /v1/messages/../organizations/api_keys",
        "POST /v1/messages/%2e%2e/organizations",
        "POST /v1/messages%2Fcount_tokens",
        "POST /V1/MESSAGES",
        "POST /v1/messages/batches",
        "GET /v1/organizations/api_keys",
        "POST /v1/organizations/api_keys/x",
        "GET /v1/models/../organizations/api_keys",
        "GET /v1/models/a/b",
        "GET /v1/models/..",
        "GET /v1/models/",
        "DELETE /v1/models/x",
        "GET /v1/files",
        "GET /",
        "OPTIONS *",
        "CONNECT api.anthropic.com:443",
    ] {
        let answer = run.call(line, "", b"");
        assert_eq!(answer.status, 404, "{line}: {answer:?}");
        assert_eq!(answer.json()["error"]["type"], "not_found_error", "{line}");
    }
    assert_eq!(upstream.seen().len(), 0);
    for line in ["HEAD /", "HEAD /api/hello", "POST /api/event_logging/batch"] {
        assert_eq!(run.call(line, "", b"").status, 200, "{line} is answered here");
    }
    assert_eq!(upstream.seen().len(), 0);
    let absolute = "POST http://api.anthropic.com/v1/messages?beta=true";
    for line in [
        absolute,
        "POST /v1/messages/count_tokens?beta=true",
        "GET /v1/models?limit=1",
        "GET /v1/models/claude-3.5-x",
    ] {
        assert_eq!(run.call(line, "", b"{}").status, 200, "{line}");
    }
    assert!(upstream.seen()[0].head.starts_with("POST /v1/messages?beta=true HTTP/1.1\n"));
}

/// A request that two servers could read in two ways is refused, whatever follows it; none reaches the API.
#[test]
fn a_smuggled_request_is_refused() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    let token = format!("authorization: Bearer {}", run.token);
    let hidden = format!("POST /v1/messages HTTP/1.1\r\n{token}\r\ncontent-length: 2\r\n\r\n{{}}");
    for (what, head) in [
        (
            "two lengths",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"
            ),
        ),
        (
            "two equal lengths",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
        ),
        (
            "lengths in a list",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: 2, 2\r\n\r\n{{}}"
            ),
        ),
        (
            "a signed length",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: +2\r\n\r\n{{}}"
            ),
        ),
        (
            "length, then chunks",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunks, then length",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "two encodings",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "a masked encoding",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "gzip and chunks",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunks in HTTP/1.0",
            format!(
                "POST /v1/messages HTTP/1.0\r\nhost: x\r\n{token}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "a folded header",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\nx-a: b\r\n content-length: 2\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
        ),
        (
            "a blank before the colon",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length : 2\r\n\r\n{{}}"
            ),
        ),
        (
            "a bare line feed",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\n{token}\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
        ),
        (
            "only bare line feeds",
            format!("POST /v1/messages HTTP/1.1\nhost: x\n{token}\ncontent-length: 2\n\n{{}}"),
        ),
        (
            "a bare line feed at the end",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: 2\r\n\n{{}}"
            ),
        ),
        (
            "a bare carriage return",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r{token}\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
        ),
        (
            "a zero byte",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\0\r\n{token}\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
        ),
        (
            "a line before the request",
            format!("\r\nPOST /v1/messages HTTP/1.1\r\n{token}\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
        (
            "no colon",
            format!(
                "POST /v1/messages HTTP/1.1\r\nhost x\r\n{token}\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
        ),
        ("no version", format!("POST /v1/messages\r\n{token}\r\ncontent-length: 2\r\n\r\n{{}}")),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ] {
        assert_eq!(run.status(format!("{head}{hidden}").as_bytes()), Some(400), "{what}");
        assert_eq!(upstream.seen().len(), 0, "{what}");
    }
    // What is whole in one way passes: one request in chunks, with a trailer, after which the connection ends.
    let chunked = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\nx-end: 1\r\n\r\n{hidden}"
    );
    let answer = reply(&run.raw(chunked.as_bytes()));
    assert_eq!((answer.status, upstream.seen().len()), (200, 1), "{answer:?}");
    assert_eq!(upstream.seen()[0].header("content-length"), ["2"]);
    // And requests one after the other, each with its length.
    let two = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{token}\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let mut stream = run.tcp();
    stream.write_all(format!("{two}{two}").as_bytes()).unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while text.matches("HTTP/1.1 200").count() < 2 {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

#[test]
fn a_head_or_a_body_that_is_too_large_is_refused() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    let long = format!("x-a: {}\r\n", "a".repeat(100_000));
    let status = run.status(&run.request("POST /v1/messages", &long, b"{}"));
    assert!(matches!(status, Some(400 | 431)), "{status:?}");
    let many: String = (0..200).map(|n| format!("x-{n}: a\r\n")).collect();
    let status = run.status(&run.request("POST /v1/messages", &many, b"{}"));
    assert!(matches!(status, Some(400 | 431)), "{status:?}");

    let token = &run.token;
    let length = 33 << 20;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {token}\r\ncontent-length: {length}\r\n\r\n"
    );
    let answer = reply(&run.raw(head.as_bytes()));
    assert_eq!(
        (answer.status, answer.json()["error"]["type"].as_str()),
        (413, Some("request_too_large"))
    );
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut stream = run.tcp();
    stream.write_all(head.as_bytes()).unwrap();
    let piece = [format!("{:x}\r\n", 1 << 20).as_bytes(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 34 && stream.write_all(&piece).is_ok() {
        sent += 1;
    }
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || text.starts_with("HTTP/1.1 413"), "{text}");
    assert_eq!(upstream.seen().len(), 0);
    // 31 MB are within the API's own bound.
    let body = format!("{{\"model\":\"m\",\"x\":\"{}\"}}", "a".repeat(31 << 20));
    assert_eq!(run.message(&body).status, 200);
}

#[test]
fn two_models_in_one_request_are_refused() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &["--allow-model", "claude-opus-*"]);
    for body in [
        r#"{"model":"claude-opus-5","model":"other"}"#,
        r#"{"model":"claude-opus-5","mod\u0065l":"other"}"#,
    ] {
        assert_eq!(run.message(body).status, 400, "{body}");
    }
    assert_eq!(upstream.seen().len(), 0);
}
