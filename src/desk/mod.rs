//! The data-quality desk: what the stages found, under ids that stay, and what people decided about it.

mod decisions;

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::Clinic;
use crate::model::hex;
use crate::model::ident::{TableName, literal};
use crate::model::loss;
use crate::model::manifest::IssueEntry;
use crate::model::merge::Conflict;
use crate::model::proof::{Fault, Proof};
use crate::model::run::Stage;
use crate::staging::Staging;

pub use decisions::{Decisions, Row};

/// How long an id is: of a thousand findings, two with one id are less likely than one in a hundred million.
const ID_LENGTH: usize = 12;

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody decided about it, or it came back.
    Open,
    /// It stays as it is, for a reason.
    Accepted,
    /// What caused it was mended.
    Resolved,
}

/// A finding of the last run, or one that people decided about earlier.
#[derive(Debug, Clone, Serialize)]
pub struct Issue {
    pub id: String,
    pub status: Status,
    /// It was resolved, and its stage found it again since.
    pub returned: bool,
    /// It was accepted, and counts more since: this is what it counted then.
    pub grown_from: Option<u64>,
    /// Empty where nothing found it any more.
    pub stage: String,
    pub rule: String,
    pub severity: String,
    pub subject: String,
    pub column: Option<String>,
    /// What it counts; 0 where it is not found any more.
    pub count: u64,
    /// Names, places and counts; never a value.
    pub detail: Option<String>,
    pub reason: Option<String>,
    pub who: Option<String>,
    /// RFC 3339, as its file has it.
    pub when: Option<String>,
}

/// A fault of a verification, and what people decided about it.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    pub id: String,
    #[serde(flatten)]
    pub fault: Fault,
    pub accepted: bool,
    pub reason: Option<String>,
    pub who: Option<String>,
}

/// The id of a finding: the same in every run, on every machine.
pub fn id(stage: &str, rule: &str, subject: &str, column: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for part in [stage, rule, subject, column.unwrap_or_default()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut id = hex(hash.finalize());
    id.truncate(ID_LENGTH);
    id
}

/// The id of a finding of a verification: who accepts it has seen the target as it was then, so that it is another finding
/// where a value of the clinic's rows has changed since.
fn id_in(state: &str, rule: &str, subject: &str, column: Option<&str>) -> String {
    id(&format!("verify {state}"), rule, subject, column)
}

/// Whether people accepted that a conflict stays as it is. Its id depends on what both sides say of its rows, and on no other.
pub fn accepts(decisions: &Decisions, table: &TableName, conflict: &Conflict) -> bool {
    decisions.accept(&id_in(&conflict.state, &conflict.rule, &table.to_string(), None), conflict.rows)
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Accepted => "accepted",
            Status::Resolved => "resolved",
        }
    }
}

impl Issue {
    /// It stands, and is about what the snapshot was made of, not about where that was pushed.
    pub fn is_of_snapshot(&self) -> bool {
        let later = [Stage::Verify, Stage::Files, Stage::Users].map(Stage::as_str);
        self.count > 0 && !later.contains(&self.stage.as_str())
    }

    /// Table or source, with its column where there is one.
    pub fn about(&self) -> String {
        let parts = [Some(self.subject.as_str()), self.column.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }

    fn undecided() -> Self {
        Self {
            id: String::new(),
            status: Status::Open,
            returned: false,
            grown_from: None,
            stage: String::new(),
            rule: String::new(),
            severity: String::new(),
            subject: String::new(),
            column: None,
            count: 0,
            detail: None,
            reason: None,
            who: None,
            when: None,
        }
    }

    fn decided(mut self, row: Option<&Row>, found_at: Option<DateTime<Utc>>) -> Self {
        let Some(row) = row else { return self };
        self.returned = row.status == Status::Resolved && row.decided_at() < found_at;
        let grown = row.status == Status::Accepted && !row.accepts(self.count);
        self.grown_from = row.count.filter(|_| grown);
        self.status = if self.returned || grown { Status::Open } else { row.status };
        (self.reason, self.who) = (Some(row.reason.clone()), Some(row.who.clone()));
        self.when = Some(row.when.clone());
        self
    }
}

/// Every finding of the last runs with what was decided about it, and what was decided about others: open ones first, the
/// gravest first.
///
/// # Errors
/// DuckDB fails.
pub fn issues(staging: &Staging, decisions: &Decisions) -> Result<Vec<Issue>> {
    let stages = staging.stages()?;
    let found_at = |stage: &str| {
        let row = stages.iter().find(|row| row.stage.as_str() == stage)?;
        DateTime::parse_from_rfc3339(&row.started_at).ok().map(|time| time.to_utc())
    };
    let mut issues: Vec<Issue> = found(staging)?
        .into_iter()
        .chain(losses(staging)?)
        .map(|issue| {
            let (row, found_at) = (decisions.of(&issue.id), found_at(&issue.stage));
            issue.decided(row, found_at)
        })
        .collect();
    let gone: Vec<Issue> =
        decisions.rows().filter(|row| !issues.iter().any(|issue| issue.id == row.id)).map(gone).collect();
    issues.extend(gone);
    issues.sort_by_key(|issue| {
        (issue.status, rank(&issue.severity), issue.stage.clone(), issue.rule.clone(), issue.about())
    });
    Ok(issues)
}

/// What a snapshot keeps of the findings: those that stand, without where and when. It cannot know its own verification.
///
/// # Errors
/// DuckDB fails.
pub fn entries(staging: &Staging, decisions: &Decisions) -> Result<Vec<IssueEntry>> {
    let standing = issues(staging, decisions)?.into_iter().filter(Issue::is_of_snapshot);
    Ok(standing.map(IssueEntry::from).collect())
}

impl From<Issue> for IssueEntry {
    fn from(issue: Issue) -> Self {
        Self {
            status: issue.status.as_str().to_owned(),
            id: issue.id,
            stage: issue.stage,
            rule: issue.rule,
            severity: issue.severity,
            subject: issue.subject,
            column: issue.column,
            count: issue.count,
            reason: issue.reason,
            who: issue.who,
            when: issue.when,
        }
    }
}

/// A verification's faults with what was decided about each.
pub fn decided(proof: &Proof, decisions: &Decisions) -> Vec<Decided> {
    let state = proof.state();
    let decided = |fault: Fault| {
        let state = fault.state.as_deref().unwrap_or(&state);
        let id = id_in(state, &fault.rule, &fault.subject, fault.column.as_deref());
        let row = decisions.of(&id);
        Decided {
            accepted: row.is_some_and(|row| row.accepts(fault.count)),
            reason: row.map(|row| row.reason.clone()),
            who: row.map(|row| row.who.clone()),
            id,
            fault,
        }
    };
    proof.faults().into_iter().map(decided).collect()
}

/// The findings as stages wrote them, those of several files of one source as one, and the rows that verify found to
/// differ, by table and how they came to.
fn found(staging: &Staging) -> Result<Vec<Issue>> {
    let (state, conflicts) = state(staging)?;
    let no_loss = format!("stage <> 'load' or rule not in ({})", loss_rules());
    let sql = format!(
        "select stage, rule, min_by(severity, case severity when 'critical' then 0 when 'warning' then 1 else 2 end),
           subject, column_name, sum(count)::ubigint, string_agg(distinct detail, '; ' order by detail)
         from (from meta.finding union all
           select 'verify', concat_ws('_', kind, cause), case when cause in ('stands', 'theirs', 'held', 'rejected', 'unread') then 'info'
             when cause in ('edited', 'deleted', 'conflict') then 'warning' else 'critical' end,
             table_name, null, count(*), null from meta.difference group by all)
         where count > 0 and ({no_loss}) group by stage, rule, subject, column_name"
    );
    staging.rows(&sql, |row| {
        let (stage, rule): (String, String) = (row.get(0)?, row.get(1)?);
        let (subject, column): (String, Option<String>) = (row.get(3)?, row.get(4)?);
        Ok(Issue {
            id: match stage == Stage::Verify.as_str() {
                true => {
                    let of_rows = conflicts.get(&(subject.clone(), rule.clone()));
                    id_in(of_rows.unwrap_or(&state), &rule, &subject, column.as_deref())
                }
                false => id(&stage, &rule, &subject, column.as_deref()),
            },
            stage,
            rule,
            severity: row.get(2)?,
            subject,
            column,
            count: row.get(5)?,
            detail: row.get(6)?,
            ..Issue::undecided()
        })
    })
}

/// What load lost without knowing how much, a finding a file: who accepts it has seen this file, so that another one in its
/// place, however it is called, is another finding.
fn losses(staging: &Staging) -> Result<Vec<Issue>> {
    let sql = format!(
        "select f.rule, f.severity, f.subject, f.count::ubigint, f.detail, coalesce(s.path || ' ' || s.sha256, '')
         from meta.finding f left join meta.source_file s
           on s.source = f.subject and starts_with(f.detail, s.path || ', ')
         where f.stage = 'load' and f.rule in ({})
         qualify row_number() over (partition by f.rowid order by length(s.path) desc) = 1 order by f.subject, s.path, f.rule",
        loss_rules()
    );
    staging.rows(&sql, |row| {
        let (rule, subject): (String, String) = (row.get(0)?, row.get(2)?);
        Ok(Issue {
            id: id(&format!("load {}", row.get::<_, String>(5)?), &rule, &subject, None),
            stage: Stage::Load.as_str().to_owned(),
            rule,
            severity: row.get(1)?,
            subject,
            count: row.get(3)?,
            detail: row.get(4)?,
            ..Issue::undecided()
        })
    })
}

/// Those of the clinic's sources that nobody accepted.
///
/// # Errors
/// DuckDB fails.
pub fn open_losses(staging: &Staging, clinic: &Clinic, decisions: &Decisions) -> Result<Vec<Issue>> {
    let mut losses = losses(staging)?;
    losses.retain(|one| clinic.sources.contains_key(&one.subject) && !decisions.accept(&one.id, one.count));
    Ok(losses)
}

fn loss_rules() -> String {
    loss::RULES.map(literal).join(", ")
}

/// What conflicts were about, by table and rule.
type Conflicts = BTreeMap<(String, String), String>;

/// The state of the target at the last verification, and its conflicts.
fn state(staging: &Staging) -> Result<(String, Conflicts)> {
    if !staging.has_table("meta", "verification")? {
        return Ok(Default::default());
    }
    let sql = "select report::varchar from meta.verification order by ended_at desc limit 1";
    let last = staging.rows(sql, |row| row.get::<_, String>(0))?.into_iter().next();
    let proof = last.map(|report| serde_json::from_str::<Proof>(&report)).transpose()?;
    let Some(proof) = proof else { return Ok(Default::default()) };
    let conflicts = proof.faults().into_iter().filter_map(|one| Some(((one.subject, one.rule), one.state?)));
    Ok((proof.state(), conflicts.collect()))
}

/// A decision about what is not found any more.
fn gone(row: &Row) -> Issue {
    let issue = Issue {
        id: row.id.clone(),
        status: row.status,
        rule: row.rule.clone(),
        subject: row.subject.clone(),
        ..Issue::undecided()
    };
    issue.decided(Some(row), None)
}

fn rank(severity: &str) -> usize {
    ["critical", "warning", "info"].iter().position(|known| *known == severity).unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_every_part_and_on_nothing_else() {
        let one = id("check", "no_phone", "patient", Some("phone"));
        assert_eq!(one, id("check", "no_phone", "patient", Some("phone")));
        let others = [
            id("transform", "no_phone", "patient", Some("phone")),
            id("check", "no_phon", "epatient", Some("phone")),
            id("check", "no_phone", "patient", None),
            id("check", "no_phone", "patientphone", None),
        ];
        assert!(others.iter().all(|other| *other != one && other.len() == ID_LENGTH), "{others:?}");
    }
}
