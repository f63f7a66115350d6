//! `mongodump --archive`: the documents of all collections, in turns, in one stream.
//!
//! Layout (mongo-tools-common, archive/archive.go): a magic number; the header and a document for each collection, up to a
//! mark of four 0xff bytes; then blocks, each of a header that names a collection, its documents and the mark. A header with
//! `EOF` ends a collection and holds the CRC-64 of its bytes.

use anyhow::Result;
use mongodb::bson::RawDocument;

use super::bson;
use super::fault::Fault;
use super::window::Window;

pub(in super::super) const MAGIC: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
const MARK: [u8; 4] = [0xff; 4];

/// What stands next in an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A document of the collection that is looked for, of so many bytes, in the window.
    Document(usize),
    Broken(Fault),
    End,
}

/// A walk through an archive, for one collection's documents.
pub(super) struct Archive {
    pub(super) window: Window,
    /// `database.collection`.
    wanted: String,
    /// The block that the window is in is the wanted collection's.
    inside: bool,
    in_block: bool,
    /// Its end was seen.
    pub(super) closed: bool,
    /// It went on with what is no archive, or not at all.
    pub(super) lost: bool,
    crc: Crc,
    /// The archive says another checksum than its bytes have.
    pub(super) damaged: bool,
}

/// The collections that an archive's beginning names, as `database.collection`.
pub(super) fn collections(window: &mut Window) -> Result<Option<Vec<String>>> {
    let mut names = Vec::new();
    if !window.need(8)? || window.bytes()[..4] != MAGIC {
        return Ok(None);
    }
    window.pass(4);
    let mut is_header = true;
    loop {
        if !window.need(4)? {
            return Ok(None);
        }
        if window.bytes()[..4] == MARK {
            window.pass(4);
            return Ok(Some(names));
        }
        let Some(length) = bson::length(window.bytes()) else { return Ok(None) };
        if !window.need(length)? {
            return Ok(None);
        }
        if !std::mem::take(&mut is_header) {
            let Some(name) = named(&window.bytes()[..length]) else { return Ok(None) };
            names.push(name.0);
        }
        window.pass(length);
    }
}

/// The collection that a header names, and the checksum if it is its end.
fn named(bytes: &[u8]) -> Option<(String, Option<i64>)> {
    let header = RawDocument::from_bytes(bytes).ok()?;
    let name = format!("{}.{}", header.get_str("db").ok()?, header.get_str("collection").ok()?);
    let end = header.get_bool("EOF").unwrap_or(false);
    Some((name, end.then(|| header.get_i64("CRC").unwrap_or(0))))
}

/// Whether a block's documents are the collection's: those of a time series are its buckets.
fn is_of(block: &str, wanted: &str) -> bool {
    let buckets = |(database, name)| block == format!("{database}.system.buckets.{name}");
    block == wanted || wanted.split_once('.').is_some_and(buckets)
}

impl Archive {
    pub(super) fn open(mut window: Window, wanted: &str) -> Result<Self> {
        collections(&mut window)?;
        let crc = Crc::new();
        let wanted = wanted.to_owned();
        Ok(Self {
            window,
            wanted,
            inside: false,
            in_block: false,
            closed: false,
            lost: false,
            crc,
            damaged: false,
        })
    }

    /// Goes on to the next document that is looked for. After a broken one there is nothing more.
    pub(super) fn next(&mut self) -> Result<Next> {
        let next = self.go_on()?;
        self.lost = matches!(next, Next::Broken(_));
        Ok(next)
    }

    fn go_on(&mut self) -> Result<Next> {
        loop {
            // What comes behind it is of other collections.
            if self.closed {
                return Ok(Next::End);
            }
            let broken = |fault| Ok(Next::Broken(fault));
            if !self.window.need(4)? {
                let over = self.window.bytes().is_empty() && !self.in_block;
                return if over { Ok(Next::End) } else { broken(Fault::CutOff) };
            }
            if self.window.bytes()[..4] == MARK {
                self.window.pass(4);
                (self.in_block, self.inside) = (false, false);
                continue;
            }
            let Some(length) = bson::length(self.window.bytes()) else { return broken(Fault::Archive) };
            if !self.window.need(length)? {
                return broken(Fault::CutOff);
            }
            if !self.in_block {
                let Some((name, end)) = named(&self.window.bytes()[..length]) else {
                    return broken(Fault::Archive);
                };
                (self.in_block, self.inside) = (true, is_of(&name, &self.wanted));
                if let (true, Some(crc)) = (self.inside, end) {
                    (self.closed, self.damaged) = (true, crc != self.crc.sum());
                }
            } else if self.inside {
                self.crc.feed(&self.window.bytes()[..length]);
                return Ok(Next::Document(length));
            }
            self.window.pass(length);
        }
    }
}

/// CRC-64 with the ECMA-182 polynomial, reflected, as Go's `crc64.ECMA`.
struct Crc {
    table: [u64; 256],
    state: u64,
}

impl Crc {
    fn new() -> Self {
        let entry = |byte: usize| {
            (0..8).fold(byte as u64, |crc, _| match crc & 1 {
                1 => crc >> 1 ^ 0xc96c_5795_d787_0f42,
                _ => crc >> 1,
            })
        };
        Self { table: std::array::from_fn(entry), state: !0 }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = self.table[usize::from(self.state as u8 ^ byte)] ^ self.state >> 8;
        }
    }

    fn sum(&self) -> i64 {
        !self.state as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        // The check value of CRC-64/XZ.
        let mut crc = Crc::new();
        crc.feed(b"123456789");
        assert_eq!(crc.sum() as u64, 0x995d_c9bb_df19_39fa);
    }
}
