//! Turns a file's bytes into UTF-8, block by block.
//!
//! Bytes that are not in the file's encoding become [`BAD`], which UTF-8 never holds: the record they are in is found
//! undecodable when its fields are validated, whatever the encoding was. UTF-8 itself passes unchanged.

use std::fs::File;
use std::io::Read;

use anyhow::Result;
use encoding_rs::{Decoder, DecoderResult, UTF_8, WINDOWS_1252};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::encoding::Coding;
use super::files::SourceFile;
use super::survey::{BLOCK, Fingerprint};
use crate::error::Failure;
use crate::model::hex;

/// Stands for bytes that could not be decoded.
pub(super) const BAD: u8 = 0xff;

/// A file as blocks of UTF-8.
pub(super) struct Decoded<R = File> {
    input: R,
    shown: String,
    coding: Coding,
    decoder: Decoder,
    raw: Vec<u8>,
    /// Bytes of `raw` that wait for the rest of their line.
    kept: usize,
    text: Vec<u8>,
    at_start: bool,
    /// The end was decoded: a decoder may not be asked again after it.
    ended: bool,
    bytes: u64,
    hash: Option<Sha256>,
}

impl Decoded {
    pub(super) fn open(file: &SourceFile, coding: Coding) -> Result<Self> {
        let input = File::open(&file.path)
            .map_err(|error| Failure::failed(t!("load.cannot_read", path = file.shown, error = error)))?;
        Ok(Self::new(input, &file.shown, coding))
    }
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(input: R, shown: &str, coding: Coding) -> Self {
        let decoder = coding.encoding.new_decoder_without_bom_handling();
        let (raw, text) = (vec![0; BLOCK], Vec::new());
        Self {
            input,
            shown: shown.to_owned(),
            coding,
            decoder,
            raw,
            kept: 0,
            text,
            at_start: true,
            ended: false,
            bytes: 0,
            hash: None,
        }
    }

    /// Hashes the bytes as they are read.
    pub(super) fn hashed(mut self) -> Self {
        self.hash = Some(Sha256::new());
        self
    }

    /// What was read so far; the whole file once [`Decoded::next`] gave `None`.
    pub(super) fn fingerprint(self) -> Fingerprint {
        let sha256 = self.hash.map(|hash| hex(hash.finalize())).unwrap_or_default();
        Fingerprint { bytes: self.bytes, sha256 }
    }

    pub(super) fn input(&self) -> &R {
        &self.input
    }

    pub(super) fn into_input(self) -> R {
        self.input
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next block; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        if self.ended {
            return Ok(None);
        }
        loop {
            if self.kept == self.raw.len() {
                self.raw.resize(self.raw.len() * 2, 0);
            }
            let read = read_some(&mut self.input, &mut self.raw[self.kept..])
                .map_err(|error| Failure::failed(t!("load.cannot_read", path = self.shown, error = error)))?;
            let fresh = self.kept..self.kept + read;
            self.bytes += read as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(&self.raw[fresh.clone()]);
            }
            let mut start = 0;
            if std::mem::take(&mut self.at_start) {
                start = mark_length(&self.raw[fresh.clone()]);
            }
            if self.coding.encoding == UTF_8 {
                return Ok((read > start).then(|| &self.raw[start..read]));
            }
            self.text.clear();
            self.ended = read == 0;
            self.decode(start, fresh.end, self.ended);
            if !self.text.is_empty() {
                return Ok(Some(&self.text));
            }
            if self.ended {
                return Ok(None);
            }
        }
    }

    /// Decodes `raw[start..end]`, of which the last line waits for its end where lines are looked at one by one.
    fn decode(&mut self, start: usize, end: usize, last: bool) {
        if !self.coding.refuse_utf8_lines {
            let raw = std::mem::take(&mut self.raw);
            if self.coding.encoding == WINDOWS_1252 {
                self.decode_windows(&raw[start..end]);
            } else {
                self.decode_any(&raw[start..end], last);
            }
            self.raw = raw;
            self.kept = 0;
            return;
        }
        let mut raw = std::mem::take(&mut self.raw);
        let whole = if last {
            end
        } else {
            memchr::memrchr2(b'\n', b'\r', &raw[start..end]).map_or(start, |at| start + at + 1)
        };
        let mut from = start;
        while from < whole {
            let to = memchr::memchr2(b'\n', b'\r', &raw[from..whole]).map_or(whole, |at| from + at + 1);
            self.decode_line(&raw[from..to]);
            from = to;
        }
        raw.copy_within(whole..end, 0);
        self.kept = end - whole;
        self.raw = raw;
    }

    /// A line of Windows-1252, or one of UTF-8 whose first special character is marked as bad.
    fn decode_line(&mut self, line: &[u8]) {
        match line.iter().position(|byte| !byte.is_ascii()) {
            Some(at) if std::str::from_utf8(line).is_ok() => {
                self.text.extend_from_slice(&line[..at]);
                self.text.push(BAD);
                self.decode_windows(&line[at + 1..]);
            }
            _ => self.decode_windows(line),
        }
    }

    /// Windows-1252 leaves five bytes undefined, which the web's definition reads as control characters.
    fn decode_windows(&mut self, mut raw: &[u8]) {
        while let Some(at) = raw.iter().position(|byte| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d)) {
            self.decode_any(&raw[..at], false);
            self.text.push(BAD);
            raw = &raw[at + 1..];
        }
        self.decode_any(raw, false);
    }

    fn decode_any(&mut self, mut raw: &[u8], last: bool) {
        loop {
            let used = self.text.len();
            let room =
                self.decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(raw.len() * 3)
                    + 16;
            self.text.resize(used + room, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text[used..], last);
            self.text.truncate(used + written);
            raw = &raw[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.text.push(BAD),
            }
        }
    }
}

/// The length of a byte-order mark.
fn mark_length(start: &[u8]) -> usize {
    match start {
        [0xef, 0xbb, 0xbf, ..] => 3,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => 2,
        _ => 0,
    }
}

/// Reads until something came (a mark or a pair of bytes is not split at the very start), or the end.
fn read_some(input: &mut impl Read, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < 4.min(block.len()) {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_16LE, WINDOWS_1252};

    use super::*;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, block: &mut [u8]) -> std::io::Result<usize> {
            let size = self.1.min(self.0.len()).min(block.len());
            block[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    fn decoded(bytes: &[u8], encoding: &'static encoding_rs::Encoding, refuse_utf8_lines: bool) -> Vec<u8> {
        let all = |size| {
            let mut decoded = Decoded::new(Drip(bytes, size), "x", Coding { encoding, refuse_utf8_lines });
            let mut text = Vec::new();
            while let Some(block) = decoded.next().unwrap() {
                text.extend_from_slice(block);
            }
            text
        };
        assert_eq!(all(1), all(1000));
        all(3)
    }

    #[test]
    fn marks_are_dropped_and_bad_bytes_marked() {
        assert_eq!(decoded(b"\xef\xbb\xbfa\xf1", UTF_8, false), b"a\xf1");
        assert_eq!(
            decoded(b"a\xf1\x80\x81b", WINDOWS_1252, false),
            "añ€".bytes().chain([BAD, b'b']).collect::<Vec<_>>()
        );
        let mut lone: Vec<u8> = "\u{feff}ñ".encode_utf16().flat_map(u16::to_le_bytes).collect();
        lone.extend_from_slice(&[0x00, 0xd8, b'x', 0]);
        assert_eq!(decoded(&lone, UTF_16LE, false), "ñ".bytes().chain([BAD, b'x']).collect::<Vec<_>>());
        // Cut within a unit, and within a pair of units.
        for cut in [&[0xff, 0xfe, b'a', 0, b'b'][..], &[0xff, 0xfe, b'a', 0, 0x3d, 0xd8]] {
            assert_eq!(decoded(cut, UTF_16LE, false), [b'a', BAD]);
        }
    }

    #[test]
    fn a_line_of_utf8_among_windows_1252_is_marked() {
        let bytes = b"\xf1\r\n\"\xc3\xb1\"\r\nabc";
        assert_eq!(
            decoded(bytes, WINDOWS_1252, true),
            "ñ\r\n\"".bytes().chain([BAD]).chain("±\"\r\nabc".bytes()).collect::<Vec<_>>()
        );
    }
}
