//! Which later batches were built on those that are to be taken back.

use anyhow::Result;

use super::Options;
use super::batch::{Batch, numbers};
use super::shared;
use crate::codec::TableCodec;
use crate::error;
use crate::model::catalog::{ConstraintKind, Table};
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::ledger;

/// How many rows a later batch wrote or took away on which these batches stand, or that stand on theirs: they wrote the same
/// rows, it made rows refer to theirs, or what it did is in the way of rows that would come back.
pub(super) async fn on(options: &Options<'_>, earlier: &[Batch], later: &Batch) -> Result<u64> {
    let touched = |batches: &str| {
        format!(
            "select target_table, key from trasvase.row_digest where batch in ({batches}) \
             union select target_table, key from trasvase.change where batch in ({batches})"
        )
    };
    let mut parts = vec![format!(
        "select target_table, key from ({}) a join ({}) b using (target_table, key)",
        touched(&numbers(earlier)),
        touched(&later.number.to_string())
    )];
    parts.extend(referring(options, earlier, later));
    parts.extend(parents_gone(options, earlier, later));
    parts.extend(values_taken(options, earlier, later));
    let sql = format!("select count(*) from ({}) rows", parts.join(" union "));
    let row = options.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(u64::try_from(row.get::<_, i64>(0))?)
}

/// Queries of its rows that refer to rows which these inserted.
fn referring(options: &Options<'_>, earlier: &[Batch], later: &Batch) -> Vec<String> {
    let (numbers, mut parts) = (numbers(earlier), Vec::new());
    let wrote = |batches: &[Batch], table: &TableName| {
        let name = table.to_string();
        batches.iter().any(|batch| batch.tables().any(|one| *one == name))
    };
    for (child, constraint) in options.catalog.foreign_keys() {
        let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
            continue;
        };
        if !wrote(std::slice::from_ref(later), child) || !wrote(earlier, references) {
            continue;
        }
        let key = |table: &TableName, alias: &str| {
            let key = options.catalog.table(table)?.primary_key();
            let codec = TableCodec::of_columns(options.catalog.table(table)?, key, key).ok()?;
            Some(codec.key_sql(alias)).filter(|_| !key.is_empty())
        };
        let Some((child_key, parent_key)) = key(child, "t").zip(key(references, "p")) else { continue };
        let pairs = constraint.columns.iter().zip(referenced_columns);
        let same: Vec<String> =
            pairs.map(|(ours, theirs)| format!("t.{} = p.{}", quoted(ours), quoted(theirs))).collect();
        parts.push(format!(
            "select d.target_table, d.key from trasvase.row_digest d \
             join {child} t on ({child_key}) collate \"C\" = d.key join {parent} p on {same} \
             join trasvase.row_digest e on e.key = ({parent_key}) collate \"C\" \
             where d.batch = {later} and d.target_table = {child_code} and e.batch in ({numbers}) and e.target_table = {parent_code} \
             and not exists (select 1 from trasvase.change c where c.batch = e.batch and c.target_table = e.target_table and c.key = e.key)",
            child = child.quoted(),
            parent = references.quoted(),
            same = same.join(" and "),
            later = later.number,
            child_code = ledger::code_sql(&child.to_string()),
            parent_code = ledger::code_sql(&references.to_string()),
        ));
    }
    parts
}

/// Queries of rows that it took away, or gave another of their values, and to which rows referred that would come back.
fn parents_gone(options: &Options<'_>, earlier: &[Batch], later: &Batch) -> Vec<String> {
    let mut parts = Vec::new();
    for (child, constraint) in options.catalog.foreign_keys() {
        let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
            continue;
        };
        let later = std::slice::from_ref(later);
        let images = images(options, child, earlier).zip(images(options, references, later));
        let Some((children, parents)) = images else { continue };
        let same = |left: &str, left_columns: &[String], right: &str| {
            let pairs = left_columns.iter().zip(referenced_columns);
            let same =
                pairs.map(|(ours, theirs)| format!("{left}.{} = {right}.{}", quoted(ours), quoted(theirs)));
            same.collect::<Vec<_>>().join(" and ")
        };
        parts.push(format!(
            "select {code}, p.trasvase_key from ({parents}) p join ({children}) c on {referred} \
             where not exists (select 1 from {parent} t where {there})",
            code = ledger::code_sql(&references.to_string()),
            referred = same("c", &constraint.columns, "p"),
            parent = references.quoted(),
            there = same("p", referenced_columns, "t"),
        ));
    }
    parts
}

/// Queries of rows that it wrote, and that have a unique value now of a row that would come back. Rows that people changed
/// since are no batch's.
fn values_taken(options: &Options<'_>, earlier: &[Batch], later: &Batch) -> Vec<String> {
    let mut parts = Vec::new();
    for name in later.tables() {
        let table = TableName::from(name.as_str());
        let Some((live, shape)) = options.catalog.table(&table).zip(later.shape_of(name, options.catalog))
        else {
            continue;
        };
        let codec = TableCodec::of_columns(live, &shape.columns, &shape.key);
        let Some((codec, coming)) = codec.ok().zip(images(options, &table, earlier)) else { continue };
        if shape.key.is_empty() {
            continue;
        }
        let (code, key, rows) = (ledger::code_sql(name), codec.key_sql("t"), table.quoted());
        let written = format!(
            "select d.key as trasvase_key, t.* from {rows} t join trasvase.row_digest d on d.batch = {} \
             and d.target_table = {code} and d.key = ({key}) collate \"C\"",
            later.number
        );
        for unique in shared::keys(live) {
            // Only the few that meet are digested.
            parts.push(format!(
                "select {code}, m.key from (select distinct s.trasvase_key as key from {} c join {} s on {} offset 0) m \
                 join {rows} t on ({key}) collate \"C\" = m.key where exists (select 1 from trasvase.row_digest e \
                 where e.target_table = {code} and e.key = m.key and e.batch >= {} and e.stored = {})",
                unique.values_sql(&coming, "trasvase_key, "),
                unique.values_sql(&written, "trasvase_key, "),
                unique.meets("c", "s"),
                later.number,
                codec.digest_sql("t"),
            ));
        }
    }
    parts
}

/// A query of a table's rows as they were before these batches changed them or took them away, which would come back:
/// `trasvase_key` and the columns. None where they changed none; rows from before the table's columns changed are left out.
fn images(options: &Options<'_>, name: &TableName, batches: &[Batch]) -> Option<String> {
    let live: &Table = options.catalog.table(name)?;
    let text = name.to_string();
    if !batches.iter().any(|batch| batch.changed(&text)) {
        return None;
    }
    let columns = live.columns.iter().map(|column| literal(&column.name)).collect::<Vec<_>>().join(", ");
    let (numbers, code) = (numbers(batches), ledger::code_sql(&text));
    // One of them may have inserted what another one changed.
    let inserted = format!(
        "exists (select 1 from trasvase.row_digest d where d.batch in ({numbers}) and d.batch < first.batch \
         and d.target_table = {code} and d.key = first.key)"
    );
    Some(format!(
        "select i.trasvase_key, (i.image).* from (select first.key as trasvase_key, first.before::{table} as image from \
         (select distinct on (key) key, batch, before, columns from trasvase.change \
         where batch in ({numbers}) and target_table = {code} order by key, batch) first \
         where first.columns = array[{columns}]::text[] and not {inserted} offset 0) i",
        table = name.quoted(),
    ))
}
