//! Rows that would come to have the same unique key once they refer to the same golden record.

use anyhow::Result;
use rust_i18n::t;

use super::super::compare::Context;
use super::rows::{Affected, Rows};
use crate::error::Failure;
use crate::model::catalog::Index;
use crate::model::ident::TableName;

/// A unique key that rows would share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::push) struct Collision {
    pub(in crate::push) table: TableName,
    pub(in crate::push) constraint: String,
    /// Keys that more than one row would have.
    pub(in crate::push) rows: u64,
}

/// Asks each unique index of the table how often it would find a key of a changed row twice.
pub(super) async fn find(context: &Context<'_>, affected: &Affected, rows: &Rows) -> Result<Vec<Collision>> {
    let table = &context.catalog.tables[&affected.table];
    let columns = columns(context, affected);
    let mut found = Vec::new();
    for index in table.indexes.iter().filter(|index| over_moved(context, affected, index)) {
        let rows = context.count(&twice(index, &rows.afterwards(&columns))).await?;
        if rows > 0 {
            let constraint = index.constraint.clone().unwrap_or_else(|| index.name.clone());
            found.push(Collision { table: affected.table.clone(), constraint, rows });
        }
    }
    Ok(found)
}

/// The columns of the table that hold what is written, with their types.
pub(super) fn columns(context: &Context<'_>, affected: &Affected) -> Vec<(String, String)> {
    let columns = context.catalog.tables[&affected.table].columns.iter().filter(|column| !column.generated);
    columns.map(|column| (column.name.clone(), column.data_type.name.clone())).collect()
}

/// Whether changed ids can make rows share a key of this index. One over other columns only keeps its keys; one over a
/// generated column is PostgreSQL's to decide.
pub(super) fn over_moved(context: &Context<'_>, affected: &Affected, index: &Index) -> bool {
    let of_moved = index.columns.iter().any(|column| match column {
        Some(name) => affected.columns.contains(name),
        None => true,
    });
    let generated = context.catalog.tables[&affected.table].columns.iter().filter(|column| column.generated);
    let mut generated = generated.filter(|column| index.columns.contains(&Some(column.name.clone())));
    index.unique && index.valid && of_moved && generated.next().is_none()
}

/// The condition under which an index looks at a row at all, beside its predicate: without a null, or with nulls that are
/// equal.
pub(super) fn filled(index: &Index) -> String {
    match index.nulls_not_distinct {
        true => "true".to_owned(),
        false => {
            let keys = index.expressions.iter().map(|key| format!("({key}) is not null"));
            keys.collect::<Vec<_>>().join(" and ")
        }
    }
}

fn twice(index: &Index, rows: &str) -> String {
    let keys = &index.expressions;
    let filled = filled(index);
    format!(
        "select count(*) from (select 1 from ({rows}) t where ({}) and ({filled}) group by {} \
         having count(*) > 1 and bool_or(trasvase_moved)) keys",
        index.predicate.as_deref().unwrap_or("true"),
        keys.iter().map(|key| format!("({key})")).collect::<Vec<_>>().join(", "),
    )
}

/// Tells collisions as a whole.
pub(in crate::push) fn failure(collisions: &[Collision]) -> Failure {
    let told = collisions.iter().map(|one| {
        t!("push.golden_collision_of", table = one.table, constraint = one.constraint, count = one.rows)
            .into_owned()
    });
    Failure::failed(t!("push.golden_collision", collisions = told.collect::<Vec<_>>().join("; ")))
        .hint(t!("push.golden_collision_hint"))
        .hint(t!("push.golden_collision_apart"))
}
