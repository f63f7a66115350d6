//! Where versioned SQL comes from: the system's folder, replaced file by file by the product's, then by the clinic's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::{Clinic, Project};

/// The three layers of SQL folders, lowest first.
pub fn layers(project: &Project, clinic: &Clinic) -> [PathBuf; 3] {
    [
        project.sql_dir().join("systems").join(&clinic.system),
        project.sql_dir().join("sources").join(&clinic.product),
        project.clinic_dir(&clinic.name).join("sql"),
    ]
}

/// The `.sql` files of a folder (`checks`, `control`, `verify`, `ghosts`) by stem; later layers replace earlier ones.
pub fn sql_files(project: &Project, clinic: &Clinic, folder: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for layer in layers(project, clinic) {
        let Ok(entries) = std::fs::read_dir(layer.join(folder)) else { continue };
        for entry in entries {
            let path = entry.with_context(|| t!("config.cannot_read", path = layer.display()))?.path();
            if let (Some(stem), Some("sql")) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.extension().and_then(|end| end.to_str()),
            ) {
                files.insert(stem.to_owned(), path.clone());
            }
        }
    }
    Ok(files)
}
