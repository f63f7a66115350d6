//! Rows of a sample side by side.

use rust_i18n::t;

use super::shown;
use crate::cli::output::{Page, Table};
use crate::verify::{Report, SampleReport};

pub(super) fn page(report: &Report) -> Page {
    report.sample.iter().fold(Page::new(), |page, row| page.add(one(row)))
}

/// One row: a line a column where values may be shown, else the columns that are equal and those that are not.
fn one(row: &SampleReport) -> Page {
    let page = Page::new().line(t!("verify.sampled", table = row.table, key = row.key));
    if !row.found {
        return page.line(t!("verify.not_there"));
    }
    let mark = |equal: bool| if equal { "=" } else { "≠" };
    if row.columns.iter().any(|column| column.values.is_none()) {
        let columns = row.columns.iter().map(|column| format!("{} {}", column.column, mark(column.equal)));
        return page.line(format!("  {}", columns.collect::<Vec<_>>().join(", ")));
    }
    let mut table =
        Table::new([t!("verify.column"), t!("cli.verify.source"), "".into(), t!("cli.verify.target")]);
    for column in &row.columns {
        let Some(values) = &column.values else { continue };
        let (ours, theirs) = (shown(&values.expected), shown(&values.found));
        table.row([column.column.clone(), ours, mark(column.equal).to_owned(), theirs]);
    }
    page.table(table)
}
