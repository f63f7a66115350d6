//! The ledger's rows of one table, kept in files without a name while the table's own rows go over the connection, which
//! takes one COPY at a time. They are encoded for COPY already.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;

use anyhow::Result;

use crate::codec::{RowHash, TableCodec, column_digests};
use crate::pg::copy::{append_bytes, append_integer, append_text, append_text_or_null};
use crate::snapshot::Row;

/// What a file takes at a time.
const BLOCK: usize = 1 << 18;

pub(super) struct Spool {
    external: BufWriter<File>,
    digests: BufWriter<File>,
    row: Vec<u8>,
    batch: i32,
    product: i32,
    table: String,
    codes: BTreeMap<String, i32>,
    /// Also the digests of columns.
    columns: bool,
}

impl Spool {
    /// Files beside the snapshot, which is as private and on a disk that holds as much.
    pub(super) fn new(
        folder: &Path,
        batch: i32,
        product: i32,
        table: String,
        codes: BTreeMap<String, i32>,
        columns: bool,
    ) -> Result<Self> {
        let file = || tempfile::tempfile_in(folder).map(|file| BufWriter::with_capacity(BLOCK, file));
        Ok(Self {
            external: file()?,
            digests: file()?,
            row: Vec::new(),
            batch,
            product,
            table,
            codes,
            columns,
        })
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
        let (key, table) = (codec.key_text(&row.values), self.codes[&self.table]);
        let out = &mut self.row;
        out.clear();
        out.extend_from_slice(&6_i16.to_be_bytes());
        append_integer(out, Some(self.batch));
        append_integer(out, Some(table));
        append_text(out, &key);
        for _ in ["sent", "stored"] {
            append_bytes(out, Some(digest));
        }
        append_bytes(out, self.columns.then(|| column_digests(bytes)).as_deref());
        self.digests.write_all(out)?;
        let Some((kind, source_id)) = row.external_id(&self.table) else { return Ok(()) };
        let Some(kind) = self.codes.get(kind) else { return Ok(()) };
        out.clear();
        out.extend_from_slice(&7_i16.to_be_bytes());
        append_integer(out, Some(self.batch));
        append_integer(out, Some(self.product));
        append_integer(out, Some(*kind));
        append_text(out, source_id);
        append_integer(out, Some(table));
        append_text(out, &key);
        append_text_or_null(out, row.origin.as_deref());
        self.external.write_all(out)?;
        Ok(())
    }

    /// Both files, from their beginning: rows of `external_id` and of `row_digest`.
    pub(super) fn finish(self) -> Result<(File, File)> {
        let rewound = |writer: BufWriter<File>| -> Result<File> {
            let mut file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(file)
        };
        Ok((rewound(self.external)?, rewound(self.digests)?))
    }
}
