//! Counts which lines of a file that is not wholly UTF-8 are, and which are not.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use anyhow::Result;
use rust_i18n::t;

use super::files::SourceFile;
use super::survey::BLOCK;
use crate::error::{Failure, interrupt};

/// How many line numbers are kept.
const SHOWN: usize = 5;
/// A "line" is cut here: a file without line ends must not fill the memory.
const LONGEST: usize = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) count: u64,
    /// The first few, 1-based.
    pub(super) first: Vec<u64>,
}

impl Lines {
    fn add(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(line);
        }
    }
}

/// Lines with bytes above 0x7f, by what they are.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) utf8: Lines,
    pub(super) other: Lines,
    /// UTF-8 but for halves of UTF-16 pairs, which UTF-8 does not have.
    pub(super) surrogates: Lines,
    /// The file begins with the UTF-8 byte-order mark.
    pub(super) marked: bool,
}

impl Census {
    pub(super) fn take(file: &SourceFile) -> Result<Self> {
        let unreadable =
            |error: std::io::Error| Failure::failed(t!("load.cannot_read", path = file.shown, error = error));
        let mut input = BufReader::with_capacity(BLOCK, File::open(&file.path).map_err(unreadable)?);
        let mut census = Self::default();
        let (mut number, mut line, mut after_return) = (1, Vec::new(), false);
        loop {
            let block = input.fill_buf().map_err(unreadable)?;
            if block.is_empty() {
                break;
            }
            let end = memchr::memchr2(b'\n', b'\r', block);
            let used = end.map_or(block.len(), |end| end + 1);
            // The \n of \r\n ends no line of its own.
            if !(after_return && line.is_empty() && block[0] == b'\n') {
                line.extend_from_slice(&block[..used]);
                if end.is_some() || line.len() > LONGEST {
                    census.see(number, &line);
                    number += u64::from(end.is_some());
                    line.clear();
                }
                after_return = end.is_some_and(|end| block[end] == b'\r');
            } else {
                after_return = false;
            }
            input.consume(used);
            if number % 65_536 == 0 {
                interrupt::check()?;
            }
        }
        census.see(number, &line);
        Ok(census)
    }

    fn see(&mut self, number: u64, line: &[u8]) {
        let body = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf") } else { None };
        self.marked |= body.is_some();
        let line = body.unwrap_or(line);
        if line.is_ascii() {
            return;
        }
        let lines = match std::str::from_utf8(line) {
            Ok(_) => &mut self.utf8,
            Err(_) if has_surrogates(line) => &mut self.surrogates,
            Err(_) => &mut self.other,
        };
        lines.add(number);
    }

    /// Whether the file is meant to be UTF-8, as far as its lines tell.
    pub(super) fn is_utf8(&self) -> bool {
        self.marked || self.utf8.count + self.surrogates.count >= self.other.count
    }
}

/// Whether bytes are UTF-8 but for halves of UTF-16 pairs (U+D800 to U+DFFF), encoded as if they were characters.
pub(super) fn has_surrogates(mut bytes: &[u8]) -> bool {
    let mut found = false;
    while let Err(error) = std::str::from_utf8(bytes) {
        match &bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => bytes = rest,
            _ => return false,
        }
        found = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(bytes: &[u8]) -> Census {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Census::take(&SourceFile { shown: "x".to_owned(), path: file.path().into() }).unwrap()
    }

    #[test]
    fn halves_of_pairs_are_told_from_other_encodings() {
        assert!(has_surrogates(b"a\xed\xa0\x80b\xc3\xb1\xed\xbf\xbf"));
        for bytes in [&b"a"[..], b"\xc3\xb1", b"\xed\xa0", b"\xed\xa0\x80\xf1", b"\xf1", b"\xed\x9f\xbf"] {
            assert!(!has_surrogates(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn lines_are_numbered_whatever_ends_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a", "", "\u{f1}", "b"].join(end);
            let mut bytes = text.into_bytes();
            bytes.extend_from_slice(end.as_bytes());
            bytes.extend_from_slice(b"\xf1");
            let census = census(&bytes);
            assert_eq!((census.utf8.first, census.other.first), (vec![3], vec![5]), "{end:?}");
        }
    }
}
