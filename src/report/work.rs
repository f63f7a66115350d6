//! How the snapshot came to be: stages, models, maps, duplicates, corrections, files.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use super::{Here, SnapshotFile};
use crate::config::Labels;
use crate::model::ident::quoted;
use crate::model::manifest::{Manifest, SourceFile};
use crate::model::run::{Part, Stage};
use crate::snapshot::Snapshot;
use crate::staging::{StageRun, Staging};

/// Records of one entity that are one person.
#[derive(Debug, Clone, Serialize)]
pub struct Duplicates {
    pub entity: String,
    pub records: u64,
    pub golden: u64,
    /// Golden ids of more than one record.
    pub clusters: u64,
    pub biggest: u64,
    /// Pairs that wait for a person's decision.
    pub pending: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct MapCoverage {
    pub map: String,
    /// `reject`, `null` or `keep`.
    pub policy: String,
    pub targets: Vec<String>,
    /// Values that it translates.
    pub translated: u64,
    /// Values that it does not, and the rows that hold them.
    pub unmapped_values: u64,
    pub unmapped_rows: u64,
}

/// Cells that people corrected.
#[derive(Debug, Clone, Serialize)]
pub struct Fixes {
    pub entity: String,
    pub column: String,
    pub cells: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Model {
    pub model: String,
    pub version: u64,
    pub fingerprint: String,
    /// Where the staging file knows.
    pub rows: Option<u64>,
    pub built_at: Option<String>,
}

/// What each stage took the last time that it made this: the first ones as the staging file has them, push and verify of
/// this snapshot on this target.
pub(super) fn stages(staging: Option<&Staging>, manifest: &Manifest, target: &str) -> Result<Vec<StageRun>> {
    let Some(staging) = staging else { return Ok(Vec::new()) };
    let (runs, rows) = (staging.runs()?, staging.stages()?);
    let last = |stage: Stage| {
        let made = rows.iter().find(|row| row.stage == stage).and_then(|row| row.output.as_deref());
        let wanted = if stage >= Stage::Export { Some(manifest.id.as_str()) } else { made };
        let there = |run: &&StageRun| stage < Stage::Push || run.target.as_deref() == Some(target);
        let of_stage = |run: &&StageRun| run.stage == stage.as_str() && run.output.as_deref() == wanted;
        // What was unchanged took no time worth telling.
        let of_it = || runs.iter().rev().filter(of_stage).filter(there);
        of_it().find(|run| run.rows > 0).or_else(|| of_it().next()).cloned()
    };
    let stages = Stage::ALL.into_iter().filter_map(last);
    Ok(stages.flat_map(|stage| with_parts(&stage, &runs)).collect())
}

/// A stage between what came before it and what it did beside, where that was written down.
fn with_parts(stage: &StageRun, runs: &[StageRun]) -> Vec<StageRun> {
    let of_run = |part: Part| {
        runs.iter().rfind(|run| {
            let same = run.output == stage.output && run.ended_at == stage.ended_at;
            run.run == stage.run && run.stage == part.as_str() && same
        })
    };
    let before = of_run(Part::Prepare).cloned();
    let parts: Vec<StageRun> = [Part::Dedupe, Part::Embed].into_iter().filter_map(of_run).cloned().collect();
    let within: u64 = parts.iter().map(|part| part.milliseconds).sum();
    let alone = StageRun { milliseconds: stage.milliseconds.saturating_sub(within), ..stage.clone() };
    before.into_iter().chain([alone]).chain(parts).collect()
}

/// What a system calls the pieces of a run.
pub(super) fn phases(labels: &Labels) -> BTreeMap<String, String> {
    let name = |part: Part| labels.phase(part).map(|phase| (part.to_string(), phase.to_owned()));
    Part::ALL.into_iter().filter_map(name).collect()
}

pub(super) fn models(here: &Here<'_>, manifest: &Manifest) -> Result<Vec<Model>> {
    let built = here.rows(
        "select model, version::ubigint, rows::ubigint, strftime(built_at, '%Y-%m-%dT%H:%M:%SZ') from meta.model_version",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let model = |(name, version): (&String, &crate::model::manifest::ModelVersion)| {
        let found = built.iter().find(|(model, number, ..)| model == name && *number == version.version);
        Model {
            model: name.clone(),
            version: version.version,
            fingerprint: version.fingerprint.clone(),
            rows: found.map(|(_, _, rows, _)| *rows),
            built_at: found.map(|(.., at): &(_, _, _, String)| at.clone()),
        }
    };
    Ok(manifest.models.iter().map(model).collect())
}

pub(super) fn maps(here: &Here<'_>) -> Result<Vec<MapCoverage>> {
    let uses = here.rows(
        "select map, any_value(policy order by policy), list(distinct target order by target)::varchar from meta.map_use group by map order by map",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
    )?;
    let mut maps = Vec::new();
    for (map, policy, targets) in uses {
        let translated =
            format!("select count(*)::ubigint from map.{} where target_value is not null", quoted(&map));
        let unmapped = format!(
            "select count(distinct source_value)::ubigint, coalesce(sum(count), 0)::ubigint from meta.unmapped where map = {}",
            crate::model::ident::literal(&map)
        );
        let missing = here.rows(&unmapped, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (unmapped_values, unmapped_rows) = missing.first().copied().unwrap_or_default();
        maps.push(MapCoverage {
            policy,
            targets: targets.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect(),
            translated: here.rows(&translated, |row| row.get(0))?.first().copied().unwrap_or_default(),
            unmapped_values,
            unmapped_rows,
            map,
        });
    }
    Ok(maps)
}

pub(super) fn fixes(here: &Here<'_>) -> Result<Vec<Fixes>> {
    if !here.has("meta", "fix")? {
        return Ok(Vec::new());
    }
    let sql = "select entity, column_name, count(*)::ubigint from meta.fix group by all order by 1, 2";
    here.rows(sql, |row| Ok(Fixes { entity: row.get(0)?, column: row.get(1)?, cells: row.get(2)? }))
}

/// Counted in the snapshot, so that it is true of it.
pub(super) fn duplicates(manifest: &Manifest, snapshot: &Snapshot) -> Result<Vec<Duplicates>> {
    let one = |entry: &crate::model::manifest::GoldenEntry| {
        let mut sizes: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
        for row in snapshot.golden(entry)? {
            *sizes.entry(row?.golden_id).or_default() += 1;
        }
        Ok(Duplicates {
            entity: entry.entity.clone(),
            records: entry.rows,
            golden: sizes.len() as u64,
            clusters: sizes.values().filter(|size| **size > 1).count() as u64,
            biggest: sizes.values().copied().max().unwrap_or_default(),
            pending: entry.pending,
        })
    };
    manifest.golden.iter().map(one).collect()
}

/// Every file of the snapshot, once.
pub(super) fn files(manifest: &Manifest) -> Vec<SnapshotFile> {
    let file = |name: &String, bytes: u64, sha256: &String| SourceFile {
        name: name.clone(),
        bytes,
        sha256: sha256.clone(),
    };
    let tables = manifest.tables.iter().map(|one| SnapshotFile {
        file: file(&one.file, one.bytes, &one.sha256),
        rows: one.rows,
        table: Some(one.table.clone()),
    });
    let golden = manifest.golden.iter().map(|one| SnapshotFile {
        file: file(&one.file, one.bytes, &one.sha256),
        rows: one.rows,
        table: None,
    });
    let records = manifest.records.iter().map(|one| SnapshotFile {
        file: file(&one.file, one.bytes, &one.sha256),
        rows: one.rows,
        table: None,
    });
    let mut seen = BTreeSet::new();
    let rejects = manifest.rejects.iter().map(|one| SnapshotFile {
        file: file(&one.file, one.bytes, &one.sha256),
        rows: one.rows,
        table: None,
    });
    let all = tables.chain(golden).chain(records).chain(rejects);
    all.filter(|one| seen.insert(one.file.name.clone())).collect()
}
