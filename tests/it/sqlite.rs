//! SQLite databases as sources: every kind of value, table and file, logs beside them, and what is wrong with them.

mod corpus;
mod damage;
mod logs;
mod tables;
mod values;

use std::path::PathBuf;

use rusqlite::Connection;
use trasvase::load::Report;

use crate::load::desk::Desk;

/// A clinic whose source `s` is asked of `x.db`, which this SQL made.
fn desk(asked: &str, sql: &str) -> Desk {
    let desk = Desk::new(&format!("[sources.s]\nfiles = ['x.db']\n{asked}"));
    database(&desk).execute_batch(sql).unwrap();
    desk
}

fn path(desk: &Desk) -> PathBuf {
    desk.clinic_dir().join("x.db")
}

fn database(desk: &Desk) -> Connection {
    Connection::open(path(desk)).unwrap()
}

/// Rule, severity, column, count and detail of every finding.
fn told(report: &Report) -> Vec<String> {
    let findings = report.sources.iter().flat_map(|source| &source.findings);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    findings
        .map(|one| {
            let severity = one.severity.as_str();
            let line =
                format!("{} {severity} {} {} {}", one.rule, text(&one.column), one.count, text(&one.detail));
            line.trim_end().to_owned()
        })
        .collect()
}
