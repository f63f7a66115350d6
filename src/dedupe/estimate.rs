//! The parameters of the model, estimated without any labelled pair (Fellegi and Sunter, 1969; expectation maximisation
//! as in Winkler, 1988, over the counts of patterns).
//!
//! A pair is of one of three classes: one person, two strangers, or two people of one household, who have address, phone
//! and surname in common without being one person. The likelihood is that of *all* pairs: a pair that no rule proposed
//! is of strangers. u comes from random pairs, less the matches that are expected among them. m begins with falling
//! values (1, 1/4, 1/9, ...) and keeps them as a Dirichlet prior of 20 pairs, so that a set without duplicates has none.
//! Twins, who share all but the given name, are too few to be fitted: their rate is set, and counts when pairs are weighed.

use std::collections::BTreeMap;

use super::compare::{self, BITS, Kin, Ladder, MARRIED, RENAMED, Twins};
use super::model::{Comparison, Level, Model, STRANGE};

/// Pairs that the prior of a distribution counts for.
const PRIOR_PAIRS: f64 = 20.0;
/// Matches among all pairs that the prior counts for.
const PRIOR_MATCHES: f64 = 0.5;
/// Different people of one household who have a part of the name in common, and nothing else of it.
const COMMON_NAME: f64 = 0.5;
/// The records of one person differ in what is personal (name, birth date, sex, number) in no larger share of pairs:
/// without this bound, the household of a set without duplicates would be taken for one person.
const MOST_APART: f64 = 0.2;
/// The given name of one person is another one at most this many times as often as the surname is, which changes by marriage:
/// without this bound, twins who have all else in common would be taken for one person.
const MOST_RENAMED: f64 = 3.0;
/// A household has each thing that it may share in common in no smaller share of pairs: without this bound, strangers who have
/// a surname in common would be taken for one.
const LEAST_SHARED: f64 = 0.25;
/// Twins of whom all but the given name is the same, as a share of records, beside those that [`MOST_RENAMED`] tells of.
const TWINS: f64 = 0.0002;
const MOST_ROUNDS: u32 = 200;
/// The expected number of matches moves by less than this in the last round.
const STILL: f64 = 1e-6;

/// Pattern to number of pairs.
pub(super) type Patterns = BTreeMap<u64, u64>;

/// The level of a comparison in a pattern: 0 is missing.
pub(super) fn level(pattern: u64, comparison: usize) -> usize {
    usize::try_from((pattern >> (comparison * BITS)) & 15).unwrap_or_default()
}

/// One distribution over the levels of every comparison.
type Distributions = Vec<Vec<f64>>;

struct Fit<'a> {
    ladders: &'a [Ladder],
    candidates: Vec<(Vec<usize>, f64)>,
    random: Distributions,
    random_pairs: f64,
    all_pairs: f64,
    alone: Option<usize>,
    m: Distributions,
    u: Distributions,
    kin: Distributions,
    /// Of names of which a household has a part in common, which one; nothing where a comparison has none.
    common: Distributions,
    lambda: f64,
    lambda_kin: f64,
    /// Pairs taken for one person of whom more have another given name than [`MOST_RENAMED`] allows.
    renamed: f64,
}

/// Sums of one round: expected pairs by class and level.
struct Expected {
    matches: f64,
    kin: f64,
    m: Distributions,
    of_kin: Distributions,
}

/// Estimates the model from the patterns of candidates and of random pairs, both of `records` records.
pub(super) fn fit(
    entity: &str,
    ladders: &[Ladder],
    candidates: &Patterns,
    random: &Patterns,
    records: u64,
) -> Model {
    let mut fit = Fit::new(ladders, candidates, random, records);
    let mut rounds = 0;
    let mut converged = candidates.is_empty();
    while rounds < MOST_ROUNDS && !converged {
        rounds += 1;
        let expected = fit.expect();
        let before = fit.lambda;
        fit.maximise(&expected);
        converged = (fit.lambda - before).abs() * fit.all_pairs < STILL;
    }
    fit.model(entity, records, rounds, converged, random)
}

impl<'a> Fit<'a> {
    fn new(ladders: &'a [Ladder], candidates: &Patterns, random: &Patterns, records: u64) -> Self {
        let mut counts = empty(ladders);
        for (pattern, pairs) in random {
            for (place, counted) in counts.iter_mut().enumerate() {
                if let Some(slot) = level(*pattern, place).checked_sub(1) {
                    counted[slot] += number(*pairs);
                }
            }
        }
        let records = number(records.max(2));
        let split = |(pattern, pairs): (&u64, &u64)| {
            ((0..ladders.len()).map(|place| level(*pattern, place)).collect(), number(*pairs))
        };
        let mut fit = Self {
            ladders,
            candidates: candidates.iter().map(split).collect(),
            random_pairs: number(random.values().sum::<u64>()),
            all_pairs: records * (records - 1.0) / 2.0,
            alone: Self::alone(ladders, &counts, number(random.values().sum::<u64>())),
            m: ladders.iter().map(|ladder| prior(ladder.levels.len())).collect(),
            u: Vec::new(),
            kin: ladders.iter().map(|ladder| prior(ladder.levels.len())).collect(),
            common: ladders.iter().map(evenly).collect(),
            random: counts,
            lambda: 1.0 / records,
            lambda_kin: 1.0 / records,
            renamed: 0.0,
        };
        fit.u = fit.strangers(&empty(ladders));
        fit
    }

    /// u: random pairs less the matches that are expected among them.
    fn strangers(&self, matches: &Distributions) -> Distributions {
        let share = if self.all_pairs > 0.0 { self.random_pairs / self.all_pairs } else { 0.0 };
        let of = |(random, matches): (&Vec<f64>, &Vec<f64>)| {
            let counts: Vec<f64> = random
                .iter()
                .zip(matches)
                .map(|(random, matched)| (random - matched * share).max(0.0) + 0.5)
                .collect();
            normal(&counts)
        };
        self.random.iter().zip(matches).map(of).collect()
    }

    /// The distributions of two people of one household.
    fn household(&self) -> Distributions {
        let of = |(place, ladder): (usize, &Ladder)| {
            if is_shared(ladder) {
                return self.kin[place].clone();
            }
            let common = self.common_share(place);
            let strangers = 1.0 - common - ladder.namesakes;
            let each = self.common[place].iter().zip(&self.u[place]).zip(&self.m[place]);
            each.map(|((one, u), m)| common * one + strangers * u + ladder.namesakes * m).collect()
        };
        self.ladders.iter().enumerate().map(of).collect()
    }

    /// Pairs of one household that have a part of a name in common.
    fn common_share(&self, place: usize) -> f64 {
        if self.common[place].iter().any(|share| *share > 0.0) { COMMON_NAME } else { 0.0 }
    }

    fn expect(&self) -> Expected {
        let household = self.household();
        let mut expected =
            Expected { matches: 0.0, kin: 0.0, m: empty(self.ladders), of_kin: empty(self.ladders) };
        let priors = [self.lambda.ln(), (1.0 - self.lambda - self.lambda_kin).ln(), self.lambda_kin.ln()];
        for (levels, pairs) in &self.candidates {
            let mut likelihoods = priors;
            likelihoods[0] -= self.strangeness(levels);
            for (place, level) in levels.iter().enumerate() {
                if let Some(slot) = level.checked_sub(1) {
                    likelihoods[0] += self.m[place][slot].ln();
                    likelihoods[1] += self.u[place][slot].ln();
                    likelihoods[2] += household[place][slot].ln();
                }
            }
            let most = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares = likelihoods.map(|likelihood| (likelihood - most).exp());
            let sum: f64 = shares.iter().sum();
            let (matched, kin) = (pairs * shares[0] / sum, pairs * shares[2] / sum);
            expected.matches += matched;
            expected.kin += kin;
            for (place, level) in levels.iter().enumerate() {
                if let Some(slot) = level.checked_sub(1) {
                    expected.m[place][slot] += matched;
                    expected.of_kin[place][slot] += kin;
                }
            }
        }
        expected
    }

    /// What is taken from the likelihood of a match, in nats, where the only thing that is personal differs.
    fn strangeness(&self, levels: &[usize]) -> f64 {
        let differs = self.alone.is_some_and(|place| {
            levels[place].checked_sub(1).is_some_and(|slot| self.ladders[place].levels[slot].apart)
        });
        if differs { STRANGE * std::f64::consts::LN_2 } else { 0.0 }
    }

    /// The only personal comparison that at least a tenth of random pairs have a value for.
    fn alone(ladders: &[Ladder], random: &Distributions, pairs: f64) -> Option<usize> {
        let mut known = (0..ladders.len())
            .filter(|place| ladders[*place].personal && random[*place].iter().sum::<f64>() >= 0.1 * pairs);
        known.next().filter(|_| known.next().is_none())
    }

    fn maximise(&mut self, expected: &Expected) {
        self.lambda = (expected.matches + PRIOR_MATCHES) / self.all_pairs;
        self.lambda_kin = (expected.kin + PRIOR_MATCHES) / self.all_pairs;
        // All pairs of a handful of records may be matches.
        let sum = self.lambda + self.lambda_kin;
        if sum > 0.9 {
            self.lambda *= 0.9 / sum;
            self.lambda_kin *= 0.9 / sum;
        }
        self.common = self.common_of(&expected.of_kin);
        self.m = self.bounded(with_prior(&expected.m), expected.matches);
        self.kin = self.sharing(with_prior(&expected.of_kin));
        self.u = self.strangers(&expected.m);
    }

    /// Which part of a name households have in common, of what is expected of them and not by chance.
    fn common_of(&self, of_kin: &Distributions) -> Distributions {
        let household = self.household();
        let of = |(place, ladder): (usize, &Ladder)| {
            let (share, prior) = (self.common_share(place), evenly(ladder));
            let part =
                |slot: usize| of_kin[place][slot] * share * self.common[place][slot] / household[place][slot];
            let parts: Vec<f64> = (0..ladder.levels.len()).map(part).collect();
            let sum: f64 = parts.iter().sum();
            let each = parts.iter().zip(prior);
            each.map(|(part, prior)| (part + PRIOR_PAIRS * prior) / (sum + PRIOR_PAIRS)).collect()
        };
        self.ladders.iter().enumerate().map(of).collect()
    }

    /// Keeps m of personal comparisons within [`MOST_APART`] and [`MOST_RENAMED`].
    fn bounded(&mut self, mut m: Distributions, matches: f64) -> Distributions {
        self.renamed = 0.0;
        for (shares, ladder) in m.iter_mut().zip(self.ladders) {
            if is_shared(ladder) {
                continue;
            }
            at_most(MOST_APART, shares, ladder, |level| level.apart);
            let is = |labels: [&'static str; 2]| move |level: &compare::Level| labels.contains(&level.label);
            let (renamed, married) = (is(RENAMED), is(MARRIED));
            let most = MOST_RENAMED * sum(shares, ladder, married);
            self.renamed += matches * (sum(shares, ladder, renamed) - most).max(0.0);
            at_most(most, shares, ladder, renamed);
        }
        m
    }

    /// Pairs of twins among all pairs: of records that have neither a name nor a birth date, none.
    fn twins_rate(&self, records: u64) -> f64 {
        let has = |twins: fn(&compare::Level) -> bool| {
            self.ladders.iter().any(|ladder| !is_shared(ladder) && ladder.levels.iter().any(twins))
        };
        let can =
            has(|level| level.twins == Twins::Same) && has(|level| matches!(level.twins, Twins::Share(_)));
        if can { ((TWINS * number(records) + self.renamed) / self.all_pairs).min(0.05) } else { 0.0 }
    }

    /// Keeps what households share within [`LEAST_SHARED`].
    fn sharing(&self, mut kin: Distributions) -> Distributions {
        for (shares, ladder) in kin.iter_mut().zip(self.ladders) {
            at_most(1.0 - LEAST_SHARED, shares, ladder, |level| level.label == "different");
        }
        kin
    }

    fn model(&self, entity: &str, records: u64, rounds: u32, converged: bool, random: &Patterns) -> Model {
        let household = self.household();
        let expected = self.expect();
        let comparisons = self.ladders.iter().enumerate().map(|(place, ladder)| {
            let levels = ladder.levels.iter().enumerate().map(|(slot, level)| Level {
                label: level.label.to_owned(),
                apart: level.apart,
                m: self.m[place][slot],
                u: self.u[place][slot],
                household: household[place][slot],
                twins: match level.twins {
                    Twins::Same => self.m[place][slot],
                    Twins::Stranger => self.u[place][slot],
                    Twins::Share(share) => 0.9 * share + 0.1 * self.u[place][slot],
                },
                facts: level.facts,
                seen: expected.m[place][slot] >= 0.5,
            });
            Comparison {
                name: ladder.name.clone(),
                alone: self.alone == Some(place),
                levels: levels.collect(),
            }
        });
        Model {
            entity: entity.to_owned(),
            records,
            candidates: self.candidates.iter().map(|(_, pairs)| pairs).sum::<f64>() as u64,
            random_pairs: random.values().sum(),
            match_rate: self.lambda,
            household_rate: self.lambda_kin,
            twins_rate: self.twins_rate(records),
            rounds,
            converged,
            comparisons: comparisons.collect(),
        }
    }
}

/// Whether a household has it in common.
fn is_shared(ladder: &Ladder) -> bool {
    ladder.levels.iter().any(|level| level.kin == Kin::Same)
}

/// The levels that are common, each as often as the others.
fn evenly(ladder: &Ladder) -> Vec<f64> {
    let is_common = |level: &compare::Level| level.kin == Kin::Common;
    let commons = ladder.levels.iter().filter(|level| is_common(level)).count().max(1);
    ladder
        .levels
        .iter()
        .map(|level| if is_common(level) { 1.0 / number(commons as u64) } else { 0.0 })
        .collect()
}

/// The sum of the shares of some levels.
fn sum(shares: &[f64], ladder: &Ladder, some: impl Fn(&compare::Level) -> bool) -> f64 {
    ladder.levels.iter().zip(shares).filter(|(level, _)| some(level)).map(|(_, share)| share).sum()
}

/// Keeps the shares of some levels within a sum, and gives the rest to the others.
fn at_most(most: f64, shares: &mut [f64], ladder: &Ladder, some: impl Fn(&compare::Level) -> bool) {
    let (some_now, others) = (sum(shares, ladder, &some), sum(shares, ladder, |level| !some(level)));
    if some_now <= most || others <= 0.0 {
        return;
    }
    for (share, level) in shares.iter_mut().zip(&ladder.levels) {
        *share *= if some(level) { most / some_now } else { (1.0 - most) / others };
    }
}

fn empty(ladders: &[Ladder]) -> Distributions {
    ladders.iter().map(|ladder| vec![0.0; ladder.levels.len()]).collect()
}

/// 1, 1/4, 1/9, ... as a distribution.
fn prior(levels: usize) -> Vec<f64> {
    normal(&(1..=levels).map(|place| 1.0 / (place * place) as f64).collect::<Vec<_>>())
}

fn with_prior(counts: &Distributions) -> Distributions {
    let of = |counts: &Vec<f64>| {
        let sum: f64 = counts.iter().sum();
        let each = counts.iter().zip(prior(counts.len()));
        each.map(|(count, prior)| (count + PRIOR_PAIRS * prior) / (sum + PRIOR_PAIRS)).collect()
    };
    counts.iter().map(of).collect()
}

fn normal(counts: &[f64]) -> Vec<f64> {
    let sum: f64 = counts.iter().sum();
    counts.iter().map(|count| count / sum).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs stay below 2^53")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
