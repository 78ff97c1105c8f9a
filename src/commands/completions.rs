//! `cck completions`: a script that asks cck itself at each TAB (see [`answer`]), so that options never lag behind the program
//! and the names of profiles are offered too.

use std::ffi::OsString;

use clap::{Args, Command};
use clap_complete::Shell;
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

pub(crate) fn run(args: &CompletionsArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    Shells::builtins()
        .completer(&args.shell.to_string())
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
