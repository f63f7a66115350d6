//! A file's content through a window that grows to the length of a document, plain or from inside gzip.

use std::fs::File;
use std::io::Read;

use anyhow::Result;
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::super::decode::Decoded;
use super::super::encoding::Coding;
use super::super::files::SourceFile;
use super::super::packed::Gunzip;
use super::super::survey::{BLOCK, Fingerprint};
use crate::error::{Failure, interrupt};
use crate::model::hex;

/// The longest document: one of MongoDB has 16 MB, and JSON says the same in some times as many bytes.
pub(super) const LONGEST: usize = 128 << 20;

/// A file whose bytes are hashed as they lie on the disk, whatever is read out of them.
pub(super) struct Hashed {
    input: File,
    hash: Option<Sha256>,
    bytes: u64,
}

impl Read for Hashed {
    fn read(&mut self, block: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(block)?;
        self.bytes += read as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&block[..read]);
        }
        Ok(read)
    }
}

/// The bytes inside a file.
pub(super) enum Content {
    Plain(Hashed),
    Gzip(Box<Gunzip<Hashed>>),
}

impl Content {
    pub(super) fn open(file: &SourceFile, gzip: bool, hashed: bool) -> Result<Self> {
        let input = File::open(&file.path)
            .map_err(|error| Failure::failed(t!("load.cannot_read", path = file.shown, error = error)))?;
        let hashed = Hashed { input, hash: hashed.then(Sha256::new), bytes: 0 };
        Ok(if gzip { Content::Gzip(Box::new(Gunzip::new(hashed))) } else { Content::Plain(hashed) })
    }

    fn file(&self) -> &Hashed {
        match self {
            Content::Plain(file) => file,
            Content::Gzip(gzip) => gzip.get_ref(),
        }
    }

    fn into_file(self) -> Hashed {
        match self {
            Content::Plain(file) => file,
            Content::Gzip(gzip) => gzip.into_inner(),
        }
    }
}

impl Read for Content {
    fn read(&mut self, block: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Content::Plain(file) => file.read(block),
            Content::Gzip(gzip) => gzip.read(block),
        }
    }
}

/// Where blocks come from.
enum Blocks {
    Text(Box<Decoded<Content>>),
    Bytes(Content),
}

/// What is being looked at.
pub(super) struct Window {
    blocks: Blocks,
    shown: String,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// A gzip that ends too soon, or is none any more.
    torn: bool,
}

impl Window {
    /// JSON: text in some encoding.
    pub(super) fn of_text(file: &SourceFile, gzip: bool, hashed: bool, coding: Coding) -> Result<Self> {
        let decoded = Decoded::new(Content::open(file, gzip, hashed)?, &file.shown, coding);
        Ok(Self::new(Blocks::Text(Box::new(decoded)), file))
    }

    /// BSON.
    pub(super) fn of_bytes(file: &SourceFile, gzip: bool, hashed: bool) -> Result<Self> {
        Ok(Self::new(Blocks::Bytes(Content::open(file, gzip, hashed)?), file))
    }

    fn new(blocks: Blocks, file: &SourceFile) -> Self {
        let (shown, buffer) = (file.shown.clone(), Vec::new());
        Self { blocks, shown, buffer, start: 0, ended: false, torn: false }
    }

    /// What was read and not yet passed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Passes so many bytes.
    pub(super) fn pass(&mut self, length: usize) {
        self.start += length;
    }

    /// Makes the window longer, at least by half of what it is; false at the end.
    pub(super) fn grow(&mut self) -> Result<bool> {
        interrupt::check()?;
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let before = self.buffer.len();
        let wanted = before + (before / 2).max(1);
        while !self.ended && self.buffer.len() < wanted {
            self.block()?;
        }
        Ok(self.buffer.len() > before)
    }

    /// Makes the window at least so long; false where the content ends before.
    pub(super) fn need(&mut self, length: usize) -> Result<bool> {
        while self.bytes().len() < length {
            if !self.grow()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn block(&mut self) -> Result<()> {
        let read = match &mut self.blocks {
            Blocks::Text(decoded) => match decoded.next() {
                Ok(Some(block)) => {
                    self.buffer.extend_from_slice(block);
                    Ok(block.len())
                }
                Ok(None) => Ok(0),
                Err(error) => Err(error),
            },
            Blocks::Bytes(content) => {
                let filled = self.buffer.len();
                self.buffer.resize(filled + BLOCK, 0);
                let read = content.read(&mut self.buffer[filled..]);
                self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
                read.map_err(|error| {
                    Failure::failed(t!("load.cannot_read", path = self.shown, error = error)).into()
                })
            }
        };
        match read {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            // What is inside a torn gzip was read up to here.
            Err(_) if self.is_gzip() => (self.ended, self.torn) = (true, true),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn is_gzip(&self) -> bool {
        let content = match &self.blocks {
            Blocks::Text(decoded) => decoded.input(),
            Blocks::Bytes(content) => content,
        };
        matches!(content, Content::Gzip(_))
    }

    /// Whether the gzip around the content broke off.
    pub(super) fn torn(&self) -> bool {
        self.torn
    }

    /// How many bytes of the file were read.
    pub(super) fn read(&self) -> u64 {
        match &self.blocks {
            Blocks::Text(decoded) => decoded.input().file().bytes,
            Blocks::Bytes(content) => content.file().bytes,
        }
    }

    /// The hash of the file, to whose end it is read.
    pub(super) fn fingerprint(self) -> Result<Fingerprint> {
        let mut file = match self.blocks {
            Blocks::Text(decoded) => decoded.into_input().into_file(),
            Blocks::Bytes(content) => content.into_file(),
        };
        std::io::copy(&mut file, &mut std::io::sink())?;
        let sha256 = file.hash.map(|hash| hex(hash.finalize())).unwrap_or_default();
        Ok(Fingerprint { bytes: file.bytes, sha256 })
    }
}
