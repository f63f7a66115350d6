//! Which object a file becomes, and which row tells of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Options;
use super::list::Listed;
use super::look::{AllSeen, Seen};
use super::owners::Bound;
use crate::config::{FileColumn, Files};
use crate::error;
use crate::model::ident::quoted;
use crate::model::{file_name, hex};

/// So many hashes are asked about at once.
const AT_ONCE: usize = 5_000;

/// Which bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shelf {
    #[default]
    General,
    /// Under retention.
    Worm,
}

/// Bytes that are in a bucket once.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) shelf: Shelf,
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) content_type: &'static str,
    /// It was in the listing of its bucket.
    pub(super) listed: bool,
}

/// A row that tells of a file.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) file: Listed,
    pub(super) owner: String,
    pub(super) shelf: Shelf,
    pub(super) key: String,
    pub(super) seen: Seen,
}

/// What the ledger knows the row of a file and its owner by: nobody reads a file's name out of it.
pub(super) fn source_id(section: &Files, path: &str, owner: &str) -> String {
    hex(Sha256::digest([section.folder.as_str(), path, owner].join("\0")))[..32].to_owned()
}

/// All rows, and the objects that they tell of.
pub(super) async fn all(
    options: &Options<'_>,
    files: Vec<Bound>,
    seen: &AllSeen,
) -> Result<(Vec<Row>, Vec<Object>)> {
    let known = known(options, seen).await?;
    // Where one section says consent and another does not, it is one.
    let place = |listed: &Listed| {
        let folder = options.clinic.files[listed.section].folder.clone();
        (folder, listed.path.clone(), listed.owner.clone())
    };
    let consents: HashSet<_> =
        files.iter().filter(|one| one.listed.consent).map(|one| place(&one.listed)).collect();
    let mut objects: BTreeMap<(Shelf, String), Object> = BTreeMap::new();
    let mut rows = Vec::with_capacity(files.len());
    for Bound { listed, owner } in files {
        let Some(seen) = seen.get(&(listed.section, listed.path.clone())) else { continue };
        let shelf = if consents.contains(&place(&listed)) { Shelf::Worm } else { Shelf::General };
        let section = &options.clinic.files[listed.section];
        let bucket = options.buckets.of(shelf)?.name();
        let object = objects.entry((shelf, seen.sha256.clone())).or_insert_with(|| Object {
            shelf,
            key: known
                .get(&(bucket.to_owned(), seen.sha256.clone()))
                .cloned()
                .unwrap_or_else(|| key(options.clinic.name.as_str(), section, &owner, &seen.sha256)),
            path: seen.path.clone(),
            bytes: seen.bytes,
            sha256: seen.sha256.clone(),
            content_type: seen.content_type,
            listed: false,
        });
        let key = object.key.clone();
        rows.push(Row { file: listed, owner, shelf, key, seen: seen.clone() });
    }
    Ok((rows, objects.into_values().collect()))
}

/// Where bytes lie that no row tells of yet: below the first of their owners. No name of a person or a file is in it.
fn key(clinic: &str, section: &Files, owner: &str, sha256: &str) -> String {
    format!("{}{}/{sha256}", prefix(clinic, section), file_name(owner))
}

/// What all keys of a section begin with.
pub(super) fn prefix(clinic: &str, section: &Files) -> String {
    format!("{clinic}/{}/", file_name(&section.of))
}

/// Where rows of the target say that bytes lie, by bucket and hash: they stay there whoever else comes to have them.
async fn known(options: &Options<'_>, seen: &AllSeen) -> Result<HashMap<(String, String), String>> {
    let mut known = HashMap::new();
    for section in &options.clinic.files {
        let column = |column| section.column(column).map(|name| format!("t.{}::text", quoted(&name)));
        let named =
            column(FileColumn::Bucket).zip(column(FileColumn::Sha256)).zip(column(FileColumn::ObjectKey));
        let Some(((bucket, sha256), key)) = named else { continue };
        let prefix = prefix(options.clinic.name.as_str(), section);
        let sql = format!(
            "select {bucket}, {sha256}, min({key}) from {} t where {sha256} = any($1) and starts_with({key}, $2) \
             and {bucket} is not null group by 1, 2",
            section.table.quoted()
        );
        let hashes: Vec<&str> = seen.values().map(|seen| seen.sha256.as_str()).collect();
        for chunk in hashes.chunks(AT_ONCE) {
            let rows = options.client.query(&sql, &[&chunk, &prefix]).await;
            for row in rows.map_err(|error| error::postgres(&error))? {
                known.insert((row.get(0), row.get(1)), row.get(2));
            }
        }
    }
    Ok(known)
}
