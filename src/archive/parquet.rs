//! Tables of the staging file as Parquet, which any tool can read in ten years.

use std::path::Path;

use anyhow::Result;
use rust_i18n::t;

use super::contents::Item;
use crate::error::{Failure, interrupt};
use crate::model::ident::{literal, quoted};
use crate::snapshot::hash_file;
use crate::staging::{Staging, private_file, private_folder};

/// Beside `raw` and `reject`: what became of each record, what could not be read, and the SQL that ran.
const META: [&str; 4] = ["fate", "verdict", "load_error", "model_version"];

/// Types that Parquet has no equal of, or that DuckDB writes with less than they hold.
const AS_TEXT: [&str; 9] =
    ["HUGEINT", "INTERVAL", "TIME WITH TIME ZONE", "TIMETZ", "BIT", "BIGNUM", "VARINT", "UNION", "VARIANT"];

/// Writes them into `work` and counts their rows again.
///
/// # Errors
/// The disk, or a table whose rows are not all in its file.
pub(super) fn write(staging: &Staging, work: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (schema, table) in tables(staging)? {
        interrupt::check()?;
        let name = format!("staging/{schema}/{table}.parquet");
        let path = work.join(&name);
        if let Some(folder) = path.parent() {
            private_folder(folder)?;
        }
        let file = literal(&path.to_string_lossy());
        let from = format!("{}.{}", quoted(&schema), quoted(&table));
        let columns = columns(staging, &schema, &table)?;
        // What is a view has no order of its own; the same rows are to be the same bytes.
        let order = if schema == "meta" { " order by all" } else { "" };
        staging.execute(&format!(
            "copy (select {columns} from {from}{order}) to {file} (format parquet, compression zstd)"
        ))?;
        private_file(&path)?;
        let there: u64 = staging.value(&format!("select count(*)::ubigint from {from}"))?;
        let written = format!("select sum(num_rows)::ubigint from parquet_file_metadata({file})");
        if staging.value::<u64>(&written)? != there {
            return Err(Failure::failed(t!("archive.rows_lost", table = format!("{schema}.{table}"))).into());
        }
        let (sha256, bytes) = hash_file(&path)?;
        items.push(Item { name, path, bytes, sha256 });
    }
    Ok(items)
}

fn tables(staging: &Staging) -> Result<Vec<(String, String)>> {
    let meta = META.map(literal).join(", ");
    staging.rows(
        &format!(
            "select table_schema, table_name from information_schema.tables where table_schema in ('raw', 'reject') \
             or (table_schema = 'meta' and table_name in ({meta})) order by all"
        ),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn columns(staging: &Staging, schema: &str, table: &str) -> Result<String> {
    let columns = staging.rows(
        &format!(
            "select column_name, data_type from information_schema.columns where table_schema = {} and table_name = {} \
             order by ordinal_position",
            literal(schema),
            literal(table)
        ),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let column = |(name, kind): &(String, String)| {
        let name = quoted(name);
        let as_text = AS_TEXT.iter().any(|one| kind.contains(one));
        if as_text { format!("{name}::varchar as {name}") } else { name }
    };
    Ok(columns.iter().map(column).collect::<Vec<_>>().join(", "))
}
