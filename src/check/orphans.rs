//! Rows whose parent is neither in the batch nor in PostgreSQL.

use anyhow::Result;
use tokio_postgres::Client;

use super::ready;
use super::retired::Retired;
use super::rules::{ForeignKey, foreign_keys};
use super::shape::TableShape;
use crate::config::{Orphans, TableConfig};
use crate::error;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// How many keys one question to PostgreSQL holds.
const KEYS_AT_ONCE: usize = 50_000;

/// Finds orphans of every foreign key and rejects them or empties the reference, as clinic.toml says. A
/// self-reference is looked at again until no further row falls.
///
/// Returns how many references were emptied, by column.
pub(super) async fn decide(
    staging: &Staging,
    client: &Client,
    shape: &TableShape<'_>,
    settings: &TableConfig,
    retired: &mut Retired,
) -> Result<Vec<(String, u64)>> {
    let mut emptied = Vec::new();
    loop {
        let mut changed = 0;
        for key in foreign_keys(shape) {
            let missing = missing_keys(staging, client, shape, &key, retired).await?;
            if missing == 0 {
                continue;
            }
            if settings.orphans == Orphans::Null && nullable(shape, &key) {
                emptied.push((key.columns.join(", "), empty_reference(staging, shape, &key)?));
            } else {
                changed += reject(staging, shape, &key, retired)?;
            }
        }
        if changed == 0 {
            return Ok(emptied);
        }
    }
}

fn nullable(shape: &TableShape<'_>, key: &ForeignKey) -> bool {
    key.columns.iter().all(|name| shape.table.column(name).is_some_and(|column| !column.not_null))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

/// Fills `temp.missing_key` with the keys that no surviving parent of the batch and no row of PostgreSQL has.
async fn missing_keys(
    staging: &Staging,
    client: &Client,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    retired: &Retired,
) -> Result<u64> {
    let table = literal(&shape.name.to_string());
    let present = key
        .columns
        .iter()
        .map(|column| format!("{} is not null", quoted(column)))
        .collect::<Vec<_>>()
        .join(" and ");
    let in_batch = if staging.has_table("ready", &key.parent.to_string())? {
        format!(
            "except select {} from {} where _n not in (select n from fault where table_name = {})",
            list(&key.parent_columns),
            key.parent.staged("ready"),
            literal(&key.parent.to_string())
        )
    } else {
        String::new()
    };
    staging.execute(&format!(
        "create or replace temp table missing_key as select {columns} from {ready} where {present} \
         and _n not in (select n from fault where table_name = {table}) {in_batch}",
        columns = list(&key.columns),
        ready = shape.name.staged("ready"),
    ))?;
    drop_known(staging, client, shape, key, retired).await?;
    staging.value("select count(*) from missing_key")
}

/// Removes from `temp.missing_key` what PostgreSQL has and keeps; a placeholder is a key of the batch alone.
async fn drop_known(
    staging: &Staging,
    client: &Client,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    retired: &Retired,
) -> Result<()> {
    let columns = list(&key.columns);
    let holders = key.columns.iter().filter(|column| shape.placeholders.contains_key(*column));
    let real: String =
        holders.map(|column| format!(" and not starts_with({}, '-')", quoted(column))).collect();
    let rows: Vec<Vec<Option<String>>> = staging
        .rows(&format!("select distinct {columns} from missing_key where true{real}"), |row| {
            (0..key.columns.len()).map(|position| row.get(position)).collect()
        })?;
    for block in rows.chunks(KEYS_AT_ONCE) {
        error::interrupt::check()?;
        let known = known_keys(client, key, block).await?;
        let mut statement = staging
            .connection()
            .prepare(&format!(
                "delete from missing_key where {}",
                key.columns
                    .iter()
                    .map(|column| format!("{} = ?", quoted(column)))
                    .collect::<Vec<_>>()
                    .join(" and ")
            ))
            .map_err(error::duckdb)?;
        let goes = |values: &Vec<String>| matches!(&values[..], [one] if retired.has(&key.parent, one));
        for values in known.into_iter().filter(|values| !goes(values)) {
            statement.execute(duckdb::params_from_iter(values)).map_err(error::duckdb)?;
        }
    }
    Ok(())
}

/// Asks PostgreSQL which of these keys the parent table has.
async fn known_keys(
    client: &Client,
    key: &ForeignKey,
    keys: &[Vec<Option<String>>],
) -> Result<Vec<Vec<String>>> {
    let columns: Vec<Vec<Option<&str>>> =
        (0..key.columns.len()).map(|n| keys.iter().map(|values| values[n].as_deref()).collect()).collect();
    let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
        columns.iter().map(|column| column as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
    let unnest = (1..=columns.len()).map(|n| format!("${n}::text[]")).collect::<Vec<_>>().join(", ");
    let names = (1..=columns.len()).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ");
    let equal = key
        .parent_columns
        .iter()
        .enumerate()
        .map(|(n, column)| format!("p.{}::text = k{}", quoted(column), n + 1))
        .collect::<Vec<_>>()
        .join(" and ");
    let sql = format!(
        "select {names} from unnest({unnest}) as k({names}) where exists (select 1 from {} p where {equal})",
        key.parent.quoted()
    );
    let rows = client.query(&sql, &parameters).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| (0..columns.len()).map(|n| row.get(n)).collect()).collect())
}

fn matches_missing(key: &ForeignKey) -> String {
    format!("({}) in (select ({}) from missing_key)", list(&key.columns), list(&key.columns))
}

/// Rejects the orphans: `parent_rejected` where the batch had the parent, `orphan` where nobody has it. What the target has
/// of them goes with a parent that goes.
fn reject(staging: &Staging, shape: &TableShape<'_>, key: &ForeignKey, retired: &mut Retired) -> Result<u64> {
    let table = literal(&shape.name.to_string());
    let rule = if staging.has_table("ready", &key.parent.to_string())? {
        format!(
            "case when ({}) in (select ({}) from {}) then 'parent_rejected' else 'orphan' end",
            list(&key.columns),
            list(&key.parent_columns),
            key.parent.staged("ready")
        )
    } else {
        "'orphan'".to_owned()
    };
    if let [own] = shape.table.primary_key()
        && retired.any_of(&key.parent)
    {
        let sql = format!(
            "select {}::varchar, {}::varchar from {} where {} and _n not in (select n from fault where table_name = {table})",
            quoted(own),
            list(&key.columns[..1]),
            shape.name.staged("ready"),
            matches_missing(key)
        );
        let rows: Vec<(String, String)> = staging.rows(&sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let followers: Vec<String> = rows
            .into_iter()
            .filter(|(_, parent)| retired.has(&key.parent, parent))
            .map(|(own, _)| own)
            .collect();
        retired.add(&shape.name, followers);
    }
    let before: u64 = staging.value("select count(*) from fault")?;
    staging.execute(&format!(
        "insert into fault select {table}, _n, {rule}, {column}, {constraint}, {parent} from {ready} where {missing} \
         and _n not in (select n from fault where table_name = {table})",
        column = literal(&key.columns.join(", ")),
        constraint = literal(&key.name),
        parent = literal(&key.parent.to_string()),
        ready = shape.name.staged("ready"),
        missing = matches_missing(key),
    ))?;
    Ok(staging.value::<u64>("select count(*) from fault")? - before)
}

/// Empties the references of the orphans and notes the repair on each row.
fn empty_reference(staging: &Staging, shape: &TableShape<'_>, key: &ForeignKey) -> Result<u64> {
    let nulls =
        key.columns.iter().map(|column| format!("{} = null", quoted(column))).collect::<Vec<_>>().join(", ");
    ready::repair(staging, shape, &nulls, "orphan_emptied", &matches_missing(key))
}
