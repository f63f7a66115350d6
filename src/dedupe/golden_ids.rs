//! `clinics/<clinic>/fixes/<entity>.golden.csv`: the golden id under which each source record was pushed, in the order in
//! which they were first recorded. It goes to git and through people's spreadsheets, so it is read in whatever form those
//! save it, and written in one.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use encoding_rs::Encoding;
use rust_i18n::t;

use crate::config::sheet::{self, Sheet};
use crate::config::{Project, shown};
use crate::error::Failure;
use crate::model::ident::ClinicName;

/// The columns of the file, in the order in which they are written.
const COLUMNS: [&str; 3] = ["source_id", "golden_id", "recorded_at"];

/// The recorded golden ids of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenIds {
    path: PathBuf,
    rows: Vec<Recorded>,
    /// By source id, the place among the rows.
    places: HashMap<String, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Recorded {
    source_id: String,
    golden_id: String,
    recorded_at: String,
}

impl GoldenIds {
    /// Reads what was recorded; a file that is not there is one without rows.
    ///
    /// # Errors
    /// A file that is no such table, by its name and line.
    pub fn read(project: &Project, clinic: &ClinicName, entity: &str) -> Result<Self> {
        let path = project.clinic_dir(clinic).join("fixes").join(format!("{entity}.golden.csv"));
        let shown = shown(project, &path);
        let mut ids = Self { path, rows: Vec::new(), places: HashMap::new() };
        match fs::read(&ids.path) {
            Ok(bytes) => ids.fill(&text(&bytes, &shown)?, &shown)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| t!("config.cannot_read", path = shown)),
        }
        Ok(ids)
    }

    /// The golden id of a source record and its place in the file: the smaller, the earlier it was recorded.
    pub fn get(&self, source_id: &str) -> Option<(&str, usize)> {
        let place = *self.places.get(source_id)?;
        Some((&self.rows[place].golden_id, place))
    }

    /// Source and golden ids in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.iter().map(|row| (&*row.source_id, &*row.golden_id))
    }

    /// Takes in what was pushed: new records at the end, a changed golden id in the place of the old one. Says whether
    /// anything is other than before.
    pub fn record(&mut self, rows: impl IntoIterator<Item = (String, String)>, now: DateTime<Utc>) -> bool {
        let recorded_at = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut changed = false;
        for (source_id, golden_id) in rows {
            let row = Recorded { source_id, golden_id, recorded_at: recorded_at.clone() };
            match self.places.get(&row.source_id) {
                Some(place) if self.rows[*place].golden_id == row.golden_id => continue,
                Some(place) => self.rows[*place] = row,
                None => self.add(row),
            }
            changed = true;
        }
        changed
    }

    /// Writes the file beside itself, then in its place: whoever reads it finds the old or the new one, whole.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self) -> Result<()> {
        let rows = self.rows.iter().map(|row| [&*row.source_id, &*row.golden_id, &*row.recorded_at]);
        let lines = std::iter::once(COLUMNS).chain(rows).map(|cells| sheet::line(cells, ',') + "\n");
        let text: String = lines.collect();
        let cannot = || t!("staging.cannot_write", path = self.path.display());
        self.path.parent().map_or(Ok(()), fs::create_dir_all).with_context(cannot)?;
        sheet::replace(&self.path, &text, 0o644)
    }

    fn add(&mut self, row: Recorded) {
        self.places.insert(row.source_id.clone(), self.rows.len());
        self.rows.push(row);
    }

    fn fill(&mut self, text: &str, shown: &str) -> Result<()> {
        let sheet = Sheet::parse(text, shown)?;
        if sheet.header.is_empty() {
            return Ok(());
        }
        let [source_id, golden_id] = [sheet.column(COLUMNS[0])?, sheet.column(COLUMNS[1])?];
        let recorded_at = sheet.column(COLUMNS[2]).ok();
        for cells in &sheet.rows {
            let row = Recorded {
                source_id: cells.cell(source_id).to_owned(),
                golden_id: cells.cell(golden_id).trim().to_owned(),
                recorded_at: recorded_at.map_or("", |column| cells.cell(column)).to_owned(),
            };
            let place = sheet.place(cells);
            if row.source_id.is_empty() || row.golden_id.is_empty() {
                return Err(Failure::failed(t!("dedupe.golden_row", place = place)).into());
            }
            // Two people who pushed the same records, and whose files git joined.
            match self.get(&row.source_id) {
                None => self.add(row),
                Some((known, _)) if known == row.golden_id => {}
                Some(_) => {
                    return Err(Failure::failed(t!("dedupe.twice", place = place))
                        .hint(t!("dedupe.twice_hint"))
                        .into());
                }
            }
        }
        Ok(())
    }
}

/// The text of a file: UTF-8, or what its byte order mark says.
fn text(bytes: &[u8], shown: &str) -> Result<String> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes)
        && let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..])
    {
        return Ok(text.into_owned());
    }
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let failure = Failure::failed(t!("config.not_utf8", path = shown, line = line));
        failure.hint(t!("config.not_utf8_hint", path = shown)).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "source_id,golden_id,recorded_at\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(bytes: impl AsRef<[u8]>) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
            fs::write(folder.path(), bytes).unwrap();
            folder
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("clinics/acme/fixes/patient.golden.csv")
        }

        fn read(&self) -> Result<GoldenIds> {
            GoldenIds::read(&Project::at(self.0.path()), &"acme".parse().unwrap(), "patient")
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    fn pair(source_id: &str, golden_id: &str) -> (String, String) {
        (source_id.to_owned(), golden_id.to_owned())
    }

    #[test]
    fn new_records_come_last_and_a_changed_id_stays_in_its_place() {
        let folder = Folder::with(format!("{HEADER}b,B,2025-01-01T00:00:00Z\na,A,2025-01-01T00:00:00Z\n"));
        let mut ids = folder.read().unwrap();
        assert!(!ids.record([pair("a", "A"), pair("b", "B")], now()));
        assert!(ids.record([pair("0", "Z"), pair("b", "A")], now()));
        ids.write().unwrap();
        let text = fs::read_to_string(folder.path()).unwrap();
        let at = "2026-11-22T10:00:00Z";
        assert_eq!(text, format!("{HEADER}b,A,{at}\na,A,2025-01-01T00:00:00Z\n0,Z,{at}\n"));
        let read = folder.read().unwrap();
        assert_eq!(read.get("0"), Some(("Z", 2)));
        assert_eq!(read.rows().collect::<Vec<_>>(), [("b", "A"), ("a", "A"), ("0", "Z")]);
        assert_eq!(fs::read_dir(folder.path().parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn any_source_id_comes_back_as_it_was() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let strange =
            ["a,b", "a;b", "\"", " x ", "a\nb", "a\r\nb", "ñ", "007", "\u{feff}", "'", "a\tb", "\r"];
        let mut ids = folder.read().unwrap();
        assert!(ids.record(strange.map(|id| pair(id, "G")), now()));
        ids.write().unwrap();
        let read = folder.read().unwrap();
        for (place, id) in strange.into_iter().enumerate() {
            assert_eq!(read.get(id), Some(("G", place)), "{id:?}");
        }
    }

    #[test]
    fn what_spreadsheets_save_is_read() {
        let utf16 = |text: &str| {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            [0xff, 0xfe].into_iter().chain(units).collect::<Vec<u8>>()
        };
        let texts: [Vec<u8>; 6] = [
            b"\xef\xbb\xbfsource_id;golden_id;recorded_at\r\na;A;x\r\n\"b;1\";B;x\r\n;;\r\n".to_vec(),
            utf16("Source_ID\tgolden_id\trecorded_at\r\na\tA\tx\r\nb;1\tB\tx\r\n"),
            b"\"source_id\",\"golden_id\"\n\"a\",\"A\"\n\n\"b;1\",\"B\"".to_vec(),
            b"note,golden_id , recorded_at,source_id\nseen,A,x,a\n,B,x,b;1\n".to_vec(),
            b"source_id,golden_id,recorded_at\na,A,x\na,A,y\nb;1,B,\n".to_vec(),
            b"sep=;\r\nsource_id;golden_id\r\na;A\r\n\"b;1\";B\r\n".to_vec(),
        ];
        for text in texts {
            let ids = Folder::with(&text).read().unwrap_or_else(|error| panic!("{error:#}"));
            let found = (ids.get("a"), ids.get("b;1"), ids.rows.len());
            assert_eq!(found, (Some(("A", 0)), Some(("B", 1)), 2), "{:?}", String::from_utf8_lossy(&text));
        }
        assert_eq!(Folder::with("").read().unwrap().rows.len(), 0);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_values() {
        for (text, place) in [
            (format!("{HEADER}a,A,x\nAna,,x\n"), ":3:"),
            (format!("{HEADER}a,A,x,more\n"), ":2:"),
            (format!("{HEADER}a,A,x\n\n<<<<<<< HEAD\n"), ":4:"),
            (format!("{HEADER}\"Ana\n1\",A,x\nAna,B,x\nAna,C,x\n"), ":5:"),
            (format!("{HEADER}a,A,x\n\"Ana,A,x\nb,B,x\n"), ":3:"),
            ("source,golden_id\n".to_owned(), "source_id"),
        ] {
            let error = Folder::with(&text).read().unwrap_err().to_string();
            assert!(error.contains("clinics/acme/fixes/patient.golden.csv"), "{error}");
            assert!(error.contains(place) && !error.contains("Ana"), "{text}: {error}");
        }
        let error = Folder::with(b"source_id,golden_id\nMu\xf1oz,A\n").read().unwrap_err().to_string();
        assert!(error.contains("golden.csv:2"), "{error}");
    }

    #[test]
    fn half_a_million_rows_take_linear_time() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let rows = || (0..500_000).map(|n| (format!("{n}"), format!("G{n}")));
        let mut ids = folder.read().unwrap();
        ids.record(rows(), now());
        ids.write().unwrap();
        let start = std::time::Instant::now();
        let mut ids = folder.read().unwrap();
        assert!(!ids.record(rows(), now()));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
