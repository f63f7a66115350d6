//! Rows as people read them: side by side where they fit, else a column a line.

use super::output::{self, Page, Table};

/// Cells that are nothing are shown as such.
pub(super) fn page(columns: &[String], rows: &[Vec<Option<String>>]) -> Page {
    if fits(columns, rows) { table(columns, rows) } else { records(columns, rows) }
}

/// Whether the rows fit side by side.
fn fits(columns: &[String], rows: &[Vec<Option<String>>]) -> bool {
    let widest = |column: usize| {
        let values = rows.iter().map(|row| shown(&row[column]).chars().count());
        values.chain([columns[column].chars().count()]).max().unwrap_or_default()
    };
    let padding = 3;
    (0..columns.len()).map(|column| widest(column) + padding).sum::<usize>() <= usize::from(output::width())
}

fn table(columns: &[String], rows: &[Vec<Option<String>>]) -> Page {
    let mut table = Table::new(columns.iter().map(|name| name.as_str().into()));
    for row in rows {
        table.row(row.iter().map(shown));
    }
    Page::new().table(table)
}

/// One column a line, for rows that are too wide.
fn records(columns: &[String], rows: &[Vec<Option<String>>]) -> Page {
    let name_width = columns.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    rows.iter().zip(1..).fold(Page::new(), |page, (row, number)| {
        let page = page.line(format!("─ {number} {}", "─".repeat(name_width)));
        columns
            .iter()
            .zip(row)
            .fold(page, |page, (name, value)| page.line(format!(" {name:<name_width$}  {}", shown(value))))
    })
}

fn shown(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("∅")
}
