//! A row's values as text.

use std::fmt::Write as _;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::sources::digits::integer;

/// What a value is, whatever its column was declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Integer,
    Real,
    Text,
    Blob,
    /// A text whose bytes are not UTF-8; they come as `\x` hex, as a blob's do.
    Bytes,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Null, Self::Integer, Self::Real, Self::Text, Self::Blob, Self::Bytes];

    pub(super) fn of(value: &ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(_) => Self::Integer,
            ValueRef::Real(_) => Self::Real,
            ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err() => Self::Bytes,
            ValueRef::Text(_) => Self::Text,
            ValueRef::Blob(_) => Self::Blob,
        }
    }

    /// As `_type_<column>` has it: SQLite's `typeof`, and `bytes`.
    pub(super) fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Null => return None,
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Text => "text",
            Self::Blob => "blob",
            Self::Bytes => "bytes",
        })
    }
}

/// One row: its texts one behind the other.
pub(super) struct Cells {
    text: String,
    /// Where each cell ends, and what it is.
    cells: Vec<(usize, Kind)>,
}

impl Cells {
    pub(super) fn new(width: usize) -> Self {
        Self { text: String::new(), cells: vec![(0, Kind::Null); width] }
    }

    pub(super) fn take(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        self.text.clear();
        for place in 0..self.cells.len() {
            let kind = append(&mut self.text, &row.get_ref(place)?);
            self.cells[place] = (self.text.len(), kind);
        }
        Ok(())
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = Option<&str>> {
        let starts = std::iter::once(0).chain(self.cells.iter().map(|(end, _)| *end));
        let spans = starts.zip(&self.cells);
        spans.map(|(start, (end, kind))| (*kind != Kind::Null).then(|| &self.text[start..*end]))
    }

    pub(super) fn kind(&self, place: usize) -> Option<&str> {
        self.cells[place].1.name()
    }
}

fn append(text: &mut String, value: &ValueRef<'_>) -> Kind {
    // Writing into a String does not fail.
    let _ = match value {
        ValueRef::Null => Ok(()),
        ValueRef::Integer(number) => {
            integer(*number, text);
            return Kind::Integer;
        }
        ValueRef::Real(number) if number.is_infinite() => {
            write!(text, "{}Infinity", if *number < 0.0 { "-" } else { "" })
        }
        // The fewest figures that give the same number again; a whole one keeps its point.
        ValueRef::Real(number) => write!(text, "{number:?}"),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(valid) => {
                text.push_str(valid);
                return Kind::Text;
            }
            Err(_) => hex(text, bytes),
        },
        ValueRef::Blob(bytes) => hex(text, bytes),
    };
    Kind::of(value)
}

/// `\x` and two figures a byte, as PostgreSQL writes bytea.
fn hex(text: &mut String, bytes: &[u8]) -> std::fmt::Result {
    const FIGURES: &[u8; 16] = b"0123456789abcdef";
    text.reserve(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        text.push(char::from(FIGURES[usize::from(byte >> 4)]));
        text.push(char::from(FIGURES[usize::from(byte & 15)]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: ValueRef<'_>) -> (String, Kind) {
        let mut text = String::new();
        let kind = append(&mut text, &value);
        (text, kind)
    }

    #[test]
    fn values_are_written_so_that_they_come_back() {
        for number in [0.1, -0.0, 1.0, 5e-324, f64::MAX, 1e21, 2_459_945.75, 1.0 / 3.0] {
            let (written, kind) = text(ValueRef::Real(number));
            assert_eq!((written.parse::<f64>().unwrap().to_bits(), kind), (number.to_bits(), Kind::Real));
            assert!(written.contains(['.', 'e']), "{written} could be an integer");
        }
        assert_eq!(text(ValueRef::Real(f64::NEG_INFINITY)).0, "-Infinity");
        assert_eq!(text(ValueRef::Integer(i64::MIN)).0, "-9223372036854775808");
        assert_eq!(text(ValueRef::Blob(b"\x00\xffA")), ("\\x00ff41".to_owned(), Kind::Blob));
        assert_eq!(text(ValueRef::Text(b"a\0b")), ("a\0b".to_owned(), Kind::Text));
        assert_eq!(text(ValueRef::Text(b"I\xf1aki")), ("\\x49f1616b69".to_owned(), Kind::Bytes));
        assert_eq!(text(ValueRef::Text(b"")), (String::new(), Kind::Text));
    }
}
