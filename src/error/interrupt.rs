//! Ctrl-C and SIGTERM: a flag that long work looks at between steps.

use std::sync::atomic::{AtomicBool, Ordering};

use rust_i18n::t;

use super::{Failure, Kind};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks all work to stop at its next step.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether a stop was asked for.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Fails with [`Kind::Interrupted`] once a stop was asked for.
pub fn check() -> Result<(), Failure> {
    if requested() { Err(Failure::new(Kind::Interrupted, t!("error.interrupted"))) } else { Ok(()) }
}
