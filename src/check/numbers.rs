//! New integer keys (`keys = "new"`): placeholders below zero, of rows that the ledger can know again by their source id.

use std::collections::BTreeSet;

use anyhow::Result;

use super::shape::TableShape;
use super::{Options, ready};
use crate::config::Clinic;
use crate::error;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::keys::{Keys, Record};
use crate::pg::{execute, numbers};
use crate::staging;

/// Which of these tables have new keys.
pub(super) fn tables(clinic: &Clinic, names: &[TableName]) -> BTreeSet<TableName> {
    names.iter().filter(|name| clinic.table(name).keys == Keys::New).cloned().collect()
}

/// Refuses rows whose key is no placeholder, rows without a source id, and of rows with one source id all but the first.
pub(super) fn decide(options: &Options<'_>, shape: &TableShape<'_>) -> Result<()> {
    let Some(key) = key(shape) else { return Ok(()) };
    let (table, of_table) = (literal(&shape.name.to_string()), shape.name.staged("ready"));
    let column = literal(key);
    let standing = format!("_n not in (select n from fault where table_name = {table})");
    options.staging.execute(&format!(
        "insert into fault select {table}, _n, 'key_not_placeholder', {column}, null, null from {of_table} \
         where not coalesce(starts_with({key}, '-'), false) and {standing}; \
         insert into fault select {table}, _n, 'no_source_id', null, null, null from {of_table} \
         where _source_id is null and {standing}; \
         insert into fault select {table}, _n, 'same_source_id', null, null, {kept} from ( \
           select _n, row_number() over same_id as place, first_value(_ids[1]) over same_id as kept \
           from ({}) standing window same_id as (partition by _kind, _source_id order by _place)) where place > 1",
        with_kind(shape, &standing),
        kept = ready::kept_record("kept", ready::KEPT_ROW),
        key = quoted(key),
    ))
}

/// Fills DuckDB's table of numbers, so that PostgreSQL decides about rows as they will be, and tells those that were
/// pushed before from others.
pub(super) async fn look_up(options: &Options<'_>, shapes: &[TableShape<'_>]) -> Result<()> {
    let connection = options.staging.connection();
    staging::numbers::create(connection)?;
    if shapes.iter().all(|shape| shape.keys == Keys::Preserve) {
        return Ok(());
    }
    execute(options.client, "begin").await?;
    let found = in_transaction(options, shapes).await;
    execute(options.client, "rollback").await?;
    found
}

async fn in_transaction(options: &Options<'_>, shapes: &[TableShape<'_>]) -> Result<()> {
    let connection = options.staging.connection();
    for shape in shapes {
        let Some(key) = key(shape) else { continue };
        error::interrupt::check()?;
        let (clinic, product) = (options.clinic.name.as_str(), options.clinic.product.as_str());
        let table = numbers::Table { client: options.client, clinic, product, name: &shape.name, key };
        let standing = format!(
            "_n not in (select n from fault where table_name = {})",
            literal(&shape.name.to_string())
        );
        let sql = format!(
            "select {}::bigint, _kind, _source_id from ({})",
            quoted(key),
            with_kind(shape, &standing)
        );
        let mut statement = connection.prepare(&sql).map_err(error::duckdb)?;
        let records = statement
            .query_map([], |row| {
                Ok(Record { placeholder: row.get(0)?, kind: row.get(1)?, source_id: row.get(2)? })
            })
            .map_err(error::duckdb)?;
        let found = table.known(records.map(|record| record.map_err(error::duckdb))).await?;
        staging::numbers::add(connection, &shape.name, &found)?;
    }
    Ok(())
}

/// The key column of a table with new keys.
fn key<'s>(shape: &'s TableShape<'_>) -> Option<&'s str> {
    let (key, _) = shape.table.sequence_key()?;
    (shape.keys == Keys::New).then_some(key)
}

/// The rows with `_kind`, the kind of record that the ledger will know them as: see `snapshot::Row::external_id`.
fn with_kind(shape: &TableShape<'_>, condition: &str) -> String {
    format!(
        "select ready.*, ready.rowid as _place, coalesce(source.source, {}) as _kind from {} ready \
         left join meta.source source on source.number = ready._ids[1] >> 50 where {condition}",
        literal(&shape.name.to_string()),
        shape.name.staged("ready"),
    )
}
