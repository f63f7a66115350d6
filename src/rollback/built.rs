//! Which later batches were built on those that are to be taken back.

use anyhow::Result;

use super::Options;
use super::batch::{Batch, numbers};
use super::shared;
use crate::codec::TableCodec;
use crate::error;
use crate::model::catalog::{Constraint, ConstraintKind, Table};
use crate::model::ident::{TableName, literal, quoted};
use crate::pg::ledger::{self, STORED};

/// How many rows a later batch wrote or took away on which these batches stand, or that stand on theirs: they wrote the same
/// rows, it made rows refer to theirs, what it took away did and would come back with it, or what it did is in the way of rows
/// that would come back.
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
    parts.extend(referred_before(options, earlier, later));
    parts.extend(parents_gone(options, earlier, later));
    parts.extend(values_taken(options, earlier, later));
    let sql = format!("select count(*) from ({}) rows", parts.join(" union "));
    let row = options.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(u64::try_from(row.get::<_, i64>(0))?)
}

/// Queries of its rows that refer to rows which these inserted.
fn referring(options: &Options<'_>, earlier: &[Batch], later: &Batch) -> Vec<String> {
    let mut parts = Vec::new();
    for (child, constraint) in options.catalog.foreign_keys() {
        let parents = inserted_parents(options, earlier, constraint).filter(|_| wrote(later, child));
        let Some((child_key, parents)) = key(options, child, "t").zip(parents) else { continue };
        parts.push(format!(
            "select d.target_table, d.key from trasvase.row_digest d \
             join {child} t on ({child_key}) collate \"C\" = d.key {parents} \
             and d.batch = {later} and d.target_table = {child_code}",
            child = child.quoted(),
            later = later.number,
            child_code = ledger::code_sql(&child.to_string()),
        ));
    }
    parts
}

/// Queries of rows that it changed or took away, and that referred until then to rows which these inserted: they come back with
/// it. So it is with rows that it wrote, and that a still later batch changed or took away.
fn referred_before(options: &Options<'_>, earlier: &[Batch], later: &Batch) -> Vec<String> {
    let mut parts = Vec::new();
    for (child, constraint) in options.catalog.foreign_keys() {
        let parents = inserted_parents(options, earlier, constraint).filter(|_| wrote(later, child));
        let Some((live, parents)) = options.catalog.table(child).zip(parents) else { continue };
        let columns = live.columns.iter().map(|column| literal(&column.name)).collect::<Vec<_>>().join(", ");
        parts.push(format!(
            "select {code}, t.trasvase_key from (select i.trasvase_key, (i.image).* from \
             (select c.key as trasvase_key, c.before::{table} as image from trasvase.change c \
             join trasvase.batch b on b.number = c.batch and b.clinic = {clinic} and b.status = 'completed' \
             where c.batch >= {later} and c.target_table = {code} and c.columns = array[{columns}]::text[] \
             and (c.batch = {later} or c.key in (select d.key from trasvase.row_digest d \
               where d.batch = {later} and d.target_table = {code})) \
             and not exists (select 1 from trasvase.row_digest m join trasvase.batch o on o.number = m.batch and o.status = 'completed' \
               where m.batch > {later} and m.batch < c.batch and m.target_table = {code} and m.key = c.key) offset 0) i) t {parents}",
            code = ledger::code_sql(&child.to_string()),
            table = child.quoted(),
            clinic = literal(options.clinic.name.as_str()),
            later = later.number,
        ));
    }
    parts
}

fn wrote(batch: &Batch, table: &TableName) -> bool {
    let name = table.to_string();
    batch.tables().any(|one| *one == name)
}

/// SQL of a row's key as text, where the table has one.
fn key(options: &Options<'_>, table: &TableName, alias: &str) -> Option<String> {
    let live = options.catalog.table(table)?;
    let codec = TableCodec::of_columns(live, live.primary_key(), live.primary_key()).ok()?;
    Some(codec.key_sql(alias)).filter(|_| !live.primary_key().is_empty())
}

/// SQL that joins rows `t` of a foreign key's table with those parents that these batches inserted, and begins the condition; none
/// where there are none.
fn inserted_parents(options: &Options<'_>, earlier: &[Batch], constraint: &Constraint) -> Option<String> {
    let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &constraint.kind else {
        return None;
    };
    let parent_key =
        key(options, references, "p").filter(|_| earlier.iter().any(|one| wrote(one, references)))?;
    let pairs = constraint.columns.iter().zip(referenced_columns);
    let same: Vec<String> =
        pairs.map(|(ours, theirs)| format!("t.{} = p.{}", quoted(ours), quoted(theirs))).collect();
    Some(format!(
        "join {parent} p on {same} join trasvase.row_digest e on e.key = ({parent_key}) collate \"C\" \
         where e.batch in ({numbers}) and e.target_table = {parent_code} \
         and not exists (select 1 from trasvase.change c where c.batch = e.batch and c.target_table = e.target_table and c.key = e.key)",
        parent = references.quoted(),
        same = same.join(" and "),
        numbers = numbers(earlier),
        parent_code = ledger::code_sql(&references.to_string()),
    ))
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
                 join {rows} t on ({key}) collate \"C\" = m.key where exists (select 1 from trasvase.row_digest d \
                 where d.target_table = {code} and d.key = m.key and d.batch >= {} and {STORED} = {})",
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
