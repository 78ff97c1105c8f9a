//! The hidden question for a key.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::ask;

/// Asks on the console and reads a line that is not shown.
///
/// # Errors
/// Where there is no console, or it ends before a line was typed.
#[cfg(windows)]
pub fn ask(question: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
    rpassword::prompt_password(question).map(zeroize::Zeroizing::new)
}
