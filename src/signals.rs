//! Signals that would end cck are put off while it holds the lock. One that the parent had ignored (`nohup`, a shell's `&`)
//! stays ignored, and without [`HeldSignals`] every signal does what it does by default.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::{consts, flag, low_level};

use crate::process;

#[cfg(unix)]
const PUT_OFF: [i32; 4] = [consts::SIGINT, consts::SIGTERM, consts::SIGHUP, consts::SIGQUIT];

/// Ctrl-C and Ctrl-Break, which the C library makes signals of. Nothing else is put off here: who closes the console or
/// ends the process leaves the lock to go stale.
#[cfg(windows)]
const PUT_OFF: [i32; 2] = [consts::SIGINT, consts::signal::SIGBREAK];

/// STATUS_CONTROL_C_EXIT, the exit code of a program that does nothing against it.
#[cfg(windows)]
const ENDED: i32 = 0xC000_013A_u32.cast_signed();

struct Handlers {
    /// Whether signals are not held: then the handler does what the signal does by default.
    by_default: Arc<AtomicBool>,
    /// The last signal that arrived while they were held, or 0.
    pending: Arc<AtomicUsize>,
    /// How many hold them: holds nest, and tests run several at once.
    open: Mutex<usize>,
    /// Whether one of them is past the point where its work can still be given up.
    is_finishing: AtomicBool,
}

static HANDLERS: LazyLock<Handlers> = LazyLock::new(|| {
    let (by_default, pending) = (Arc::new(AtomicBool::new(true)), Arc::default());
    // Where a handler cannot be set, the signal ends cck at once: the next run cleans up.
    let _ = install(&by_default, &pending);
    Handlers { by_default, pending, open: Mutex::default(), is_finishing: AtomicBool::new(false) }
});

fn install(by_default: &Arc<AtomicBool>, pending: &Arc<AtomicUsize>) -> io::Result<()> {
    for signal in process::not_ignored(PUT_OFF) {
        #[cfg(unix)]
        flag::register_conditional_default(signal, Arc::clone(by_default))?;
        #[cfg(windows)]
        flag::register_conditional_shutdown(signal, ENDED, Arc::clone(by_default))?;
        flag::register_usize(signal, Arc::clone(pending), signal.unsigned_abs() as usize)?;
    }
    Ok(())
}

/// Signals are put off until this is dropped.
pub(crate) struct HeldSignals(());

/// Puts off signals. Until [`HeldSignals::finish`] a waiting one gives the work up.
pub(crate) fn hold() -> HeldSignals {
    let mut open = HANDLERS.open.lock().unwrap_or_else(PoisonError::into_inner);
    *open += 1;
    HANDLERS.by_default.store(false, Ordering::SeqCst);
    HeldSignals(())
}

impl HeldSignals {
    pub(crate) fn pending(&self) -> bool {
        HANDLERS.pending.load(Ordering::SeqCst) != 0
            && !HANDLERS.is_finishing.load(Ordering::SeqCst)
    }

    /// From here on no signal gives anything up: the change stands, and its records follow.
    pub(crate) fn finish(&self) {
        HANDLERS.is_finishing.store(true, Ordering::SeqCst);
    }
}

impl Drop for HeldSignals {
    /// Lets go; a signal that has waited takes its effect here.
    fn drop(&mut self) {
        let mut open = HANDLERS.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open -= 1;
        if *open == 0 {
            HANDLERS.is_finishing.store(false, Ordering::SeqCst);
            HANDLERS.by_default.store(true, Ordering::SeqCst);
            let signal = HANDLERS.pending.swap(0, Ordering::SeqCst);
            #[cfg(unix)]
            if let Ok(signal @ 1..) = i32::try_from(signal) {
                let _ = low_level::emulate_default_handler(signal);
            }
            #[cfg(windows)]
            if signal > 0 {
                low_level::exit(ENDED);
            }
        }
    }
}

/// Makes a file size limit (`ulimit -f`) an error of write. What cck starts gets the default back.
pub(crate) fn survive_size_limit() {
    #[cfg(unix)]
    let _ = flag::register(consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}
