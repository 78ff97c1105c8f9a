//! Certificates for the hosts that the client asks by name, of an authority made for this run. Without `openssl` there are
//! none, and what needs them is not tested.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// The hosts, all of them on loopback in the namespaces of the tests. The certificate is for `localhost`, too.
pub const HOSTS: [&str; 5] = [
    "api.anthropic.com",
    "platform.claude.com",
    "console.anthropic.com",
    "claude.fedstart.com",
    "custom.example",
];

struct Certificates {
    authority: String,
    pin: String,
    config: Arc<ServerConfig>,
}

fn certificates() -> Option<&'static Certificates> {
    static MADE: OnceLock<Option<Certificates>> = OnceLock::new();
    MADE.get_or_init(make).as_ref()
}

fn make() -> Option<Certificates> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
    let names = HOSTS.map(|host| format!("DNS:{host},")).concat() + "DNS:localhost";
    let authority = format!("{new} -subj /CN=nobody -keyout ca.key -out ca.pem");
    let server = format!(
        "{new} -subj /CN={} -addext subjectAltName={names} -addext basicConstraints=critical,CA:FALSE \
         -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem",
        HOSTS[0]
    );
    for args in [authority, server] {
        let mut openssl = Command::new("openssl");
        openssl.args(args.split(' ')).current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
        if !openssl.status().is_ok_and(|status| status.success()) {
            super::skip::without("an openssl that makes certificates");
            return None;
        }
    }
    let certificate = CertificateDer::from_pem_file(dir.path().join("server.pem"))
        .expect("openssl wrote a certificate");
    let key = PrivateKeyDer::from_pem_file(dir.path().join("server.key"))
        .expect("openssl wrote a private key");
    let pin = Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the usual versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is that of the certificate");
    Some(Certificates {
        authority: fs::read_to_string(dir.path().join("ca.pem")).expect("openssl wrote it"),
        pin,
        config: Arc::new(config),
    })
}

/// The certificate of the authority, in PEM.
pub fn authority() -> Option<&'static str> {
    certificates().map(|made| &*made.authority)
}

/// The SHA-256 of the server's certificate.
pub fn pin() -> &'static str {
    certificates().map_or("", |made| &made.pin)
}

/// What a server of TLS needs.
pub fn config() -> Option<Arc<ServerConfig>> {
    certificates().map(|made| Arc::clone(&made.config))
}
