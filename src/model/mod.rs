//! Plain types that every ring may use: names, the target's catalog, snapshots' manifests, runs.

pub mod account;
pub mod catalog;
pub mod digests;
pub mod document;
pub mod exclusion;
mod file_name;
pub mod float;
mod hex;
pub mod ident;
pub mod keys;
pub mod left_out;
pub mod lock;
pub mod loss;
pub mod manifest;
pub mod masked;
pub mod merge;
pub mod private;
pub mod profile;
pub mod proof;
pub mod run;
pub mod vanished;

pub use file_name::file_name;
pub use hex::hex;

/// For serde, so that a count of nothing is not written.
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}
