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
use rust_i18n::t;

use crate::error::Failure;
use crate::pg::schema_file::ends_transaction;

/// Refuses SQL that ends its transaction before anything of it runs: what it did until then would stay, whatever came after.
fn of_one_transaction(sql: &str) -> Result<(), Failure> {
    match ends_transaction(sql) {
        true => Err(Failure::failed(t!("commands.own_end")).hint(t!("commands.own_end_before_hint"))),
        false => Ok(()),
    }
}

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
