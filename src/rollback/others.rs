//! Rows of others that foreign keys delete or change with ours where a rollback is forced: those that refer to rows that
//! go, and where these go with them, those that refer to them in turn.

use anyhow::Result;
use serde::Serialize;
use tokio_postgres::Client;

use super::work::Work;
use crate::error;
use crate::model::catalog::{Catalog, Constraint, ConstraintKind};
use crate::model::ident::{TableName, quoted};
use crate::pg::execute;

/// Their places, and whether they go or only lose their reference.
const FOUND: &str = "pg_temp.trasvase_others";

/// How many rows of a table that are not the batches' go or change with theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Others {
    pub table: TableName,
    pub rows: u64,
}

/// Finds them, inside the transaction; link by link, until there are no more.
pub(super) async fn find(client: &Client, catalog: &Catalog, works: &[Work<'_>]) -> Result<Vec<Others>> {
    execute(
        client,
        "create temporary table trasvase_others (relation oid, place tid, goes boolean, primary key (relation, place)) on commit drop",
    )
    .await?;
    loop {
        let mut found = 0;
        for (child, constraint) in catalog.foreign_keys() {
            if let Some(sql) = link_sql(works, child, constraint) {
                found += client.execute(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
            }
        }
        if found == 0 {
            break;
        }
    }
    let mut others = Vec::new();
    for table in catalog.tables.keys() {
        let sql = format!("select count(*) from {FOUND} where relation = to_regclass($1)");
        let row =
            client.query_one(&sql, &[&table.quoted()]).await.map_err(|error| error::postgres(&error))?;
        let rows = u64::try_from(row.get::<_, i64>(0))?;
        if rows > 0 {
            others.push(Others { table: table.clone(), rows });
        }
    }
    Ok(others)
}

/// The rows of a table that were found, for a FROM clause, as `t`.
pub(super) fn rows_of(table: &TableName) -> String {
    format!("{} t join {FOUND} o on o.relation = t.tableoid and o.place = t.ctid", table.quoted())
}

/// Notes the rows of a child whose parent goes, and that are not noted yet; none where the key lets no parent go.
fn link_sql(works: &[Work<'_>], child: &TableName, constraint: &Constraint) -> Option<String> {
    let ConstraintKind::ForeignKey { references, referenced_columns, on_delete, .. } = &constraint.kind
    else {
        return None;
    };
    if matches!(on_delete.as_str(), "no action" | "restrict") {
        return None;
    }
    let work_of = |table: &TableName| works.iter().find(|work| work.table == *table && !work.whole);
    let ours = work_of(references).map_or_else(String::new, |work| {
        format!(
            " or exists (select 1 from {} b where b.act = 'delete' and ({}) collate \"C\" = b.key)",
            work.back(),
            work.key
        )
    });
    let not_ours = work_of(child).map_or_else(String::new, |work| {
        format!(
            " and not exists (select 1 from {} b where b.act is not null and ({}) collate \"C\" = b.key)",
            work.back(),
            work.key
        )
    });
    let names = |columns: &[String]| {
        columns.iter().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ")
    };
    Some(format!(
        "insert into {FOUND} select t.tableoid, t.ctid, {goes} from {child} t \
         where ({children}) in (select {parents} from {parent} t \
           where exists (select 1 from {FOUND} o where o.relation = t.tableoid and o.place = t.ctid and o.goes){ours}){not_ours} \
         on conflict (relation, place) do update set goes = true where excluded.goes and not trasvase_others.goes",
        goes = on_delete == "cascade",
        child = child.quoted(),
        children = names(&constraint.columns),
        parents = names(referenced_columns),
        parent = references.quoted(),
    ))
}
