//! A HOME to do harm in, and what is to be true of it afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// The key that is set. No error may show it, and no file of looser mode than 0600 may hold it.
pub const KEY: &str =
    "sk-ant-api03-CANARYaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPwxyz";
/// The key that was there before.
pub const OLD: &str =
    "sk-ant-api03-FORMERaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPabcd";

/// What a run does, and on what.
#[derive(Default)]
pub struct Scenario {
    pub name: &'static str,
    pub args: &'static [&'static str],
    /// The file that the run is to change, from HOME.
    pub target: &'static str,
    /// Its content before; none where there is to be no file.
    pub before: Option<String>,
    /// Copies of it, from HOME, that are to lose the key: the old one is to be nowhere in the end.
    pub copies: &'static [&'static str],
    /// Whether the file cannot be replaced, as where it is a mount point: then it may hold parts of both while there is a
    /// recovery copy.
    pub in_place: bool,
}

impl Scenario {
    /// What fails at every point.
    pub fn always(&self) -> &'static str {
        if self.in_place { "renameat2:error=EXDEV" } else { "" }
    }

    /// Whether `cck undo` is to bring back what was there. A rotation and a scrub remove what it needs, and where nothing
    /// can be renamed it has no record.
    pub fn is_undoable(&self) -> bool {
        self.copies.is_empty() && !self.in_place && self.args[0] != "profile"
    }
}

/// A directory with HOME in it, and one for XDG_RUNTIME_DIR, which has to be in memory.
pub struct Machine {
    root: tempfile::TempDir,
    runtime: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Machine {
        let mut builder = tempfile::Builder::new();
        builder.prefix("cck-fault-");
        Machine {
            root: builder.tempdir().unwrap(),
            runtime: builder.tempdir_in("/dev/shm").unwrap(),
        }
    }

    pub fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn record(&self) -> PathBuf {
        self.root.path().join("trace")
    }

    /// strace's record of the last run under it, except for what always fails.
    pub fn trace(&self, scenario: &Scenario) -> String {
        let record = fs::read_to_string(self.record()).unwrap();
        let is_wanted = |line: &&str| {
            !(scenario.in_place && line.contains("renameat2") || line.contains("prctl"))
        };
        record.lines().filter(is_wanted).map(|line| format!("{line}\n")).collect()
    }

    /// Whether the target has a recovery copy.
    pub fn has_recovery(&self, scenario: &Scenario) -> bool {
        let name = format!("{}.cck-recovery", scenario.target);
        self.home().join(name).exists()
    }

    /// Makes HOME anew, with the scenario's config.
    pub fn lay(&self, scenario: &Scenario) {
        let _ = fs::remove_dir_all(self.home());
        fs::create_dir(self.home()).unwrap();
        if let Some(before) = &scenario.before {
            for name in scenario.copies.iter().chain([&scenario.target]) {
                let path = self.home().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, before).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
    }

    /// Runs cck with these arguments; with `inject`, under strace with these injections.
    pub fn run(&self, args: &[&str], inject: Option<&str>) -> Output {
        // All threads of it, and all that it starts.
        self.run_with("-f", args, inject)
    }

    /// As [`Machine::run`], with a flag of strace.
    pub fn run_with(&self, flag: &str, args: &[&str], inject: Option<&str>) -> Output {
        let cck = env!("CARGO_BIN_EXE_cck");
        let mut command = match inject {
            None => Command::new(cck),
            Some(inject) => {
                let mut strace = apart();
                strace.arg("strace").args([flag, "-qq", "-o"]).arg(self.record());
                // cck keeps other processes of the user from reading its memory. strace would show addresses where paths
                // are, unless it skips that call.
                strace.args(["-e", "inject=prctl:retval=0"]);
                for inject in inject.split_whitespace() {
                    strace.arg("-e").arg(format!("inject={inject}"));
                }
                strace.arg(cck);
                strace
            }
        };
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.runtime());
        command.env("ANTHROPIC_API_KEY", KEY).current_dir(self.root.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The content of the file that the run is to change, and after it that of each copy.
    pub fn contents(&self, scenario: &Scenario) -> Vec<Option<Vec<u8>>> {
        let names = [&scenario.target].into_iter().chain(scenario.copies);
        names.map(|name| fs::read(self.home().join(name)).ok()).collect()
    }

    /// All files under HOME, by their path from there.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files_in(&self.home())
    }

    /// All files under a directory.
    pub fn files_in(&self, dir: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(dir, &mut found);
        found.sort();
        found
    }

    /// The files that others may read and that hold a key, or are cck's own records.
    pub fn exposed(&self, scenario: &Scenario) -> Vec<PathBuf> {
        let laid = [&scenario.target].into_iter().chain(scenario.copies);
        let laid: Vec<PathBuf> = laid.map(|name| self.home().join(name)).collect();
        // The config was laid with a loose mode and the old key in it; until it is replaced it may keep both.
        let is_as_laid = |path: &PathBuf| {
            let before = scenario.before.as_ref().map(|before| before.as_bytes());
            laid.contains(path) && before == Some(&fs::read(path).unwrap_or_default())
        };
        let is_record = |path: &PathBuf| path.starts_with(self.home().join(".local/state"));
        let holds_key = |path: &PathBuf| [KEY, OLD].iter().any(|key| holds(path, key));
        let is_loose =
            |path: &PathBuf| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o077 != 0;
        self.files()
            .into_iter()
            .filter(|path| {
                is_loose(path) && (is_record(path) || holds_key(path)) && !is_as_laid(path)
            })
            .collect()
    }

    /// The files that hold the old key.
    pub fn traces(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| holds(path, OLD)).collect()
    }

    /// What a run that has ended must not leave.
    pub fn litter(&self) -> Vec<PathBuf> {
        let is_litter = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What profiles are locked by is a file that stays.
            (name.ends_with(".lock") && name != ".profiles.lock")
                || name.contains(".tmp")
                || name.contains("cck-")
        };
        self.files().into_iter().filter(is_litter).collect()
    }

    /// Whether the audit trail names the file that was changed.
    pub fn is_logged(&self, scenario: &Scenario) -> bool {
        let trail = fs::read_to_string(self.home().join(".local/state/cck/audit.jsonl"));
        let path = format!("\"{}\"", self.home().join(scenario.target).display());
        trail.is_ok_and(|trail| trail.lines().any(|line| line.contains(&path)))
    }

    /// The records of rotations that are not finished.
    pub fn pending(&self) -> Vec<PathBuf> {
        let dir = self.home().join(".local/state/cck/rotate");
        let files = self.files().into_iter();
        files.filter(|path| path.starts_with(&dir)).collect()
    }

    /// Lets the locks that a killed run has left go stale, without waiting for it.
    pub fn age_locks(&self) {
        for lock in
            self.files().iter().filter(|path| path.extension().is_some_and(|end| end == "lock"))
        {
            let past = SystemTime::now() - Duration::from_secs(11);
            fs::File::open(lock).unwrap().set_modified(past).unwrap();
        }
    }
}

/// What runs a command where it sees no other processes, if that is possible here: cck looks through them, and each one
/// that comes or goes changes the number of its calls.
fn apart() -> Command {
    static CAN: OnceLock<bool> = OnceLock::new();
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["-Upf", "--map-current-user", "--mount-proc"]);
        unshare
    };
    let can = || unshare().args(["strace", "true"]).output().is_ok_and(|run| run.status.success());
    if *CAN.get_or_init(can) { unshare() } else { Command::new("env") }
}

fn holds(path: &Path, key: &str) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.windows(key.len()).any(|part| part == key.as_bytes())
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_lock = path.extension().is_some_and(|end| end == "lock");
        if path.is_dir() && !is_lock {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
