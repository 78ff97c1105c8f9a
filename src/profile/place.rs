//! Where profiles are, and whether the places can be trusted: a profile's command runs as the user.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{file::Malformed, malformed_error};
use crate::context::Context;
use crate::disk::{self, Kind, Open};
use crate::error::fail;
use crate::private;
use crate::shell::word;

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
    let mut files = private::list(&dir).map_err(|error| disk::refused(error, "list", &dir))?;
    files
        .retain(|path| path.extension().is_some_and(|end| end == "toml") && !disk::is_hidden(path));
    Ok(files)
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let Some(bytes) = private::read_trusted(path, Open::Follow)? else { return Ok(None) };
    let no_text = |_| fail(format!("{} is not UTF-8 text", path.display()), "move it aside");
    str::from_utf8(&bytes).map(|text| Some(text.to_owned())).map_err(no_text)
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
        let now = disk::read_text(&target, text.len() as u64);
        context.changed |= now.is_some_and(|now| now == text);
        written?;
    }
    Ok(())
}
