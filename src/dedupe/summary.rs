//! What linking an entity came to, in numbers.

use std::collections::HashMap;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::cluster::{self, Clusters, Decided};
use super::decisions::Decisions;
use super::estimate::number;
use super::model::weight;
use super::pairs::Found;
use super::record::without_source_id;
use crate::config::{Clinic, Dedupe, Project};
use crate::error::Failure;
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Thresholds that are tried, to see what another one would give.
pub const THRESHOLDS: [f64; 11] = [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.999];

/// What linking an entity found and what became of it.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub entity: String,
    pub accept: f64,
    pub review: f64,
    /// Pairs that a rule may make, for each record.
    pub max_pairs: f64,
    pub found: Found,
    /// Pairs of one person that the model expects among all pairs.
    pub expected_matches: f64,
    /// Pairs of different people of one household that it expects.
    pub expected_household: f64,
    pub pairs: Verdicts,
    pub clusters: Clusters,
    /// Records that have no source_id, with which nothing is compared.
    pub without_source_id: u64,
    /// Decisions about records that are not there.
    pub gone: u64,
    /// The clusters in the staging file are others than these settings and decisions give.
    pub outdated: bool,
}

/// Compared pairs by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    pub exact: u64,
    pub accepted: u64,
    /// Between the thresholds, and nobody has decided.
    pub waiting: u64,
    /// Between the thresholds, but in one cluster already by way of others.
    pub settled: u64,
    /// Likely or proven, but of two records that are never one.
    pub never: u64,
    /// Decided by a person.
    pub decided: u64,
    pub rejected: u64,
}

/// What a threshold would give.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct At {
    pub threshold: f64,
    /// Pairs of records that are taken for one.
    pub accepted: u64,
    pub waiting: u64,
    pub clusters: u64,
    /// Records in them.
    pub records: u64,
}

impl Summary {
    /// Reads what the last transform found; writes nothing.
    ///
    /// # Errors
    /// The entity's records were not compared yet.
    pub fn read(
        project: &Project,
        clinic: &Clinic,
        staging: &Staging,
        entity: &str,
        settings: &Dedupe,
        decisions: &Decisions,
    ) -> Result<Self> {
        let found = Found::read(project, clinic, entity)?;
        let Some(found) = found.filter(|_| staging.has_table("dedupe", entity).unwrap_or(false)) else {
            return Err(Failure::failed(t!("dedupe.not_linked", entity = entity))
                .hint(format!("trasvase transform {}", clinic.name))
                .into());
        };
        let (clusters, members) = cluster::find(staging, entity, settings, &decisions.decided())?;
        let of = |rate: f64| {
            let records = number(found.model.records);
            rate * records * (records - 1.0).max(0.0) / 2.0
        };
        Ok(Self {
            entity: entity.to_owned(),
            accept: settings.accept,
            review: settings.review,
            max_pairs: settings.max_pairs,
            expected_matches: of(found.model.match_rate),
            expected_household: of(found.model.household_rate),
            pairs: verdicts(staging, entity, settings, decisions, found.model.candidates)?,
            outdated: outdated(staging, entity, &members)?,
            without_source_id: without_source_id(staging, entity)?,
            gone: decisions.gone(staging, entity)?,
            clusters,
            found,
        })
    }
}

/// Whether `xref.<entity>` has other clusters than these.
fn outdated(staging: &Staging, entity: &str, members: &[Vec<String>]) -> Result<bool> {
    let ids = staging.rows(
        &format!(
            "select source_id, golden_id from xref.{} where reason <> 'single' order by 1",
            quoted(entity)
        ),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let ids: HashMap<String, String> = ids.into_iter().collect();
    let one = |records: &Vec<String>| {
        let first = records.first().and_then(|id| ids.get(id));
        first.is_some() && records.iter().all(|id| ids.get(id) == first)
    };
    Ok(members.iter().map(Vec::len).sum::<usize>() != ids.len() || !members.iter().all(one))
}

fn verdicts(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    decisions: &Decisions,
    compared: u64,
) -> Result<Verdicts> {
    decisions.stage(staging)?;
    let rows = staging.rows(
        &format!(
            "select case \
               when decision.must is not null then 'decided' \
               when p.never then case when p.exact or p.weight >= {review} then 'never' else 'rejected' end \
               when p.exact then 'exact' when p.weight >= {accept} then 'accepted' \
               when p.weight < {review} then 'rejected' \
               when l.golden_id = r.golden_id then 'settled' else 'waiting' end as verdict, count(*)::ubigint \
             from dedupe.{table} as p \
             left join temp.decision as decision on decision.left_id = least(p.left_id, p.right_id) and decision.right_id = greatest(p.left_id, p.right_id) \
             left join xref.{table} as l on l.source_id = p.left_id left join xref.{table} as r on r.source_id = p.right_id \
             group by verdict",
            table = quoted(entity),
            review = weight(settings.review),
            accept = weight(settings.accept),
        ),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)),
    )?;
    let rows: HashMap<String, u64> = rows.into_iter().collect();
    let of = |verdict: &str| rows.get(verdict).copied().unwrap_or_default();
    let kept: u64 = rows.values().sum();
    Ok(Verdicts {
        exact: of("exact"),
        accepted: of("accepted"),
        waiting: of("waiting"),
        settled: of("settled"),
        never: of("never"),
        decided: of("decided"),
        // Pairs of hardly any weight are counted, not kept.
        rejected: of("rejected") + compared.saturating_sub(kept),
    })
}

/// What each threshold would give, the pairs being as they are.
///
/// # Errors
/// DuckDB fails.
pub fn thresholds(
    staging: &Staging,
    entity: &str,
    settings: &Dedupe,
    decisions: &[Decided],
) -> Result<Vec<At>> {
    let pairs = staging.rows(
        &format!(
            "select left_id, right_id, weight from dedupe.{} where not exact and not never and weight >= {}",
            quoted(entity),
            weight(settings.review)
        ),
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, f64>(2)?)),
    )?;
    let at = |threshold: &f64| {
        let settings = Dedupe { accept: *threshold, ..settings.clone() };
        let (clusters, members) = cluster::find(staging, entity, &settings, decisions)?;
        let of: HashMap<&str, usize> = members
            .iter()
            .enumerate()
            .flat_map(|(place, records)| records.iter().map(move |id| (id.as_str(), place)))
            .collect();
        let apart = |(left, right, bits): &&(String, String, f64)| {
            let (left_in, right_in) = (of.get(left.as_str()), of.get(right.as_str()));
            let decided = |one: &&Decided| {
                (&one.left, &one.right) == (left, right) || (&one.left, &one.right) == (right, left)
            };
            *bits < weight(*threshold)
                && (left_in.is_none() || left_in != right_in)
                && !decisions.iter().any(|one| decided(&one))
        };
        Ok(At {
            threshold: *threshold,
            accepted: members.iter().map(|records| pairs_of(records.len())).sum(),
            waiting: pairs.iter().filter(apart).count() as u64,
            clusters: clusters.clusters,
            records: clusters.records,
        })
    };
    THRESHOLDS.iter().filter(|threshold| **threshold >= settings.review).map(at).collect()
}

/// Pairs of so many records.
pub(super) fn pairs_of(records: usize) -> u64 {
    let records = records as u64;
    records * records.saturating_sub(1) / 2
}
