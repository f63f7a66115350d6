//! Triggers that stay silent for a while.

use anyhow::Result;
use tokio_postgres::Client;

use crate::error;
use crate::model::ident::{TableName, quoted};

/// A trigger that would run, and in which way it is enabled.
#[derive(Debug, Clone)]
pub struct Running {
    pub name: String,
    always: bool,
}

impl Running {
    pub fn disable(&self, table: &TableName) -> String {
        format!("alter table {} disable trigger {}; ", table.quoted(), quoted(&self.name))
    }

    /// Enables it in the way in which it was enabled.
    pub fn enable(&self, table: &TableName) -> String {
        let always = if self.always { "always " } else { "" };
        format!("alter table {} enable {always}trigger {}; ", table.quoted(), quoted(&self.name))
    }
}

/// The table's triggers that run in a session like ours: not those that are disabled, or enabled for replicas alone.
pub async fn running(client: &Client, table: &TableName) -> Result<Vec<Running>> {
    let sql = "select tgname::text, tgenabled = 'A' from pg_trigger \
               where tgrelid = to_regclass($1) and not tgisinternal and tgenabled in ('O', 'A') order by tgname";
    let rows = client.query(sql, &[&table.quoted()]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| Running { name: row.get(0), always: row.get(1) }).collect())
}
