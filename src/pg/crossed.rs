//! Keys that rows cross: two rows that take each other's value, a ring of them, or a row that takes the value of one that
//! goes or changes later.
//!
//! PostgreSQL checks a unique key that is not deferrable row by row, within a statement too, so no statement gets two such rows
//! past it, and no order of statements a ring of them. What is left is to drop the key and make it again from its definition in
//! the same transaction: then PostgreSQL proves it over the rows as they are in the end. That holds for every type, expression
//! and predicate, and each row is written once.
//!
//! Other ways do not: a value in between is none that every type, CHECK and enum has to spare, and triggers would see it; rows
//! deleted and inserted again set off what foreign keys say of a deletion (`cascade`, `set null`, `restrict`), which cannot be
//! made to wait. Foreign keys that rest on the key are dropped and made again with it.

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::Client;

use super::execute;
use crate::error::{self, Failure, KeyClash};
use crate::model::catalog::{Catalog, ConstraintKind, Table};
use crate::model::ident::TableName;

/// A key that is dropped while rows are written.
#[derive(Debug, Clone)]
pub struct Crossed {
    pub table: TableName,
    pub name: String,
    /// The foreign keys that rest on it: their table and name.
    pub references: Vec<(TableName, String)>,
    drop: Vec<String>,
    create: Vec<String>,
}

impl Crossed {
    /// What is to be dropped so that rows may cross the key that clashed; none where that is no key of these tables.
    fn of(catalog: &Catalog, clash: &KeyClash) -> Option<(Self, bool)> {
        let (name, table) = catalog
            .tables
            .iter()
            .find(|(name, _)| name.schema() == clash.schema && name.name() == clash.table)?;
        let mut crossed = Self {
            table: name.clone(),
            name: clash.key.clone(),
            references: Vec::new(),
            drop: Vec::new(),
            create: Vec::new(),
        };
        let index = table.indexes.iter().find(|index| index.name == clash.key)?;
        let constraint = table.constraints.iter().find(|one| one.index.as_deref() == Some(&index.name));
        let mut may = may_be_rebuilt(catalog, table);
        for (child, foreign) in catalog.foreign_keys() {
            let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &foreign.kind else {
                continue;
            };
            let rests = |column: &Option<String>| {
                column.as_ref().is_some_and(|column| referenced_columns.contains(column))
            };
            if references == name && index.unique && index.columns.iter().all(rests) {
                may &= may_be_anew(catalog, child, &foreign.definition);
                crossed.drop.push(foreign.drop_sql(child));
                crossed.references.push((child.clone(), foreign.name.clone()));
                crossed.create.push(foreign.add_sql(child));
            }
        }
        match constraint {
            Some(one) => {
                crossed.drop.push(one.drop_sql(name));
                crossed.create.insert(0, one.add_sql(name));
            }
            None => {
                crossed.drop.push(index.drop_sql(name));
                crossed.create.insert(0, index.definition.clone());
            }
        }
        Some((crossed, may))
    }

    fn is(&self, other: &Self) -> bool {
        (&self.table, &self.name) == (&other.table, &other.name)
    }

    /// Adds what is said of the foreign keys, while they are there: it goes with them. Tables with something said of a key of
    /// their own are none whose keys may be dropped.
    async fn with_comments(mut self, client: &Client) -> Result<Self> {
        let of =
            |part: fn(&(TableName, String)) -> &str| self.references.iter().map(part).collect::<Vec<_>>();
        let schemas = of(|(table, _)| table.schema());
        let tables = of(|(table, _)| table.name());
        let names = of(|(_, name)| name);
        let rows = client.query(COMMENTS, &[&schemas, &tables, &names]).await;
        let comments: Vec<String> =
            rows.map_err(|error| error::postgres(&error))?.iter().map(|row| row.get(0)).collect();
        self.create.extend(comments);
        Ok(self)
    }

    /// Drops the key; before rows of its table are touched, since what a constraint still waits for cannot be altered.
    pub async fn drop(&self, client: &Client) -> Result<()> {
        execute(client, &self.drop.join("; ")).await
    }

    /// Makes it again.
    ///
    /// # Errors
    /// Rows share a value in the end too.
    pub async fn create(&self, client: &Client) -> Result<()> {
        execute(client, &self.create.join("; ")).await
    }
}

/// What is said of these foreign keys (`comment on constraint`), as SQL that says it again.
const COMMENTS: &str = "\
select format('comment on constraint %I on %I.%I is %L', k.conname, n.nspname, c.relname, d.description)
from unnest($1::text[], $2::text[], $3::text[]) w (nspname, relname, conname)
join pg_namespace n on n.nspname = w.nspname
join pg_class c on c.relnamespace = n.oid and c.relname = w.relname
join pg_constraint k on k.conrelid = c.oid and k.conname = w.conname
join pg_description d on d.classoid = 'pg_constraint'::regclass and d.objoid = k.oid
order by 1";

/// Whether a foreign key can be made again as it was, by this role. What one says of a changed key would not happen while it
/// is not there.
fn may_be_anew(catalog: &Catalog, child: &TableName, definition: &str) -> bool {
    let table = &catalog.tables[child];
    table.owned && !table.partitioned && !table.partition_child && !definition.contains(" ON UPDATE ")
}

/// Whether rows of a table may cross whichever of its keys.
pub fn is_possible(catalog: &Catalog, name: &TableName) -> bool {
    let mut references = catalog.foreign_keys().filter(
        |(_, one)| matches!(&one.kind, ConstraintKind::ForeignKey { references, .. } if references == name),
    );
    catalog.table(name).is_some_and(|table| may_be_rebuilt(catalog, table))
        && references.all(|(child, one)| may_be_anew(catalog, child, &one.definition))
}

/// Whether a key of the table can be made again as it was, by this role.
fn may_be_rebuilt(catalog: &Catalog, table: &Table) -> bool {
    table.owned
        && !table.partitioned
        && !table.partition_child
        && !table.replica_identity_index
        && !table.clustered
        && !table.index_statistics
        && table.dependent_views.is_empty()
        && catalog.event_triggers.is_empty()
}

/// Does the work, inside the caller's transaction; where rows cross keys of these tables, once more without those. The work
/// drops and makes the keys that it is given.
///
/// # Errors
/// The work's own; rows that cross a key which this role cannot drop and make again.
pub async fn despite<T>(
    client: &Client,
    catalog: &Catalog,
    tables: &[&TableName],
    mut work: impl AsyncFnMut(&[Crossed]) -> Result<T>,
) -> Result<T> {
    let mut all: Vec<Crossed> = Vec::new();
    execute(client, "savepoint trasvase_crossed").await?;
    loop {
        let error = match work(&all).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let crossed = error::clash(&error).and_then(|clash| Crossed::of(catalog, clash));
        match crossed
            .filter(|(one, _)| tables.contains(&&one.table) && !all.iter().any(|other| other.is(one)))
        {
            None => return Err(error),
            Some((one, false)) => {
                let failure = Failure::from_anyhow(&error);
                return Err(Failure { hints: Vec::new(), ..failure }
                    .hint(t!("pg.crossed_hint", table = one.table, key = one.name))
                    .into());
            }
            Some((one, true)) => {
                tracing::info!(table = %one.table, key = %one.name, "rows cross a key: it is made anew");
                execute(client, "rollback to savepoint trasvase_crossed").await?;
                all.push(one.with_comments(client).await?);
            }
        }
    }
}
