//! Rows of tables that no section is about any more: nothing lists their files, and no push looks at them.

use anyhow::Result;
use tokio_postgres::Client;

use super::Options;
use super::finding::{Findings, Rule};
use crate::config::Clinic;
use crate::error;
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, quoted};
use crate::model::manifest::Origin;
use crate::pg::{ledger, origins};

/// Tables that batches of files wrote, whatever became of these, and that no section is about.
pub(super) async fn tables(clinic: &Clinic, client: &Client, catalog: &Catalog) -> Result<Vec<TableName>> {
    if !ledger::exists(client).await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select n.name from trasvase.name n where exists (select from trasvase.batch b where b.clinic = $1 and {} \
         and b.counts -> n.name is not null) order by 1",
        origins::is_sql("b", Origin::Files)
    );
    let names =
        client.query(&sql, &[&clinic.name.as_str()]).await.map_err(|error| error::postgres(&error))?;
    let mut tables: Vec<_> = names.iter().map(|row| TableName::from(row.get::<_, &str>(0))).collect();
    tables.retain(|name| {
        catalog.table(name).is_some() && clinic.files.iter().all(|section| section.table != *name)
    });
    Ok(tables)
}

/// Adds such rows that stand to the findings, by key, each with the last batch that wrote it.
pub(super) async fn find(options: &Options<'_>, findings: &mut Findings) -> Result<()> {
    for name in tables(options.clinic, options.client, options.catalog).await? {
        let Some([key]) = options.catalog.table(&name).map(|table| table.primary_key()) else { continue };
        let sql = format!(
            "select d.key, max(b.id) from trasvase.batch b join trasvase.row_digest d on d.batch = b.number and d.target_table = {} \
             join {} t on t.{}::text collate \"C\" = d.key \
             where b.clinic = $1 and b.status = 'completed' and {} group by d.key order by d.key",
            ledger::code_sql(&name.to_string()),
            name.quoted(),
            quoted(key),
            origins::is_sql("b", Origin::Files)
        );
        let rows = options.client.query(&sql, &[&options.clinic.name.as_str()]).await;
        for row in &rows.map_err(|error| error::postgres(&error))? {
            findings.add(&name.to_string(), Rule::RowsUnlisted, row.get(0), Some(row.get(1)));
        }
    }
    Ok(())
}
