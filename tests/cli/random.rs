//! Random arguments, variables and files: whatever cck is given, it ends soon, with an exit code that is true, and shows no
//! key. `CCK_TEST_SEED` repeats a run, `CCK_TEST_SECONDS` makes it longer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::rng::Rng;
use crate::sandbox::{KEY, OTHER, Sandbox};
use crate::support::scale;

const TOKEN: &str =
    "sk-ant-oat01-TOKENaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPqrst";

/// Commands, with their options where these need no more than a value.
const COMMANDS: &[&[&str]] = &[
    &["set-key"],
    &["unset-key"],
    &["unset-key", "--scrub"],
    &["rotate"],
    &["approve"],
    &["approve", "--revoke"],
    &["undo"],
    &["undo", "--force"],
    &["audit"],
    &["audit", "--check"],
    &["verify"],
    &["verify", "--verbose", "--run-helper"],
    &["verify", "--", "claude", "-p"],
    &["helper", "install"],
    &["helper", "remove"],
    &["helper", "show"],
    &["profile", "add"],
    &["profile", "list"],
    &["profile", "show"],
    &["profile", "remove"],
    &["usage"],
    &["get-key"],
    &["run", "--dry-run"],
    &[],
];

const OPTIONS: &[&str] = &[
    "--json",
    "--dry-run",
    "--stdin",
    "--key-env",
    "--key-file",
    "--key-command",
    "--key",
    "--profile",
    "--config-file",
    "--lock-timeout",
    "--onboarding-version",
    "--any-shape",
    "--mode",
    "--as",
    "--expect",
    "--expect-host",
    "--project",
    "--client-version",
    "--quiet",
    "--since",
    "--by",
    "--warn",
    "--fail",
    "--ttl",
    "--timeout",
    "--base-url",
    "--budget",
    "--allow-model",
    "-n",
    "--file",
    "--config-dir",
    "--settings",
    "--require-audit",
    "--",
    "--help",
    "--no-such",
];

const VARIABLES: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_CODE_SIMPLE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_USE_BEDROCK",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "CCK_PLATFORM",
    "COLUMNS",
    "TERM",
    "HOME",
    "PATH",
    "K",
];

/// Files under the home directory, and what they may hold beside what every file may.
const FILES: &[(&str, &[&str])] = &[
    (
        ".claude.json",
        &[
            "{\"primaryApiKey\":\"OTHER\",\"hasCompletedOnboarding\":true}",
            "{\"primaryApiKey\":{\"a\":1},\"customApiKeyResponses\":{\"approved\":\"x\"}}",
            "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://h.example\"},\"projects\":{}}",
        ],
    ),
    (
        ".claude/settings.json",
        &[
            "{\"env\":{\"ANTHROPIC_API_KEY\":\"OTHER\"}}",
            "{\"apiKeyHelper\":\"echo KEY\",\"forceLoginMethod\":\"console\"}",
        ],
    ),
    (
        ".claude/.credentials.json",
        &[
            "{\"claudeAiOauth\":{\"accessToken\":\"TOKEN\",\"scopes\":[\"user:inference\"],\"expiresAt\":1}}",
        ],
    ),
    (".claude/backups/.claude.json.backup.1", &["{\"primaryApiKey\":\"OTHER\"}"]),
    (
        ".config/cck/profiles.toml",
        &[
            "[profiles.p]\nkey-env = \"K\"\nbudget = [\"1usd/day\"]\n",
            "[profiles.p]\nkey-command = \"echo KEY\"\n",
        ],
    ),
    (".config/cck/prices.toml", &["[models.\"x\"]\ninput = 1\n"]),
    (".local/state/cck/audit.jsonl", &["{\"seq\":1}\n{\"se"]),
    (".local/state/cck/calls.jsonl", &["{\"time\":1}\n{\"se"]),
    ("key", &["KEY\n", "KEY", "KEY KEY"]),
];

/// What any argument, variable or file may be: words that name something, and words that go wrong.
const WORDS: &[&str] = &[
    "",
    " ",
    "-",
    "--",
    "-1",
    "0",
    "1",
    "18446744073709551616",
    "NaN",
    "1usd/day",
    "7d",
    "null",
    "true",
    "{}",
    "[]",
    "{",
    "\u{feff}{}",
    "a\nb",
    "\u{202e}x",
    "~",
    "~/x",
    ".",
    "..",
    "/dev/null",
    "/dev/full",
    "key",
    "p",
    "K",
    "print",
    "vscode",
    "macos",
    "2.1.332",
    "0.2",
    "any",
    "config.primaryApiKey",
    "https://h.example",
    "http://[::1",
    "x-api-key: KEY",
    "KEY",
    "OTHER",
    "TOKEN",
    "\"KEY\"",
    "echo KEY",
    "sk-ant-",
    "é",
    "%s%n",
    "$(touch pwned)",
    "`touch pwned`",
    "'",
    "xterm",
    "40",
];

fn filled(text: &str) -> String {
    text.replace("OTHER", OTHER).replace("KEY", KEY).replace("TOKEN", TOKEN)
}

fn word(rng: &mut Rng) -> String {
    match rng.chance(2) {
        true => "x".repeat(70_000),
        false => filled(rng.pick::<&str>(WORDS)),
    }
}

/// What every file under a directory holds, without cck's own state; `None` for what is not a file.
fn snapshot(dir: &Path, found: &mut BTreeMap<std::path::PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if path.ends_with(".local") {
            continue;
        }
        if kind.is_dir() {
            snapshot(&path, found);
        }
        found.insert(path.clone(), kind.is_file().then(|| fs::read(&path).unwrap()));
    }
}

fn contents(sandbox: &Sandbox) -> BTreeMap<std::path::PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    snapshot(&sandbox.home(), &mut found);
    snapshot(&sandbox.project(), &mut found);
    found
}

/// Lays random files, of every kind.
fn lay(sandbox: &Sandbox, rng: &mut Rng) {
    for (path, usual) in FILES {
        let full = sandbox.home().join(path);
        if !rng.chance(60) {
            continue;
        }
        if !rng.chance(10) {
            let text = if rng.chance(75) { filled(rng.pick::<&str>(usual)) } else { word(rng) };
            sandbox.lay(path, text);
            continue;
        }
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        match rng.pick(&[0, 1, 2]) {
            0 => fs::create_dir_all(&full).unwrap(),
            1 => std::os::unix::fs::symlink("/nowhere/at/all", &full).unwrap(),
            _ => rustix::fs::mknodat(
                rustix::fs::CWD,
                &full,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::from_raw_mode(0o600),
                0,
            )
            .unwrap(),
        }
    }
    if rng.chance(30) {
        let settings = sandbox.project().join(".claude/settings.json");
        fs::create_dir_all(settings.parent().unwrap()).unwrap();
        fs::write(settings, filled("{\"env\":{\"ANTHROPIC_BASE_URL\":\"http://127.0.0.1:9\"}}"))
            .unwrap();
    }
}

/// One run; what is wrong with how it went.
fn tried(seed: u64, index: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed, index);
    let sandbox = Sandbox::new();
    lay(&sandbox, &mut rng);
    let mut args: Vec<String> = rng.pick(COMMANDS).iter().map(ToString::to_string).collect();
    let reveals = args.first().is_some_and(|arg| arg == "get-key");
    while rng.chance(55) {
        args.push((*rng.pick(OPTIONS)).to_owned());
        if rng.chance(60) {
            args.push(word(&mut rng));
        }
    }
    if rng.chance(25) {
        args.push(word(&mut rng));
    }
    // An exec that the system refuses says nothing of cck.
    args.retain(|arg| !arg.contains('\0'));
    let mut cck = sandbox.cck(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let mut env = Vec::new();
    while rng.chance(60) {
        let (name, value) = (*rng.pick(VARIABLES), word(&mut rng));
        cck = match rng.chance(3) {
            true => cck.env(name, std::ffi::OsStr::from_bytes(b"\xff\xfe")),
            false => cck.env(name, &value),
        };
        env.push((name, value));
    }
    let before = contents(&sandbox);
    let out = tempfile::NamedTempFile::new().unwrap();
    let err = tempfile::NamedTempFile::new().unwrap();
    let mut command = cck.command();
    command.stdin(match rng.chance(50) {
        true => Stdio::null(),
        false => {
            let input = tempfile::NamedTempFile::new().unwrap();
            fs::write(input.path(), word(&mut rng)).unwrap();
            File::open(input.path()).unwrap().into()
        }
    });
    let (stdout, stderr) = (File::create(out.path()).unwrap(), File::create(err.path()).unwrap());
    let mut child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > Duration::from_secs(30) => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let (out, err) = (fs::read(out.path()).unwrap(), fs::read(err.path()).unwrap());
    let said = format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    let wrong = |what: &str| {
        let short = |text: &str| text.chars().take(3000).collect::<String>();
        Err(format!("{index}: {what}: {status} {args:.200?} {env:.200?}\n{}", short(&said)))
    };
    let Some(code @ 0..=2) = status.code() else { return wrong("how it ended") };
    if std::str::from_utf8(&out).is_err() || std::str::from_utf8(&err).is_err() {
        return wrong("not UTF-8");
    }
    let shown = if reveals { String::from_utf8_lossy(&err).into_owned() } else { said.clone() };
    if [KEY, OTHER, TOKEN].iter().any(|key| shown.contains(&key[20..60])) {
        return wrong("a key is shown");
    }
    if code == 2 && !said.contains("error: ") {
        return wrong("no error is named");
    }
    let after = contents(&sandbox);
    if code == 2 && after != before {
        let differs: Vec<_> = after
            .iter()
            .filter(|(path, held)| before.get(*path) != Some(held))
            .map(|(path, _)| path)
            .collect();
        return wrong(&format!("2, and yet changed {differs:?}"));
    }
    if after.keys().any(|path| path.ends_with("pwned")) {
        return wrong("a value was run");
    }
    let parses = |held: &Option<Vec<u8>>| {
        held.as_ref().is_some_and(|held| serde_json::from_slice::<serde_json::Value>(held).is_ok())
    };
    for (path, held) in after.iter().filter(|(path, held)| before.get(*path) != Some(held)) {
        if before.get(path).is_some_and(parses) && !parses(held) {
            return wrong(&format!("{} was damaged", path.display()));
        }
        let has_key = held.as_ref().is_some_and(|held| {
            [KEY, OTHER].iter().any(|key| String::from_utf8_lossy(held).contains(key))
        });
        if has_key && crate::sandbox::mode(path) & 0o077 != 0 {
            return wrong(&format!("{} can be read by others", path.display()));
        }
    }
    Ok(())
}

#[test]
fn random_arguments_variables_and_files_lead_to_no_surprise() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let seed = number("CCK_TEST_SEED").unwrap_or(now);
    let start = Instant::now();
    let long = number("CCK_TEST_SECONDS").map(Duration::from_secs);
    let only = number("CCK_TEST_INDEX");
    let mut wrong = Vec::new();
    let mut index = only.unwrap_or(0);
    while long.map_or(index < scale::part(1500) as u64, |long| start.elapsed() < long)
        || only == Some(index)
    {
        wrong.extend(tried(seed, index).err());
        index += 1;
        if only.is_some() || wrong.len() > 20 {
            break;
        }
    }
    println!("seed {seed}: {index} runs, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "seed {seed}\n{}", wrong.join("\n\n"));
}
