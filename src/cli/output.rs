//! The only place that prints. stdout is data, stderr is status; a closed stdout is nobody's fault.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};
use comfy_table::{
    Attribute, Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, TableStyle,
};
use rust_i18n::t;
use serde::Serialize;

use super::arguments::Format;
use crate::error::{Failure, Kind};

/// Columns of a table that goes to a file or a pipe.
const PLAIN_WIDTH: u16 = 80;

/// A line below the headings, and space between columns.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// What a command answers, as people read it: lines and tables.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn line(mut self, text: impl AsRef<str>) -> Self {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
        self
    }

    /// Another page below this one.
    pub(super) fn add(mut self, other: Page) -> Self {
        self.0.push_str(&other.0);
        self
    }

    pub(super) fn text(&self) -> &str {
        self.0.trim_end()
    }

    pub(super) fn table(self, table: Table) -> Self {
        if table.rows == 0 { self } else { self.line(table.inner.trim_fmt()) }
    }
}

/// A table that reads well at 80 columns and without colour.
pub(super) struct Table {
    inner: comfy_table::Table,
    rows: usize,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new<'a>(headings: impl IntoIterator<Item = Cow<'a, str>>) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
        if !is_terminal() {
            inner.force_no_tty().set_width(plain_width());
        }
        inner.set_header(
            headings
                .into_iter()
                .map(|text| Cell::new(text).add_attribute(Attribute::Bold))
                .collect::<Vec<_>>(),
        );
        Self { inner, rows: 0 }
    }

    /// Aligns these columns (from 0) to the right: numbers.
    pub(super) fn right(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.inner.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    pub(super) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.inner.add_row(cells.into_iter().map(|cell| Cell::new(cell.to_string())).collect::<Vec<_>>());
        self.rows += 1;
    }
}

/// Prints what a command answers.
pub(super) fn show<T: Serialize + ?Sized>(
    format: Format,
    value: &T,
    page: impl FnOnce(&T) -> Page,
) -> Result<()> {
    match format {
        Format::Table => text(&page(value).0),
        Format::Json => {
            let json = serde_json::to_string_pretty(value).context("cannot write JSON")?;
            text(&(json + "\n"));
        }
    }
    Ok(())
}

/// Prints text to stdout as it is. Once nobody reads any more, the rest is dropped without a word.
pub(super) fn text(text: &str) {
    bytes(text.as_bytes());
}

/// Prints bytes to stdout as they are.
pub(super) fn bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Prints a line about what is going on to stderr.
pub(super) fn status(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints a failure: a sentence, then what to type next.
pub(super) fn failure(failure: &Failure, format: Format) {
    let text = match format {
        Format::Table => {
            let mut text = format!("{}: {}", t!("cli.error"), failure.message.trim_end());
            for hint in &failure.hints {
                let _ = write!(text, "\n  → {hint}");
            }
            text
        }
        Format::Json => serde_json::json!({
            "error": {
                "kind": kind_name(failure.kind),
                "exit_code": failure.kind.exit_code(),
                "message": failure.message,
                "hints": failure.hints,
            }
        })
        .to_string(),
    };
    status(&text);
}

/// Asks for a yes. Without a terminal to ask on it is an error: nothing is assumed.
pub(super) fn confirm(question: &str, yes: bool) -> Result<()> {
    let answer = if yes { return Ok(()) } else { ask(&format!("{question} {} ", t!("cli.yes_no")))? };
    match answer.to_lowercase().as_str() {
        "y" | "yes" | "s" | "si" | "sí" => Ok(()),
        _ => Err(Failure::failed(t!("cli.declined")).into()),
    }
}

/// Asks for a word to be typed, such as a clinic's name, before something that cannot be taken back.
pub(super) fn confirm_typed(question: &str, word: &str, yes: bool) -> Result<()> {
    if yes || ask(&format!("{question} ({}: {word}) ", t!("cli.type_to_go_on")))? == word {
        Ok(())
    } else {
        Err(Failure::failed(t!("cli.declined")).into())
    }
}

fn ask(question: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(t!("cli.cannot_ask")).hint(t!("cli.cannot_ask_hint")).into());
    }
    let _ = write!(std::io::stderr(), "{question}").and_then(|()| std::io::stderr().flush());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Whether stdout is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A count with its thousands grouped as the language does: 20,523 or 20.523.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let separator = if &*rust_i18n::locale() == "es" { '.' } else { ',' };
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    grouped
}

/// A moment as people read it: local date and time to the minute.
pub(super) fn moment(rfc3339: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(rfc3339)
        .map(|time| time.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_else(|_| rfc3339.to_owned())
}

/// A duration as people read it.
pub(super) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Usage => "usage",
        Kind::Findings => "findings",
        Kind::NotComparable => "not_comparable",
        Kind::Interrupted => "interrupted",
    }
}

fn plain_width() -> u16 {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|width| *width >= 40)
        .unwrap_or(PLAIN_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_in_threes() {
        assert_eq!(
            ["7", "999", "1,000", "20,523", "1,234,567"],
            [7, 999, 1000, 20_523, 1_234_567].map(count)
        );
    }

    #[test]
    fn durations_have_a_unit_that_fits() {
        assert_eq!(
            ["0.3 s", "59.9 s", "1 min 0 s", "2 h 5 min"],
            [345, 59_900, 60_000, 7_500_000].map(duration)
        );
    }

    #[test]
    fn a_table_stays_within_80_columns() {
        let mut table = Table::new(["a".into(), "b".into()]).right(&[0]);
        table.row(["1".to_owned(), "word ".repeat(60)]);
        let page = Page::new().table(table).0;
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }
}
