//! What must be there before a stage begins: models, folders, and the stages before it.

use std::path::Path;

use anyhow::Result;
use rust_i18n::t;

use super::Pipeline;
use crate::cli::hints;
use crate::cli::progress::Both;
use crate::cli::status::{self, State};
use crate::config::{near, sql_files};
use crate::error::Failure;
use crate::model::ident::TableName;
use crate::model::run::{Event, Observer as _, Stage};

impl Pipeline<'_> {
    /// Refuses what cannot come to anything, before any book is opened.
    pub(super) fn ready(&mut self, stage: Stage, alone: bool) -> Result<()> {
        let clinic = &self.clinic.name;
        if stage == self.wanted.first
            && let Some(only) = &self.wanted.only
        {
            self.made(only)?;
        }
        match stage {
            Stage::Load if self.clinic.sources.is_empty() => {
                return Err(Failure::usage(t!("cli.run.no_sources", clinic = clinic))
                    .hint(t!("cli.run.no_sources_hint", clinic = clinic))
                    .into());
            }
            Stage::Transform
                if sql_files(self.project, self.clinic, "clean")?.is_empty()
                    && sql_files(self.project, self.clinic, "target")?.is_empty() =>
            {
                let (product, system) = (&self.clinic.product, &self.clinic.system);
                return Err(Failure::usage(t!("cli.run.no_models", product = product, system = system))
                    .hint(t!("cli.run.no_models_hint", folder = self.project.root().display()))
                    .into());
            }
            Stage::Transform => self.has_folders()?,
            _ => {}
        }
        // A run has just done the stages before; a snapshot that is named stands for itself.
        let alone = alone && self.wanted.snapshot.is_none();
        if alone && (Stage::Transform..=Stage::Push).contains(&stage) { self.preceded(stage) } else { Ok(()) }
    }

    /// Refuses a table that no model makes.
    fn made(&self, table: &TableName) -> Result<()> {
        let models = sql_files(self.project, self.clinic, "target")?;
        let names: Vec<String> = models.into_iter().map(|file| file.name).collect();
        if names.iter().any(|name| TableName::from(name.as_str()) == *table) {
            return Ok(());
        }
        let near = near(&table.to_string(), &names);
        Err(Failure::usage(t!("cli.run.no_model", table = table, near = near)).into())
    }

    /// Refuses a product or a system that has no SQL: its models would be missed by nobody.
    fn has_folders(&self) -> Result<()> {
        let (project, clinic) = (self.project, self.clinic);
        let own = project.clinic_dir(&clinic.name).join("sql");
        for (setting, name, folder, layer) in [
            ("product", &clinic.product, project.sql_dir().join("sources"), "clean"),
            ("system", &clinic.system, project.sql_dir().join("systems"), "target"),
        ] {
            if !folder.join(name).is_dir() && !own.join(layer).is_dir() {
                let shown =
                    |path: &Path| path.strip_prefix(project.root()).unwrap_or(path).display().to_string();
                let (folder, own) = (shown(&folder.join(name)), shown(&own.join(layer)));
                return Err(Failure::usage(t!(
                    "cli.run.no_folder",
                    setting = setting,
                    name = name,
                    folder = folder
                ))
                .hint(t!("cli.run.no_folder_hint", setting = setting, folder = folder, own = own))
                .into());
            }
        }
        Ok(())
    }

    /// A stage must not go on with what a failed one left; what is only out of date is told.
    fn preceded(&mut self, stage: Stage) -> Result<()> {
        if !self.project.duckdb_path(&self.clinic.name).is_file() {
            return Ok(());
        }
        self.open_staging(stage)?;
        let Some(staging) = &self.staging else { return Ok(()) };
        let clinic = &self.clinic.name;
        let states = status::states(&staging.stages()?);
        let before = || states.iter().take_while(|(one, _)| *one < stage);
        if let Some((failed, _)) = before().find(|(_, state)| *state == State::Failed) {
            return Err(Failure::usage(t!("cli.run.failed_before", failed = failed, stage = stage))
                .hint(format!("trasvase run {clinic} --from {failed} --until {stage}"))
                .hint(format!("trasvase log {clinic} --errors"))
                .into());
        }
        if let Some((stale, _)) = before().find(|(_, state)| *state == State::Stale) {
            let next = format!("trasvase run {clinic} --from {stale} --until {stage}");
            let next = hints::complete(&next, None, self.context.global.target.as_deref());
            let text = t!("cli.run.stale_before", stale = stale, next = next);
            Both(&self.progress, &self.journal).event(&Event::Warning { stage, text: &text });
        }
        Ok(())
    }
}
