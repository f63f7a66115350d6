//! Files that other people wrote, with what they hold.

use std::path::Path;

use serde_json::{Value, json};
use trasvase::config::{Clinic, Project};
use trasvase::error::Failure;
use trasvase::load;
use trasvase::model::run::Silent;
use trasvase::staging::Staging;

use super::desk::{Desk, rows};

/// Every folder of `tests/cases/load`: its files, read as `source.toml` says, give what `expected.json` holds.
///
/// `BLESS=1` writes what came instead; read it before you commit it.
#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/load");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir() && !path.ends_with("csv-spectrum"));
    folders.sort();
    assert!(folders.len() > 20, "{folders:?}");
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let halves: Vec<_> = folders
            .chunks(folders.len().div_ceil(2))
            .map(|half| scope.spawn(|| half.iter().filter_map(|folder| wrong(folder)).collect::<Vec<_>>()))
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn wrong(folder: &Path) -> Option<String> {
    let came = case(folder);
    let file = folder.join("expected.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&came).unwrap() + "\n").unwrap();
    }
    let expected: Value = std::fs::read_to_string(&file)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    (came != expected).then(|| format!("{}:\ncame:     {came}\nexpected: {expected}", folder.display()))
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
    let project = Project::at(desk.folder.path());
    let clinic = Clinic::read(&project, &"demo".parse().unwrap()).unwrap();
    let staging = Staging::in_memory(&clinic).unwrap();
    let options = load::Options {
        project: &project,
        clinic: &clinic,
        staging: &staging,
        only: Vec::new(),
        force: false,
        incremental: false,
    };
    let report = match load::run(&options, &Silent) {
        Ok(report) => report,
        Err(error) => {
            let failure = Failure::from_anyhow(&error);
            return json!({ "failure": failure.message, "hints": failure.hints });
        }
    };
    let source = &report.sources[0];
    let all = rows(&staging, "select * exclude (_id, _file) from raw.s order by _id");
    let errors = rows(
        &staging,
        "select record, line, cell, reason, detail from meta.load_error order by path, line, cell",
    );
    assert_eq!(all.len() as u64, source.rows, "{folder:?}");
    for file in &source.files {
        assert_eq!(file.loaded + file.refused, file.counted, "{folder:?}");
    }
    json!({
        "dialect": source.files.iter().map(|file| file.dialect.to_string()).collect::<Vec<_>>(),
        "columns": source.columns,
        "count": source.rows,
        "refused": source.refused,
        "rows": all.iter().take(SHOWN).collect::<Vec<_>>(),
        "errors": errors.iter().take(SHOWN).collect::<Vec<_>>(),
        "findings": source.findings.iter().map(|finding| json!([
            finding.rule, finding.severity, finding.column, finding.count, finding.detail
        ])).collect::<Vec<_>>(),
    })
}

/// The parse that csv-spectrum's authors expect of each of their files.
#[test]
fn csv_spectrum() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/load/csv-spectrum");
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("csvs")).unwrap() {
        let path = entry.unwrap().path();
        let desk = Desk::with(std::fs::read(&path).unwrap());
        let report = desk.load().unwrap();
        let came: Vec<Value> = desk.staging(|_, _, staging| {
            let sql = "select to_json(s)::varchar from (select * exclude (_id, _file, _row) from raw.s order by _id) s";
            let lines: Vec<String> = staging.rows(sql, |row| row.get(0)).unwrap();
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
        });
        let json = root.join("json").join(path.file_stem().unwrap()).with_extension("json");
        let expected = match serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap() {
            Value::Array(rows) => rows,
            // The file of a single row is written without brackets.
            row => vec![row],
        };
        assert_eq!(came, expected, "{}", path.display());
        assert_eq!((report.refused(), report.rows()), (0, expected.len() as u64));
        seen += 1;
    }
    assert_eq!(seen, 12);
}
