//! Rows and sequences from one database to another.

use anyhow::Result;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_postgres::Client;

use super::choice::Chosen;
use crate::error;
use crate::model::ident::{literal, quoted};

/// Copies the chosen rows as text, which every version of PostgreSQL reads.
pub(super) async fn copy(source: &Client, copy: &Client, table: &Chosen) -> Result<u64> {
    let columns = table.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    if columns.is_empty() {
        return Ok(0);
    }
    let name = table.name.quoted();
    let from = if table.partitioned { format!("{name} t") } else { format!("only {name} t") };
    let condition = table.condition.as_deref().unwrap_or("true");
    let listed = table.columns.iter().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>();
    let sql = format!("copy (select {} from {from} where {condition}) to stdout", listed.join(", "));
    let rows = source.copy_out(&sql).await.map_err(|error| error::postgres(&error))?;
    let sql = format!("copy {name} ({columns}) from stdin");
    let sink = copy.copy_in::<_, Bytes>(&sql).await.map_err(|error| error::postgres(&error))?;
    let (mut rows, mut sink) = (Box::pin(rows), Box::pin(sink));
    while let Some(block) = rows.next().await {
        let block = block.map_err(|error| error::postgres(&error))?;
        sink.send(block).await.map_err(|error| error::postgres(&error))?;
    }
    sink.as_mut().finish().await.map_err(|error| error::postgres(&error))
}

/// Sets each sequence of the copy to where the target's stands.
pub(super) async fn sequences(source: &Client, copy: &Client) -> Result<()> {
    let sql = "select format('%I.%I', schemaname, sequencename), last_value from pg_sequences \
               where last_value is not null and schemaname !~ '^pg_'";
    for row in source.query(sql, &[]).await.map_err(|error| error::postgres(&error))? {
        let (name, value): (String, i64) = (row.get(0), row.get(1));
        let name = literal(&name);
        let sql =
            format!("select setval(to_regclass({name}), {value}) where to_regclass({name}) is not null");
        copy.execute(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    }
    Ok(())
}
