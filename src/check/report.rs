//! What a check comes to.

use std::collections::BTreeSet;

use serde::Serialize;

use super::limits;
use crate::desk;
use crate::model::ident::TableName;
use crate::model::manifest::SourceCount;
use crate::model::run::Stage;

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub tables: Vec<TableReport>,
    pub sources: Vec<SourceCount>,
    pub findings: Vec<Finding>,
    /// Ids of findings that people accepted as they are, and that have not grown since: they stop nothing.
    pub accepted: BTreeSet<String>,
    /// What load lost of the sources, nobody knows how much, and nobody accepted.
    pub losses: Vec<desk::Issue>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    pub table: TableName,
    pub rows: u64,
    pub ready: u64,
    pub rejected: u64,
    pub rules: Vec<RuleCount>,
    /// Of the sources that are about this table, records that load could not read: they count as rejected rows.
    pub unreadable: Vec<Unreadable>,
    /// More were rejected than `[limits]` allows.
    pub over_limit: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct Unreadable {
    pub source: String,
    pub records: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct RuleCount {
    pub rule: String,
    pub column: Option<String>,
    pub rows: u64,
}

/// What a finding's subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// A table of the target.
    Table,
    /// A table of the target, some of whose rows its models repaired.
    Repair,
    /// A source: records of it that load could not read, or that no model reads.
    Source,
    /// A file of `checks/`.
    Check,
}

/// Something worth a look that rejects nothing by itself.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub about: About,
    pub rule: String,
    pub severity: String,
    pub subject: String,
    pub column: Option<String>,
    pub count: u64,
}

impl Finding {
    /// As people decide about it.
    pub fn id(&self) -> String {
        desk::id(Stage::Check.as_str(), &self.rule, &self.subject, self.column.as_deref())
    }
}

impl Report {
    /// Nothing stops a run.
    pub fn is_clean(&self) -> bool {
        self.losses.is_empty() && self.stops().is_empty()
    }

    /// Tables with more rejects than allowed, and critical checks that found something that nobody accepted.
    pub fn stops(&self) -> Vec<String> {
        let tables = self.tables.iter().filter(|table| table.over_limit).map(limits::stop);
        let stops =
            |finding: &&Finding| finding.severity == "critical" && !self.accepted.contains(&finding.id());
        let critical = self.findings.iter().filter(stops);
        let others = critical.map(|finding| match finding.about {
            About::Source => limits::stop_of_source(&finding.subject, finding.count),
            About::Table | About::Repair | About::Check => finding.rule.clone(),
        });
        tables.chain(others).collect()
    }
}
