use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::context::Context;
use super::issues;
use super::output::{self, Page, Table};
use super::pipeline::{self, Wanted};
use super::transform;
use crate::check::{About, Finding, Report};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;

/// Sort out what PostgreSQL would refuse, and say why: target.* to ready.* and reject.*
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
}

const EXAMPLES: &str = "Examples:
  trasvase check acme
  trasvase check acme --target rehearsal
  trasvase sql acme \"from reject.patient\"";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        pipeline::run_and_show(context, self.clinic.as_ref(), &Wanted::stage(Stage::Check))
    }
}

pub(super) fn counts(report: &Report) -> Value {
    let sum = |of: fn(&crate::check::TableReport) -> u64| report.tables.iter().map(of).sum::<u64>();
    let (repairs, findings): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|finding| finding.about == About::Repair);
    let count = |found: Vec<&Finding>| found.iter().map(|finding| finding.count).sum::<u64>();
    json!({
        "ready": sum(|table| table.ready),
        "rejected": sum(|table| table.rejected),
        "repairs": count(repairs),
        "findings": count(findings),
        "verdicts": report.sources,
    })
}

pub(super) fn page(report: &Report, clinic: &ClinicName) -> Page {
    let mut table = Table::new([
        t!("cli.table"),
        t!("cli.rows"),
        t!("cli.check.ready"),
        t!("cli.check.rejected"),
        t!("cli.check.limit"),
    ])
    .right(&[1, 2, 3]);
    for one in &report.tables {
        let limit = if one.over_limit { t!("cli.check.over_limit") } else { "".into() };
        table.row([
            one.table.to_string(),
            output::count(one.rows),
            output::count(one.ready),
            output::count(one.rejected),
            limit.into_owned(),
        ]);
    }
    Page::new().table(table).add(faults(report, clinic))
}

/// Rejects by table and rule, findings, and where to look at the rows.
pub(super) fn faults(report: &Report, clinic: &ClinicName) -> Page {
    let mut rules =
        Table::new([t!("cli.table"), t!("cli.check.rule"), t!("cli.check.column"), t!("cli.check.rejected")])
            .right(&[3]);
    for table in &report.tables {
        for rule in &table.rules {
            rules.row([
                table.table.to_string(),
                rule.rule.clone(),
                rule.column.clone().unwrap_or_default(),
                output::count(rule.rows),
            ]);
        }
    }
    let mut findings =
        Table::new([t!("cli.finding"), t!("cli.check.severity"), t!("cli.check.subject"), t!("cli.count")])
            .right(&[3]);
    for finding in &report.findings {
        let subject = [Some(finding.subject.as_str()), finding.column.as_deref()];
        findings.row([
            finding.rule.clone(),
            issues::severity(&finding.severity),
            subject.into_iter().flatten().collect::<Vec<_>>().join("."),
            output::count(finding.count),
        ]);
    }
    let page = Page::new().table(rules).table(findings);
    let unread = report.findings.iter().filter(|finding| finding.rule == "unread_source");
    let page =
        unread.fold(page, |page, one| page.line(transform::left_behind(&one.subject, one.count, None)));
    match report.tables.iter().max_by_key(|table| table.rejected).filter(|table| table.rejected > 0) {
        Some(worst) => {
            let name = worst.table.to_string();
            let name = if name.contains('.') { format!("\\\"{name}\\\"") } else { name };
            page.line(format!("  → trasvase sql {clinic} \"from reject.{name}\""))
        }
        None => page,
    }
}
