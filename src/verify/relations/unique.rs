//! Rows that share a key with another one, by every unique index of their table, those of constraints included.

use anyhow::Result;

use super::{Relation, RelationReport, Rows, number};
use crate::model::catalog::Index;
use crate::model::ident::quoted;
use crate::verify::Options;

pub(super) async fn find(options: &Options<'_>, rows: &Rows<'_>) -> Result<Vec<RelationReport>> {
    let mut reports = Vec::new();
    for index in rows.compared.table.indexes.iter().filter(|index| index.unique) {
        let proven = rows.is_unique(&index.name) && !is_met(options, rows, index).await?;
        let name = index.constraint.as_ref().unwrap_or(&index.name);
        if proven {
            reports.push(rows.report(Relation::Unique, name, 0));
            continue;
        }
        let doubled = doubled(&rows.compared.entry.table.quoted(), index);
        let report = rows.report(Relation::Unique, name, ask(options, rows, index, &doubled).await?);
        reports.push(rows.named(options, report, &ours(rows, index, &doubled)).await?);
    }
    Ok(reports)
}

/// Whether one of the rows that are not the snapshot's shares its key with another row.
async fn is_met(options: &Options<'_>, rows: &Rows<'_>, index: &Index) -> Result<bool> {
    let Some((_, differing)) = &rows.differing else { return Ok(false) };
    let Some(columns) = index.plain_columns() else { return Ok(true) };
    // An index serves `=` only.
    let equal = if index.nulls_not_distinct { "is not distinct from" } else { "=" };
    let same = columns.iter().map(|name| quoted(name)).map(|name| format!("o.{name} {equal} t.{name}"));
    let same = same.collect::<Vec<_>>().join(" and ");
    let table = rows.compared.entry.table.quoted();
    let sql = format!(
        "select count(*) from (select from {table} t where {differing} and exists \
         (select from {table} o where (o.tableoid, o.ctid) <> (t.tableoid, t.ctid) and {same}) limit 1) met"
    );
    Ok(number(options, &sql).await? > 0)
}

async fn ask(options: &Options<'_>, rows: &Rows<'_>, index: &Index, doubled: &str) -> Result<i64> {
    // Nearly always there is none, and whose rows they are need not be asked.
    let any = number(options, &format!("select count(*) from (select 1 {doubled} limit 1) doubled")).await?;
    match any {
        0 => Ok(0),
        _ => number(options, &format!("select count(*) {}", ours(rows, index, doubled))).await,
    }
}

/// `from ... group by ... having`: the keys that several rows have. Nulls are equal only where the index says so.
fn doubled(table: &str, index: &Index) -> String {
    let mut conditions: Vec<String> =
        index.predicate.iter().map(|predicate| format!("({predicate})")).collect();
    if !index.nulls_not_distinct {
        conditions.extend(index.expressions.iter().map(|key| format!("({key}) is not null")));
    }
    conditions.push("true".to_owned());
    let keys = index.expressions.join(", ");
    format!("from {table} where {} group by {keys} having count(*) > 1", conditions.join(" and "))
}

/// A FROM clause of our rows among those that share a key.
fn ours(Rows { compared, condition, .. }: &Rows<'_>, index: &Index, doubled: &str) -> String {
    let table = compared.entry.table.quoted();
    let predicate = index.predicate.as_deref().unwrap_or("true");
    let names: Vec<String> = (0..index.expressions.len()).map(|place| format!("k{place}")).collect();
    let keys: Vec<String> =
        index.expressions.iter().zip(&names).map(|(key, name)| format!("{key} as {name}")).collect();
    let same: Vec<String> =
        names.iter().map(|name| format!("t.{name} is not distinct from doubled.{name}")).collect();
    let keys = keys.join(", ");
    format!(
        "from (select *, {keys} from {table} where {predicate}) t \
         join (select {keys} {doubled}) doubled on {} where {condition}",
        same.join(" and ")
    )
}
