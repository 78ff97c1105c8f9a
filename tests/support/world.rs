//! A state of the machine, as data and laid on disk: the format of `tests/data/truth`.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{standin, tls};

/// What the client finds, and how it is started. `$HOME` and `$PROJECT` stand for the directories of the run, `$BASE` for the
/// one above both, `$OTHER` for another server on loopback (`host:port`), `$PIN` for the SHA-256 of the certificate of the TLS
/// stand-in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The environment, beside HOME and PATH.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files below HOME: text, or an object that becomes text.
    #[serde(default)]
    pub home: BTreeMap<String, Value>,
    /// Files below the directory of the project, which the client is started in.
    #[serde(default)]
    pub project: BTreeMap<String, Value>,
    /// `/etc/claude-code/managed-settings.json`.
    #[serde(default)]
    pub managed: Option<Value>,
    /// Other files below `/etc/claude-code`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub etc: BTreeMap<String, Value>,
    /// What can be read from these file descriptors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fds: BTreeMap<u32, String>,
    /// Symbolic links below HOME, and what they name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
    /// Where below the project's directory the client is started.
    #[serde(default, alias = "cwd", skip_serializing_if = "String::is_empty")]
    pub below: String,
    /// The client's arguments, before `-p`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables that are removed, of those every run has too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// Files below `$BASE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outside: BTreeMap<String, Value>,
    /// A shell command, run in the project after the files are laid, in the namespaces of the program.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub setup: String,
    /// Where ANTHROPIC_BASE_URL leads: `unset: …` is the default host, nothing or other words a stand-in on loopback.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_url: String,
    /// Whether there is a listener at `$BASE/sock`.
    #[serde(default, deserialize_with = "truthy", skip_serializing_if = "is_false")]
    pub unix: bool,
    /// What the stand-in answers beyond its usual answers.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub opt: Value,
    /// `darwin`: the program is told that it runs on a Mac.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// The items of the account `dev` in the Keychain, by the name of their service. `$HASH` is what the client appends for
    /// CLAUDE_CONFIG_DIR.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keychain: BTreeMap<String, String>,
    /// `locked`: the Keychain gives no item.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keychain_state: String,
}

fn truthy<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Value::deserialize(value).map(|value| value != Value::Null && value != 0 && value != false)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

impl State {
    /// Whether the state takes what only namespaces give: files outside HOME and the project, or the default host.
    pub fn needs_namespaces(&self) -> bool {
        self.managed.is_some()
            || !self.etc.is_empty()
            || !self.setup.is_empty()
            || self.base_url.starts_with("unset")
    }

    /// Whether the program is told that it runs on a Mac.
    pub fn is_mac(&self) -> bool {
        self.platform == "darwin"
    }
}

/// A state laid on disk, in directories that go when this does.
pub struct World {
    dir: tempfile::TempDir,
    address: Ipv4Addr,
    /// What was laid.
    pub state: State,
}

impl Drop for World {
    /// Removes what 2.0.77 leaves for this project in a place that no variable changes.
    fn drop(&mut self) {
        let name: String = self
            .project()
            .to_string_lossy()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let all = Path::new("/tmp/claude");
        _ = fs::remove_dir_all(all.join(name));
        // Not where there is more in it.
        _ = fs::remove_dir(all);
    }
}

impl World {
    /// Lays a state on disk. Files are 0600, as the client writes them and demands of its profiles.
    pub fn lay(state: &State) -> World {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let [high, low] = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let world = World {
            dir: tempfile::tempdir().expect("a temporary directory can be made"),
            address: Ipv4Addr::new(127, 1, high, low.max(1)),
            state: state.clone(),
        };
        let mac = world.root().join("mac");
        for dir in [&world.home(), &world.cwd(), &world.etc(), &world.tmp(), &mac] {
            fs::create_dir_all(dir).expect("a directory can be made");
        }
        let mut files: Vec<(PathBuf, &Value)> = Vec::new();
        files.extend(state.home.iter().map(|(path, value)| (world.home().join(path), value)));
        files.extend(state.project.iter().map(|(path, value)| (world.project().join(path), value)));
        files.extend(state.outside.iter().map(|(path, value)| (world.root().join(path), value)));
        let managed = if state.is_mac() { mac } else { world.etc() };
        files.extend(state.etc.iter().map(|(path, value)| (managed.join(path), value)));
        if let Some(settings) = &state.managed {
            files.push((managed.join("managed-settings.json"), settings));
        }
        for (path, value) in files {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            world.write(&path, &world.expand(&text));
        }
        for (path, target) in &state.links {
            let path = world.home().join(path);
            fs::create_dir_all(path.parent().expect("a link is below HOME"))
                .expect("a directory can be made");
            symlink(world.expand(target), path).expect("a link can be made");
        }
        for (fd, text) in &state.fds {
            world.write(&world.fd(*fd), text);
        }
        let hosts = format!("127.0.0.1 localhost\n{} {}\n", world.address, tls::HOSTS.join(" "));
        world.write(&world.root().join("hosts"), &hosts);
        world.write(&world.root().join("ca.pem"), tls::authority().unwrap_or_default());
        if !state.setup.is_empty() {
            world.write(&world.root().join("setup"), &world.expand(&state.setup));
        }
        if state.is_mac() {
            world.lay_keychain();
        }
        world
    }

    /// A stand-in for `security`, for what the client and cck ask of it.
    fn lay_keychain(&self) {
        let dir = self.state.env.get("CLAUDE_CONFIG_DIR").map_or("", String::as_str);
        let hash = Sha256::digest(self.expand(dir));
        let hash: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        for (service, secret) in &self.state.keychain {
            let name = service.replace("$HASH", &hash);
            self.write(&self.root().join("keychain").join(name), secret);
        }
        let locked = if self.state.keychain_state == "locked" { "exit 36" } else { "" };
        let script = format!(
            r#"#!/bin/sh
[ "$1" = find-generic-password ] || exit 1
{locked}
shift
while [ $# -gt 0 ]; do case $1 in
  -a) account=$2; shift 2 ;;
  -s) service=$2; shift 2 ;;
  *) shift ;;
esac; done
[ "${{account-dev}}" = dev ] && [ -f "{0}/keychain/$service" ] || exit 44
cat "{0}/keychain/$service"
echo
"#,
            self.root().display()
        );
        let path = self.root().join("bin/security");
        self.write(&path, &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }

    /// The address on loopback of the servers of this world alone.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    fn write(&self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a file has a parent"))
            .expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }

    /// The directory that holds it all.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// HOME.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The directory that the client is started in.
    pub fn cwd(&self) -> PathBuf {
        // Joining nothing would leave a slash at the end.
        match &*self.state.below {
            "" => self.project(),
            below => self.project().join(below),
        }
    }

    /// The directory of the project: where the client is started, or above it.
    pub fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    /// Where the client puts what it would leave in `/tmp`.
    pub fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// What becomes `/etc/claude-code`.
    pub fn etc(&self) -> PathBuf {
        self.root().join("etc/claude-code")
    }

    /// The file that becomes this file descriptor.
    pub fn fd(&self, fd: u32) -> PathBuf {
        self.root().join(format!("fd{fd}"))
    }

    /// The text with `$HOME` and `$PROJECT` filled in.
    pub fn expand(&self, text: &str) -> String {
        text.replace("$HOME", &self.home().to_string_lossy())
            .replace("$PROJECT", &self.project().to_string_lossy())
            .replace("$BASE", &self.root().to_string_lossy())
            .replace("$OTHER", &format!("{}:{}", self.address, standin::OTHER))
            .replace("$PIN", if text.contains("$PIN") { tls::pin() } else { "" })
    }

    /// The client's arguments.
    pub fn args(&self) -> Vec<String> {
        self.state.args.iter().map(|arg| self.expand(arg)).collect()
    }

    /// The environment of a program in this world: nothing of the test's own but PATH.
    pub fn env(&self, base_url: &str) -> BTreeMap<String, String> {
        let mut path = std::env::var("PATH").unwrap_or_default();
        if self.state.is_mac() {
            path = format!("{}:{path}", self.root().join("bin").display());
        }
        let tmp = self.tmp();
        let tmp = tmp.to_string_lossy();
        let fixed = [
            ("HOME", &*self.home().to_string_lossy()),
            ("PATH", &path),
            ("TERM", "xterm-256color"),
            ("TMPDIR", &tmp),
            ("CLAUDE_CODE_TMPDIR", &tmp),
            ("ANTHROPIC_BASE_URL", base_url),
            ("DISABLE_AUTOUPDATER", "1"),
            ("DISABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let own = self.state.env.iter().map(|(name, value)| (name.clone(), self.expand(value)));
        let mut env: BTreeMap<String, String> = fixed.into_iter().collect();
        if self.state.is_mac() {
            env.insert("CCK_PLATFORM".into(), "macos".into());
        }
        for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
            // The client's, and cck's.
            env.insert(name.into(), self.root().join("ca.pem").to_string_lossy().into_owned());
        }
        if self.state.base_url.starts_with("unset") {
            env.remove("ANTHROPIC_BASE_URL");
        }
        env.extend(own);
        for name in &self.state.unset {
            env.remove(name);
        }
        env
    }
}
