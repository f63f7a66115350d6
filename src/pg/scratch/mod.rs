//! A scratch copy of a target in a database of the private server, gone when it is no longer needed.
//!
//! The copy is made as `pg_dump` would restore it: what tables are first, then rows, then keys and triggers, so that
//! PostgreSQL proves that no row misses its parent. Whoever makes a copy holds an advisory lock on its name; a copy whose
//! lock is free is what a killed process left, and the next one removes it.

mod choice;
mod dump;
mod rows;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use super::{Purpose, Session, Target, execute, ledger, schema};
use crate::config::Project;
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::{ClinicName, TableName, literal, quoted};

pub use choice::Why;

/// First half of the advisory lock on a copy's name, held in the server's own database.
const LOCK_CLASS: i32 = 0x7472_7263;

/// The comment of a database that outlives its rehearsal.
const KEPT: &str = "a rehearsal of trasvase that was to be kept";

/// What to copy.
pub struct Options<'a> {
    pub project: &'a Project,
    pub clinic: &'a ClinicName,
    pub system: &'a str,
    /// The target, and what its catalog says.
    pub source: &'a Target,
    pub catalog: &'a Catalog,
    /// The tables that will be written.
    pub tables: &'a [TableName],
    /// Copy every row of every table, whosever it is.
    pub all_rows: bool,
    pub keep: bool,
}

/// Where the copy's tables came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// The target itself.
    Target,
    /// `schema/<system>.sql`, since no `pg_dump` here can read the target.
    File,
}

/// Rows that were copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    pub table: TableName,
    pub rows: u64,
    pub why: Why,
}

/// A scratch copy in use.
pub struct Scratch {
    pub target: Target,
    pub schema: Schema,
    pub copied: Vec<Copied>,
    /// Copies that killed processes had left.
    pub removed: Vec<String>,
    /// Holds the advisory lock.
    owner: Session,
    keep: bool,
}

impl Scratch {
    /// Removes what killed rehearsals of this clinic left, and makes a copy.
    ///
    /// # Errors
    /// The private server does not start; the target cannot be read, has tables that the private server cannot make, or
    /// rows that ours refer to and that are too many to copy without being asked. No copy is left then.
    pub async fn make(options: &Options<'_>) -> Result<Self> {
        let server = Target::resolve(options.project, None, Some("embedded"))?;
        let owner = Session::open(&server, Purpose::Write).await?;
        let removed = remove_abandoned(&owner, options.clinic).await?;
        let name = name(options.clinic);
        query(&owner, &format!("select pg_advisory_lock({LOCK_CLASS}, hashtext({}))", literal(&name)))
            .await?;
        execute(&owner.client, &format!("create database {} template template0", quoted(&name))).await?;
        if options.keep {
            let sql = format!("comment on database {} is {}", quoted(&name), literal(KEPT));
            execute(&owner.client, &sql).await?;
        }
        let target = server.beside(&name)?;
        let schema = if dump::possible(options.catalog) { Schema::Target } else { Schema::File };
        let mut scratch = Self { target, schema, copied: Vec::new(), removed, owner, keep: options.keep };
        match scratch.fill(options).await {
            Ok(copied) => scratch.copied = copied,
            Err(error) => {
                scratch.keep = false;
                // The error is the better news.
                let _ = scratch.remove().await;
                return Err(error);
            }
        }
        Ok(scratch)
    }

    async fn fill(&self, options: &Options<'_>) -> Result<Vec<Copied>> {
        let source = Session::open(options.source, Purpose::Read).await?;
        let mut copy = Session::open(&self.target, Purpose::Write).await?;
        execute(&source.client, "begin transaction isolation level repeatable read read only").await?;
        // With tables of our own file there are no partitions for what the target's ledger holds.
        let known = self.schema == Schema::Target && ledger::exists(&source.client).await?;
        let chosen = choice::choose(options, &source.client, known).await?;
        match self.schema {
            Schema::Target => {
                dump::restore(&copy, options.source, "pre-data").await?;
                dump::make_roles(&source, &copy).await?;
            }
            Schema::File => {
                schema::apply(&mut copy, &options.project.schema_file(options.system), None).await?;
                // Its keys and triggers are there already.
                execute(&copy.client, "set session_replication_role = replica").await?;
            }
        }
        let mut copied = Vec::new();
        for table in chosen {
            error::interrupt::check()?;
            let rows = rows::copy(&source.client, &copy.client, &table).await?;
            if rows > 0 {
                copied.push(Copied { table: table.name, rows, why: table.why });
            }
        }
        rows::sequences(&source.client, &copy.client).await?;
        if self.schema == Schema::Target {
            dump::restore(&copy, options.source, "post-data").await?;
        }
        execute(&copy.client, "analyze").await?;
        execute(&source.client, "rollback").await?;
        Ok(copied)
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// Drops the copy, unless it is to be kept.
    ///
    /// # Errors
    /// The server is gone; the next rehearsal removes the copy.
    pub async fn remove(self) -> Result<()> {
        if !self.keep {
            drop_database(&self.owner, self.name()).await?;
        }
        self.owner.close().await;
        Ok(())
    }
}

/// `acme_rehearsal_01jqy2vr`: at most 63 bytes, as PostgreSQL's names are.
fn name(clinic: &ClinicName) -> String {
    let id = ulid::Ulid::generate().to_string().to_lowercase();
    format!("{}{}", prefix(clinic), &id[id.len() - 8..])
}

fn prefix(clinic: &ClinicName) -> String {
    let clinic: String = clinic.as_str().chars().take(40).collect();
    format!("{clinic}_rehearsal_")
}

async fn remove_abandoned(owner: &Session, clinic: &ClinicName) -> Result<Vec<String>> {
    let sql = format!(
        "select datname::text from pg_database where datname ~ ('^' || {} || '[0-9a-z]{{8}}$') \
         and coalesce(shobj_description(oid, 'pg_database'), '') <> {} order by datname",
        literal(&prefix(clinic)),
        literal(KEPT)
    );
    let mut removed = Vec::new();
    for row in query(owner, &sql).await? {
        let name: String = row.get(0);
        let lock = format!("({LOCK_CLASS}, hashtext({}))", literal(&name));
        let free = query(owner, &format!("select pg_try_advisory_lock{lock}")).await?;
        if free.first().is_some_and(|row| row.get::<_, bool>(0)) {
            drop_database(owner, &name).await?;
            query(owner, &format!("select pg_advisory_unlock{lock}")).await?;
            removed.push(name);
        }
    }
    Ok(removed)
}

async fn drop_database(owner: &Session, name: &str) -> Result<()> {
    execute(&owner.client, &format!("drop database if exists {} with (force)", quoted(name))).await
}

async fn query(session: &Session, sql: &str) -> Result<Vec<tokio_postgres::Row>> {
    session.client.query(sql, &[]).await.map_err(|error| session.error(&error))
}

/// The failure of a table with too many rows to copy for a foreign key alone.
fn too_many(table: &TableName, most: i64) -> Failure {
    Failure::failed(t!("rehearse.too_many", table = table, most = most)).hint(t!("rehearse.too_many_hint"))
}
