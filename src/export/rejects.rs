//! Which rows are rejected, by their keys: a push that deletes what the source has no more must not take a rejected row for
//! one that is gone. Only of tables
//! of which a push may delete rows.

use std::path::Path;

use anyhow::Result;

use super::{Options, source_names, spelled};
use crate::config::LoadMode;
use crate::model::ident::{TableName, literal, quoted};
use crate::model::manifest::RejectsEntry;
use crate::model::vanished::Vanished;
use crate::snapshot::Part;

/// Writes the file of every such table.
pub(super) fn write(
    options: &Options<'_>,
    tables: &[TableName],
    partial: &Path,
) -> Result<Vec<RejectsEntry>> {
    let mut entries = Vec::new();
    for table in tables.iter().filter(|table| deletes(options, table)) {
        let rows: u64 = options.staging.value(&format!("select count(*) from {}", table.staged("reject")))?;
        if rows == 0 {
            continue;
        }
        let write = |path: &Path| options.staging.execute(&copy_sql(options, table, path)?);
        let (Part { file, sha256, bytes }, _) = Part::write(partial, ("rejects", &table.to_string()), write)?;
        entries.push(RejectsEntry { table: table.clone(), file, sha256, bytes, rows });
    }
    Ok(entries)
}

/// Whether a push may delete rows of the table that a snapshot does not have.
fn deletes(options: &Options<'_>, table: &TableName) -> bool {
    options.clinic.vanished(table) == Some(Vanished::Delete)
        || options.clinic.load_mode(table) == LoadMode::Sync
}

/// One line a row, as [`RejectedRow`](crate::snapshot::RejectedRow) has it.
fn copy_sql(options: &Options<'_>, table: &TableName, path: &Path) -> Result<String> {
    let columns: Vec<String> = options.staging.rows(
        &format!(
            "select column_name from duckdb_columns() where schema_name = 'reject' and table_name = {}",
            literal(&table.to_string())
        ),
        |row| row.get(0),
    )?;
    let has = |name: &str| columns.iter().any(|column| column == name);
    let key = options.catalog.table(table).map(|table| table.primary_key().to_vec()).unwrap_or_default();
    let cells = key.iter().map(|name| match has(name) {
        true => format!("{}::varchar", quoted(name)),
        false => "null::varchar".to_owned(),
    });
    let (key, sources) = (cells.collect::<Vec<_>>().join(", "), source_names(options.staging)?);
    Ok(format!(
        "copy (select [{key}]::varchar[] as key, ({sources})[_record_ids[1] >> 50] as source, \
         coalesce({source_id}, {record}) as source_id from {} order by _record_ids[1], key) to {} (format json, array false)",
        table.staged("reject"),
        literal(&path.to_string_lossy()),
        source_id = if has("_source_id") { "_source_id::varchar" } else { "null::varchar" },
        record = spelled("_record_ids[1]", &sources),
    ))
}
