//! `cck completions`: the script that teaches a shell to complete cck's command line.
//!
//! The script asks cck itself at each TAB (see [`answer`]), so options never lag behind the program, and what is known
//! only on the machine, the names of profiles, is offered too.

use std::ffi::OsString;

use clap::{Args, Command, ValueEnum};
use clap_complete::env::Shells;

use crate::context::Context;
use crate::error::{Exit, fail};

/// The variable by which a script asks for completions. A name of our own: the usual COMPLETE may be in use.
const VARIABLE: &str = "_CCK_COMPLETE";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo 'source <(cck completions bash)' >> ~/.bashrc
  echo 'source <(cck completions zsh)' >> ~/.zshrc      # after compinit
  cck completions fish > ~/.config/fish/completions/cck.fish
  cck completions powershell >> $PROFILE")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(alias = "pwsh")]
    Powershell,
    Elvish,
}

pub(crate) fn run(args: &CompletionsArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    let shell = args.shell.to_possible_value();
    Shells::builtins()
        .completer(shell.as_ref().map_or("", |shell| shell.get_name()))
        .ok_or_else(|| fail("no script for this shell", "choose another shell"))?
        .write_registration(VARIABLE, "cck", "cck", "cck", &mut script)?;
    // Standard output carries text only, without the vertical tab that the script for bash would have between words.
    let script = String::from_utf8(script)?.replace(r"IFS=$'\013'", r"IFS=$'\n'");
    context.out.push_str(script.trim());
    context.out.push('\n');
    Ok(Exit::Done)
}

/// Answers a script's question for completions: `cck -- WORDS…` with the shell's name in `VARIABLE`.
pub(crate) fn answer(root: fn() -> Command, context: &mut Context) -> Option<Exit> {
    let shell = context.var(VARIABLE)?;
    let shells = Shells::builtins();
    let shell = shells.completer(&shell)?;
    let words: Vec<OsString> =
        context.args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    if words.is_empty() {
        return None;
    }
    let mut answer = Vec::new();
    let asked = shell.write_complete(&mut root(), words, Some(context.cwd()), &mut answer);
    context.out.push_str(&String::from_utf8_lossy(&answer));
    // A script can do nothing with an error message at a half-typed line.
    Some(if asked.is_ok() { Exit::Done } else { Exit::Error })
}
