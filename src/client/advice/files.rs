//! Problems with the files: unreadable ones, open ones, copies, git, and where they are.

use std::path::Path;

use super::Problems;
use crate::client::{Case, FileState, Layer, Reading, git::Git, installed::Fault, surroundings};
use crate::disk::tools::{LIST, MAKE_DIR, MOVE, REMOVE};
use crate::shell;

pub(super) fn add(case: &Case<'_>, found: &mut Problems) {
    readings(case, found);
    open_files(case, found);
    copies(case, found);
    for (path, git) in &case.around.in_git {
        in_git(case, path, *git, found);
    }
    config_dir(case, found);
    clients(case, found);
    if let Some(replaced) = &case.around.replaced_config {
        let (config, other) = (case.config(), case.show(replaced));
        let message = format!("{config} is in force, and {other} is not read: keep one");
        // The other holds what cck has written.
        let fix = format!("{MOVE} {0} {0}.off", case.quote(replaced));
        found.warning("legacy-config", message, fix);
    }
}

fn readings(case: &Case<'_>, found: &mut Problems) {
    let (state, config) = (case.state, case.config());
    if let Some(what) = state.config_file.reading.fault() {
        let message = format!("the config {config} {what}");
        found.error("config-unusable", message, fix(case, &state.config_file));
    } else if state.config_file.reading == Reading::Empty {
        found.warning("config-empty", format!("the config {config} is empty"), case.set_key());
    }
    if state.config.is_no_object {
        let message = format!("the config {config} is JSON, but not an object: cck cannot edit it");
        found.error("config-unusable", message, fix(case, &state.config_file));
    }
    for (layer, file) in &state.settings_files {
        let Some(what) = file.reading.fault() else { continue };
        if *layer == Layer::Flag && state.refusal.is_some() {
            // Said with the launch.
            continue;
        }
        let stop = case.decision.print.stop.as_ref();
        let stops =
            *layer == Layer::Managed && stop.is_some_and(|stop| stop.code == "managed-settings");
        let then = if stops { "refuses to start" } else { "ignores the whole file" };
        let fix = match layer {
            // It may be any file: moving it would do harm.
            Layer::Flag => "name another file in --settings, or fix this one".to_owned(),
            _ => fix(case, file),
        };
        let message = format!("{} {what}; the client {then}", case.show(&file.path));
        found.error("settings-malformed", message, fix);
    }
    let login = &state.credentials_file;
    if let Some(what) = login.reading.fault() {
        let message = format!("the stored login {} {what}", case.show(&login.path));
        found.warning("login-unusable", message, fix(case, login));
    }
}

fn fix(case: &Case<'_>, file: &FileState) -> String {
    let path = case.quote(&file.path);
    match &file.reading {
        Reading::Malformed(at) => {
            format!("either fix line {} of {path}, or {MOVE} {path} {path}.bad", at.line)
        }
        Reading::Invalid(_) => format!("fix that field of {path}"),
        Reading::Unreadable(_) => match file.attributes {
            Some(found) if found.owner != case.around.user => chown(&path),
            Some(found) if found.mode & 0o400 == 0 => format!("chmod 600 {path}"),
            _ => format!("it must be yours and readable: {LIST} {path}"),
        },
        // The directory that docker makes for a file the host lacks cannot be moved.
        _ if case.around.is_mount => {
            format!("{path} is a mount: make the file on the host, then start the container")
        }
        _ => format!("{MOVE} {path} {path}.bad"),
    }
}

fn chown(path: &str) -> String {
    format!("sudo chown \"$USER\" {path}")
}

fn open_files(case: &Case<'_>, found: &mut Problems) {
    let state = case.state;
    let with_credentials = surroundings::with_credentials(state);
    let managed = state.paths.managed_settings.parent();
    let own = [&state.config_file, &state.credentials_file].map(|file| (None, file));
    let settings = state.settings_files.iter().map(|(layer, file)| (Some(*layer), file));
    for (layer, file) in own.into_iter().chain(settings) {
        let Some(attributes) = file.attributes else { continue };
        let (shown, path, mode) = (case.show(&file.path), case.quote(&file.path), attributes.mode);
        if with_credentials.contains(&file.path.as_path()) && file.is_loose() {
            let message = format!("{shown} holds a credential, open to others (mode {mode:04o})");
            found.error("loose-mode", message, format!("chmod 600 {path}"));
        }
        // What --settings names may be anyone's.
        let may_be_anyones =
            layer == Some(Layer::Flag) || managed.is_none_or(|dir| file.path.starts_with(dir));
        if !may_be_anyones && attributes.owner != case.around.user {
            let message = format!("{shown} belongs to user {}, not to you", attributes.owner);
            found.warning("wrong-owner", message, chown(&path));
        }
    }
}

fn copies(case: &Case<'_>, found: &mut Problems) {
    let copies = &case.around.copies;
    let Some(first) = copies.first() else { return };
    let others = match copies.len() {
        1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    let message = format!("copies of the config hold a key: {}{others}", case.show(&first.path));
    let all: Vec<String> = copies.iter().map(|copy| case.quote(&copy.path)).collect();
    // Not `--scrub`: that would remove the key from the config, too, and leaves a copy with another key.
    found.warning("key-in-backups", message, format!("{REMOVE} {}", all.join(" ")));
    if let Some(copy) = copies.iter().find(|copy| copy.is_loose()) {
        let message = format!("{} holds a key and is open to others", case.show(&copy.path));
        found.error("loose-mode", message, format!("chmod 600 {}", case.quote(&copy.path)));
    }
}

fn in_git(case: &Case<'_>, path: &Path, git: Git, found: &mut Problems) {
    let (shown, quoted) = (case.show(path), case.quote(path));
    if git == Git::Tracked {
        let message = format!("{shown} holds a credential in git: replace it if it was committed");
        let dir = case.quote(path.parent().unwrap_or(path));
        // -f: what is staged may be neither the file nor the commit.
        found.error("tracked-by-git", message, format!("git -C {dir} rm -f --cached {quoted}"));
        return;
    }
    let message = format!("{shown} holds a credential, and git does not ignore it");
    let root = path.ancestors().skip(1).find(|dir| dir.join(".git").is_dir());
    let fix = match root.and_then(|root| Some((root, path.strip_prefix(root).ok()?))) {
        Some((root, name)) => {
            let line = shell::quote(&format!("/{}", name.display()));
            format!("echo {line} >> {}", case.quote(&root.join(".git/info/exclude")))
        }
        None => format!("add it to .git/info/exclude: {quoted}"),
    };
    found.warning("not-ignored-by-git", message, fix);
}

fn config_dir(case: &Case<'_>, found: &mut Problems) {
    const UNSET: &str = "unset CLAUDE_CONFIG_DIR";
    let paths = &case.state.paths;
    let real = case.show(&paths.claude_dir);
    let export = |dir: &Path| format!("export CLAUDE_CONFIG_DIR={}", shell::word(dir.display()));
    let message = |what: &str| format!("CLAUDE_CONFIG_DIR is {what}: the client uses {real}");
    if case.around.config_dir_is_empty {
        found.warning("config-dir-empty", message("set and empty"), UNSET);
    }
    let Some(dir) = &paths.config_dir_var else { return };
    if dir.to_string_lossy().starts_with('~') {
        let fix = match dir.strip_prefix("~").ok().zip(case.state.facts.home.as_ref()) {
            Some((rest, home)) => export(&home.join(rest)),
            None => UNSET.to_owned(),
        };
        found.error("config-dir-tilde", message("taken as it is, with its `~`"), fix);
    } else if dir.is_relative() {
        let fix = format!("either {UNSET}, or {}", export(&paths.claude_dir));
        let what = "relative, so another directory in every project";
        found.warning("config-dir-relative", message(what), fix);
    }
    if case.around.config_dir_is_missing {
        let fix = format!("either {MAKE_DIR} {}, or {UNSET}", case.quote(&paths.claude_dir));
        found.warning("config-dir-missing", message("not a directory"), fix);
    }
}

/// Files of the client's name that the shell passes over.
fn clients(case: &Case<'_>, found: &mut Problems) {
    for (path, fault) in case.unusable_clients {
        let quoted = case.quote(path);
        let (what, fix) = match fault {
            Fault::Dangling => ("is a link to nothing", format!("rm {quoted}")),
            Fault::Directory => ("is a directory", format!("{MOVE} {quoted} {quoted}.bad")),
            Fault::Special => ("is not a regular file", format!("{MOVE} {quoted} {quoted}.bad")),
            Fault::NotExecutable => ("cannot be run", format!("chmod +x {quoted}")),
        };
        // Something else that was named stays as it is.
        let is_client = path.file_stem().is_some_and(|name| name == "claude");
        let fix = if is_client { fix } else { "name a program that starts Claude Code".to_owned() };
        found.warning("client-unusable", format!("{} {what}", case.show(path)), fix);
    }
}
