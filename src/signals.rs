//! Signals that would end cck are put off while it holds the lock. One that the parent had ignored (`nohup`, a shell's `&`)
//! stays ignored, and outside of a [`Section`] every signal does what it does by default.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::{consts, flag, low_level};

use crate::process::ignored;

#[cfg(unix)]
const PUT_OFF: [i32; 4] = [consts::SIGINT, consts::SIGTERM, consts::SIGHUP, consts::SIGQUIT];

/// Ctrl-C and Ctrl-Break, which the C library makes signals of. Nothing else is put off here: who closes the console or
/// ends the process leaves the lock to go stale.
#[cfg(windows)]
const PUT_OFF: [i32; 2] = [consts::SIGINT, consts::signal::SIGBREAK];

/// STATUS_CONTROL_C_EXIT, the exit code of a program that does nothing against it.
#[cfg(windows)]
const ENDED: i32 = 0xC000_013A_u32.cast_signed();

#[derive(Default)]
struct Handlers {
    /// Whether no section is open: then the handler does what the signal does by default.
    by_default: Arc<AtomicBool>,
    /// The last signal that arrived in a section, or 0.
    pending: Arc<AtomicUsize>,
    /// How many sections are open: they nest, and tests run several at once.
    open: Mutex<usize>,
    /// How many sections are past the point where they can still be given up.
    finishing: AtomicUsize,
}

static HANDLERS: LazyLock<Handlers> = LazyLock::new(|| {
    let handlers = Handlers::default();
    handlers.by_default.store(true, Ordering::SeqCst);
    // Where a handler cannot be set, the signal ends cck at once: the next run cleans up.
    let _ = handlers.install();
    handlers
});

pub(crate) struct Section(&'static Handlers, AtomicBool);

/// Puts off signals until the guard is dropped. Until [`Section::finish`] a waiting one gives the work up.
pub(crate) fn hold() -> Section {
    let handlers = &*HANDLERS;
    let mut open = handlers.open.lock().unwrap_or_else(PoisonError::into_inner);
    *open += 1;
    handlers.by_default.store(false, Ordering::SeqCst);
    Section(handlers, AtomicBool::new(false))
}

impl Section {
    pub(crate) fn pending(&self) -> bool {
        self.0.pending.load(Ordering::SeqCst) != 0 && self.0.finishing.load(Ordering::SeqCst) == 0
    }

    /// From here to the end of this section no signal gives anything up: the change stands, and its records follow.
    pub(crate) fn finish(&self) {
        if !self.1.swap(true, Ordering::SeqCst) {
            self.0.finishing.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Section {
    /// Ends the section; a signal that has waited takes its effect here.
    fn drop(&mut self) {
        if *self.1.get_mut() {
            self.0.finishing.fetch_sub(1, Ordering::SeqCst);
        }
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open -= 1;
        if *open == 0 {
            self.0.by_default.store(true, Ordering::SeqCst);
            if let Ok(signal @ 1..) = i32::try_from(self.0.pending.swap(0, Ordering::SeqCst)) {
                end(signal);
            }
        }
    }
}

/// Makes a file size limit (`ulimit -f`) an error of write. What cck starts gets the default back.
pub(crate) fn survive_size_limit() {
    #[cfg(unix)]
    let _ = flag::register(consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

impl Handlers {
    fn install(&self) -> io::Result<()> {
        let ignored = ignored();
        for signal in PUT_OFF.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0) {
            let by_default = Arc::clone(&self.by_default);
            #[cfg(unix)]
            flag::register_conditional_default(signal, by_default)?;
            #[cfg(windows)]
            flag::register_conditional_shutdown(signal, ENDED, by_default)?;
            let number = signal.unsigned_abs() as usize;
            flag::register_usize(signal, Arc::clone(&self.pending), number)?;
        }
        Ok(())
    }
}

fn end(signal: i32) {
    #[cfg(unix)]
    let _ = low_level::emulate_default_handler(signal);
    #[cfg(windows)]
    low_level::exit(if signal == 0 { 0 } else { ENDED });
}
