//! Words of the shell that the client runs its helper by: a POSIX shell, or cmd.exe on Windows. Pure.

#[cfg(any(windows, test))]
mod cmd;
#[cfg(unix)]
mod posix;

#[cfg(windows)]
pub(crate) use cmd::{quote, quote_program, unquote};
#[cfg(unix)]
pub(crate) use posix::{quote, quote as quote_program, unquote};

/// One word of a command for people to paste: plain text as it is, so that it reads well.
pub(crate) fn word(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@:,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { quote(&text) }
}
