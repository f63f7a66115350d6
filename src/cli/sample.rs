use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::output::{self, Page, Table};
use super::rows;
use crate::error::Failure;
use crate::model::document::{Node, mark};
use crate::model::ident::ClinicName;
use crate::sample::{self, ColumnReport, How, Report, Style};
use crate::staging::{Access, Staging};

/// Show rows of a source, masked; or write rows that have its shape and none of its people, to be shown to others
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trasvase sample [OPTIONS] [CLINIC] <SOURCE> [ROWS]")]
pub(super) struct Arguments {
    /// The clinic; may be left out where there is only one
    #[arg(value_name = "CLINIC")]
    clinic: Option<String>,
    /// The source, as clinic.toml names it
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// How many rows: 100 where not given
    #[arg(value_name = "ROWS")]
    rows: Option<String>,
    /// Show values as they are: they are patients' data
    #[arg(long, conflicts_with = "anonymise")]
    show_values: bool,
    /// Replace every value but codes that many rows share
    #[arg(long)]
    anonymise: bool,
    /// The file to write, only with --anonymise: CSV, or of documents a document a line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  trasvase sample clients 200
  trasvase sample acme clients 20 --format json
  trasvase sample acme clients --anonymise --out clients.csv
  trasvase sample acme processes --anonymise --out processes.ndjson";

const ROWS: u64 = 100;
/// Letters of a cell that are shown in a table.
const SHOWN: usize = 40;

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (clinic, source, rows) = self.asked()?;
        if self.out.is_some() && !self.anonymise {
            return Err(Failure::usage(t!("sample.only_anonymised"))
                .hint(t!("sample.only_anonymised_hint"))
                .into());
        }
        if self.show_values && !std::io::stdout().is_terminal() {
            return Err(Failure::usage(t!("cli.verify.values_on_terminal")).into());
        }
        let (project, clinic) = context.clinic(clinic.as_ref())?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let report = sample::run(&sample::Options {
            project: &project,
            clinic: &clinic,
            staging: &staging,
            source: source.to_lowercase(),
            rows,
            style: match (self.anonymise, self.show_values) {
                (true, _) => Style::Anonymised,
                (_, true) => Style::Shown,
                _ => Style::Masked,
            },
            out: self.out.clone(),
        })?;
        output::show(context.format(), &report, page)
    }

    /// Clinic, source and number of rows: the first and the last may be left out.
    fn asked(&self) -> Result<(Option<ClinicName>, &str, u64)> {
        let words: Vec<&str> =
            [&self.clinic, &self.source, &self.rows].into_iter().flatten().map(String::as_str).collect();
        let number = |word: &str| {
            word.parse().map_err(|_| {
                Failure::usage(t!("sample.no_number", word = word)).hint(t!("sample.usage_hint"))
            })
        };
        Ok(match words.as_slice() {
            [source] => (None, source, ROWS),
            [source, rows] if rows.parse::<u64>().is_ok() => (None, source, number(rows)?),
            [clinic, source] => (Some(clinic.parse()?), source, ROWS),
            [clinic, source, rows] => (Some(clinic.parse()?), source, number(rows)?),
            _ => return Err(Failure::usage(t!("sample.which")).hint(t!("sample.usage_hint")).into()),
        })
    }
}

fn page(report: &Report) -> Page {
    let page = sampled(report).table(columns(report));
    let kept: Vec<&str> = report
        .columns
        .iter()
        .filter(|column| column.how == How::Kept)
        .map(|column| column.column.as_str())
        .collect();
    let page = match kept.is_empty() {
        true => page,
        false => page.line(t!("sample.look", columns = kept.join(", "))),
    };
    let rows = output::count(report.rows);
    page.line(match &report.path {
        Some(path) => t!("sample.written", rows = rows, path = path),
        None => t!("sample.shown", rows = rows, source = report.source),
    })
}

/// The rows, a column for each name, in the order in which they first come.
fn sampled(report: &Report) -> Page {
    let rows: Vec<Vec<(String, &str)>> = report
        .sample
        .iter()
        .map(|row| match Node::of(row.get()) {
            Some(Node::Object(fields)) => fields,
            _ => Vec::new(),
        })
        .collect();
    let mut known = BTreeSet::new();
    let names = rows.iter().flatten().map(|(name, _)| name).filter(|name| known.insert(name.as_str()));
    let names: Vec<String> = names.cloned().collect();
    let of = |row: &Vec<(String, &str)>, name: &String| {
        row.iter().find(|(one, _)| one == name).and_then(|(_, text)| cell(text))
    };
    let cells: Vec<Vec<Option<String>>> =
        rows.iter().map(|row| names.iter().map(|name| of(row, name)).collect()).collect();
    rows::page(&names, &cells)
}

/// A value on one line, without its wrapper, cut where it is long.
fn cell(text: &str) -> Option<String> {
    let whole = match Node::of(text)? {
        Node::Null => return None,
        Node::Text(text) => text,
        Node::Object(fields) if mark(&fields).is_some() && fields.len() == 1 => return cell(fields[0].1),
        _ => text.to_owned(),
    };
    let line: String = whole.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= SHOWN {
        return Some(line);
    }
    Some(line.chars().take(SHOWN - 1).chain(['…']).collect())
}

fn columns(report: &Report) -> Table {
    let mut table = Table::new([t!("cli.check.column"), t!("sample.how")]);
    for column in &report.columns {
        table.row([column.column.clone(), how(column)]);
    }
    table
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
