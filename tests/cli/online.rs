//! `cck verify --online` as in a company's network: through a proxy, and with certificates of one's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::sandbox::{Cck, KEY, OTHER, Sandbox};

/// A host that only the proxy knows.
const HOST: &str = "api.cck.example";

/// The head of a request.
fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A proxy on loopback that leads every CONNECT to one port, whatever its host, and remembers what it was asked.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                // It is not the proxy's fault if the caller hangs up.
                thread::spawn(move || _ = forward(stream, to, &seen));
            }
        });
        Proxy { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn forward(mut client: TcpStream, to: u16, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let asked = head(&mut client);
    seen.lock().unwrap().push(asked);
    let mut server = TcpStream::connect(("127.0.0.1", to))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut back, mut forth) = (server.try_clone()?, client.try_clone()?);
    let answers = thread::spawn(move || {
        let copied = std::io::copy(&mut back, &mut forth);
        _ = forth.shutdown(Shutdown::Write);
        copied
    });
    std::io::copy(&mut client, &mut server)?;
    _ = server.shutdown(Shutdown::Write);
    _ = answers.join();
    Ok(())
}

/// A server of TLS: `openssl s_server` with a certificate for [`HOST`] of an authority that nobody knows.
struct Server {
    process: Child,
    port: u16,
    authority: PathBuf,
    said: Arc<Mutex<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Server {
    /// None, aloud, where there is no openssl.
    fn start(dir: &Path) -> Option<Server> {
        let openssl = |args: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(args).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let made = |args: &[&str]| openssl(args).status().is_ok_and(|status| status.success());
        if !made(&["version"]) {
            crate::skip::without("openssl");
            return None;
        }
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        let authority = format!("{new} -subj /CN=nobody -keyout ca.key -out ca.pem");
        assert!(made(&authority.split(' ').collect::<Vec<_>>()));
        let server = format!(
            "{new} -subj /CN={HOST} -addext subjectAltName=DNS:{HOST} -addext basicConstraints=critical,CA:FALSE \
             -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"
        );
        assert!(made(&server.split(' ').collect::<Vec<_>>()));

        let serve = "s_server -accept 127.0.0.1:0 -cert server.pem -key server.key";
        let mut process = openssl(&serve.split(' ').collect::<Vec<_>>())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut input = process.stdin.take().unwrap();
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "openssl s_server ended");
        }
        let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
        let said = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut said = heard.lock().unwrap();
                *said += &line;
                said.push('\n');
                // The end of a request's head.
                if line.is_empty() && said.contains("HTTP/1.1") {
                    _ = input.write_all(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                    );
                }
            }
        });
        Some(Server { process, port, authority: dir.join("ca.pem"), said })
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.lay(
        ".claude.json",
        format!("{{\"primaryApiKey\":\"{KEY}\",\"hasCompletedOnboarding\":true,\"lastOnboardingVersion\":\"2.1.330\"}}"),
    );
    sandbox
}

/// The exit code, the report, and what else was said.
fn report(cck: Cck) -> (Option<i32>, Value, String) {
    let ran = cck.run();
    assert!(!ran.stderr.contains(KEY) && !ran.stdout.contains(KEY));
    let report = serde_json::from_str(&ran.stdout).unwrap_or(Value::Null);
    (ran.code, report, format!("{}{}", ran.stdout, ran.stderr))
}

#[test]
fn a_key_goes_through_a_proxy_to_a_host_with_a_certificate_of_ones_own() {
    let (sandbox, dir) = (sandbox(), tempfile::tempdir().unwrap());
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let proxy = Proxy::start(server.port);
    let verify = || {
        sandbox
            .cck(&["verify", "--online", "--json"])
            .env("ANTHROPIC_BASE_URL", format!("https://{HOST}"))
            .env("HTTPS_PROXY", format!("http://me:pass-word@127.0.0.1:{}", proxy.port))
    };

    // A certificate that nobody vouches for: the key is not sent.
    let (code, unknown, said) = report(verify());
    assert_eq!(unknown["online"]["result"], "unreachable", "{said}");
    assert!(said.contains("SSL_CERT_FILE") && !said.contains("pass-word"), "{said}");
    assert_eq!(code, Some(1), "what could not be asked is not a yes: {said}");
    assert!(!server.said().contains("x-api-key"), "{}", server.said());

    let (code, known, said) = report(verify().env("SSL_CERT_FILE", &server.authority));
    assert_eq!((code, &known["online"]["result"]), (Some(0), &"valid".into()), "{said}");
    assert!(!said.contains("pass-word"), "{said}");
    let heard = server.said();
    assert!(
        heard.contains("GET /v1/models?limit=1 HTTP/1.1")
            && heard.contains(&format!("x-api-key: {KEY}"))
    );
    let asked = proxy.asked();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        assert!(asked.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{asked}");
        let asked = asked.to_lowercase();
        assert!(
            asked.contains("proxy-authorization: basic") && !asked.contains("x-api-key"),
            "{asked}"
        );
    }
}

#[test]
fn a_certificate_file_or_proxy_that_makes_no_sense_is_an_error() {
    let sandbox = sandbox();
    let plain = sandbox.lay("plain", "no certificate");
    for (name, value, words) in [
        ("SSL_CERT_FILE", "missing.pem", "missing.pem"),
        ("SSL_CERT_FILE", plain.to_str().unwrap(), "no certificate in it"),
        ("HTTPS_PROXY", "http://u:pass-word@[", "is not an http URL"),
    ] {
        let cck = sandbox.cck(&["verify", "--online"]).env(name, value);
        // No proxy is asked for this machine.
        let base =
            if name == "HTTPS_PROXY" { "https://gateway.invalid" } else { "https://127.0.0.1:9" };
        let (code, _, said) = report(cck.env("ANTHROPIC_BASE_URL", base));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words) && said.contains("  try: "), "{said}");
        assert!(!said.contains("pass-word"), "{said}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cck = sandbox.cck(&["verify", "--online", "--json"]);
    let cck = cck.env("HTTPS_PROXY", format!("http://{gone}"));
    let (_, refused, said) = report(cck.env("ANTHROPIC_BASE_URL", format!("https://{HOST}")));
    assert_eq!(refused["online"]["result"], "unreachable", "{said}");
}

#[test]
fn proxies_and_certificates_of_settings_count_as_for_the_client() {
    let (sandbox, dir) = (sandbox(), tempfile::tempdir().unwrap());
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let proxy = Proxy::start(server.port);
    let env = serde_json::json!({"env": {
        "ANTHROPIC_BASE_URL": format!("https://{HOST}"),
        "HTTPS_PROXY": format!("http://127.0.0.1:{}", proxy.port),
        "NODE_EXTRA_CA_CERTS": server.authority,
    }});
    sandbox.lay(".claude/settings.json", env.to_string());
    let (code, answer, said) = report(sandbox.cck(&["verify", "--online", "--json"]));
    assert_eq!((code, &answer["online"]["result"]), (Some(0), &"valid".into()), "{said}");
    assert_eq!(proxy.asked().len(), 1);
}

/// tests/data/cases/k11: for rotate as for verify, from the environment as from settings.
#[test]
fn an_authority_of_ones_own_counts_for_verify_and_rotate() {
    for in_settings in [false, true] {
        let (sandbox, dir) = (sandbox(), tempfile::tempdir().unwrap());
        let Some(server) = Server::start(dir.path()) else {
            return;
        };
        let proxy = Proxy::start(server.port);
        let variables = [
            ("ANTHROPIC_BASE_URL", format!("https://{HOST}")),
            ("HTTPS_PROXY", format!("http://127.0.0.1:{}", proxy.port)),
            ("NODE_EXTRA_CA_CERTS", server.authority.to_str().unwrap().to_owned()),
        ];
        let cck = |args: &[&str]| {
            let cck = sandbox.cck(args);
            if in_settings {
                return cck;
            }
            variables.iter().fold(cck, |cck, (name, value)| cck.env(name, value))
        };
        if in_settings {
            let env: serde_json::Map<_, _> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
                .collect();
            sandbox.lay(".claude/settings.json", serde_json::json!({"env": env}).to_string());
        }
        let (code, answer, said) = report(cck(&["verify", "--online", "--json"]));
        assert_eq!((code, &answer["online"]["result"]), (Some(0), &"valid".into()), "{said}");
        let rotate = cck(&["rotate", "--online", "--json", "--stdin"]).stdin(OTHER).run();
        let rotate = rotate.code(0);
        assert_eq!(rotate.json()["checked_online"], true, "{rotate:?}");
        assert!(server.said().contains(&format!("x-api-key: {OTHER}")), "{}", server.said());
        assert_eq!(proxy.asked().len(), 2);
    }
}
