//! Rows of tables that no section is about any more: nothing lists their files, and no push looks at them.

use anyhow::Result;

use super::Options;
use super::finding::{Findings, Rule};
use crate::error;
use crate::model::ident::{TableName, quoted};
use crate::model::manifest::Origin;
use crate::pg::{ledger, origins};

/// Adds such rows that stand to the findings, by key, each with the last batch that wrote it.
pub(super) async fn find(options: &Options<'_>, findings: &mut Findings) -> Result<()> {
    if !ledger::exists(options.client).await? {
        return Ok(());
    }
    let ours =
        format!("b.clinic = $1 and b.status = 'completed' and {}", origins::is_sql("b", Origin::Files));
    let clinic = options.clinic.name.as_str();
    let sql = format!(
        "select n.name from trasvase.name n where exists (select from trasvase.batch b where {ours} and b.counts -> n.name is not null) \
         order by 1"
    );
    let names = options.client.query(&sql, &[&clinic]).await.map_err(|error| error::postgres(&error))?;
    for name in names.iter().map(|row| TableName::from(row.get::<_, &str>(0))) {
        if options.clinic.files.iter().any(|section| section.table == name) {
            continue;
        }
        let Some([key]) = options.catalog.table(&name).map(|table| table.primary_key()) else { continue };
        let sql = format!(
            "select d.key, max(b.id) from trasvase.batch b join trasvase.row_digest d on d.batch = b.number and d.target_table = {} \
             join {} t on t.{}::text collate \"C\" = d.key where {ours} group by d.key order by d.key",
            ledger::code_sql(&name.to_string()),
            name.quoted(),
            quoted(key)
        );
        let rows = options.client.query(&sql, &[&clinic]).await.map_err(|error| error::postgres(&error))?;
        for row in &rows {
            findings.add(&name.to_string(), Rule::RowsUnlisted, row.get(0), Some(row.get(1)));
        }
    }
    Ok(())
}
