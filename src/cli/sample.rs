use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::output::{self, Page, Table};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::sample::{self, ColumnReport, How, Report};
use crate::staging::{Access, Staging};

/// Write rows of a source that have its shape and none of its people, to be shown to others
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: ClinicName,
    /// The source, as clinic.toml names it
    source: String,
    /// How many rows: 100 where not given
    #[arg(default_value_t = 100)]
    rows: u64,
    /// Replace every value but codes that many rows share; nothing is written without it
    #[arg(long)]
    anonymise: bool,
    /// The CSV file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const EXAMPLES: &str = "Examples:
  trasvase sample acme clients --anonymise --out clients.csv
  trasvase sample acme clients 20 --anonymise --out clients.csv --format json";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if !self.anonymise {
            return Err(Failure::usage(t!("sample.only_anonymised"))
                .hint(t!("sample.only_anonymised_hint"))
                .into());
        }
        let (project, clinic) = context.clinic(Some(&self.clinic))?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let report = sample::run(&sample::Options {
            project: &project,
            clinic: &clinic,
            staging: &staging,
            source: self.source.to_lowercase(),
            rows: self.rows,
            out: self.out.clone(),
        })?;
        output::show(context.format(), &report, page)
    }
}

fn page(report: &Report) -> Page {
    let mut table = Table::new([t!("cli.check.column"), t!("sample.how")]);
    for column in &report.columns {
        table.row([column.column.clone(), how(column)]);
    }
    let kept: Vec<&str> = report
        .columns
        .iter()
        .filter(|column| column.how == How::Kept)
        .map(|column| column.column.as_str())
        .collect();
    let page = Page::new().table(table);
    let page = match kept.is_empty() {
        true => page,
        false => page.line(t!("sample.look", columns = kept.join(", "))),
    };
    page.line(t!("sample.written", rows = output::count(report.rows), path = report.path))
}

fn how(column: &ColumnReport) -> String {
    let how = match column.how {
        How::Kept => t!("sample.kept", count = column.kept),
        How::Dates => t!("sample.dates"),
        How::Codes => t!("sample.codes"),
        How::Emails => t!("sample.emails"),
        How::Text => t!("sample.text"),
        How::Empty => t!("sample.empty"),
    };
    match column.person {
        true => format!("{how}; {}", t!("sample.person")),
        false => how.into_owned(),
    }
}
