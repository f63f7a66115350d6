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

use super::difference::{Difference, Kind};
use super::population::Population;
use super::{Compared, Options, TheirTable};
use crate::error::{self, Failure};
use crate::model::ident::{TableName, literal, quoted};

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
    /// The keys of the first rows that break it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// So many keys are named of the rows that break a rule.
const MOST_KEYS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    ForeignKey,
    /// A foreign key that only clinic.toml declares.
    Declared,
    /// A foreign key of either kind that rows break which are not ours: these are told, and fail nothing.
    OthersOrphans,
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
    /// What its rows in the snapshot say, where these are those of the target but for some that are known.
    proven: Option<&'a Proven>,
    /// How many are not the snapshot's, and the condition of these, on alias `t`.
    differing: Option<(u64, String)>,
    /// The target holds no others.
    all_ours: bool,
    tables: &'a [Asked<'a>],
}

/// A table and its rows that are not the same on both sides.
pub(super) struct Asked<'a> {
    pub(super) compared: &'a Compared<'a>,
    pub(super) proven: &'a Proven,
    pub(super) theirs: &'a TheirTable,
    /// None where not each of them is known.
    pub(super) differing: Option<&'a [Difference]>,
}

/// Asks about every rule of every table of the snapshot: the server, where equal rows do not prove it.
pub(super) async fn compare(
    options: &Options<'_>,
    population: &Population,
    tables: &[Asked<'_>],
) -> Result<Vec<RelationReport>> {
    let mut reports = Vec::new();
    for asked in tables {
        error::interrupt::check()?;
        let Asked { compared, theirs, .. } = asked;
        let condition = if theirs.all_ours { "true" } else { compared.condition.as_str() };
        let proven = asked.differing.map(|_| asked.proven);
        let differing = asked.differing_sql();
        let rows = Rows { compared, condition, proven, differing, all_ours: theirs.all_ours, tables };
        let mut found = orphans::find(options, &rows).await?;
        found.extend(values::find(options, population, &rows).await?);
        found.extend(unique::find(options, &rows).await?);
        found.extend(sequences::find(options, &rows).await?);
        found.sort_by_key(|one| one.kind);
        reports.extend(found);
    }
    Ok(reports)
}

impl Asked<'_> {
    /// How many rows are not the same on both sides, and the condition of these, on alias `t`.
    fn differing_sql(&self) -> Option<(u64, String)> {
        let differing = self.differing.filter(|rows| !rows.is_empty())?;
        let keys: Vec<String> = differing.iter().map(|one| literal(&one.key)).collect();
        let among = format!("array[{}]::text[]", keys.join(", "));
        Some((keys.len() as u64, self.compared.codec.key_among_sql("t", &among)))
    }

    /// Whether the target has, in these columns, whatever the snapshot has.
    fn has_all(&self, columns: &[String]) -> bool {
        let Some(differing) = self.differing else { return false };
        let key = &self.compared.entry.key;
        let is_key = columns.len() == key.len() && columns.iter().all(|column| key.contains(column));
        differing.is_empty() || is_key && differing.iter().all(|one| one.kind != Kind::Missing)
    }
}

impl Rows<'_> {
    /// Whether equal rows of both tables prove that each has its parent. Where one has none among them, others may have made it.
    fn have_parents(&self, reference: &Reference) -> bool {
        let proven = self.proven.and_then(|proven| proven.orphans.get(&reference.name));
        let Some((parent, 0)) = proven else { return false };
        let parent = self.tables.iter().find(|asked| asked.compared.entry.table == *parent);
        parent.is_some_and(|parent| parent.has_all(&reference.parents))
    }

    /// Whether no two rows of the snapshot share a key of this index, and the target holds no others than ours.
    fn is_unique(&self, index: &str) -> bool {
        self.all_ours && self.proven.is_some_and(|proven| proven.unique.iter().any(|name| name == index))
    }

    fn report(&self, kind: Relation, name: &str, rows: i64) -> RelationReport {
        RelationReport {
            table: self.compared.entry.table.clone(),
            kind,
            name: name.to_owned(),
            rows: u64::try_from(rows).unwrap_or(u64::MAX),
            warning: matches!(kind, Relation::Today | Relation::OthersOrphans),
            keys: Vec::new(),
        }
    }

    /// The report with the keys of the first rows that break its rule, if any do. `broken` is a FROM clause of these, with its
    /// condition; the table is `t`.
    async fn named(
        &self,
        options: &Options<'_>,
        report: RelationReport,
        broken: &str,
    ) -> Result<RelationReport> {
        let Compared { entry, codec, .. } = self.compared;
        if report.rows == 0 || entry.key.is_empty() {
            return Ok(report);
        }
        let key = entry.key.iter().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ");
        let sql = format!("select {} {broken} order by {key} limit {MOST_KEYS}", codec.key_sql("t"));
        let rows = options.client.query(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        Ok(RelationReport { keys: rows.iter().map(|row| row.get(0)).collect(), ..report })
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
