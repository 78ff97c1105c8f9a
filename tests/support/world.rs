//! A state of the machine, as data and laid on disk: the format of `tests/data/truth`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the client finds. `$HOME` and `$PROJECT` stand for the directories of the run.
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
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub below: String,
}

impl State {
    /// Whether something is to be laid below `/etc`, which takes privileges.
    pub fn is_managed(&self) -> bool {
        self.managed.is_some() || !self.etc.is_empty()
    }
}

/// A state laid on disk, in directories that go when this does.
pub struct World {
    dir: tempfile::TempDir,
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
        let world = World {
            dir: tempfile::tempdir().expect("a temporary directory can be made"),
            state: state.clone(),
        };
        for dir in [world.home(), world.cwd(), world.etc(), world.tmp()] {
            fs::create_dir_all(dir).expect("a directory can be made");
        }
        let mut files: Vec<(PathBuf, &Value)> = Vec::new();
        files.extend(state.home.iter().map(|(path, value)| (world.home().join(path), value)));
        files.extend(state.project.iter().map(|(path, value)| (world.project().join(path), value)));
        files.extend(state.etc.iter().map(|(path, value)| (world.etc().join(path), value)));
        if let Some(managed) = &state.managed {
            files.push((world.etc().join("managed-settings.json"), managed));
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
        world
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
    }

    /// The environment of a program in this world: nothing of the test's own but PATH.
    pub fn env(&self, base_url: &str) -> BTreeMap<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
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
        fixed.into_iter().chain(own).collect()
    }
}
