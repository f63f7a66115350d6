//! Rows that rollbacks left, since people had edited them or since rows that stay need them: they go later, once all of a
//! clinic goes, as long as they are as they were left.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tokio_postgres::Client;

use crate::codec::TableCodec;
use crate::error;
use crate::model::catalog::Catalog;
use crate::model::ident::{ClinicName, TableName, literal};
use crate::pg::ledger::{self, LEFT};

/// How many there are, by table; `again` counts also those that batches changed since and that are as they were left once
/// these are taken back.
///
/// # Errors
/// The ledger cannot be read.
pub async fn count(
    client: &Client,
    clinic: &ClinicName,
    catalog: &Catalog,
    again: bool,
) -> Result<BTreeMap<TableName, u64>> {
    let mut found = BTreeMap::new();
    if !ledger::exists(client).await? || !ledger::knows_left(client).await? {
        return Ok(found);
    }
    let sql = "select distinct n.name from trasvase.left_behind l join trasvase.name n on n.code = l.target_table \
               join trasvase.batch b on b.number = l.batch where b.clinic = $1 order by 1";
    let names = client.query(sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    for name in names.iter().map(|row| TableName::from(row.get::<_, &str>(0))) {
        let Some(table) = catalog.table(&name) else { continue };
        let Ok(codec) = TableCodec::of_columns(table, table.primary_key(), table.primary_key()) else {
            continue;
        };
        let sql = format!(
            "select count(distinct key) from ({}) rows",
            rows(clinic, &name, &codec.key_sql("t"), again)
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let rows = u64::try_from(row.get::<_, i64>(0))?;
        if rows > 0 {
            found.insert(name, rows);
        }
    }
    Ok(found)
}

/// The numbers of the batches that wrote them.
pub(super) async fn batches(
    client: &Client,
    clinic: &ClinicName,
    catalog: &Catalog,
    again: bool,
) -> Result<BTreeSet<i32>> {
    if count(client, clinic, catalog, again).await?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!("select distinct o.number from {LEFT} where g.clinic = $1");
    let rows = client.query(&sql, &[&clinic.as_str()]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A query of a table's: the batch that wrote the row, and its key. `again` as [`count`] has it.
pub(super) fn rows(clinic: &ClinicName, table: &TableName, key: &str, again: bool) -> String {
    let (name, code) = (literal(clinic.as_str()), ledger::code_sql(&table.to_string()));
    let of_table = format!("where g.clinic = {name} and l.target_table = {code}");
    let now = format!(
        "select o.number as batch, l.key from {LEFT} join {} t on ({key}) collate \"C\" = l.key \
         and sha256(convert_to((t.*)::text, 'UTF8')) = l.after {of_table}",
        table.quoted(),
    );
    if !again {
        return now;
    }
    format!(
        "{now} union select o.number, l.key from {LEFT} join (select distinct on (coalesce(key_after, key)) \
         coalesce(key_after, key) as key, before from trasvase.change where target_table = {code} and batch in \
         (select number from trasvase.batch where clinic = {name} and status = 'completed') \
         order by coalesce(key_after, key), batch) c on c.key = l.key and sha256(convert_to(c.before, 'UTF8')) = l.after \
         {of_table}"
    )
}
