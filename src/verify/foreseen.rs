//! Rows that a push leaves out where tables refer to each other or to themselves: whether the first row is left out can be for the
//! last one, so that is known before any is compared.

use std::collections::HashSet;

use anyhow::Result;

use super::standing::{self, LeftOut};
use super::{Compared, Options};
use crate::error;
use crate::model::catalog::ConstraintKind;
use crate::model::ident::TableName;
use crate::model::merge::Excuse;

/// Keys that are asked for at once.
const CHUNK: usize = 5_000;

/// A row of the snapshot that the target does not have.
struct Missing<'c, 'o> {
    compared: &'c Compared<'o>,
    key: String,
    values: Vec<Option<String>>,
    /// People deleted it, or it refers to a row that is left out.
    out: Option<Excuse>,
}

/// The rows that are left out, as far as they are not found in the order of the tables.
pub(super) async fn left_out(options: &Options<'_>, tables: &[Compared<'_>]) -> Result<LeftOut> {
    let mut left_out = LeftOut::default();
    if !refer_back(options, tables) {
        return Ok(left_out);
    }
    let mut missing = Vec::new();
    for compared in tables {
        missing.extend(missing_of(options, compared).await?);
    }
    for row in &missing {
        row.note(options, &mut left_out);
    }
    loop {
        let mut fell = false;
        for row in missing.iter_mut().filter(|row| row.out.is_none()) {
            row.out = left_out.orphaned(row.compared, &row.values);
            row.note(options, &mut left_out);
            fell |= row.out.is_some();
        }
        if !fell {
            return Ok(left_out);
        }
    }
}

impl Missing<'_, '_> {
    /// Notes it, if it is left out.
    fn note(&self, options: &Options<'_>, left_out: &mut LeftOut) {
        if let Some(excuse) = self.out {
            left_out.note(options.catalog, self.compared, (&self.key, &self.values), excuse);
        }
    }
}

/// Whether a table refers to itself or to one that comes after it, and rows may be left out.
fn refer_back(options: &Options<'_>, tables: &[Compared<'_>]) -> bool {
    let place = |name: &TableName| tables.iter().position(|one| one.entry.table == *name);
    let later = |(at, compared): (usize, &Compared<'_>)| {
        compared.table.foreign_keys().any(|one| match &one.kind {
            ConstraintKind::ForeignKey { references, .. } => place(references) >= Some(at),
            _ => false,
        })
    };
    let leaves = |one: &Compared<'_>| options.clinic.on_conflict(&one.entry.table).of_deleted().is_some();
    tables.iter().any(leaves) && tables.iter().enumerate().any(later)
}

async fn missing_of<'c, 'o>(
    options: &Options<'_>,
    compared: &'c Compared<'o>,
) -> Result<Vec<Missing<'c, 'o>>> {
    let mut missing = Vec::new();
    let mut reader = options.snapshot.rows(compared.entry)?;
    loop {
        let mut rows = Vec::new();
        while rows.len() < CHUNK
            && let Some(row) = reader.next_row()?
        {
            let values: Vec<Option<String>> =
                row.values.iter().map(|value| value.as_deref().map(str::to_owned)).collect();
            rows.push((compared.codec.key_text(&values), values));
        }
        if rows.is_empty() {
            return Ok(missing);
        }
        error::interrupt::check()?;
        let keys: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
        let there = there(options, compared, &keys).await?;
        let gone: Vec<&str> = keys.into_iter().filter(|key| !there.contains(*key)).collect();
        let deleted = standing::deleted(options, compared, &gone).await?;
        let absent = rows.into_iter().filter(|(key, _)| !there.contains(key));
        let policy = options.clinic.on_conflict(&compared.entry.table).of_deleted();
        missing.extend(absent.map(|(key, values)| {
            let out = policy.filter(|_| deleted.contains(&key));
            Missing { compared, key, values, out }
        }));
    }
}

async fn there(options: &Options<'_>, compared: &Compared<'_>, keys: &[&str]) -> Result<HashSet<String>> {
    let sql = format!(
        "select {} from {} t where {}",
        compared.codec.key_sql("t"),
        compared.entry.table.quoted(),
        compared.codec.key_among_sql("t", "$1::text[]")
    );
    let rows = options.client.query(&sql, &[&keys]).await.map_err(|error| error::postgres(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
