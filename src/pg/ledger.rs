//! The ledger in the target (schema `trasvase`): migrations, batches, names.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::execute;
use crate::error::{self, Failure};
use crate::model::ident::{ClinicName, TableName, literal};
use crate::model::manifest::{Manifest, Origin};

/// Numbered migrations, oldest first. A migration that was released is never edited.
const MIGRATIONS: [(i32, &str, &str); 13] = [
    (1, "ledger", include_str!("../../sql/ledger/V001__ledger.sql")),
    (2, "rollback", include_str!("../../sql/ledger/V002__rollback.sql")),
    (3, "record", include_str!("../../sql/ledger/V003__record.sql")),
    (4, "issue", include_str!("../../sql/ledger/V004__issue.sql")),
    (5, "signoff", include_str!("../../sql/ledger/V005__signoff.sql")),
    (6, "column digests", include_str!("../../sql/ledger/V006__column_digests.sql")),
    (7, "left behind", include_str!("../../sql/ledger/V007__left_behind.sql")),
    (8, "archive", include_str!("../../sql/ledger/V008__archive.sql")),
    (9, "origin", include_str!("../../sql/ledger/V009__origin.sql")),
    (10, "account", include_str!("../../sql/ledger/V010__account.sql")),
    (11, "stored", include_str!("../../sql/ledger/V011__stored.sql")),
    (12, "verdict", include_str!("../../sql/ledger/V012__verdict.sql")),
    (13, "page", include_str!("../../sql/ledger/V013__page.sql")),
];

/// The version of the ledger that this program makes.
pub const VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// First half of the advisory lock that a running batch holds; the second is its number.
const LOCK_CLASS: i32 = 0x7472_7376;

/// A batch that was written down as `running`.
#[derive(Debug, Clone)]
pub struct Batch {
    pub number: i32,
    /// ULID.
    pub id: String,
}

/// The ledger's tables that are there and those that are not, as it is made by every migration.
const TABLES: &str = "select array_agg(name::text) filter (where to_regclass('trasvase.' || name) is not null), \
     array_agg(name::text) filter (where to_regclass('trasvase.' || name) is null) \
     from unnest(array['migration', 'batch', 'name', 'external_id', 'row_digest', 'change']) name";

/// What later migrations made and partitions of completed batches that are gone.
const PARTS: &str = "select array_agg(name) from (select name from trasvase.batch b, \
     unnest(array['external_id_' || number, 'row_digest_' || number, (select 'page_' || b.number from trasvase.migration \
     where version = 13 and applied_at < b.started_at)]) name where status = 'completed' \
     union all select name from unnest(array['record', 'verdict']) name where exists (select from pg_attribute \
     where attrelid = 'trasvase.external_id'::regclass and attname = 'record')) part where name is not null and to_regclass('trasvase.' || name) is null";

/// Whether the ledger is there.
///
/// # Errors
/// A part of it is missing: then it can neither be read nor added to.
pub async fn exists(client: &Client) -> Result<bool> {
    let row = client.query_one(TABLES, &[]).await.map_err(|error| error::postgres(&error))?;
    let (there, missing): (Option<Vec<String>>, Option<Vec<String>>) = (row.get(0), row.get(1));
    if there.is_none() {
        return Ok(false);
    }
    if let Some(missing) = missing {
        return Err(damaged(&missing).into());
    }
    let row = client.query_one(PARTS, &[]).await.map_err(|error| error::postgres(&error))?;
    match row.get::<_, Option<Vec<String>>>(0) {
        Some(missing) => Err(damaged(&missing).into()),
        None => Ok(true),
    }
}

/// Whether the ledger is there, and knows the records that rows are made of.
///
/// # Errors
/// As [`exists`].
pub async fn has_records(client: &Client) -> Result<bool> {
    if !exists(client).await? {
        return Ok(false);
    }
    let sql = "select to_regclass('trasvase.record') is not null";
    Ok(client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?.get(0))
}

fn damaged(missing: &[String]) -> Failure {
    Failure::failed(t!("ledger.damaged", tables = missing.join(", ")))
        .hint(t!("ledger.damaged_restore"))
        .hint(t!("ledger.damaged_anew"))
}

/// Creates the schema or brings it up to this program's version, in one transaction; of two pushes at once one waits.
///
/// # Errors
/// A ledger made by a newer trasvase, or no privilege to create a schema.
pub async fn migrate(client: &Client) -> Result<()> {
    // No batch has the number 0.
    execute(client, &format!("begin; select pg_advisory_xact_lock({LOCK_CLASS}, 0)")).await?;
    let migrated = bring_up(client).await;
    let ended = execute(client, if migrated.is_ok() { "commit" } else { "rollback" }).await;
    migrated.and(ended)
}

/// As [`migrate`], inside the caller's transaction.
///
/// # Errors
/// As [`migrate`].
pub async fn bring_up(client: &Client) -> Result<()> {
    let create = "create schema if not exists trasvase; \
                  create table if not exists trasvase.migration (version integer primary key, name text not null, \
                  applied_at timestamptz not null default clock_timestamp())";
    // A role that may write the ledger need not be able to make it.
    let begun = client.query_one("select to_regclass('trasvase.migration') is not null", &[]).await;
    if !begun.map_err(|error| error::postgres(&error))?.get::<_, bool>(0) {
        execute(client, create).await.with_context(|| t!("ledger.cannot_create"))?;
    }
    let row = client
        .query_one("select coalesce(max(version), 0) from trasvase.migration", &[])
        .await
        .map_err(|error| error::postgres(&error))?;
    let applied: i32 = row.get(0);
    if applied > VERSION {
        return Err(Failure::failed(t!("ledger.newer", version = applied))
            .hint(t!("ledger.newer_hint"))
            .into());
    }
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > applied) {
        let record = format!("insert into trasvase.migration (version, name) values ({version}, '{name}')");
        execute(client, &format!("{sql}; {record}"))
            .await
            .with_context(|| t!("ledger.cannot_migrate", version = version))?;
    }
    Ok(())
}

/// Adds a line to the notes of the clinic's last completed batch, unless it stands there already.
///
/// # Errors
/// The ledger cannot be written.
pub async fn note(client: &Client, clinic: &ClinicName, line: &str) -> Result<()> {
    let sql = "update trasvase.batch set notes = concat_ws(E'\\n', nullif(notes, ''), $2) \
               where position($2 in notes) = 0 and number = (select max(number) from trasvase.batch \
               where clinic = $1 and status = 'completed')";
    client.execute(sql, &[&clinic.as_str(), &line]).await.map(drop).map_err(|error| error::postgres(&error))
}

/// Writes a batch as `running` and takes its advisory lock for this session.
pub async fn begin(client: &Client, manifest: &Manifest, notes: &str) -> Result<Batch> {
    let id = ulid::Ulid::generate().to_string();
    // In one statement: nobody may see the batch as running while its lock is free, and settle it.
    let row = client
        .query_one(
            "with batch as (insert into trasvase.batch \
             (id, clinic, clinic_uid, product, system, snapshot, catalog_hash, status, program, notes, origin) \
             values ($1, $2, $3, $4, $5, $6, $7, 'running', $8, $10, $11) returning number) \
             select number, pg_advisory_lock($9, number) from batch",
            &[
                &id,
                &manifest.clinic.as_str(),
                &manifest.clinic_uid,
                &manifest.product,
                &manifest.system,
                &manifest.id,
                &manifest.catalog_hash,
                &concat!("trasvase ", env!("CARGO_PKG_VERSION")),
                &LOCK_CLASS,
                &notes,
                &manifest.origin.as_str(),
            ],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    let number: i32 = row.get(0);
    Ok(Batch { number, id })
}

/// Writes down the findings of a batch's snapshot; inside the data transaction.
pub async fn issues(client: &Client, batch: &Batch, manifest: &Manifest) -> Result<()> {
    let statement = client
        .prepare(
            "insert into trasvase.issue (batch, id, stage, rule, severity, subject, column_name, count, status, reason, who, decided_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    for issue in &manifest.issues {
        let count = i64::try_from(issue.count)?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 12] = [
            &batch.number,
            &issue.id,
            &issue.stage,
            &issue.rule,
            &issue.severity,
            &issue.subject,
            &issue.column,
            &count,
            &issue.status,
            &issue.reason,
            &issue.who,
            &issue.when,
        ];
        client.execute(&statement, &values).await.map_err(|error| error::postgres(&error))?;
    }
    Ok(())
}

/// Marks a batch as completed with its counts; inside the data transaction, so that both are true or neither.
pub async fn complete(client: &Client, batch: &Batch, counts: &serde_json::Value) -> Result<()> {
    client
        .execute(
            "update trasvase.batch set status = 'completed', counts = $2::text::jsonb, ended_at = clock_timestamp() where number = $1",
            &[&batch.number, &counts.to_string()],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    Ok(())
}

/// What a table was like when a batch wrote it: by this a rollback tells whether its rows are still as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub key: Vec<String>,
    pub columns: Vec<String>,
    /// Of the columns, those whose values were sent, in the order of the ledger's digests of columns; none where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<String>,
    /// Of rows of another origin, `sent` was filled in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fills: bool,
    /// Its triggers did not run.
    pub triggers_disabled: bool,
}

/// Writes down what a batch's tables are like; inside the data transaction.
pub async fn note_shape(client: &Client, batch: &Batch, shape: &BTreeMap<String, Shape>) -> Result<()> {
    let sql = "update trasvase.batch set shape = $2::text::jsonb where number = $1";
    let shape = serde_json::to_string(shape)?;
    client.execute(sql, &[&batch.number, &shape]).await.map_err(|error| error::postgres(&error))?;
    Ok(())
}

/// The version of the ledger that is there.
pub async fn version(client: &Client) -> Result<i32> {
    let sql = "select max(version) from trasvase.migration";
    let row = client.query_one(sql, &[]).await.map_err(|error| error::postgres(&error))?;
    Ok(row.get::<_, Option<i32>>(0).unwrap_or_default())
}

/// Rows that rollbacks left (`l`), the batch that has the note (`g`), and those that were taken back with it (`o`), itself among
/// them: they have one moment, and the newest of them the note.
pub const LEFT: &str = "trasvase.left_behind l join trasvase.batch g on g.number = l.batch and g.status = 'rolled_back' \
                        join trasvase.batch o on o.clinic = g.clinic and o.status = 'rolled_back' \
                        and (o.number = g.number or o.rolled_back_at = g.rolled_back_at)";

/// Whether it knows which rows a rollback left.
pub async fn knows_left(client: &Client) -> Result<bool> {
    Ok(version(client).await? >= 7)
}

/// Whether the ledger holds what is to be told of a snapshot of models: a batch of the clinic's models, and of this very
/// snapshot where it tells of records one by one.
///
/// # Errors
/// As [`exists`].
pub async fn tells_of(client: &Client, manifest: &Manifest) -> Result<bool> {
    if !exists(client).await? {
        return Ok(false);
    }
    let sql = format!(
        "select exists (select from trasvase.batch where clinic = $1 and (snapshot = $2 or $3) and status = 'completed' \
         and {ORIGIN} = $4)"
    );
    let (any, origin) = (manifest.records.is_empty(), manifest.origin.as_str());
    let row = client.query_one(&sql, &[&manifest.clinic.as_str(), &manifest.id, &any, &origin]).await;
    Ok(row.map_err(|error| error::postgres(&error))?.get(0))
}

/// Marks every running batch as failed whose process is gone (its advisory lock is free), and drops the partitions
/// that it left unattached; returns their ids.
pub async fn settle(client: &Client) -> Result<Vec<String>> {
    let rows = client
        .query(
            "update trasvase.batch set status = 'failed', ended_at = clock_timestamp(), \
             notes = concat_ws(E'\\n', nullif(notes, ''), 'its process ended without a result') \
             where status = 'running' and pg_try_advisory_xact_lock($1, number) returning id, number",
            &[&LOCK_CLASS],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    for row in &rows {
        let number: i32 = row.get(1);
        let sql = format!(
            "drop table if exists trasvase.external_id_{number}, trasvase.row_digest_{number}, trasvase.record_{number}, trasvase.page_{number}"
        );
        execute(client, &sql).await?;
    }
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Ends the session that holds a running batch, if there is one: of a batch of ours whose connection was lost.
pub async fn end(client: &Client, id: &str) -> Result<()> {
    let sql = "select pg_terminate_backend(l.pid) from trasvase.batch b join pg_locks l on l.locktype = 'advisory' \
               and l.classid::bigint = $1::int4 and l.objid::bigint = b.number and l.granted \
               and l.database = (select oid from pg_database where datname = current_database()) \
               where b.id = $2 and b.status = 'running' and l.pid <> pg_backend_pid()";
    match client.query(sql, &[&LOCK_CLASS, &id]).await {
        // A pooler's sessions are of a role that ours may not end: the server does it in its own time.
        Err(error) if error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(error::postgres(&error)),
        _ => Ok(()),
    }
}

/// The status of a batch by its id, `None` where it is not there.
pub async fn status(client: &Client, id: &str) -> Result<Option<String>> {
    let row = client
        .query_opt("select status from trasvase.batch where id = $1", &[&id])
        .await
        .map_err(|error| error::postgres(&error))?;
    Ok(row.map(|row| row.get(0)))
}

/// SQL of what a batch's rows are from. A ledger of before there were origins knows batches of models only.
pub const ORIGIN: &str = "coalesce(to_jsonb(batch) ->> 'origin', 'models')";

/// SQL of the digest of row `d` of `trasvase.row_digest` as it was stored.
pub const STORED: &str = "coalesce(d.stored, d.sent)";

/// A condition on alias `d` of `trasvase.row_digest`: rows of a table that the clinic's completed batches of an origin, or of
/// any, wrote. None where there is no such batch, or no ledger.
pub async fn written(
    client: &Client,
    clinic: &str,
    origin: Option<Origin>,
    table: &TableName,
) -> Result<Option<String>> {
    if !exists(client).await? {
        return Ok(None);
    }
    let sql = format!(
        "select (select array_agg(number) from trasvase.batch where clinic = $1 and status = 'completed' \
         and coalesce({ORIGIN} = $3, true)), (select code from trasvase.name where name = $2)"
    );
    let row = client
        .query_one(&sql, &[&clinic, &table.to_string(), &origin.map(Origin::as_str)])
        .await
        .map_err(|error| error::postgres(&error))?;
    let (batches, code): (Option<Vec<i32>>, Option<i32>) = (row.get(0), row.get(1));
    Ok(batches.zip(code).map(|(batches, code)| written_by(&batches, code)))
}

/// A condition on alias `d` of `trasvase.row_digest`: rows of the table with this code that these batches wrote. Numbers,
/// not queries for them: only so may PostgreSQL read the table in parallel.
pub fn written_by(batches: &[i32], table: i32) -> String {
    let batches = batches.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("d.batch in ({batches}) and d.target_table = {table}")
}

/// SQL of the code of a source, type or table; null where the ledger does not know the name.
pub fn code_sql(name: &str) -> String {
    format!("(select code from trasvase.name where name = {})", literal(name))
}

/// What the ledger knows the records of an entity by.
pub fn golden_kind(entity: &str) -> String {
    format!("golden.{entity}")
}

/// A query of the golden id under which the clinic's completed batches last brought each record of an entity.
pub fn golden_ids(clinic: &str, product: &str, entity: &str) -> String {
    format!(
        "select distinct on (e.source_id) e.source_id, e.target_key from trasvase.external_id e \
         join trasvase.batch b on b.number = e.batch and b.clinic = {} and b.status = 'completed' \
         where e.source = {} and e.type = {} order by e.source_id, e.batch desc",
        literal(clinic),
        code_sql(product),
        code_sql(&golden_kind(entity)),
    )
}

/// Gives each name its code, making codes for new names.
pub async fn codes(client: &Client, names: &[String]) -> Result<BTreeMap<String, i32>> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    client
        .execute(
            "insert into trasvase.name (name) select distinct name from unnest($1::text[]) name \
             where not exists (select 1 from trasvase.name old where old.name = name.name) on conflict do nothing",
            &[&names],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    let rows = client
        .query("select name, code from trasvase.name where name = any($1)", &[&names])
        .await
        .map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Fails where the ledger knows this clinic's name with another uid: ids made now would not be the ids made then.
pub async fn same_clinic(client: &Client, manifest: &Manifest) -> Result<()> {
    let row = client
        .query_opt(
            "select clinic_uid from trasvase.batch where clinic = $1 and clinic_uid <> $2 and status = 'completed' limit 1",
            &[&manifest.clinic.as_str(), &manifest.clinic_uid],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    match row {
        None => Ok(()),
        Some(row) => Err(Failure::failed(t!(
            "ledger.other_uid",
            clinic = manifest.clinic,
            uid = row.get::<_, String>(0)
        ))
        .hint(t!("ledger.other_uid_hint", clinic = manifest.clinic))
        .into()),
    }
}
