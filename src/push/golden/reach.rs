//! The tables that golden ids reach: those whose keys they are, and those that refer to them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::super::compare::{Context, incoming};
use super::super::rebuild::parent;
use super::super::referrers::Referrer;
use super::changes::any;
use super::rows::{Affected, Rows};
use crate::model::catalog::{ConstraintKind, DataType};
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::ledger;

/// The tables with rows that may have to change: those whose keys are recorded ids, and those that refer to them.
pub(super) async fn reached(context: &Context<'_>, staged: &BTreeSet<usize>) -> Result<Vec<Affected>> {
    if !any(context).await? {
        return Ok(Vec::new());
    }
    let holders = holders(context, staged).await?;
    let mut columns: BTreeMap<TableName, BTreeMap<String, Vec<TableName>>> = BTreeMap::new();
    let mut add = |table: &TableName, column: &str, holder: &TableName| {
        let of_table = columns.entry(table.clone()).or_default();
        of_table.entry(column.to_owned()).or_default().push(holder.clone());
    };
    for (holder, key) in &holders {
        add(holder, key, holder);
        for (table, constraint) in context.catalog.foreign_keys().filter(|(_, one)| parent(one) == holder) {
            let ConstraintKind::ForeignKey { referenced_columns, .. } = &constraint.kind else { continue };
            let pairs = constraint.columns.iter().zip(referenced_columns);
            for (column, _) in pairs.filter(|(_, referenced)| *referenced == key) {
                add(table, column, holder);
            }
        }
    }
    let place = |table: &TableName| context.manifest().tables.iter().position(|entry| entry.table == *table);
    let mut affected = Vec::new();
    for (table, columns) in columns {
        let place = place(&table);
        // A table of the snapshot that had no rows has none but new ones.
        if place.is_some_and(|place| !staged.contains(&place)) {
            continue;
        }
        let own_key = holders.iter().find(|(holder, _)| *holder == table).map(|(_, key)| key.clone());
        let written =
            ledger::written(context.client, context.manifest().clinic.as_str(), None, &table).await?;
        let scopes = columns.values().map(|holders| scope(context, holders)).collect();
        let columns = columns.into_keys().collect();
        affected.push(Affected { place, columns, scopes, own_key, written, table });
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
        let (name, column) = (entry.table.quoted(), quoted(key));
        let held = format!(
            "select count(*) from (select 1 from {name} t join (select was, holder from trasvase_moved union all select was, holder from trasvase_retired) m on m.was = t.{column}::text \
             where m.holder in ({}) limit 1) one",
            scope(context, std::slice::from_ref(&entry.table))
        );
        if context.count(&held).await? == 0 {
            continue;
        }
        holders.push((entry.table.clone(), key.clone()));
    }
    for (table, key) in &holders {
        let refers_on = context.catalog.foreign_keys().any(|(child, constraint)| {
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
                    "delete from trasvase_retired r where r.holder = '' and exists (select 1 from {name} t where t.{column}::text = r.was) \
                     and not exists (select 1 from {name} t where t.{column}::text = r.successor) \
                     and not exists (select 1 from {incoming} i where i.{column}::text = r.successor)"
                ))
                .await?;
        }
    }
    Ok(holders)
}

/// Of which holders the changed ids are that can be in a column which refers to these tables, as a list of SQL: golden ids
/// have none, a key of one table only is that table's.
fn scope(context: &Context<'_>, holders: &[TableName]) -> String {
    let text = |holder: &TableName| {
        let table = &context.catalog.tables[holder];
        table
            .primary_key()
            .first()
            .and_then(|key| table.column(key))
            .is_some_and(|key| may_hold_ids(&key.data_type))
    };
    let golden = holders.iter().any(text).then(|| "''".to_owned());
    let own = holders.iter().map(|holder| literal(&holder.to_string()));
    golden.into_iter().chain(own).collect::<Vec<_>>().join(", ")
}

/// Whether a key of this type can be a golden id.
fn may_hold_ids(data_type: &DataType) -> bool {
    matches!(data_type.undomained().base.as_str(), "text" | "varchar" | "bpchar" | "uuid" | "citext" | "name")
}

/// Rows that stay and refer to rows that go with nothing in their place.
pub(super) async fn stranded(
    context: &Context<'_>,
    affected: &Affected,
    rows: &Rows,
) -> Result<Vec<Referrer>> {
    let mut found = Vec::new();
    for constraint in context.catalog.tables[&affected.table].foreign_keys() {
        let ConstraintKind::ForeignKey { references, on_delete, .. } = &constraint.kind else { continue };
        let numbers =
            affected.columns.iter().enumerate().filter(|(_, name)| constraint.columns.contains(name));
        for (number, _) in numbers {
            let rows = context.count(&rows.stranded(number)).await?;
            if rows > 0 {
                found.push(Referrer {
                    of: references.clone(),
                    table: affected.table.clone(),
                    constraint: constraint.name.clone(),
                    on_delete: on_delete.clone(),
                    rows,
                });
            }
        }
    }
    Ok(found)
}

/// Rows that refer to rows that go by another of their unique keys: these have no successor, so nothing can be carried over.
pub(super) async fn by_other_keys(context: &Context<'_>, affected: &Affected) -> Result<Vec<Referrer>> {
    let Some(own_key) = &affected.own_key else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (table, constraint) in
        context.catalog.foreign_keys().filter(|(_, one)| *parent(one) == affected.table)
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
                "select count(*) from {} c where ({}) in (select {} from {} t join trasvase_retired r on r.was = t.{}::text and r.holder in ({}))",
                table.quoted(),
                list("c", &constraint.columns),
                list("t", referenced_columns),
                affected.table.quoted(),
                quoted(own_key),
                scope(context, std::slice::from_ref(&affected.table)),
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
