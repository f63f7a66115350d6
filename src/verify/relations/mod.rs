//! What the target's own rules say of our rows, asked again: constraints may be NOT VALID, their triggers were perhaps
//! off, and some relations only clinic.toml knows.

mod orphans;
mod proven;
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

pub(super) use orphans::{Reference, references};
pub(super) use proven::{Keys, Proven};

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
    /// What its rows in the snapshot say, where these are those of the target.
    proven: Option<&'a Proven>,
    /// The target holds no others.
    all_ours: bool,
    /// Tables whose rows are equal.
    equal: &'a [&'a TableName],
}

/// A table and whether all its rows are equal on both sides.
pub(super) struct Asked<'a> {
    pub(super) compared: &'a Compared<'a>,
    pub(super) proven: &'a Proven,
    pub(super) theirs: &'a TheirTable,
    pub(super) equal: bool,
}

/// Asks about every rule of every table of the snapshot: the server, where equal rows do not prove it.
pub(super) async fn compare(
    options: &Options<'_>,
    population: &Population,
    tables: &[Asked<'_>],
) -> Result<Vec<RelationReport>> {
    let equal = tables.iter().filter(|table| table.equal && options.since.is_none());
    let equal: Vec<&TableName> = equal.map(|table| &table.compared.entry.table).collect();
    let mut reports = Vec::new();
    for Asked { compared, proven, theirs, .. } in tables {
        error::interrupt::check()?;
        let condition = if theirs.all_ours { "true" } else { compared.condition.as_str() };
        let proven = equal.contains(&&compared.entry.table).then_some(*proven);
        let rows = Rows { compared, condition, proven, all_ours: theirs.all_ours, equal: &equal };
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
    /// Whether equal rows of both tables prove that each has its parent. Where one has none among them, others may have made it.
    fn all_have_parents(&self, reference: &str) -> bool {
        let proven = self.proven.and_then(|proven| proven.orphans.get(reference));
        proven.is_some_and(|(parent, orphans)| *orphans == 0 && self.equal.contains(&parent))
    }

    /// Whether no two rows share a key of this index: no two of ours, and there are no others.
    fn is_unique(&self, index: &str) -> bool {
        self.all_ours && self.proven.is_some_and(|proven| proven.unique.iter().any(|name| name == index))
    }

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
