//! The hidden question for a key.

#[cfg(unix)]
pub(crate) use unix::ask;

#[cfg(windows)]
pub(crate) fn ask(question: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
    rpassword::prompt_password(question).map(zeroize::Zeroizing::new)
}

#[cfg(unix)]
mod unix {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use signal_hook::consts::SIGINT;
    use zeroize::Zeroizing;

    /// Asks on the terminal. Echo is off before the question appears: what is pasted at once is not seen either.
    pub(crate) fn ask(question: &str) -> io::Result<Zeroizing<String>> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let handler = signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
        let answer = Silent::enter().and_then(|mut terminal| {
            terminal.file.write_all(question.as_bytes())?;
            match rpassword::read_password() {
                // Ctrl-D is an empty answer; it leaves the line open.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    terminal.file.write_all(b"\n").map(|()| Zeroizing::default())
                }
                answer => answer.map(Zeroizing::new),
            }
        });
        signal_hook::low_level::unregister(handler);
        if interrupted.load(Ordering::SeqCst) {
            // rpassword raises it for a Ctrl-C; only now is the terminal as it was.
            signal_hook::low_level::emulate_default_handler(SIGINT)?;
        }
        answer
    }

    /// The terminal without echo, and with Ctrl-C as a character for rpassword to read. Dropping it makes it as it was.
    struct Silent {
        file: File,
        before: Termios,
    }

    impl Silent {
        fn enter() -> io::Result<Silent> {
            let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&file)?;
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(&file, OptionalActions::Now, &silent)?;
            Ok(Silent { file, before })
        }
    }

    impl Drop for Silent {
        fn drop(&mut self) {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(&self.file, OptionalActions::Now, &self.before);
        }
    }
}
