//! What people decided about findings: `clinics/<clinic>/fixes/issues.csv`, in git, so that it outlives every run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use chrono::{DateTime, Utc};
use rust_i18n::t;

use super::{Issue, Status};
use crate::config::sheet::{self, Sheet};
use crate::config::{Clinic, Project, shown};
use crate::error::Failure;

const HEADER: [&str; 8] = ["id", "rule", "subject", "count", "status", "reason", "who", "when"];

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub rule: String,
    /// With the column.
    pub subject: String,
    /// What the finding counted when it was decided about; none where it was struck out, which is for any count.
    pub count: Option<u64>,
    pub status: Status,
    pub reason: String,
    pub who: String,
    /// RFC 3339, UTC.
    pub when: String,
}

/// The file as it was read last: of several rows about a finding the last holds.
#[derive(Debug)]
pub struct Decisions {
    path: PathBuf,
    shown: String,
    current: BTreeMap<String, Row>,
}

impl Row {
    /// A decision of now.
    pub fn new(issue: &Issue, status: Status, reason: &str, who: &str) -> Self {
        Self {
            id: issue.id.clone(),
            rule: issue.rule.clone(),
            subject: issue.about(),
            count: Some(issue.count),
            status,
            reason: reason.to_owned(),
            who: who.to_owned(),
            when: Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        }
    }

    /// When it was decided, where the file says so in a way that can be read.
    pub(super) fn decided_at(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(&self.when).ok().map(|time| time.to_utc())
    }

    /// The finding is accepted as it is, and has not grown since.
    pub fn accepts(&self, count: u64) -> bool {
        self.status == Status::Accepted && self.count.is_none_or(|most| count <= most)
    }

    fn cell(&self, column: &str) -> Cow<'_, str> {
        let text = match column {
            "id" => &self.id,
            "rule" => &self.rule,
            "subject" => &self.subject,
            "count" => {
                return self.count.map_or(Cow::Borrowed(""), |count| Cow::Owned(count.to_string()));
            }
            "status" => self.status.as_str(),
            "reason" => &self.reason,
            "who" => &self.who,
            "when" => &self.when,
            _ => "",
        };
        Cow::Borrowed(text)
    }
}

impl Decisions {
    /// Reads the file; none is no decision.
    ///
    /// # Errors
    /// A column that is missing, a word that is no status or no number: with file and line.
    pub fn read(project: &Project, clinic: &Clinic) -> Result<Self> {
        let path = project.clinic_dir(&clinic.name).join("fixes/issues.csv");
        let shown = shown(project, &path);
        let current = match path.exists() {
            true => parsed(&Sheet::parse(&sheet::read_text(&path)?, &shown)?)?,
            false => BTreeMap::new(),
        };
        Ok(Self { path, shown, current })
    }

    /// The file's name below the project.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What holds about a finding.
    pub fn of(&self, id: &str) -> Option<&Row> {
        self.current.get(id)
    }

    /// All that hold.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.current.values()
    }

    /// Whether a finding that counts so much is accepted as it is.
    pub fn accept(&self, id: &str, count: u64) -> bool {
        self.of(id).is_some_and(|row| row.accepts(count))
    }

    /// Adds rows at the end, in the file's own shape.
    ///
    /// # Errors
    /// The file has become unreadable since, or cannot be written.
    pub fn append(&mut self, rows: &[Row]) -> Result<()> {
        let mut current = BTreeMap::new();
        sheet::change(&self.path, &self.shown, &HEADER, |text, sheet| {
            let line =
                |row: &Row| sheet::line(sheet.header.iter().map(|column| row.cell(column)), sheet.delimiter);
            let text = sheet::appended(text, rows.iter().map(line));
            current = parsed(&Sheet::parse(&text, &self.shown)?)?;
            Ok(text)
        })?;
        self.current = current;
        Ok(())
    }
}

fn parsed(sheet: &Sheet) -> Result<BTreeMap<String, Row>> {
    let mut current = BTreeMap::new();
    if sheet.header.is_empty() {
        return Ok(current);
    }
    let columns = HEADER.iter().map(|name| sheet.column(name)).collect::<Result<Vec<_>>>()?;
    for row in &sheet.rows {
        let cell = |column: usize| row.cell(columns[column]).trim().to_owned();
        let count = match cell(3).as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                Failure::failed(t!("issues.count", place = sheet.place(row))).hint(t!("issues.count_hint"))
            })?),
        };
        let status = match cell(4).as_str() {
            "accepted" => Status::Accepted,
            "resolved" => Status::Resolved,
            "open" => Status::Open,
            _ => {
                return Err(Failure::failed(t!("issues.status", place = sheet.place(row)))
                    .hint(t!("issues.status_hint"))
                    .into());
            }
        };
        let row = Row {
            id: cell(0),
            rule: cell(1),
            subject: cell(2),
            count,
            status,
            reason: cell(5),
            who: cell(6),
            when: cell(7),
        };
        current.insert(row.id.clone(), row);
    }
    Ok(current)
}
