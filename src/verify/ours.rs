//! What the snapshot says, read in one pass: a table's buckets, its rows by month, and the rows of a sample.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::buckets::{Buckets, bucket_of};
use super::months::{self, Counter};
use super::relations::{Keys, Proven};
use super::{Compared, Options};
use crate::error;

/// The place of a row that is not compared.
const NOWHERE: u16 = 256;

/// One table of the snapshot.
#[derive(Serialize, Deserialize)]
pub(super) struct OurTable {
    pub(super) buckets: Buckets,
    /// The bucket of each row, in the file's order.
    #[serde(skip)]
    places: Vec<u16>,
    pub(super) months: Option<Counter>,
    #[serde(skip)]
    pub(super) sample: Vec<Sampled>,
    /// What its rows say of the target's rules.
    pub(super) proven: Proven,
}

/// A row of a sample, as the snapshot has it.
pub(super) struct Sampled {
    pub(super) key: String,
    pub(super) values: Vec<Option<String>>,
}

impl OurTable {
    /// Takes in the bucket of each row of a table that was read whole before.
    pub(super) fn place(&mut self, places: &[u8]) {
        self.places = places.iter().copied().map(u16::from).collect();
    }

    /// The bucket of each row of a table that was read whole, in the file's order.
    pub(super) fn places(&self) -> impl Iterator<Item = u8> {
        self.places.iter().filter_map(|place| u8::try_from(*place).ok())
    }

    /// Whether a row is in one of these buckets.
    pub(super) fn is_in(&self, row: usize, buckets: &[u8]) -> bool {
        u8::try_from(self.places[row]).is_ok_and(|bucket| buckets.contains(&bucket))
    }

    pub(super) fn rows(&self) -> usize {
        self.places.len()
    }
}

/// Reads a table; only rows with these keys are compared, where they are given. `keys` are those of the tables before it.
pub(super) fn read(
    options: &Options<'_>,
    compared: &Compared<'_>,
    wanted: Option<&HashSet<String>>,
    keys: &mut Keys,
) -> Result<OurTable> {
    let Compared { entry, codec, .. } = compared;
    let sampled = chosen(options.snapshot.id(), &entry.table.to_string(), entry.rows, options.sample);
    let mut table = OurTable {
        buckets: Buckets::empty(),
        places: Vec::with_capacity(usize::try_from(entry.rows)?),
        months: months::place(options, compared).map(Counter::new),
        sample: Vec::new(),
        proven: Proven::default(),
    };
    let mut tally = keys.tally(compared);
    let mut reader = options.snapshot.rows(entry)?;
    let mut buffer = Vec::new();
    let mut number = 0;
    while let Some(row) = reader.next_row()? {
        error::interrupt::check()?;
        if sampled.contains(&number) {
            let values = row.values.iter().map(|value| value.as_deref().map(str::to_owned)).collect();
            table.sample.push(Sampled { key: codec.key_text(&row.values), values });
        }
        number += 1;
        let key = codec.key_text(&row.values);
        if wanted.is_some_and(|wanted| !wanted.contains(&key)) {
            table.places.push(NOWHERE);
            continue;
        }
        let digest = codec
            .digest(&row.values, &mut buffer)
            .map_err(|refused| anyhow!("{}, {}: {}", entry.file, refused.column, refused.refusal.rule()))?;
        table.places.push(u16::from(bucket_of(&key)));
        table.buckets.add(&key, &digest);
        if let Some(months) = &mut table.months {
            months.add(&row.values);
        }
        tally.add(keys, &row.values);
    }
    table.proven = keys.finish(&entry.table, tally);
    Ok(table)
}

/// The numbers of so many rows, by chance, but for one snapshot always the same ones.
fn chosen(snapshot: &str, table: &str, rows: u64, count: usize) -> BTreeSet<u64> {
    if count as u64 >= rows {
        return (0..rows).collect();
    }
    let draw = |number: u64| {
        let digest = Sha256::digest(format!("{snapshot} {table} {number}"));
        u64::from_be_bytes(digest[..8].try_into().expect("eight bytes")) % rows
    };
    let mut chosen = BTreeSet::new();
    let mut number = 0;
    while chosen.len() < count {
        chosen.insert(draw(number));
        number += 1;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_repeats_and_is_another_one_for_another_snapshot() {
        let one = chosen("a", "patient", 1_000, 20);
        assert_eq!((one.len(), &one), (20, &chosen("a", "patient", 1_000, 20)));
        assert_ne!(one, chosen("b", "patient", 1_000, 20));
        assert_eq!(chosen("a", "patient", 3, 20), BTreeSet::from([0, 1, 2]));
        assert!(chosen("a", "patient", 0, 20).is_empty() && chosen("a", "patient", 9, 0).is_empty());
    }
}
