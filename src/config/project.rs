//! Where everything lives: the folder that holds `clinics/`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use crate::error::Failure;
use crate::model::ident::ClinicName;

/// The project folder (DESIGN §6).
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// A project at this folder, whatever is in it.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The nearest folder upwards from `start` that holds `clinics/`.
    pub fn find(start: &Path) -> Result<Self> {
        start
            .ancestors()
            .find(|folder| folder.join("clinics").is_dir())
            .map(Self::at)
            .ok_or_else(|| Failure::usage(t!("config.no_project")).hint(t!("config.no_project_hint")).into())
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn clinic_dir(&self, clinic: &ClinicName) -> PathBuf {
        self.root.join("clinics").join(clinic.as_str())
    }

    /// `staging/<clinic>`.
    pub fn staging_dir(&self, clinic: &ClinicName) -> PathBuf {
        self.root.join("staging").join(clinic.as_str())
    }

    /// Where what live sources held is kept.
    pub fn extracts_dir(&self, clinic: &ClinicName) -> PathBuf {
        self.staging_dir(clinic).join("extracts")
    }

    /// A source's file by the name that people see: relative to the clinic's folder, of an extract to the project's.
    pub fn source_path(&self, clinic: &ClinicName, shown: &str) -> PathBuf {
        let path = self.root.join(shown);
        if path.starts_with(self.extracts_dir(clinic)) { path } else { self.clinic_dir(clinic).join(shown) }
    }

    pub fn duckdb_path(&self, clinic: &ClinicName) -> PathBuf {
        self.staging_dir(clinic).join(format!("{clinic}.duckdb"))
    }

    pub fn snapshots_dir(&self, clinic: &ClinicName) -> PathBuf {
        self.staging_dir(clinic).join("snapshots")
    }

    /// Copies of database files: what a load read is kept here as it was.
    pub fn copies_dir(&self, clinic: &ClinicName) -> PathBuf {
        self.staging_dir(clinic).join("copies")
    }

    pub fn logs_dir(&self, clinic: &ClinicName) -> PathBuf {
        self.staging_dir(clinic).join("logs")
    }

    /// Data of the embedded PostgreSQL.
    pub fn postgres_dir(&self) -> PathBuf {
        self.root.join("staging").join(".postgres")
    }

    pub fn sql_dir(&self) -> PathBuf {
        self.root.join("sql")
    }

    pub fn schema_file(&self, system: &str) -> PathBuf {
        self.root.join("schema").join(format!("{system}.sql"))
    }

    pub fn catalog_file(&self, system: &str) -> PathBuf {
        self.root.join("schema").join(format!("{system}.catalog.json"))
    }

    /// Names of the folders under `clinics/` that hold a `clinic.toml`, sorted.
    pub fn clinics(&self) -> Result<Vec<ClinicName>> {
        let folder = self.root.join("clinics");
        let mut names = Vec::new();
        for entry in
            std::fs::read_dir(&folder).with_context(|| t!("config.cannot_read", path = folder.display()))?
        {
            let entry = entry?;
            if entry.path().join("clinic.toml").is_file()
                && let Ok(name) = entry.file_name().to_string_lossy().parse()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
