//! The clients, installed to `target/clients/VERSION` when first asked for: those with a lock in `tests/client/` by
//! `npm ci`, any other version by `npm install` of exactly that one. Install scripts are not needed, so none is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

static INSTALLING: Mutex<()> = Mutex::new(());

/// The command that starts this version of the client.
///
/// # Errors
/// Why it is not to be had here: no npm, no network, an unknown version.
pub fn command(version: &str) -> Result<Vec<String>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = root.join("target/clients").join(version);
    if let Some(command) = installed(&dir) {
        return Ok(command);
    }
    let _one_at_a_time = INSTALLING.lock().expect("no installer panics");
    if let Some(command) = installed(&dir) {
        return Ok(command);
    }
    install(&root.join("tests/client").join(version), &dir)?;
    installed(&dir).ok_or_else(|| format!("{} holds no client", dir.display()))
}

fn installed(dir: &Path) -> Option<Vec<String>> {
    let packages = dir.join("node_modules/@anthropic-ai");
    let text = |path: PathBuf| path.to_str().map(str::to_owned);
    // A native binary since 2.1.113, JavaScript before.
    let native = packages.join("claude-code-linux-x64/claude");
    if native.is_file() {
        return Some(vec![text(native)?]);
    }
    let script = packages.join("claude-code/cli.js");
    script.is_file().then(|| text(script).map(|script| vec!["node".into(), script])).flatten()
}

fn install(lock: &Path, dir: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot install to {}: {error}", dir.display());
    // Beside its place and renamed, so that an installation cut short is none, and two processes cannot mix theirs.
    let parent = dir.parent().expect("target/clients/VERSION has a parent");
    fs::create_dir_all(parent).map_err(failed)?;
    let temporary = tempfile::tempdir_in(parent).map_err(failed)?;
    let how = if lock.is_dir() {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(lock.join(name), temporary.path().join(name)).map_err(failed)?;
        }
        "ci"
    } else {
        let version = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        fs::write(temporary.path().join("package.json"), manifest(version)?).map_err(failed)?;
        "install"
    };
    let npm = Command::new("npm")
        .args([how, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        // Where there is no network, its usual retries take minutes.
        .args([
            "--fetch-retries=3",
            "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=2000",
        ])
        .current_dir(temporary.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm: {error}"))?;
    if !npm.status.success() {
        return Err(format!("npm {how}: {}", String::from_utf8_lossy(&npm.stderr).trim()));
    }
    match fs::rename(temporary.path(), dir) {
        // Another process was first.
        Err(_) if installed(dir).is_some() => Ok(()),
        other => other.map_err(failed),
    }
}

/// A `package.json` that asks for this version and no other.
fn manifest(version: &str) -> Result<String, String> {
    // A tag or a range would be another client tomorrow.
    let is_exact = version.split('.').count() == 3
        && version
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_exact {
        return Err(format!("{version:?} is not an exact version, such as 2.1.330"));
    }
    Ok(format!(
        r#"{{"private": true, "dependencies": {{"@anthropic-ai/claude-code": "{version}"}}}}"#
    ))
}
