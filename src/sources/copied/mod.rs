//! What PostgreSQL answered, kept in a file: a line that names the columns and how many records the server itself counted,
//! then its rows as `COPY ... TO STDOUT (FORMAT binary)` gives them.
//!
//! PostgreSQL documentation, chapter "COPY", section "Binary Format". Nothing in it depends on when it was asked: the same
//! rows make the same file.

mod flow;
mod input;
mod value;

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

pub use flow::Flow;
pub use value::Wire;

use self::flow::Following;
use self::input::Input;

use super::batch::{Batcher, Origin};
use super::dialect::PostgresDialect;
use super::files::SourceFile;
use super::header::{self, Header};
use super::survey::{Fingerprint, Survey};
use super::{Emit, Finding, Portion, Refusal, Severity, Totals};
use crate::config::Empty;
use crate::error::{Failure, interrupt};

/// How an extract begins.
pub(super) const MAGIC: &[u8] = b"trasvase postgresql 1\n";
/// How a binary COPY begins: signature, no flags, no header extension.
pub const SIGNATURE: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends: a row of -1 fields.
pub const TRAILER: &[u8; 2] = b"\xff\xff";

/// Progress is told, and an interrupt seen, once in so many rows.
const STEP: u64 = 8192;

/// What the first lines say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The table, as SQL names it; none for a query.
    pub table: Option<String>,
    pub columns: Vec<Column>,
    /// `count(*)` in the same snapshot.
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// As PostgreSQL calls it.
    #[serde(rename = "type")]
    pub kind: String,
    pub wire: Wire,
}

impl Head {
    /// Writes what stands before the rows.
    pub fn write(&self, output: &mut impl Write) -> Result<()> {
        output.write_all(MAGIC)?;
        serde_json::to_writer(&mut *output, self)?;
        output.write_all(b"\n")?;
        Ok(())
    }
}

/// An extract that is ready to be read.
pub struct Copied {
    file: SourceFile,
    pub(super) dialect: PostgresDialect,
    pub(super) header: Header,
    pub(super) findings: Vec<Finding>,
    head: Head,
    fingerprint: Fingerprint,
    /// While it is written.
    flow: Option<Arc<Flow>>,
}

impl Copied {
    pub(super) fn open(file: &SourceFile, survey: &Survey) -> Result<Self> {
        let flow = survey.flow.clone();
        let (head, _) = begin(file, flow.as_ref())?;
        let names: Vec<String> = head.columns.iter().map(|column| column.name.clone()).collect();
        let (header, findings) = header::name(&names);
        let types = head.columns.iter().map(|column| column.kind.clone()).collect();
        let dialect = PostgresDialect { table: head.table.clone(), types };
        let fingerprint = survey.fingerprint.clone();
        Ok(Self { file: file.clone(), dialect, header, findings, head, fingerprint, flow })
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let (_, mut input) = begin(&self.file, self.flow.as_ref())?;
        if !input.passes(SIGNATURE)? {
            return Err(damaged(&self.file, "no COPY"));
        }
        let mut rows = Rows { input, file: &self.file, passed: SIGNATURE.len() as u64 };
        let mut batcher = Batcher::new(origin, &self.header.names, Empty::Text);
        let mut row = Row::new(self.head.columns.len());
        while rows.next(&mut row)? {
            match row.decode(rows.input.rest(), &self.head.columns) {
                Ok(()) => {
                    let record = batcher.record + 1;
                    batcher.push_cells(row.cells(), |_| record.to_string(), emit)?;
                }
                Err(column) => {
                    batcher.record += 1;
                    let record = batcher.record;
                    let detail = Some(self.header.names[column].clone());
                    let reason = "undecodable_bytes";
                    batcher.refuse(
                        Refusal { record: Some(record), line: record, cell: None, reason, detail },
                        emit,
                    )?;
                }
            }
            rows.pass(&row);
            if batcher.record.is_multiple_of(STEP) {
                interrupt::check()?;
                emit(Portion::Progress(std::mem::take(&mut rows.passed)))?;
            }
        }
        emit(Portion::Progress(rows.passed))?;
        let mut totals = batcher.finish(emit)?;
        if totals.rows + totals.refused == 0 {
            let finding = Finding::new("no_records", Severity::Warning, 1);
            totals.findings.push(finding.detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    /// What the server counted in the snapshot from which the rows came; and the file's hash, which is not taken again: the
    /// file is this program's own, and it is looked at whether it was written to. One that is still written is waited for.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        let fingerprint = match &self.flow {
            Some(flow) => flow.wait()?,
            None => self.fingerprint.clone(),
        };
        Ok((self.head.count, fingerprint))
    }
}

/// Opens an extract up to where its rows begin.
fn begin(file: &SourceFile, flow: Option<&Arc<Flow>>) -> Result<(Head, Input)> {
    let unreadable =
        |error: std::io::Error| Failure::failed(t!("load.cannot_read", path = file.shown, error = error));
    let bytes: Box<dyn Read> = match flow {
        Some(flow) => Box::new(Following::open(flow, &file.path).map_err(unreadable)?),
        None => Box::new(File::open(&file.path).map_err(unreadable)?),
    };
    let mut input = Input::new(bytes);
    let head = match (input.line().map_err(unreadable)?, input.line().map_err(unreadable)?) {
        (Some(_), Some(line)) => serde_json::from_slice(&line).ok(),
        _ => None,
    };
    Ok((head.ok_or_else(|| damaged(file, "no header"))?, input))
}

fn damaged(file: &SourceFile, what: &str) -> anyhow::Error {
    Failure::failed(t!("load.damaged_extract", path = file.shown, what = what))
        .hint(t!("load.damaged_extract_hint"))
        .into()
}

/// The rows' bytes.
struct Rows<'a> {
    input: Input,
    file: &'a SourceFile,
    /// Bytes since progress was told last.
    passed: u64,
}

impl Rows<'_> {
    /// Makes sure that so many bytes are there.
    fn need(&mut self, length: usize) -> Result<()> {
        match self.input.need(length) {
            Ok(true) => Ok(()),
            _ => Err(damaged(self.file, "it ends too early")),
        }
    }

    /// Finds the fields of the next row; false at the end, which must be the file's.
    fn next(&mut self, row: &mut Row) -> Result<bool> {
        self.need(2)?;
        let count = [self.input.rest()[0], self.input.rest()[1]];
        if count == *TRAILER {
            let goes_on = self.input.need(3).map_err(|_| damaged(self.file, "it ends too early"))?;
            return if goes_on { Err(damaged(self.file, "it goes on after its end")) } else { Ok(false) };
        }
        if usize::from(u16::from_be_bytes(count)) != row.fields.len() {
            return Err(damaged(self.file, "a row has another number of fields"));
        }
        let mut at = 2;
        for field in &mut row.fields {
            self.need(at + 4)?;
            let length = self.input.rest()[at..at + 4].try_into().map_or(-2, i32::from_be_bytes);
            at += 4;
            *field = match length {
                -1 => None,
                length => {
                    let length = usize::try_from(length).map_err(|_| damaged(self.file, "a bad length"))?;
                    self.need(at + length)?;
                    at += length;
                    Some((at - length, at))
                }
            };
        }
        row.length = at;
        Ok(true)
    }

    fn pass(&mut self, row: &Row) {
        self.input.pass(row.length);
        self.passed += row.length as u64;
    }
}

/// One row: where its fields lie in what was read, and its texts.
struct Row {
    fields: Vec<Option<(usize, usize)>>,
    length: usize,
    text: String,
    texts: Vec<Option<(usize, usize)>>,
}

impl Row {
    fn new(columns: usize) -> Self {
        let none = vec![None; columns];
        Self { fields: none.clone(), length: 0, text: String::new(), texts: none }
    }

    /// Turns every field into text; the column whose bytes are none, if there is one.
    fn decode(&mut self, bytes: &[u8], columns: &[Column]) -> Result<(), usize> {
        self.text.clear();
        for (place, column) in columns.iter().enumerate() {
            let start = self.text.len();
            self.texts[place] = match self.fields[place] {
                None => None,
                Some((from, to)) => {
                    column.wire.append(&bytes[from..to], &mut self.text).ok_or(place)?;
                    Some((start, self.text.len()))
                }
            };
        }
        Ok(())
    }

    fn cells(&self) -> impl Iterator<Item = Option<&str>> {
        self.texts.iter().map(|text| text.map(|(from, to)| &self.text[from..to]))
    }
}
