//! The hidden prompt, on a real terminal that `script` makes.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use crate::sandbox::{KEY, OTHER, Sandbox, binary};

/// A shell on a terminal of its own, in the sandbox.
fn terminal(sandbox: &Sandbox, command: &str) -> Child {
    // A prompt that hangs fails the test in place of the whole run.
    Command::new("timeout")
        .args(["--foreground", "30", "script", "-qe", "-E", "always", "-c", command, "/dev/null"])
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", "/usr/bin:/bin")
        .env("CCK", binary())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until `words` were seen, or to the end.
fn read_until(child: &mut Child, words: &str) -> String {
    let stdout = child.stdout.as_mut().unwrap();
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(words) && stdout.read(&mut byte).unwrap() == 1 {
        text.push(char::from(byte[0]));
    }
    text
}

fn answer(sandbox: &Sandbox, typed: &str) -> String {
    answer_to(sandbox, "$CCK set-key", typed)
}

fn answer_to(sandbox: &Sandbox, command: &str, typed: &str) -> String {
    let mut child = terminal(
        sandbox,
        &format!(
            "trap : INT; stty -a; before=$(stty -g); {command}; echo code=$?; test $before = $(stty -g) && echo same-terminal"
        ),
    );
    let mut text = read_until(&mut child, "New API key (not shown): ");
    assert!(
        text.contains(" echo ") && text.contains("isig icanon"),
        "the terminal does not echo to begin with: {text}"
    );
    child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
    text += &read_until(&mut child, "\0");
    child.wait().unwrap();
    text
}

#[test]
fn a_typed_key_is_not_echoed_and_is_stored() {
    let sandbox = Sandbox::new();
    let text = answer(&sandbox, &format!("{KEY}\r"));
    assert!(text.contains("code=0") && text.contains("the prompt"), "{text}");
    assert!(!text.contains(&KEY[20..]), "the key was echoed: {text}");
    assert!(
        text.contains(" echo ") && text.contains("isig icanon"),
        "the terminal was left changed: {text}"
    );
    assert!(std::fs::read_to_string(sandbox.config()).unwrap().contains(KEY));
}

#[test]
fn ctrl_c_leaves_the_terminal_and_the_file_as_they_were() {
    let sandbox = Sandbox::new();
    let before = "{\"theme\": \"dark\"}";
    sandbox.lay(".claude.json", before);
    let text = answer(&sandbox, &format!("{}\u{3}", &KEY[..30]));
    assert!(text.contains("code=130"), "{text}");
    assert!(
        text.contains(" echo ") && text.contains(" icanon ") && text.contains("isig icanon"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(sandbox.config()).unwrap(), before);
    assert_eq!(sandbox.names(), [".claude.json"]);
}

#[test]
fn nothing_typed_is_an_error() {
    let sandbox = Sandbox::new();
    let text = answer(&sandbox, "\r");
    assert!(text.contains("code=2") && text.contains("no key was typed"), "{text}");
    assert_eq!(sandbox.names(), [""; 0]);
}

#[test]
fn with_prompt_a_variable_that_holds_a_key_does_not_keep_cck_from_asking() {
    let sandbox = Sandbox::new();
    let exported = format!("TERM=xterm ANTHROPIC_API_KEY={OTHER} $CCK");
    let text = answer_to(&sandbox, &format!("{exported} set-key --prompt"), &format!("{OTHER}\r"));
    assert!(text.contains("code=0"), "{text}");
    let text = answer_to(&sandbox, &format!("{exported} rotate --prompt"), &format!("{KEY}\r"));
    assert!(text.contains("replaced"), "{text}");
    // On a terminal a diff is in red and green.
    assert!(text.contains("\u{1b}[31m- primaryApiKey") && text.contains("\u{1b}[32m+ "), "{text}");
    assert!(std::fs::read_to_string(sandbox.config()).unwrap().contains(KEY));
}

#[test]
fn a_run_asks_for_a_key_that_is_not_stored() {
    let sandbox = Sandbox::new();
    let mut child = terminal(&sandbox, "$CCK run -- echo ran; echo code=$?");
    let text = read_until(&mut child, "API key for this run (not shown): ");
    assert!(!text.contains("New"), "{text}");
    child.stdin.as_mut().unwrap().write_all(format!("{KEY}\r").as_bytes()).unwrap();
    let text = read_until(&mut child, "\0");
    child.wait().unwrap();
    assert!(text.contains("ran\r\n") && text.contains("code=0"), "{text}");
}

#[test]
fn the_manual_is_shown_page_by_page() {
    let mut child = terminal(&Sandbox::new(), "PAGER='sed s/^/page:/' $CCK man");
    let text = read_until(&mut child, "\0");
    child.wait().unwrap();
    assert!(text.contains("page:CCK(1)") || text.contains("page:\r\npage:NAME"), "{text}");
}

#[test]
fn get_key_without_a_source_does_not_ask_on_a_terminal() {
    let sandbox = Sandbox::new();
    let mut child = terminal(&sandbox, "$CCK get-key; echo code=$?");
    let text = read_until(&mut child, "\0");
    child.wait().unwrap();
    assert!(text.contains("code=2") && text.contains("--key-env VAR"), "{text}");
    assert!(!text.contains("(not shown)"), "{text}");
}
