//! SQL in the staging file: one transaction, in which nothing changes that a stage made.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use super::Private;
use crate::error::Failure;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Tables and views of the stages, with what they are made of.
const MADE: &str = "select schema_name, table_name, '' as sql, (select string_agg(column_name || ' ' || data_type, ',' order by column_index) \
     from duckdb_columns() c where c.table_oid = t.table_oid and c.database_oid = t.database_oid) as columns, true as is_table \
     from duckdb_tables() t where database_name = current_database() and schema_name in ({schemas}) \
     union all select schema_name, view_name, sql, '', false from duckdb_views() \
     where database_name = current_database() and schema_name in ({schemas}) order by 1, 2";

/// Schemas whose rows are accounted for, from the record in a source to the row in the target.
const SCHEMAS: [&str; 10] =
    ["raw", "map", "clean", "dedupe", "golden", "xref", "target", "ready", "reject", "meta"];

/// Runs a step's SQL, all of it or nothing.
///
/// # Errors
/// Whatever DuckDB says of it, without values; SQL that ends its transaction; a table of a stage that has other rows or
/// columns afterwards.
pub fn run(staging: &Staging, sql: &str) -> Result<()> {
    super::of_one_transaction(sql)?;
    // Settings and temporary tables go with the session.
    let session = staging.apart()?;
    let _private = Private::begin();
    session.transaction(|| {
        let before = made(&session)?;
        let transaction = "select txid_current()";
        let ours: u64 = session.value(transaction)?;
        session.execute(sql)?;
        let same = session.value::<u64>(transaction).is_ok_and(|now| now == ours);
        if !same {
            return Err(Failure::failed(t!("commands.own_end")).hint(t!("commands.own_end_hint")).into());
        }
        let changed = changed(&before, &made(&session)?);
        if changed.is_empty() {
            return Ok(());
        }
        Err(Failure::failed(t!("commands.not_its_own", tables = changed.join(", ")))
            .hint(t!("commands.not_its_own_hint"))
            .into())
    })
}

/// Each table's definition with a count and a hash of its rows in no order.
fn made(session: &Staging) -> Result<BTreeMap<String, String>> {
    let schemas = SCHEMAS.map(|name| format!("'{name}'")).join(", ");
    let tables = session.rows(&MADE.replace("{schemas}", &schemas), |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<String>>(3)?,
            row.get::<_, bool>(4)?,
        ))
    })?;
    let mut made = BTreeMap::new();
    for (schema, table, sql, columns, is_table) in tables {
        let name = format!("{schema}.{}", quoted(&table));
        let hash: String = match is_table {
            // No column has this name.
            true => session.value(&format!(
                "select concat_ws(' ', count(*), sum(hash(\"a row\")::hugeint)) from {name} as \"a row\""
            ))?,
            false => sql,
        };
        made.insert(format!("{schema}.{table}"), format!("{hash} {}", columns.unwrap_or_default()));
    }
    Ok(made)
}

/// Tables that are only on one side, or differ.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}
