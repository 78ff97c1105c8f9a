//! What a lister of processes sees: the arguments and the environment of everything that cck starts, by strace.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use crate::sandbox::{KEY, OTHER, Sandbox};
use crate::{holds_key, skip};

/// One start of a program, as strace writes it.
struct Start {
    /// The whole line of the arguments.
    args: String,
    /// The environment.
    vars: String,
}

/// Every program that is started when cck runs with these arguments; `None` where strace is not allowed.
fn starts(
    sandbox: &Sandbox,
    args: &[&str],
    vars: &[(&str, &str)],
    stdin: &str,
) -> Option<Vec<Start>> {
    let log = sandbox.project().join("strace.log");
    let input = sandbox.lay("input", stdin);
    let run = Command::new("strace")
        .args(["-f", "-v", "-s", "100000", "-e", "trace=execve,execveat,prctl"])
        // cck keeps other processes of the user from reading its memory, and its child's before that is another program.
        // strace would show addresses where the arguments are, unless it skips that call.
        .args(["-e", "inject=prctl:retval=0", "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_cck"))
        .args(args)
        .env_clear()
        .env("HOME", sandbox.home())
        .env("XDG_RUNTIME_DIR", sandbox.runtime())
        .env("PATH", "/usr/bin:/bin")
        .envs(vars.iter().copied())
        .current_dir(sandbox.project())
        .stdin(if stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::from(fs::File::open(&input).unwrap())
        })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let text = fs::read_to_string(&log).unwrap_or_default();
    fs::remove_file(&input).unwrap();
    if !text.contains("execve(") {
        skip::without(&format!("strace ({run:?})"));
        return None;
    }
    assert!(!text.contains("execve(0x"), "strace cannot see the arguments: {text}");
    // The first is cck itself.
    let lines =
        text.lines().filter(|line| line.contains("execve") && !line.contains("ENOENT")).skip(1);
    Some(
        lines
            .map(|line| {
                let (args, vars) = line.split_once("], [").unwrap_or((line, ""));
                Start { args: args.to_owned(), vars: vars.to_owned() }
            })
            .collect(),
    )
}

/// No command puts a key into the arguments of a program that it starts, wherever the key comes from.
#[test]
fn no_child_has_the_key_in_its_arguments() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", format!("{{\"primaryApiKey\": \"{OTHER}\"}}"));
    let file = sandbox.lay("key", KEY);
    let print = format!("cat {}", file.display());
    let profile = format!(
        "[profiles.acme]\nkey-command = '{print}'\n[profiles.dev]\nkey-env = 'K'\ngroups = ['no-such-group']\n"
    );
    sandbox.lay(".config/cck/profiles.toml", profile);
    let commands: [(&[&str], &str); 14] = [
        (&["set-key", "--stdin"], KEY),
        (&["set-key", "--key-command", &print], ""),
        (&["helper", "show"], ""),
        (&["approve", "--key-env", "K"], ""),
        (&["verify", "--run-helper"], ""),
        (&["verify", "--json"], ""),
        (&["unset-key", "--scrub"], ""),
        (&["undo"], ""),
        (&["get-key", "--profile", "acme", "--ttl", "1"], ""),
        (&["get-key", "--profile", "dev"], ""),
        (&["helper", "install", "--profile", "acme"], ""),
        (&["profile", "list"], ""),
        (&["run", "--stdin", "--", "true"], KEY),
        (&["run", "--profile", "acme", "--", "sh", "-c", "true"], ""),
    ];
    let mut started = 0;
    for (args, stdin) in commands {
        let Some(starts) = starts(&sandbox, args, &[("K", KEY)], stdin) else {
            return;
        };
        started += starts.len();
        for start in starts {
            assert!(!holds_key(&start.args), "{args:?} starts {}", start.args);
        }
    }
    assert!(started >= 8, "only {started} programs were started");
}

/// The command of `cck run` has neither the key nor another credential in its environment but the session's token, and
/// the program that looks groups up has none of the environment.
#[test]
fn children_get_no_key_that_is_not_theirs() {
    let sandbox = Sandbox::new();
    sandbox.lay(
        ".config/cck/profiles.toml",
        "[profiles.dev]\nkey-env = 'K'\ngroups = ['no-such-group']\n",
    );
    let vars = [
        ("ANTHROPIC_API_KEY", OTHER),
        ("ANTHROPIC_AUTH_TOKEN", OTHER),
        ("CLAUDE_CODE_OAUTH_TOKEN", OTHER),
    ];
    let Some(run) = starts(&sandbox, &["run", "--stdin", "--", "true"], &vars, KEY) else {
        return;
    };
    assert!(!run.is_empty());
    for start in &run {
        assert!(start.vars.contains("ANTHROPIC_UNIX_SOCKET"), "{}", start.vars);
        assert!(!holds_key(&start.vars), "cck run gives {}", start.vars);
    }
    let named = [("K", KEY), ("ANTHROPIC_API_KEY", OTHER)];
    let getent = starts(&sandbox, &["profile", "list"], &named, "").unwrap();
    assert!(getent.iter().any(|start| start.args.contains("getent")), "no group was looked up");
    for start in &getent {
        assert!(!holds_key(&start.vars), "getent gets {}", start.vars);
    }
}

/// `--key` is seen in `ps`: cck says so.
#[test]
fn a_key_on_the_command_line_gets_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key", "--key", KEY]).run().code(0).err(&["warning:", "visible in `ps`"]);
}
