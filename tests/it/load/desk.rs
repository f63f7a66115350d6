//! A clinic's folder to load from.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use trasvase::config::{Clinic, Project};
use trasvase::error::Failure;
use trasvase::load::{self, Report};
use trasvase::model::run::{Observer, Silent};
use trasvase::staging::{Access, Limits, Staging};

const CLINIC_TOML: &str = r#"
name = "demo"
uid = "01HZY3J7QG0000000000000000"
epoch = "2024-01-01T00:00:00Z"
product = "flowww"
system = "clinicsay"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"
"#;

/// A clinic's folder with sources, and its staging file.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
}

impl Desk {
    pub(crate) fn new(sources: &str) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.configure(sources);
        desk
    }

    /// One source `s` of `s.csv` with this text.
    pub(crate) fn with(text: impl AsRef<[u8]>) -> Self {
        let desk = Self::new("[sources.s]\nfiles = ['s.csv']");
        desk.write("s.csv", text);
        desk
    }

    pub(crate) fn clinic_dir(&self) -> PathBuf {
        self.folder.path().join("clinics/demo")
    }

    pub(crate) fn configure(&self, sources: &str) {
        self.write("clinic.toml", format!("{CLINIC_TOML}\n{sources}\n"));
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.clinic_dir().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn staging<T>(&self, work: impl FnOnce(&Project, &Clinic, &Staging) -> T) -> T {
        let project = Project::at(self.folder.path());
        let clinic = Clinic::read(&project, &"demo".parse().unwrap()).unwrap();
        let staging = Staging::open(&project, &clinic, Access::Write, &Limits::default()).unwrap();
        work(&project, &clinic, &staging)
    }

    pub(crate) fn load_with(
        &self,
        only: &[&str],
        force: bool,
        observer: &dyn Observer,
    ) -> Result<Report, Failure> {
        self.staging(|project, clinic, staging| {
            let only = only.iter().map(ToString::to_string).collect();
            load::run(&load::Options { project, clinic, staging, only, force, incremental: false }, observer)
                .map_err(|error| Failure::from_anyhow(&error))
        })
    }

    pub(crate) fn load(&self) -> Result<Report, Failure> {
        self.load_with(&[], false, &Silent)
    }

    pub(crate) fn plan(&self) -> load::Plan {
        self.staging(|project, clinic, staging| {
            load::plan(&load::Options {
                project,
                clinic,
                staging,
                only: Vec::new(),
                force: false,
                incremental: false,
            })
            .unwrap()
        })
    }

    /// A query's rows, as JSON lists.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Value> {
        self.staging(|_, _, staging| rows(staging, sql))
    }

    /// Everything that a load writes, but for the time.
    pub(crate) fn everything(&self) -> Vec<Vec<Value>> {
        self.staging(|_, _, staging| {
            let tables =
                rows(staging, "select table_name from duckdb_tables() where schema_name = 'raw' order by 1");
            let mut all = vec![tables.clone()];
            for table in &tables {
                all.push(rows(staging, &format!("from raw.\"{}\" order by _id", table[0].as_str().unwrap())));
            }
            all.push(rows(staging, "select * exclude (loaded_at) from meta.source order by source"));
            for table in ["source_file", "load_error", "finding"] {
                all.push(rows(staging, &format!("from meta.{table} order by all")));
            }
            all
        })
    }
}

/// A query's rows, as JSON lists of texts.
pub(crate) fn rows(staging: &Staging, sql: &str) -> Vec<Value> {
    let read = |row: &duckdb::Row<'_>| {
        let width = row.as_ref().column_count();
        (0..width).map(|column| row.get::<_, Option<String>>(column)).collect::<duckdb::Result<Vec<_>>>()
    };
    let lines = staging.rows(&format!("select columns(*)::varchar from ({sql})"), read).unwrap();
    lines.into_iter().map(|line| json!(line)).collect()
}

/// The rules of all findings, in order.
pub(crate) fn findings(report: &Report) -> Vec<&str> {
    report.sources.iter().flat_map(|source| &source.findings).map(|finding| finding.rule.as_str()).collect()
}
