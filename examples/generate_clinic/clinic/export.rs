//! Files as the old product writes them: Windows-1252, semicolons, CRLF.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Where the export goes.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Starts a CSV file with its header.
    pub(super) fn csv(&self, name: &str, header: &[&str]) -> Result<Csv> {
        let path = self.path(name);
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut csv = Csv { out: BufWriter::with_capacity(1 << 20, file), line: String::with_capacity(512) };
        csv.row(header)?;
        Ok(csv)
    }
}

/// A CSV file being written.
pub(super) struct Csv {
    out: BufWriter<File>,
    line: String,
}

impl Csv {
    /// Writes a record, with quotes only where a reader needs them.
    pub(super) fn row(&mut self, cells: &[&str]) -> Result<()> {
        self.line.clear();
        for (position, cell) in cells.iter().enumerate() {
            if position > 0 {
                self.line.push(';');
            }
            push_cell(&mut self.line, cell);
        }
        self.end_line()
    }

    /// Writes a record whose last but one cell should have been quoted, so that it has a field too many.
    pub(super) fn row_too_long(&mut self, cells: &[&str]) -> Result<()> {
        self.line.clear();
        self.line.push_str(&cells.join(";"));
        self.line.push_str(";sin comillas");
        self.end_line()
    }

    /// Writes the first half of a record, as an export does that was cut off and continued.
    pub(super) fn row_too_short(&mut self, cells: &[&str]) -> Result<()> {
        self.row(&cells[..cells.len() / 2])
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.out.flush().context("cannot write the export")
    }

    fn end_line(&mut self) -> Result<()> {
        self.line.push_str("\r\n");
        let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(&self.line);
        anyhow::ensure!(!unmappable, "a generated text does not fit Windows-1252");
        self.out.write_all(&bytes).context("cannot write the export")
    }
}

fn push_cell(line: &mut String, cell: &str) {
    if cell.contains([';', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(cell);
    }
}
