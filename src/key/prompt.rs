//! The hidden question for a key.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use unix::ask;

/// Asks on the console and reads a line that is not shown.
#[cfg(windows)]
pub(crate) fn ask(question: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
    rpassword::prompt_password(question).map(zeroize::Zeroizing::new)
}
