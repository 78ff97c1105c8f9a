//! `cck profile`, and `--profile` on the commands that take it.

use std::fs;
use std::path::Path;
use std::thread;

use cck::context::Context;
use cck::error::Exit;

use crate::sandbox::{KEY, OTHER, Sandbox, chmod, mode};

const FILE: &str = ".config/cck/profiles.toml";

fn add<'a>(name: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["profile", "add", name], rest].concat()
}

#[test]
fn a_profile_is_added_listed_shown_and_removed() {
    let s = Sandbox::new();
    s.cck(&["profile", "list"]).run().code(0).out(&["no profiles"]);
    let args = [
        "--key-command",
        "printf x",
        "--base-url",
        "https://g.example/v",
        "--description",
        "Acme's",
    ];
    s.cck(&add("acme", &args)).run().code(0).out(&[
        "acme",
        "printf x",
        "~/.local/share/cck/profiles/acme",
    ]);
    assert_eq!(mode(&s.home().join(FILE)), 0o600);
    assert_eq!(mode(&s.home().join(".local/share/cck/profiles/acme")), 0o700);
    s.cck(&add("file", &["--key-file", "k"])).run().code(0);

    let json = s.cck(&["profile", "list", "--json"]).run().code(0).json();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["profiles"][0]["source"]["kind"], "command");
    assert_eq!(json["profiles"][0]["base_url"], "https://g.example/v");
    let whole = s.project().join("k");
    assert_eq!(
        json["profiles"][1]["source"]["value"],
        whole.to_str().unwrap(),
        "a relative path is made whole"
    );
    s.cck(&["profile", "show", "acme"]).run().code(0).out(&["the command `printf x`", "Acme's"]);
    let one = s.cck(&["profile", "show", "acme", "--json"]).run().code(0).json();
    assert_eq!(one["profile"]["origin"], "user");

    s.cck(&add("acme", &["--key-env", "A"])).run().code(2).err(&["already", "--replace"]);
    let again = s.cck(&add("acme", &["--key-env", "A", "--replace"])).run();
    again.code(0).out(&["replaced the profile acme"]);
    s.cck(&["profile", "remove", "acme"]).run().code(0).out(&["removed", "stays"]);
    s.cck(&["profile", "remove", "acme"]).run().code(2).err(&["the profile acme does not exist"]);
}

#[test]
fn a_profile_takes_the_flags_of_the_key_source_that_set_key_takes() {
    let s = Sandbox::new();
    s.cck(&add("usual", &["--key-env"])).run().code(0);
    let text = fs::read_to_string(s.home().join(FILE)).unwrap();
    assert_eq!(text, "[profiles.usual]\nkey-env = \"ANTHROPIC_API_KEY\"\n");
    for args in [&["profile", "add", "--help"][..], &["helper", "install", "--help"]] {
        let help = s.cck(args).run().code(0).stdout;
        let (options, sources) = help.split_once("Key source (one of):").unwrap();
        let sources = sources.split("\n\n").next().unwrap();
        assert!(!options.contains("--key-"), "{help}");
        let names = sources.lines().filter_map(|line| line.trim().split(' ').next());
        let expected = ["", "--key-env", "--key-file", "--key-command"];
        assert_eq!(names.collect::<Vec<_>>(), expected, "{help}");
    }
}

#[test]
fn what_a_person_wrote_is_kept() {
    let s = Sandbox::new();
    let text = "# mine\n[profiles.a]   # the first\nkey-env = 'A'\n";
    let file = s.lay("dotfiles/profiles.toml", text);
    fs::create_dir_all(s.home().join(".config/cck")).unwrap();
    std::os::unix::fs::symlink(&file, s.home().join(FILE)).unwrap();
    s.cck(&add("b", &["--key-env", "B"])).run().code(0);
    assert!(fs::read_to_string(&file).unwrap().starts_with(text));
    assert!(s.home().join(FILE).is_symlink());
    s.cck(&["profile", "remove", "b"]).run().code(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn bad_names_sources_and_addresses_are_refused() {
    let s = Sandbox::new();
    for name in ["a/b", "..", "../a", ".a", "", "a b", "a..b"] {
        s.cck(&add(name, &["--key-env", "A"])).run().code(2).err(&["cannot be a profile's name"]);
        s.cck(&["run", "--profile", name, "--", "true"])
            .run()
            .code(2)
            .err(&["cannot be a profile's name"]);
    }
    s.cck(&["profile", "add", "--key-env", "A", "--", "-a"]).run().code(2).err(&["cannot be"]);
    s.cck(&add("a", &[])).run().code(2).err(&["--key-command"]);
    s.cck(&add("a", &["--key-env", "A", "--key-file", "f"])).run().code(2).err(&["cannot be used"]);
    s.cck(&add("a", &["--key-env", "1 x"])).run().code(2).err(&["name of a variable"]);
    for url in ["ftp://x", "https://", "https://u:p@x", "x"] {
        s.cck(&add("a", &["--key-env", "A", "--base-url", url])).run().code(2).err(&["base URL"]);
    }
    let command = format!("echo {KEY}");
    let ran =
        s.cck(&add("a", &["--key-command", &command])).run().code(2).err(&["looks like a key"]);
    assert!(!ran.stderr.contains(KEY));
    assert!(!s.home().join(FILE).exists());
}

#[test]
fn an_unknown_profile_brings_the_nearest_name() {
    let s = Sandbox::new();
    s.cck(&["get-key", "--profile", "acme"])
        .run()
        .code(2)
        .err(&["the profile acme does not exist", "cck profile add acme"]);
    s.cck(&add("acme", &["--key-env", "A"])).run().code(0);
    for command in ["get-key", "set-key", "verify"] {
        s.cck(&[command, "--profile", "amce"])
            .run()
            .code(2)
            .err(&["the profile amce does not exist", "did you mean acme?"]);
    }
    let ran = s.cck(&["get-key", "--profile", "zzzzzz"]).run().code(2);
    assert!(!ran.stderr.contains("did you mean"));
}

#[test]
fn a_malformed_file_is_told_by_line_and_column_and_left_alone() {
    let s = Sandbox::new();
    for (text, place) in [
        ("[profiles.a]\nkey-env = \n", ":2:"),
        ("[profiles.a]\nkey-env = 'A'\ntimout = 3\n", ":3:1: unknown field `timout`"),
        ("[profiles.a]\n", ":1:11: `a` needs exactly one"),
    ] {
        let file = s.lay(FILE, text);
        for args in
            [&["profile", "list"][..], &add("b", &["--key-env", "B"]), &["profile", "remove", "a"]]
        {
            s.cck(args).run().code(2).err(&[place, "profiles.toml"]);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn files_and_directories_that_others_can_write_to_are_refused() {
    let s = Sandbox::new();
    let file = s.lay(FILE, "[profiles.a]\nkey-env = 'A'\n");
    chmod(&file, 0o666);
    s.cck(&["profile", "list"]).run().code(2).err(&["can be written by others"]);
    chmod(&file, 0o600);

    let dir = s.home().join("open");
    fs::create_dir(&dir).unwrap();
    chmod(&dir, 0o777);
    let dir_arg = dir.to_str().unwrap();
    s.cck(&add("b", &["--key-env", "B", "--config-dir", dir_arg]))
        .run()
        .code(2)
        .err(&["written by others", "chmod 700"]);
    chmod(&dir, 0o700);
    s.cck(&add("b", &["--key-env", "B", "--config-dir", dir_arg])).run().code(0);
    chmod(&dir, 0o707);
    for args in [
        &["run", "--profile", "b", "--", "true"][..],
        &["set-key", "--profile", "b"],
        &["get-key", "--profile", "b"],
    ] {
        s.cck(args).env("B", KEY).run().code(2).err(&["can be written by others"]);
    }
    if rustix::process::geteuid().is_root() {
        chmod(&dir, 0o700);
        std::os::unix::fs::chown(&dir, Some(1), None).unwrap();
        s.cck(&["set-key", "--profile", "b"])
            .env("B", KEY)
            .run()
            .code(2)
            .err(&["belongs to another user"]);
    }
    let file = s.lay("plain", "");
    s.cck(&add("c", &["--key-env", "B", "--config-dir", file.to_str().unwrap()]))
        .run()
        .code(2)
        .err(&["not a directory"]);
}

#[test]
fn tenants_share_no_file() {
    let s = Sandbox::new();
    s.cck(&add("a", &["--key-env", "A", "--base-url", "https://a.example"])).run().code(0);
    s.cck(&add("b", &["--key-env", "B"])).run().code(0);
    // Whatever else could be a key: the profile has the say.
    for (name, _) in [("a", KEY), ("b", OTHER)] {
        let ran = s
            .cck(&["set-key", "--profile", name])
            .env("A", KEY)
            .env("B", OTHER)
            .env("ANTHROPIC_API_KEY", "sk-ant-no");
        ran.run().code(0).out(&[&format!("the profile {name}")]);
    }
    let dir = s.home().join(".local/share/cck/profiles");
    let read = |path: &str| fs::read_to_string(dir.join(path)).unwrap();
    assert!(read("a/.claude.json").contains(KEY) && read("b/.claude.json").contains(OTHER));
    assert!(read("a/settings.json").contains("\"ANTHROPIC_BASE_URL\": \"https://a.example\""));
    assert!(!dir.join("b/settings.json").exists() && !s.config().exists());
    let json = s
        .cck(&["verify", "--profile", "a", "--json", "--expect", "config.primaryApiKey"])
        .run()
        .code(0)
        .json();
    assert_eq!(json["config_file"]["path"], dir.join("a/.claude.json").to_str().unwrap());
    s.cck(&["set-key", "--profile", "a", "--stdin"]).stdin(OTHER).run().code(0);
    assert!(
        read("a/.claude.json").contains(OTHER),
        "a source given by hand goes into the profile's config"
    );
    s.cck(&["unset-key", "--profile", "a"]).run().code(0);
    assert!(
        !read("a/.claude.json").contains("primaryApiKey") && read("b/.claude.json").contains(OTHER)
    );
}

/// A machine of profiles in /etc, in this process: the real /etc is not ours.
struct Machine {
    s: Sandbox,
    etc: std::path::PathBuf,
}

impl Machine {
    fn new(text: &str) -> Machine {
        let s = Sandbox::new();
        let file = s.lay("etc/cck/profiles.d/10-it.toml", text);
        chmod(&file, 0o644);
        Machine { etc: s.home().join("etc"), s }
    }

    fn run(&self, args: &[&str]) -> (Exit, String) {
        let home = self.s.home();
        let vars = [("HOME", home.to_str().unwrap()), ("K", KEY), ("PATH", "/usr/bin:/bin")];
        let mut context = Context::for_test(args, &vars, Path::new("/"), &self.etc);
        let exit = cck::run(&mut context);
        (exit, format!("{}{}", context.out, context.err))
    }
}

#[test]
fn a_locked_profile_of_the_machine_stands() {
    let m = Machine::new(
        "[profiles.it]\nkey-env = 'K'\nlocked = true\n[profiles.free]\nkey-env = 'K'\n",
    );
    let (exit, text) = m.run(&["profile", "list", "--json"]);
    assert_eq!(exit, Exit::Done, "{text}");
    assert!(text.contains("\"origin\": \"system\"") && text.contains("\"locked\": true"), "{text}");
    let (exit, text) = m.run(&["profile", "add", "it", "--key-env", "MINE"]);
    assert!(exit == Exit::Error && text.contains("locked by"), "{text}");
    let (exit, text) = m.run(&["profile", "add", "free", "--key-env", "MINE"]);
    assert!(exit == Exit::Done && text.contains("overrides the machine's"), "{text}");
    m.s.lay(FILE, "[profiles.it]\nkey-env = 'MINE'\n");
    let (exit, text) = m.run(&["get-key", "--profile", "it"]);
    assert!(exit == Exit::Done && text.contains(KEY) && text.contains("is ignored"), "{text}");
    let (exit, text) = m.run(&["profile", "remove", "free"]);
    assert!(exit == Exit::Error && text.contains("the machine's"), "{text}");
}

#[test]
fn a_profile_of_a_group_is_for_its_members() {
    let gid = rustix::process::getegid().as_raw();
    let m = Machine::new(
        "[profiles.mine]\nkey-env = 'K'\ngroups = ['us']\n[profiles.theirs]\nkey-env = 'K'\ngroups = ['them']\n",
    );
    m.s.lay("etc/group", format!("us:x:{gid}:\nthem:x:54321:\n"));
    let (exit, text) = m.run(&["get-key", "--profile", "mine"]);
    assert_eq!(exit, Exit::Done, "{text}");
    for command in ["get-key", "set-key"] {
        let (exit, text) = m.run(&[command, "--profile", "theirs"]);
        assert!(
            exit == Exit::Error && text.contains("for members of them") && !text.contains(KEY),
            "{text}"
        );
    }
    let (_, text) = m.run(&["profile", "list"]);
    assert!(text.contains("not for you"), "{text}");
}

/// Anyone who may read the lock's file can hold it.
#[test]
fn a_lock_that_is_never_given_back_is_not_waited_for_without_end() {
    let sandbox = Sandbox::new();
    sandbox.cck(&add("one", &["--key-env", "K"])).run().code(0);
    let before = fs::read_to_string(sandbox.home().join(".config/cck/profiles.toml")).unwrap();
    let lock = fs::File::open(sandbox.home().join(".config/cck/.profiles.lock")).unwrap();
    lock.lock().unwrap();
    thread::scope(|scope| {
        for args in [add("two", &["--key-env", "K"]), vec!["profile", "remove", "one"]] {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let start = std::time::Instant::now();
                sandbox.cck(&args).run().code(2).err(&["cannot lock", "profiles.toml"]);
                let took = start.elapsed();
                assert!(took < std::time::Duration::from_secs(60), "{took:?}");
            });
        }
    });
    let after = fs::read_to_string(sandbox.home().join(".config/cck/profiles.toml")).unwrap();
    assert_eq!(after, before);
    lock.unlock().unwrap();
    sandbox.cck(&add("two", &["--key-env", "K"])).run().code(0);
}
