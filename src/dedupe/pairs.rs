//! `dedupe.<entity>`: the pairs of records that may be one, with their weights.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::blocking::{self, RuleReport};
use super::compare::{self, BITS, Ladder};
use super::estimate::{self, Patterns};
use super::model::{self, Model, private_json};
use super::record::{self, Roles, Side, of, side_by_side, valid};
use crate::config::{Clinic, Dedupe, Project, Read};
use crate::error::{self, interrupt};
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
        model::read(&project.staging_dir(&clinic.name).join("dedupe").join(format!("{entity}.found.json")))
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
    let rules = blocking::build(staging, settings, &roles, records)?;
    interrupt::check()?;
    staging.execute(&format!(
        "create or replace temp table linkage_compared as {}",
        patterns_of(blocking::TABLE, &ladders, settings)
    ))?;
    let candidates = patterns(staging, "linkage_compared")?;
    let pinned = model::pinned(project, clinic, entity, &ladders)?;
    let (model, pinned) = match pinned {
        Some(model) => (model, true),
        None => {
            random_pairs(staging, records)?;
            staging.execute(&format!(
                "create or replace temp table linkage_random_compared as {}",
                patterns_of("temp.linkage_random", &ladders, settings)
            ))?;
            let random = patterns(staging, "linkage_random_compared")?;
            staging.execute("drop table linkage_random; drop table linkage_random_compared")?;
            (estimate::fit(entity, &ladders, &candidates, &random, records), false)
        }
    };
    let histogram = score(staging, &model, &candidates, &ladders, settings)?;
    staging.execute("drop table linkage_pair; drop table linkage_certain; drop table linkage_record")?;
    Ok(Found { rules, model, pinned, histogram })
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

/// The patterns of the pairs of a table: `pair`, `pattern`.
fn patterns_of(pairs: &str, ladders: &[Ladder], settings: &Dedupe) -> String {
    let levels: Vec<String> = ladders
        .iter()
        .enumerate()
        .map(|(place, ladder)| format!("(coalesce({}, 0)::ubigint << {})", ladder.sql, place * BITS))
        .collect();
    format!(
        "select pair, {} as pattern from ({})",
        levels.join(" | "),
        both_records("p.pair", pairs, settings)
    )
}

/// What only likely pairs are asked, of a table of `pair` and `pattern`: these and `rarity`, `exact`, `never`.
fn details_of(patterns: &str, ladders: &[Ladder], settings: &Dedupe) -> String {
    let rarities: Vec<String> = ladders
        .iter()
        .enumerate()
        .filter_map(|(place, ladder)| {
            let level = format!("((pattern >> {}) & 15)", place * BITS);
            Some(ladder.rarity.as_ref()?.replace("{level}", &level))
        })
        .collect();
    let rarity = if rarities.is_empty() { "0".to_owned() } else { rarities.join(" + ") };
    format!(
        "select pair, pattern, ({rarity})::double as rarity, ({}) as exact, ({}) as never from ({})",
        exact_sql(settings),
        never_sql(settings),
        both_records("p.pair, p.pattern", patterns, settings),
    )
}

/// Compares the pairs of a table in every respect.
pub(super) fn compared_sql(into: &str, pairs: &str, ladders: &[Ladder], settings: &Dedupe) -> String {
    let patterns = format!("({})", patterns_of(pairs, ladders, settings));
    format!("create or replace temp table {into} as {}", details_of(&patterns, ladders, settings))
}

/// Pairs with the columns of both records.
fn both_records(columns: &str, pairs: &str, settings: &Dedupe) -> String {
    format!(
        "select {columns}, {values} from {pairs} as p {both}",
        values = side_by_side(&Roles::compared(settings)),
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

fn patterns(staging: &Staging, table: &str) -> Result<Patterns> {
    let rows = staging
        .rows(&format!("select pattern, count(*)::ubigint from temp.{table} group by pattern"), |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))
        })?;
    Ok(rows.into_iter().collect())
}

/// Pairs of strangers, for the most part: every record with those a seeded number of places behind it, in the order of
/// source_id; all pairs where there are few records.
fn random_pairs(staging: &Staging, records: u64) -> Result<()> {
    let all = records.saturating_mul(records.saturating_sub(1)) / 2;
    let sql = if all <= RANDOM_PAIRS {
        format!(
            "select (l.id::ubigint << 32) | r.id as pair from {0} as l join {0} as r on l.id < r.id",
            record::TABLE
        )
    } else {
        let steps: Vec<String> =
            steps(records, RANDOM_PAIRS.div_ceil(records)).iter().map(|step| format!("({step})")).collect();
        format!(
            "select (least(id, other) << 32) | greatest(id, other) as pair from \
               (select id::ubigint as id, (id + step) % {records} as other from {} cross join (values {}) as steps(step))",
            record::TABLE,
            steps.join(", ")
        )
    };
    staging.execute(&format!("create or replace temp table linkage_random as {sql}"))
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

/// Weighs the compared pairs and keeps those that may be matches for [`keep`]. Gives the histogram of all, where those that
/// cannot be matches are weighed without how rare their names are.
fn score(
    staging: &Staging,
    model: &Model,
    patterns: &Patterns,
    ladders: &[Ladder],
    settings: &Dedupe,
) -> Result<Vec<(i64, u64)>> {
    staging.execute(
        "create or replace temp table linkage_weight (pattern ubigint, matched double, strangers double, household double, likely boolean)",
    )?;
    let mut histogram: BTreeMap<i64, u64> = BTreeMap::new();
    let most_rarity = most_rarity(staging, settings)?;
    {
        let mut appender = staging.connection().appender("linkage_weight").map_err(error::duckdb)?;
        for (pattern, pairs) in patterns {
            let joint = model.joint(*pattern);
            let likely = joint.weight(most_rarity) >= KEPT_FROM;
            if !likely {
                *histogram.entry(whole_bits(joint.weight(0.0))).or_default() += pairs;
            }
            appender
                .append_row(duckdb::params![pattern, joint.matched, joint.strangers, joint.household, likely])
                .map_err(error::duckdb)?;
        }
    }
    staging.execute(&format!(
        "create or replace temp table linkage_likely as select pair, pattern from linkage_compared join linkage_weight using (pattern) \
         where likely or pair in (from {}); drop table linkage_compared",
        blocking::CERTAIN
    ))?;
    let details = details_of("temp.linkage_likely", ladders, settings);
    staging.execute(&format!("create or replace temp table linkage_detailed as {details}"))?;
    // As `Joint::weight` has it; a pair that an exact role proves is kept, whatever its pattern.
    staging.execute(
        "create or replace temp table linkage_scored as \
         select pair, pattern, rarity, matched - most - log2(1 + pow(2, least(strangers - rarity, household) - most)) as weight, exact, never \
         from (select *, greatest(strangers - rarity, household) as most from linkage_detailed join linkage_weight using (pattern))"
    )?;
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
    staging.execute(
        "drop table linkage_weight; drop table linkage_scored; drop table linkage_likely; drop table linkage_detailed",
    )?;
    Ok(histogram.into_iter().collect())
}

/// Bits that the rarest names may add.
fn most_rarity(staging: &Staging, settings: &Dedupe) -> Result<f64> {
    let each: Vec<String> = record::rarities(settings)
        .iter()
        .map(|column| format!("greatest(coalesce(max({}), 0), 0)", quoted(column)))
        .collect();
    if each.is_empty() {
        return Ok(0.0);
    }
    staging.value(&format!("select ({})::double from {}", each.join(" + "), record::TABLE))
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
        assert_eq!(found.iter().collect::<std::collections::BTreeSet<_>>().len(), 10);
    }
}
