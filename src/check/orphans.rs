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
use crate::model::ident::{TableName, literal, quoted};
use crate::staging::Staging;

/// How many keys one question to PostgreSQL holds.
const KEYS_AT_ONCE: usize = 50_000;

/// Rows of the target that go with the push, and in which order tables are decided.
pub(super) struct Going<'s> {
    pub(super) retired: Retired,
    pub(super) leaving: Leaving<'s>,
    /// Parents first.
    pub(super) order: &'s [TableName],
}

/// References that were emptied.
pub(super) struct Emptied {
    pub(super) column: String,
    pub(super) rows: u64,
}

/// What emptied references are called. A parent that vanishes at the source is one that nobody has in the next run, and what was
/// accepted in the first stays accepted then: one name for both.
pub(super) const EMPTIED: &str = "orphan_emptied";

/// The rules of rows without a parent.
pub(super) const PARENTS: &str = "('orphan', 'parent_rejected', 'parent_vanished')";

/// Finds orphans of every foreign key and rejects them or empties the reference, as clinic.toml says. A
/// self-reference is looked at again until no further row falls.
///
/// A row has a fault for each reference without a parent, also where another rule rejects it.
///
/// Returns how many references were emptied.
pub(super) async fn decide(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    going: &mut Going<'_>,
) -> Result<Vec<Emptied>> {
    let (staging, settings) = (options.staging, options.clinic.table(&shape.name));
    let mut emptied = Vec::new();
    let table = literal(&shape.name.to_string());
    let stands = format!("_n not in (select n from fault where table_name = {table})");
    loop {
        let mut changed = 0;
        staging.execute(&format!(
            "create or replace temp table fallen as select distinct n from fault where table_name = {table}"
        ))?;
        for key in foreign_keys(shape) {
            let empties = settings.orphans == Orphans::Null && nullable(shape, &key);
            let which = if empties { stands.clone() } else { untold(shape, &key) };
            let missing = missing_keys(options, shape, &key, going, &which).await?;
            if missing == 0 {
                continue;
            }
            if empties {
                emptied.extend(empty_reference(staging, shape, &key, &stands)?);
            } else {
                changed += reject(staging, shape, &key, going)?;
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

/// SQL of whether nothing says yet that a row has no parent by this key.
fn untold(shape: &TableShape<'_>, key: &ForeignKey) -> String {
    format!(
        "_n not in (select n from fault where table_name = {} and constraint_name = {} and rule in {PARENTS})",
        literal(&shape.name.to_string()),
        literal(&key.name)
    )
}

/// Fills `temp.missing_key` with the keys of rows that meet a condition and that no surviving parent of the batch and no row of PostgreSQL has which stays; those of
/// rows that leave since they vanished are in `temp.vanished_key` too.
async fn missing_keys(
    options: &Options<'_>,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    going: &mut Going<'_>,
    which: &str,
) -> Result<u64> {
    let staging = options.staging;
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
         and {which} {in_batch}",
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
fn reject(staging: &Staging, shape: &TableShape<'_>, key: &ForeignKey, going: &mut Going<'_>) -> Result<u64> {
    let retired = &mut going.retired;
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
         and {untold} and {own}",
        column = literal(&key.columns.join(", ")),
        constraint = literal(&key.name),
        parent = literal(&key.parent.to_string()),
        ready = shape.name.staged("ready"),
        missing = matches(key, "missing_key"),
        untold = untold(shape, key),
        own = fell_by_itself(staging, shape, key, going.order)?,
    ))?;
    Ok(staging.value::<u64>("select count(*) from fault")? - before)
}

/// SQL of whether a parent that the batch has and that is rejected is a reason for a row that was rejected already. In the row's own
/// table, or around a cycle, the parent may have fallen with the row itself, which is no reason for that; one that is rejected for
/// what is its own is.
fn fell_by_itself(
    staging: &Staging,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    order: &[TableName],
) -> Result<String> {
    let place = |name: &TableName| order.iter().position(|one| one == name);
    let later = place(&key.parent) >= place(&shape.name);
    if !later || !staging.has_table("ready", &key.parent.to_string())? {
        return Ok("true".to_owned());
    }
    let before = &order[..place(&shape.name).unwrap_or_default()];
    let before: String = before.iter().map(|name| format!(", {}", literal(&name.to_string()))).collect();
    let (columns, parents) = (list(&key.columns), list(&key.parent_columns));
    let (ready, parent) = (key.parent.staged("ready"), literal(&key.parent.to_string()));
    let other = match key.parent == shape.name {
        true => format!("({columns}) is distinct from ({parents}) and "),
        false => String::new(),
    };
    Ok(format!(
        "(_n not in (select n from fallen) or ({columns}) not in (select {parents} from {ready} where {present}) or {other}\
         ({columns}) in (select {parents} from {ready} where _n in (select n from fault where table_name = {parent} \
           and (rule <> 'parent_rejected' or detail in (null{before})))))",
        present = key
            .parent_columns
            .iter()
            .map(|name| format!("{} is not null", quoted(name)))
            .collect::<Vec<_>>()
            .join(" and "),
    ))
}

/// Empties the references of the orphans that stand and notes the repair on each row.
fn empty_reference(
    staging: &Staging,
    shape: &TableShape<'_>,
    key: &ForeignKey,
    stands: &str,
) -> Result<Option<Emptied>> {
    let nulls =
        key.columns.iter().map(|column| format!("{} = null", quoted(column))).collect::<Vec<_>>().join(", ");
    let which = format!("{} and {stands}", matches(key, "missing_key"));
    let rows = ready::repair(staging, shape, &nulls, EMPTIED, &which)?;
    Ok((rows > 0).then(|| Emptied { column: key.columns.join(", "), rows }))
}
