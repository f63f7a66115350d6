//! The ledger's rows of one table, noted while the table's own rows go over a connection, which takes one COPY at a time:
//! by COPY over two other connections where there are such, else in files without a name for later. Files would cost as
//! much as the server's work on what is in them: each fresh page of the page cache is dear, above all in a virtual machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;

use anyhow::Result;

use crate::codec::{RowHash, TableCodec, column_digests};
use crate::pg::copy::{Copy, append_bytes, append_integer, append_text, append_text_or_null};
use crate::snapshot::Row;

/// What a file takes at a time.
const BLOCK: usize = 1 << 18;

/// Where rows go.
pub(super) enum Way {
    File(BufWriter<File>),
    Copy(Copy),
}

impl Way {
    /// A file beside the snapshot, which is as private and on a disk that holds as much.
    pub(super) fn file(folder: &Path) -> Result<Self> {
        Ok(Self::File(BufWriter::with_capacity(BLOCK, tempfile::tempfile_in(folder)?)))
    }

    fn take(&mut self, row: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => file.write_all(row)?,
            Self::Copy(copy) => copy.encoded(row),
        }
        Ok(())
    }

    async fn flush_if_full(&mut self) -> Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Copy(copy) => copy.flush_if_full().await,
        }
    }

    /// The file from its beginning; none where the rows are with the server.
    async fn finish(self) -> Result<Option<File>> {
        match self {
            Self::File(file) => {
                let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                file.rewind()?;
                Ok(Some(file))
            }
            Self::Copy(copy) => copy.finish().await.map(|_| None),
        }
    }
}

pub(super) struct Notes {
    external: Way,
    digests: Way,
    row: Vec<u8>,
    table: String,
    codes: BTreeMap<String, i32>,
    /// Also the digests of columns.
    columns: bool,
}

impl Notes {
    /// The ways are those of `external_id` and of `row_digest`.
    pub(super) fn new(
        [external, digests]: [Way; 2],
        table: String,
        codes: BTreeMap<String, i32>,
        columns: bool,
    ) -> Self {
        Self { external, digests, row: Vec::new(), table, codes, columns }
    }

    /// Notes a row: `external_id` where the ledger can know it by something, and `row_digest` as if it were stored as it is
    /// sent. `bytes` are those that the digest is of.
    pub(super) fn note(
        &mut self,
        codec: &TableCodec,
        row: &Row<'_>,
        digest: &RowHash,
        bytes: &[u8],
    ) -> Result<()> {
        let key = codec.key_text(&row.values);
        let out = &mut self.row;
        out.clear();
        out.extend_from_slice(&3_i16.to_be_bytes());
        append_text(out, &key);
        append_bytes(out, Some(digest));
        append_bytes(out, self.columns.then(|| column_digests(bytes)).as_deref());
        self.digests.take(out)?;
        let Some((kind, source_id)) = row.external_id(&self.table) else { return Ok(()) };
        let Some(kind) = self.codes.get(kind) else { return Ok(()) };
        out.clear();
        out.extend_from_slice(&4_i16.to_be_bytes());
        append_integer(out, Some(*kind));
        append_text(out, source_id);
        append_text(out, &key);
        append_text_or_null(out, row.origin.as_deref());
        self.external.take(out)
    }

    /// Hands on what goes by COPY; waits while the server is behind.
    pub(super) async fn flush_if_full(&mut self) -> Result<()> {
        self.external.flush_if_full().await?;
        self.digests.flush_if_full().await
    }

    /// Both files, of `external_id` and of `row_digest`; none where the rows are with the server.
    pub(super) async fn finish(self) -> Result<Option<[File; 2]>> {
        let (external, digests) = (self.external.finish().await?, self.digests.finish().await?);
        Ok(external.zip(digests).map(Into::into))
    }
}
