//! Why a pair scored as it did: what each comparison added to the odds, in bits.
//!
//! The parts add up to the weight that [`pairs`](super::pairs) stores. Each comparison counts against strangers
//! (log2 m/u); two people of one household explain some agreements better than strangers do, and by how much is one
//! correction, which is never above zero.

use serde::Serialize;

use super::model::{Comparison, Level, Model};

/// From the odds of any two records to those of these two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waterfall {
    /// log2 odds of any two records.
    pub prior: f64,
    pub parts: Vec<Part>,
    /// What rare values add, and frequent ones take away, in all.
    pub rarity: f64,
    /// What is taken away because two people of one household would agree like this too; 0 or less.
    pub household: f64,
    /// log2 posterior odds: the sum of the prior, the parts' bits, rarity and household.
    pub weight: f64,
}

/// What one comparison says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    pub comparison: String,
    /// Nothing where a record has no value, which is no evidence.
    pub level: Option<Found>,
    /// log2(m / u), 0 without a level.
    pub bits: f64,
    /// Its share of the rarity; 0 where only the sum is known.
    pub rarity: f64,
}

/// The level at which two records are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    pub label: String,
    pub m: f64,
    pub u: f64,
    pub household: f64,
    /// Whether any pair of one person is expected at it.
    pub seen: bool,
}

impl Waterfall {
    /// The waterfall of a pattern by the model that weighed it.
    pub(super) fn new(model: &Model, pattern: u64, rarity: f64, weight: f64) -> Self {
        let prior = model.prior();
        let parts: Vec<Part> = model.levels(pattern).map(Part::of).collect();
        let told: f64 = parts.iter().map(|part| part.bits).sum();
        Self { prior, parts, rarity, household: weight - prior - told - rarity, weight }
    }

    /// That of a pair as it was stored.
    pub fn of(model: &Model, pair: &super::pending::Pair) -> Self {
        Self::new(model, pair.pattern, pair.rarity, pair.weight)
    }
}

impl Part {
    fn of((comparison, found): (&Comparison, Option<&Level>)) -> Self {
        let level = found.map(|level| Found {
            label: level.label.clone(),
            m: level.m,
            u: level.u,
            household: level.household,
            seen: level.seen,
        });
        let bits = found.map_or(0.0, Level::bits);
        Self { comparison: comparison.name.clone(), level, bits, rarity: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pending::Pair;
    use super::*;

    fn comparison(name: &str, levels: &[(&str, f64, f64, f64)]) -> Comparison {
        let level = |(label, m, u, household): &(&str, f64, f64, f64)| Level {
            apart: false,
            label: (*label).to_owned(),
            m: *m,
            u: *u,
            household: *household,
            twins: *household,
            facts: 2,
            seen: true,
        };
        Comparison { name: name.to_owned(), alone: false, levels: levels.iter().map(level).collect() }
    }

    #[test]
    fn the_parts_sum_up_to_the_weight_that_the_model_gives() {
        let model = Model {
            entity: "patient".to_owned(),
            records: 100,
            candidates: 0,
            random_pairs: 0,
            match_rate: 0.001,
            household_rate: 0.01,
            twins_rate: 0.0,
            rounds: 1,
            converged: true,
            comparisons: vec![
                comparison("name", &[("equal", 0.9, 0.001, 0.01), ("both_similar", 0.1, 0.999, 0.99)]),
                comparison("phone", &[("equal", 0.8, 0.0001, 0.8), ("different", 0.2, 0.9999, 0.2)]),
                comparison("email", &[("equal", 0.5, 0.001, 0.5)]),
            ],
        };
        // The second level of the name, the first of the phone, no e-mail.
        let (pattern, rarity) = (0b0001_0010, 1.5);
        let weight = model.joint(pattern).weight(rarity);
        let pair = Pair { left: "1".to_owned(), right: "2".to_owned(), pattern, rarity, weight };
        let waterfall = Waterfall::of(&model, &pair);
        let label = |part: &Part| part.level.as_ref().map(|level| level.label.clone());
        let told: Vec<(&str, Option<String>)> =
            waterfall.parts.iter().map(|part| (part.comparison.as_str(), label(part))).collect();
        let some = |label: &str| Some(label.to_owned());
        assert_eq!(told, [("name", some("both_similar")), ("phone", some("equal")), ("email", None)]);
        let parts: f64 = waterfall.parts.iter().map(|part| part.bits).sum();
        let sum = waterfall.prior + parts + waterfall.rarity + waterfall.household;
        assert!((sum - weight).abs() < 1e-9 && waterfall.weight == weight, "{waterfall:?}");
        assert!(waterfall.parts[0].bits < -3.0 && waterfall.parts[1].bits > 12.0, "{waterfall:?}");
        assert!(waterfall.parts[2].bits == 0.0 && waterfall.household < -7.0, "{waterfall:?}");
    }
}
