//! `dedupe.<entity>`: the pairs of records that may be one, with their weights.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::blocking::{self, Proposed, RuleReport, pair_of};
use super::compare::{self, BITS, Ladder};
use super::estimate::{self, Patterns};
use super::model::{self, Model, private_json};
use super::record::{self, Roles, Side, of, side_by_side, valid};
use super::values::Values;
use crate::config::{Clinic, Dedupe, Project, Read};
use crate::error;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Random pairs from which u is taken, about; of fewer records, all pairs.
const RANDOM_PAIRS: u64 = 500_000;
/// The seed of the random pairs.
const SEED: u64 = 20_260_101;
/// Pairs below this weight in bits are not kept: one in a thousand of them is a match.
const KEPT_FROM: f64 = -10.0;

/// What linking an entity found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    pub rules: Vec<RuleReport>,
    pub model: Model,
    /// The model was pinned, not fitted.
    pub pinned: bool,
    /// Weight in bits, rounded down, to the number of compared pairs.
    pub histogram: Vec<(i64, u64)>,
}

impl Found {
    /// What linking an entity found last.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn read(project: &Project, clinic: &Clinic, entity: &str) -> Result<Option<Self>> {
        model::read(
            project,
            &project.staging_dir(&clinic.name).join("dedupe").join(format!("{entity}.found.json")),
        )
    }

    /// Writes the model and what else was found into `staging/<clinic>/dedupe/`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, project: &Project, clinic: &Clinic) -> Result<()> {
        let entity = &self.model.entity;
        private_json(&self.model, project, clinic, &format!("{entity}.model.json"))?;
        private_json(self, project, clinic, &format!("{entity}.found.json"))
    }
}

/// Compares the records of `clean.<entity>` and finds the pairs for [`keep`]. To be called outside a transaction: DuckDB
/// reads what an open one wrote on one core.
///
/// # Errors
/// An expression of the settings that DuckDB refuses, a pinned model of other comparisons, two records of one source_id.
pub fn find(
    project: &Project,
    clinic: &Clinic,
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
) -> Result<Found> {
    let roles = Roles::find(staging, entity, settings)?;
    let ladders = compare::ladders(settings, &roles);
    compare::register(staging)?;
    let records = roles.build(staging, entity, settings)?;
    let threads = staging.threads()?;
    let Proposed { rules, pairs, certain } = blocking::propose(staging, entity, settings, &roles, records)?;
    let values = Values::read(staging, &ladders, records)?;
    let patterns = values.patterns(&pairs, threads)?;
    let counts = counted(&patterns);
    let pinned = model::pinned(project, clinic, entity, &ladders)?;
    let (model, pinned) = match pinned {
        Some(model) => (model, true),
        None => {
            let random = counted(&values.patterns(&random_pairs(records), threads)?);
            (estimate::fit(entity, &ladders, &counts, &random, records), false)
        }
    };
    drop(values);
    let most_rarity = record::most_rarity(staging, settings)?;
    let mut histogram = BTreeMap::new();
    let likely = likely(&model, &counts, most_rarity, &mut histogram);
    let kept = pairs
        .iter()
        .zip(&patterns)
        .filter(|(pair, pattern)| likely.contains(pattern) || certain.binary_search(pair).is_ok());
    pairs_table(staging, "linkage_likely", kept)?;
    score(staging, &model, &ladders, settings, &mut histogram)?;
    Roles::drop(staging, settings)?;
    Ok(Found { rules, model, pinned, histogram: histogram.into_iter().collect() })
}

/// Makes `dedupe.<entity>` of the pairs that [`find`] found.
///
/// # Errors
/// DuckDB failing.
pub fn keep(staging: &Staging, entity: &str) -> Result<()> {
    staging.execute(&format!(
        "create or replace table dedupe.{} as from temp.linkage_kept; drop table temp.linkage_kept",
        quoted(entity)
    ))
}

/// Fills a temporary table with pairs and their patterns: `pair`, `pattern`.
///
/// # Errors
/// DuckDB failing.
pub(super) fn pairs_table<'a>(
    staging: &Staging,
    table: &str,
    mut rows: impl Iterator<Item = (&'a u64, &'a u64)>,
) -> Result<()> {
    staging.execute(&format!("create or replace temp table {table} (pair ubigint, pattern ubigint)"))?;
    let mut appender =
        staging.connection().appender_to_catalog_and_db(table, "temp", "main").map_err(error::duckdb)?;
    rows.try_for_each(|(pair, pattern)| appender.append_row([pair, pattern])).map_err(error::duckdb)?;
    Ok(())
}

/// What only likely pairs are asked, of a table of `pair` and `pattern`: these and `rarity`, `exact`, `never`.
pub(super) fn details_of(patterns: &str, ladders: &[Ladder], settings: &Dedupe) -> String {
    let rarities: Vec<String> = ladders
        .iter()
        .enumerate()
        .filter_map(|(place, ladder)| {
            let level = format!("((pattern >> {}) & 15)", place * BITS);
            Some(ladder.rarity.as_ref()?.replace("{level}", &level))
        })
        .collect();
    let rarity = if rarities.is_empty() { "0".to_owned() } else { rarities.join(" + ") };
    let (columns, joins) = record::rarities(settings);
    format!(
        "select pair, pattern, ({rarity})::double as rarity, ({exact}) as exact, ({never}) as never \
         from (select p.pair, p.pattern, {values}{columns} from {patterns} as p {both}{joins})",
        exact = exact_sql(settings),
        never = never_sql(settings),
        values = side_by_side(&Roles::of_members(settings)),
        both = record::ends("p", record::TABLE),
    )
}

/// Whether an equal valid value proves that two records are one.
fn exact_sql(settings: &Dedupe) -> String {
    let one = |(role, exact): (&String, &crate::config::Exact)| {
        let compatible =
            exact.compatible.iter().map(|other| format!(" and not ({})", differs(settings, other)));
        let (l, r) = (of(Side::Left, &valid(role)), of(Side::Right, &valid(role)));
        format!("coalesce({l} = {r}, false){}", compatible.collect::<String>())
    };
    let all: Vec<String> = settings.exact.iter().map(one).collect();
    if all.is_empty() { "false".to_owned() } else { all.join(" or ") }
}

/// Whether two records are never one.
pub(super) fn never_sql(settings: &Dedupe) -> String {
    let set = |roles: &Vec<String>| {
        let each: Vec<String> = roles.iter().map(|role| differs(settings, role)).collect();
        format!("({})", each.join(" and "))
    };
    let all: Vec<String> = settings.never.iter().filter(|roles| !roles.is_empty()).map(set).collect();
    if all.is_empty() { "false".to_owned() } else { all.join(" or ") }
}

/// Whether both have a value and the two cannot be one: valid numbers that are not equal, dates that no slip turns into
/// each other.
fn differs(settings: &Dedupe, role: &str) -> String {
    let column = if settings.exact.contains_key(role) { valid(role) } else { role.to_owned() };
    let (l, r) = (of(Side::Left, &column), of(Side::Right, &column));
    let is_date = settings.roles.get(role).is_some_and(|role| role.read == Read::Date);
    if is_date {
        // Of the levels of a date, those at which it is another one.
        return format!("coalesce(linkage_date({l}, {r}) > 3, false)");
    }
    format!("coalesce({l} <> {r}, false)")
}

fn counted(patterns: &[u64]) -> Patterns {
    let mut counts = Patterns::new();
    for pattern in patterns {
        *counts.entry(*pattern).or_default() += 1;
    }
    counts
}

/// Pairs of strangers, for the most part: every record with those a seeded number of places behind it, in the order of
/// source_id; all pairs where there are few records.
#[expect(clippy::cast_possible_truncation, reason = "ids are 32 bits")]
fn random_pairs(records: u64) -> Vec<u64> {
    let all = records.saturating_mul(records.saturating_sub(1)) / 2;
    if all <= RANDOM_PAIRS {
        let records = records as u32;
        return (0..records).flat_map(|l| (l + 1..records).map(move |r| pair_of(l, r))).collect();
    }
    let steps = steps(records, RANDOM_PAIRS.div_ceil(records));
    let behind = |record: u64, step: u64| pair_of(record as u32, ((record + step) % records) as u32);
    steps.into_iter().flat_map(|step| (0..records).map(move |record| behind(record, step))).collect()
}

/// Different numbers from 1 to half of the records, by SplitMix64 (Steele et al., 2014).
fn steps(records: u64, count: u64) -> Vec<u64> {
    let mut state = SEED;
    let mut found: Vec<u64> = Vec::new();
    while (found.len() as u64) < count.min(records / 4) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let step = 1 + (z ^ (z >> 31)) % (records / 2 - 1).max(1);
        if !found.contains(&step) {
            found.push(step);
        }
    }
    found
}

/// The patterns that may be of a match, whose names add so many bits at most; the pairs of the others go into the
/// histogram, weighed without how rare their names are.
fn likely(
    model: &Model,
    counts: &Patterns,
    most_rarity: f64,
    histogram: &mut BTreeMap<i64, u64>,
) -> BTreeSet<u64> {
    let mut likely = BTreeSet::new();
    for (pattern, pairs) in counts {
        let joint = model.joint(*pattern);
        if joint.weight(most_rarity) >= KEPT_FROM {
            likely.insert(*pattern);
        } else {
            *histogram.entry(whole_bits(joint.weight(0.0))).or_default() += pairs;
        }
    }
    likely
}

/// Weighs likely pairs, of the table `linkage_likely`, and keeps those that may be matches for [`keep`].
fn score(
    staging: &Staging,
    model: &Model,
    ladders: &[Ladder],
    settings: &Dedupe,
    histogram: &mut BTreeMap<i64, u64>,
) -> Result<()> {
    staging.execute("create or replace temp table linkage_weight (pattern ubigint, matched double, strangers double, household double)")?;
    let patterns =
        staging.rows("select distinct pattern from temp.linkage_likely order by 1", |row| row.get(0))?;
    {
        let mut appender = staging.connection().appender("linkage_weight").map_err(error::duckdb)?;
        for pattern in patterns {
            let joint = model.joint(pattern);
            appender
                .append_row(duckdb::params![pattern, joint.matched, joint.strangers, joint.household])
                .map_err(error::duckdb)?;
        }
    }
    let details = details_of("temp.linkage_likely", ladders, settings);
    // As `Joint::weight` has it; a pair that an exact role proves is kept, whatever its pattern.
    staging.execute(&format!(
        "create or replace temp table linkage_scored as \
         select pair, pattern, rarity, matched - most - log2(1 + pow(2, least(strangers - rarity, household) - most)) as weight, exact, never \
         from (select *, greatest(strangers - rarity, household) as most from ({details}) join linkage_weight using (pattern))"
    ))?;
    staging.execute(&format!(
        "create or replace temp table linkage_kept as \
         select l.source_id as left_id, r.source_id as right_id, s.pattern, s.rarity, s.weight, s.exact, s.never \
         from linkage_scored as s {both} \
         where s.weight >= {KEPT_FROM} or s.exact order by s.pair",
        both = record::ends("s", record::TABLE),
    ))?;
    let detailed: Vec<(i64, u64)> = staging
        .rows("select floor(weight)::bigint, count(*)::ubigint from linkage_scored group by 1", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    for (bits, pairs) in detailed {
        *histogram.entry(bits).or_default() += pairs;
    }
    staging.execute("drop table linkage_weight; drop table linkage_scored; drop table linkage_likely")
}

#[expect(clippy::cast_possible_truncation, reason = "weights are a few hundred bits at most")]
fn whole_bits(weight: f64) -> i64 {
    weight.floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_different_and_always_the_same() {
        let found = steps(200_000, 10);
        assert_eq!(found, steps(200_000, 10));
        assert!(found.iter().all(|step| (1..100_000).contains(step)), "{found:?}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 10);
    }
}
