//! What a whole reading of the snapshot gave, kept in the staging file for the next verification. The snapshot's files are
//! hashed each time: where they are the same, and so is everything that was asked of them, reading them again would give
//! the same again, and only the target is left to read. A sign-off keeps none and always reads itself.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::buckets::Buckets;
use super::months::{self, Counter};
use super::ours::OurTable;
use super::population::Population;
use super::relations::Proven;
use super::{Compared, Options, OurSide, both_sides};
use crate::error;
use crate::model::hex;
use crate::staging::Staging;

/// Says which program read, since another one may read in another way; to be raised where what is read changes.
const READER: (&str, u32) = (env!("CARGO_PKG_VERSION"), 1);

/// The part that is kept as JSON. A bucket of each row is kept beside it.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    tables: Vec<T>,
    /// Of each file of `verify/*.sql`, in their order.
    answers: Vec<Vec<String>>,
}

/// A table as it is written.
#[derive(Serialize)]
struct Written<'a> {
    buckets: &'a Buckets,
    months: &'a Option<Counter>,
    proven: &'a Proven,
}

/// And as it is read.
#[derive(Deserialize)]
struct Table {
    buckets: Buckets,
    months: Option<Counter>,
    proven: Proven,
}

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
            add(file.query().as_bytes().to_vec());
        }
        Ok(Some(Self(hex(hash.finalize()))))
    }
}

/// The reading of this name, if it is the one that was kept; any other is of no use.
pub(super) fn kept(
    staging: &Staging,
    options: &Options<'_>,
    Name(name): &Name,
    tables: &[Compared<'_>],
) -> Result<Option<OurSide>> {
    let sql = "select name, read, buckets from meta.reading";
    let rows = staging.rows(sql, |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let Some((_, kept, places)) = rows.into_iter().find(|(of, ..)| of == name) else {
        return Ok(None);
    };
    let Kept::<Table> { tables: read, answers } = serde_json::from_str(&kept)?;
    let mut places = places.as_slice();
    let mut of_table = |(compared, table): (&Compared<'_>, Table)| {
        let (these, rest) = places.split_at_checked(usize::try_from(compared.entry.rows).ok()?)?;
        places = rest;
        let Table { buckets, months, proven } = table;
        Some(OurTable::kept(buckets, these, months, proven))
    };
    let whole = read.len() == tables.len();
    let read: Option<Vec<OurTable>> = tables.iter().zip(read).map(&mut of_table).collect();
    let files = both_sides::files(options)?;
    Ok(read
        .filter(|_| whole && files.len() == answers.len())
        .map(|tables| OurSide { tables, answers: files.into_iter().zip(answers).collect() }))
}

/// Keeps the reading of a whole snapshot, in the place of any other.
pub(super) fn keep(staging: &Staging, Name(name): &Name, ours: &OurSide) -> Result<()> {
    let mut places = Vec::new();
    let mut tables = Vec::new();
    for table in &ours.tables {
        places.extend(table.buckets_of_rows());
        let OurTable { buckets, months, proven, .. } = table;
        tables.push(Written { buckets, months, proven });
    }
    let answers = ours.answers.iter().map(|(_, rows)| rows.clone()).collect();
    let kept = serde_json::to_string(&Kept { tables, answers })?;
    staging.transaction(|| {
        staging.execute("delete from meta.reading")?;
        let sql = "insert into meta.reading values (?, ?, ?)";
        let values = duckdb::params![name, kept, places];
        staging.connection().execute(sql, values).map(drop).map_err(error::duckdb)
    })
}
