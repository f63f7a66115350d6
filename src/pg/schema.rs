//! The target's own schema: `schema/<system>.sql` applied, taken away again, and read back.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::error::{ErrorPosition, SqlState};

use super::schema_file::{self, Statement};
use super::{Session, catalog};
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, quoted};

/// What [`apply`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// So many tables were made.
    Made { tables: usize },
    /// All of them were there, just as the catalog file says.
    AlreadyThere { tables: usize },
}

/// Something [`reset`] drops: what it is (`table`, `view`, `sequence`, `type`, `function`, `schema`) and its quoted name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Object {
    pub kind: String,
    pub name: String,
}

/// Runs a schema file in one transaction, or sees that its tables are there already.
///
/// `known` is the catalog file of the same system, which says what the tables are when they exist. A file that was
/// edited since `known` was pulled is noticed only by what exists already.
///
/// # Errors
/// Tables that differ from `known` (each difference is named); a mistake in the file, with its line; a file that ends
/// the transaction itself. Nothing is changed then, but for what such a file did before its own COMMIT.
pub async fn apply(session: &mut Session, file: &Path, known: Option<&Catalog>) -> Result<Applied> {
    let sql = fs::read_to_string(file).with_context(|| t!("pg.cannot_read", path = file.display()))?;
    let before = catalog::read(&session.client, None).await?;
    if let Some(known) =
        known.filter(|known| known.tables.keys().any(|name| before.tables.contains_key(name)))
    {
        return same(known, &before);
    }
    some_there(&sql, file, &before)?;
    run(session, &sql, file).await?;
    let after = catalog::read(&session.client, None).await?;
    Ok(Applied::Made { tables: after.tables.len().saturating_sub(before.tables.len()) })
}

/// Reads the catalog and writes it to `path`; returns it and what changed against the file that was there.
pub async fn pull(session: &Session, path: &Path) -> Result<(Catalog, Vec<String>)> {
    let old = catalog::load(path)?.unwrap_or_default();
    let new = catalog::read(&session.client, None).await?;
    catalog::save(&new, path)?;
    let changes = catalog::difference(&old, &new);
    Ok((new, changes))
}

/// Everything [`reset`] would drop: what is in the schemas of the system's tables and in those that its file makes, but for
/// what extensions made and for schemas that were somebody else's before it; and the ledger.
pub async fn resettable(session: &Session, known: Option<&Catalog>, file: &str) -> Result<Vec<Object>> {
    let named = schema_file::schemas(file);
    let mut schemas = BTreeSet::from(["public"]);
    schemas.extend(known.iter().flat_map(|known| known.tables.keys().map(TableName::schema)));
    schemas.extend(named.iter().map(|(name, _)| name.as_str()));
    schemas.retain(|schema| !named.iter().any(|(name, of_others)| name == schema && *of_others));
    let schemas: Vec<&str> = schemas.into_iter().collect();
    let rows = session
        .client
        .query(include_str!("objects.sql"), &[&schemas])
        .await
        .map_err(|error| session.error(&error))?;
    Ok(rows.iter().map(|row| Object { kind: row.get(0), name: row.get(1) }).collect())
}

/// Drops these objects and whatever depends on them, in one transaction. The caller has shown the list and asked.
pub async fn reset(session: &mut Session, objects: &[Object]) -> Result<()> {
    let drops: Vec<String> = objects
        .iter()
        .map(|object| format!("drop {} if exists {} cascade;", object.kind, object.name))
        .collect();
    let sql = format!("begin; {} commit", drops.join("\n"));
    if let Err(error) = session.client.batch_execute(&sql).await {
        let failure = session.error(&error);
        // The connection may be the reason, and then there is nothing to roll back.
        let _ = session.client.batch_execute("rollback").await;
        return Err(failure);
    }
    Ok(())
}

fn same(known: &Catalog, live: &Catalog) -> Result<Applied> {
    let names: Vec<TableName> = known.tables.keys().cloned().collect();
    if catalog::hash(known, &names) == catalog::hash(live, &names) {
        return Ok(Applied::AlreadyThere { tables: names.len() });
    }
    let ours = |catalog: &Catalog| Catalog {
        tables: catalog
            .tables
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(n, t)| (n.clone(), t.clone()))
            .collect(),
        ..Catalog::default()
    };
    let changes = catalog::difference(known, &ours(live));
    let shown = changes.iter().take(5).map(|change| format!("\n  {change}")).collect::<String>();
    Err(Failure::failed(t!("pg.schema_differs", count = changes.len(), shown = shown))
        .hint(t!("pg.schema_differs_pull"))
        .hint(t!("pg.schema_differs_reset"))
        .into())
}

/// Refuses to run the file where some of its tables are there, and names those that are not: it makes all or nothing.
fn some_there(sql: &str, file: &Path, live: &Catalog) -> Result<()> {
    let all = schema_file::tables(sql);
    let missing: Vec<String> = all
        .iter()
        .filter(|(table, _)| !live.tables.contains_key(table))
        .map(|(table, line)| format!("{table} ({}:{line})", file.display()))
        .collect();
    if missing.is_empty() || missing.len() == all.len() {
        return Ok(());
    }
    let (count, of, tables) = (missing.len(), all.len(), missing.join(", "));
    Err(Failure::failed(t!("pg.some_tables", count = count, of = of, tables = tables))
        .hint(t!("pg.some_tables_hint"))
        .into())
}

/// The file in a transaction that only we may end: a setting local to it tells whether the file ended it.
async fn run(session: &mut Session, sql: &str, file: &Path) -> Result<()> {
    let sql = without_meta_commands(sql);
    let client = &session.client;
    let begin = "begin; set local trasvase.applying = 'yes'";
    client.batch_execute(begin).await.map_err(|error| session.error(&error))?;
    let whole = match client.batch_execute(&sql).await {
        Ok(()) => still_ours(session, file).await,
        Err(error) => Err(located(session, &error, &sql, file).await),
    };
    let end = if whole.is_ok() { "commit" } else { "rollback" };
    let ended = client.batch_execute(end).await.map_err(|error| session.error(&error));
    whole?;
    ended?;
    // Dumps set search_path and more for the session.
    session.set_up().await
}

async fn still_ours(session: &Session, file: &Path) -> Result<()> {
    let sql = "select coalesce(current_setting('trasvase.applying', true), '')";
    let row = session.client.query_one(sql, &[]).await.map_err(|error| session.error(&error))?;
    if row.get::<_, &str>(0) == "yes" {
        return Ok(());
    }
    Err(Failure::failed(t!("pg.file_commits", path = file.display())).into())
}

/// Newer versions of `pg_dump` frame their output in `\restrict` for psql.
fn without_meta_commands(sql: &str) -> String {
    let keep = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
    sql.lines().map(|line| if keep(&line) { line } else { "" }).collect::<Vec<_>>().join("\n")
}

/// The failure with its line in the file. Where PostgreSQL names no place, as with what exists already, the statements
/// are run one by one until one fails; nothing of that stays.
async fn located(session: &Session, error: &tokio_postgres::Error, sql: &str, file: &Path) -> anyhow::Error {
    let Some(db) = error.as_db_error() else { return session.error(error) };
    let failing = match db.position() {
        Some(ErrorPosition::Original(_)) => None,
        _ => failing(session, db.code(), sql).await,
    };
    let line = match db.position() {
        Some(ErrorPosition::Original(position)) => {
            let before = sql.chars().take(*position as usize - 1);
            Some(before.filter(|character| *character == '\n').count() + 1)
        }
        _ => failing.map(|statement| statement.line),
    };
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    let failure = Failure::failed(format!("{}{line}: {}", file.display(), error::postgres(error)));
    let exists = [SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT, SqlState::DUPLICATE_FUNCTION];
    if *db.code() == SqlState::INSUFFICIENT_PRIVILEGE {
        let hint = match failing.and_then(|statement| statement.extension()) {
            Some(name) => t!("pg.extension_hint", name = name, database = session.database),
            None => t!("pg.create_hint", user = quoted(&session.user), database = quoted(&session.database)),
        };
        failure.hint(hint).into()
    } else if exists.contains(db.code()) {
        failure.hint(t!("pg.exists_hint")).hint(t!("pg.schema_differs_reset")).into()
    } else {
        failure.into()
    }
}

/// The first statement that fails so; none where they do not fail one by one.
async fn failing<'a>(session: &Session, code: &SqlState, sql: &'a str) -> Option<Statement<'a>> {
    let client = &session.client;
    client.batch_execute("rollback; begin").await.ok()?;
    for statement in schema_file::statements(sql) {
        if ["begin", "commit", "rollback"].iter().any(|word| statement.text.eq_ignore_ascii_case(word)) {
            return None;
        }
        if let Err(error) = client.batch_execute(statement.text).await {
            return (error.code() == Some(code)).then_some(statement);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_psql_go_and_lines_stay_where_they_are() {
        assert_eq!(without_meta_commands("\\restrict abc\nselect 1;\n\\unrestrict abc"), "\nselect 1;\n");
    }
}
