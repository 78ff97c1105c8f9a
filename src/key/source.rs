//! Where a key comes from: a flag, the environment, a file, a command, standard input or a prompt.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::{ApiKey, prompt};
use crate::context::{Context, StdinKind};
use crate::error::fail;
use crate::key::command;
use crate::profile::Profile;

/// The variable that holds a key where nothing else is said.
pub(crate) const DEFAULT_VARIABLE: &str = "ANTHROPIC_API_KEY";

/// More than this is no key.
const MAX_BYTES: u64 = command::MAX_OUTPUT_BYTES as u64;

/// What is enough for every key; more is only taken, and wiped, where there is more.
const USUAL_BYTES: usize = 4096;

/// The flags that name the source of a key. Without one: $ANTHROPIC_API_KEY if set, else standard input if it is no
/// terminal, else a hidden prompt.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Key source (one of)")]
pub(crate) struct SourceArgs {
    /// The key itself; visible in `ps` and in the history
    #[arg(long, value_name = "KEY", group = "source", hide_default_value = true)]
    key: Option<String>,
    /// A variable with the key [default: ANTHROPIC_API_KEY]
    #[arg(long, value_name = "VAR", group = "source", num_args = 0..=1, default_missing_value = DEFAULT_VARIABLE)]
    key_env: Option<String>,
    /// A file with the key alone (`-`: standard input)
    #[arg(long, value_name = "FILE", group = "source")]
    key_file: Option<PathBuf>,
    /// A shell command that prints it: `pass show key`
    #[arg(long, value_name = "CMD", group = "source")]
    key_command: Option<String>,
    /// Read the key from standard input
    #[arg(long, group = "source")]
    stdin: bool,
    /// How many seconds --key-command may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), hide_short_help = true)]
    timeout: u64,
}

impl SourceArgs {
    /// Whether one of the flags was given.
    pub(crate) fn names_one(&self) -> bool {
        self.key.is_some()
            || self.key_env.is_some()
            || self.key_file.is_some()
            || self.key_command.is_some()
            || self.stdin
    }
}

/// Where a key comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `--key`.
    Flag(ApiKey),
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A shell command and the time that it may take.
    Command(String, Duration),
    /// Standard input.
    Stdin,
    /// A hidden question on the terminal.
    Prompt,
    /// The source of the profile of this name.
    Profile(String, Box<Source>),
}

impl Source {
    /// The source that the flags name, or the one that stands where they name none.
    pub(crate) fn resolve(args: SourceArgs, context: &mut Context) -> anyhow::Result<Source> {
        if let Some(key) = args.key.map(Zeroizing::new) {
            context.warn("--key is visible in `ps` and in the shell's history; prefer --stdin, --key-file or the prompt");
            return Ok(Source::Flag(ApiKey::parse(&key)?));
        }
        Ok(if let Some(name) = args.key_env {
            Source::Env(name)
        } else if let Some(command) = args.key_command {
            Source::Command(command, Duration::from_secs(args.timeout))
        } else if args.stdin || args.key_file.as_deref() == Some(Path::new("-")) {
            Source::Stdin
        } else if let Some(file) = args.key_file {
            Source::File(file)
        } else {
            Source::default_of(context)?
        })
    }

    /// As [`Source::resolve`]; but where the flags name none, the profile that was entered has the say, whatever the
    /// environment and standard input may hold.
    pub(crate) fn resolve_for(
        args: SourceArgs,
        profile: Option<&Profile>,
        context: &mut Context,
    ) -> anyhow::Result<Source> {
        match profile {
            Some(profile) if !args.names_one() => {
                Ok(Source::Profile(profile.name.clone(), Box::new(profile.source.clone())))
            }
            _ => Source::resolve(args, context),
        }
    }

    fn default_of(context: &Context) -> anyhow::Result<Source> {
        let in_env = context.var_os(DEFAULT_VARIABLE).is_some_and(|value| !value.is_empty());
        match (in_env, context.stdin_kind()) {
            (true, StdinKind::Data) => Err(fail(
                format!(
                    "both {DEFAULT_VARIABLE} and standard input may hold the key, and cck does not guess"
                ),
                "say which: --key-env for the variable, --stdin for the input (or </dev/null to have none)",
            )),
            (true, _) => Ok(Source::Env(DEFAULT_VARIABLE.into())),
            (false, StdinKind::Data) => Ok(Source::Stdin),
            (false, StdinKind::Terminal) => Ok(Source::Prompt),
            (false, StdinKind::Nothing) => Err(fail(
                format!(
                    "no key was given: {DEFAULT_VARIABLE} is not set, and there is no input and no terminal to ask on"
                ),
                "name a source: --key-env VAR, --key-file FILE, --key-command CMD or --stdin",
            )),
        }
    }

    /// The kind of source, as reports and the audit trail name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Source::Flag(_) => "flag",
            Source::Env(_) => "env",
            Source::File(_) => "file",
            Source::Command(..) => "command",
            Source::Stdin => "stdin",
            Source::Prompt => "prompt",
            Source::Profile(..) => "profile",
        }
    }

    /// The source as the report names it: `the environment variable X`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Source::Flag(_) => "--key".into(),
            Source::Env(name) => format!("the variable {name}"),
            Source::File(file) => format!("the file {}", file.display()),
            Source::Command(command, _) => format!("the command `{command}`"),
            Source::Stdin => "standard input".into(),
            Source::Prompt => "the prompt".into(),
            Source::Profile(name, source) => format!("the profile {name} ({})", source.describe()),
        }
    }

    /// Reads the key. A key of unusual shape gets a warning.
    pub(crate) fn read(&self, context: &mut Context) -> anyhow::Result<ApiKey> {
        let key = match self {
            Source::Flag(key) => key.clone(),
            Source::Env(name) => ApiKey::parse(&from_env(name, context)?)?,
            Source::File(file) => ApiKey::parse(&from_file(&context.cwd().join(file), context)?)?,
            Source::Command(command, timeout) => from_command(command, *timeout, context)?,
            Source::Stdin => ApiKey::parse(&from_stdin(context)?)?,
            Source::Prompt => ApiKey::parse(&ask()?)?,
            Source::Profile(_, source) => return source.read(context),
        };
        if !key.is_usual_shape() {
            context.warn(&format!(
                "the key from {} does not have the usual shape (sk-ant-…, 40 characters or more); used as it is",
                self.describe()
            ));
        }
        Ok(key)
    }
}

fn from_env(name: &str, context: &Context) -> anyhow::Result<Zeroizing<String>> {
    // Not named in the error: it may be the key itself, typed where the name of its variable belongs.
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_')
    {
        return Err(fail(
            "--key-env takes the name of a variable, and this is none",
            "name the variable, without $",
        ));
    }
    let advice =
        format!("export {name}, or name another source (--key-file, --key-command, --stdin)");
    match context.var(name).map(Zeroizing::new) {
        None => Err(fail(format!("the variable {name} is not set"), advice)),
        Some(value) if value.trim().is_empty() => {
            Err(fail(format!("the variable {name} is empty"), advice))
        }
        Some(value) => Ok(value),
    }
}

fn from_file(file: &Path, context: &mut Context) -> anyhow::Result<Zeroizing<String>> {
    use crate::os::ext::MetadataExt;

    let shown = file.display();
    let unreadable = |error: std::io::Error| {
        fail(
            format!("cannot read the key file {shown}: {error}"),
            "check the path and that you may read it",
        )
    };
    let open = std::fs::File::open(file).map_err(unreadable)?;
    let metadata = open.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(fail(
            format!("the key file {shown} is a directory"),
            "name the file in it that holds the key",
        ));
    }
    let mode = metadata.mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        context.warn(&format!(
            "the key file {shown} is open to others (mode {mode:04o}); chmod 600 {shown}"
        ));
    }
    limited(open, &format!("the key file {shown}"))
}

fn from_stdin(context: &mut Context) -> anyhow::Result<Zeroizing<String>> {
    if context.stdin_kind() == StdinKind::Terminal {
        return Err(fail(
            "--stdin was given, but standard input is a terminal",
            "pipe the key in, or leave --stdin out to be asked for it without echo",
        ));
    }
    limited(context.claim_stdin()?, "standard input")
}

fn from_command(command: &str, timeout: Duration, context: &Context) -> anyhow::Result<ApiKey> {
    let output = command::output(command, context.cwd(), timeout)?
        .map_err(|ended| command::failure("--key-command", command, &ended))?;
    if output.trim().is_empty() {
        return Err(fail(
            format!("--key-command `{command}` printed nothing"),
            "run it by hand: it must print the key alone on standard output",
        ));
    }
    ApiKey::parse(&output)
}

fn ask() -> anyhow::Result<Zeroizing<String>> {
    prompt::ask("Anthropic API key (not shown): ").map_err(|error| {
        fail(
            format!("cannot ask for the key: {error}"),
            "name a source: --key-env, --key-file, --key-command or --stdin",
        )
    })
}

/// Reads text of at most [`MAX_BYTES`].
fn limited(input: impl Read, name: &str) -> anyhow::Result<Zeroizing<String>> {
    let cannot =
        |error| fail(format!("cannot read {name}: {error}"), "check the source of the key");
    let mut input = input.take(MAX_BYTES + 1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL_BYTES));
    (&mut input).take(USUAL_BYTES as u64).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() == USUAL_BYTES {
        // Into a new vector: one that grows leaves what it held behind.
        let mut all = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
        all.extend_from_slice(&bytes);
        input.read_to_end(&mut all).map_err(cannot)?;
        bytes = all;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(
            format!("{name} holds more than {} KiB: that is no key", MAX_BYTES / 1024),
            "give the key alone",
        ));
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
            Source::resolve(SourceArgs::default(), context).map(|source| source.kind())
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
        assert!(Source::Stdin.read(&mut context).is_ok());
        assert!(Source::Stdin.read(&mut context).is_err());
    }
}
