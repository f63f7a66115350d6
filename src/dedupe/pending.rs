//! Pairs that wait for a person's decision, and the two records of each.

use std::collections::HashMap;

use anyhow::Result;
use rust_i18n::t;

use super::decisions::Decisions;
use super::model::probability;
use crate::config::Dedupe;
use crate::error::{self, Failure};
use crate::model::ident::quoted;
use crate::staging::Staging;

/// A pair between the thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The smaller source id, as `clean` orders them.
    pub left: String,
    pub right: String,
    /// Four bits a comparison: 0 is missing, then the levels, the best first.
    pub pattern: u64,
    /// Bits for values that are rarer or more frequent than others.
    pub rarity: f64,
    /// Log2 odds, everything included.
    pub weight: f64,
}

impl Pair {
    pub fn probability(&self) -> f64 {
        probability(self.weight)
    }
}

/// The pairs that wait, the likeliest first: what is nearest to being accepted is decided soonest.
///
/// # Errors
/// The entity's pairs are not made yet, or DuckDB fails.
pub fn list(staging: &Staging, entity: &str, settings: &Dedupe, decisions: &Decisions) -> Result<Vec<Pair>> {
    let waiting = waiting(staging, entity, settings, decisions)?;
    let sql = format!(
        "select left_id, right_id, pattern, rarity, weight from ({waiting}) order by weight desc, left_id, right_id"
    );
    staging.rows(&sql, |row| {
        Ok(Pair {
            left: row.get(0)?,
            right: row.get(1)?,
            pattern: row.get::<_, Option<u64>>(2)?.unwrap_or_default(),
            rarity: row.get::<_, Option<f64>>(3)?.unwrap_or_default(),
            weight: row.get(4)?,
        })
    })
}

/// How many pairs wait.
///
/// # Errors
/// As [`list`].
pub fn count(staging: &Staging, entity: &str, settings: &Dedupe, decisions: &Decisions) -> Result<u64> {
    let waiting = waiting(staging, entity, settings, decisions)?;
    staging.value(&format!("select count(*)::ubigint from ({waiting})"))
}

/// SQL of the pairs that wait. A pair whose ends are in one cluster already, by way of others, asks nothing.
fn waiting(staging: &Staging, entity: &str, settings: &Dedupe, decisions: &Decisions) -> Result<String> {
    if !staging.has_table("dedupe", entity)? {
        return Err(Failure::failed(t!("dedupe.no_pairs", entity = entity))
            .hint("trasvase transform")
            .into());
    }
    decisions.stage(staging)?;
    Ok(format!(
        "select p.* from dedupe.{entity} p
         join xref.{entity} l on l.source_id = p.left_id
         join xref.{entity} r on r.source_id = p.right_id
         where l.golden_id is distinct from r.golden_id
           and not coalesce(p.exact, false) and not coalesce(p.never, false)
           and 1 / (1 + pow(2, -p.weight)) >= {review} and 1 / (1 + pow(2, -p.weight)) < {accept}
           and not exists (from temp.decision d where (d.left_id, d.right_id) in ((p.left_id, p.right_id), (p.right_id, p.left_id)))",
        entity = quoted(entity),
        review = settings.review,
        accept = settings.accept,
    ))
}

/// Records of `clean.<entity>`, every cell as text; what begins with `_` is no part of them.
pub struct Records {
    pub columns: Vec<String>,
    cells: HashMap<String, Vec<Option<String>>>,
}

impl Records {
    /// Reads the records with these source ids.
    ///
    /// # Errors
    /// DuckDB fails.
    pub fn read<'a>(staging: &Staging, entity: &str, ids: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let ids = serde_json::Value::from(ids.into_iter().collect::<Vec<_>>()).to_string();
        let sql = format!(
            "select source_id::varchar, columns(name -> not starts_with(name, '_'))::varchar from clean.{}
             where source_id::varchar in (select unnest(from_json(?::json, '[\"VARCHAR\"]')))",
            quoted(entity)
        );
        let mut statement = staging.connection().prepare(&sql).map_err(error::duckdb)?;
        let mut found = statement.query([&ids]).map_err(error::duckdb)?;
        let mut cells = HashMap::new();
        while let Some(row) = found.next().map_err(error::duckdb)? {
            let id: String = row.get(0).map_err(error::duckdb)?;
            let values = (1..row.as_ref().column_count()).map(|column| row.get(column));
            cells.insert(id, values.collect::<duckdb::Result<Vec<_>>>().map_err(error::duckdb)?);
        }
        drop(found);
        Ok(Self { columns: statement.column_names().split_off(1), cells })
    }

    /// A record's cell; none where it is null or there is no such record.
    pub fn cell(&self, id: &str, column: usize) -> Option<&str> {
        self.cells.get(id)?.get(column)?.as_deref()
    }
}
