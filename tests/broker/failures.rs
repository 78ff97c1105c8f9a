//! Whatever is killed, cut or full: nothing hangs, nothing leaks, and the log stays whole.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Machine, Run};
use crate::sandbox::KEY;
use crate::support::standin::Standin;
use crate::support::tls;
use crate::upstream::Upstream;

const ASK: &str = r#"{"model":"claude-opus-5","stream":true}"#;

#[test]
fn an_api_that_cannot_be_reached_is_said_and_nothing_hangs() {
    let machine = Machine::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = machine.run_with(&format!("http://{nobody}"), &[], &[]);
    let answer = run.message(ASK);
    assert_eq!((answer.status, answer.json()["error"]["type"].as_str()), (502, Some("api_error")));
    assert!(answer.text().contains("cannot be reached"), "{}", answer.text());
    assert!(!answer.head.contains("x-should-retry"), "the client may try again");
    let run = machine.run_with("https://no-such-host.invalid", &[], &[]);
    assert_eq!(run.message(ASK).status, 502);
    // Nonsense instead of HTTP.
    let nonsense = Upstream::start(|_, stream| stream.write_all(b"220 smtp\r\n\r\n"));
    assert_eq!(machine.run(&nonsense, &[]).message(ASK).status, 502);
    assert!(machine.wait_for_calls(3).iter().all(|call| call["decision"] == "failed"));
}

#[test]
fn an_api_that_ends_before_its_answer_is_said() {
    let (machine, upstream) =
        (Machine::new(), Upstream::start(|_, stream| stream.shutdown(Shutdown::Both)));
    let answer = machine.run(&upstream, &[]).message(ASK);
    assert_eq!((answer.status, upstream.seen().len()), (502, 1), "it is not sent again");
    let call = &machine.wait_for_calls(1)[0];
    assert_eq!((&call["decision"], &call["status"]), (&"failed".into(), &502.into()));
}

/// Over TLS, to a server whose authority cck is told to trust, by the name in its certificate.
#[test]
fn the_key_goes_to_a_server_of_a_trusted_authority_only() {
    let machine = Machine::new();
    let Some((api, url)) = Standin::start_tls() else { return crate::skip::without("openssl") };
    let authority = machine.s.lay("ca.pem", tls::authority().unwrap());
    let authority = authority.to_str().unwrap();
    let other_name = url.replace("localhost", "127.0.0.1");
    for (url, vars) in [
        (&url, &[][..]),
        (&other_name, &[("SSL_CERT_FILE", authority)]),
        (&url, &[("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")]),
    ] {
        let answer = machine.run_with(url, &[], vars).message(ASK);
        assert_eq!((answer.status, api.requests().len()), (502, 0), "{url} {vars:?}: {answer:?}");
        assert!(answer.text().contains("certificate"), "{}", answer.text());
    }
    for (count, variable) in [(1, "SSL_CERT_FILE"), (2, "NODE_EXTRA_CA_CERTS")] {
        let run = machine.run_with(&url, &[], &[(variable, authority)]);
        assert_eq!(run.message(ASK).status, 200, "{variable}");
        let requests = api.requests();
        let last = requests.last().unwrap();
        assert_eq!((requests.len(), last.listener), (count, "https"));
        assert_eq!((last.x_api_key.as_deref(), &last.authorization), (Some(KEY), &None));
        assert_eq!(format!("https://{}", last.host), url);
    }
}

#[test]
fn a_stream_that_is_cut_upstream_is_cut_for_the_child_and_not_sent_again() {
    let (machine, upstream) = (Machine::new(), Upstream::stalled());
    let run = machine.run(&upstream, &[]);
    let mut stream = run.begin(run.tcp(), "message_start\"", 1);
    upstream.cut();
    let mut rest = Vec::new();
    _ = stream.read_to_end(&mut rest);
    assert!(
        !String::from_utf8_lossy(&rest).contains("0\r\n\r\n"),
        "the cut looks like an end: {rest:?}"
    );
    assert_eq!(upstream.seen().len(), 1);
    let call = &machine.wait_for_calls(1)[0];
    assert_eq!((&call["decision"], &call["input_tokens"]), (&"failed".into(), &10.into()));
}

#[test]
fn a_killed_cck_takes_the_broker_with_it_and_leaves_the_log_whole() {
    let (machine, upstream) = (Machine::new(), Upstream::stalled());
    for _ in 0..3 {
        let usual = Upstream::usual();
        let mut run = machine.run(&usual, &[]);
        assert_eq!(run.message(ASK).status, 200);
        machine.wait_for_calls(1);
        kill(&mut run);
        // And in the middle of a stream.
        let mut run = machine.run(&upstream, &[]);
        let mut stream = run.begin(run.tcp(), "message_start\"", 1);
        kill(&mut run);
        _ = stream.read_to_end(&mut Vec::new());
        upstream.wait_for_end();
    }
    machine.check();
}

fn kill(run: &mut Run) {
    kill_process(Pid::from_child(&run.child), Signal::KILL).unwrap();
    assert_eq!(run.child.wait().unwrap().signal(), Some(9));
    let gone = std::net::TcpStream::connect(("127.0.0.1", run.port));
    assert!(gone.is_err(), "the port is closed");
}

#[test]
fn a_killed_child_ends_the_run_with_its_signal_while_a_call_is_on_its_way() {
    let (machine, upstream) = (Machine::new(), Upstream::stalled());
    let mut run = machine.run(&upstream, &[]);
    let _stream = run.begin(run.tcp(), "message_start\"", 1);
    let children = format!("/proc/{0}/task/{0}/children", run.child.id());
    let child: i32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
    let start = Instant::now();
    assert_eq!(run.child.wait().unwrap().code(), Some(137));
    assert!(start.elapsed() < Duration::from_secs(5));
    upstream.wait_for_end();
    let call = &machine.wait_for_calls(1)[0];
    assert_eq!((&call["decision"], &call["input_tokens"]), (&"aborted".into(), &10.into()));
}

#[test]
fn a_socket_that_was_removed_comes_back() {
    let (machine, upstream) = (Machine::new(), Upstream::usual());
    let run = machine.run(&upstream, &[]);
    assert_eq!(run.over_socket(ASK).status, 200);
    let connected = UnixStream::connect(&run.socket).unwrap();
    fs::remove_file(&run.socket).unwrap();
    run.begin(connected, "message_delta\"", 1);
    let start = Instant::now();
    while !run.socket.exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "it stays away");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(run.over_socket(ASK).status, 200);
    assert_eq!(run.message(ASK).status, 200, "the port was there all along");
}

/// A log that cannot be written, as on a full disk: by default the call passes, with --require-log it is refused.
#[test]
fn a_log_that_cannot_be_written_stops_calls_only_where_it_is_required() {
    for (required, status, sent) in [(false, 200, 1), (true, 429, 0)] {
        let (machine, upstream) = (Machine::new(), Upstream::usual());
        let flags: &[&str] = if required { &["--require-log"] } else { &[] };
        let run = machine.run(&upstream, flags);
        fs::create_dir_all(machine.state().join("calls.jsonl")).unwrap();
        let answer = run.message(ASK);
        assert_eq!((answer.status, upstream.seen().len()), (status, sent), "{answer:?}");
        if required {
            assert!(answer.text().contains("--require-log"), "{}", answer.text());
            fs::remove_dir(machine.state().join("calls.jsonl")).unwrap();
            assert_eq!(run.message(ASK).status, 200, "once there is room, calls pass again");
            // The end of the run waits for its records. That of the refused call may have been written, too.
            run.end();
            let calls = machine.calls();
            let decisions: Vec<_> =
                calls.iter().map(|call| call["decision"].as_str().unwrap()).collect();
            assert!(decisions.ends_with(&["started", "passed"]), "{decisions:?}");
            machine.check();
        }
    }
}

/// A file system that is really full: half a line is never left.
#[test]
fn a_full_disk_leaves_no_half_line() {
    let machine = Machine::new();
    let state = machine.s.home().join("small");
    fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k,mode=700", "none"])
        .arg(&state)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return crate::skip::without_root();
    }
    struct Unmount<'a>(&'a std::path::Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            _ = Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let _unmount = Unmount(&state);
    let upstream = Upstream::usual();
    let vars = [("XDG_STATE_HOME", state.to_str().unwrap())];
    let run = machine.run_with(&upstream.url(), &["--require-log"], &vars);
    let mut passed = 0;
    while run.message(ASK).status == 200 {
        passed += 1;
        assert!(passed < 500, "64 KB hold no more than that");
    }
    assert!(passed > 10, "{passed}");
    let other = machine.run_with(&upstream.url(), &[], &vars);
    for _ in 0..20 {
        assert_eq!(other.message(ASK).status, 200, "where the log is not required, calls pass");
    }
    run.end();
    other.end();
    let text = fs::read(state.join("cck/calls.jsonl")).unwrap();
    assert!(text.ends_with(b"\n"), "a half line is left");
    let check = machine.s.cck(&["audit", "--check"]).env("XDG_STATE_HOME", &state).run().code(0);
    check.out(&["the call log", "whole"]);
}
