//! Which pairs of a block are worth a comparison, told by numbers that stand for values: of many records, most pairs that
//! share a block share nothing else, and reading their texts would be most of the work.
//!
//! A pair that does not pass is of strangers, like one that no rule proposes.

use crate::config::{CompareKind, Dedupe};
use crate::model::ident::quoted;

use super::record::{Roles, skeleton};

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
pub(super) struct Signs(Vec<Sign>);

impl Signs {
    /// By the comparisons that have a column.
    pub(super) fn of(settings: &Dedupe, roles: &Roles) -> Self {
        let present = settings.compare.values().filter(|compare| roles.has_any(&compare.roles));
        let signs = present.flat_map(|compare| {
            let role = compare.roles.first().map(|role| quoted(role)).unwrap_or_default();
            let sign = |points, sql: String| Sign { sql, points };
            match compare.kind {
                CompareKind::PersonName => {
                    let skeletons: Vec<String> =
                        compare.roles.iter().map(|role| quoted(&skeleton(role))).collect();
                    let both =
                        format!("nullif(list_sort([{}])::varchar, '[NULL, NULL]')", skeletons.join(", "));
                    skeletons.into_iter().map(|sql| sign(1, sql)).chain([sign(2, both)]).collect()
                }
                CompareKind::Date => {
                    vec![sign(1, format!("left({role}, 4)")), sign(1, format!("substr({role}, 5)"))]
                }
                CompareKind::Text => vec![sign(1, format!("left({role}, 4)"))],
                CompareKind::Code => vec![sign(if compare.shared { 1 } else { 2 }, role)],
                CompareKind::Overlap | CompareKind::Lines => vec![sign(2, format!("{role}[1]"))],
                CompareKind::Email => vec![sign(2, role)],
                CompareKind::Number => vec![sign(1, role)],
                CompareKind::Exact => Vec::new(),
            }
        });
        Self(signs.collect())
    }

    /// `, <number> as sign_0, ...` over a record: 0 where it has no value.
    pub(super) fn columns(&self) -> String {
        let one = |(place, sign): (usize, &Sign)| {
            format!(
                ", case when {0} is null then 0 else (hash({0}) >> 33)::uinteger + 1 end as sign_{place}",
                sign.sql
            )
        };
        self.0.iter().enumerate().map(one).collect()
    }

    /// Whether a pair of `l` and `r` is worth a comparison.
    pub(super) fn pass(&self) -> String {
        let sum = |test: &dyn Fn(usize) -> String, weight: u32| {
            let each: Vec<String> = (self.0.iter().enumerate())
                .map(|(place, sign)| format!("({})::integer * {}", test(place), sign.points * weight))
                .collect();
            if each.is_empty() { "0".to_owned() } else { each.join(" + ") }
        };
        let equal = sum(&|place| format!("l.sign_{place} = r.sign_{place} and l.sign_{place} > 0"), SHARE);
        let there = sum(&|place| format!("l.sign_{place} > 0 and r.sign_{place} > 0"), 1);
        format!("{equal} >= {there}")
    }
}
