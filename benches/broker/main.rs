//! `cargo bench --bench broker`: the broker against nginx, which is what a proxy costs at least, and against LiteLLM if the
//! variable CCK_BENCH_LITELLM names its program. Each contender stands between the same client and the same stand-in for the
//! API, and they take turns; what is compared is what each adds. With `--write` the page and the chart are written.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a bench stops where something is amiss, and prints"
)]

mod report;
mod standin;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use report::{Numbers, Row};

/// As much as a small prompt of the client.
const BODY: usize = 22 * 1024;
const ROUNDS: usize = 8;
const REQUESTS: usize = 400;

/// Milliseconds between two events of a stream: so short that the machine does not fall asleep.
const PAUSE: u32 = 2;

/// The same where there are 100 streams, about what the API takes: with less, the streams keep two cores busy without any
/// proxy, and what delays an event is that there are only two.
const USUAL_PAUSE: u32 = 10;

/// Something that listens, and what to say to it.
#[derive(Clone)]
struct Contender {
    name: &'static str,
    port: u16,
    token: String,
    pid: Option<u32>,
}

struct Guard(Vec<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // The command of `cck run` ends with its input, nginx by a signal.
            drop(child.stdin.take());
            if child.stdout.is_none() {
                // Asked to end, nginx ends its workers; killed, it would leave them.
                let pid = rustix::process::Pid::from_child(child);
                _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            _ = child.wait();
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "standin") {
        return standin::serve(args[2].parse().unwrap());
    }
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
        println!("skipped: nginx is not installed");
        return;
    }
    let itself = std::env::current_exe().unwrap();
    go_first(&itself);
    let dir = tempfile::tempdir().unwrap();
    let mut guard = Guard(Vec::new());
    let ports: Vec<u16> = (0..6).map(|_| free_port()).collect();
    let (api, tls_api) = (ports[0], ports[1]);
    guard.0.push(quiet(&itself).args(["standin", &api.to_string()]).spawn().unwrap());
    certificate(dir.path());
    // TLS in front of the stand-in; a proxy with a plain API; one with TLS.
    let to = |port| format!("http://127.0.0.1:{port}");
    let tls = format!("https://localhost:{tls_api}");
    for (port, upstream, is_tls) in
        [(tls_api, to(api), true), (ports[2], to(api), false), (ports[3], tls.clone(), false)]
    {
        guard.0.push(nginx(dir.path(), port, &upstream, is_tls));
    }
    wait_for(&ports[..4]);
    let direct = Contender { name: "direct", port: api, token: String::new(), pid: None };
    let nginx = |name, port| Contender { name, port, token: String::new(), pid: None };
    let broker = |name, url: &str, guard: &mut Guard| cck(dir.path(), name, url, guard);
    let plain = [direct.clone(), nginx("nginx", ports[2]), broker("cck", &to(api), &mut guard)];
    let tls = [direct.clone(), nginx("nginx", ports[3]), broker("cck", &tls, &mut guard)];

    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let mut numbers = Numbers { load, ..Numbers::default() };
    for (kind, contenders) in [("plain", &plain), ("TLS upstream", &tls)] {
        numbers.rows.extend(added(&format!("request, {kind}"), contenders, request_times));
    }
    numbers.rows.extend(added("first event, plain", &plain, first_event_times));
    numbers.rows.extend(added("each event, plain", &plain, event_times));
    let delays = in_turns(&plain, streams);
    let memory = plain.iter().map(memory);
    numbers.streams = plain
        .iter()
        .zip(delays)
        .zip(memory)
        .map(|((who, delay), mb)| (who.name, delay, mb))
        .collect();
    let rates = in_turns(&plain, rate);
    numbers.rates = plain.iter().map(|who| who.name).zip(rates).collect();
    if let Some(program) = std::env::var_os("CCK_BENCH_LITELLM") {
        let port = ports[4];
        guard.0.push(litellm(Path::new(&program), dir.path(), port, &to(api)));
        wait_for(&[port]);
        let contender = Contender { token: LITELLM_KEY.into(), ..nginx("LiteLLM", port) };
        (0..50).for_each(|_| _ = Client::new(&contender).request(false));
        numbers.litellm = Some(percentile(&mut request_times(&contender, 200), 50));
    }
    numbers.starts = starts(dir.path());
    numbers.usage = usage(dir.path());
    report::show(&numbers, args.iter().any(|arg| arg == "--write"));
}

/// A program that says nothing.
fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts all this anew before other work, where that is allowed; what it starts goes before other work, too.
fn go_first(itself: &Path) {
    if rustix::process::geteuid().is_root() && std::env::var_os("CCK_BENCH_FIRST").is_none() {
        let mut command = Command::new("chrt");
        command.args(["-r", "10"]).arg(itself).args(std::env::args_os().skip(1));
        let error = command.env("CCK_BENCH_FIRST", "1").exec();
        println!("the bench does not go before other work: {error}");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(ports: &[u16]) {
    let start = Instant::now();
    for port in ports {
        while TcpStream::connect(("127.0.0.1", *port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(120), "nothing listens on {port}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn certificate(dir: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn nginx(dir: &Path, port: u16, upstream: &str, is_tls: bool) -> Child {
    let (scheme, address) = upstream.split_once("://").unwrap();
    let tls = if is_tls {
        format!("ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;", dir.display())
    } else {
        String::new()
    };
    let listen = if is_tls { format!("{port} ssl") } else { port.to_string() };
    let config = format!(
        "daemon off; worker_processes 1; pid {0}/{port}.pid; error_log /dev/null;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};\n\
         keepalive_requests 1000000; client_body_buffer_size 1m; client_max_body_size 32m;\n\
         upstream api {{ server {address}; keepalive 128; keepalive_requests 1000000; }}\n\
         server {{ listen 127.0.0.1:{listen}; {tls}\n\
         location / {{ proxy_pass {scheme}://api; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;\n\
         proxy_set_header x-api-key k; proxy_ssl_name localhost; }} }} }}\n",
        dir.display()
    );
    let file = dir.join(format!("{port}.conf"));
    fs::write(&file, config).unwrap();
    quiet(Path::new("nginx")).arg("-c").arg(&file).arg("-p").arg(dir).spawn().unwrap()
}

/// LiteLLM does not start without a key of its own.
const LITELLM_KEY: &str = "sk-litellm-0123456789abcdef0123456789abcdef";

fn litellm(program: &Path, dir: &Path, port: u16, upstream: &str) -> Child {
    let config = format!(
        "model_list:\n- model_name: claude-opus-5\n  litellm_params:\n    model: anthropic/claude-opus-5\n    api_base: {upstream}\n    api_key: k\n"
    );
    fs::write(dir.join("litellm.yaml"), config).unwrap();
    let mut command = quiet(program);
    command
        .args(["--config", "litellm.yaml", "--host", "127.0.0.1", "--port", &port.to_string()])
        .env("LITELLM_MASTER_KEY", LITELLM_KEY)
        .current_dir(dir)
        .spawn()
        .unwrap()
}

/// A run of cck whose command waits.
fn cck(dir: &Path, name: &'static str, url: &str, guard: &mut Guard) -> Contender {
    fs::write(dir.join("key"), "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz0123456789")
        .unwrap();
    let mut command = quiet(&binary());
    command
        .args([
            "run",
            "--key-file",
            "key",
            "--base-url",
            url,
            "--",
            "sh",
            "-c",
            "env; echo ready; cat >/dev/null",
        ])
        .env("HOME", dir)
        .env("XDG_STATE_HOME", dir)
        .env("SSL_CERT_FILE", dir.join("cert.pem"))
        .current_dir(dir);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut port, mut token) = (0, String::new());
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap) {
        match line.split_once('=') {
            Some(("ANTHROPIC_BASE_URL", url)) => {
                let text = url.rsplit(':').next().unwrap();
                port = text.parse().unwrap();
            }
            Some(("ANTHROPIC_AUTH_TOKEN", value)) => value.clone_into(&mut token),
            _ if line == "ready" => break,
            _ => {}
        }
    }
    let pid = Some(child.id());
    guard.0.push(child);
    Contender { name, port, token, pid }
}

/// A copy of the program, as an installation makes it.
fn binary() -> PathBuf {
    std::env::var_os("CCK_TEST_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_cck").into(), PathBuf::from)
}

/// A connection to a contender.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    plain: Vec<u8>,
    streamed: Vec<u8>,
}

impl Client {
    fn new(contender: &Contender) -> Client {
        Client::with_pause(contender, PAUSE)
    }

    fn with_pause(contender: &Contender, pause: u32) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", contender.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = |is_stream: bool| {
            let mut body = format!(
                "{{\"model\":\"claude-opus-5\",\"max_tokens\":{pause},\"stream\":{is_stream},\"messages\":[{{\"role\":\"user\",\"content\":\""
            );
            body.push_str(&"a".repeat(BODY - body.len()));
            body.push_str("\"}]}");
            let auth = &contender.token;
            format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nanthropic-version: 2023-06-01\r\nauthorization: Bearer {auth}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        Client { stream, buffer: vec![0; 64 << 10], plain: request(false), streamed: request(true) }
    }

    /// Sends a request, and returns when its answer is whole: the time of each of its events if it is streamed.
    fn request(&mut self, is_stream: bool) -> Vec<(Instant, u128)> {
        let request = if is_stream { &self.streamed } else { &self.plain };
        self.stream.write_all(request).unwrap();
        let (mut text, mut events, mut from) = (Vec::new(), Vec::new(), 0);
        loop {
            let count = self.stream.read(&mut self.buffer).unwrap();
            assert!(count > 0, "the connection ended: {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&self.buffer[..count]);
            let now = (Instant::now(), standin::now());
            // Each event says when it was sent.
            while let Some(at) = find(&text[from..], b"sent=") {
                let digits = &text[from + at + 5..];
                let Some(end) = digits.iter().position(|byte| !byte.is_ascii_digit()) else {
                    break;
                };
                let sent: u128 = std::str::from_utf8(&digits[..end]).unwrap().parse().unwrap();
                events.push((now.0, now.1.saturating_sub(sent)));
                from += at + 5 + end;
            }
            let is_over =
                if is_stream { text.ends_with(b"\r\n0\r\n\r\n") } else { is_whole(&text) };
            if is_over {
                assert!(text.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&text));
                return events;
            }
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part == word)
}

/// Whether an answer with a length is there to its end.
fn is_whole(text: &[u8]) -> bool {
    let Some(end) = find(text, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return text.ends_with(b"\r\n0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    text.len() == end + 4 + length.trim().parse::<usize>().unwrap()
}

/// Microseconds of requests on one connection.
fn request_times(contender: &Contender, count: usize) -> Vec<f64> {
    let mut client = Client::new(contender);
    (0..20).for_each(|_| _ = client.request(false));
    (0..count)
        .map(|_| {
            let start = Instant::now();
            client.request(false);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect()
}

fn first_event_times(contender: &Contender, count: usize) -> Vec<f64> {
    let mut client = Client::new(contender);
    _ = client.request(true);
    (0..count / 20)
        .map(|_| {
            let start = Instant::now();
            let events = client.request(true);
            (events[0].0 - start).as_secs_f64() * 1e6
        })
        .collect()
}

/// How long events were on their way.
fn event_times(contender: &Contender, count: usize) -> Vec<f64> {
    let mut client = Client::new(contender);
    _ = client.request(true);
    (0..count / 20)
        .flat_map(|_| client.request(true))
        .map(|(_, delay)| delay as f64 / 1e3)
        .collect()
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

/// What each contender adds to the direct way: medians over rounds in which they take turns.
fn added(
    name: &str,
    contenders: &[Contender],
    measure: fn(&Contender, usize) -> Vec<f64>,
) -> Vec<Row> {
    let mut found = vec![(Vec::new(), Vec::new()); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, (p50, p99)) in contenders.iter().zip(&mut found) {
            let mut values = measure(contender, REQUESTS);
            p50.push(percentile(&mut values, 50));
            p99.push(percentile(&mut values, 99));
        }
    }
    let medians: Vec<_> =
        found.iter_mut().map(|(p50, p99)| (percentile(p50, 50), percentile(p99, 50))).collect();
    contenders
        .iter()
        .zip(&medians)
        .map(|(contender, (p50, p99))| Row {
            what: name.to_owned(),
            who: contender.name,
            p50: *p50,
            p99: *p99,
            added_p50: p50 - medians[0].0,
            added_p99: p99 - medians[0].1,
        })
        .collect()
}

/// The median of what `measure` finds of each contender, in rounds in which they take turns.
fn in_turns(contenders: &[Contender], measure: fn(&Contender) -> f64) -> Vec<f64> {
    let mut found = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, values) in contenders.iter().zip(&mut found) {
            values.push(measure(contender));
        }
    }
    found.iter_mut().map(|values| percentile(values, 50)).collect()
}

/// Requests a second over 32 connections.
fn rate(contender: &Contender) -> f64 {
    let (start, bound) = (Instant::now(), Duration::from_secs(1));
    let counts: Vec<usize> = thread::scope(|scope| {
        let workers: Vec<_> = (0..32)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(contender);
                    let mut count = 0;
                    while start.elapsed() < bound {
                        client.request(false);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    counts.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64()
}

/// How long the events of 100 streams at once were on their way: the 99th percentile, in microseconds.
fn streams(contender: &Contender) -> f64 {
    let mut delays: Vec<f64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    (0..3)
                        .flat_map(|_| Client::with_pause(contender, USUAL_PAUSE).request(true))
                        .map(|(_, delay)| delay as f64 / 1e3)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    percentile(&mut delays, 99)
}

/// The peak of the memory of a contender, in MB.
fn memory(contender: &Contender) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", contender.pid?)).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}

/// Milliseconds of `cck run -- true` and of `/bin/true`.
fn starts(dir: &Path) -> (f64, f64) {
    let copy = dir.join("cck-copy");
    fs::copy(binary(), &copy).unwrap();
    let time = |command: &mut Command| {
        let start = Instant::now();
        assert!(command.status().unwrap().success());
        start.elapsed().as_secs_f64() * 1e3
    };
    let (mut run, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let mut command = quiet(&copy);
        run.push(time(
            command
                .args(["run", "--key-file", "key", "--", "/bin/true"])
                .env("HOME", dir)
                .env("XDG_STATE_HOME", dir)
                .env_remove("SSL_CERT_FILE")
                .env_remove("NODE_EXTRA_CA_CERTS")
                .current_dir(dir),
        ));
        bare.push(time(&mut quiet(Path::new("/bin/true"))));
    }
    (percentile(&mut run, 50), percentile(&mut bare, 50))
}

/// The megabytes of a log of 1,000,000 calls, and the seconds in which `cck usage` sums it.
fn usage(dir: &Path) -> (f64, f64) {
    // One call that was measured above, again and again.
    let log = fs::read_to_string(dir.join("cck/calls.jsonl")).unwrap();
    let line = log.lines().find(|line| line.contains("\"passed\"")).unwrap();
    let state = dir.join("million");
    fs::create_dir_all(state.join("cck")).unwrap();
    let part = format!("{line}\n").repeat(50_000);
    for number in 1..=20 {
        fs::write(state.join(format!("cck/calls-{number:06}.jsonl")), &part).unwrap();
    }
    let time = || {
        let start = Instant::now();
        let mut command = quiet(&binary());
        command
            .stdout(Stdio::piped())
            .args(["usage", "--json"])
            .env("HOME", dir)
            .env("XDG_STATE_HOME", &state);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("\"calls\": 1000000"), "{output:?}");
        start.elapsed().as_secs_f64()
    };
    let best = (0..3).map(|_| time()).fold(f64::INFINITY, f64::min);
    (part.len() as f64 * 20.0 / 1e6, best)
}
