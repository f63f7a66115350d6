//! How each stage ended last: `meta.stage`.

use anyhow::Result;
use serde::Serialize;

use super::Staging;
use crate::error;
use crate::model::run::Stage;

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// It is at work, or its process was killed.
    Running,
    Done,
    Failed,
}

impl Ended {
    const ALL: [Ended; 3] = [Ended::Running, Ended::Done, Ended::Failed];

    /// As it stands in `meta.stage`; anything else is work that nobody finished.
    pub(super) fn parse(text: &str) -> Self {
        Ended::ALL.into_iter().find(|ended| ended.as_str() == text).unwrap_or(Ended::Running)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Ended::Running => "running",
            Ended::Done => "done",
            Ended::Failed => "failed",
        }
    }
}

/// A row of `meta.stage`.
#[derive(Debug, Clone)]
pub struct StageRow {
    pub stage: Stage,
    pub ended: Ended,
    /// The output of the stage before it, as it was then.
    pub input: Option<String>,
    /// A hash of what it made; equal content, equal hash.
    pub output: Option<String>,
    pub counts: serde_json::Value,
    pub run: Option<String>,
    /// RFC 3339.
    pub started_at: String,
    pub ended_at: Option<String>,
}

impl Staging {
    /// Marks a stage as started. Its last output stays until it is done; so do its counts, unless they were of a target,
    /// which is known from the start and may be another one now.
    pub fn begin_stage(
        &self,
        stage: Stage,
        run: &str,
        input: Option<&str>,
        target: Option<&str>,
    ) -> Result<()> {
        let counts = target.map(|target| serde_json::json!({ "target": target }).to_string());
        self.change_stage(
            "insert into meta.stage (stage, status, input, run, counts, started_at) values (?, 'running', ?, ?, ?, now())
             on conflict (stage) do update set
                 status = 'running', input = excluded.input, run = excluded.run,
                 counts = coalesce(excluded.counts, counts), started_at = excluded.started_at, ended_at = null",
            &[&stage.as_str(), &input, &run, &counts],
        )
    }

    /// Writes down what a stage made, and that it is done, or failed if what it found must not be.
    pub fn finish_stage(
        &self,
        stage: Stage,
        clean: bool,
        output: &str,
        counts: &serde_json::Value,
    ) -> Result<()> {
        let status = if clean { "done" } else { "failed" };
        self.change_stage(
            "update meta.stage set status = ?, output = ?, counts = ?, ended_at = now() where stage = ?",
            &[&status, &output, &counts.to_string(), &stage.as_str()],
        )
    }

    /// Marks a stage as failed.
    pub fn fail_stage(&self, stage: Stage) -> Result<()> {
        self.change_stage(
            "update meta.stage set status = 'failed', ended_at = now() where stage = ?",
            &[&stage.as_str()],
        )
    }

    /// Puts back what was written down of a stage before [`Staging::begin_stage`].
    pub fn restore_stage(&self, stage: Stage, before: Option<&StageRow>) -> Result<()> {
        self.change_stage("delete from meta.stage where stage = ?", &[&stage.as_str()])?;
        let Some(row) = before else { return Ok(()) };
        self.change_stage(
            "insert into meta.stage (stage, status, input, output, counts, run, started_at, ended_at)
             values (?, ?, ?, ?, ?, ?, ?::timestamptz, ?::timestamptz)",
            &[
                &stage.as_str(),
                &row.ended.as_str(),
                &row.input,
                &row.output,
                &row.counts.to_string(),
                &row.run,
                &row.started_at,
                &row.ended_at,
            ],
        )
    }

    /// The stages that were ever started, in order.
    pub fn stages(&self) -> Result<Vec<StageRow>> {
        let mut rows = self
            .rows(
                "select stage, status, input, output, counts::varchar, run,
                    strftime(started_at, '%Y-%m-%dT%H:%M:%S.%gZ'), strftime(ended_at, '%Y-%m-%dT%H:%M:%S.%gZ')
             from meta.stage",
                |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, Option<String>>(2)?,
                        row.get::<_, Option<String>>(3)?,
                        row.get::<_, Option<String>>(4)?,
                        row.get::<_, Option<String>>(5)?,
                        row.get::<_, String>(6)?,
                        row.get::<_, Option<String>>(7)?,
                    ))
                },
            )?
            .into_iter()
            .map(|(stage, status, input, output, counts, run, started_at, ended_at)| {
                let ended = Ended::parse(&status);
                let counts =
                    counts.map_or(Ok(serde_json::Value::Null), |text| serde_json::from_str(&text))?;
                Ok(StageRow {
                    stage: Stage::named(&stage).map_or_else(|| stage.parse(), Ok)?,
                    ended,
                    input,
                    output,
                    counts,
                    run,
                    started_at,
                    ended_at,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        rows.sort_by_key(|row| row.stage);
        Ok(rows)
    }

    fn change_stage(&self, sql: &str, parameters: &[&dyn duckdb::ToSql]) -> Result<()> {
        self.connection().execute(sql, parameters).map(drop).map_err(error::duckdb)
    }
}
