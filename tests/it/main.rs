//! One integration binary, since every extra one links DuckDB again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cases;
mod cli;
mod codec;
mod dedupe;
mod embed;
mod fates;
mod faults;
mod generator;
mod guards;
mod load;
mod numbers;
mod order;
mod packed;
mod parallel;
mod pg;
mod pipeline;
mod profile;
mod push;
mod rollback;
mod sample;
mod sqlite;
mod support;
mod tiny;
mod transform;
mod verify;
