//! Splits text into records with csv-core's automaton, field by field, so that what the automaton forgives is seen.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::dialect::TextDialect;
use super::escaped::EscapedReader;

/// A longer record is refused instead of held: a quote that is never closed swallows the rest of its file.
pub(super) const LONGEST_RECORD: usize = 64 << 20;
const MOST_FIELDS: usize = 1 << 20;

/// Why a record is refused whatever its fields hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ended inside quotes.
    UnterminatedQuote,
    /// `"abc"def`
    TextAfterQuote,
    TooLong,
}

impl Fault {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Fault::UnterminatedQuote => "unterminated_quote",
            Fault::TextAfterQuote => "text_after_quote",
            Fault::TooLong => "record_too_long",
        }
    }
}

/// One record, reused for the next.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The fields' bytes, one after the other.
    bytes: Vec<u8>,
    used: usize,
    ends: Vec<usize>,
    quoted: Vec<bool>,
    pub(super) fault: Option<Fault>,
    /// 1-based physical lines of its first and last byte.
    pub(super) first_line: u64,
    pub(super) last_line: u64,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All fields' bytes, and where each field ends in them.
    pub(super) fn parts(&self) -> (&[u8], &[usize]) {
        (&self.bytes[..self.used], &self.ends)
    }

    pub(super) fn quoted(&self, field: usize) -> bool {
        self.quoted[field]
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    fn clear(&mut self) {
        (self.used, self.fault) = (0, None);
        self.ends.clear();
        self.quoted.clear();
        // One huge record must not hold its memory until the end of the file.
        if self.bytes.len() > 1 << 20 {
            self.bytes = Vec::new();
        }
    }
}

/// Counts physical lines ended by `\n`, `\r\n` or `\r`.
#[derive(Debug, Default)]
struct Lines {
    ended: u64,
    after_return: bool,
}

impl Lines {
    fn see(&mut self, bytes: &[u8]) {
        let mut last = None;
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let follows = if at == 0 { self.after_return } else { bytes[at - 1] == b'\r' };
            self.ended += u64::from(bytes[at] == b'\r' || !follows);
            last = Some(at);
        }
        if !bytes.is_empty() {
            self.after_return = last.is_some_and(|at| at + 1 == bytes.len() && bytes[at] == b'\r');
        }
    }
}

/// Where the field being read began, for the check that its quotes were balanced.
#[derive(Debug, Default, Clone, Copy)]
struct Field {
    quoted: bool,
    /// Bytes consumed, quotes and delimiter included.
    raw: usize,
    /// The last byte of the block before.
    previous: u8,
    /// Where it starts in the record's bytes.
    start: usize,
}

/// What finds the ends of fields.
enum Core {
    Doubled(Box<Reader>),
    Escaped(EscapedReader),
}

impl Core {
    fn of(dialect: &TextDialect) -> Self {
        let bytes = dialect.bytes();
        if let (Some(quote), Some(escape)) = (bytes.quote, bytes.escape) {
            return Core::Escaped(EscapedReader::new(bytes.delimiter, quote, escape));
        }
        let mut builder = ReaderBuilder::new();
        builder.delimiter(bytes.delimiter);
        match bytes.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        Core::Doubled(Box::new(builder.build()))
    }

    fn read_field(&mut self, input: &[u8], output: &mut [u8]) -> (ReadFieldResult, usize, usize) {
        match self {
            Core::Doubled(reader) => reader.read_field(input, output),
            Core::Escaped(reader) => reader.read_field(input, output),
        }
    }
}

/// The state between blocks.
pub(super) struct Parser {
    core: Core,
    quote: Option<u8>,
    record: Record,
    field: Field,
    in_record: bool,
    in_field: bool,
    lines: Lines,
    /// Lines between records that hold nothing at all; they are no records.
    pub(super) blank_lines: u64,
}

impl Parser {
    pub(super) fn new(dialect: &TextDialect) -> Self {
        Self {
            core: Core::of(dialect),
            quote: dialect.bytes().quote,
            record: Record::default(),
            field: Field::default(),
            in_record: false,
            in_field: false,
            lines: Lines::default(),
            blank_lines: 0,
        }
    }

    /// Parses a block; `take` gets each record that ends in it and may stop the parsing by an error.
    pub(super) fn feed<E>(
        &mut self,
        mut block: &[u8],
        take: &mut impl FnMut(&Record) -> Result<(), E>,
    ) -> Result<(), E> {
        while !block.is_empty() {
            if !self.in_record {
                block = self.skip_line_ends(block);
                let Some(first) = block.first() else { return Ok(()) };
                self.begin_record(*first);
            } else if !self.in_field {
                self.begin_field(block[0]);
            }
            let ended = self.read_field(&mut block);
            if let Some(record_end) = ended {
                self.in_field = false;
                if record_end {
                    self.in_record = false;
                    take(&self.record)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the input; the last record may lack its line end.
    pub(super) fn finish<E>(&mut self, take: &mut impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        if !self.in_record {
            return Ok(());
        }
        if !self.in_field {
            self.begin_field(b'\n');
            self.field.quoted = false;
        }
        // csv-core takes an empty input for the end.
        let _ = self.core.read_field(&[], &mut [0]);
        self.end_field(self.field.raw, self.field.previous, true);
        // The line end of the file's last line begins no other.
        let within_line = !matches!(self.field.previous, b'\n' | b'\r');
        self.record.last_line = self.lines.ended + u64::from(within_line);
        self.in_record = false;
        take(&self.record)
    }

    fn skip_line_ends<'b>(&mut self, block: &'b [u8]) -> &'b [u8] {
        let end = block.iter().position(|byte| !matches!(byte, b'\n' | b'\r')).unwrap_or(block.len());
        let before = self.lines.ended;
        self.lines.see(&block[..end]);
        self.blank_lines += self.lines.ended - before;
        &block[end..]
    }

    fn begin_record(&mut self, first: u8) {
        self.record.clear();
        self.record.first_line = self.lines.ended + 1;
        self.lines.after_return = false;
        self.in_record = true;
        self.begin_field(first);
    }

    fn begin_field(&mut self, first: u8) {
        self.field =
            Field { quoted: self.quote == Some(first), raw: 0, previous: 0, start: self.record.used };
        self.in_field = true;
    }

    /// Reads on in the current field; whether it ended, and its record with it.
    fn read_field(&mut self, block: &mut &[u8]) -> Option<bool> {
        let record = &mut self.record;
        if record.bytes.len() - record.used < 64 {
            record.bytes.resize((record.bytes.len() * 2).max(4096), 0);
        }
        let (result, read, written) = self.core.read_field(block, &mut record.bytes[record.used..]);
        let (consumed, rest) = block.split_at(read);
        record.used += written;
        self.field.raw += read;
        let ended = match result {
            ReadFieldResult::Field { record_end } => Some(record_end),
            _ => None,
        };
        if self.field.quoted {
            self.lines.see(consumed);
        } else if ended == Some(true) {
            self.lines.see(&consumed[read - 1..]);
        }
        match ended {
            Some(_) => {
                let last = if read >= 2 { consumed[read - 2] } else { self.field.previous };
                self.end_field(self.field.raw - 1, last, false);
                self.record.last_line = self.lines.ended + u64::from(ended == Some(false));
            }
            None => {
                self.field.previous = consumed.last().copied().unwrap_or(self.field.previous);
                if self.record.used > LONGEST_RECORD {
                    self.record.fault = Some(Fault::TooLong);
                    self.record.used = self.field.start.min(LONGEST_RECORD / 2);
                    self.field.start = self.record.used;
                }
            }
        }
        *block = rest;
        ended
    }

    /// Notes the field's end. `raw` is its length without the delimiter, `last` its last byte.
    ///
    /// csv-core does not say what it forgave. In a well-formed quoted field the raw bytes are the value, one quote more for each quote in it, and the two
    /// around it; and the last is a quote. If text follows the closing quote, csv-core copies that text: either it ends
    /// in no quote, or the quotes in it, which stand single, make the lengths differ.
    fn end_field(&mut self, raw: usize, last: u8, at_end_of_file: bool) {
        let record = &mut self.record;
        if record.ends.len() >= MOST_FIELDS {
            record.fault = Some(Fault::TooLong);
            return;
        }
        record.ends.push(record.used);
        record.quoted.push(self.field.quoted);
        let Some(quote) = self.quote.filter(|_| self.field.quoted && record.fault.is_none()) else { return };
        if let Core::Escaped(reader) = &self.core {
            record.fault = reader.fault();
            return;
        }
        let value = &record.bytes[self.field.start..record.used];
        let quotes = memchr::memchr_iter(quote, value).count();
        let closed = last == quote && raw == value.len() + quotes + 2;
        if !closed {
            // Without its closing quote a field is one byte shorter.
            let open = at_end_of_file && raw == value.len() + quotes + 1;
            record.fault = Some(if open { Fault::UnterminatedQuote } else { Fault::TextAfterQuote });
        }
    }
}

#[cfg(test)]
mod tests;
