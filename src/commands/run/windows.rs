//! Waits for the command. Ctrl-C goes from the console to every program in it, so nothing is passed on.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::consts::signal::SIGBREAK;
use signal_hook::flag;

use crate::context::Context;

/// Ctrl-C and Ctrl-Break, taken from now on: they do not end cck any more.
pub(crate) struct Signals(Arc<AtomicBool>);

impl Signals {
    pub(crate) fn take() -> io::Result<Signals> {
        let come = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGBREAK] {
            flag::register(signal, Arc::clone(&come))?;
        }
        Ok(Signals(come))
    }

    /// A signal that asks cck to end and has come already.
    pub(crate) fn ending(&mut self) -> Option<i32> {
        self.0.load(Ordering::SeqCst).then_some(SIGINT)
    }

    /// Waits for the child and returns its exit code; 255 for a larger one, whose low byte could say that all is well.
    pub(crate) fn wait(&mut self, child: &mut Child) -> io::Result<u8> {
        let code = child.wait()?.code();
        Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
    }
}

/// The program as the command prompt finds it: also a script (npm's `claude.cmd`), which the standard library does not find.
pub(crate) fn program<'n>(name: &'n OsStr, context: &Context) -> Cow<'n, OsStr> {
    let path = Path::new(name);
    if path.extension().is_some() {
        return Cow::Borrowed(name);
    }
    let is_path = path.components().count() > 1;
    let path = if is_path { &context.cwd().join(path) } else { path };
    // Not the working directory, which the prompt looks in first: what is in a project is not to be run by its name.
    let mut places = context.on_path(path).into_iter().filter(|place| place.is_absolute());
    places.find(|place| place.is_file()).map_or(Cow::Borrowed(name), |it| Cow::Owned(it.into()))
}
