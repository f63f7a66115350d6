//! Sources to raw tables: what is read, what is refused, what is told, and that nothing is lost on the way.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;
use trasvase::config::{Clinic, Project};
use trasvase::error::{Failure, Kind};
use trasvase::load::{self, Reason, Report};
use trasvase::model::run::{Event, Observer, Silent};
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
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new(sources: &str) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.configure(sources);
        desk
    }

    /// One source `s` of `s.csv` with this text.
    fn with(text: impl AsRef<[u8]>) -> Self {
        let desk = Self::new("[sources.s]\nfiles = ['s.csv']");
        desk.write("s.csv", text);
        desk
    }

    fn clinic_dir(&self) -> PathBuf {
        self.folder.path().join("clinics/demo")
    }

    fn configure(&self, sources: &str) {
        self.write("clinic.toml", format!("{CLINIC_TOML}\n{sources}\n"));
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.clinic_dir().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn staging<T>(&self, work: impl FnOnce(&Project, &Clinic, &Staging) -> T) -> T {
        let project = Project::at(self.folder.path());
        let clinic = Clinic::read(&project, &"demo".parse().unwrap()).unwrap();
        let staging = Staging::open(&project, &clinic, Access::Write, &Limits::default()).unwrap();
        work(&project, &clinic, &staging)
    }

    fn load_with(&self, only: &[&str], force: bool, observer: &dyn Observer) -> Result<Report, Failure> {
        self.staging(|project, clinic, staging| {
            let only = only.iter().map(ToString::to_string).collect();
            load::run(&load::Options { project, clinic, staging, only, force }, observer)
                .map_err(|error| Failure::from_anyhow(&error))
        })
    }

    fn load(&self) -> Result<Report, Failure> {
        self.load_with(&[], false, &Silent)
    }

    fn plan(&self) -> load::Plan {
        self.staging(|project, clinic, staging| {
            load::plan(&load::Options { project, clinic, staging, only: Vec::new(), force: false }).unwrap()
        })
    }

    /// A query's rows, as JSON lists.
    fn rows(&self, sql: &str) -> Vec<Value> {
        self.staging(|_, _, staging| rows(staging, sql))
    }

    /// Everything that a load writes, but for the time.
    fn everything(&self) -> Vec<Vec<Value>> {
        self.staging(|_, _, staging| {
            let tables = rows(staging, "select table_name from duckdb_tables() where schema_name = 'raw' order by 1");
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

fn rows(staging: &Staging, sql: &str) -> Vec<Value> {
    let read = |row: &duckdb::Row<'_>| {
        let width = row.as_ref().column_count();
        (0..width).map(|column| row.get::<_, Option<String>>(column)).collect::<duckdb::Result<Vec<_>>>()
    };
    let lines = staging.rows(&format!("select columns(*)::varchar from ({sql})"), read).unwrap();
    lines.into_iter().map(|line| json!(line)).collect()
}

fn findings(report: &Report) -> Vec<&str> {
    report.sources.iter().flat_map(|source| &source.findings).map(|finding| finding.rule.as_str()).collect()
}

/// Every folder of `tests/cases/load`: its files, read as `source.toml` says, give what `expected.json` holds.
///
/// `BLESS=1` writes what came instead; read it before you commit it.
#[test]
fn cases() {
    let mut wrong = Vec::new();
    let root = std::env::var("LOAD_CASES").map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/load"), PathBuf::from);
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(!folders.is_empty());
    for folder in folders {
        let came = case(&folder);
        let file = folder.join("expected.json");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, serde_json::to_string_pretty(&came).unwrap() + "\n").unwrap();
        }
        let expected: Value = std::fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        if came != expected {
            wrong.push(format!("{}:\ncame:     {came}\nexpected: {expected}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Rows beyond these are only counted.
const SHOWN: usize = 30;

fn case(folder: &Path) -> Value {
    let mut sources = "[sources.s]\n".to_owned();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !["expected.json", "source.toml"].contains(&name.as_str()) {
            names.push((name, std::fs::read(path).unwrap()));
        }
    }
    names.sort();
    let options = std::fs::read_to_string(folder.join("source.toml")).unwrap_or_default();
    if !options.contains("files") {
        let list = names.iter().map(|name| format!("{:?}", name.0)).collect::<Vec<_>>().join(", ");
        sources.push_str(&format!("files = [{list}]\n"));
    }
    let desk = Desk::new(&format!("{sources}{options}"));
    for (name, bytes) in &names {
        desk.write(name, bytes);
    }
    match desk.load() {
        Err(failure) => json!({ "failure": failure.message, "hints": failure.hints }),
        Ok(report) => {
            let source = &report.sources[0];
            let rows = desk.rows("select * exclude (_id, _file) from raw.s order by _id");
            let errors = desk.rows("select record, line, cell, reason, detail from meta.load_error order by path, line, cell");
            for file in &source.files {
                assert_eq!(file.loaded + file.refused, file.counted, "{folder:?}");
            }
            json!({
                "dialect": source.files.iter().map(|file| file.dialect.to_string()).collect::<Vec<_>>(),
                "columns": source.columns,
                "count": source.rows,
                "refused": source.refused,
                "rows": rows.iter().take(SHOWN).collect::<Vec<_>>(),
                "errors": errors.iter().take(SHOWN).collect::<Vec<_>>(),
                "findings": source.findings.iter().map(|finding| json!([
                    finding.rule, finding.severity, finding.column, finding.count, finding.detail
                ])).collect::<Vec<_>>(),
            })
        }
    }
}
