//! Numbers beside the rows that hold their placeholders, in DuckDB.

use anyhow::Result;
use duckdb::Connection;

use crate::error;
use crate::model::ident::{TableName, literal};
use crate::model::keys::Numbers;

/// Makes the temporary table of numbers anew, empty.
pub fn create(connection: &Connection) -> Result<()> {
    let sql = "create or replace temp table number (table_name varchar, placeholder varchar, number varchar)";
    connection.execute_batch(sql).map_err(error::duckdb)
}

/// Adds the numbers of a table's new keys.
pub fn add(connection: &Connection, table: &TableName, numbers: &Numbers) -> Result<()> {
    let mut rows = connection.appender_to_catalog_and_db("number", "temp", "main").map_err(error::duckdb)?;
    let table = table.to_string();
    for (placeholder, number) in numbers.pairs() {
        let row = [table.as_str(), &placeholder.to_string(), &number.to_string()];
        rows.append_row(row).map_err(error::duckdb)?;
    }
    rows.flush().map_err(error::duckdb)
}

/// SQL of a value (text, named with its table's alias) that has a number in place of a placeholder of `table`.
pub fn with_number(value: &str, table: &TableName) -> String {
    let table = literal(&table.to_string());
    format!(
        "coalesce((select min(number.number) from temp.number where number.table_name = {table} and number.placeholder = {value}), {value})"
    )
}
