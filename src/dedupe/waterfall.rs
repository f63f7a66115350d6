//! Why a pair scored as it did: what each comparison added to the odds, in bits.

use super::model::{Level, Model};
use super::pending::Pair;

/// From the odds of any two records to those of this pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Waterfall {
    /// Log2 odds that two records of the entity are the same, before they are compared.
    pub prior: f64,
    pub parts: Vec<Part>,
    /// Sum of the prior and all parts: the pair's weight.
    pub total: f64,
}

/// What one comparison says.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub name: String,
    /// How far the two agree; empty where one of them has nothing.
    pub level: String,
    /// For (above zero) or against; 0 is no evidence.
    pub bits: f64,
}

/// The part of values that are rarer, or more frequent, than others of their column.
pub const RARITY: &str = "rarity";
/// The part that is taken away for what different people of one household have in common.
pub const HOUSEHOLD: &str = "household";

impl Waterfall {
    /// The waterfall of a pair by the model that weighed it. Each comparison counts against strangers; where a household
    /// explains the pair better, the difference is the last part, so that the sum is the pair's weight.
    pub fn of(model: &Model, pair: &Pair) -> Self {
        let prior = model.prior();
        let mut parts: Vec<Part> = model
            .levels(pair.pattern)
            .map(|(comparison, level)| Part {
                name: comparison.name.clone(),
                level: level.map(|level| level.label.replace('_', " ")).unwrap_or_default(),
                bits: level.map_or(0.0, Level::bits),
            })
            .collect();
        let add = |parts: &mut Vec<Part>, name: &str, bits: f64| {
            if bits.abs() >= 0.005 {
                parts.push(Part { name: name.to_owned(), level: String::new(), bits });
            }
        };
        add(&mut parts, RARITY, pair.rarity);
        let told = prior + parts.iter().map(|part| part.bits).sum::<f64>();
        add(&mut parts, HOUSEHOLD, pair.weight - told);
        Self { prior, parts, total: pair.weight }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Comparison;
    use super::*;

    fn comparison(name: &str, levels: &[(&str, f64, f64, f64)]) -> Comparison {
        let level = |(label, m, u, household): &(&str, f64, f64, f64)| Level {
            apart: false,
            label: (*label).to_owned(),
            m: *m,
            u: *u,
            household: *household,
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
            rounds: 1,
            converged: true,
            comparisons: vec![
                comparison("name", &[("equal", 0.9, 0.001, 0.01), ("first_names_alike", 0.1, 0.999, 0.99)]),
                comparison("phone", &[("equal", 0.8, 0.0001, 0.8), ("different", 0.2, 0.9999, 0.2)]),
                comparison("email", &[("equal", 0.5, 0.001, 0.5)]),
            ],
        };
        // The second level of the name, the first of the phone, no e-mail.
        let (pattern, rarity) = (0b0001_0010, 1.5);
        let weight = model.joint(pattern).weight(rarity);
        let pair = Pair { left: "1".to_owned(), right: "2".to_owned(), pattern, rarity, weight };
        let waterfall = Waterfall::of(&model, &pair);
        let told: Vec<(&str, &str)> =
            waterfall.parts.iter().map(|part| (part.name.as_str(), part.level.as_str())).collect();
        assert_eq!(
            told,
            [("name", "first names alike"), ("phone", "equal"), ("email", ""), (RARITY, ""), (HOUSEHOLD, "")]
        );
        let sum = waterfall.prior + waterfall.parts.iter().map(|part| part.bits).sum::<f64>();
        assert!((sum - weight).abs() < 1e-9 && waterfall.total == weight, "{waterfall:?}");
        assert!(waterfall.parts[0].bits < -3.0 && waterfall.parts[1].bits > 12.0, "{waterfall:?}");
        assert!(waterfall.parts[2].bits == 0.0 && waterfall.parts[4].bits < -7.0, "{waterfall:?}");
    }
}
