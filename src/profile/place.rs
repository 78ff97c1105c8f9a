//! Where profiles are, and whether those places can be trusted: a profile's command runs as the user, and a key goes into
//! its directory.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::context::Context;
use crate::error::fail;
use crate::os;
use crate::os::ext::{DirBuilderExt, MetadataExt};
use crate::os::fs::{FlockOperation, Mode, OFlags};
use crate::private;

/// More than this is no list of profiles.
const MAX_BYTES: u64 = 1024 * 1024;

/// The user's file.
pub(crate) fn user_file(context: &Context) -> anyhow::Result<PathBuf> {
    Ok(context.config_home()?.join("cck/profiles.toml"))
}

/// The directory of the machine's files.
pub(crate) fn system_dir(context: &Context) -> PathBuf {
    context.etc().join("cck/profiles.d")
}

/// The machine's files, by name.
pub(crate) fn system_files(context: &Context) -> anyhow::Result<Vec<PathBuf>> {
    let dir = system_dir(context);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&dir, error)),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter(|path| {
            !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    files.sort();
    Ok(files)
}

/// The text of a file of profiles; none where there is no file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let open = || {
        // Without NONBLOCK a FIFO in its place would hang us.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        os::fs::open(path, flags, Mode::empty()).map(fs::File::from)
    };
    let file = match open() {
        Ok(file) => file,
        Err(os::io::Errno::NOENT | os::io::Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(unreadable(path, error.into())),
    };
    let metadata = file.metadata().map_err(|error| unreadable(path, error))?;
    if !metadata.is_file() {
        return Err(fail(
            format!("{} is not a file", path.display()),
            "move it aside; cck profile add makes the file",
        ));
    }
    if let Some(problem) = untrusted(&metadata) {
        return Err(fail(
            format!("{} {problem}, and what it says is run as you", path.display()),
            format!("look at what is in it, then: chown and chmod go-w {}", path.display()),
        ));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(fail(
            format!("{} is larger than 1 MiB: that is no list of profiles", path.display()),
            "move it aside",
        ));
    }
    Ok(Some(text))
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot read {}", path.display()))
}

/// Whether the error says that the file is not for us.
pub(crate) fn is_denied(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Why a file or directory is not safe from others; none where it is.
fn untrusted(metadata: &fs::Metadata) -> Option<String> {
    let me = os::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        return Some(format!("belongs to another user (uid {})", metadata.uid()));
    }
    (metadata.mode() & 0o022 != 0)
        .then(|| format!("can be written by others (mode {:04o})", metadata.mode() & 0o7777))
}

/// Makes the directory, 0700, or checks the one that is there.
pub(crate) fn ready_dir(dir: &Path) -> anyhow::Result<()> {
    match fs::metadata(dir) {
        Ok(metadata) if !metadata.is_dir() => Err(fail(
            format!("the config directory {} is not a directory", dir.display()),
            "name another with --config-dir",
        )),
        Ok(metadata) => {
            let me = os::process::geteuid().as_raw();
            let problem = if metadata.uid() == me {
                untrusted(&metadata)
            } else {
                Some(format!("belongs to another user (uid {}, you are {me})", metadata.uid()))
            };
            match problem {
                None => Ok(()),
                Some(problem) => Err(fail(
                    format!("the config directory {} {problem}", dir.display()),
                    format!(
                        "make it yours alone (chmod 700 {}), or name another with --config-dir",
                        dir.display()
                    ),
                )),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
                fail(
                    format!("cannot make the config directory {}: {error}", dir.display()),
                    "name another with --config-dir",
                )
            })
        }
        Err(error) => Err(fail(
            format!("cannot look at the config directory {}: {error}", dir.display()),
            "name another with --config-dir",
        )),
    }
}

/// Changes the user's file under its lock; `None` from `decide` leaves it as it is.
pub(crate) fn update(
    context: &Context,
    decide: impl Fn(&str) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<()> {
    let file = user_file(context)?;
    let dir = file.parent().unwrap_or(&file);
    let cannot = || format!("cannot make {}", dir.display());
    DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(cannot)?;
    // Two that add at once would each write only their own. The file itself cannot be locked: it is replaced.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let lock = os::fs::open(dir.join(".profiles.lock"), flags, Mode::RUSR | Mode::WUSR)
        .with_context(|| format!("cannot lock {}", file.display()))?;
    os::fs::flock(&lock, FlockOperation::LockExclusive)
        .with_context(|| format!("cannot lock {}", file.display()))?;
    let text = read(&file)?.unwrap_or_default();
    if let Some(text) = decide(&text)? {
        // Where the file is a link into a person's dotfiles, it stays one.
        let target = os::real(&file).unwrap_or(file);
        private::write(&target, text.as_bytes())?;
    }
    Ok(())
}

/// A path of a profile: absolute, or under the home directory with `~/`.
pub(crate) fn expand(
    path: &str,
    member: &str,
    file: &Path,
    context: &Context,
) -> anyhow::Result<PathBuf> {
    let expanded = match path.strip_prefix("~/") {
        Some(rest) => context.require_home()?.join(rest),
        None => PathBuf::from(path),
    };
    if expanded.is_absolute() {
        return Ok(expanded);
    }
    Err(fail(
        format!("{}: {member} `{path}` is not absolute", file.display()),
        "write it from / or from ~/",
    ))
}
