//! The Claude Code processes that are running: each sends the key that was in the config when it started.

#[cfg(target_os = "linux")]
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::Paths;
use crate::context::Context;

/// How many sessions with this config are running. Those of `cck run` do not count: they have no key of their own.
pub(crate) fn running(paths: &Paths, context: &Context) -> usize {
    let own = paths.config_dir_var.clone().or_else(|| context.home());
    let is_of_this = |vars: io::Result<Vec<String>>| {
        // One that may not be looked into is counted; one that has just started or ended has no variables.
        let vars = match vars {
            Ok(vars) if !vars.is_empty() => vars,
            result => {
                return result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            }
        };
        let var = |name: &str| {
            let value = vars.iter().find_map(|var| var.strip_prefix(name)?.strip_prefix('='));
            value.filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        var("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST").is_none()
            && var("CLAUDE_CONFIG_DIR").or_else(|| var("HOME")) == own
    };
    clients().into_iter().map(is_of_this).filter(|is_of_this| *is_of_this).count()
}

/// The variables of each client that runs, or why they cannot be seen.
#[cfg(target_os = "linux")]
fn clients() -> Vec<io::Result<Vec<String>>> {
    use crate::disk;
    use std::path::Path;

    let mut clients = Vec::new();
    for path in disk::entries(Path::new("/proc")).unwrap_or_default() {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(pid) = name.and_then(|name| name.parse().ok()) else { continue };
        if !disk::look(&path).is_ok_and(|stat| stat.uid == disk::user()) {
            continue;
        }
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        // One that has ended and is not yet taken note of has no command line.
        let args = strings(pid, "cmdline").unwrap_or_default();
        if !args.is_empty() && (name.trim_end() == "claude" || is_client(&args)) {
            clients.push(strings(pid, "environ"));
        }
    }
    clients
}

#[cfg(all(unix, not(target_os = "linux")))]
fn clients() -> Vec<io::Result<Vec<String>>> {
    let user = crate::disk::user().to_string();
    let text = ps(&["-xww", "-U", &user, "-o", "pid=,command="]);
    let process = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let pid = words.next()?.parse().ok()?;
        is_client(&words.collect::<Vec<_>>()).then(|| environment(pid))
    };
    text.unwrap_or_default().lines().filter_map(process).collect()
}

/// The variables of one, which `ps -E` shows of the user's own; of a protected program it shows none.
#[cfg(all(unix, not(target_os = "linux")))]
fn environment(pid: u32) -> io::Result<Vec<String>> {
    let text = ps(&["-Eww", "-o", "command=", "-p", &pid.to_string()])?;
    let is_hidden = !text.trim().is_empty() && variables(&text).is_empty();
    if is_hidden { Err(ErrorKind::PermissionDenied.into()) } else { Ok(variables(&text)) }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn ps(args: &[&str]) -> io::Result<String> {
    let output = std::process::Command::new("/bin/ps").args(args).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The variables in a line of `ps -E`: the command, then `NAME=value` each, with spaces between them and maybe in them.
#[cfg_attr(any(windows, target_os = "linux"), allow(dead_code, reason = "only ps needs it"))]
fn variables(line: &str) -> Vec<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut variables: Vec<String> = Vec::new();
    for word in line.trim_end().split(' ') {
        if word.split_once('=').is_some_and(|(name, _)| is_name(name)) {
            variables.push(word.to_owned());
        } else if let Some(last) = variables.last_mut() {
            *last += " ";
            *last += word;
        }
    }
    variables
}

/// Windows does not tell whose they are without a library for it.
#[cfg(windows)]
fn clients() -> Vec<io::Result<Vec<String>>> {
    Vec::new()
}

/// Whether a command line is the client's: `claude`, or a JavaScript runtime with it.
#[cfg_attr(windows, allow(dead_code, reason = "no process is listed there"))]
fn is_client(args: &[String]) -> bool {
    let name = |at: usize| args.get(at).and_then(|arg| arg.rsplit('/').next()).unwrap_or_default();
    name(0) == "claude"
        || (["node", "bun", "deno"].contains(&name(0))
            && (name(1) == "claude"
                || args.get(1).is_some_and(|arg| arg.contains("@anthropic-ai/claude-code"))))
}

/// A file of a process that has texts with an end of their own.
#[cfg(target_os = "linux")]
fn strings(pid: u32, name: &str) -> io::Result<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/{name}"))?;
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    Ok(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_known_by_its_command_line() {
        let is = |line: &str| is_client(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(is("claude -p hi") && is("/usr/bin/claude") && is("node /usr/bin/claude"));
        assert!(is("node /x/node_modules/@anthropic-ai/claude-code/cli.js -p"));
        assert!(!is("vim claude") && !is("sh -c claude") && !is("claude-wrapper") && !is(""));
    }
    #[test]
    fn a_line_of_ps_gives_the_variables() {
        let line =
            "claude -p a=b HOME=/Users/a CLAUDE_CONFIG_DIR=/Users/a/Application Support/c X=\n";
        let found = variables(line);
        let dir = "CLAUDE_CONFIG_DIR=/Users/a/Application Support/c";
        assert_eq!(found[found.len() - 3..], ["HOME=/Users/a", dir, "X="]);
        assert_eq!(variables("claude -p hi"), [""; 0]);
    }
}
