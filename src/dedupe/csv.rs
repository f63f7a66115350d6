//! Tables that people keep beside a clinic: read as their spreadsheets save them, written with commas.

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
    /// The separator is the one of comma, semicolon and tab that the header has most of, or what `sep=` says.
    pub(super) fn new(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let first = text.lines().next().unwrap_or_default();
        let told = first.strip_prefix("sep=").and_then(|separator| separator.bytes().next());
        let rest = if told.is_some() { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
        let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
        // Of equals the last one counts.
        let most = [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',');
        Self { skipped: u64::from(told.is_some()), ..Self::separated(rest, told.unwrap_or(most)) }
    }

    /// The records of a text without a byte order mark, whose separator is known.
    pub(super) fn separated(text: &str, separator: u8) -> Self {
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

    /// The next record that is not empty, with the line on which it begins.
    ///
    /// # Errors
    /// The line of a quote that is never closed.
    pub(super) fn next_record(&mut self) -> Result<Option<(u64, Vec<String>)>, u64> {
        loop {
            let Some((line, fields)) = self.any_record()? else { return Ok(None) };
            if fields.iter().any(|field| !field.trim().is_empty()) {
                return Ok(Some((line, fields)));
            }
        }
    }

    /// The next record, empty cells or not, with the line on which it begins.
    ///
    /// # Errors
    /// The line of a quote that is never closed.
    pub(super) fn any_record(&mut self) -> Result<Option<(u64, Vec<String>)>, u64> {
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

/// Appends one record and its line break.
pub(super) fn append(line: &mut String, fields: &[&str]) {
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        let plain = |c: char| !matches!(c, ',' | ';' | '\t' | '"' | '\r' | '\n' | '\u{feff}');
        if !field.is_empty() && field.chars().all(plain) && field.trim() == *field {
            line.push_str(field);
        } else {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        }
    }
    line.push('\n');
}
