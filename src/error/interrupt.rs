//! Ctrl-C and SIGTERM: a flag that long work looks at between steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rust_i18n::t;

use super::{Failure, Kind};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static LISTENERS: Mutex<Vec<Box<dyn Fn() + Send>>> = Mutex::new(Vec::new());

/// Asks all work to stop at its next step, and tells those who cannot look at the flag themselves.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
    for listener in LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        listener();
    }
}

/// Calls `listener` once a stop is asked for, from another thread: a query in a driver has to be told.
pub fn on_request(listener: impl Fn() + Send + 'static) {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
}

/// Whether a stop was asked for.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Fails with [`Kind::Interrupted`] once a stop was asked for.
pub fn check() -> Result<(), Failure> {
    if requested() { Err(Failure::new(Kind::Interrupted, t!("error.interrupted"))) } else { Ok(()) }
}
