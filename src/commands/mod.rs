//! A clinic's own steps (`[[commands]]`): SQL in the staging file, SQL in the target, or a program.
//!
//! They look, write files and prepare; what stages make is not theirs. SQL in the staging file may use tables in schemas of
//! its own and is taken back where it changes a stage's; SQL in the target is a transaction of its own, never a part of a push.

mod program;
mod staging;
mod target;

pub use program::{Surroundings, run as program};
pub use staging::run as in_staging;
pub use target::{note, run as in_target};

use nix::sys::stat::{Mode, umask};

/// While it lives, new files are their owner's alone.
struct Private(Mode);

impl Private {
    fn begin() -> Self {
        Self(umask(Mode::from_bits_truncate(0o077)))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        umask(self.0);
    }
}
