//! Problems with the files: unreadable ones, open ones, copies, git, and where they are.

use super::super::git::Git;
use super::super::installed::Fault;
use super::super::rules::Rule;
use super::super::source::Layer;
use super::super::state::{FileState, Reading};
use super::super::surroundings;
use super::{Case, Problems};
use crate::disk::tools::{LIST, MAKE_DIR, MOVE};
use crate::shell;

pub(crate) fn add(case: &Case<'_>, problems: &mut Problems) {
    readings(case, problems);
    open_files(case, problems);
    copies(case, problems);
    in_git(case, problems);
    config_dir(case, problems);
    clients(case, problems);
    if let Some(replaced) = &case.around.replaced_config {
        problems.warn(
            "legacy-config",
            format!(
                "{} is in force, and {} is not read",
                case.show(&case.state.config_file.path),
                case.show(replaced)
            ),
            format!(
                "keep one of them: the client writes to the first; see `diff {} {}`",
                case.quote(&case.state.config_file.path),
                case.quote(replaced)
            ),
        );
    }
}

fn readings(case: &Case<'_>, problems: &mut Problems) {
    let state = case.state;
    let config = &state.config_file;
    match config.reading.fault() {
        Some(what) => problems.error(
            "config-unusable",
            format!("the config {} {what}", case.show(&config.path)),
            fix(case, config),
        ),
        None if config.reading == Reading::Empty => problems.warn(
            "config-empty",
            format!("the config {} is empty", case.show(&config.path)),
            "cck set-key",
        ),
        None => {}
    }
    for (layer, file) in &state.settings_files {
        let Some(what) = file.reading.fault() else {
            continue;
        };
        let refused = *layer == Layer::Managed && state.client.has(Rule::MalformedManagedStops);
        let then = if refused {
            "the client refuses to start"
        } else {
            "the client ignores the whole file"
        };
        problems.error(
            "settings-malformed",
            format!("{} {what}; {then}", case.show(&file.path)),
            match layer {
                // It may be any file: moving it would do harm.
                Layer::Flag => "name another file in --settings, or fix this one".to_owned(),
                _ => fix(case, file),
            },
        );
    }
    if let Some(what) = state.credentials_file.reading.fault() {
        problems.warn(
            "login-unusable",
            format!("the stored login {} {what}", case.show(&state.credentials_file.path)),
            "run /login in claude",
        );
    }
}

fn fix(case: &Case<'_>, file: &FileState) -> String {
    let path = case.quote(&file.path);
    match &file.reading {
        Reading::Malformed(at) => {
            format!("either fix line {} of {path}, or {MOVE} {path} {path}.bad", at.line)
        }
        Reading::Invalid(_) => format!("fix that field of {path}"),
        Reading::Unreadable(_) => format!("{LIST} {path}; it must be yours and readable"),
        // What docker makes where the host has no such file cannot be moved.
        _ if case.around.is_mount => format!(
            "make the file on the host before the container starts, or mount a directory and set CLAUDE_CONFIG_DIR to it: {path} is a mount"
        ),
        _ => format!("{MOVE} {path} {path}.bad"),
    }
}

fn open_files(case: &Case<'_>, problems: &mut Problems) {
    let with_credentials = surroundings::with_credentials(case.state);
    let state = case.state;
    let all = [&state.config_file, &state.credentials_file]
        .into_iter()
        .chain(state.settings_files.iter().map(|(_, file)| file));
    for file in all {
        let Some(attributes) = file.attributes else {
            continue;
        };
        let path = case.quote(&file.path);
        let managed =
            file.path.starts_with(state.paths.managed_settings.parent().unwrap_or(&file.path));
        if with_credentials.contains(&file.path.as_path()) && attributes.mode & 0o077 != 0 {
            problems.error(
                "loose-mode",
                format!(
                    "{} holds a credential and is open to others (mode {:04o})",
                    case.show(&file.path),
                    attributes.mode
                ),
                format!("chmod 600 {path}"),
            );
        }
        if !managed && attributes.owner != case.around.user {
            problems.warn(
                "wrong-owner",
                format!(
                    "{} belongs to user {}, not to you",
                    case.show(&file.path),
                    attributes.owner
                ),
                format!("sudo chown \"$USER\" {path}"),
            );
        }
    }
}

fn copies(case: &Case<'_>, problems: &mut Problems) {
    let copies = &case.around.copies;
    let Some(first) = copies.first() else {
        return;
    };
    let others = match copies.len() {
        1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    problems.warn(
        "key-in-backups",
        format!("copies of the config hold a key: {}{others}", case.show(&first.path)),
        "cck unset-key --scrub takes the key out of the config and of every copy",
    );
    let open = copies
        .iter()
        .find(|copy| copy.attributes.is_some_and(|attributes| attributes.mode & 0o077 != 0));
    if let Some(copy) = open {
        problems.error(
            "loose-mode",
            format!("{} holds a key and is open to others", case.show(&copy.path)),
            format!("chmod 600 {}", case.quote(&copy.path)),
        );
    }
}

fn in_git(case: &Case<'_>, problems: &mut Problems) {
    for (path, git) in &case.around.in_git {
        let shown = case.show(path);
        let dir = case.quote(path.parent().unwrap_or(path));
        let quoted = case.quote(path);
        match git {
            Git::Tracked => problems.error(
                "tracked-by-git",
                format!(
                    "{shown} holds a credential and is tracked by git: replace the key too, if it was committed"
                ),
                format!("git -C {dir} rm --cached {quoted}"),
            ),
            Git::Addable => {
                let root = path.ancestors().skip(1).find(|dir| dir.join(".git").is_dir());
                let line = root.and_then(|root| Some((root, path.strip_prefix(root).ok()?)));
                problems.warn(
                    "not-ignored-by-git",
                    format!(
                        "{shown} holds a credential inside a git work tree that does not ignore it"
                    ),
                    match line {
                        Some((root, name)) => format!(
                            "echo {} >> {}",
                            shell::quote(&format!("/{}", name.display())),
                            case.quote(&root.join(".git/info/exclude"))
                        ),
                        None => format!("add it to .git/info/exclude: {quoted}"),
                    },
                );
            }
            Git::Ignored | Git::Unknown => {}
        }
    }
}

fn config_dir(case: &Case<'_>, problems: &mut Problems) {
    let Some(dir) = &case.state.paths.config_dir_var else {
        return;
    };
    let shown = dir.display();
    let real = case.show(&case.state.paths.claude_dir);
    if dir.starts_with("~") || dir.to_string_lossy().starts_with('~') {
        problems.error(
            "config-dir-tilde",
            format!(
                "CLAUDE_CONFIG_DIR is `{shown}`, and the client does not expand `~`: it uses {real}"
            ),
            "export CLAUDE_CONFIG_DIR=\"$HOME/…\"",
        );
    } else if !dir.has_root() {
        problems.warn(
            "config-dir-relative",
            format!("CLAUDE_CONFIG_DIR is relative (`{shown}`): it is another directory in every project, here {real}"),
            "export CLAUDE_CONFIG_DIR as an absolute path",
        );
    }
    if case.around.config_dir_is_missing {
        problems.warn(
            "config-dir-missing",
            format!("CLAUDE_CONFIG_DIR names {real}, which is not a directory"),
            format!(
                "{MAKE_DIR} {}, or unset CLAUDE_CONFIG_DIR",
                case.quote(&case.state.paths.claude_dir)
            ),
        );
    }
}

/// Files of the client's name that the shell passes over.
fn clients(case: &Case<'_>, problems: &mut Problems) {
    for (path, fault) in case.unusable_clients {
        let quoted = case.quote(path);
        let (what, fix) = match fault {
            Fault::Dangling => ("is a link to nothing", format!("rm {quoted}")),
            Fault::Directory => ("is a directory", format!("{MOVE} {quoted} {quoted}.bad")),
            Fault::NotExecutable => ("cannot be run", format!("chmod +x {quoted}")),
        };
        problems.warn("client-unusable", format!("{} {what}", case.show(path)), fix);
    }
}
