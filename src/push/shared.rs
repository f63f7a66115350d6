//! Rows that would come to share a unique value with a row that stays: somebody took it since the snapshot was checked, or
//! people's value stands where the source's would have given way. Told before anything is written, with both rows' keys.
//!
//! What triggers make of a value, and what EXCLUDE constraints say, is PostgreSQL's to decide while it writes; so is what changed
//! golden ids do to rows.

use anyhow::Result;
use rust_i18n::t;

use super::after::After;
use super::compare::Context;
use super::golden;
use super::plan::Comparison;
use crate::codec::TableCodec;
use crate::error::{self, Failure};
use crate::model::catalog::Index;
use crate::model::ident::TableName;
use crate::model::manifest::TableEntry;

/// So many pairs are named for a key.
const NAMED: usize = 5;

/// A unique key of which rows would share a value.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    table: TableName,
    constraint: String,
    rows: u64,
    /// Of the first of them: the key of the row that comes, and of the one that has the value.
    pairs: Vec<(String, String)>,
}

/// Asks each unique index of a table that is staged; `gone` is a condition on the rows `t` that are deleted first.
pub(super) async fn find(
    context: &Context<'_>,
    place: usize,
    entry: &TableEntry,
    codec: &TableCodec,
    (comparison, gone): (&Comparison, Option<&str>),
) -> Result<Vec<Shared>> {
    let mut found = Vec::new();
    if comparison.inserts + comparison.merged.updates == 0 || golden::any(context).await? {
        return Ok(found);
    }
    let written = |index: &&Index| {
        let columns = index.plain_columns().unwrap_or_default();
        columns.iter().all(|name| codec.column_names().any(|column| column == name))
    };
    let indexes = context.catalog.tables[&entry.table].indexes.iter();
    let updates = comparison.merged.updates > 0;
    let after = After { context, place, entry, codec, gone: gone.unwrap_or("false"), updates };
    for index in indexes.filter(|index| index.unique && index.valid && !index.primary).filter(written) {
        let pairs = format!("select c.key, min(h.key) from {}", meeting(&after, index));
        let rows = context.client.query(&format!("{pairs} group by c.key order by c.key"), &[]).await;
        let rows = rows.map_err(|error| error::postgres(&error))?;
        if !rows.is_empty() {
            found.push(Shared {
                table: entry.table.clone(),
                constraint: index.constraint.clone().unwrap_or_else(|| index.name.clone()),
                rows: rows.len() as u64,
                pairs: rows.iter().take(NAMED).map(|row| (row.get(0), row.get(1))).collect(),
            });
        }
    }
    Ok(found)
}

/// The rows that get another value as `c`, each with one that has the same in the end as `h`.
fn meeting(after: &After<'_>, index: &Index) -> String {
    let operator = if index.nulls_not_distinct { "is not distinct from" } else { "=" };
    let values = index.expressions.iter().enumerate().map(|(n, sql)| format!(", {sql} as e{n}"));
    let values = values.collect::<String>();
    let of = |rows: &str| {
        let filter = index.predicate.as_deref().unwrap_or("true");
        format!("(select trasvase_key as key{values} from ({rows}) rows where {filter})")
    };
    let same = (0..index.expressions.len()).map(|n| format!("c.e{n} {operator} h.e{n}"));
    let same = same.collect::<Vec<_>>().join(" and ");
    let had = same.replace("h.e", "o.e");
    let written = after.written();
    format!(
        "{} c join {} h on {same} and c.key <> h.key \
         where not exists (select 1 from {} o where o.key = c.key and {had})",
        of(&written),
        of(&format!("{written} union all {}", after.staying())),
        of(&after.now()),
    )
}

/// Tells them as a whole.
pub(super) fn failure(clinic: &str, shared: &[&Shared]) -> Failure {
    let told = shared.iter().map(|one| {
        let mut pairs: Vec<String> = one.pairs.iter().map(|(row, has)| format!("{row} → {has}")).collect();
        if one.rows > pairs.len() as u64 {
            pairs.push("…".to_owned());
        }
        let (table, constraint, rows) = (&one.table, &one.constraint, one.rows);
        t!("push.shared_by", table = table, constraint = constraint, rows = rows, pairs = pairs.join(", "))
            .into_owned()
    });
    Failure::findings(t!("push.shared", rows = told.collect::<Vec<_>>().join("; ")))
        .hint(t!("push.shared_hint", clinic = clinic))
        .hint(t!("push.shared_otherwise"))
}
