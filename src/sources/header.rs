//! Where the header is, and what the columns are called.

use std::collections::HashSet;

use rust_i18n::t;

use super::files::SourceFile;
use super::{Finding, Severity, some_of};
use crate::error::Failure;

/// The columns that every raw table has besides those of its file.
pub(super) const ID_COLUMN: &str = "_id";
const OWN_COLUMNS: [&str; 3] = [ID_COLUMN, "_file", "_row"];

/// A header that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) names: Vec<String>,
}

/// What a field of the sample holds, as far as finding the header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    Text,
    /// A number, a date or a truth value.
    Value,
}

/// One record of the sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// Number of fields; in a sheet, whose rows have no end of their own, the most cells that a row fills.
    pub(super) width: usize,
    /// By position.
    pub(super) kinds: Vec<Kind>,
}

impl Shape {
    pub(super) fn of<'a>(fields: impl Iterator<Item = &'a str>) -> Self {
        let kinds: Vec<_> = fields.map(Kind::of).collect();
        Self { width: kinds.len(), kinds }
    }

    fn count(&self, kind: Kind) -> usize {
        self.kinds.iter().filter(|found| **found == kind).count()
    }

    pub(super) fn filled(&self) -> usize {
        self.kinds.len() - self.count(Kind::Empty)
    }

    fn at(&self, column: usize) -> Kind {
        self.kinds.get(column).copied().unwrap_or(Kind::Empty)
    }

    /// No first column is called by a number or a date; further ones may be (a year each).
    fn looks_like_data(&self) -> bool {
        let first = self.kinds.iter().find(|kind| **kind != Kind::Empty);
        self.at(0) == Kind::Value
            || first == Some(&Kind::Value) && self.count(Kind::Value) * 2 > self.filled()
    }
}

impl Kind {
    pub(super) fn of(text: &str) -> Self {
        match text.trim() {
            "" => Kind::Empty,
            text if is_value(text) => Kind::Value,
            _ => Kind::Text,
        }
    }
}

/// Numbers, dates and times in any usual spelling: at least one digit, and nothing but digits and their punctuation.
pub(crate) fn is_value(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.,:/ %TZ".contains(&byte))
}

/// Where the header seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Index into the sample.
    At(usize),
    /// As `At`, but another record could be it as well.
    Perhaps(usize),
    /// The first record already holds data.
    None,
}

/// Finds the header among the first records.
///
/// It is the first record as wide as most that is filled at least by half: titles and padding above it are sparse or
/// narrow. Where that one has gaps and several columns hold mostly values, it is the last record above these values
/// that has a text in all of those columns. Where that one holds values but one of texts only, no narrower, stands
/// before it (rows with a field missing or too many), it is the latter. A record that begins with a value, or holds mostly
/// values, is data: the file has no header. Where enough texts stand before the record that was found, it is only perhaps the header: it may be a row
/// of data below a header of another width.
pub(super) fn locate(shapes: &[Shape]) -> Place {
    let usual = usual_width(shapes);
    let dense = |shape: &Shape| shape.filled() * 2 >= usual && shape.filled() >= usual.min(2);
    let Some(found) = shapes.iter().position(|shape| shape.width == usual && dense(shape)) else {
        return Place::At(0);
    };
    if shapes[found].filled() < usual
        && let Some(found) = above_values(shapes)
    {
        return Place::At(found);
    }
    let texts = |shape: &Shape| {
        shape.count(Kind::Value) == 0 && shape.filled() * 4 >= shape.width * 3 && dense(shape)
    };
    let holds_values = shapes[found].count(Kind::Value) > 0;
    let earlier = shapes[..found].iter().position(texts);
    match earlier {
        Some(earlier) if holds_values && shapes[earlier].width + 1 >= usual => Place::At(earlier),
        Some(_) => Place::Perhaps(found),
        None if shapes[found].looks_like_data() => Place::None,
        None => Place::At(found),
    }
}

/// The last record that has a text in every column of values, if there are several such columns.
fn above_values(shapes: &[Shape]) -> Option<usize> {
    let width = shapes.iter().map(|shape| shape.kinds.len()).max()?;
    let columns: Vec<usize> = (0..width)
        .filter(|column| {
            let count = |kind| shapes.iter().filter(|shape| shape.at(*column) == kind).count();
            count(Kind::Value) >= 2 && count(Kind::Value) * 10 >= (count(Kind::Value) + count(Kind::Text)) * 6
        })
        .collect();
    let first =
        shapes.iter().position(|shape| columns.iter().any(|column| shape.at(*column) == Kind::Value))?;
    let texts = |shape: &Shape| columns.iter().all(|column| shape.at(*column) == Kind::Text);
    let found = shapes[..first].iter().rposition(texts)?;
    (columns.len() >= 2).then_some(found)
}

/// The most frequent width; of several the one that comes first.
pub(super) fn usual_width(shapes: &[Shape]) -> usize {
    let mut best = (0, 0);
    for shape in shapes {
        let count = shapes.iter().filter(|other| other.width == shape.width).count();
        if count > best.0 {
            best = (count, shape.width);
        }
    }
    best.1
}

/// Makes column names out of the header's texts: white space around them is dropped, empty ones become `column_7`,
/// repeated ones (upper and lower case alike, as in SQL) `name_2`. Each change is a finding.
pub(super) fn name(texts: &[String]) -> (Header, Vec<Finding>) {
    let mut taken: HashSet<String> = OWN_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    // A later column may really be called name_2.
    let given: HashSet<String> = texts.iter().map(|text| folded(text.trim())).collect();
    let (mut names, mut trimmed, mut empty, mut repeated) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (position, text) in (1u64..).zip(texts) {
        let bare = text.trim().replace('\0', "");
        if bare != *text && !bare.is_empty() {
            trimmed.push(position);
        }
        let wanted = if bare.is_empty() { format!("column_{position}") } else { bare.clone() };
        if bare.is_empty() {
            empty.push(position);
        }
        let name = free(&wanted, &taken, &given);
        if name != wanted {
            repeated.push(name.clone());
        }
        taken.insert(folded(&name));
        names.push(name);
    }
    let mut findings = Vec::new();
    let mut note = |rule, positions: &[u64]| {
        if !positions.is_empty() {
            let first = some_of(&positions[..positions.len().min(5)], positions.len() as u64);
            let detail = t!("load.detail.columns", columns = first);
            findings.push(Finding::new(rule, Severity::Info, positions.len() as u64).detail(detail));
        }
    };
    note("header_trimmed", &trimmed);
    note("header_empty", &empty);
    if !repeated.is_empty() {
        let detail = t!("load.detail.columns", columns = repeated.join(", "));
        findings
            .push(Finding::new("header_repeated", Severity::Warning, repeated.len() as u64).detail(detail));
    }
    (Header { names }, findings)
}

/// The failure that no record is where the header should be.
pub(super) fn no_row(file: &SourceFile, source: &str, row: u64, last: Option<u64>) -> anyhow::Error {
    let path = &file.shown;
    let failure = Failure::failed(match last {
        Some(last) => t!("load.no_header_row_beyond", path = path, row = row, last = last),
        None => t!("load.no_header_row", path = path, row = row),
    });
    failure.hint(t!("load.no_header_row_hint", source = source)).into()
}

/// `c1`, `c2` ... for a file without a header.
pub(super) fn numbered(width: usize) -> Header {
    Header { names: (1..=width).map(|number| format!("c{number}")).collect() }
}

fn free(wanted: &str, taken: &HashSet<String>, given: &HashSet<String>) -> String {
    if !taken.contains(&folded(wanted)) {
        return wanted.to_owned();
    }
    (2u64..)
        .map(|number| format!("{wanted}_{number}"))
        .find(|name| !taken.contains(&folded(name)) && !given.contains(&folded(name)))
        .expect("there are more numbers than columns")
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> (Vec<String>, Vec<String>) {
        let (header, findings) = name(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        (header.names, findings.into_iter().map(|finding| finding.rule).collect())
    }

    #[test]
    fn every_column_gets_a_name_of_its_own() {
        let (names, rules) = names(&["id", " name ", "", "ID", "name_2", "name", "_row", ""]);
        assert_eq!(names, ["id", "name", "column_3", "ID_2", "name_2", "name_3", "_row_2", "column_8"]);
        assert_eq!(rules, ["header_trimmed", "header_empty", "header_repeated"]);
    }

    fn place(records: &[&[&str]]) -> Place {
        locate(&records.iter().map(|record| Shape::of(record.iter().copied())).collect::<Vec<_>>())
    }

    #[test]
    fn titles_and_padding_are_not_the_header() {
        assert_eq!(place(&[&["id", "name"], &["1", "x"]]), Place::At(0));
        assert_eq!(place(&[&["Report"], &["", "", ""], &["a", "b", "c"], &["1", "2", "3"]]), Place::At(2));
        assert_eq!(
            place(&[&["Title", "", "", ""], &["Year", "2000", "2001", "2002"], &["x", "1", "2", "3"]]),
            Place::At(1)
        );
        assert_eq!(place(&[&["id", "", "age"], &["1", "b", "3"]]), Place::At(0));
    }

    #[test]
    fn of_several_full_rows_the_last_above_the_values_is_the_header() {
        let rows: &[&[&str]] = &[
            &["at", "the", "top", "", "of", "all"],
            &["or", "merging", "", "", "", "cells"],
            &["Name", "Job", "Age", "Kids", "Born", "Died"],
            &["A", "x", "69", "1", "08/01/1947", "10/01/2016"],
            &["B", "y", "60", "0", "21/10/1956", ""],
            &["C", "x", "61", "0", "1/1/1955", "1/2/2016"],
            &["D", "y", "62", "0", "1/1/1954", "2/2/2016"],
            &["E", "x", "63", "1", "1/1/1953", "3/2/2016"],
            &["note", "", "", "", "", ""],
        ];
        assert_eq!(place(rows), Place::At(2));
        // A row of data without its values does not pass for a header.
        let texts: &[&[&str]] = &[
            &["n", "m", "note"],
            &["none", "none", "x"],
            &["1", "2", "y"],
            &["3", "4", "z"],
            &["5", "6", "z"],
        ];
        assert_eq!(place(texts), Place::At(0));
        assert_eq!(
            place(&[&["id", "age", "tel"], &["a", "", "none"], &["b", "1", "2"], &["c", "1", "2"]]),
            Place::At(0)
        );
    }

    #[test]
    fn a_header_wider_than_its_rows_is_still_the_header() {
        assert_eq!(
            place(&[&["id", "name", "", "name"], &["1", "x"], &["1", "x"], &["2", "y", "1", "2", "3"]]),
            Place::At(0)
        );
    }

    #[test]
    fn a_file_may_begin_with_data() {
        assert_eq!(place(&[&["1", "null", "0"], &["2", "0", "null"]]), Place::None);
        assert_eq!(place(&[&["01/02/2024", "12,50"], &["02/02/2024", "9,00"]]), Place::None);
        let row: &[&str] = &["1001", "Maria", "Gil", "1980-01-02"];
        assert_eq!(place(&[row, row, row]), Place::None);
    }

    #[test]
    fn a_data_row_never_becomes_the_header_for_a_delimiter_too_many() {
        assert_eq!(place(&[&["id", "name"], &["1", "Ana", ""], &["2", "Eva", ""]]), Place::At(0));
    }

    #[test]
    fn below_a_header_of_another_width_no_row_of_data_is_sure_to_be_one() {
        let names: &[&str] = &["id", "name", "note"];
        let row: &[&str] = &["1", "Ana", "a", "b", "c"];
        assert_eq!(place(&[names, row, row]), Place::Perhaps(1));
        let row: &[&str] = &["Ana", "Gil", "a", "b", "c"];
        assert_eq!(place(&[names, row, row]), Place::Perhaps(1));
        assert_eq!(place(&[&["Report", "2024"], row, row]), Place::At(1));
    }

    #[test]
    fn what_is_a_value() {
        for value in ["1", "1.157,03", "01/02/2024", "2024-01-01T10:00:00Z", "-5 %"] {
            assert!(is_value(value), "{value}");
        }
        for text in ["", "Ana", "-", "T", "calle 5"] {
            assert!(!is_value(text), "{text}");
        }
    }
}
