//! What a whole reading of the snapshot gave, kept in the staging file for the next verification. The snapshot's files are
//! hashed each time: where they are the same, and so is everything that was asked of them, reading them again would give
//! the same again, and only the target is left to read. So it is with answers to `verify/*.sql`, but for queries that may ask for
//! the time of day. A sign-off keeps none and always reads itself.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ours::OurTable;
use super::population::Population;
use super::{Compared, Options, OurSide, both_sides, months};
use crate::error;
use crate::model::hex;
use crate::model::ident::literal;
use crate::staging::Staging;

/// Says which program read, since another one may read in another way; to be raised where what is read changes.
const READER: (&str, u32) = (env!("CARGO_PKG_VERSION"), 2);

/// A hash of everything that decides what a reading of a whole snapshot gives.
pub(super) struct Name(String);

impl Name {
    /// None where only some rows are read.
    pub(super) fn of(
        options: &Options<'_>,
        population: &Population,
        tables: &[Compared<'_>],
    ) -> Result<Option<Self>> {
        if options.since.is_some() {
            return Ok(None);
        }
        let mut hash = Sha256::new();
        let mut add = |part: Vec<u8>| {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        };
        add(serde_json::to_vec(&(READER, options.snapshot.id(), population.days()))?);
        for compared in tables {
            let Compared { entry, table, references, .. } = compared;
            add(serde_json::to_vec(&(entry, table, references, months::place(options, compared)))?);
        }
        for (table, numbers) in options.snapshot.numbers() {
            add(serde_json::to_vec(&(table, numbers.pairs()))?);
        }
        for file in both_sides::files(options)? {
            add(file.text.into_bytes());
        }
        Ok(Some(Self(hex(hash.finalize()))))
    }
}

/// What an earlier reading gave.
#[derive(Deserialize)]
pub(super) struct Kept {
    pub(super) tables: Vec<OurTable>,
    /// The rows of each query's answer, by the query.
    pub(super) answers: BTreeMap<String, Vec<String>>,
}

/// The same, of a reading that was just made.
#[derive(Serialize)]
struct Keep<'a> {
    tables: &'a [OurTable],
    answers: BTreeMap<&'a str, &'a [String]>,
}

/// The reading of this name, if it is the one that was kept; any other is of no use.
pub(super) fn kept(staging: &Staging, Name(name): &Name, tables: &[Compared<'_>]) -> Result<Option<Kept>> {
    let sql = format!("select read, buckets from meta.reading where name = {}", literal(name));
    let mut rows = staging.rows(&sql, |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let Some((kept, places)) = rows.pop() else { return Ok(None) };
    let Ok(mut kept) = serde_json::from_str::<Kept>(&kept) else { return Ok(None) };
    let mut places = places.as_slice();
    for (compared, table) in tables.iter().zip(&mut kept.tables) {
        let Some((these, rest)) = places.split_at_checked(usize::try_from(compared.entry.rows)?) else {
            return Ok(None);
        };
        table.place(these);
        places = rest;
    }
    Ok(Some(kept))
}

/// Keeps the reading of a whole snapshot, in the place of any other.
pub(super) fn keep(staging: &Staging, Name(name): &Name, ours: &OurSide) -> Result<()> {
    let places: Vec<u8> = ours.tables.iter().flat_map(OurTable::places).collect();
    let lasting = ours.answers.iter().filter(|(file, _)| both_sides::lasts(file.query()));
    let answers = lasting.map(|(file, rows)| (file.query(), rows.as_slice())).collect();
    let read = serde_json::to_string(&Keep { tables: &ours.tables, answers })?;
    staging.transaction(|| {
        staging.execute("delete from meta.reading")?;
        let sql = "insert into meta.reading values (?, ?, ?)";
        let values = duckdb::params![name, read, places];
        staging.connection().execute(sql, values).map(drop).map_err(error::duckdb)
    })
}
