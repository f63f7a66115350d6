//! The golden ids in a snapshot: one line a source record.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// The golden id of one source record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenRow {
    pub source_id: String,
    pub golden_id: String,
}

/// Reads a file of such lines.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<impl Iterator<Item = Result<T>> + use<T>> {
    let path = path.to_owned();
    let file = File::open(&path).with_context(|| t!("snapshot.cannot_read", path = path.display()))?;
    let lines = BufReader::with_capacity(1 << 18, file).lines();
    Ok(lines.enumerate().map(move |(place, line)| {
        let line = line.with_context(|| t!("snapshot.cannot_read", path = path.display()))?;
        // What serde says would tell the value.
        serde_json::from_str(&line).map_err(|_| {
            Failure::failed(t!("snapshot.bad_line", path = path.display(), line = place + 1))
                .hint(t!("snapshot.damaged_hint"))
                .into()
        })
    }))
}
