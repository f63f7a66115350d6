//! Times in SQLite's columns, which have no type of their own for them.

use anyhow::Result;

use super::NEARLY_ALL;
use crate::model::document::is_called_time;
use crate::model::ident::quoted;
use crate::model::profile::{ColumnProfile, Guess};
use crate::staging::Staging;

const DAY: &str = r"\d{4}-\d{2}-\d{2}";
/// What `sqlite_instant` reads of texts besides days.
const CLOCK: &str = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?";
const NUMBER: &str = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?";
/// Day numbers of the twentieth and twenty-first century; seconds and milliseconds since 1970, from 1973 to 2099.
const TIMES: &str =
    "n between 2415020.5 and 2488069.5 or n between 1e8 and 4.1e9 or n between 1e11 and 4.1e12";

/// Takes a column for instants that nearly always holds what SQLite's functions read as a time, in whatever form, and says
/// whether it did: numbers only where the column is called a time.
#[expect(clippy::cast_precision_loss, reason = "a share of rows")]
pub(super) fn look_for_instants(staging: &Staging, table: &str, column: &mut ColumnProfile) -> Result<bool> {
    let may_be = [Guess::Text, Guess::Integer, Guess::Decimal, Guess::Timestamp, Guess::Instant];
    if !may_be.contains(&column.guess) {
        return Ok(false);
    }
    let sql = format!(
        "select count(*)::ubigint, count(*) filter (regexp_full_match(v, '{DAY}'))::ubigint, \
         count(*) filter (regexp_full_match(v, '{CLOCK}') or {} and ({TIMES}))::ubigint \
         from (select v, case when regexp_full_match(v, '{NUMBER}') then try_cast(v as double) end as n \
         from (select nullif(trim({}::varchar), '') as v from {table})) where v is not null",
        is_called_time(&column.column),
        quoted(&column.column)
    );
    let read = |row: &duckdb::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let counts: Vec<(u64, u64, u64)> = staging.rows(&sql, read)?;
    let (filled, days, instants) = counts.first().copied().unwrap_or_default();
    let share = (days + instants) as f64 / filled.max(1) as f64;
    let are_instants = instants > 0 && share >= NEARLY_ALL;
    if are_instants {
        (column.guess, column.share) = (Guess::Instant, share);
    }
    Ok(are_instants)
}
