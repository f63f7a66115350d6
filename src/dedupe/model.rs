//! The fitted parameters: kept beside the staging file, and pinned by a copy in the clinic's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use super::compare::Ladder;
use super::estimate::level;
use crate::config::{Clinic, Project, shown};
use crate::error::Failure;
use crate::staging::{private_file, private_folder};

/// How likely two records of one person, of strangers and of one household are at each level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub entity: String,
    pub records: u64,
    /// Pairs that were compared.
    pub candidates: u64,
    /// Pairs from which u was taken.
    pub random_pairs: u64,
    /// Matches among all pairs of records.
    pub match_rate: f64,
    /// Pairs of different people of one household among all pairs.
    pub household_rate: f64,
    /// Pairs of twins among all pairs.
    pub twins_rate: f64,
    /// Rounds of expectation maximisation.
    pub rounds: u32,
    pub converged: bool,
    pub comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub name: String,
    /// The only one that is about the person alone and that records have: without agreement in it there is no match.
    #[serde(default)]
    pub alone: bool,
    /// The best first.
    pub levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    pub label: String,
    /// The values are different ones, not one value written in two ways.
    #[serde(default)]
    pub apart: bool,
    /// Share of pairs of one person.
    pub m: f64,
    /// Share of pairs of strangers.
    pub u: f64,
    /// Share of pairs of two people of one household.
    pub household: f64,
    /// Share of pairs of twins.
    pub twins: f64,
    /// How many things about the person alone are compared.
    pub facts: u8,
    /// Whether any pair of one person is expected at it: else m is but the prior.
    pub seen: bool,
}

impl Level {
    /// Bits of evidence against strangers: log2(m / u).
    pub fn bits(&self) -> f64 {
        (self.m / self.u).log2()
    }
}

/// Bits against two records that differ in the only thing that is personal, whatever else they have in common: without
/// them, where records have names but neither birth dates nor numbers, neighbours of one first name are taken for one person.
pub(super) const STRANGE: f64 = 12.0;

/// Bits against two records of which but one thing is compared that is about the person alone (a birth date, half a name),
/// where more is known of others: whatever a household may share besides is no proof.
const THIN: f64 = 6.0;
/// Things about the person alone that a pair should have.
const FACTS: u8 = 2;

/// log2 of a pattern's joint probability with each class of pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joint {
    pub(super) matched: f64,
    pub(super) strangers: f64,
    pub(super) household: f64,
}

impl Joint {
    /// log2 odds of a match; `rarity` are the bits by which strangers agree less often on these very values.
    pub(super) fn weight(self, rarity: f64) -> f64 {
        let (strangers, household) = (self.strangers - rarity, self.household);
        let most = strangers.max(household);
        self.matched - most - (1.0 + (strangers.min(household) - most).exp2()).log2()
    }
}

/// Match probability of a weight in bits: log2 posterior odds.
pub fn probability(weight: f64) -> f64 {
    1.0 / (1.0 + (-weight).exp2())
}

/// The weight in bits of a match probability.
pub fn weight(probability: f64) -> f64 {
    (probability / (1.0 - probability)).log2()
}

impl Model {
    /// log2 odds that any two records are one, strangers being the alternative.
    pub(super) fn prior(&self) -> f64 {
        (self.match_rate / (1.0 - self.match_rate - self.household_rate)).log2()
    }

    /// Each comparison with the level that a pattern has of it; none where a value is missing.
    pub(super) fn levels(&self, pattern: u64) -> impl Iterator<Item = (&Comparison, Option<&Level>)> {
        self.comparisons.iter().enumerate().map(move |(place, comparison)| {
            (comparison, level(pattern, place).checked_sub(1).and_then(|slot| comparison.levels.get(slot)))
        })
    }

    /// log2 probabilities of a pattern together with each class.
    pub(super) fn joint(&self, pattern: u64) -> Joint {
        let mut joint = Joint {
            matched: self.match_rate.log2(),
            strangers: (1.0 - self.match_rate - self.household_rate).log2(),
            household: self.household_rate.log2(),
        };
        let mut twins = self.twins_rate.log2();
        let mut facts = 0;
        for (comparison, found) in self.levels(pattern) {
            let Some(level) = found else { continue };
            joint.matched += level.m.log2();
            joint.strangers += level.u.log2();
            joint.household += level.household.log2();
            twins += level.twins.log2();
            facts += level.facts;
            if comparison.alone && level.apart {
                joint.matched -= STRANGE;
            }
        }
        if facts < FACTS && self.most_facts() >= FACTS {
            joint.matched -= THIN;
        }
        joint.household = (joint.household.exp2() + twins.exp2()).log2();
        joint
    }

    /// Things about the person alone that the comparisons are about.
    fn most_facts(&self) -> u8 {
        let each = self
            .comparisons
            .iter()
            .map(|comparison| comparison.levels.iter().map(|level| level.facts).max().unwrap_or_default());
        each.fold(0, u8::saturating_add)
    }

    /// Whether everything that should be a share is one.
    fn is_sane(&self) -> bool {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let levels = self.comparisons.iter().flat_map(|comparison| &comparison.levels);
        let shares = levels.flat_map(|level| [level.m, level.u, level.household, level.twins]);
        shares.chain([self.match_rate, self.household_rate]).all(share)
            && (0.0..1.0).contains(&self.twins_rate)
            && self.match_rate + self.household_rate + self.twins_rate < 1.0
    }

    /// Whether it is about these very comparisons and levels.
    pub(super) fn fits(&self, ladders: &[Ladder]) -> bool {
        let same = |(comparison, ladder): (&Comparison, &Ladder)| {
            let labels = comparison.levels.iter().map(|level| level.label.as_str());
            comparison.name == ladder.name && labels.eq(ladder.levels.iter().map(|level| level.label))
        };
        self.comparisons.len() == ladders.len() && self.comparisons.iter().zip(ladders).all(same)
    }

    /// The model that was fitted last.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn fitted(project: &Project, clinic: &Clinic, entity: &str) -> Result<Option<Self>> {
        read(project, &project.staging_dir(&clinic.name).join("dedupe").join(format!("{entity}.model.json")))
    }
}

/// Writes `staging/<clinic>/dedupe/<name>`, readable by its owner only.
///
/// # Errors
/// A folder that cannot be written.
pub(super) fn private_json(
    value: &impl Serialize,
    project: &Project,
    clinic: &Clinic,
    name: &str,
) -> Result<()> {
    let folder = project.staging_dir(&clinic.name).join("dedupe");
    private_folder(&folder)?;
    let path = folder.join(name);
    let partial = folder.join(format!("{name}.partial"));
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(&partial, text)
        .and_then(|()| private_file(&partial).map_err(std::io::Error::other))
        .and_then(|()| std::fs::rename(&partial, &path))
        .with_context(|| t!("staging.cannot_write", path = path.display()))
}

/// The file that pins an entity's model: `clinics/<clinic>/dedupe/<entity>.model.json`.
pub fn pinned_path(project: &Project, clinic: &Clinic, entity: &str) -> PathBuf {
    project.clinic_dir(&clinic.name).join("dedupe").join(format!("{entity}.model.json"))
}

/// The pinned model, if there is one.
///
/// # Errors
/// A file that cannot be read, or that is about other comparisons.
pub(super) fn pinned(
    project: &Project,
    clinic: &Clinic,
    entity: &str,
    ladders: &[Ladder],
) -> Result<Option<Model>> {
    let path = pinned_path(project, clinic, entity);
    let read: Result<Option<Model>> = read(project, &path);
    let path = shown(project, &path);
    let hint = t!("dedupe.pinned_other_hint", path = path);
    let read = read.map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) => failure.hint(hint.clone()).into(),
        Err(error) => error,
    });
    let Some(model) = read? else { return Ok(None) };
    let wrong = if !model.fits(ladders) {
        t!("dedupe.pinned_other", path = path)
    } else if !model.is_sane() {
        t!("dedupe.pinned_wrong", path = path)
    } else {
        return Ok(Some(model));
    };
    Err(Failure::failed(wrong).hint(hint).into())
}

/// Reads a file that a linkage wrote, or that somebody copied of it.
pub(super) fn read<T: serde::de::DeserializeOwned>(project: &Project, path: &Path) -> Result<Option<T>> {
    let shown = shown(project, path);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| t!("config.cannot_read", path = shown)),
    };
    let wrong = |error: serde_json::Error| {
        Failure::failed(t!("dedupe.not_a_model", path = shown, line = error.line(), detail = error))
    };
    Ok(Some(serde_json::from_str(&text).map_err(wrong)?))
}
