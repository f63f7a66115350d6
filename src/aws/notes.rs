//! Which parts of which upload a server has confirmed, for servers that do not list their parts' checksums.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::model::private;

/// A part that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    upload: String,
    part: i32,
    etag: String,
    /// As S3 writes checksums.
    sha256: String,
}

/// A file of lines that only grows.
pub struct Notes {
    file: Mutex<File>,
    known: HashMap<(String, i32), Line>,
}

impl Notes {
    /// Opens or makes the file; the last line of a killed program may be torn, and is left out.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        let text = if path.is_file() { std::fs::read_to_string(path)? } else { String::new() };
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let known = lines.map(|line| ((line.upload.clone(), line.part), line)).collect();
        let mut file =
            private::append(path).with_context(|| t!("staging.cannot_write", path = path.display()))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { file: Mutex::new(file), known })
    }

    /// Whether the part that a server lists under this tag is the one with this checksum.
    pub(super) fn knows(&self, upload: &str, part: i32, etag: &str, sha256: &str) -> bool {
        let line = self.known.get(&(upload.to_owned(), part));
        line.is_some_and(|line| line.etag == etag && line.sha256 == sha256)
    }

    pub(super) fn note(&self, upload: &str, part: i32, etag: &str, sha256: &str) -> Result<()> {
        let line = Line { upload: upload.to_owned(), part, etag: etag.to_owned(), sha256: sha256.to_owned() };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok(self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts.jsonl");
        Notes::open(&path).unwrap().note("u", 1, "e", "s").unwrap();
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "{\"upload\":\"u\",\"pa").unwrap();
        Notes::open(&path).unwrap().note("u", 2, "f", "t").unwrap();
        let notes = Notes::open(&path).unwrap();
        assert!(notes.knows("u", 1, "e", "s") && notes.knows("u", 2, "f", "t"));
        assert!(!notes.knows("u", 1, "e", "t") && !notes.knows("v", 1, "e", "s"));
    }
}
