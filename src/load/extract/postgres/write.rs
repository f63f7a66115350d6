//! Writes the pieces of extracts in their order, and hashes them on the way: one file for each source, whatever sessions its
//! rows came from.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::{Context as _, Result, bail};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::super::{Wanted, create};
use crate::model::hex;
use crate::sources::Fingerprint;
use crate::sources::copied::{Flow, Head, SIGNATURE, TRAILER};

/// A piece that somebody has begun.
pub(super) struct Came {
    pub(super) extract: usize,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    pub(super) blocks: mpsc::Receiver<Block>,
}

/// What comes of a piece.
pub(super) enum Block {
    Bytes(Vec<u8>),
    /// It is whole.
    End,
}

/// An extract that is being written.
pub(super) struct Output {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    flow: Arc<Flow>,
}

impl Output {
    /// Writes what stands before the rows.
    pub(super) fn begin(wanted: &Wanted, head: &Head) -> Result<Self> {
        let (path, flow) = (wanted.path.clone(), Arc::clone(&wanted.flow));
        let mut output = Self { file: create(&path)?, path, hash: Sha256::new(), bytes: 0, flow };
        let mut start = Vec::new();
        head.write(&mut start)?;
        output.write(&start)?;
        Ok(output)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let cannot = || t!("staging.cannot_write", path = self.path.display());
        self.file.write_all(bytes).with_context(cannot)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.flow.grew(bytes.len() as u64);
        Ok(())
    }

    /// Appends a piece: of the first one how a COPY begins, of the last one how it ends, is the extract's.
    fn piece(&mut self, mut came: Came) -> Result<()> {
        let mut passed = if came.is_first { SIGNATURE.len() } else { 0 };
        let mut held: Vec<u8> = Vec::new();
        loop {
            match came.blocks.blocking_recv() {
                None => bail!("the piece broke off"),
                Some(Block::End) => break,
                Some(Block::Bytes(bytes)) => {
                    let skipped = (SIGNATURE.len() - passed).min(bytes.len());
                    passed += skipped;
                    let bytes = &bytes[skipped..];
                    if bytes.len() < TRAILER.len() {
                        held.extend_from_slice(bytes);
                        continue;
                    }
                    self.write(&held)?;
                    let (rows, last) = bytes.split_at(bytes.len() - TRAILER.len());
                    self.write(rows)?;
                    held.clear();
                    held.extend_from_slice(last);
                }
            }
        }
        if !held.ends_with(TRAILER) {
            bail!("a COPY without its end");
        }
        held.truncate(held.len() - if came.is_last { 0 } else { TRAILER.len() });
        self.write(&held)
    }

    fn finish(self) -> Fingerprint {
        self.flow.whole();
        Fingerprint { bytes: self.bytes, sha256: hex(self.hash.finalize()) }
    }
}

/// Writes all pieces in the order in which they were begun.
///
/// # Errors
/// A file that cannot be written; a piece that broke off, about which whoever reads it says more.
pub(super) fn all(
    mut outputs: Vec<Option<Output>>,
    pieces: Receiver<Came>,
) -> Result<Vec<Option<Fingerprint>>> {
    let mut fingerprints: Vec<Option<Fingerprint>> = outputs.iter().map(|_| None).collect();
    for came in pieces {
        let (place, is_last) = (came.extract, came.is_last);
        let output = outputs[place].as_mut().context("a piece of no extract")?;
        output.piece(came)?;
        if is_last {
            fingerprints[place] = outputs[place].take().map(Output::finish);
        }
    }
    Ok(fingerprints)
}
