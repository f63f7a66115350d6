//! Which records are the same person: probabilistic record linkage (Fellegi and Sunter, 1969) inside DuckDB.
//!
//! | table | from | made by |
//! |---|---|---|
//! | `dedupe.<entity>`: pairs with their weights | `clean.<entity>` | [`pairs`]: `record`, `blocking`, `values`, `compare`, `estimate` |
//! | `xref.<entity>`: source record to golden record | pairs, people's decisions, ids of earlier pushes | [`cluster`] |
//! | `golden.<entity>`: one row a person | `clean`, `xref` | [`survivor`] |
//!
//! They are tables of transform's graph for every entity with a `[dedupe.<entity>]` section, and are bound like models: by
//! being built over empty tables. What people decide is in [`decisions`], what waits for them in [`pending`].

mod blocking;
pub mod cluster;
mod compare;
pub mod decisions;
mod estimate;
pub mod evaluate;
pub mod explain;
mod expression;
mod filler;
mod golden_ids;
mod label;
mod levels;
pub mod model;
pub mod pairs;
pub mod pending;
mod promise;
mod record;

pub mod summary;
pub mod survivor;
mod values;
pub mod waterfall;

pub use blocking::RuleReport;
pub use expression::{bare, expressions};
pub use golden_ids::GoldenIds;
pub use label::level_text;
pub use model::Model;
pub use record::without_source_id;

/// Changes whenever the same settings over the same records would give something else.
pub const REVISION: &str = "dedupe 5";
