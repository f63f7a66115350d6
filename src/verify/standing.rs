//! Rows that differ because the clinic wants it so: people's values that stand (`on_conflict`), rows that the source has no
//! more and that stay (`vanished`). A push of the same snapshot would leave them as they are.

use std::collections::HashMap;

use anyhow::{Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::differences::Cause;
use super::target_rows::TargetRow;
use super::{Compared, Options};
use crate::config::Vanished;
use crate::error;
use crate::model::merge::{Change, Fate, OnConflict};
use crate::pg::Writings;

/// What the last push of a row noted of it.
pub(super) struct Pushed {
    /// Of the whole row, as it was stored.
    whole: Vec<u8>,
    /// Of each column, one after the other: as it was sent, and as it was stored; none where that was not noted.
    columns: Option<(Vec<u8>, Vec<u8>)>,
}

/// The last pushes of rows with these keys, where a push would tell people's values from the source's.
pub(super) async fn pushed(
    options: &Options<'_>,
    compared: &Compared<'_>,
    keys: &[&str],
) -> Result<HashMap<String, Pushed>> {
    let (clinic, name) = (options.clinic, &compared.entry.table);
    if clinic.on_conflict(name) == OnConflict::TakeSource {
        return Ok(HashMap::new());
    }
    let Some(writings) = Writings::read(options.client, clinic.name.as_str(), name).await? else {
        return Ok(HashMap::new());
    };
    let names: Vec<&str> = compared.codec.column_names().collect();
    let (sent, stored) = writings.columns_sql(&names);
    let sql = format!(
        "select distinct on (d.key) d.key, d.stored, {}, {sent}, {stored} from trasvase.row_digest d \
         where {} and d.key = any($1) order by d.key, d.batch desc",
        writings.has_columns_sql(),
        writings.condition()
    );
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    let pushed = |row: &tokio_postgres::Row| {
        let columns = row.get::<_, bool>(2).then(|| (row.get(3), row.get(4)));
        (row.get(0), Pushed { whole: row.get(1), columns })
    };
    Ok(rows.iter().map(pushed).collect())
}

/// Why a row with other values is left so, if it is.
pub(super) fn edited(
    options: &Options<'_>,
    compared: &Compared<'_>,
    expected: &[Option<String>],
    there: &TargetRow,
    pushed: Option<&Pushed>,
) -> Result<Option<Cause>> {
    let Some(pushed) = pushed.filter(|_| options.clinic.updates(&compared.entry.table)) else {
        return Ok(None);
    };
    let policy = options.clinic.on_conflict(&compared.entry.table);
    let mut cause = None;
    for place in 0..expected.len() {
        let ours = compared.codec.column_digest(expected, place);
        let ours = short(&ours.map_err(|refused| anyhow!("{}", refused.refusal.rule()))?);
        let theirs = short(there.bytes(place));
        let untouched = there.stored.as_ref() == Some(&pushed.whole);
        let (source, target) = match &pushed.columns {
            Some((sent, stored)) => (at(sent, place) != ours, at(stored, place) != theirs),
            None => (true, !untouched),
        };
        match policy.fate(Change { same: ours == theirs, source, target }) {
            Fate::Same => {}
            Fate::Stands | Fate::Kept => cause = cause.or(Some(Cause::Stands)),
            Fate::Conflict => cause = Some(Cause::Conflict),
            Fate::Taken | Fate::Overwritten => return Ok(None),
        }
    }
    Ok(cause)
}

/// Why a row that the snapshot does not have is left, if clinic.toml says so.
pub(super) fn vanished(
    options: &Options<'_>,
    compared: &Compared<'_>,
    there: &TargetRow,
    pushed: Option<&Pushed>,
) -> Option<Cause> {
    let name = &compared.entry.table;
    if matches!(options.clinic.vanished(name), Some(Vanished::Keep | Vanished::Flag)) {
        return Some(Cause::Stands);
    }
    let edited = pushed.is_some_and(|pushed| there.stored.as_ref() != Some(&pushed.whole));
    match options.clinic.on_conflict(name) {
        OnConflict::KeepTarget if edited => Some(Cause::Stands),
        OnConflict::Report if edited => Some(Cause::Conflict),
        _ => None,
    }
}

/// The digest of a column, as the ledger has it.
fn short(bytes: &[u8]) -> [u8; 8] {
    Sha256::digest(bytes)[..8].try_into().expect("eight of 32 bytes")
}

fn at(digests: &[u8], place: usize) -> [u8; 8] {
    digests.get(place * 8..place * 8 + 8).and_then(|one| one.try_into().ok()).unwrap_or_default()
}
