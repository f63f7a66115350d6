//! The books of a stage: begun, then done or failed, in the staging file, with what it counted and took.

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Pipeline, Report};
use crate::cli::peak::Peak;
use crate::cli::{check, export, load, push, transform, verify};
use crate::error::{Failure, Kind};
use crate::model::hex;
use crate::model::run::Stage;
use crate::pg::Target;
use crate::staging::{StageRow, StageRun, Staging};

impl Pipeline<'_> {
    pub(super) fn begin(&self, stage: Stage) -> Result<()> {
        if !self.keeps_books(stage) {
            return Ok(());
        }
        let Some(staging) = &self.staging else { return Ok(()) };
        let input = match (stage, &self.wanted.snapshot) {
            (Stage::Push | Stage::Verify, Some(_)) => Some(self.snapshot()?.id().to_owned()),
            _ => {
                stage_before(stage).and_then(|before| last_output(staging, before).transpose()).transpose()?
            }
        };
        let target = match stage {
            Stage::Push | Stage::Verify => {
                Some(Target::chosen(self.project, self.context.global.target.as_deref())?)
            }
            _ => None,
        };
        staging.begin_stage(stage, &self.journal.run(), input.as_deref(), target.as_deref())
    }

    pub(super) fn finish(&self, stage: Stage, report: &Report, counts: &Value) -> Result<()> {
        match &self.staging {
            Some(staging) if self.keeps_books(stage) => {
                staging.finish_stage(stage, clean(report), &self.output(stage, report)?, counts)
            }
            _ => Ok(()),
        }
    }

    /// Marks a stage as failed; one that was only asked wrongly stands as it stood before. The stage's own error is the
    /// one worth telling, so a failure to write this is only logged.
    pub(super) fn fail(&self, stage: Stage, before: Option<&StageRow>, error: &anyhow::Error) {
        let Some(staging) = self.staging.as_ref().filter(|_| self.keeps_books(stage)) else { return };
        let written = match Failure::from_anyhow(error).kind {
            Kind::Usage => staging.restore_stage(stage, before),
            _ => staging.fail_stage(stage),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the stage is not marked as failed");
        }
    }

    pub(super) fn keeps_books(&self, stage: Stage) -> bool {
        !(stage >= Stage::Push
            && (self.wanted.dry_run || self.wanted.rehearsing.is_some() || !self.is_of_models()))
    }

    /// What a stage took; the staging file keeps it too.
    pub(super) fn took(
        &self,
        stage: Stage,
        milliseconds: u64,
        peak: &Peak,
        report: &Report,
        counts: &Value,
    ) -> Result<StageRun> {
        let took = StageRun {
            run: self.journal.run(),
            stage: stage.to_string(),
            target: counts["target"].as_str().filter(|_| stage >= Stage::Push).map(str::to_owned),
            output: Some(self.output(stage, report)?),
            rows: rows(report),
            milliseconds,
            peak_bytes: peak.bytes().max(self.progress.forgotten()),
            peak_of_stage: peak.anew,
            ended_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        };
        if let Some(staging) = self.staging.as_ref().filter(|_| self.keeps_books(stage)) {
            staging.note_run(&took)?;
            self.part_runs(stage, &took).iter().try_for_each(|part| staging.note_run(part))?;
        }
        Ok(took)
    }

    pub(super) fn counts(&self, report: &Report) -> Value {
        let target = || self.connection.as_ref().map(|connection| connection.target.name.clone());
        match report {
            Report::Load(report) => load::counts(report),
            Report::Transform(report) => transform::counts(report),
            Report::Check(report) => {
                let mut counts = check::counts(report);
                counts["catalog"] = self.connection.as_ref().map(|c| c.hash(report)).into();
                with(counts, "target", json!(target()))
            }
            Report::Export(report) => with(export::counts(report), "target", json!(target())),
            Report::Push(report) => with(push::counts(report), "target", json!(target())),
            Report::Verify(report) => with(verify::counts(report), "target", json!(target())),
        }
    }

    /// A hash of what the stage made: a stage that reads it is stale once it differs.
    fn output(&self, stage: Stage, report: &Report) -> Result<String> {
        let staging = self.staging.as_ref();
        let hashed = |sql: &str| staging.map_or(Ok(String::new()), |staging| staging.value::<String>(sql));
        match report {
            Report::Load(_) => hashed(LOADED),
            Report::Transform(_) => hashed(BUILT),
            Report::Check(report) => {
                let catalog = self.connection.as_ref().map(|connection| connection.hash(report));
                let text = format!("{} {catalog:?} {}", hashed(BUILT)?, serde_json::to_string(report)?);
                Ok(hex(Sha256::digest(text)))
            }
            Report::Export(report) => Ok(report.snapshot.clone()),
            Report::Push(_) | Report::Verify(_) => {
                let known = staging.map(|staging| begun_with(staging, stage)).transpose()?;
                Ok(known.flatten().unwrap_or_default())
            }
        }
    }
}

/// The content of every file that was loaded, how it was read, and what of it nobody can count.
const LOADED: &str = "select sha256(coalesce(string_agg(concat_ws(' ', source, path, sha256, dialect::varchar, loaded), \
                      chr(10) order by source, file_number), '') || coalesce((select string_agg(concat_ws(' ', rule, subject), \
                      chr(10) order by rule, subject) from meta.finding where stage = 'load' and severity = 'critical'), '')) \
                      from meta.source_file";

/// The last build of every model.
const BUILT: &str = "select sha256(coalesce(string_agg(model || ' ' || fingerprint, chr(10) order by model), '')) \
                     from (from meta.model_version qualify row_number() over (partition by model order by version desc) = 1)";

/// The rows that a stage was about.
fn rows(report: &Report) -> u64 {
    match report {
        Report::Load(report) => {
            report.sources.iter().filter(|source| !source.unchanged).map(|source| source.rows).sum()
        }
        Report::Transform(report) => report.built.iter().map(|model| model.rows).sum(),
        Report::Check(report) => report.tables.iter().map(|table| table.rows).sum(),
        Report::Export(report) => report.tables.iter().map(|table| table.rows).sum(),
        Report::Push(report) => report.plan.writes(),
        Report::Verify(report) => report.tables.iter().map(|table| table.target).sum(),
    }
}

/// Whether the stage found nothing that stops a run.
fn clean(report: &Report) -> bool {
    match report {
        Report::Check(report) => report.is_clean(),
        Report::Verify(report) => report.is_clean(),
        _ => true,
    }
}

fn with(mut counts: Value, name: &str, value: Value) -> Value {
    counts[name] = value;
    counts
}

fn stage_before(stage: Stage) -> Option<Stage> {
    let place = Stage::ALL.iter().position(|other| *other == stage)?;
    place.checked_sub(1).map(|before| Stage::ALL[before])
}

pub(super) fn row_of(staging: &Staging, stage: Stage) -> Result<Option<StageRow>> {
    Ok(staging.stages()?.into_iter().find(|row| row.stage == stage))
}

pub(super) fn last_output(staging: &Staging, stage: Stage) -> Result<Option<String>> {
    Ok(row_of(staging, stage)?.and_then(|row| row.output))
}

pub(super) fn begun_with(staging: &Staging, stage: Stage) -> Result<Option<String>> {
    Ok(row_of(staging, stage)?.and_then(|row| row.input))
}
