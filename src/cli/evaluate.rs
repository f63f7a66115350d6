use std::path::PathBuf;

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::entity::Entity;
use super::output::{self, Page, Table};
use crate::config::sheet::{self, Sheet};
use crate::dedupe::decisions::Decisions;
use crate::dedupe::evaluate::{self, Evaluation, Scores, Subject, Truth};
use crate::error::Failure;
use crate::staging::{Access, Staging};

/// Hold the duplicates that were found against those that are known: precision, recall, F1
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trasvase evaluate [OPTIONS] --truth <FILE> [CLINIC] [ENTITY]")]
pub(super) struct Arguments {
    /// The clinic and the entity, such as patient; each where there are several
    #[arg(value_name = "NAME", num_args = 0..=2)]
    names: Vec<String>,
    /// A CSV file with a header and two columns: the source_ids of two records that are one
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// Also what other values of accept would give
    #[arg(long)]
    threshold_table: bool,
    /// Ends with 3 where F1 is below
    #[arg(long, value_name = "NUMBER", value_parser = share)]
    min_f1: Option<f64>,
}

const EXAMPLES: &str = "Examples:
  trasvase evaluate acme patient --truth pairs.csv
  trasvase evaluate acme patient --truth pairs.csv --threshold-table --min-f1 0.99";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let entity = Entity::named(context, &self.names)?;
        let truth = self.truth()?;
        let decisions = Decisions::read(&entity.project, &entity.clinic, &entity.name)?;
        let staging = Staging::open(&entity.project, &entity.clinic, Access::ReadOnly, &context.limits())?;
        let subject = Subject {
            project: &entity.project,
            clinic: &entity.clinic,
            staging: &staging,
            entity: &entity.name,
            settings: entity.settings(),
            decisions: &decisions,
        };
        let evaluation = evaluate::run(&subject, &truth, self.threshold_table)?;
        output::show(context.format(), &evaluation, page)?;
        match self.min_f1 {
            Some(least) if evaluation.scores.f1 < least => Err(Failure::findings(t!(
                "cli.evaluate.below",
                f1 = format!("{:.4}", evaluation.scores.f1),
                least = least
            ))
            .into()),
            _ => Ok(()),
        }
    }

    fn truth(&self) -> Result<Truth> {
        let shown = self.truth.display().to_string();
        let sheet = Sheet::parse(&sheet::read_text(&self.truth)?, &shown)?;
        if sheet.header.len() < 2 {
            return Err(Failure::usage(t!("cli.evaluate.two_columns", path = shown))
                .hint(t!("cli.evaluate.two_columns_hint"))
                .into());
        }
        let id = |row: &sheet::Row, column: usize| row.cell(column).trim().to_owned();
        if let Some(row) = sheet.rows.iter().find(|row| id(row, 0).is_empty() || id(row, 1).is_empty()) {
            return Err(Failure::failed(t!("cli.evaluate.no_id", place = sheet.place(row))).into());
        }
        Ok(Truth::new(sheet.rows.iter().map(|row| (id(row, 0), id(row, 1)))))
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| t!("cli.evaluate.share", text = text).into_owned())
}

fn page(evaluation: &Evaluation) -> Page {
    let (truth, missed, review) = (&evaluation.truth, &evaluation.missed_because, &evaluation.review);
    let page = Page::new().table(scores(std::slice::from_ref(&evaluation.scores)));
    let mut lines = Table::new([t!("cli.evaluate.missed"), t!("cli.evaluate.pairs")]).right(&[1]);
    for (text, count) in [
        (t!("cli.evaluate.not_compared"), missed.not_compared),
        (t!("cli.evaluate.too_low"), missed.too_low),
        (t!("cli.evaluate.waiting"), missed.waiting),
        (t!("cli.evaluate.apart"), missed.apart),
    ] {
        if count > 0 {
            lines.row([text.into_owned(), output::count(count)]);
        }
    }
    let page = page.table(lines);
    let page = page.line(t!(
        "cli.evaluate.review",
        pairs = output::count(review.pairs),
        right = output::count(review.right),
        precision = share_text(review.precision),
        recall = share_text(review.recall)
    ));
    let page = page.table(scores(&evaluation.thresholds));
    let page = page.line(t!("cli.evaluate.truth", pairs = output::count(truth.pairs)));
    let mut page = page;
    if truth.repeated > 0 {
        page = page.line(t!("cli.evaluate.repeated", count = output::count(truth.repeated)));
    }
    if truth.unknown_ids > 0 {
        page = page.line(t!(
            "cli.evaluate.unknown",
            ids = output::count(truth.unknown_ids),
            pairs = output::count(truth.unknown_pairs)
        ));
    }
    if truth.implied > 0 {
        page = page.line(t!("cli.evaluate.implied", count = output::count(truth.implied)));
    }
    page
}

fn scores(scores: &[Scores]) -> Table {
    let mut table = Table::new([
        t!("cli.evaluate.accept"),
        t!("cli.evaluate.precision"),
        t!("cli.evaluate.recall"),
        "F1".into(),
        t!("cli.evaluate.right"),
        t!("cli.evaluate.wrong"),
        t!("cli.evaluate.missed_short"),
    ])
    .right(&[0, 1, 2, 3, 4, 5, 6]);
    for one in scores {
        let shares = [one.precision, one.recall, one.f1].map(share_text);
        let counts = [one.right, one.wrong, one.missed].map(output::count);
        table.row([one.threshold.to_string()].into_iter().chain(shares).chain(counts));
    }
    table
}

fn share_text(share: f64) -> String {
    format!("{share:.4}")
}
