//! What people decided about pairs: `clinics/<clinic>/fixes/<entity>.links.csv`, in git, so that it outlives every run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::cluster::Decided;
use crate::config::sheet::{self, Sheet};
use crate::config::{Clinic, Project, shown};
use crate::error::{self, Failure};
use crate::model::ident::quoted;
use crate::staging::Staging;

const HEADER: [&str; 6] = ["left", "right", "decision", "who", "when", "why"];

/// Whether two records are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    MustLink,
    CannotLink,
}

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The bytewise smaller source id.
    pub left: String,
    pub right: String,
    pub decision: Decision,
    pub who: String,
    /// RFC 3339, UTC.
    pub when: String,
    pub why: String,
}

/// The file as it was read last, and what holds by it.
#[derive(Debug, PartialEq, Eq)]
pub struct Decisions {
    path: PathBuf,
    shown: String,
    current: BTreeMap<(String, String), Decision>,
}

impl Decision {
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::MustLink => "must_link",
            Decision::CannotLink => "cannot_link",
        }
    }
}

impl FromStr for Decision {
    type Err = ();

    /// Reads the words of the file and those that people write into a spreadsheet.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_lowercase().as_str() {
            "must_link" | "same" | "igual" => Ok(Decision::MustLink),
            "cannot_link" | "different" | "distinto" => Ok(Decision::CannotLink),
            _ => Err(()),
        }
    }
}

impl Row {
    /// A decision of now; the ids in either order.
    pub fn new(one: &str, other: &str, decision: Decision, who: &str, why: &str) -> Self {
        let (left, right) = ordered(one, other);
        Self {
            left: left.to_owned(),
            right: right.to_owned(),
            decision,
            who: who.to_owned(),
            when: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            why: why.to_owned(),
        }
    }

    fn cell(&self, column: &str) -> &str {
        match column {
            "left" => &self.left,
            "right" => &self.right,
            "decision" => self.decision.as_str(),
            "who" => &self.who,
            "when" => &self.when,
            "why" => &self.why,
            _ => "",
        }
    }
}

/// The smaller id first, bytewise.
pub fn ordered<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    if one <= other { (one, other) } else { (other, one) }
}

impl Decisions {
    /// Reads the file; none is no decision.
    ///
    /// # Errors
    /// A column that is missing, a word that is no decision, a record paired with itself: with file and line.
    pub fn read(project: &Project, clinic: &Clinic, entity: &str) -> Result<Self> {
        let path = project.clinic_dir(&clinic.name).join("fixes").join(format!("{entity}.links.csv"));
        let shown = shown(project, &path);
        let mut decisions = Self { path, shown, current: BTreeMap::new() };
        if let Some(text) = decisions.text()? {
            decisions.current = decisions.parsed(&Sheet::parse(&text, &decisions.shown)?)?;
        }
        Ok(decisions)
    }

    /// The file's name below the project.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// What holds about two records, in either order: the last row about them.
    pub fn of(&self, one: &str, other: &str) -> Option<Decision> {
        let (left, right) = ordered(one, other);
        self.current.get(&(left.to_owned(), right.to_owned())).copied()
    }

    /// The pairs about which this holds, sorted.
    pub fn pairs(&self, decision: Decision) -> impl Iterator<Item = (&str, &str)> {
        let held = self.current.iter().filter(move |(_, held)| **held == decision);
        held.map(|((left, right), _)| (left.as_str(), right.as_str()))
    }

    /// All that hold, as clusters are made by them.
    pub fn decided(&self) -> Vec<Decided> {
        let of = |((left, right), decision): (&(String, String), &Decision)| Decided {
            left: left.clone(),
            right: right.clone(),
            same: *decision == Decision::MustLink,
        };
        self.current.iter().map(of).collect()
    }

    /// Adds rows at the end, in the file's own shape: its delimiter, line ends, and columns in their order. The rows that
    /// are there stay as they are.
    ///
    /// # Errors
    /// The file has become unreadable since, or cannot be written.
    pub fn append(&mut self, rows: &[Row]) -> Result<()> {
        self.change(|text, sheet| sheet::appended(text, rows.iter().map(|row| line(row, sheet))))
    }

    /// Takes a row that was just added out again, if nobody else did.
    ///
    /// # Errors
    /// As [`Decisions::append`].
    pub fn retract(&mut self, row: &Row) -> Result<()> {
        self.change(|text, sheet| {
            let line = line(row, sheet);
            let begins = |at: &usize| *at == 0 || text[..*at].ends_with(['\n', '\r']);
            let ends = |at: &usize| text[at + line.len()..].starts_with(['\n', '\r']);
            let held = text.match_indices(&line).map(|(at, _)| at).filter(|at| begins(at) && ends(at)).last();
            let Some(at) = held else { return text.to_owned() };
            let after = &text[at + line.len()..];
            let after = after.strip_prefix("\r\n").unwrap_or_else(|| &after[1..]);
            format!("{}{after}", &text[..at])
        })
    }

    /// Puts what holds into a table of this connection alone: `temp.decision(left_id, right_id, must)`.
    ///
    /// # Errors
    /// DuckDB fails.
    pub fn stage(&self, staging: &Staging) -> Result<()> {
        let rows = self.current.iter().map(|((left, right), decision)| {
            serde_json::json!({"l": left, "r": right, "must": *decision == Decision::MustLink})
        });
        let json = serde_json::Value::Array(rows.collect()).to_string();
        staging.execute(
            "create or replace temp table decision (left_id varchar, right_id varchar, must boolean)",
        )?;
        let insert = r#"insert into temp.decision select d.l, d.r, d.must
            from (select unnest(from_json(?::json, '[{"l":"VARCHAR","r":"VARCHAR","must":"BOOLEAN"}]')) as d)"#;
        staging.connection().execute(insert, [&json]).map_err(error::duckdb)?;
        Ok(())
    }

    /// How many decisions are about a record that `clean.<entity>` does not have (any more).
    ///
    /// # Errors
    /// DuckDB fails.
    pub fn gone(&self, staging: &Staging, entity: &str) -> Result<u64> {
        if self.is_empty() {
            return Ok(0);
        }
        self.stage(staging)?;
        staging.value(&format!(
            "with ids as materialized (select source_id::varchar as id from clean.{clean}
               where source_id::varchar in (select left_id from temp.decision union select right_id from temp.decision))
             select count(*)::ubigint from temp.decision
             where left_id not in (select id from ids) or right_id not in (select id from ids)",
            clean = quoted(entity)
        ))
    }

    /// Rewrites the file; what would be unreadable is not written.
    fn change(&mut self, new: impl FnOnce(&str, &Sheet) -> String) -> Result<()> {
        let mut current = BTreeMap::new();
        sheet::change(&self.path, &self.shown, &HEADER, |text, sheet| {
            self.parsed(sheet)?;
            let text = new(text, sheet);
            current = self.parsed(&Sheet::parse(&text, &self.shown)?)?;
            Ok(text)
        })?;
        self.current = current;
        Ok(())
    }

    fn text(&self) -> Result<Option<String>> {
        if self.path.exists() { sheet::read_text(&self.path).map(Some) } else { Ok(None) }
    }

    fn parsed(&self, sheet: &Sheet) -> Result<BTreeMap<(String, String), Decision>> {
        let mut current = BTreeMap::new();
        if sheet.header.is_empty() {
            return Ok(current);
        }
        let [left, right, decision] = ["left", "right", "decision"].map(|name| sheet.column(name));
        let (left, right, decision) = (left?, right?, decision?);
        for row in &sheet.rows {
            let place = sheet.place(row);
            let (one, other) = (row.cell(left), row.cell(right));
            if one.is_empty() || other.is_empty() {
                return Err(Failure::failed(t!("dedupe.links_no_id", place = place))
                    .hint(t!("dedupe.links_row_hint"))
                    .into());
            }
            let word = row.cell(decision).parse().map_err(|()| {
                Failure::failed(t!("dedupe.links_word", place = place)).hint(t!("dedupe.links_word_hint"))
            })?;
            if one == other {
                return Err(Failure::failed(t!("dedupe.links_itself", place = place))
                    .hint(t!("dedupe.links_itself_hint"))
                    .into());
            }
            let (left, right) = ordered(one, other);
            current.insert((left.to_owned(), right.to_owned()), word);
        }
        Ok(current)
    }
}

fn line(row: &Row, sheet: &Sheet) -> String {
    sheet::line(sheet.header.iter().map(|column| row.cell(column)), sheet.delimiter)
}
