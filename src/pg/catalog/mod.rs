//! What a PostgreSQL database says of its tables: read live, kept in a file, compared.

mod difference;
mod read;
mod types;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use crate::error::Failure;
use crate::model::catalog::{Catalog, Table};
use crate::model::hex;
use crate::model::ident::TableName;

pub use difference::difference;
pub use read::{live_oids, read};

/// The hash of what these tables are, in hex. The same on every server and for every role: ownership and whether
/// row-level security hides rows from this role are not in it, nor the server's version.
pub fn hash(catalog: &Catalog, tables: &[TableName]) -> String {
    let shapes: BTreeMap<&TableName, Option<Table>> = tables
        .iter()
        .map(|name| {
            let table = catalog.table(name).cloned();
            (name, table.map(|table| Table { owned: false, row_security: false, ..table }))
        })
        .collect();
    let text = serde_json::to_vec(&shapes).expect("a catalog has only string keys");
    hex(Sha256::digest(text))
}

/// Writes `schema/<system>.catalog.json`.
pub fn save(catalog: &Catalog, path: &Path) -> Result<()> {
    let cannot = || t!("pg.cannot_write", path = path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let partial = path.with_extension("json.partial");
    let mut text = serde_json::to_vec_pretty(catalog)?;
    text.push(b'\n');
    let mut file = File::create(&partial).with_context(cannot)?;
    file.write_all(&text).and_then(|()| file.sync_all()).with_context(cannot)?;
    fs::rename(&partial, path).with_context(cannot)
}

/// Reads `schema/<system>.catalog.json`; `None` where there is none yet.
pub fn load(path: &Path) -> Result<Option<Catalog>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read(path).with_context(|| t!("pg.cannot_read", path = path.display()))?;
    let catalog = serde_json::from_slice(&text).map_err(|error| {
        Failure::failed(t!("pg.bad_catalog", path = path.display(), error = error)).hint(t!("pg.pull_again"))
    })?;
    Ok(Some(catalog))
}
