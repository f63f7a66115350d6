//! Collects records into Arrow batches: one text column a header name, then `_id`.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Result;
use duckdb::arrow::array::{ArrayRef, Int64Array, StringBuilder};
use duckdb::arrow::datatypes::{DataType, Field, Schema};
use duckdb::arrow::record_batch::RecordBatch;
use rust_i18n::t;

use super::census::has_surrogates;
use super::header::ID_COLUMN;
use super::parser::Record;
use super::{Emit, Finding, Portion, Refusal, Severity, Totals};
use crate::config::Empty;
use crate::error::Failure;

const ROWS: usize = 16_384;
/// A batch is handed on earlier when its texts reach this size.
const BYTES: usize = 8 << 20;
const REFUSALS: usize = 4096;

/// Which file of which source, and how its rows are numbered.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Position of the source in clinic.toml, from 1.
    pub source_number: u64,
    /// Position of the file among the source's, from 1.
    pub file_number: u64,
    /// As `_file` holds it.
    pub shown: String,
}

impl Origin {
    /// The `_id` of a record: source (13 bits), file (14 bits), record (36 bits).
    fn id(&self, record: u64) -> Result<i64> {
        let fits = self.source_number < 1 << 13 && self.file_number < 1 << 14 && record < 1 << 36;
        if !fits {
            return Err(Failure::failed(t!("load.too_many", path = self.shown)).into());
        }
        Ok((self.source_number << 50 | self.file_number << 36 | record) as i64)
    }
}

/// Turns records into batches and refusals.
pub(super) struct Batcher<'a> {
    origin: &'a Origin,
    empty: Empty,
    schema: Arc<Schema>,
    columns: Vec<StringBuilder>,
    ids: Vec<i64>,
    bytes: usize,
    refusals: Vec<Refusal>,
    destroyed: Vec<Destroyed>,
    nuls: Nuls,
    /// Number of the record seen last.
    pub(super) record: u64,
    totals: Totals,
}

/// Records that hold a NUL.
#[derive(Debug, Default)]
struct Nuls {
    count: u64,
    /// The first one's number.
    record: u64,
    /// The first one's line in delimited text, whose encoding may explain them.
    line: Option<u64>,
}

/// Codes that a spreadsheet turned into `1.24E+14`, in one column.
#[derive(Debug, Default, Clone)]
struct Destroyed {
    count: u64,
    first: String,
}

impl<'a> Batcher<'a> {
    pub(super) fn new(origin: &'a Origin, names: &[String], empty: Empty) -> Self {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let fields =
            names.iter().map(|name| text(name)).chain([Field::new(ID_COLUMN, DataType::Int64, false)]);
        Self {
            origin,
            empty,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            columns: names.iter().map(|_| StringBuilder::new()).collect(),
            ids: Vec::with_capacity(ROWS),
            bytes: 0,
            refusals: Vec::new(),
            destroyed: vec![Destroyed::default(); names.len()],
            nuls: Nuls::default(),
            record: 0,
            totals: Totals::default(),
        }
    }

    /// Takes a record of delimited text, or refuses it.
    pub(super) fn push(&mut self, record: &Record, emit: &mut Emit<'_>) -> Result<()> {
        self.record += 1;
        if let Some(fault) = record.fault {
            let lines = (record.last_line > record.first_line).then(|| {
                t!("load.detail.lines", first = record.first_line, last = record.last_line).into_owned()
            });
            return self.refuse_record(record.first_line, fault.reason(), lines, emit);
        }
        let (bytes, ends) = record.parts();
        if ends.len() != self.columns.len() {
            let detail = t!("load.detail.ragged", fields = ends.len(), header = self.columns.len());
            return self.refuse_record(record.first_line, "ragged_row", Some(detail.into_owned()), emit);
        }
        let Some(text) = valid(bytes, ends) else {
            let surrogates = has_surrogates(bytes).then(|| t!("load.detail.surrogates").into_owned());
            return self.refuse_record(record.first_line, "undecodable_bytes", surrogates, emit);
        };
        if memchr::memchr(0, bytes).is_some() {
            self.note_nul(Some(record.first_line));
        }
        let mut start = 0;
        for (column, end) in ends.iter().enumerate() {
            let value = &text[start..*end];
            start = *end;
            if value.is_empty() && self.empty == Empty::Null && !record.quoted(column) {
                self.columns[column].append_null();
            } else {
                self.columns[column].append_value(value);
                if destroyed(value) {
                    self.note_destroyed(column, || record.first_line.to_string());
                }
            }
        }
        self.end_row(text.len(), emit)
    }

    /// Takes a row of cells; `address` names a column's cell.
    pub(super) fn push_cells<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c str>>,
        address: impl Fn(usize) -> String,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        self.record += 1;
        let (mut bytes, mut nul) = (0, false);
        for (column, cell) in cells.enumerate() {
            self.columns[column].append_option(cell);
            let Some(text) = cell else { continue };
            bytes += text.len();
            nul |= memchr::memchr(0, text.as_bytes()).is_some();
            if destroyed(text) {
                self.note_destroyed(column, || address(column));
            }
        }
        if nul {
            self.note_nul(None);
        }
        self.end_row(bytes, emit)
    }

    /// Takes a document's values, and whether each was a text in which a NUL or a rounded code may stand.
    pub(super) fn push_values<'c>(
        &mut self,
        values: impl Iterator<Item = (Option<Cow<'c, str>>, bool)>,
        line: u64,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        self.record += 1;
        let (mut bytes, mut has_nul) = (0, false);
        for (column, (value, is_text)) in values.enumerate() {
            self.columns[column].append_option(value.as_deref());
            let Some(text) = value else { continue };
            bytes += text.len();
            if is_text {
                has_nul |= memchr::memchr(0, text.as_bytes()).is_some();
                if destroyed(&text) {
                    self.note_destroyed(column, || line.to_string());
                }
            }
        }
        if has_nul {
            self.note_nul(None);
        }
        self.end_row(bytes, emit)
    }

    fn note_nul(&mut self, line: Option<u64>) {
        if self.nuls.count == 0 {
            (self.nuls.record, self.nuls.line) = (self.record, line);
        }
        self.nuls.count += 1;
    }

    /// Refuses the record that comes next.
    pub(super) fn refuse_next(
        &mut self,
        line: u64,
        reason: &'static str,
        detail: Option<String>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        self.record += 1;
        self.refuse_record(line, reason, detail, emit)
    }

    /// Notes a code that cannot be what it was.
    pub(super) fn note_destroyed(&mut self, column: usize, place: impl FnOnce() -> String) {
        let destroyed = &mut self.destroyed[column];
        if destroyed.count == 0 {
            destroyed.first = place();
        }
        destroyed.count += 1;
    }

    /// Notes a refusal; one without a record number is a cell's, whose record is kept.
    pub(super) fn refuse(&mut self, refusal: Refusal, emit: &mut Emit<'_>) -> Result<()> {
        self.totals.refused += u64::from(refusal.record.is_some());
        self.totals.cells += u64::from(refusal.record.is_none());
        self.refusals.push(refusal);
        if self.refusals.len() >= REFUSALS {
            emit(Portion::Refused(std::mem::take(&mut self.refusals)))?;
        }
        Ok(())
    }

    fn refuse_record(
        &mut self,
        line: u64,
        reason: &'static str,
        detail: Option<String>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        self.refuse(Refusal { record: Some(self.record), line, cell: None, reason, detail }, emit)
    }

    fn end_row(&mut self, bytes: usize, emit: &mut Emit<'_>) -> Result<()> {
        self.ids.push(self.origin.id(self.record)?);
        self.totals.rows += 1;
        self.bytes += bytes;
        if self.ids.len() >= ROWS || self.bytes >= BYTES {
            self.flush(emit)?;
        }
        Ok(())
    }

    fn flush(&mut self, emit: &mut Emit<'_>) -> Result<()> {
        let count = self.ids.len();
        if count > 0 {
            let mut arrays: Vec<ArrayRef> =
                self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
            arrays
                .push(Arc::new(Int64Array::from(std::mem::replace(&mut self.ids, Vec::with_capacity(ROWS)))));
            self.bytes = 0;
            emit(Portion::Rows(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?))?;
        }
        if !self.refusals.is_empty() {
            emit(Portion::Refused(std::mem::take(&mut self.refusals)))?;
        }
        Ok(())
    }

    /// Hands on what is left.
    pub(super) fn finish(mut self, emit: &mut Emit<'_>) -> Result<Totals> {
        self.flush(emit)?;
        if self.nuls.count > 0 {
            let detail = match self.nuls.line {
                Some(line) => t!("load.detail.nul_bytes", line = line),
                None => t!("load.detail.nul_values", record = self.nuls.record),
            };
            let finding = Finding::new("nul_bytes", Severity::Critical, self.nuls.count);
            self.totals.findings.push(finding.detail(detail));
        }
        for (column, destroyed) in
            self.destroyed.iter().enumerate().filter(|(_, destroyed)| destroyed.count > 0)
        {
            let detail = t!("load.detail.first_at", place = destroyed.first);
            let finding = Finding::new("destroyed_code", Severity::Warning, destroyed.count);
            self.totals.findings.push(finding.column(self.schema.field(column).name()).detail(detail));
        }
        Ok(self.totals)
    }
}

/// The record as text, if every single field of it is UTF-8: two halves of a character must not meet over a delimiter.
fn valid<'t>(bytes: &'t [u8], ends: &[usize]) -> Option<&'t str> {
    let text = std::str::from_utf8(bytes).ok()?;
    ends.iter().all(|end| text.is_char_boundary(*end)).then_some(text)
}

/// Whether this is how spreadsheets show a number too long for its cell: `1.24E+14`.
fn destroyed(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(at) = bytes.len().checked_sub(4) else { return false };
    if bytes[at + 1] != b'+' || bytes[at] != b'E' {
        return false;
    }
    let (mantissa, power) = (&bytes[..at], &bytes[at + 2..]);
    let whole = mantissa.first().is_some_and(|digit| matches!(digit, b'1'..=b'9'));
    let rest = match mantissa.get(1) {
        None => true,
        Some(b'.' | b',') => mantissa.len() > 2 && mantissa[2..].iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    whole && rest && power.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_character_in_two_fields_are_not_text() {
        assert!(valid("aé".as_bytes(), &[1, 3]).is_some());
        assert!(valid("aé".as_bytes(), &[2, 3]).is_none());
        assert!(valid(b"a\xff", &[2]).is_none());
    }

    #[test]
    fn destroyed_codes_are_recognised() {
        for code in ["1.24E+14", "6,12E+08", "7E+10", "1.23456E+11"] {
            assert!(destroyed(code), "{code}");
        }
        for text in
            ["", "E+14", "1.24E-14", "1.24e+14", "12.4E+14", "CODE+12", "1.E+14", "1.2xE+14", "1.24E+1"]
        {
            assert!(!destroyed(text), "{text}");
        }
    }

    #[test]
    fn ids_hold_source_file_and_record() {
        let origin = Origin { source_number: 3, file_number: 2, shown: "x".to_owned() };
        assert_eq!(origin.id(7).unwrap(), (3 << 50) + (2 << 36) + 7);
        assert!(origin.id(1 << 36).is_err());
    }
}
