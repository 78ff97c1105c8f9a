//! Drives the terminal UI in a pseudo-terminal of 120×45, by what is on its screen.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::client::{ends_within, stop};
use super::standin::{Standin, WORD};

const ROWS: u16 = 45;
const COLUMNS: u16 = 120;

/// Nothing takes longer, even on a busy machine.
const BOUND: Duration = Duration::from_secs(180);
/// A screen that is none of those known, and stays for so long, is where the client ends.
const STUCK: Duration = Duration::from_secs(30);
/// A message that has not come so long after the word was typed does not come.
const SILENT: Duration = Duration::from_secs(25);

/// So long after the word was typed, Enter is pressed once more.
const LOST: Duration = Duration::from_secs(3);

/// How the session ended.
pub struct Ended {
    /// The dialogs shown.
    pub dialogs: Vec<&'static str>,
    /// The last screen.
    pub screen: String,
    /// Whether the bound was reached.
    pub timed_out: bool,
}

/// What the screen shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    ApproveKey,
    Trust { yes: bool },
    SettingsError { exit: bool },
    SettingsWarning,
    ServerSettings,
    Offer,
    Prompt,
    Refusal,
    Other,
}

impl Shown {
    /// Reads the screen (texts of 1.0.128, 2.0.77, 2.1.330, observed 2026-11).
    fn on(screen: &str) -> Shown {
        let text = screen.to_lowercase();
        let has = |part: &str| text.contains(part);
        if has("detected a custom api key") {
            Shown::ApproveKey
        } else if has("the rest of the file is in effect") {
            Shown::SettingsWarning
        } else if has("continue without these settings") {
            Shown::SettingsError { exit: has("❯ 1. exit") }
        } else if has("yes, i trust these settings") {
            Shown::ServerSettings
        } else if has("yes, try it") && has("not now") {
            Shown::Offer
        } else if has("trust this folder") || has("trust the files") || has("one you trust") {
            Shown::Trust { yes: has("❯ 1. yes") || has("❯ yes") }
        } else if has("please run /login") {
            Shown::Refusal
        } else if text.lines().any(is_prompt) {
            Shown::Prompt
        } else {
            Shown::Other
        }
    }
}

/// Whether a line is where the user types: a chevron that does not point at a choice.
pub fn is_prompt(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '│', '|']);
    let rest = line.strip_prefix('❯').or_else(|| line.strip_prefix('>'));
    rest.is_some_and(|rest| {
        !rest.trim_start_matches([' ', '\u{a0}']).starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Runs the command (that of `setsid --ctty`) until the word has arrived at the stand-in, or will not.
pub fn drive(command: Command, standin: &Standin) -> Ended {
    let session = Session {
        terminal: Terminal::start(command),
        ended: Ended { dialogs: Vec::new(), screen: String::new(), timed_out: false },
    };
    session.run(standin)
}

fn open() -> (OwnedFd, File) {
    // Closed on exec: a client that got another session's terminal as its descriptor 9 would read its key from there.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("a pseudo-terminal is to be had");
    grantpt(&master).expect("the pseudo-terminal is ours");
    unlockpt(&master).expect("the pseudo-terminal is ours");
    let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).expect("a terminal has a size");
    let name = ptsname(&master, Vec::new()).expect("the pseudo-terminal has a name");
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("its name is plain"))
        .expect("the pseudo-terminal can be opened");
    (master, slave)
}

fn reader(mut master: File) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
}

/// A program in a pseudo-terminal. It ends when this is dropped.
pub struct Terminal {
    child: Child,
    keys: File,
    bytes: Receiver<Vec<u8>>,
    terminal: vt100::Parser,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        ends_within(&mut self.child, Duration::ZERO);
        stop(&mut self.child);
    }
}

struct Session {
    terminal: Terminal,
    ended: Ended,
}

impl Session {
    fn run(mut self, standin: &Standin) -> Ended {
        let start = Instant::now();
        let mut typed: Option<Instant> = None;
        let mut pressed_again = false;
        let (mut last, mut since) = (Shown::Other, start);
        loop {
            let open = self.terminal.listen(Duration::from_millis(300));
            self.ended.screen = self.terminal.screen();
            if standin.has_word() || !open {
                return self.ended;
            }
            if start.elapsed() > BOUND {
                self.ended.timed_out = true;
                return self.ended;
            }
            let shown = Shown::on(&self.ended.screen);
            if shown != last {
                // Acted upon when it is still there at the next look: a screen may be half drawn.
                (last, since) = (shown, Instant::now());
                continue;
            }
            match (shown, typed) {
                (Shown::Refusal, Some(_)) => return self.ended,
                (_, Some(typed)) if typed.elapsed() > SILENT => return self.ended,
                // A client that was still busy with its start took the word, and not the key after it.
                (_, Some(typed)) if typed.elapsed() > LOST && !pressed_again => {
                    pressed_again = true;
                    self.terminal.press(&["\r"]);
                }
                (_, Some(_)) => {}
                (Shown::ApproveKey, None) => self.answer("approve_env_key", &["\r"]),
                (Shown::Trust { yes: true }, None) => self.answer("trust", &["\r"]),
                // 2.1.330's default is "No, exit", which would be the end of the test.
                (Shown::Trust { yes: false }, None) => self.answer("trust", &["\x1b[B", "\r"]),
                // 2.1.330's default goes on.
                (Shown::SettingsWarning, None) => self.answer("settings_warning", &["\r"]),
                // 2.1.332's default is to trust what the server has.
                (Shown::ServerSettings, None) => self.answer("server_settings", &["\r"]),
                // Of another way to draw the screen (2.1.332).
                (Shown::Offer, None) => self.answer("offer", &["\x1b[B", "\r"]),
                // 2.0.77's default is to exit.
                (Shown::SettingsError { exit: true }, None) => {
                    self.answer("invalid_settings", &["\r"]);
                    return self.ended;
                }
                // 2.1.330's default starts a repair by Claude, with the same credentials.
                (Shown::SettingsError { exit: false }, None) => {
                    self.answer("invalid_settings", &["\x1b[B", "\x1b[B", "\r"]);
                }
                (Shown::Prompt, None) => {
                    typed = Some(Instant::now());
                    self.terminal.press(&[WORD, "\r"]);
                }
                (Shown::Refusal | Shown::Other, None) if since.elapsed() > STUCK => {
                    return self.ended;
                }
                (Shown::Refusal | Shown::Other, None) => {}
            }
        }
    }

    fn answer(&mut self, dialog: &'static str, keys: &[&str]) {
        self.ended.dialogs.push(dialog);
        self.terminal.press(keys);
        // Else the same dialog would be answered twice.
        self.terminal.listen(Duration::from_millis(700));
    }
}

impl Terminal {
    /// Starts the command (that of `setsid --ctty`).
    pub fn start(mut command: Command) -> Terminal {
        let (master, slave) = open();
        let output = || slave.try_clone().expect("a descriptor can be doubled");
        let child = command
            .stdin(output())
            .stdout(output())
            .stderr(output())
            .spawn()
            .expect("the client can be started");
        // While the test holds the slave, the master never ends.
        drop((command, slave));
        Terminal {
            child,
            keys: File::from(master.try_clone().expect("a descriptor can be doubled")),
            bytes: reader(File::from(master)),
            terminal: vt100::Parser::new(ROWS, COLUMNS, 0),
        }
    }

    /// The process that was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the terminal shows.
    pub fn screen(&self) -> String {
        self.terminal.screen().contents()
    }

    /// Waits until the screen is as wanted.
    ///
    /// # Panics
    /// Where it is not within the bound.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !wanted(&self.screen()) {
            assert!(
                start.elapsed() < BOUND && self.listen(Duration::from_millis(100)),
                "{what} does not come:\n{}",
                self.screen()
            );
        }
    }

    /// Presses keys, with pauses as a person makes them.
    pub fn press(&mut self, keys: &[&str]) {
        for key in keys {
            // A client that is gone is seen at the next look.
            _ = self.keys.write_all(key.as_bytes());
            self.listen(Duration::from_millis(250));
        }
    }

    /// Takes in output for a while, and answers what a terminal is asked. False once the client has closed it.
    pub fn listen(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => {
                    self.terminal.process(&bytes);
                    for (question, answer) in [("\x1b[c", "\x1b[?62;c"), ("\x1b[6n", "\x1b[1;1R")] {
                        if bytes.windows(question.len()).any(|part| part == question.as_bytes()) {
                            _ = self.keys.write_all(answer.as_bytes());
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}
