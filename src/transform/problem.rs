//! What is wrong with a file: a sentence, the line, and a caret under the place.

use std::borrow::Cow;
use std::fmt;

use rust_i18n::t;

use crate::config::SqlFile;
use crate::error::Failure;

/// One fault of an SQL file.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    path: String,
    message: String,
    /// The message is in DuckDB's words.
    by_duckdb: bool,
    /// Line number, column (both from 1) and the line itself.
    place: Option<(usize, usize, String)>,
    /// A line below.
    note: Option<String>,
}

impl Problem {
    /// A fault at a byte of the file, or of the file as a whole.
    pub(super) fn at(file: &SqlFile, offset: Option<usize>, message: impl Into<String>) -> Self {
        let place = offset.map(|offset| place(&file.text, offset));
        Self { path: file.path.clone(), message: message.into(), by_duckdb: false, place, note: None }
    }

    /// A fault that DuckDB reports, at a byte that it does not name.
    pub(super) fn of_duckdb_at(file: &SqlFile, offset: usize, message: &str) -> Self {
        Self { by_duckdb: true, ..Self::at(file, Some(offset), message) }
    }

    /// A fault of what has no file.
    pub(super) fn without_file(name: &str, message: impl Into<String>) -> Self {
        Self { path: name.to_owned(), message: message.into(), by_duckdb: false, place: None, note: None }
    }

    /// A fault that DuckDB reports for a statement which begins with `lines_before` lines of ours and then the file's
    /// text: its `LINE n:` block becomes the file's line and caret.
    pub(super) fn from_duckdb(path: &str, text: &str, lines_before: usize, error: &str) -> Self {
        Self::marked(path, text, error, |number| {
            number.checked_sub(lines_before).filter(|number| *number > 0)
        })
    }

    /// The same for a statement below `lines_before` lines of ours that begins after `lines_above` lines of its file.
    pub(super) fn of_statement(file: &SqlFile, lines_before: usize, lines_above: usize, error: &str) -> Self {
        Self::marked(&file.path, &file.text, error, |number| {
            number.checked_sub(lines_before).map(|number| number + lines_above)
        })
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Whether it is about this byte of this file.
    pub(super) fn stands_at(&self, file: &SqlFile, offset: usize) -> bool {
        self.path == file.path && self.place.as_ref() == Some(&place(&file.text, offset))
    }

    /// The same place with another sentence of DuckDB's.
    pub(super) fn with_message(mut self, message: &str) -> Self {
        (self.message, self.by_duckdb) = (sentence_of(message), true);
        self
    }

    /// The same with a line below.
    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn marked(path: &str, text: &str, error: &str, file_line: impl Fn(usize) -> Option<usize>) -> Self {
        let (message, marked) = split_marked(error);
        let place = marked.and_then(|(number, shown, caret)| {
            let number = file_line(number)?;
            let line = text.lines().nth(number - 1)?;
            Some((number, column(line, &shown, caret), line.to_owned()))
        });
        Self { path: path.to_owned(), message, by_duckdb: true, place, note: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.by_duckdb {
            true => t!("error.duckdb_says", words = self.message),
            false => Cow::Borrowed(self.message.as_str()),
        };
        let Some((number, column, line)) = &self.place else {
            return write!(formatter, "{}: {said}", self.path);
        };
        writeln!(formatter, "{}:{number}:{column}: {said}", self.path)?;
        let gutter = number.to_string().len();
        writeln!(formatter, "  {number} | {}", line.replace('\t', " "))?;
        write!(formatter, "  {:gutter$} | {:>column$}", "", "^")?;
        self.note.iter().try_for_each(|note| write!(formatter, "\n  {note}"))
    }
}

/// One failure out of all problems.
pub(super) fn failure(problems: &[Problem]) -> Failure {
    Failure::failed(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
}

/// Line, column and line text of a byte.
fn place(text: &str, offset: usize) -> (usize, usize, String) {
    let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    (text[..start].matches('\n').count() + 1, text[start..offset].chars().count() + 1, line.to_owned())
}

/// The line of its statement that DuckDB marks.
pub(super) fn line(error: &str) -> Option<usize> {
    split_marked(error).1.map(|(number, ..)| number)
}

/// DuckDB's message alone, on one line.
pub(super) fn sentence_of(error: &str) -> String {
    split_marked(error).0
}

/// Splits DuckDB's message from its `LINE n: text` and caret lines: line number, the text shown, the caret's position
/// in that text (in characters).
fn split_marked(error: &str) -> (String, Option<(usize, String, usize)>) {
    let Some(start) = error.rfind("\nLINE ") else { return (sentence(error), None) };
    let marked = (|| {
        let mut lines = error[start + 1..].lines();
        let (head, shown) = lines.next()?.split_once(": ")?;
        let number = head.strip_prefix("LINE ")?.parse().ok()?;
        let caret = lines.next()?.chars().position(|c| c == '^')?;
        Some((number, shown.to_owned(), caret.saturating_sub(head.chars().count() + 2)))
    })();
    (sentence(&error[..start]), marked)
}

/// The message on one line, without its kind.
fn sentence(message: &str) -> String {
    let one_line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.split_once(": ") {
        Some((kind, rest)) if kind.ends_with("Error") => rest.to_owned(),
        _ => one_line,
    }
}

/// Column (from 1) in the whole line of a caret under a shown part of it. DuckDB cuts long lines with `...`, and gives
/// control characters such as tabs no width.
fn column(line: &str, shown: &str, caret: usize) -> usize {
    let cut = usize::from(shown.starts_with("...")) * 3;
    let part = shown[cut..].strip_suffix("...").unwrap_or(&shown[cut..]);
    let before = line.find(part).map_or(0, |start| line[..start].chars().count());
    let mut width = 0;
    let inside = part.chars().position(|c| {
        let found = width == caret.saturating_sub(cut) && !c.is_control();
        width += usize::from(!c.is_control());
        found
    });
    before + inside.unwrap_or_default() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_line_and_a_caret() {
        let text = "-- é\nselect a\n  from nowhere\n".to_owned();
        let file = SqlFile {
            name: "x".into(),
            path: "a/x.sql".into(),
            header: crate::config::Header::default(),
            text,
        };
        let problem = Problem::at(&file, file.text.find("nowhere"), "no such table");
        assert_eq!(problem.to_string(), "a/x.sql:3:8: no such table\n  3 |   from nowhere\n    |        ^");
        assert_eq!(Problem::at(&file, None, "empty").to_string(), "a/x.sql: empty");
    }

    #[test]
    fn a_cut_line_of_duckdb_is_found_again() {
        let long = format!("select {}, nosuch(a)", vec!["upper(b)"; 20].join(", "));
        let connection = duckdb::Connection::open_in_memory().unwrap();
        connection.execute_batch("create table p (a integer, b varchar)").unwrap();
        let text = format!("-- header\n{long}\nfrom p");
        let error = connection.execute_batch(&format!("create table x as\n{text}")).unwrap_err();
        let problem = Problem::from_duckdb("x.sql", &text, 1, &error.to_string());
        let (line, column, _) = problem.place.clone().unwrap();
        assert_eq!((line, column), (2, long.find("nosuch").unwrap() + 1), "{problem}");
        assert!(problem.message.starts_with("Scalar Function with name nosuch does not exist!"), "{problem}");
        let tabs = "\tselect\tnosuch(a)\tfrom p";
        let error = connection.execute_batch(tabs).unwrap_err();
        let problem = Problem::from_duckdb("x.sql", tabs, 0, &error.to_string());
        assert_eq!(problem.place.unwrap().1, 9);
    }
}
