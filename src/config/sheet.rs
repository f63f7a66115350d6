//! CSV as people's spreadsheet programs save it: any of three delimiters, with or without a byte order mark, in the
//! encoding of their country; and files that are replaced whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use encoding_rs::{Encoding, WINDOWS_1252};
use nix::fcntl::{Flock, FlockArg};
use rust_i18n::t;

use super::csv::Records;
use crate::error::Failure;

/// The byte order mark, by which spreadsheet programs know UTF-8.
pub const MARK: char = '\u{feff}';

/// A header and the rows below it.
pub struct Sheet {
    pub delimiter: char,
    /// Lower case, without space around.
    pub header: Vec<String>,
    pub rows: Vec<Row>,
    /// The file's name as it is told.
    shown: String,
}

/// A row that has something in it.
pub struct Row {
    /// Line of the file on which it begins, from 1.
    pub line: u64,
    cells: Vec<String>,
}

impl Row {
    /// A cell; empty where the row ends before it.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

impl Sheet {
    /// Takes a text apart; `shown` is what its file is called in errors.
    ///
    /// # Errors
    /// A quote that is never closed, a row with more cells than the header, each with its line.
    pub fn parse(text: &str, shown: &str) -> Result<Self> {
        let text = text.strip_prefix(MARK).unwrap_or(text);
        // Programs of old Macs ended lines like this.
        let text = if text.contains('\n') { text.to_owned() } else { text.replace('\r', "\n") };
        let told =
            text.strip_prefix("sep=").and_then(|rest| Some((rest.chars().next()?, rest.split_once('\n')?.1)));
        let (lines_before, text) = told.map_or((0, text.as_str()), |(_, rest)| (1, rest));
        let delimiter = told.map_or_else(|| delimiter(text), |(delimiter, _)| delimiter);
        let at = |line: u64| format!("{shown}:{line}");
        let mut records = Records::new(text, u8::try_from(delimiter).unwrap_or(b','));
        let mut rows = Vec::new();
        while let Some((line, cells)) = records.next_record().map_err(|line| {
            Failure::failed(t!("dedupe.sheet_quote", place = at(line + lines_before)))
                .hint(t!("dedupe.sheet_quote_hint"))
        })? {
            rows.push(Row { line: line + lines_before, cells });
        }
        if rows.is_empty() {
            rows.push(Row { line: 1, cells: Vec::new() });
        }
        let header: Vec<String> =
            rows.remove(0).cells.iter().map(|name| name.trim().to_lowercase()).collect();
        rows.retain(|row| row.cells.iter().any(|cell| !cell.trim().is_empty()));
        let ragged = |row: &&Row| row.cells.iter().skip(header.len()).any(|cell| !cell.is_empty());
        if let Some(row) = rows.iter().find(ragged) {
            return Err(Failure::failed(t!(
                "dedupe.sheet_ragged",
                place = at(row.line),
                expected = header.len(),
                found = row.cells.len()
            ))
            .hint(t!("dedupe.sheet_ragged_hint", delimiter = delimiter))
            .into());
        }
        Ok(Self { delimiter, header, rows, shown: shown.to_owned() })
    }

    /// The position of a column.
    ///
    /// # Errors
    /// The header has no such name.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.header.iter().position(|column| column == name).ok_or_else(|| {
            Failure::failed(t!("dedupe.sheet_column", path = self.shown, column = name))
                .hint(t!("dedupe.sheet_column_hint", column = name))
                .into()
        })
    }

    /// `patient.links.csv:7`.
    pub fn place(&self, row: &Row) -> String {
        format!("{}:{}", self.shown, row.line)
    }
}

/// The one of comma, semicolon and tab that the header has most of; of equals the comma, then the semicolon.
fn delimiter(text: &str) -> char {
    let first = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let count = |delimiter: &char| first.matches(*delimiter).count();
    ['\t', ';', ','].into_iter().max_by_key(count).unwrap_or(',')
}

/// A file's text, with its byte order mark: in the encoding that this says, else UTF-8, else what Windows writes in our
/// countries.
///
/// # Errors
/// The file cannot be read.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| t!("config.cannot_read", path = path.display()))?;
    if let Some((encoding, _)) = Encoding::for_bom(&bytes) {
        return Ok(format!("{MARK}{}", encoding.decode(&bytes).0));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => WINDOWS_1252.decode(error.as_bytes()).0.into_owned(),
    })
}

/// One line of CSV without its end; what needs quotes has them.
pub fn line<T: AsRef<str>>(cells: impl IntoIterator<Item = T>, delimiter: char) -> String {
    let cells = cells.into_iter().map(|cell| quoted(cell.as_ref(), delimiter));
    cells.collect::<Vec<_>>().join(&delimiter.to_string())
}

fn quoted(cell: &str, delimiter: char) -> String {
    let plain = !cell.contains([delimiter, '"', '\n', '\r']) && cell.trim() == cell;
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

/// Puts a new text in a file's place, in one step; a file that is there keeps its mode, a new one gets this.
///
/// # Errors
/// The folder cannot be written.
pub fn replace(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mode = std::fs::metadata(path).map_or(mode, |file| file.permissions().mode());
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&partial)?;
        // One that an earlier attempt left has a mode of its own.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        File::open(path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")))?
            .sync_all()
    };
    let written = write();
    if written.is_err() {
        // What failed is worth telling; the next attempt replaces what is left.
        let _ = std::fs::remove_file(&partial);
    }
    written.with_context(|| t!("staging.cannot_write", path = path.display()))
}

/// Rewrites a file under a lock on its folder, so that two people at one machine lose nothing of each other. One that is not
/// there, or is empty, has this header.
///
/// # Errors
/// The file cannot be read or written, or `new` refuses.
pub fn change(
    path: &Path,
    shown: &str,
    header: &[&str],
    new: impl FnOnce(&str, &Sheet) -> Result<String>,
) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let cannot = || t!("staging.cannot_write", path = shown);
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let open = File::open(folder).with_context(cannot)?;
    let _lock =
        Flock::lock(open, FlockArg::LockExclusive).map_err(|(_, error)| error).with_context(cannot)?;
    let old = if path.exists() { read_text(path)? } else { String::new() };
    let old = match old.trim_start_matches(MARK).trim().is_empty() {
        true => line(header, ',') + "\n",
        false => old,
    };
    let text = new(&old, &Sheet::parse(&old, shown)?)?;
    replace(path, &text, 0o644)
}

/// A text with lines added at its end, ended as its own are.
pub fn appended(text: &str, lines: impl Iterator<Item = String>) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with(['\n', '\r']) {
        text.push_str(end);
    }
    for line in lines {
        text.push_str(&line);
        text.push_str(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreadsheets_of_all_kinds_are_read_with_their_lines() {
        for text in [
            "a,b\n\n1,\"x\ny\"\n2,z\n",
            "\u{feff}A;B\r\n\r\n1;\"x\r\ny\"\r\n2;z\r\n;\r\n;\r\n",
            " a \tb\r\r1\t\"x\ry\"\r2\tz",
            "sep=;\na;b\n1;\"x\ny\"\n2;z\n",
        ] {
            let sheet = Sheet::parse(text, "f.csv").unwrap();
            assert_eq!(sheet.column("b").unwrap(), 1);
            let rows: Vec<(u64, &str, &str)> =
                sheet.rows.iter().map(|row| (row.line, row.cell(0), row.cell(1))).collect();
            // What stands in quotes stays as it is.
            let cell = if text.contains("\r\n") { "x\r\ny" } else { "x\ny" };
            assert_eq!(rows, [(3, "1", cell), (5, "2", "z")], "{text:?}");
        }
        assert_eq!(Sheet::parse("", "f.csv").unwrap().rows.len(), 0);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_no_cell() {
        for (text, place) in
            [("a,b\n1,2\n3,\"Ana\n4,5\n", "f.csv:3"), ("a,b\n1,2\n\n3,Ana,Ruiz\n", "f.csv:4")]
        {
            let error = Sheet::parse(text, "f.csv").err().unwrap().to_string();
            assert!(error.contains(place) && !error.contains("Ana"), "{error}");
        }
    }

    #[test]
    fn files_are_read_in_the_encoding_that_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        let utf_16: Vec<u8> = "\u{feff}Peña".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [&b"Pe\xf1a"[..], "Peña".as_bytes(), "\u{feff}Peña".as_bytes(), &utf_16] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path).unwrap().trim_start_matches(MARK), "Peña");
        }
    }
}
