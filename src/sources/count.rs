//! Counts records without csv-core: from quote to quote, and line ends between them.

use memchr::{memchr, memchr2, memchr2_iter};

use super::dialect::Bytes;

/// Counts the records of a text, block by block.
#[derive(Debug)]
pub(super) struct Counter {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    place: Place,
    /// The byte before the next one; a line end at the start of the text.
    previous: u8,
    /// The current record has at least one byte.
    open: bool,
    records: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    InQuotes,
    /// The next byte inside quotes neither closes them nor escapes another.
    AfterEscape,
    /// After a quote inside quotes: it closes them, unless another follows.
    AfterQuote,
}

impl Counter {
    pub(super) fn new(bytes: &Bytes) -> Self {
        let Bytes { delimiter, quote, escape } = *bytes;
        Self { delimiter, quote, escape, place: Place::Outside, previous: b'\n', open: false, records: 0 }
    }

    pub(super) fn feed(&mut self, mut block: &[u8]) {
        while !block.is_empty() {
            block = match self.place {
                Place::Outside => self.outside(block),
                Place::InQuotes => match self.in_quotes(block) {
                    Some(at) => {
                        let escapes = Some(block[at]) == self.escape;
                        self.place = if escapes { Place::AfterEscape } else { Place::AfterQuote };
                        &block[at + 1..]
                    }
                    None => &[],
                },
                Place::AfterEscape => {
                    self.place = Place::InQuotes;
                    &block[1..]
                }
                Place::AfterQuote if Some(block[0]) == self.quote => {
                    self.place = Place::InQuotes;
                    &block[1..]
                }
                Place::AfterQuote => {
                    self.place = Place::Outside;
                    block
                }
            };
        }
    }

    /// The number of records once the text has ended.
    pub(super) fn finish(self) -> u64 {
        self.records + u64::from(self.open)
    }

    /// The next quote or escape.
    fn in_quotes(&self, block: &[u8]) -> Option<usize> {
        match (self.quote?, self.escape) {
            (quote, Some(escape)) => memchr2(quote, escape, block),
            (quote, None) => memchr(quote, block),
        }
    }

    /// Goes on to the next opening quote.
    fn outside<'b>(&mut self, block: &'b [u8]) -> &'b [u8] {
        let mut from = 0;
        while let Some(at) = self.quote.and_then(|quote| memchr(quote, &block[from..])).map(|at| from + at) {
            let before = if at == 0 { self.previous } else { block[at - 1] };
            if matches!(before, b'\n' | b'\r') || before == self.delimiter {
                self.lines(&block[..at]);
                self.open = true;
                self.place = Place::InQuotes;
                return &block[at + 1..];
            }
            from = at + 1;
        }
        self.lines(block);
        &[]
    }

    /// Counts the records that end in a stretch without quoted fields.
    fn lines(&mut self, stretch: &[u8]) {
        let mut start = 0;
        for at in memchr2_iter(b'\n', b'\r', stretch) {
            self.records += u64::from(self.open || at > start);
            self.open = false;
            start = at + 1;
        }
        self.open |= start < stretch.len();
        self.previous = stretch.last().copied().unwrap_or(self.previous);
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::TextDialect;
    use super::*;

    fn count(text: &str) -> u64 {
        let whole = {
            let mut counter = Counter::new(&TextDialect::plain().bytes());
            counter.feed(text.as_bytes());
            counter.finish()
        };
        let mut counter = Counter::new(&TextDialect::plain().bytes());
        text.as_bytes().chunks(1).for_each(|byte| counter.feed(byte));
        assert_eq!(counter.finish(), whole, "{text:?}");
        whole
    }

    #[test]
    fn records_are_counted_as_people_count_them() {
        for (text, records) in [
            ("", 0),
            ("a", 1),
            ("a\n", 1),
            ("\n\na\r\n\r\nb\r", 2),
            ("\"a\nb\",c\nd\n", 2),
            ("\"a\"\"\nb\"\nc", 2),
            ("5\" screen\n6\" screen\n", 2),
            ("\"a\"b\"\nc\n", 2),
            ("a,\"never closed\nb\nc", 1),
            ("\"\"\n\"\"", 2),
            (",\n", 1),
        ] {
            assert_eq!(count(text), records, "{text:?}");
        }
    }
}
