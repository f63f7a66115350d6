//! Reads the fields of text in which a character stands before each quote within quotes: `"say \"no\""`.
//!
//! csv-core drops that character before anything, which would lose half of `"C:\temp"`. Here it goes only before a quote
//! or before itself, and stays otherwise. Doubled quotes are read too. It is called like csv-core's `Reader`.

use csv_core::ReadFieldResult;

use super::parser::Fault;

/// The state between calls.
#[derive(Debug)]
pub(super) struct EscapedReader {
    delimiter: u8,
    quote: u8,
    escape: u8,
    place: Place,
    text_after_quote: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Unquoted,
    InQuotes,
    AfterEscape,
    /// After a quote inside quotes: it closes them, unless another follows.
    AfterQuote,
}

impl EscapedReader {
    pub(super) fn new(delimiter: u8, quote: u8, escape: u8) -> Self {
        Self { delimiter, quote, escape, place: Place::Start, text_after_quote: false }
    }

    /// Reads on in the current field: what became of it, bytes read, bytes written.
    pub(super) fn read_field(&mut self, input: &[u8], output: &mut [u8]) -> (ReadFieldResult, usize, usize) {
        if self.place == Place::Start {
            self.text_after_quote = false;
        }
        let mut written = 0;
        for (at, byte) in input.iter().enumerate() {
            // An escape that escapes nothing is written with what follows it.
            if output.len() - written < 2 {
                return (ReadFieldResult::OutputFull, at, written);
            }
            let outside = !matches!(self.place, Place::InQuotes | Place::AfterEscape);
            if outside && (*byte == self.delimiter || matches!(byte, b'\n' | b'\r')) {
                self.place = Place::Start;
                return (ReadFieldResult::Field { record_end: *byte != self.delimiter }, at + 1, written);
            }
            for byte in self.step(*byte).into_iter().flatten() {
                output[written] = byte;
                written += 1;
            }
        }
        (ReadFieldResult::InputEmpty, input.len(), written)
    }

    /// Goes over one byte of a field; gives what it adds to the value.
    fn step(&mut self, byte: u8) -> [Option<u8>; 2] {
        let (place, value) = match self.place {
            Place::Start if byte == self.quote => (Place::InQuotes, [None; 2]),
            Place::Start | Place::Unquoted => (Place::Unquoted, [None, Some(byte)]),
            Place::InQuotes if byte == self.escape => (Place::AfterEscape, [None; 2]),
            Place::InQuotes if byte == self.quote => (Place::AfterQuote, [None; 2]),
            Place::InQuotes => (Place::InQuotes, [None, Some(byte)]),
            Place::AfterEscape if byte == self.quote || byte == self.escape => {
                (Place::InQuotes, [None, Some(byte)])
            }
            Place::AfterEscape => (Place::InQuotes, [Some(self.escape), Some(byte)]),
            Place::AfterQuote if byte == self.quote => (Place::InQuotes, [None, Some(byte)]),
            Place::AfterQuote => {
                self.text_after_quote = true;
                (Place::Unquoted, [None, Some(byte)])
            }
        };
        self.place = place;
        value
    }

    /// What is wrong with the field that ended last, or with the one that the file's end cut off.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.place {
            Place::InQuotes | Place::AfterEscape => Some(Fault::UnterminatedQuote),
            _ => self.text_after_quote.then_some(Fault::TextAfterQuote),
        }
    }
}
