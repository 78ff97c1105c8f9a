//! The sources that can be written down, in a profile or a helper.

use std::path::{Path, PathBuf};

use clap::Args;

/// The flags that name a source which is asked again and again, so that it can be written down.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Key source (one of)")]
pub(crate) struct StoredSourceArgs {
    /// A shell command that prints the key: `pass show anthropic`
    #[arg(long, value_name = "CMD", group = "stored_source")]
    key_command: Option<String>,
    /// A variable that holds the key
    #[arg(long, value_name = "VAR", group = "stored_source")]
    key_env: Option<String>,
    /// A file that holds the key alone
    #[arg(long, value_name = "FILE", group = "stored_source")]
    key_file: Option<PathBuf>,
    /// How many seconds --key-command may take [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600), hide_short_help = true)]
    timeout: Option<u64>,
    /// Take a key that does not start with sk-ant-, such as a gateway's
    #[arg(long, hide_short_help = true)]
    pub any_shape: bool,
}

impl StoredSourceArgs {
    /// The source as a member of a profile and its value, and the time that a command may take.
    pub(crate) fn into_entry(self, cwd: &Path) -> Option<((String, String), Option<u64>)> {
        let (member, what) = match (self.key_command, self.key_env, self.key_file) {
            (Some(command), _, _) => ("key-command", command),
            (_, Some(name), _) => ("key-env", name),
            (_, _, file) => ("key-file", cwd.join(file?).to_string_lossy().into_owned()),
        };
        Some(((member.into(), what), self.timeout))
    }
}
