use anyhow::Result;
use rust_i18n::t;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{self, Page, Table};
use super::pipeline::{self, Wanted};
use crate::export::Report;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;

/// Write ready.* as a snapshot: the same input and SQL give the same bytes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
}

const EXAMPLES: &str = "Examples:
  trasvase export acme
  trasvase export acme --format json";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        pipeline::run_and_show(context, self.clinic.as_ref(), &Wanted::stage(Stage::Export))
    }
}

pub(super) fn counts(report: &Report) -> Value {
    let rows = report.tables.iter().map(|table| table.rows).sum::<u64>();
    json!({ "tables": report.tables.len(), "rows": rows, "snapshot": report.snapshot })
}

pub(super) fn page(report: &Report) -> Page {
    let mut table = Table::new([t!("cli.table"), t!("cli.rows"), t!("cli.export.bytes")]).right(&[1, 2]);
    for one in &report.tables {
        table.row([one.table.to_string(), output::count(one.rows), output::count(one.bytes)]);
    }
    let page = Page::new().table(table).line(t!("cli.export.made", folder = report.folder));
    if report.unchanged { page.line(t!("cli.export.unchanged")) } else { page }
}
