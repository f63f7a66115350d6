use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::arguments::LoadType;
use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline::{self, Wanted};
use crate::load::{self, Plan, Report};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::sources::{Finding, Severity};
use crate::staging::{Access, Staging};

/// Read a clinic's source files into raw.*: every record, or where it could not be read and why
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only this source of clinic.toml; may be given again
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Read files again that did not change
    #[arg(long)]
    force: bool,
    /// incremental: of sources with a cursor read only new files, and lay their rows over those that are there
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t)]
    load_type: LoadType,
    /// Only say what would be read and why
    #[arg(long)]
    explain: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase load acme
  trasvase load acme --explain
  trasvase load acme --source clients --force
  trasvase load acme --type incremental";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.explain {
            return self.explain(context);
        }
        let wanted = Wanted {
            sources: self.source.clone(),
            force: self.force,
            incremental: self.load_type.is_incremental(),
            ..Wanted::stage(Stage::Load)
        };
        pipeline::run_and_show(context, self.clinic.as_ref(), &wanted)
    }

    fn explain(&self, context: &Context) -> Result<()> {
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let staging = match project.duckdb_path(&clinic.name).is_file() {
            true => Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?,
            false => Staging::in_memory(&clinic)?,
        };
        let options = load::Options {
            project: &project,
            clinic: &clinic,
            staging: &staging,
            only: self.source.clone(),
            force: self.force,
            incremental: self.load_type.is_incremental(),
        };
        output::show(context.format(), &load::plan(&options)?, plan_page)
    }
}

fn plan_page(plan: &Plan) -> Page {
    let mut table =
        Table::new([t!("cli.load.source"), t!("cli.load.files"), t!("cli.load.bytes"), t!("cli.why")])
            .right(&[1, 2]);
    for step in &plan.steps {
        table.row([
            step.source.clone(),
            output::count(step.files.len() as u64),
            output::count(step.bytes),
            step.reason.map_or_else(|| t!("cli.unchanged").into_owned(), |reason| reason.to_string()),
        ]);
    }
    let page = unnamed(Page::new().table(table), &plan.unnamed);
    plan.removed.iter().fold(page, |page, name| page.line(t!("cli.load.removed", source = name)))
}

pub(super) fn counts(report: &Report) -> Value {
    json!({
        "sources": report.sources.len(),
        "rows": report.rows(),
        "refused": report.refused(),
        "cells": report.cells(),
        "unnamed": report.unnamed.len(),
    })
}

pub(super) fn page(report: &Report) -> Page {
    let mut files = Table::new([
        t!("cli.load.source"),
        t!("cli.load.file"),
        t!("cli.rows"),
        t!("cli.load.refused"),
        t!("cli.load.dialect"),
    ])
    .right(&[2, 3]);
    for source in &report.sources {
        for (place, file) in source.files.iter().enumerate() {
            files.row([
                if place == 0 { source.name.clone() } else { String::new() },
                short(&file.path).to_owned(),
                output::count(file.loaded),
                output::count(file.refused),
                file.dialect.to_string(),
            ]);
        }
    }
    let page = Page::new().table(files).table(findings(report, |_| true));
    let page =
        report.removed.iter().fold(page, |page, name| page.line(t!("cli.load.removed", source = name)));
    unnamed(cells(page, report), &report.unnamed).line(match report.unchanged() {
        true => t!("cli.load.nothing_new"),
        false => {
            t!("cli.load.sum", rows = output::count(report.rows()), refused = output::count(report.refused()))
        }
    })
}

/// A file's name without the folder where all of its kind are.
fn short(path: &str) -> &str {
    path.split_once("/extracts/").map_or(path.trim_start_matches("sources/"), |(_, name)| name)
}

/// What needs a look even among other stages: cells that gave no value, forgotten files, critical findings, and cursors at
/// which later deliveries would end.
pub(super) fn faults(report: &Report) -> Page {
    let needs_a_look =
        |finding: &Finding| finding.severity == Severity::Critical || finding.rule == load::FAR_AHEAD;
    let page = Page::new().table(findings(report, needs_a_look));
    unnamed(cells(page, report), &report.unnamed)
}

fn findings(report: &Report, wanted: impl Fn(&Finding) -> bool) -> Table {
    let mut findings =
        Table::new([t!("cli.load.source"), t!("cli.finding"), t!("cli.count"), t!("cli.detail")]).right(&[2]);
    for source in &report.sources {
        for finding in source.findings.iter().filter(|finding| wanted(finding)) {
            let detail = [finding.column.as_deref(), finding.detail.as_deref()];
            findings.row([
                source.name.clone(),
                finding.rule.clone(),
                output::count(finding.count),
                detail.into_iter().flatten().collect::<Vec<_>>().join(": "),
            ]);
        }
    }
    findings
}

/// How many cells of which files are null although they held something.
fn cells(page: Page, report: &Report) -> Page {
    let files = report.sources.iter().flat_map(|source| &source.files).filter(|file| file.cells > 0);
    files.fold(page, |page, file| {
        page.line(t!("cli.load.cells", path = file.path, cells = output::count(file.cells)))
    })
}

/// Files that lie there and are no part of any source.
fn unnamed(page: Page, files: &[String]) -> Page {
    match files {
        [] => page,
        files => page.line(t!("cli.load.unnamed", paths = files.join(", "))),
    }
}
