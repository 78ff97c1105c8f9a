//! Everything cck takes from the process. No other module asks `std::env` or the standard streams, so a test can build the
//! whole world that a command sees.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use crate::error::fail;
use crate::output::{display, escape, mask, one_line, sanitize};

const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// The directory of the machine's own settings; on Windows %ProgramData% may name another.
const ETC: &str = if cfg!(windows) { r"C:\ProgramData" } else { "/etc" };

/// The system whose paths and rules of the client hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Linux, and any other Unix.
    #[default]
    Linux,
    Macos,
    Windows,
}

impl Platform {
    /// This build's, unless CCK_PLATFORM names another Unix: the tests ask about a Mac on Linux.
    fn of(named: Option<&OsStr>) -> Platform {
        match named.and_then(OsStr::to_str) {
            Some("linux") => Platform::Linux,
            Some("macos") => Platform::Macos,
            _ if cfg!(windows) => Platform::Windows,
            _ if cfg!(target_os = "macos") => Platform::Macos,
            _ => Platform::Linux,
        }
    }

    /// Where the client looks for the administrator's settings (2.1.331, read off its code, 2026-11-24).
    fn managed(self) -> &'static str {
        match self {
            Platform::Linux => "/etc/claude-code",
            Platform::Macos => "/Library/Application Support/ClaudeCode",
            Platform::Windows => r"C:\Program Files\ClaudeCode",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StdinKind {
    Terminal,
    /// `/dev/null`, or closed (the Rust runtime opens `/dev/null` in its place): nothing can come.
    Nothing,
    Data,
}

#[derive(Default)]
pub struct Context {
    pub(crate) args: Vec<OsString>,
    vars: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    /// `/etc`, or a test's stand-in for it.
    pub(crate) etc: PathBuf,
    /// The directory of the administrator's settings for the client, or a test's stand-in for it.
    pub(crate) managed: PathBuf,
    platform: Platform,
    stdin_kind: Option<StdinKind>,
    stdin: Option<Box<dyn Read>>,
    /// The report for standard output. It is written once, at the end, by [`Context::flush`].
    pub out: String,
    /// Whether reports for people are left out: what [`Context::say`] adds.
    pub(crate) quiet: bool,
    /// Whether this run has changed something: then no exit code says that nothing was.
    pub(crate) changed: bool,
    to_process: bool,
    /// What went to standard error, kept only where the context is not the process's own.
    pub err: String,
}

impl Context {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub(crate) fn from_process() -> Self {
        let mut context = Context {
            // A deleted working directory is not a reason to fail: only relative paths need it.
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            etc: PathBuf::from(ETC),
            stdin_kind: None,
            stdin: Some(Box::new(io::stdin())),
            to_process: true,
            ..Context::new(std::env::args_os(), std::env::vars_os())
        };
        context.managed = PathBuf::from(context.platform.managed());
        if cfg!(windows)
            && let Some(dir) = context.var_os("ProgramData").filter(|dir| !dir.is_empty())
        {
            context.etc = PathBuf::from(dir);
        }
        context
    }

    /// A context for a test: these arguments (without the program's name) and variables, in `cwd`, with `etc` as `/etc`.
    pub fn for_test(args: &[&str], vars: &[(&str, &str)], cwd: &Path, etc: &Path) -> Self {
        let args = std::iter::once("cck").chain(args.iter().copied()).map(OsString::from);
        Context {
            cwd: cwd.to_path_buf(),
            etc: etc.to_path_buf(),
            managed: etc.join("claude-code"),
            ..Context::new(args, vars.iter().map(|(name, value)| (name.into(), value.into())))
        }
    }

    /// Nothing of the process but its working directory; what it warns of is not shown.
    pub(crate) fn silent(cwd: &Path) -> Self {
        Context { cwd: cwd.to_path_buf(), ..Context::default() }
    }

    fn new(
        args: impl Iterator<Item = OsString>,
        vars: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let stdin_kind = Some(StdinKind::Nothing);
        let mut context = Context { args: args.collect(), stdin_kind, ..Context::default() };
        vars.for_each(|(name, value)| context.set_var(name, value));
        context.platform = Platform::of(context.var_os("CCK_PLATFORM"));
        context
    }

    /// A variable of the environment; an empty one is returned as it is.
    pub(crate) fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(&*as_the_system_has_it(name.as_ref())).map(OsString::as_os_str)
    }

    /// A variable of the environment as text; bytes that are not UTF-8 are replaced, as the client's runtime does.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        self.var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    pub(crate) fn vars(&self) -> &BTreeMap<OsString, OsString> {
        &self.vars
    }

    /// Sets a variable for the rest of this run, as `--profile` does with CLAUDE_CONFIG_DIR, and not for the process.
    pub(crate) fn set_var(&mut self, name: impl AsRef<OsStr>, value: impl Into<OsString>) {
        self.vars.insert(as_the_system_has_it(name.as_ref()).into_owned(), value.into());
    }

    pub(crate) fn remove_var(&mut self, name: &OsStr) {
        self.vars.remove(&*as_the_system_has_it(name));
    }

    /// Where a user's configuration files are: `$XDG_CONFIG_HOME`, else `~/.config`; elsewhere as the system has it.
    pub(crate) fn config_home(&self) -> anyhow::Result<PathBuf> {
        self.base_dir("XDG_CONFIG_HOME", ".config", dirs::config_dir)
    }

    /// Where a user's data files are: `$XDG_DATA_HOME`, else `~/.local/share`; elsewhere as the system has it.
    pub(crate) fn data_home(&self) -> anyhow::Result<PathBuf> {
        self.base_dir("XDG_DATA_HOME", ".local/share", dirs::data_dir)
    }

    fn base_dir(
        &self,
        var: &str,
        under_home: &str,
        system: fn() -> Option<PathBuf>,
    ) -> anyhow::Result<PathBuf> {
        // The specification has relative values ignored. Where there is no XDG, the system's own place stands.
        if let Some(dir) = self.var_os(var).map(PathBuf::from).filter(|dir| dir.is_absolute()) {
            return Ok(dir);
        }
        if cfg!(any(target_os = "macos", windows))
            && self.to_process
            && let Some(dir) = system()
        {
            return Ok(dir);
        }
        Ok(self.require_home()?.join(under_home))
    }

    /// The program that is running, by the path it was called by: the resolved one may carry a version in it.
    pub(crate) fn program(&self) -> PathBuf {
        let running = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("cck"));
        let Some(called) = self.args.first().map(Path::new) else { return running };
        let Ok(real) = running.canonicalize() else { return running };
        let mut places = vec![self.cwd.join(called)];
        if called.components().count() == 1 {
            places = self.on_path(called);
            places.retain(|place| place.is_absolute());
        }
        let is_it = |place: &PathBuf| place.canonicalize().is_ok_and(|place| place == real);
        places.into_iter().find(is_it).unwrap_or(running)
    }

    /// Where PATH has a program of this name, if it is there; on Windows with each ending that makes a program of a file.
    pub(crate) fn on_path(&self, name: &Path) -> Vec<PathBuf> {
        let endings = if cfg!(windows) && name.extension().is_none() {
            self.var("PATHEXT").unwrap_or_else(|| ".COM;.EXE;.BAT;.CMD".to_owned())
        } else {
            String::new()
        };
        let mut places = Vec::new();
        for dir in std::env::split_paths(self.var_os("PATH").unwrap_or_default()) {
            for ending in endings.split(';') {
                let mut place = dir.join(name).into_os_string();
                place.push(ending);
                places.push(place.into());
            }
        }
        places
    }

    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    pub fn platform(&self) -> Platform {
        self.platform
    }

    fn home_var(&self) -> Option<&OsStr> {
        self.var_os(HOME)
    }

    /// A path as people write it.
    pub(crate) fn show(&self, path: &Path) -> String {
        display(path, self.home_var())
    }

    /// The home directory as the client takes it: `$HOME`, on Windows `%USERPROFILE%`, else that of the account.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        match self.home_var().filter(|home| !home.is_empty()) {
            Some(named) => Some(PathBuf::from(named)),
            None if cfg!(target_os = "linux") => self.account_field(5).map(PathBuf::from),
            None => dirs::home_dir().filter(|_| self.to_process),
        }
    }

    pub(crate) fn account_name(&self) -> Option<String> {
        if cfg!(target_os = "macos") {
            return self.home()?.file_name()?.to_str().map(str::to_owned);
        }
        self.account_field(0)
    }

    #[cfg_attr(windows, expect(unused_variables))]
    fn account_field(&self, at: usize) -> Option<String> {
        #[cfg(unix)]
        return self.field_of(rustix::process::geteuid(), at);
        #[cfg(windows)]
        None
    }

    /// A field of an account's line in `/etc/passwd`: the C library of a static program has nothing else to ask.
    #[cfg(unix)]
    pub(crate) fn field_of(&self, user: rustix::process::Uid, at: usize) -> Option<String> {
        let user = user.as_raw().to_string();
        let accounts = std::fs::read_to_string(self.etc.join("passwd")).ok()?;
        let mut fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let own = fields.find(|fields| fields.get(2) == Some(&user.as_str()))?;
        own.get(at).filter(|field| !field.is_empty()).map(|field| (*field).to_owned())
    }

    pub(crate) fn require_home(&self) -> anyhow::Result<PathBuf> {
        self.home().ok_or_else(|| {
            fail(format!("{HOME} is not set"), "set it, or CLAUDE_CONFIG_DIR to a directory")
        })
    }

    pub(crate) fn stdin_kind(&self) -> StdinKind {
        let stdin = io::stdin();
        match self.stdin_kind {
            Some(kind) => kind,
            None if stdin.is_terminal() => StdinKind::Terminal,
            None if is_nothing(&stdin) => StdinKind::Nothing,
            None => StdinKind::Data,
        }
    }

    /// Standard input. It is handed out once: two readers would each get a part.
    pub(crate) fn claim_stdin(&mut self) -> anyhow::Result<Box<dyn Read>> {
        let read = || fail("standard input was already read", "give each input its own source");
        self.stdin.take().ok_or_else(read)
    }

    #[cfg(test)]
    pub(crate) fn with_stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin_kind = Some(StdinKind::Data);
        self.stdin = Some(Box::new(io::Cursor::new(bytes.to_vec())));
        self
    }

    /// Adds a line to the report. What it has from outside (a path, a command) drives no terminal and shows no key.
    pub(crate) fn say(&mut self, line: impl AsRef<str>) {
        if !self.quiet {
            self.data(line);
        }
    }

    /// Adds the line that says that the work is done; on a terminal with a green ✓.
    pub(crate) fn done(&mut self, line: impl AsRef<str>) {
        let is_styled = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        if self.to_process && is_styled && !self.quiet {
            let good = AnsiColor::Green.on_default().bold();
            self.out.push_str(&format!("{good}✓{good:#} "));
        }
        self.say(line);
    }

    /// Adds a line of data that was asked for: `--quiet` does not leave it out.
    pub(crate) fn data(&mut self, line: impl AsRef<str>) {
        self.out.push_str(&(clean(line.as_ref()) + "\n"));
    }

    pub(crate) fn say_diff(&mut self, diff: &str) {
        for line in diff.lines().filter(|_| !self.quiet) {
            let color = if line.starts_with('-') { AnsiColor::Red } else { AnsiColor::Green };
            let style = color.on_default();
            self.out.push_str(&format!("{style}{}{style:#}\n", clean(line)));
        }
    }

    pub(crate) fn stdout_is_terminal(&self) -> bool {
        self.to_process && io::stdout().is_terminal()
    }

    /// How wide a report may be: as the terminal, from 40 to 100 columns; 80 where there is none.
    pub(crate) fn width(&self) -> usize {
        let terminal = self.to_process.then(|| terminal_size::terminal_size_of(io::stdout()));
        let columns = match terminal.flatten() {
            Some((terminal_size::Width(columns), _)) => Some(usize::from(columns)),
            None => self.var("COLUMNS").and_then(|columns| columns.parse().ok()),
        };
        columns.filter(|columns| *columns > 0).unwrap_or(80).clamp(40, 100)
    }

    /// Adds a report for programs. It shows no key either, and what could drive a terminal is escaped in it.
    pub(crate) fn say_json(&mut self, report: &impl serde::Serialize) -> serde_json::Result<()> {
        let text = serde_json::to_string_pretty(report)?;
        self.out.push_str(&escape(&mask(&text)));
        self.out.push('\n');
        Ok(())
    }

    pub(crate) fn warn(&mut self, message: &str) {
        self.diagnose("warning", AnsiColor::Yellow.on_default().bold(), message, None);
    }

    pub(crate) fn error(&mut self, problem: &str, advice: Option<&str>) {
        self.diagnose("error", AnsiColor::Red.on_default().bold(), problem, advice);
    }

    pub(crate) fn warn_raw(&mut self, text: &str) {
        if self.to_process {
            // Nothing can be done about a closed standard error; the exit code still says how it ended.
            let _ = write!(anstream::stderr().lock(), "{text}");
        } else {
            self.err.push_str(text);
        }
    }

    fn diagnose(&mut self, label: &str, style: Style, message: &str, advice: Option<&str>) {
        let mut text = format!("{style}{label}:{style:#} {}\n", one_line(&mask(message)));
        if let Some(advice) = advice {
            text.push_str(&format!("  try: {}\n", one_line(&mask(advice))));
        }
        self.warn_raw(&text);
    }

    /// Writes the report to standard output, without colour if that is not a terminal, and empties it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.to_process || self.out.is_empty() {
            return Ok(());
        }
        let mut text = zeroize::Zeroizing::new(std::mem::take(&mut self.out));
        let mut stdout = io::stdout().lock();
        // All at once: anstream writes what stands between two colours, each in a system call of its own.
        if AutoStream::choice(&stdout) == ColorChoice::Never {
            text = strip_str(&text).to_string().into();
        }
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

fn clean(text: &str) -> String {
    sanitize(&mask(text)).into_owned()
}

/// The name of a variable; on Windows, where capitals are as small letters, in capitals.
fn as_the_system_has_it(name: &OsStr) -> Cow<'_, OsStr> {
    if cfg!(windows) { Cow::Owned(name.to_ascii_uppercase()) } else { Cow::Borrowed(name) }
}

#[cfg(unix)]
fn is_nothing(stdin: &io::Stdin) -> bool {
    match (rustix::fs::fstat(stdin), rustix::fs::stat("/dev/null")) {
        (Ok(it), Ok(null)) => (it.st_rdev, it.st_ino) == (null.st_rdev, null.st_ino),
        (it, _) => it.is_err(),
    }
}

/// Whether standard input is NUL: a device that is not a console.
#[cfg(windows)]
fn is_nothing(stdin: &io::Stdin) -> bool {
    winapi_util::file::typ(stdin).is_ok_and(|kind| kind.is_char())
}
