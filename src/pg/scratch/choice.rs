//! Which rows are copied: those that a push needs in order to be what it will be, and no others unless it was said.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{Options, too_many};
use crate::error;
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, quoted};

/// Why a table's rows are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// All data may be copied.
    All,
    /// What trasvase itself keeps.
    Ledger,
    /// Rows that earlier batches of this clinic wrote.
    Ours,
    /// Rows refer to them: users, catalogs, the tenant.
    Reference,
}

/// So many rows are copied of a table that rows refer to; more may be other people's patients.
const MOST: i64 = 10_000;

/// A table some of whose rows are copied.
pub(super) struct Chosen {
    pub(super) name: TableName,
    /// Those that can be written.
    pub(super) columns: Vec<String>,
    pub(super) partitioned: bool,
    /// On alias `t`; none for all rows.
    pub(super) condition: Option<String>,
    pub(super) why: Why,
}

const TABLES: &str = "\
select n.nspname::text, c.relname::text, c.relkind = 'p',
    array(select a.attname::text from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
    and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and not exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2";

/// Chooses the rows; `known` says that the target has a ledger whose rows come along.
pub(super) async fn choose(options: &Options<'_>, source: &Client, known: bool) -> Result<Vec<Chosen>> {
    let rows = source.query(TABLES, &[]).await.map_err(|error| error::postgres(&error))?;
    let mut tables: Vec<Chosen> = rows
        .iter()
        .map(|row| Chosen {
            name: TableName::new(Some(row.get(0)), row.get(1)),
            partitioned: row.get(2),
            columns: row.get(3),
            condition: None,
            why: Why::All,
        })
        .collect();
    if options.all_rows {
        return Ok(tables);
    }
    let ledger = if known { Some(Ledger::read(options, source).await?) } else { None };
    let mut written: BTreeSet<TableName> = options.tables.iter().cloned().collect();
    written.extend(ledger.iter().flat_map(|ledger| ledger.codes.keys().cloned()));
    let referred = referred(options.catalog, &written);
    for table in &referred {
        small(source, table).await?;
    }
    tables.retain_mut(|table| {
        let ours = ledger.as_ref().and_then(|ledger| ledger.condition(options.catalog, &table.name));
        if table.name.schema() == "trasvase" {
            let of_batches = ledger.as_ref().filter(|_| table.columns.iter().any(|name| name == "batch"));
            table.condition = of_batches.map(|ledger| format!("t.batch = any('{{{}}}')", ledger.batches));
            table.why = Why::Ledger;
            return ledger.is_some();
        }
        if referred.contains(&table.name) {
            table.why = Why::Reference;
            return true;
        }
        table.why = Why::Ours;
        table.condition = ours;
        table.condition.is_some()
    });
    Ok(tables)
}

/// What the target's ledger says of this clinic.
struct Ledger {
    /// Numbers of its completed batches, with commas.
    batches: String,
    /// Tables that have rows of any batch, with their codes.
    codes: BTreeMap<TableName, i32>,
}

impl Ledger {
    async fn read(options: &Options<'_>, source: &Client) -> Result<Self> {
        let sql = "select coalesce(string_agg(number::text, ','), '') from trasvase.batch \
                   where clinic = $1 and status in ('completed', 'rolled_back')";
        let row = source.query_one(sql, &[&options.clinic.as_str()]).await;
        let batches: String = row.map_err(|error| error::postgres(&error))?.get(0);
        let sql = "select name, code from trasvase.name";
        let names = source.query(sql, &[]).await.map_err(|error| error::postgres(&error))?;
        let names = names.iter().map(|row| (TableName::from(row.get::<_, &str>(0)), row.get(1)));
        let codes = names.filter(|(name, _)| options.catalog.table(name).is_some()).collect();
        Ok(Self { batches, codes })
    }

    /// The condition of a table's rows that the batches wrote.
    fn condition(&self, catalog: &Catalog, table: &TableName) -> Option<String> {
        let code = self.codes.get(table).filter(|_| !self.batches.is_empty())?;
        let text = |name: &String| format!("format('%s', t.{})", quoted(name));
        let key = match catalog.table(table)?.primary_key() {
            [] => return None,
            [one] => text(one),
            several => format!("array[{}]::text", several.iter().map(text).collect::<Vec<_>>().join(", ")),
        };
        Some(format!(
            "exists (select from trasvase.row_digest d where d.batch in ({}) and d.target_table = {code} and d.key = {key})",
            self.batches
        ))
    }
}

/// The tables that these refer to and that are not among them, and all that those refer to in turn.
fn referred(catalog: &Catalog, written: &BTreeSet<TableName>) -> BTreeSet<TableName> {
    let mut waiting: Vec<TableName> = written.iter().flat_map(|table| catalog.parents(table)).collect();
    waiting.retain(|table| !written.contains(table));
    let mut found = BTreeSet::new();
    while let Some(table) = waiting.pop() {
        if found.insert(table.clone()) {
            waiting.extend(catalog.parents(&table));
        }
    }
    found
}

async fn small(source: &Client, table: &TableName) -> Result<()> {
    let sql = format!("select count(*) from (select from {} limit {}) t", table.quoted(), MOST + 1);
    let row = source.query_one(&sql, &[]).await.map_err(|error| error::postgres(&error))?;
    if row.get::<_, i64>(0) > MOST {
        return Err(too_many(table, MOST).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::{Constraint, Table};

    fn catalog(keys: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (child, parent) in keys {
            catalog.tables.entry(TableName::from(*parent)).or_default();
            let table: &mut Table = catalog.tables.entry(TableName::from(*child)).or_default();
            table.constraints.push(Constraint::to_parent(parent));
        }
        catalog
    }

    #[test]
    fn what_rows_refer_to_comes_with_what_that_refers_to() {
        let catalog =
            catalog(&[("visit", "person"), ("visit", "member"), ("member", "office"), ("office", "person")]);
        let written = BTreeSet::from(["visit", "person"].map(TableName::from));
        // A member's office may name any person, so all people come along; those that visits name are in the batch.
        let expected = BTreeSet::from(["member", "office", "person"].map(TableName::from));
        assert_eq!(referred(&catalog, &written), expected);
        let alone = BTreeSet::from([TableName::from("person")]);
        assert!(referred(&catalog, &alone).is_empty());
    }
}
