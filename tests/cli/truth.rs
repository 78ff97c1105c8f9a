//! The recorded truth: what real clients sent in given states, against what cck says they send.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cck::client::Client;
use cck::client::decision::{Candidate, Decision, Dialog, Header, Mode, Standing};
use cck::client::gather::{gather, run_helper, run_policy_helper};
use cck::client::launch::Launch;
use cck::client::resolve::resolve;
use cck::client::source::Source;
use cck::context::Context;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Truth {
    client: String,
    mode: String,
    rows: Vec<Row>,
}

/// A recorded state, and what the client did in it.
#[derive(Deserialize)]
pub struct Row {
    id: Value,
    state: Laid,
    sent: bool,
    x_api_key: Option<String>,
    authorization: Option<String>,
    approval_dialog: bool,
}

#[derive(Clone, Deserialize)]
pub struct Laid {
    env: serde_json::Map<String, Value>,
    home: serde_json::Map<String, Value>,
    project: serde_json::Map<String, Value>,
    managed: Option<Value>,
    /// Where below the project the client was started.
    #[serde(default)]
    below: String,
    /// The client's arguments, before the prompt.
    #[serde(default)]
    args: Vec<String>,
    /// What the server has for the organization, or the status without any; the client is then asked with the default host.
    #[serde(default)]
    server: Option<Value>,
    /// Files under `/etc/claude-code`, where the row has others than the one of `managed`.
    #[serde(default)]
    etc: serde_json::Map<String, Value>,
}

impl Row {
    /// What a client was seen to do: its two headers, each a source, `-` where it was not sent, `!` where it held no
    /// credential; then `asks`, where it asked about the key.
    pub fn seen(id: &str, state: &Laid, seen: &[String]) -> Row {
        let header = |at: usize| match seen[at].as_str() {
            "-" => None,
            "!" => Some("invalid".to_owned()),
            source => Some(source.to_owned()),
        };
        let (key, token) = (header(0), header(1));
        Row {
            id: id.into(),
            state: state.clone(),
            sent: key.is_some() || token.is_some(),
            x_api_key: key,
            authorization: token,
            approval_dialog: seen.get(2).is_some_and(|word| word == "asks"),
        }
    }
}

/// Every file of the recorded truth, one test each so that they run side by side.
macro_rules! truths {
    ($($name:ident: $file:literal,)*) => {
        $(#[test] fn $name() { check($file, include_str!(concat!("../data/truth/", $file))); })*

        #[test]
        fn every_file_is_checked() {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/truth");
            let mut there: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            there.sort();
            // Those of Windows are tried where there is one.
            let mut tried = vec![$($file,)* "windows.json"];
            tried.extend(crate::recorded::FILES.iter().map(|(name, _)| *name));
            tried.sort_unstable();
            assert_eq!(there, tried);
        }
    };
}

truths! {
    v0_2_109_print: "0.2.109-print.json",
    v1_0_128_print_odd: "1.0.128-print-odd.json",
    v1_0_128_print: "1.0.128-print.json",
    v2_0_77_interactive_odd: "2.0.77-interactive-odd.json",
    v2_0_77_interactive: "2.0.77-interactive.json",
    v2_0_77_print_odd: "2.0.77-print-odd.json",
    v2_0_77_print: "2.0.77-print.json",
    v2_1_330_interactive_hard: "2.1.330-interactive-hard.json",
    v2_1_330_interactive_odd: "2.1.330-interactive-odd.json",
    v2_1_330_interactive: "2.1.330-interactive.json",
    v2_1_330_print_hard: "2.1.330-print-hard.json",
    v2_1_330_print_observed: "2.1.330-print-observed.json",
    v2_1_330_print_odd: "2.1.330-print-odd.json",
    v2_1_330_print: "2.1.330-print.json",
}

fn check(file: &str, text: &str) {
    let truth: Truth = serde_json::from_str(text).unwrap();
    let client = truth.client.parse().unwrap();
    let mode = match truth.mode.as_str() {
        "print" => Mode::Print,
        "interactive" => Mode::Interactive,
        other => panic!("{file}: mode {other}"),
    };
    let wrong: Vec<String> =
        truth.rows.iter().filter_map(|row| disagreement(row, client, mode)).collect();
    assert!(
        wrong.is_empty(),
        "{file}: {} of {} rows disagree\n{}",
        wrong.len(),
        truth.rows.len(),
        wrong.join("\n")
    );
}

pub fn disagreement(row: &Row, client: Client, mode: Mode) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let place = |name| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, project, etc) = (place("home"), place("project"), place("etc"));
    for dir in [&home, &project, &etc] {
        fs::create_dir(dir).unwrap();
    }
    let expand = |text: &str| {
        text.replace("$HOME", &home)
            .replace("$PROJECT", &project)
            .replace("$2MIB", &" ".repeat(2 << 20))
    };
    let lay = |root: &str, path: &str, content: &Value| {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        let path = Path::new(root).join(path);
        if content.is_null() {
            return fs::create_dir_all(path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expand(&text)).unwrap();
        // As the clients write them; of some they demand it.
        let mode = if text.starts_with("#!") { 0o700 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (root, files) in [(&home, &row.state.home), (&project, &row.state.project)] {
        for (path, content) in files {
            lay(root, path, content);
        }
    }
    if let Some(managed) = &row.state.managed {
        lay(&etc, "claude-code/managed-settings.json", managed);
    }
    for (path, content) in &row.state.etc {
        lay(&etc, &format!("claude-code/{path}"), content);
    }
    let env: Vec<(String, String)> = row
        .state
        .env
        .iter()
        .map(|(name, value)| (name.clone(), expand(value.as_str().unwrap())))
        .collect();
    let mut vars: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
    vars.push(("HOME", &home));
    // Where the client was asked, so that it sent nothing to the default host.
    if !row.state.env.contains_key("ANTHROPIC_BASE_URL") && row.state.server.is_none() {
        vars.push(("ANTHROPIC_BASE_URL", "http://127.0.0.1:18080"));
    }
    let cwd = Path::new(&project).join(&row.state.below);
    fs::create_dir_all(&cwd).unwrap();
    let context = Context::for_test(&[], &vars, &cwd, Path::new(&etc));
    let launch = match row.state.args.as_slice() {
        [] => Launch::default(),
        args => {
            let line: Vec<_> = args.iter().map(|arg| expand(arg).into()).collect();
            Launch::parse(&line, client)
        }
    };

    let mut state = gather(&context, client, &launch, None, None).unwrap();
    if let Some(server) = &row.state.server
        && state.hears_server()
    {
        let settings = server.is_object().then(|| server.to_string().into_bytes().into());
        state.update(|facts| {
            facts.last_settings = std::mem::replace(&mut facts.server_settings, settings);
        });
    }
    run_policy_helper(&mut state).unwrap();
    run_helper(&mut state).unwrap();
    let decision = resolve(&state);
    if let Some(wrong) = contradiction(&decision) {
        return Some(format!("row {}: {wrong}", row.id));
    }
    let outcome = decision.outcome(mode);
    let header = |header: &Header| match header {
        Header::Absent => None,
        Header::From(source, _) => Some(source.to_string()),
        Header::Invalid(_) => Some("invalid".to_owned()),
    };
    let said = (
        outcome.sends,
        header(&outcome.x_api_key),
        header(&outcome.authorization),
        outcome.dialogs.contains(&Dialog::ApproveEnvKey),
    );
    let seen = (row.sent, row.x_api_key.clone(), row.authorization.clone(), row.approval_dialog);
    (said != seen).then(|| format!("row {}: cck said {said:?}, the client did {seen:?}", row.id))
}

/// The variables whose value is the credential.
const VALUES: [&str; 4] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_CUSTOM_HEADERS",
];

/// Where the standings of the candidates do not say what the headers say.
fn contradiction(decision: &Decision) -> Option<String> {
    let candidates = &decision.candidates;
    let ids: BTreeSet<String> =
        candidates.iter().map(|candidate| candidate.source.to_string()).collect();
    if ids.len() != candidates.len() {
        return Some(format!("a source is named twice: {ids:?}"));
    }
    for id in [
        "env.ANTHROPIC_AUTH_TOKEN",
        "env.ANTHROPIC_API_KEY",
        "env.CLAUDE_CODE_OAUTH_TOKEN",
        "credentials.claudeAiOauth",
        "config.primaryApiKey",
    ] {
        if !ids.contains(id) {
            return Some(format!("{id} is not named"));
        }
    }
    let printed = |candidate: &&Candidate| {
        matches!(candidate.source, Source::Helper(_)) && candidate.secret.is_some()
    };
    if candidates.iter().filter(printed).count() > 1 {
        return Some("two helpers are said to have printed a key".into());
    }
    for mode in [Mode::Print, Mode::Interactive] {
        let standing = |candidate: &Candidate| candidate.note(mode).standing;
        let used: BTreeSet<_> = candidates
            .iter()
            .filter(|candidate| standing(candidate) == Standing::Used)
            .map(|candidate| &candidate.source)
            .collect();
        if used != decision.outcome(mode).sources().into_iter().collect() {
            return Some(format!("{used:?} are used in {mode:?}, and others are sent"));
        }
        let unknown = |candidate: &&Candidate| {
            let has_value = match &candidate.source {
                Source::Variable(_, name) => VALUES.contains(&name.as_str()),
                // A login that is refreshed is sent with another token.
                Source::Helper(_) | Source::PrimaryKey => true,
                _ => false,
            };
            has_value && candidate.secret.is_none() && standing(candidate) == Standing::Used
        };
        if let Some(candidate) = candidates.iter().find(unknown) {
            return Some(format!("{} is used, and its credential not known", candidate.source));
        }
        let unset = |candidate: &&Candidate| {
            candidate.secret.is_some() && standing(candidate) == Standing::Unset
        };
        if let Some(candidate) = candidates.iter().find(unset) {
            return Some(format!("{} is set and called unset in {mode:?}", candidate.source));
        }
    }
    None
}
