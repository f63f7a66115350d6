//! The part of transform that asks services for vectors.

use std::time::Instant;

use anyhow::Result;
use rust_i18n::t;
use serde_json::json;

use super::Pipeline;
use crate::cli::progress::Both;
use crate::model::ident::TableName;
use crate::model::run::{Event, Observer, Part, Stage};
use crate::{embed, transform};

impl Pipeline<'_> {
    /// Gives the built tables their vectors, before they are checked. Where only some were wanted, those that were built.
    pub(super) fn embed(&mut self, report: &transform::Report) -> Result<()> {
        if self.clinic.embed.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let is_built = |table: &&TableName| {
            report.built.iter().any(|model| model.name.strip_prefix("target.") == Some(&table.to_string()))
        };
        let whole = self.wanted.only.is_none() && self.wanted.select.is_empty();
        let built = || self.clinic.embed.keys().filter(is_built).cloned().collect();
        let (project, clinic, staging) = (self.project, self.clinic, self.open()?);
        let (only, ask) = ((!whole).then(built), !self.wanted.no_ai);
        let options = embed::Options { project, clinic, staging, only, ask };
        let observer = Both(&self.progress, &self.journal);
        let reports = embed::run(&options, &observer)?;
        reports.iter().for_each(|report| tell_vectors(report, ask, &observer));
        let sum = |of: fn(&embed::Report) -> u64| reports.iter().map(of).sum::<u64>();
        let (rows, asked, without) = (sum(|one| one.rows), sum(|one| one.asked), sum(|one| one.without));
        let counts = json!({ "vectors": rows, "asked": asked, "without_vector": without });
        self.part_done(Part::Embed, started, rows, counts);
        Ok(())
    }
}

fn tell_vectors(report: &embed::Report, ask: bool, observer: &dyn Observer) {
    let (table, rows, stage) = (&report.table, report.rows, Stage::Transform);
    let text = match &report.unset {
        Some(variable) => {
            let text = t!("embed.unset", table = table, without = report.without, variable = variable);
            return observer.event(&Event::Warning { stage, text: &text });
        }
        None if ask => t!("embed.done", table = table, rows = rows, asked = report.asked),
        None => t!("embed.not_asked", table = table, rows = rows, without = report.without),
    };
    observer.event(&Event::Note { stage, text: &text });
}
