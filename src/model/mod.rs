//! Plain types that every ring may use: names, the target's catalog, snapshots' manifests, runs.

pub mod catalog;
pub mod ident;
pub mod manifest;
pub mod run;
