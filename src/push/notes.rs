//! The ledger's rows of one table, noted while the table's own rows go over a connection, which takes one COPY at a time:
//! by COPY over another connection where there is one, else in files without a name for later. Files would cost as much as
//! the server's work on what is in them: each fresh page of the page cache is dear, above all in a virtual machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;

use anyhow::Result;

use super::pages::{Noted, Pages};
use crate::codec::{RowHash, TableCodec, column_digests};
use crate::pg::copy::Copy;
use crate::snapshot::Row;

/// What a file takes at a time.
const BLOCK: usize = 1 << 18;

/// What is noted of a table's rows while they are sent.
pub(super) struct Notes {
    form: Form,
    table: String,
    codes: BTreeMap<String, i32>,
    /// Also the digests of columns.
    columns: bool,
    /// What is being encoded.
    row: Vec<u8>,
}

/// How rows are noted, and where that goes.
pub(super) enum Form {
    /// Rows that stand as they are sent.
    Pages(Pages, Way),
    /// Others, as rows of `external_id` and of `row_digest`.
    Single([NoteFile; 2]),
}

pub(super) enum Way {
    File(NoteFile),
    Copy(Copy),
}

/// What was noted and is not with the server yet.
pub(super) enum Left {
    Nothing,
    Pages(File),
    /// Of `external_id` and of `row_digest`.
    Single([File; 2]),
}

impl Notes {
    pub(super) fn new(form: Form, table: String, codes: BTreeMap<String, i32>, columns: bool) -> Self {
        Self { form, table, codes, columns, row: Vec::new() }
    }

    /// Notes a row, known by its record where the ledger can know that by something. `bytes` are those that the digest is of.
    pub(super) fn note(
        &mut self,
        codec: &TableCodec,
        row: &Row<'_>,
        digest: &RowHash,
        bytes: &[u8],
    ) -> Result<()> {
        let key = codec.key_text(&row.values);
        let columns = self.columns.then(|| column_digests(bytes));
        let record = row
            .external_id(&self.table)
            .and_then(|(kind, source_id)| Some((*self.codes.get(kind)?, source_id, row.origin.as_deref())));
        let noted = Noted { key: &key, sent: digest, columns: columns.as_deref(), record };
        let out = &mut self.row;
        out.clear();
        match &mut self.form {
            Form::Pages(pages, way) => {
                let Some(page) = pages.add(&noted) else { return Ok(()) };
                page.encode(out);
                way.take(out)
            }
            Form::Single([external, digests]) => {
                noted.encode_digest(out);
                digests.take(out)?;
                out.clear();
                noted.encode_external_id(out);
                external.take(out)
            }
        }
    }

    /// Hands on what goes by COPY; waits while the server is behind.
    pub(super) async fn flush_if_full(&mut self) -> Result<()> {
        match &mut self.form {
            Form::Pages(_, Way::Copy(copy)) => copy.flush_if_full().await,
            _ => Ok(()),
        }
    }

    pub(super) async fn finish(self) -> Result<Left> {
        let (pages, mut way) = match self.form {
            Form::Pages(pages, way) => (pages, way),
            Form::Single([external, digests]) => {
                return Ok(Left::Single([external.finish()?, digests.finish()?]));
            }
        };
        let mut row = self.row;
        for page in pages.rest() {
            row.clear();
            page.encode(&mut row);
            way.take(&row)?;
        }
        Ok(match way {
            Way::File(file) => Left::Pages(file.finish()?),
            Way::Copy(copy) => {
                copy.finish().await?;
                Left::Nothing
            }
        })
    }
}

impl Way {
    fn take(&mut self, row: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => file.take(row)?,
            Self::Copy(copy) => copy.encoded(row),
        }
        Ok(())
    }
}

/// A file beside the snapshot, which is as private and on a disk that holds as much.
pub(super) struct NoteFile(BufWriter<File>);

impl NoteFile {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        Ok(Self(BufWriter::with_capacity(BLOCK, tempfile::tempfile_in(folder)?)))
    }

    fn take(&mut self, row: &[u8]) -> Result<()> {
        Ok(self.0.write_all(row)?)
    }

    /// From its beginning.
    fn finish(self) -> Result<File> {
        let mut file = self.0.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}
