//! Scalar functions that models may call: deterministic ids and local times.

use anyhow::Result;
use duckdb::Connection;

use crate::config::Clinic;

/// Registers the functions on a connection.
pub(super) fn register(_connection: &Connection, _clinic: &Clinic) -> Result<()> {
    Ok(())
}
