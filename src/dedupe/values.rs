//! The values that records are compared by, held in memory: as joins within DuckDB, putting the two records of each pair
//! side by side took longer than comparing them.

use std::ops::Range;

use anyhow::{Context as _, Result};
use duckdb::arrow::array::AsArray as _;
use duckdb::arrow::datatypes::UInt32Type;

use super::blocking::ends_of;
use super::compare::{BITS, Ladder};
use super::levels::Compared;
use super::record;
use crate::error::interrupt;
use crate::staging::Staging;

/// Values of one side that a function compares, at most.
const MOST_VALUES: usize = 4;
/// Pairs that are compared between two looks at whether somebody interrupts.
const PORTION: usize = 100_000;

/// What is compared of all records, a missing value as an empty text, and how it is compared.
pub(super) struct Values {
    /// The values of one record behind each other, then those of the next one: a pair touches few places of memory.
    texts: String,
    /// Where each value ends in `texts`.
    ends: Vec<u32>,
    /// By id, the place of a record.
    places: Vec<u32>,
    columns: usize,
    comparisons: Vec<(Compared, Range<usize>)>,
}

impl Values {
    /// Reads what the ladders compare.
    ///
    /// # Errors
    /// DuckDB failing, more than 4 GB of text.
    pub(super) fn read(staging: &Staging, ladders: &[Ladder], records: u64) -> Result<Self> {
        let columns: Vec<&str> =
            ladders.iter().flat_map(|ladder| &ladder.columns).map(String::as_str).collect();
        let mut values = Self {
            texts: String::new(),
            ends: Vec::with_capacity(columns.len() * usize::try_from(records)?),
            places: vec![0; usize::try_from(records)?],
            columns: columns.len(),
            comparisons: comparisons(ladders),
        };
        let mut place = 0;
        staging.batches(&format!("select id, {} from {}", columns.join(", "), record::TABLE), |batch| {
            let ids = batch.column(0).as_primitive::<UInt32Type>().values();
            let columns: Vec<_> =
                batch.columns()[1..].iter().map(|column| column.as_string::<i32>()).collect();
            for (row, id) in ids.iter().enumerate() {
                values.places[*id as usize] = place;
                place += 1;
                for column in &columns {
                    values.texts.push_str(column.value(row));
                    values.ends.push(u32::try_from(values.texts.len()).context("4 GB of text to compare")?);
                }
            }
            Ok(())
        })?;
        Ok(values)
    }

    /// A value of the record at a place.
    fn value(&self, place: u32, column: usize) -> &str {
        let at = place as usize * self.columns + column;
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[from as usize..self.ends[at] as usize]
    }

    /// The levels of a pair: 4 bits a comparison, the first one in the lowest; 0 is missing, 1 the best.
    pub(super) fn pattern(&self, pair: u64) -> u64 {
        let (left, right) = ends_of(pair);
        let (left, right) = (self.places[left as usize], self.places[right as usize]);
        let level = |(compared, columns): &(Compared, Range<usize>)| {
            let given = columns.len();
            let mut values = [""; 2 * MOST_VALUES];
            for (slot, column) in columns.clone().enumerate() {
                values[slot] = self.value(left, column);
                values[given + slot] = self.value(right, column);
            }
            compared(&values[..2 * given])
        };
        let levels = self.comparisons.iter().map(level).enumerate();
        levels.fold(0, |pattern, (place, level)| pattern | u64::from(level) << (place * BITS))
    }

    /// The patterns of pairs, in their order, by so many threads at once.
    ///
    /// # Errors
    /// Somebody interrupts.
    pub(super) fn patterns(&self, pairs: &[u64], threads: usize) -> Result<Vec<u64>> {
        let mut patterns = vec![0; pairs.len()];
        let share = pairs.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            let parts = pairs.chunks(share).zip(patterns.chunks_mut(share));
            let workers: Vec<_> =
                parts.map(|(pairs, patterns)| scope.spawn(|| self.fill(pairs, patterns))).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        Ok(patterns)
    }

    fn fill(&self, pairs: &[u64], patterns: &mut [u64]) -> Result<()> {
        for (pairs, patterns) in pairs.chunks(PORTION).zip(patterns.chunks_mut(PORTION)) {
            interrupt::check()?;
            for (pair, pattern) in pairs.iter().zip(patterns) {
                *pattern = self.pattern(*pair);
            }
        }
        Ok(())
    }
}

/// How each ladder compares, and which columns of a record.
fn comparisons(ladders: &[Ladder]) -> Vec<(Compared, Range<usize>)> {
    let mut from = 0;
    let of = |ladder: &Ladder| {
        let columns = from..from + ladder.columns.len();
        from = columns.end;
        (ladder.compared, columns)
    };
    ladders.iter().map(of).collect()
}
