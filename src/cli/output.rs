//! The only place that prints. stdout is data, stderr is status; a closed stdout is nobody's fault.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use super::arguments::Format;
pub(super) use super::table::Table;
use crate::error::{Failure, Kind, interrupt};

/// Columns of a table that goes to a file or a pipe.
const PLAIN_WIDTH: u16 = 80;

/// What a command answers, as people read it: lines and tables.
#[derive(Debug, Default)]
pub(super) struct Page(Vec<Block>);

#[derive(Debug)]
enum Block {
    Line(String),
    /// Stands apart from what is above it.
    Table(String),
}

impl Page {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn line(mut self, text: impl Into<String>) -> Self {
        self.0.push(Block::Line(text.into()));
        self
    }

    /// A table; one without rows says nothing and is left out.
    pub(super) fn table(mut self, table: Table) -> Self {
        self.0.extend(table.finished().map(Block::Table));
        self
    }

    /// Another page below this one.
    pub(super) fn add(mut self, other: Page) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for block in &self.0 {
            match block {
                Block::Line(line) => text.push_str(line),
                Block::Table(table) => {
                    let apart = text.is_empty() || text.ends_with("\n\n");
                    text.push_str(if apart { "" } else { "\n" });
                    text.push_str(table);
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Prints what a command answers.
pub(super) fn show<T: Serialize + ?Sized>(
    format: Format,
    value: &T,
    page: impl FnOnce(&T) -> Page,
) -> Result<()> {
    match format {
        Format::Table => text(&page(value).text()),
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
        Format::Json => {
            let mut error = serde_json::json!({
                "kind": kind_name(failure.kind),
                "exit_code": failure.kind.exit_code(),
                "message": failure.message,
                "hints": failure.hints,
            });
            if let Some(cause) = failure.cause {
                error["cause"] = serde_json::json!(cause);
            }
            serde_json::json!({ "error": error }).to_string()
        }
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
fn confirm_typed(question: &str, word: &str) -> Result<()> {
    if ask(&format!("{question} ({}: {word}) ", t!("cli.type_to_go_on")))? == word {
        Ok(())
    } else {
        Err(Failure::failed(t!("cli.declined")).into())
    }
}

/// Asks for a name to be typed, unless it was given as an option; a yes to everything is not enough.
pub(super) fn confirm_named(question: &str, name: &str, given: Option<&str>) -> Result<()> {
    match given {
        Some(given) if given == name => Ok(()),
        Some(_) => Err(Failure::usage(t!("cli.wrong_name", name = name)).into()),
        None if !std::io::stdin().is_terminal() => {
            Err(Failure::usage(t!("cli.cannot_ask")).hint(t!("cli.confirm_hint", name = name)).into())
        }
        None => confirm_typed(question, name),
    }
}

fn ask(question: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(t!("cli.cannot_ask")).hint(t!("cli.cannot_ask_hint")).into());
    }
    let _ = write!(std::io::stderr(), "{question}").and_then(|()| std::io::stderr().flush());
    // Reading goes on after a signal, so a thread reads, and Ctrl-C is looked for meanwhile.
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        let _ = send.send(read.map(|_| line.trim().to_owned()));
    });
    loop {
        match receive.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => return Ok(line?),
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("nobody reads the answer"),
        }
    }
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
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
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

/// Bytes in a unit that fits.
pub(super) fn size(bytes: u64) -> String {
    let steps = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..steps.len() - 1).take_while(|step| bytes >> (10 * (step + 1)) > 0).count();
    let whole = bytes >> (10 * step);
    let tenth = if step == 0 || whole >= 100 { 0 } else { (bytes >> (10 * (step - 1)) & 1023) * 10 / 1024 };
    match (step, whole) {
        (0, _) | (_, 100..) => format!("{whole} {}", steps[step]),
        _ => format!("{whole}.{tenth} {}", steps[step]),
    }
}

/// Rows a second.
pub(super) fn speed(rows: u64, milliseconds: u64) -> String {
    if milliseconds == 0 || rows == 0 { "–".to_owned() } else { count(rows * 1000 / milliseconds) }
}

/// A kind of failure as JSON has it.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Usage => "usage",
        Kind::Findings => "findings",
        Kind::NotComparable => "not_comparable",
        Kind::Interrupted => "interrupted",
    }
}

/// Columns that a line may take: the terminal's, else COLUMNS, else 80.
pub(super) fn width() -> u16 {
    let terminal = if is_terminal() { comfy_table::Table::new().width() } else { None };
    let given = || std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    terminal.or_else(given).filter(|width| *width >= 40).unwrap_or(PLAIN_WIDTH)
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
    fn sizes_and_speeds_read_well() {
        assert_eq!([12, 1536, 300 << 20, 5 << 30].map(size), ["12 B", "1.5 KiB", "300 MiB", "5.0 GiB"]);
        assert_eq!((speed(1000, 500), speed(0, 5)), ("2,000".to_owned(), "–".to_owned()));
    }

    #[test]
    fn durations_have_a_unit_that_fits() {
        assert_eq!(
            ["0.3 s", "59.9 s", "1 min 0 s", "2 h 5 min"],
            [345, 59_900, 60_000, 7_500_000].map(duration)
        );
    }
}
