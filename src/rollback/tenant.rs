//! Where several clinics share tables: proof that no row of another one is deleted.

use rust_i18n::t;

use super::work::Work;
use super::{Options, Which};
use crate::error::{self, Failure};
use crate::model::ident::{literal, quoted};

/// Refuses where a row that would be deleted has another value in the tenant column. In a table without one the ledger alone
/// says whose rows they are.
pub(super) async fn prove(options: &Options<'_>, works: &[Work<'_>]) -> anyhow::Result<()> {
    let Which::Every(Some(tenant)) = options.which else { return Ok(()) };
    let column = &tenant.column;
    for work in works.iter().filter(|work| work.counts.deletes > 0 && work.live.column(column).is_some()) {
        let (table, back) = (work.table.quoted(), work.back());
        let from = match work.whole {
            true => format!("{table} t where true"),
            false => format!("{table} t join {back} b on {} where b.act = 'delete'", work.same_key()),
        };
        let (name, value) = (quoted(column), literal(&tenant.value));
        let sql = format!("select count(*) from {from} and t.{name}::text is distinct from {value}");
        let row = options.client.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let rows: i64 = row.get(0);
        if rows > 0 {
            let (clinic, table) = (&options.clinic.name, &work.table);
            return Err(Failure::findings(t!(
                "clean.foreign",
                rows = rows,
                table = table,
                column = column,
                clinic = clinic
            ))
            .hint(t!("clean.foreign_hint", clinic = clinic))
            .into());
        }
    }
    Ok(())
}
