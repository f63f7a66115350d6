//! Whose rows are compared: those that the ledger's completed batches of this clinic wrote.

use anyhow::Result;
use tokio_postgres::Client;

use super::{Options, execute};
use crate::codec::TableCodec;
use crate::error;
use crate::model::catalog::Table;
use crate::model::ident::{literal, quoted};
use crate::model::manifest::{Manifest, TableEntry, Tenant};

/// The clinic's completed batches.
pub(super) struct Population {
    batches: Vec<i32>,
    tenant: Option<Tenant>,
}

impl Population {
    pub(super) async fn read(client: &Client, manifest: &Manifest) -> Result<Self> {
        let rows = client
            .query(
                "select number from trasvase.batch where clinic = $1 and status = 'completed' order by number",
                &[&manifest.clinic.as_str()],
            )
            .await
            .map_err(|error| error::postgres(&error))?;
        Ok(Self { batches: rows.iter().map(|row| row.get(0)).collect(), tenant: manifest.tenant.clone() })
    }

    /// A condition on alias `t` that holds for the clinic's rows.
    pub(super) fn condition(&self, entry: &TableEntry, codec: &TableCodec) -> String {
        if self.batches.is_empty() {
            return "false".to_owned();
        }
        let batches = self.batches.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "exists (select 1 from trasvase.row_digest d where d.batch in ({batches}) and d.key = {} \
             and d.target_table = (select code from trasvase.name where name = {}))",
            codec.key_sql("t"),
            literal(&entry.table.to_string())
        )
    }

    /// Rows of the clinic, by its tenant column, that no batch wrote.
    pub(super) async fn foreign(
        &self,
        client: &Client,
        table: &Table,
        entry: &TableEntry,
        condition: &str,
    ) -> Result<Option<u64>> {
        let Some(tenant) = self.tenant.as_ref().filter(|tenant| table.column(&tenant.column).is_some())
        else {
            return Ok(None);
        };
        let sql = format!(
            "select count(*) from {} t where t.{}::text = {} and not {condition}",
            entry.table.quoted(),
            quoted(&tenant.column),
            literal(&tenant.value)
        );
        let row = client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        Ok(Some(u64::try_from(row.get::<_, i64>(0))?))
    }

    /// Temporary views named like the tables that show the clinic's rows only, for queries that name tables plainly.
    pub(super) async fn make_views(&self, options: &Options<'_>) -> Result<()> {
        for entry in &options.snapshot.manifest().tables {
            let table = &options.catalog.tables[&entry.table];
            let columns: Vec<String> = entry.columns.iter().map(|column| column.name.clone()).collect();
            let codec = TableCodec::new(table, &columns, &entry.key)
                .map_err(|(column, reason)| anyhow::anyhow!("{}.{column}: {reason}", entry.table))?;
            execute(
                options.client,
                &format!(
                    "create temporary view {} as select t.* from {} t where {}",
                    quoted(&entry.table.to_string()),
                    entry.table.quoted(),
                    self.condition(entry, &codec)
                ),
            )
            .await?;
        }
        Ok(())
    }
}
