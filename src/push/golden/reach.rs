//! The tables that golden ids reach: those whose keys they are, and those that refer to them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::super::compare::{Context, incoming};
use super::super::rebuild::{all_foreign_keys, parent};
use super::super::referrers::Referrer;
use super::changes::any;
use super::rows::Affected;
use crate::model::catalog::{ConstraintKind, DataType};
use crate::model::ident::{TableName, quoted};
use crate::pg::ledger;

/// The tables with rows that may have to change: those whose keys are recorded ids, and those that refer to them.
pub(super) async fn reached(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<Vec<Affected>> {
    if !any(context).await? {
        return Ok(Vec::new());
    }
    let holders = holders(context, staged).await?;
    let mut columns: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
    for (holder, key) in &holders {
        columns.entry(holder.clone()).or_default().insert(key.clone());
        for (table, constraint) in all_foreign_keys(context.catalog).filter(|(_, one)| parent(one) == holder)
        {
            let ConstraintKind::ForeignKey { referenced_columns, .. } = &constraint.kind else { continue };
            let pairs = constraint.columns.iter().zip(referenced_columns);
            let referring = pairs.filter(|(_, referenced)| *referenced == key).map(|(column, _)| column);
            columns.entry(table.clone()).or_default().extend(referring.cloned());
        }
    }
    columns.retain(|_, columns| !columns.is_empty());
    let place = |table: &TableName| context.manifest().tables.iter().position(|entry| entry.table == *table);
    let mut affected = Vec::new();
    for (table, columns) in columns {
        let place = place(&table);
        // A table of the snapshot that had no rows has none but new ones.
        if place.is_some_and(|place| !staged.contains(&place)) {
            continue;
        }
        let own_key = holders.iter().find(|(holder, _)| *holder == table).map(|(_, key)| key.clone());
        let written = ledger::written(context.client, context.manifest().clinic.as_str(), &table).await?;
        affected.push(Affected { place, columns: columns.into_iter().collect(), own_key, written, table });
    }
    affected.sort_by_key(|one| one.place.unwrap_or(usize::MAX));
    Ok(affected)
}

/// The tables of the snapshot whose keys are recorded ids. An id stays where its successor is no row of the target, and
/// will be none: somebody must still be referred to.
pub(super) async fn holders(
    context: &Context<'_>,
    staged: &BTreeSet<usize>,
) -> Result<Vec<(TableName, String)>> {
    let mut holders = Vec::new();
    for place in staged {
        let entry = &context.manifest().tables[*place];
        let [key] = entry.key.as_slice() else { continue };
        let table = &context.catalog.tables[&entry.table];
        if !table.column(key).is_some_and(|column| may_hold_ids(&column.data_type)) {
            continue;
        }
        let (name, column) = (entry.table.quoted(), quoted(key));
        let held = format!(
            "select count(*) from (select 1 from {name} t join trasvase_moved m on m.was = t.{column}::text limit 1) one"
        );
        if context.count(&held).await? == 0 {
            continue;
        }
        holders.push((entry.table.clone(), key.clone()));
    }
    for (table, key) in &holders {
        let refers_on = all_foreign_keys(context.catalog).any(|(child, constraint)| {
            child == table
                && constraint.columns == [key.clone()]
                && parent(constraint) != table
                && holders.iter().any(|(holder, _)| holder == parent(constraint))
        });
        let place = context.manifest().tables.iter().position(|entry| entry.table == *table);
        if let Some(place) = place.filter(|_| !refers_on) {
            let (name, column, incoming) = (table.quoted(), quoted(key), incoming(place));
            context
                .execute(&format!(
                    "delete from trasvase_retired r where exists (select 1 from {name} t where t.{column}::text = r.was) \
                     and not exists (select 1 from {name} t where t.{column}::text = r.successor) \
                     and not exists (select 1 from {incoming} i where i.{column}::text = r.successor)"
                ))
                .await?;
        }
    }
    Ok(holders)
}

/// Whether a key of this type can be a golden id.
fn may_hold_ids(data_type: &DataType) -> bool {
    matches!(data_type.undomained().base.as_str(), "text" | "varchar" | "bpchar" | "uuid" | "citext" | "name")
}

/// Rows that refer to rows that go by another of their unique keys: these have no successor, so nothing can be carried over.
pub(super) async fn by_other_keys(context: &Context<'_>, affected: &Affected) -> Result<Vec<Referrer>> {
    let Some(own_key) = &affected.own_key else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (table, constraint) in
        all_foreign_keys(context.catalog).filter(|(_, one)| *parent(one) == affected.table)
    {
        let ConstraintKind::ForeignKey { referenced_columns, on_delete, .. } = &constraint.kind else {
            continue;
        };
        if referenced_columns.contains(own_key) {
            continue;
        }
        let list = |alias: &str, names: &[String]| {
            names.iter().map(|name| format!("{alias}.{}", quoted(name))).collect::<Vec<_>>().join(", ")
        };
        let rows = context
            .count(&format!(
                "select count(*) from {} c where ({}) in (select {} from {} t join trasvase_retired r on r.was = t.{}::text)",
                table.quoted(),
                list("c", &constraint.columns),
                list("t", referenced_columns),
                affected.table.quoted(),
                quoted(own_key)
            ))
            .await?;
        if rows > 0 {
            found.push(Referrer {
                of: affected.table.clone(),
                table: table.clone(),
                constraint: constraint.name.clone(),
                on_delete: on_delete.clone(),
                rows,
            });
        }
    }
    Ok(found)
}
