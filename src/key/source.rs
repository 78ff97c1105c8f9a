//! Where a key comes from: a flag, the environment, a file, a command, standard input or a prompt.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::{ApiKey, prompt, shape};
use crate::context::{Context, StdinKind};
use crate::disk::{self, Kind};
use crate::error::fail;
use crate::key::command;
use crate::shell::word;

pub(crate) const DEFAULT_VARIABLE: &str = "ANTHROPIC_API_KEY";

pub(crate) const NAME_ONE: &str =
    "name a source: --key-env VAR, --key-file FILE, --key-command CMD or --stdin";

pub(crate) const NAME_STORED: &str =
    "name one: --key-command CMD, --key-env VAR or --key-file FILE";

pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

const MAX_BYTES: u64 = command::MAX_OUTPUT_BYTES as u64;

/// The flags that name the source of a key. Without one: $ANTHROPIC_API_KEY if set, else standard input if it is not a
/// terminal, else a hidden prompt.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Key source (one of)")]
pub(crate) struct SourceArgs {
    /// The key itself; visible in `ps` and in the history
    #[arg(long, value_name = "KEY", group = "source")]
    key: Option<String>,
    #[command(flatten)]
    pub stored: StoredSourceArgs,
    /// Read the key from standard input, as `--key-file -` does
    #[arg(long, group = "source")]
    stdin: bool,
    /// Ask for the key, even if a variable holds one
    #[arg(long, group = "source", hide_short_help = true)]
    prompt: bool,
}

/// The flags that name a source which can be asked again and again, so that a profile or a helper can hold it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Key source (one of)")]
pub(crate) struct StoredSourceArgs {
    /// A variable with the key [default: ANTHROPIC_API_KEY]
    #[arg(long, value_name = "VAR", group = "source", num_args = 0..=1, default_missing_value = DEFAULT_VARIABLE)]
    pub key_env: Option<String>,
    /// A file with the key alone
    #[arg(long, value_name = "FILE", group = "source")]
    pub key_file: Option<PathBuf>,
    /// A shell command that prints it: `pass show key`
    #[arg(long, value_name = "CMD", group = "source")]
    pub key_command: Option<String>,
    /// How many seconds --key-command or --key-file may take [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600), hide_short_help = true)]
    pub timeout: Option<u64>,
    /// Take a key that does not start with sk-ant-, such as a gateway's
    #[arg(long, hide_short_help = true)]
    pub any_shape: bool,
}

impl SourceArgs {
    pub(crate) fn names_one(&self) -> bool {
        self.key.is_some() || self.stored.place().is_some() || self.stdin || self.prompt
    }
}

impl StoredSourceArgs {
    fn place(&self) -> Option<Place> {
        let timeout = self.timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        match (&self.key_env, &self.key_command, &self.key_file) {
            (Some(name), ..) => Some(Place::Env(name.clone())),
            (_, Some(command), _) => Some(Place::Command(command.clone(), timeout)),
            (.., Some(file)) if file == Path::new("-") => Some(Place::Stdin),
            (.., Some(file)) => Some(Place::File(file.clone(), timeout)),
            _ => None,
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeySource {
    pub place: Place,
    pub profile: Option<String>,
    pub any_shape: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Flag(Zeroizing<String>),
    Env(String),
    File(PathBuf, Duration),
    Command(String, Duration),
    Stdin,
    Prompt,
}

impl KeySource {
    pub(crate) fn new(place: Place) -> KeySource {
        KeySource { place, profile: None, any_shape: false }
    }

    pub(crate) fn resolve(args: SourceArgs, context: &mut Context) -> anyhow::Result<KeySource> {
        let place = match (args.key, args.stored.place()) {
            (Some(key), _) => {
                context.warn("--key is visible in `ps` and in the shell's history; prefer --stdin, --key-file or the prompt");
                Place::Flag(Zeroizing::new(key))
            }
            (_, Some(Place::Command(command, _))) if shape::holds_key(&command) => {
                return Err(fail("--key-command takes a command, not the key", NAME_ONE));
            }
            (_, Some(place)) => place,
            _ if args.stdin => Place::Stdin,
            _ if args.prompt => Place::Prompt,
            _ => Place::default_of(context)?,
        };
        let any_shape = args.stored.any_shape;
        Ok(KeySource { any_shape, ..KeySource::new(place) })
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.profile.is_some() { "profile" } else { self.place.kind() }
    }

    pub(crate) fn describe(&self) -> String {
        match &self.profile {
            Some(name) => format!("the profile {name} ({})", self.place.describe()),
            None => self.place.describe(),
        }
    }

    pub(crate) fn read(&self, context: &mut Context) -> anyhow::Result<ApiKey> {
        self.read_or_ask("New API key", context)
    }

    /// Reads a key that is not stored: a prompt asks with these words.
    pub(crate) fn read_or_ask(
        &self,
        question: &str,
        context: &mut Context,
    ) -> anyhow::Result<ApiKey> {
        let text = match &self.place {
            Place::Flag(key) => Ok(key.clone()),
            Place::Env(name) => from_env(name, context),
            Place::File(file, patience) => from_file(file, *patience, context),
            Place::Command(command, timeout) => from_command(command, *timeout, context),
            Place::Stdin if context.stdin_kind() == StdinKind::Terminal => {
                Err(fail("standard input is a terminal", "pipe the key in, or leave --stdin out"))
            }
            Place::Stdin => limited(context.claim_stdin()?, "standard input"),
            Place::Prompt => ask(question),
        };
        ApiKey::checked(&text?, self.any_shape)
    }
}

impl Place {
    fn default_of(context: &Context) -> anyhow::Result<Place> {
        let in_env = context.var_os(DEFAULT_VARIABLE).is_some_and(|value| !value.is_empty());
        match (in_env, context.stdin_kind()) {
            (true, StdinKind::Data) => Err(fail(
                format!("both {DEFAULT_VARIABLE} and standard input may hold the key"),
                "say which: --key-env for the variable, --stdin for the input (or </dev/null for no input)",
            )),
            (true, _) => Ok(Place::Env(DEFAULT_VARIABLE.into())),
            (false, StdinKind::Data) => Ok(Place::Stdin),
            (false, StdinKind::Terminal) => Ok(Place::Prompt),
            (false, StdinKind::Nothing) => {
                let problem = "no key was given, and cck has no terminal to ask on";
                Err(fail(format!("{problem}: {DEFAULT_VARIABLE} is not set"), NAME_ONE))
            }
        }
    }

    /// The kind of place, as reports and the audit trail name it, and the place as people know it.
    fn names(&self) -> (&'static str, String) {
        match self {
            Place::Flag(_) => ("flag", "--key".into()),
            Place::Env(name) => ("env", format!("the variable {name}")),
            Place::File(file, _) => ("file", format!("the file {}", file.display())),
            Place::Command(command, _) => ("command", format!("the command `{command}`")),
            Place::Stdin => ("stdin", "standard input".into()),
            Place::Prompt => ("prompt", "the prompt".into()),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.names().0
    }

    pub(crate) fn describe(&self) -> String {
        self.names().1
    }
}

pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a source holds, which may be a key.
type Text = anyhow::Result<Zeroizing<String>>;

fn from_env(name: &str, context: &Context) -> Text {
    // Not named in the error: it may be the key itself, typed where the name of its variable belongs.
    if !is_variable(name) {
        return Err(fail(
            "--key-env takes the name of a variable",
            "give its name alone, without $ and =",
        ));
    }
    let problem = match context.var(name).map(Zeroizing::new) {
        None => "is not set",
        Some(value) if value.trim().is_empty() => "is empty",
        Some(value) => return Ok(value),
    };
    let advice = format!("export {name} with the key in it, or name another with --key-env");
    Err(fail(format!("the variable {name} {problem}"), advice))
}

fn from_file(file: &Path, patience: Duration, context: &mut Context) -> Text {
    let path = context.cwd().join(file);
    let file = path.display().to_string();
    let name = format!("the key file {file}");
    // On a thread: a named pipe that nobody writes to, or a dead network disk, would block without end.
    let (sender, receiver) = mpsc::channel();
    let read_name = name.clone();
    thread::spawn(move || sender.send(read_file(&path, &read_name)));
    let (text, mode) = receiver.recv_timeout(patience).map_err(|_| {
        let problem = format!("{name} returned nothing within {} s", patience.as_secs());
        fail(problem, "if it is a pipe, see that something writes to it; --timeout waits longer")
    })??;
    if let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) {
        let file = word(file);
        context.warn(&format!("{name} is open to others (mode {mode:04o}); chmod 600 {file}"));
    }
    Ok(text)
}

/// The text of the file, and its mode if it is a regular one.
fn read_file(file: &Path, name: &str) -> anyhow::Result<(Zeroizing<String>, Option<u32>)> {
    let unreadable = |error: std::io::Error| {
        fail(format!("cannot read {name}: {error}"), "check the path and that you may read it")
    };
    let open = std::fs::File::open(file).map_err(unreadable)?;
    let stat = disk::stat(&open).map_err(unreadable)?;
    if stat.kind == Kind::Dir {
        return Err(fail(format!("{name} is a directory"), "name the file in it with the key"));
    }
    let mode = (stat.kind == Kind::File).then_some(stat.mode & 0o777);
    Ok((limited(open, name)?, mode))
}

fn from_command(command: &str, timeout: Duration, context: &Context) -> Text {
    const BY_HAND: &str = "run it by hand: it must print the key alone on standard output";
    match command::output(command, context.cwd(), timeout)? {
        Ok(output) if output.trim().is_empty() => {
            Err(fail(format!("--key-command `{command}` printed nothing"), BY_HAND))
        }
        Ok(output) => Ok(output),
        Err(ended) => Err(fail(
            format!("--key-command `{command}` {ended}"),
            format!("{BY_HAND} and exit with 0 (--timeout sets its time)"),
        )),
    }
}

fn ask(question: &str) -> Text {
    let key = prompt::ask(&format!("{question} (not shown): "))
        .map_err(|error| fail(format!("cannot ask for the key: {error}"), NAME_ONE))?;
    if key.trim().is_empty() {
        return Err(fail("no key was typed", "run this again and paste the key, then press Enter"));
    }
    Ok(key)
}

fn limited(input: impl Read, name: &str) -> Text {
    let cannot =
        |error| fail(format!("cannot read {name}: {error}"), "check the source of the key");
    // A vector that grows leaves what it held behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        let kib = MAX_BYTES / 1024;
        return Err(fail(format!("{name} is larger than {kib} KiB"), "give the key alone"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => {
            Err(fail(format!("{name} is not UTF-8 text"), "give the key alone, as plain text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(vars: &[(&str, &str)]) -> Context {
        Context::for_test(&[], vars, Path::new("/"), Path::new("/etc"))
    }

    #[test]
    fn without_a_flag_the_source_is_never_a_guess() {
        let set = [(DEFAULT_VARIABLE, "sk-ant-x")];
        let kind = |context: &mut Context| {
            KeySource::resolve(SourceArgs::default(), context).map(|source| source.kind())
        };
        assert_eq!(kind(&mut context(&set)).unwrap(), "env");
        assert_eq!(kind(&mut context(&[]).with_stdin(b"x")).unwrap(), "stdin");
        let both = kind(&mut context(&set).with_stdin(b"x")).unwrap_err().to_string();
        assert!(both.contains("ANTHROPIC_API_KEY") && both.contains("standard input"), "{both}");
        assert!(kind(&mut context(&[])).is_err());
        assert_eq!(
            kind(&mut context(&[(DEFAULT_VARIABLE, "")]).with_stdin(b"x")).unwrap(),
            "stdin"
        );
    }

    #[test]
    fn standard_input_is_claimed_once() {
        let mut context =
            context(&[]).with_stdin(b"sk-ant-api03-0123456789012345678901234567890\n");
        let source = KeySource::new(Place::Stdin);
        assert!(source.read(&mut context).is_ok());
        assert!(source.read(&mut context).is_err());
    }
}
