//! What the target's own rules say of our rows, asked again: constraints may be NOT VALID, their triggers were perhaps
//! off, and some relations only clinic.toml knows.

mod orphans;
mod sequences;
mod unique;
mod values;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::population::Population;
use super::{Compared, Options, TheirTable};
use crate::error::{self, Failure};
use crate::model::ident::TableName;

/// One rule of a table, and how many rows break it.
#[derive(Debug, Clone, Serialize)]
pub struct RelationReport {
    pub table: TableName,
    pub kind: Relation,
    /// The constraint, index or column.
    pub name: String,
    /// Rows that break it; of a sequence, how far it is behind.
    pub rows: u64,
    /// It is told, and fails nothing.
    pub warning: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    ForeignKey,
    /// A foreign key that only clinic.toml declares.
    Declared,
    NotNull,
    Unique,
    Check,
    /// The next number is one that a row has already.
    Sequence,
    /// Every value is of the day of the load, so probably a default's.
    Today,
}

impl RelationReport {
    /// Whether nothing breaks it, or what does is no more than a warning.
    pub fn holds(&self) -> bool {
        self.rows == 0 || self.warning
    }
}

/// One table, and which of its rows are ours.
struct Rows<'a> {
    compared: &'a Compared<'a>,
    /// A condition on alias `t`.
    condition: &'a str,
}

/// Asks the server about every rule of every table of the snapshot.
pub(super) async fn compare(
    options: &Options<'_>,
    population: &Population,
    tables: &[Compared<'_>],
    theirs: &[TheirTable],
) -> Result<Vec<RelationReport>> {
    let mut reports = Vec::new();
    for (compared, theirs) in tables.iter().zip(theirs) {
        error::interrupt::check()?;
        let condition = if theirs.all_ours { "true" } else { compared.condition.as_str() };
        let rows = Rows { compared, condition };
        let mut found = orphans::find(options, &rows).await?;
        found.extend(values::find(options, population, &rows).await?);
        found.extend(unique::find(options, &rows).await?);
        found.extend(sequences::find(options, &rows).await?);
        found.sort_by_key(|one| one.kind);
        reports.extend(found);
    }
    Ok(reports)
}

impl Rows<'_> {
    fn report(&self, kind: Relation, name: &str, rows: i64) -> RelationReport {
        RelationReport {
            table: self.compared.entry.table.clone(),
            kind,
            name: name.to_owned(),
            rows: u64::try_from(rows).unwrap_or(u64::MAX),
            warning: kind == Relation::Today,
        }
    }
}

/// The only number that a query gives.
async fn number(options: &Options<'_>, sql: &str) -> Result<i64> {
    let row = options.client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(row.get(0))
}

fn unknown(table: &TableName, column: &str, reference: &str) -> Failure {
    Failure::usage(t!("verify.no_reference", table = table, column = column, reference = reference))
}
