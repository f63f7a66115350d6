//! CSV taken apart into records, each with the line on which it begins.

/// The records of a text, one after the other.
pub(super) struct Records {
    reader: csv_core::Reader,
    text: Vec<u8>,
    /// How much of it was read.
    position: usize,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// Lines that came before what is read.
    skipped: u64,
}

impl Records {
    /// The records of a text without a byte order mark, whose separator is known.
    pub(super) fn new(text: &str, separator: u8) -> Self {
        Self {
            reader: csv_core::ReaderBuilder::new().delimiter(separator).build(),
            // With a final line break every record ends before the text does.
            text: format!("{}\n", text.trim_end_matches(['\r', '\n'])).into_bytes(),
            position: 0,
            output: vec![0; 1 << 10],
            ends: vec![0; 1 << 4],
            skipped: 0,
        }
    }

    /// The next record, empty cells or not, with the line on which it begins.
    ///
    /// # Errors
    /// The line of a quote that is never closed.
    pub(super) fn next_record(&mut self) -> Result<Option<(u64, Vec<String>)>, u64> {
        // Line breaks that are left of the record before, and empty lines: the next one begins behind them.
        while let Some(b'\r' | b'\n') = self.text.get(self.position) {
            self.skipped += u64::from(self.text[self.position] == b'\n');
            self.position += 1;
        }
        if self.position == self.text.len() {
            return Ok(None);
        }
        let line = self.reader.line() + self.skipped;
        let (mut written, mut fields) = (0, 0);
        loop {
            let (result, read, wrote, ended) = self.reader.read_record(
                &self.text[self.position..],
                &mut self.output[written..],
                &mut self.ends[fields..],
            );
            self.position += read;
            written += wrote;
            fields += ended;
            match result {
                csv_core::ReadRecordResult::Record => return Ok(Some((line, self.fields(fields)))),
                csv_core::ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                csv_core::ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                csv_core::ReadRecordResult::InputEmpty | csv_core::ReadRecordResult::End => return Err(line),
            }
        }
    }

    fn fields(&self, count: usize) -> Vec<String> {
        let starts = std::iter::once(0).chain(self.ends[..count].iter().copied());
        let parts = starts.zip(&self.ends[..count]).map(|(start, end)| &self.output[start..*end]);
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }
}
