//! `meta.rehearsal`, where each rehearsal is written down.

use anyhow::Result;

use super::Rehearsal;
use crate::error;
use crate::staging::Staging;

/// Writes a rehearsal down.
pub fn save(staging: &Staging, rehearsal: &Rehearsal) -> Result<()> {
    let place = serde_json::to_value(rehearsal.place)?;
    staging
        .connection()
        .execute(
            "insert or replace into meta.rehearsal (id, ended_at, snapshot, place, target, clean, why, report)
             values (?, ?::timestamptz, ?, ?, ?, ?, ?, ?)",
            duckdb::params![
                rehearsal.id,
                rehearsal.at,
                rehearsal.snapshot,
                place.as_str(),
                rehearsal.target,
                rehearsal.clean,
                rehearsal.why,
                serde_json::to_string(rehearsal)?,
            ],
        )
        .map(drop)
        .map_err(error::duckdb)
}

/// Every rehearsal, the latest first. A staging file of before there were any has none.
pub fn all(staging: &Staging) -> Result<Vec<Rehearsal>> {
    if !staging.has_table("meta", "rehearsal")? {
        return Ok(Vec::new());
    }
    let sql = "select report::varchar from meta.rehearsal order by ended_at desc, id desc";
    let rows = staging.rows(sql, |row| row.get::<_, String>(0))?;
    rows.iter().map(|report| Ok(serde_json::from_str(report)?)).collect()
}

/// The latest rehearsal of a snapshot.
pub fn last_of(staging: &Staging, snapshot: &str) -> Result<Option<Rehearsal>> {
    Ok(all(staging)?.into_iter().find(|rehearsal| rehearsal.snapshot == snapshot))
}
