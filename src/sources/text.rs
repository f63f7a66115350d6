//! Delimited text: from the survey to batches.

use std::borrow::Cow;

use anyhow::Result;
use rust_i18n::t;

use super::batch::{Batcher, Origin};
use super::census;
use super::count::Counter;
use super::decode::Decoded;
use super::detect::{self, Sampled};
use super::dialect::TextDialect;
use super::encoding::{self, Coding};
use super::files::SourceFile;
use super::header::{self, Header, Place};
use super::parser::{Parser, Record};
use super::survey::{self, Fingerprint, Survey};
use super::{Dialect, Emit, Finding, Frozen, Portion, Severity, Totals, some_of};
use crate::config::{Empty, SourceConfig};
use crate::error::{Failure, interrupt};

/// Decoded bytes that are looked at for dialect and header.
const SAMPLE: usize = 128 * 1024;
const RECORDS: usize = 100;

/// A text file that is ready to be read.
pub struct Text {
    file: SourceFile,
    coding: Coding,
    pub(super) dialect: TextDialect,
    pub(super) header: Header,
    empty: Empty,
    /// Records before the first data record.
    head: u64,
    pub(super) findings: Vec<Finding>,
}

/// A reading of the sample under one dialect.
struct Reading {
    dialect: TextDialect,
    header: Header,
    head: usize,
    findings: Vec<Finding>,
}

impl Text {
    pub(super) fn open(
        file: &SourceFile,
        survey: &Survey,
        config: &SourceConfig,
        frozen: &Frozen,
    ) -> Result<Self> {
        let was = match &frozen.dialect {
            Some(Dialect::Text(dialect)) => Some(dialect),
            _ => None,
        };
        let (coding, mut findings) =
            encoding::decide(file, survey, config, &frozen.source, was.map(|was| was.encoding.as_str()))?;
        let sample = Sample::take(file, &frozen.source, coding)?;
        let mut encoding = encoding::name(coding, survey);
        if let (encoding::ASCII, Some(was)) = (encoding.as_str(), was)
            && !was.encoding.starts_with("utf-16")
        {
            // A file without special characters does not unsettle what those before it were in.
            encoding.clone_from(&was.encoding);
        }
        let detected = sample.detect(config, &encoding);
        let (reading, drift) = match was {
            None => (detected?, None),
            Some(was) => sample.thaw(&TextDialect { encoding, ..was.clone() }, detected, frozen)?,
        };
        findings.extend(reading.findings);
        findings.extend(drift);
        // Old programs write text and call it .xls: nothing is wrong with that, but people wonder.
        let extension =
            file.path.extension().map(|text| text.to_string_lossy().to_lowercase()).unwrap_or_default();
        if ["xls", "xlsx", "xlsm", "xlsb", "ods"].contains(&extension.as_str()) {
            findings
                .push(Finding::new("text_in_spreadsheet_name", Severity::Info, 1).detail(file.shown.clone()));
        }
        Ok(Self {
            file: file.clone(),
            coding,
            dialect: reading.dialect,
            header: reading.header,
            empty: config.empty,
            head: reading.head as u64,
            findings,
        })
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let mut decoded = Decoded::open(&self.file, self.coding)?;
        let mut parser = Parser::new(&self.dialect);
        let mut batcher = Batcher::new(origin, &self.header.names, self.empty);
        let mut head = self.head;
        let mut done = 0;
        loop {
            let Some(block) = decoded.next()? else { break };
            parser.feed(block, &mut |record: &Record| take(record, &mut head, &mut batcher, emit))?;
            emit(Portion::Progress(decoded.bytes() - done))?;
            done = decoded.bytes();
        }
        parser.finish(&mut |record: &Record| take(record, &mut head, &mut batcher, emit))?;
        let blank = parser.blank_lines;
        let records = batcher.record;
        let mut totals = batcher.finish(emit)?;
        if blank > 0 {
            totals.findings.push(Finding::new("blank_lines", Severity::Info, blank));
        }
        if records == 0 {
            totals
                .findings
                .push(Finding::new("no_records", Severity::Warning, 1).detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    /// Reads as far as the record.
    pub(super) fn line_of(&self, record: u64) -> Result<Option<u64>> {
        let mut decoded = Decoded::open(&self.file, self.coding)?;
        let mut parser = Parser::new(&self.dialect);
        let mut before = self.head + record;
        let mut take = |found: &Record| {
            before = before.saturating_sub(1);
            if before == 0 { Err(found.first_line) } else { Ok(()) }
        };
        while let Some(block) = decoded.next()? {
            interrupt::check()?;
            if let Err(line) = parser.feed(block, &mut take) {
                return Ok(Some(line));
            }
        }
        Ok(parser.finish(&mut take).err())
    }

    /// Counts the data records from quote to quote and line end to line end.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        let mut decoded = Decoded::open(&self.file, self.coding)?.hashed();
        let mut counter = Counter::new(&self.dialect.bytes());
        while let Some(block) = decoded.next()? {
            counter.feed(block);
            interrupt::check()?;
        }
        Ok((counter.finish().saturating_sub(self.head), decoded.fingerprint()))
    }
}

fn take(record: &Record, head: &mut u64, batcher: &mut Batcher<'_>, emit: &mut Emit<'_>) -> Result<()> {
    if *head > 0 {
        *head -= 1;
        return Ok(());
    }
    batcher.push(record, emit)
}

/// The first stretch of a file.
struct Sample<'a> {
    file: &'a SourceFile,
    /// The name under which clinic.toml has the file.
    source: &'a str,
    text: Vec<u8>,
    /// There is nothing after it.
    whole: bool,
}

impl<'a> Sample<'a> {
    fn take(file: &'a SourceFile, source: &'a str, coding: Coding) -> Result<Self> {
        let mut decoded = Decoded::open(file, coding)?;
        let mut text = Vec::new();
        while text.len() <= SAMPLE {
            let Some(block) = decoded.next()? else { return Ok(Self { file, source, text, whole: true }) };
            text.extend_from_slice(block);
        }
        text.truncate(SAMPLE);
        Ok(Self { file, source, text, whole: false })
    }

    fn records(&self, dialect: &TextDialect, limit: usize) -> Vec<Sampled> {
        detect::sample(&self.text, self.whole, dialect, limit)
    }

    /// Reads the sample as clinic.toml says, and as it looks where clinic.toml says nothing.
    fn detect(&self, config: &SourceConfig, encoding: &str) -> Result<Reading> {
        let (delimiter, quote) = detect::separators(&self.text, self.whole, config);
        let header_rows = config.header_rows.unwrap_or(1).max(1);
        let mut dialect = TextDialect {
            encoding: encoding.to_owned(),
            delimiter,
            quote,
            escape: config.escape,
            header_row: 0,
            header_rows,
        };
        let records = self.records(&dialect, RECORDS);
        if records.is_empty() {
            return Err(self.without_records());
        }
        dialect.header_row = match config.header_row {
            Some(row) => row,
            None => match detect::header(&records) {
                Place::At(index) => records[index].line,
                Place::None => 0,
                Place::Perhaps(index) => return Err(self.header_unsure(records[index].line)),
            },
        };
        let mut reading = self.read_header(dialect)?;
        if reading.dialect.header_row == 0 && config.header_row.is_none() {
            let finding = Finding::new("no_header", Severity::Warning, 1);
            reading.findings.push(finding.detail(self.file.shown.clone()));
        }
        Ok(reading)
    }

    /// Names of columns are shown to people, and what stands in their place may be a patient's: it is not guessed.
    fn header_unsure(&self, line: u64) -> anyhow::Error {
        Failure::failed(t!("load.header_unsure", path = self.file.shown, line = line))
            .hint(t!("load.header_unsure_hint"))
            .into()
    }

    /// Nothing but line ends, or a first record that is longer than what is looked at.
    fn without_records(&self) -> anyhow::Error {
        if self.whole { survey::empty(self.file) } else { self.no_header_row(1, None) }
    }

    /// `last` is the line of the file's last record, where it is known.
    fn no_header_row(&self, row: u64, last: Option<u64>) -> anyhow::Error {
        header::no_row(self.file, self.source, row, last)
    }

    /// Reads the header where a dialect says it is.
    fn read_header(&self, dialect: TextDialect) -> Result<Reading> {
        let rows = dialect.header_rows as usize;
        // A header row that is given may lie far down.
        let records = self.records(&dialect, RECORDS.max((dialect.header_row as usize).saturating_add(rows)));
        if dialect.header_row == 0 {
            let header = header::numbered(detect::width(&records));
            return Ok(Reading { dialect, header, head: 0, findings: Vec::new() });
        }
        let start = records.iter().position(|record| record.line == dialect.header_row);
        let found = start.and_then(|start| Some((start, records.get(start..start + rows)?)));
        let Some((start, header_records)) = found else {
            let last = records.last().filter(|last| self.whole && last.line < dialect.header_row);
            return Err(self.no_header_row(dialect.header_row, last.map(|last| last.line)));
        };
        let (header, mut findings) = header::name(&joined(self.file, header_records, &dialect.encoding)?);
        if start > 0 {
            let lines: Vec<u64> = records[..start.min(5)].iter().map(|record| record.line).collect();
            let detail = t!("load.detail.line_list", lines = some_of(&lines, start as u64));
            findings.push(Finding::new("rows_before_header", Severity::Info, start as u64).detail(detail));
        }
        Ok(Reading { dialect, header, head: start + rows, findings })
    }

    /// Reads as the frozen dialect says, if that gives the known columns; else as detected, if that does; else as
    /// frozen. Every difference is a finding, a critical one where the frozen dialect did not fit.
    fn thaw(
        &self,
        was: &TextDialect,
        detected: Result<Reading>,
        frozen: &Frozen,
    ) -> Result<(Reading, Option<Finding>)> {
        let known = |reading: &Reading| reading.header.names == frozen.columns;
        match (self.read_header(was.clone()), detected) {
            (Ok(kept), Ok(detected)) if known(&kept) || !known(&detected) => {
                let (was, now) = (&kept.dialect, &detected.dialect);
                let drift = if known(&kept) {
                    drift(was, now, Severity::Info, || t!("load.detail.drift_kept", was = was, now = now))
                } else {
                    let (source, settings) = (&frozen.source, now.settings(was));
                    let text = || {
                        t!(
                            "load.detail.drift_doubt",
                            was = was,
                            now = now,
                            source = source,
                            settings = settings
                        )
                    };
                    drift(was, now, Severity::Critical, text)
                };
                Ok((kept, drift))
            }
            (Ok(kept), Err(_)) => Ok((kept, None)),
            (_, Ok(detected)) => {
                let now = &detected.dialect;
                let (source, settings) = (&frozen.source, now.settings(was));
                let text =
                    || t!("load.detail.drift", was = was, now = now, source = source, settings = settings);
                let drift = drift(was, now, Severity::Critical, text);
                Ok((detected, drift))
            }
            (Err(_), Err(error)) => Err(error),
        }
    }
}

fn drift<'t>(
    was: &TextDialect,
    now: &TextDialect,
    severity: Severity,
    detail: impl Fn() -> Cow<'t, str>,
) -> Option<Finding> {
    (was != now).then(|| Finding::new("dialect_drift", severity, 1).detail(detail()))
}

/// The header's texts; those of several rows joined by a space.
fn joined(file: &SourceFile, records: &[Sampled], encoding: &str) -> Result<Vec<String>> {
    let width = records.iter().map(|record| record.fields.len()).max().unwrap_or(0);
    let mut texts = vec![String::new(); width];
    for record in records {
        if record.faulty {
            return Err(Failure::failed(t!("load.bad_header", path = file.shown, line = record.line))
                .hint(t!("load.bad_header_hint"))
                .into());
        }
        for (text, field) in texts.iter_mut().zip(&record.fields) {
            let field = std::str::from_utf8(field).map_err(|_| {
                // In UTF-16, and where half a pair of it was written as UTF-8, no other encoding is the cure.
                let broken = encoding.starts_with("utf-16") || census::has_surrogates(field);
                Failure::failed(t!("load.undecodable_header", path = file.shown, line = record.line)).hint(
                    match broken {
                        true => t!("load.broken_header_hint"),
                        false => t!("load.undecodable_header_hint"),
                    },
                )
            })?;
            if !text.is_empty() && !field.trim().is_empty() {
                text.push(' ');
            }
            text.push_str(field);
        }
    }
    Ok(texts)
}
