//! A machine for one test: a HOME and a working directory of its own, and none of the real environment but PATH.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "schema.rs"]
mod schema;

/// A made-up key of the usual shape.
pub const KEY: &str =
    "sk-ant-api03-CANARYaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPwxyz";
/// Another one.
pub const OTHER: &str =
    "sk-ant-api03-SECONDqqqqRRRRssssTTTTuuuuVVVVwwwwXXXXyyyyZZZZ000011112222-33334444abcd";

/// The machine.
pub struct Sandbox {
    dir: tempfile::TempDir,
    runtime: tempfile::TempDir,
}

/// One run of cck in a sandbox.
pub struct Cck {
    command: Command,
    stdin: Option<Vec<u8>>,
    args: Vec<String>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A runtime directory in memory, as a login session has it.
pub fn runtime() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("cck-test-runtime-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap()
}

/// The program that is tested: this build's, or the one that CCK_TEST_BINARY names.
pub fn binary() -> String {
    std::env::var("CCK_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_cck").to_owned())
}

impl Sandbox {
    pub fn new() -> Sandbox {
        let dir = tempfile::Builder::new().prefix("cck-test-").tempdir().unwrap();
        for name in ["home", "project"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Sandbox { dir, runtime: runtime() }
    }

    /// What XDG_RUNTIME_DIR is: without it, cck would leave its cache in the machine's shared memory.
    pub fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// The default config file.
    pub fn config(&self) -> PathBuf {
        self.home().join(".claude.json")
    }

    /// Lays a file under the home directory with mode 0600.
    pub fn lay(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
        chmod(&path, 0o600);
        path
    }

    /// cck with these arguments, HOME, PATH and XDG_RUNTIME_DIR; standard input is /dev/null until given.
    pub fn cck(&self, args: &[&str]) -> Cck {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.runtime())
            .env("PATH", "/usr/bin:/bin")
            // As CI has it; a release has no tables to walk.
            .env("RUST_BACKTRACE", "1");
        command.current_dir(self.project());
        Cck { command, stdin: None, args: args.iter().map(ToString::to_string).collect() }
    }

    /// The names of all that is in the home directory, to show that nothing was left there.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.home())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Cck {
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Cck {
        self.command.env(name, value);
        self
    }

    pub fn unset(mut self, name: &str) -> Cck {
        self.command.env_remove(name);
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Cck {
        self.stdin = Some(bytes.into());
        self
    }

    /// The command, for what a test does to it by itself.
    pub fn command(self) -> Command {
        self.command
    }

    pub fn run(mut self) -> Ran {
        self.command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(bytes) = self.stdin {
            // A run that fails before it reads closes the pipe.
            let _ = child.stdin.take().unwrap().write_all(&bytes);
        }
        let output = child.wait_with_output().unwrap();
        let ran = Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        // What another program of `cck run` prints is its own.
        let own = self.args.iter().take_while(|arg| *arg != "--");
        if own.clone().any(|arg| arg == "--json") && matches!(ran.code, Some(0 | 1)) {
            schema::check(&self.args, &ran.stdout);
        }
        ran
    }
}

impl Ran {
    /// Checks that the run ended with `code`, and shows what it printed where it did not.
    #[track_caller]
    pub fn code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Checks that standard error has these words.
    #[track_caller]
    pub fn err(self, words: &[&str]) -> Ran {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
        self
    }

    /// Checks that standard output has these words.
    #[track_caller]
    pub fn out(self, words: &[&str]) -> Ran {
        for word in words {
            assert!(self.stdout.contains(word), "no {word:?} in {self:#?}");
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Copies a program by another one: a file that this process has open for writing, the child of another test may have open
/// too, and then it cannot be run ("text file busy").
pub fn copy_program(from: impl AsRef<Path>, to: &Path) {
    assert!(Command::new("cp").arg(from.as_ref()).arg(to).status().unwrap().success());
}
