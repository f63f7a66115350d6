//! Rows whose parent is neither in the batch nor in PostgreSQL.

use anyhow::Result;
use tokio_postgres::Client;

use super::Options;
use super::leaving::Leaving;
use super::ready;
use super::retired::Retired;
use super::rules::{ForeignKey, foreign_keys};
use super::shape::TableShape;
use crate::config::Orphans;
use crate::error;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// How many keys one question to PostgreSQL holds.
const KEYS_AT_ONCE: usize = 50_000;

/// Rows of the target that go with the push.
pub(super) struct Going<'s> {
    pub(super) retired: Retired,
    pub(super) leaving: Leaving<'s>,
}

/// References that were emptied.
pub(super) struct Emptied {
    pub(super) rule: &'static str,
    pub(super) column: String,
    pub(super) rows: u64,
}

/// What emptied references are called where nobody has the parent, and where it vanished at the source.
pub(super) const EMPTIED: &str = "orphan_emptied";
pub(super) const VANISHED_EMPTIED: &str = "vanished_parent_emptied";

/// Finds orphans of every foreign key and rejects them or empties the reference, as clinic.toml says. A
/// self-reference is looked at again until no further row falls.
///
/// Returns how many references were emptied.
pub(super) async fn decide(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    going: &mut Going<'_>,
) -> Result<Vec<Emptied>> {
    let (staging, settings) = (options.staging, options.clinic.table(&shape.name));
    let mut emptied = Vec::new();
    loop {
        let mut changed = 0;
        for key in foreign_keys(shape) {
            let missing = missing_keys(options, shape, &key, going).await?;
            if missing == 0 {
                continue;
            }
            if settings.orphans == Orphans::Null && nullable(shape, &key) {
                emptied.extend(empty_reference(staging, shape, &key)?);
            } else {
                changed += reject(staging, shape, &key, &mut going.retired)?;
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

/// Fills `temp.missing_key` with the keys that no surviving parent of the batch and no row of PostgreSQL has which stays; those of
/// rows that leave since they vanished are in `temp.vanished_key` too.
async fn missing_keys(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    going: &mut Going<'_>,
) -> Result<u64> {
    let staging = options.staging;
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
    staging.execute("create or replace temp table vanished_key as from missing_key limit 0")?;
    drop_known(options, shape, key, going).await?;
    staging.value("select count(*) from missing_key")
}

/// Removes from `temp.missing_key` what PostgreSQL has and keeps; a placeholder is a key of the batch alone.
async fn drop_known(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    going: &mut Going<'_>,
) -> Result<()> {
    let staging = options.staging;
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
        let known = known_keys(options.client, key, block).await?;
        let leaving = going.leaving.among(options, key, &known).await?;
        let prepare = |sql: &str| staging.connection().prepare(sql).map_err(error::duckdb);
        let place = vec!["?"; key.columns.len()].join(", ");
        let mut vanished = prepare(&format!("insert into vanished_key values ({place})"))?;
        let mut drop = prepare(&format!(
            "delete from missing_key where {}",
            key.columns
                .iter()
                .map(|column| format!("{} = ?", quoted(column)))
                .collect::<Vec<_>>()
                .join(" and ")
        ))?;
        let retired = &going.retired;
        let goes = |values: &Vec<String>| matches!(&values[..], [one] if retired.has(&key.parent, one));
        for values in known.into_iter().filter(|values| !goes(values)) {
            let which = if leaving.contains(&values) { &mut vanished } else { &mut drop };
            which.execute(duckdb::params_from_iter(values)).map_err(error::duckdb)?;
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

/// SQL of whether a row refers to one of the keys in this table.
fn matches(key: &ForeignKey, keys: &str) -> String {
    format!("({0}) in (select ({0}) from {keys})", list(&key.columns))
}

/// Rejects the orphans: `parent_rejected` where the batch had the parent, `parent_vanished` where the target has it and it leaves,
/// `orphan` where nobody has it. What the target has of them goes with a parent that goes by its golden id.
fn reject(staging: &Staging, shape: &TableShape<'_>, key: &ForeignKey, retired: &mut Retired) -> Result<u64> {
    let table = literal(&shape.name.to_string());
    let columns = list(&key.columns);
    let in_batch = match staging.has_table("ready", &key.parent.to_string())? {
        true => format!(
            "when ({columns}) in (select ({}) from {}) then 'parent_rejected' ",
            list(&key.parent_columns),
            key.parent.staged("ready")
        ),
        false => String::new(),
    };
    let rule = format!(
        "case when {} then 'parent_vanished' {in_batch}else 'orphan' end",
        matches(key, "vanished_key")
    );
    if let [own] = shape.table.primary_key()
        && retired.any_of(&key.parent)
    {
        let sql = format!(
            "select {}::varchar, {}::varchar from {} where {} and _n not in (select n from fault where table_name = {table})",
            quoted(own),
            list(&key.columns[..1]),
            shape.name.staged("ready"),
            matches(key, "missing_key")
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
        missing = matches(key, "missing_key"),
    ))?;
    Ok(staging.value::<u64>("select count(*) from fault")? - before)
}

/// Empties the references of the orphans and notes the repair on each row.
fn empty_reference(staging: &Staging, shape: &TableShape<'_>, key: &ForeignKey) -> Result<Vec<Emptied>> {
    let nulls =
        key.columns.iter().map(|column| format!("{} = null", quoted(column))).collect::<Vec<_>>().join(", ");
    let mut emptied = Vec::new();
    for (rule, keys) in [(VANISHED_EMPTIED, "vanished_key"), (EMPTIED, "missing_key")] {
        let rows = ready::repair(staging, shape, &nulls, rule, &matches(key, keys))?;
        if rows > 0 {
            emptied.push(Emptied { rule, column: key.columns.join(", "), rows });
        }
    }
    Ok(emptied)
}
