//! Which pairs of a block are worth a comparison, told by numbers that stand for values: of many records, most pairs that
//! share a block share nothing else, and reading their texts would be most of the work.
//!
//! A pair that does not pass is of strangers, like one that no rule proposes.

use anyhow::{Context as _, Result};
use duckdb::arrow::array::AsArray as _;
use duckdb::arrow::datatypes::UInt32Type;

use super::record::{self, Roles, skeleton};
use crate::config::{Compare, CompareKind, Dedupe};
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Of fewer records every pair of a block is compared.
pub(super) const MANY_RECORDS: u64 = 50_000;
/// A pair passes if what is equal is this part of what both have.
const SHARE: u32 = 4;

/// One value of a record, and what it counts where two have it in common.
struct Sign {
    sql: String,
    points: u32,
}

/// The signs of an entity's records.
pub(super) struct Signs {
    points: Vec<u32>,
    /// Those of the first record, of the second one, ...; 0 where a record has no value.
    values: Vec<u32>,
}

impl Signs {
    /// Reads the signs of all records.
    ///
    /// # Errors
    /// DuckDB failing.
    pub(super) fn read(staging: &Staging, settings: &Dedupe, roles: &Roles, records: u64) -> Result<Self> {
        let present = settings.compare.values().filter(|compare| roles.has_any(&compare.roles));
        let signs: Vec<Sign> = present.flat_map(signs).collect();
        let columns: String = signs
            .iter()
            .map(|sign| {
                format!(", case when {0} is null then 0 else (hash({0}) >> 33)::uinteger + 1 end", sign.sql)
            })
            .collect();
        let mut values = vec![0; signs.len() * usize::try_from(records)?];
        staging.batches(&format!("select id{columns} from {}", record::TABLE), |batch| {
            let ids = batch.column(0).as_primitive::<UInt32Type>().values();
            for (place, column) in batch.columns()[1..].iter().enumerate() {
                let column = column.as_primitive_opt::<UInt32Type>().context("a sign is a uinteger")?;
                for (id, value) in ids.iter().zip(column.values()) {
                    values[*id as usize * signs.len() + place] = *value;
                }
            }
            Ok(())
        })?;
        Ok(Self { points: signs.iter().map(|sign| sign.points).collect(), values })
    }

    /// Whether a pair is worth a comparison.
    pub(super) fn pass(&self, left: u32, right: u32) -> bool {
        let of = |record: u32| {
            let from = record as usize * self.points.len();
            &self.values[from..from + self.points.len()]
        };
        let (mut equal, mut both) = (0, 0);
        for ((left, right), points) in of(left).iter().zip(of(right)).zip(&self.points) {
            let there = u32::from(*left != 0 && *right != 0) * points;
            both += there;
            equal += u32::from(left == right) * there;
        }
        equal * SHARE >= both
    }
}

/// The signs of one comparison.
fn signs(compare: &Compare) -> Vec<Sign> {
    let role = compare.roles.first().map(|role| quoted(role)).unwrap_or_default();
    let sign = |points, sql: String| Sign { sql, points };
    match compare.kind {
        CompareKind::PersonName => {
            let skeletons: Vec<String> = compare.roles.iter().map(|role| quoted(&skeleton(role))).collect();
            let both = format!("nullif(list_sort([{}])::varchar, '[NULL, NULL]')", skeletons.join(", "));
            skeletons.into_iter().map(|sql| sign(1, sql)).chain([sign(2, both)]).collect()
        }
        CompareKind::Date => vec![sign(1, format!("left({role}, 4)")), sign(1, format!("substr({role}, 5)"))],
        CompareKind::Text => vec![sign(1, format!("left({role}, 4)"))],
        CompareKind::Code => vec![sign(if compare.shared { 1 } else { 2 }, role)],
        CompareKind::Overlap | CompareKind::Lines => vec![sign(2, format!("{role}[1]"))],
        CompareKind::Email => vec![sign(2, role)],
        CompareKind::Number => vec![sign(1, role)],
        CompareKind::Exact => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_passes_with_a_fourth_of_what_both_have() {
        let signs = Signs {
            points: vec![1, 1, 2, 2, 1, 1],
            values: vec![
                1, 2, 3, 4, 5, 6, // one record
                1, 9, 9, 9, 9, 9, // an eighth of it is equal
                9, 9, 3, 9, 9, 9, // a fourth
                1, 0, 0, 9, 0, 0, // a third of what both have
                0, 0, 0, 0, 0, 0, // nothing speaks against it
                2, 0, 0, 8, 0, 0, // of what this one and the fourth have, nothing is equal
            ],
        };
        assert_eq!([1, 2, 3, 4].map(|other| signs.pass(0, other)), [false, true, true, true]);
        assert!(!signs.pass(3, 5), "what neither has is not in common");
    }
}
