//! What verify proves, and what it says where it cannot: relations, rows that differ, and how they came to.

mod reading;
mod relations;
mod rows;
mod types;

use trasvase::model::run::Silent;
use trasvase::snapshot::Snapshot;
use trasvase::staging::Limits;
use trasvase::verify::{self, Books, Options, Report};

use crate::tiny::Tiny;

/// Verifies with other options than most tests want, and with books.
async fn verified(
    tiny: &Tiny,
    snapshot: &Snapshot,
    books: Books<'_>,
    change: impl FnOnce(&mut Options<'_>),
) -> anyhow::Result<Report> {
    let limits = Limits::default();
    let mut options = tiny.run.verify_options(snapshot, &limits);
    change(&mut options);
    verify::run(&options, books, &Silent).await
}

/// How many rows differ in which way, by table.
fn counts(report: &Report) -> Vec<String> {
    let tables = report.tables.iter().flat_map(|table| table.counts.iter().map(move |count| (table, count)));
    let text = |(table, count): (&verify::TableReport, &verify::Count)| {
        let cause = count.cause.map_or("-", verify::Cause::as_str);
        format!("{} {} {cause} {}", table.table, count.kind.as_str(), count.rows)
    };
    tables.map(text).collect()
}
