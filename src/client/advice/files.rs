//! Problems with the files: unreadable ones, open ones, copies, git, and where they are.

use std::path::Path;

use crate::client::{
    Case, FileState, Layer, Problem, Reading, Rule, git::Git, installed::Fault, surroundings,
};
use crate::disk::tools::{LIST, MAKE_DIR, MOVE, REMOVE};
use crate::shell;

pub(crate) fn add(case: &Case<'_>, problems: &mut Vec<Problem>) {
    readings(case, problems);
    open_files(case, problems);
    copies(case, problems);
    problems.extend(case.around.in_git.iter().map(|(path, git)| in_git(case, path, *git)));
    config_dir(case, problems);
    problems.extend(case.unusable_clients.iter().map(|(path, fault)| client(case, path, *fault)));
    if let Some(replaced) = &case.around.replaced_config {
        let config = &case.state.config_file.path;
        problems.push(Problem::warning(
            "legacy-config",
            format!(
                "{} is in force, and written to, and {} is not read: keep one of them",
                case.show(config),
                case.show(replaced)
            ),
            // The other holds what cck has written.
            format!("{MOVE} {0} {0}.off", case.quote(replaced)),
        ));
    }
}

fn readings(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let state = case.state;
    let (config, shown) = (&state.config_file, case.config());
    if let Some(what) = config.reading.fault() {
        let message = format!("the config {shown} {what}");
        problems.push(Problem::error("config-unusable", message, fix(case, config)));
    } else if config.reading == Reading::Empty {
        let message = format!("the config {shown} is empty");
        problems.push(Problem::warning("config-empty", message, case.set_key()));
    }
    for (layer, file) in &state.settings_files {
        let Some(what) = file.reading.fault() else { continue };
        let stops = *layer == Layer::Managed && state.client.has(Rule::MalformedManagedStops);
        let then = if stops { "refuses to start" } else { "ignores the whole file" };
        let fix = match layer {
            // It may be any file: moving it would do harm.
            Layer::Flag => "name another file in --settings, or fix this one".to_owned(),
            _ => fix(case, file),
        };
        let message = format!("{} {what}; the client {then}", case.show(&file.path));
        problems.push(Problem::error("settings-malformed", message, fix));
    }
    if let Some(what) = state.credentials_file.reading.fault() {
        let message =
            format!("the stored login {} {what}", case.show(&state.credentials_file.path));
        let fix = fix(case, &state.credentials_file);
        problems.push(Problem::warning("login-unusable", message, fix));
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
        _ if case.around.is_mount => format!(
            "make the file on the host before the container starts, or mount a directory and set CLAUDE_CONFIG_DIR to it: {path} is a mount"
        ),
        _ => format!("{MOVE} {path} {path}.bad"),
    }
}

fn chown(path: &str) -> String {
    format!("sudo chown \"$USER\" {path}")
}

fn open_files(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let state = case.state;
    let with_credentials = surroundings::with_credentials(state);
    let managed = state.paths.managed_settings.parent();
    let files = [&state.config_file, &state.credentials_file]
        .into_iter()
        .chain(state.settings_files.iter().map(|(_, file)| file));
    for file in files {
        let Some(attributes) = file.attributes else { continue };
        let (shown, path, mode) = (case.show(&file.path), case.quote(&file.path), attributes.mode);
        if with_credentials.contains(&file.path.as_path()) && mode & 0o077 != 0 {
            problems.push(Problem::error(
                "loose-mode",
                format!("{shown} holds a credential and is open to others (mode {mode:04o})"),
                format!("chmod 600 {path}"),
            ));
        }
        let is_managed = managed.is_none_or(|dir| file.path.starts_with(dir));
        if !is_managed && attributes.owner != case.around.user {
            problems.push(Problem::warning(
                "wrong-owner",
                format!("{shown} belongs to user {}, not to you", attributes.owner),
                chown(&path),
            ));
        }
    }
}

fn copies(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let copies = &case.around.copies;
    let Some(first) = copies.first() else { return };
    let others = match copies.len() {
        1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    let all: Vec<String> = copies.iter().map(|copy| case.quote(&copy.path)).collect();
    problems.push(Problem::warning(
        "key-in-backups",
        format!("copies of the config hold a key: {}{others}", case.show(&first.path)),
        // Not `--scrub`: that would remove the key from the config, too, and leaves a copy with another key.
        format!("{REMOVE} {}", all.join(" ")),
    ));
    let is_open =
        |copy: &&FileState| copy.attributes.is_some_and(|attributes| attributes.mode & 0o077 != 0);
    problems.extend(copies.iter().find(is_open).map(|copy| {
        let message = format!("{} holds a key and is open to others", case.show(&copy.path));
        Problem::error("loose-mode", message, format!("chmod 600 {}", case.quote(&copy.path)))
    }));
}

fn in_git(case: &Case<'_>, path: &Path, git: Git) -> Problem {
    let (shown, quoted) = (case.show(path), case.quote(path));
    match git {
        Git::Tracked => Problem::error(
            "tracked-by-git",
            format!(
                "{shown} holds a credential and is tracked by git: replace the key too, if it was committed"
            ),
            // -f: what is staged may be neither the file nor the commit.
            format!("git -C {} rm -f --cached {quoted}", case.quote(path.parent().unwrap_or(path))),
        ),
        Git::Addable => {
            let root = path.ancestors().skip(1).find(|dir| dir.join(".git").is_dir());
            let below = root.and_then(|root| Some((root, path.strip_prefix(root).ok()?)));
            let fix = match below {
                Some((root, name)) => format!(
                    "echo {} >> {}",
                    shell::quote(&format!("/{}", name.display())),
                    case.quote(&root.join(".git/info/exclude"))
                ),
                None => format!("add it to .git/info/exclude: {quoted}"),
            };
            let message = format!(
                "{shown} holds a credential inside a git work tree that does not ignore it"
            );
            Problem::warning("not-ignored-by-git", message, fix)
        }
    }
}

fn config_dir(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let paths = &case.state.paths;
    let real = case.show(&paths.claude_dir);
    if case.around.config_dir_is_empty {
        problems.push(Problem::warning(
            "config-dir-empty",
            format!("CLAUDE_CONFIG_DIR is set and empty: the client takes its settings and login from the working directory, {real}"),
            "unset CLAUDE_CONFIG_DIR",
        ));
    }
    let Some(dir) = &paths.config_dir_var else { return };
    let shown = dir.display();
    if dir.to_string_lossy().starts_with('~') {
        let below = dir.strip_prefix("~").ok().zip(case.home);
        let fix = below.map_or_else(
            || "unset CLAUDE_CONFIG_DIR".to_owned(),
            |(rest, home)| export_config_dir(&Path::new(home).join(rest)),
        );
        problems.push(Problem::error(
            "config-dir-tilde",
            format!(
                "CLAUDE_CONFIG_DIR is `{shown}`, and the client does not expand `~`: it uses {real}"
            ),
            fix,
        ));
    } else if dir.is_relative() {
        problems.push(Problem::warning(
            "config-dir-relative",
            format!("CLAUDE_CONFIG_DIR is relative (`{shown}`): it is another directory in every project, here {real}"),
            format!("either unset CLAUDE_CONFIG_DIR, or {}", export_config_dir(&paths.claude_dir)),
        ));
    }
    if case.around.config_dir_is_missing {
        let dir = case.quote(&paths.claude_dir);
        problems.push(Problem::warning(
            "config-dir-missing",
            format!("CLAUDE_CONFIG_DIR names {real}, which is not a directory"),
            format!("either {MAKE_DIR} {dir}, or unset CLAUDE_CONFIG_DIR"),
        ));
    }
}

fn export_config_dir(dir: &Path) -> String {
    format!("export CLAUDE_CONFIG_DIR={}", shell::word(dir.display()))
}

/// A file of the client's name that the shell passes over.
fn client(case: &Case<'_>, path: &Path, fault: Fault) -> Problem {
    let quoted = case.quote(path);
    let (what, fix) = match fault {
        Fault::Dangling => ("is a link to nothing", format!("rm {quoted}")),
        Fault::Directory => ("is a directory", format!("{MOVE} {quoted} {quoted}.bad")),
        Fault::NotExecutable => ("cannot be run", format!("chmod +x {quoted}")),
    };
    Problem::warning("client-unusable", format!("{} {what}", case.show(path)), fix)
}
