//! Clusters held against the true pairs of a labelled set: pairwise precision, recall and F1.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::cluster::{self, Decided};
use super::decisions::Decisions;
use super::estimate::number;
use super::explain::{Explainer, Verdict};
use super::pending;
use super::summary::{THRESHOLDS, pairs_of};
use crate::config::{Clinic, Dedupe, Project};
use crate::error::Failure;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// The pairs of records that truly are one.
#[derive(Debug, Default)]
pub struct Truth {
    /// The smaller source_id first.
    pairs: BTreeSet<(String, String)>,
    repeated: u64,
}

/// How well pairs were found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    pub threshold: f64,
    pub right: u64,
    pub wrong: u64,
    pub missed: u64,
    /// 1 where nothing was found.
    pub precision: f64,
    /// 1 where there is nothing to find.
    pub recall: f64,
    pub f1: f64,
}

/// What the truth file turned out to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    pub pairs: u64,
    /// Rows that say again, or the other way round, what another row says; rows of one record twice.
    pub repeated: u64,
    /// Ids that no record has, and the pairs that are left out for it.
    pub unknown_ids: u64,
    pub unknown_pairs: u64,
    /// Pairs that follow from others (a = b, b = c), and are not in the file: they count as wrong where they are found.
    pub implied: u64,
}

/// Why true pairs are not found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// No blocking rule makes them, or only blocks that are too big.
    pub not_compared: u64,
    /// Compared, and below the review threshold.
    pub too_low: u64,
    /// Between the thresholds.
    pub waiting: u64,
    /// Likely enough, but held apart: never one, decided otherwise, or a link that was cut.
    pub apart: u64,
}

/// The pairs that wait for a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Band {
    pub pairs: u64,
    pub right: u64,
    pub precision: f64,
    /// Recall if people decide all of them rightly.
    pub recall: f64,
}

#[derive(Debug, Serialize)]
pub struct Evaluation {
    pub truth: About,
    #[serde(flatten)]
    pub scores: Scores,
    pub missed_because: Missed,
    pub review: Band,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Scores>,
}

impl Truth {
    /// Takes pairs of source_ids, in either order.
    pub fn new(rows: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut truth = Self::default();
        for (one, other) in rows {
            let pair = if one <= other { (one, other) } else { (other, one) };
            if pair.0 == pair.1 || !truth.pairs.insert(pair) {
                truth.repeated += 1;
            }
        }
        truth
    }
}

/// What an evaluation is about.
pub struct Subject<'a> {
    pub project: &'a Project,
    pub clinic: &'a Clinic,
    pub staging: &'a Staging,
    pub entity: &'a str,
    pub settings: &'a Dedupe,
    pub decisions: &'a Decisions,
}

/// Holds `xref.<entity>` against the truth; `table` also what other thresholds would give.
///
/// # Errors
/// Records that were not compared yet, a truth of which no record is known.
pub fn run(subject: &Subject<'_>, truth: &Truth, table: bool) -> Result<Evaluation> {
    let explainer =
        Explainer::new(subject.project, subject.clinic, subject.staging, subject.entity, subject.settings)?;
    let clusters = clusters(subject.staging, subject.entity)?;
    let (known, about) = known(truth, &clusters, subject.entity)?;
    let scores = scores(subject.settings.accept, &clusters, &known);
    let together = |pair: &&(String, String)| clusters.get(&pair.0) == clusters.get(&pair.1);
    let missed: Vec<(String, String)> = known.iter().filter(|pair| !together(pair)).cloned().collect();
    let decided = subject.decisions.decided();
    let thresholds = if table { thresholds(subject, &known, &decided)? } else { Vec::new() };
    Ok(Evaluation {
        truth: about,
        missed_because: because(&explainer, &missed, &decided)?,
        review: band(subject, &known, &scores, clusters)?,
        scores,
        thresholds,
    })
}

/// Record to golden id.
type Clusters = HashMap<String, String>;

fn clusters(staging: &Staging, entity: &str) -> Result<Clusters> {
    let rows = staging.rows(&format!("select source_id, golden_id from xref.{}", quoted(entity)), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.into_iter().collect())
}

/// The pairs of records that are there.
fn known(truth: &Truth, clusters: &Clusters, entity: &str) -> Result<(BTreeSet<(String, String)>, About)> {
    let ids: HashSet<&String> = truth.pairs.iter().flat_map(|(left, right)| [left, right]).collect();
    let unknown = ids.iter().filter(|id| !clusters.contains_key(**id)).count();
    if unknown > 0 && unknown == ids.len() {
        return Err(Failure::failed(t!("dedupe.truth_unknown", entity = entity, count = unknown))
            .hint(t!("dedupe.truth_unknown_hint", entity = entity))
            .into());
    }
    let there =
        |(left, right): &&(String, String)| clusters.contains_key(left) && clusters.contains_key(right);
    let known: BTreeSet<(String, String)> = truth.pairs.iter().filter(there).cloned().collect();
    let about = About {
        pairs: truth.pairs.len() as u64,
        repeated: truth.repeated,
        unknown_ids: unknown as u64,
        unknown_pairs: (truth.pairs.len() - known.len()) as u64,
        implied: closed(&known) - known.len() as u64,
    };
    Ok((known, about))
}

/// Pairs of the transitive closure.
fn closed(pairs: &BTreeSet<(String, String)>) -> u64 {
    let itself = pairs.iter().flat_map(|(left, right)| [left, right]).map(|id| (id.clone(), id.clone()));
    sizes(&merged(itself.collect(), pairs)).map(pairs_of).sum()
}

/// The clusters with those joined that a pair joins.
fn merged(mut clusters: Clusters, pairs: &BTreeSet<(String, String)>) -> Clusters {
    let mut members: HashMap<String, Vec<String>> = HashMap::new();
    for (record, cluster) in &clusters {
        members.entry(cluster.clone()).or_default().push(record.clone());
    }
    for (left, right) in pairs {
        let (left, right) = (clusters[left].clone(), clusters[right].clone());
        if left == right {
            continue;
        }
        let smaller_first = members[&left].len() <= members[&right].len();
        let (gone, kept) = if smaller_first { (left, right) } else { (right, left) };
        let moved = members.remove(&gone).unwrap_or_default();
        for record in &moved {
            clusters.insert(record.clone(), kept.clone());
        }
        members.entry(kept).or_default().extend(moved);
    }
    clusters
}

fn sizes(clusters: &Clusters) -> impl Iterator<Item = usize> {
    let mut sizes: HashMap<&String, usize> = HashMap::new();
    for cluster in clusters.values() {
        *sizes.entry(cluster).or_default() += 1;
    }
    sizes.into_values().collect::<Vec<_>>().into_iter()
}

fn scores(threshold: f64, clusters: &Clusters, truth: &BTreeSet<(String, String)>) -> Scores {
    let found: u64 = sizes(clusters).map(pairs_of).sum();
    let together = |(left, right): &&(String, String)| clusters.get(left) == clusters.get(right);
    let right = truth.iter().filter(together).count() as u64;
    let (precision, recall) = (share(right, found), share(right, truth.len() as u64));
    let sum = precision + recall;
    Scores {
        threshold,
        right,
        wrong: found - right,
        missed: truth.len() as u64 - right,
        precision,
        recall,
        f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 },
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { number(part) / number(whole) }
}

fn because(explainer: &Explainer<'_>, missed: &[(String, String)], decided: &[Decided]) -> Result<Missed> {
    let mut counts = Missed::default();
    for one in explainer.explain_all(missed, decided)? {
        let compared = one.rules.iter().any(|rule| rule.compared);
        let count = match one.verdict {
            Verdict::MustLink | Verdict::CannotLink | Verdict::Never => &mut counts.apart,
            _ if !compared => &mut counts.not_compared,
            Verdict::Exact | Verdict::Accepted => &mut counts.apart,
            Verdict::Waiting => &mut counts.waiting,
            Verdict::Rejected => &mut counts.too_low,
        };
        *count += 1;
    }
    Ok(counts)
}

fn band(
    subject: &Subject<'_>,
    truth: &BTreeSet<(String, String)>,
    scores: &Scores,
    clusters: Clusters,
) -> Result<Band> {
    let waiting = pending::list(subject.staging, subject.entity, subject.settings, subject.decisions)?;
    let right: BTreeSet<(String, String)> = waiting
        .iter()
        .map(|pair| (pair.left.clone(), pair.right.clone()))
        .filter(|pair| truth.contains(pair))
        .collect();
    let reviewed = merged(clusters, &right);
    Ok(Band {
        pairs: waiting.len() as u64,
        right: right.len() as u64,
        precision: share(right.len() as u64, waiting.len() as u64),
        recall: self::scores(scores.threshold, &reviewed, truth).recall,
    })
}

fn thresholds(
    subject: &Subject<'_>,
    truth: &BTreeSet<(String, String)>,
    decided: &[Decided],
) -> Result<Vec<Scores>> {
    let at = |threshold: &f64| {
        let settings = Dedupe { accept: *threshold, ..subject.settings.clone() };
        let (_, members) = cluster::find(subject.staging, subject.entity, &settings, decided)?;
        let mut clusters = Clusters::new();
        for records in members {
            let Some(first) = records.first().cloned() else { continue };
            clusters.extend(records.into_iter().map(|record| (record, first.clone())));
        }
        for id in truth.iter().flat_map(|(left, right)| [left, right]) {
            clusters.entry(id.clone()).or_insert_with(|| id.clone());
        }
        Ok(scores(*threshold, &clusters, truth))
    };
    THRESHOLDS.iter().filter(|threshold| **threshold >= subject.settings.review).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(one: &str, other: &str) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }

    fn clusters(sets: &[&[&str]]) -> Clusters {
        let named = sets.iter().flat_map(|set| set.iter().map(|id| ((*id).to_owned(), set[0].to_owned())));
        named.collect()
    }

    #[test]
    fn a_pair_counts_once_whichever_way_it_is_written() {
        let truth =
            Truth::new([pair("b", "a"), pair("a", "b"), pair("a", "b"), pair("c", "c"), pair("c", "b")]);
        assert_eq!((truth.pairs.len(), truth.repeated), (2, 3));
        let clusters = clusters(&[&["a", "b"], &["c"]]);
        let (known, about) = known(&truth, &clusters, "patient").unwrap();
        assert_eq!((about.implied, about.unknown_ids), (1, 0));
        let scores = scores(0.9, &clusters, &known);
        assert_eq!((scores.right, scores.wrong, scores.missed), (1, 0, 1));
        assert_eq!((scores.precision, scores.recall), (1.0, 0.5));
    }

    #[test]
    fn clusters_are_wrong_by_pairs() {
        // Three records taken for one, of which two are: one pair right, two wrong.
        let truth = Truth::new([pair("a", "b"), pair("d", "e"), pair("x", "a")]);
        let clusters = clusters(&[&["a", "b", "c"], &["d"], &["e"]]);
        let (known, about) = known(&truth, &clusters, "patient").unwrap();
        assert_eq!((about.unknown_ids, about.unknown_pairs, about.pairs), (1, 1, 3));
        let found = scores(0.9, &clusters, &known);
        assert_eq!((found.right, found.wrong, found.missed), (1, 2, 1));
        let reviewed = merged(clusters, &BTreeSet::from([pair("d", "e")]));
        assert_eq!(scores(0.9, &reviewed, &known).recall, 1.0);
    }

    #[test]
    fn nothing_to_find_and_nothing_found_is_right() {
        let found = scores(0.9, &clusters(&[&["a"], &["b"]]), &BTreeSet::new());
        assert_eq!((found.precision, found.recall, found.f1), (1.0, 1.0, 1.0));
    }
}
