//! What PostgreSQL answered, kept in a file: a line that names the columns and how many records the server itself counted,
//! then its rows as `COPY ... TO STDOUT (FORMAT binary)` gives them.
//!
//! PostgreSQL documentation, chapter "COPY", section "Binary Format". Nothing in it depends on when it was asked: the same
//! rows make the same file.

mod value;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::{Deserialize, Serialize};

pub use value::Wire;

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

const BLOCK: usize = 1 << 20;
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
}

impl Copied {
    pub(super) fn open(file: &SourceFile, survey: &Survey) -> Result<Self> {
        let (head, _) = begin(file)?;
        let names: Vec<String> = head.columns.iter().map(|column| column.name.clone()).collect();
        let (header, findings) = header::name(&names);
        let types = head.columns.iter().map(|column| column.kind.clone()).collect();
        let dialect = PostgresDialect { table: head.table.clone(), types };
        let fingerprint = survey.fingerprint.clone();
        Ok(Self { file: file.clone(), dialect, header, findings, head, fingerprint })
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let (_, input) = begin(&self.file)?;
        let mut input = Rows { input, file: &self.file, passed: 0 };
        let mut signature = [0; SIGNATURE.len()];
        input.fill(&mut signature)?;
        if signature != *SIGNATURE {
            return Err(damaged(&self.file, "no COPY"));
        }
        let mut batcher = Batcher::new(origin, &self.header.names, Empty::Text);
        let mut row = Row::new(self.head.columns.len());
        while input.next(&mut row)? {
            match row.decode(&self.head.columns) {
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
            if batcher.record.is_multiple_of(STEP) {
                interrupt::check()?;
                emit(Portion::Progress(std::mem::take(&mut input.passed)))?;
            }
        }
        emit(Portion::Progress(input.passed))?;
        let mut totals = batcher.finish(emit)?;
        if totals.rows + totals.refused == 0 {
            let finding = Finding::new("no_records", Severity::Warning, 1);
            totals.findings.push(finding.detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    /// What the server counted in the snapshot from which the rows came; and the file's hash, which is not taken again: the
    /// file is this program's own, and it is looked at whether it was written to.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        Ok((self.head.count, self.fingerprint.clone()))
    }
}

/// Opens an extract up to where its rows begin.
fn begin(file: &SourceFile) -> Result<(Head, BufReader<File>)> {
    let unreadable =
        |error: std::io::Error| Failure::failed(t!("load.cannot_read", path = file.shown, error = error));
    let mut input = BufReader::with_capacity(BLOCK, File::open(&file.path).map_err(unreadable)?);
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).map_err(unreadable)?;
    line.clear();
    input.read_until(b'\n', &mut line).map_err(unreadable)?;
    let head = serde_json::from_slice(&line).ok().context("no header");
    Ok((head.map_err(|_| damaged(file, "no header"))?, input))
}

fn damaged(file: &SourceFile, what: &str) -> anyhow::Error {
    Failure::failed(t!("load.damaged_extract", path = file.shown, what = what))
        .hint(t!("load.damaged_extract_hint"))
        .into()
}

/// The rows' bytes.
struct Rows<'a> {
    input: BufReader<File>,
    file: &'a SourceFile,
    /// Bytes since progress was told last.
    passed: u64,
}

impl Rows<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.input.read_exact(bytes).map_err(|_| damaged(self.file, "it ends too early"))?;
        self.passed += bytes.len() as u64;
        Ok(())
    }

    /// Appends so many bytes; a damaged length must not take memory for nothing.
    fn append(&mut self, bytes: &mut Vec<u8>, length: usize) -> Result<()> {
        let start = bytes.len();
        if length <= BLOCK {
            bytes.resize(start + length, 0);
            let read = self.input.read_exact(&mut bytes[start..]);
            return read.map_err(|_| damaged(self.file, "it ends too early"));
        }
        match self.input.by_ref().take(length as u64).read_to_end(bytes)? {
            taken if taken == length => Ok(()),
            _ => Err(damaged(self.file, "it ends too early")),
        }
    }

    /// Reads the next row; false at the end, which must be the file's.
    fn next(&mut self, row: &mut Row) -> Result<bool> {
        let mut count = [0; 2];
        self.fill(&mut count)?;
        if count == *TRAILER {
            let more = self.input.read(&mut [0])?;
            return if more == 0 { Ok(false) } else { Err(damaged(self.file, "it goes on after its end")) };
        }
        if usize::from(u16::from_be_bytes(count)) != row.fields.len() {
            return Err(damaged(self.file, "a row has another number of fields"));
        }
        row.bytes.clear();
        for place in 0..row.fields.len() {
            let mut length = [0; 4];
            self.fill(&mut length)?;
            let start = row.bytes.len();
            row.fields[place] = match i32::from_be_bytes(length) {
                -1 => None,
                length => {
                    let length = usize::try_from(length).map_err(|_| damaged(self.file, "a bad length"))?;
                    self.append(&mut row.bytes, length)?;
                    self.passed += length as u64;
                    Some((start, start + length))
                }
            };
        }
        Ok(true)
    }
}

/// One row: its bytes as they came, and its texts.
struct Row {
    bytes: Vec<u8>,
    fields: Vec<Option<(usize, usize)>>,
    text: String,
    texts: Vec<Option<(usize, usize)>>,
}

impl Row {
    fn new(columns: usize) -> Self {
        let none = vec![None; columns];
        Self { bytes: Vec::new(), fields: none.clone(), text: String::new(), texts: none }
    }

    /// Turns every field into text; the column whose bytes are none, if there is one.
    fn decode(&mut self, columns: &[Column]) -> Result<(), usize> {
        self.text.clear();
        for (place, column) in columns.iter().enumerate() {
            let start = self.text.len();
            self.texts[place] = match self.fields[place] {
                None => None,
                Some((from, to)) => {
                    column.wire.append(&self.bytes[from..to], &mut self.text).ok_or(place)?;
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
