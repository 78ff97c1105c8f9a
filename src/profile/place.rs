//! Where profiles are, and whether the places can be trusted: a profile's command runs as the user.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{file::Malformed, malformed_error};
use crate::context::Context;
use crate::disk::{self, Kind, Open};
use crate::error::fail;
use crate::private;
use crate::shell::word;

const MAX_BYTES: u64 = 1024 * 1024;

pub(crate) fn user_file(context: &Context) -> anyhow::Result<PathBuf> {
    let file = context.config_home()?.join("cck/profiles.toml");
    match context.home().filter(|home| file.starts_with(home) && !home.exists()) {
        Some(home) => {
            let problem = format!("the home directory {} does not exist", home.display());
            Err(fail(problem, "set HOME to yours, or XDG_CONFIG_HOME to a directory"))
        }
        None => Ok(file),
    }
}

pub(crate) fn system_files(context: &Context) -> anyhow::Result<Vec<PathBuf>> {
    let dir = context.etc.join("cck/profiles.d");
    let mut files = private::list(&dir).map_err(|error| unreadable(&dir, error))?;
    let is_hidden = |path: &Path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    files.retain(|path| path.extension().is_some_and(|end| end == "toml") && !is_hidden(path));
    Ok(files)
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match disk::open(path, Open::Follow) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(path, error)),
    };
    let stat = disk::stat(&file).map_err(|error| unreadable(path, error))?;
    if stat.kind != Kind::File {
        return Err(fail(format!("{} is not a file", path.display()), "move it aside"));
    }
    if let Some(problem) = private::untrusted(&stat) {
        let problem = format!("{} {problem}, and what it says is run as you", path.display());
        let file = word(path.display());
        return Err(fail(
            problem,
            format!("look at what is in it, then: sudo chown \"$USER\" {file}; chmod go-w {file}"),
        ));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(fail(format!("{} is larger than 1 MiB", path.display()), "move it aside"));
    }
    Ok(Some(text))
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot read {}", path.display()))
}

pub(crate) fn ready_dir(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    let other = "name another with --config-dir";
    let cannot = |what: &str, error: std::io::Error| {
        fail(format!("cannot {what} the config directory {shown}: {error}"), other)
    };
    let stat = match disk::look(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let _acting = disk::act_for(dir)?;
            return disk::make_dirs(dir).map_err(|error| cannot("make", error));
        }
        looked => looked.map_err(|error| cannot("look at", error))?,
    };
    if stat.kind != Kind::Dir {
        return Err(fail(format!("the config directory {shown} is not a directory"), other));
    }
    let me = disk::user();
    let problem = if stat.uid == me {
        private::untrusted(&stat)
    } else {
        Some(format!("belongs to another user (uid {}, you are {me})", stat.uid))
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(fail(
            format!("the config directory {shown} {problem}"),
            format!("make it yours alone (chmod 700 {}), or {other}", word(shown)),
        )),
    }
}

/// Changes the user's file under its lock; `None` from `decide` leaves it as it is.
pub(crate) fn update(
    context: &mut Context,
    decide: impl Fn(&str) -> Result<Option<String>, Malformed>,
) -> anyhow::Result<()> {
    let file = user_file(context)?;
    let _acting = disk::act_for(&file)?;
    // Two that add at once would each write only their own. The file itself cannot be locked: it is replaced.
    let lock = file.with_file_name(".profiles.lock");
    let _lock = private::open_locked(&lock, Open::Make, private::LOCK_WAIT)
        .with_context(|| format!("cannot lock {}", file.display()))?;
    let text = read(&file)?.unwrap_or_default();
    if let Some(text) = decide(&text).map_err(|malformed| malformed_error(&file, &malformed))? {
        // Where the file is a link into a person's dotfiles, it stays one.
        let target = disk::real(&file).unwrap_or(file);
        let written = private::write(&target, text.as_bytes());
        // What fails once the file has its name leaves a change.
        context.changed |=
            disk::read_file(&target, MAX_BYTES).is_ok_and(|now| now == text.as_bytes());
        written?;
    }
    Ok(())
}
