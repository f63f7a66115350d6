//! What a verification found, as verify serialises it: what reports and sign-offs are made of, whether it was run just now
//! or is read from the staging file.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hex;
use super::ident::TableName;
use super::manifest::SourceCount;

/// One verification of a whole snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    pub snapshot: String,
    pub tables: Vec<ProvenTable>,
    pub relations: Vec<ProvenRelation>,
    pub months: Vec<ProvenMonths>,
    pub sources: Vec<ProvenSource>,
    pub controls: Vec<ProvenControl>,
    pub queries: Vec<ProvenQuery>,
    #[serde(default)]
    pub sample: Vec<SampledRow>,
    /// What verify itself said of all of it; it may know more than is told here.
    #[serde(default)]
    pub clean: bool,
}

/// The clinic's rows in one table of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub table: TableName,
    pub rows: u64,
    /// Over the digests of all of them, as [`ProvenTable::target_digest`].
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenTable {
    pub table: TableName,
    /// Rows that the models made.
    pub source: u64,
    pub rejected: u64,
    pub expected: u64,
    pub target: u64,
    pub difference: i64,
    pub equal: bool,
    /// Rows of the clinic that no batch wrote.
    pub foreign: Option<u64>,
    /// Rows that rollbacks left where they are and that are no batch's that stands.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub left: u64,
    /// Over the digests of the snapshot's rows, and of the target's.
    pub expected_digest: String,
    pub target_digest: String,
    pub counts: Vec<Differing>,
}

/// Causes by which rows are other than the snapshot's since the clinic's settings want it so.
const STANDING: [&str; 5] = ["stands", "theirs", "held", "rejected", "unread"];

/// How many rows differ in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Differing {
    /// `missing`, `extra`, `different`, `kept`.
    pub kind: String,
    /// `unsent`, `rewritten`, `edited`, `deleted`, `conflict`; `stands`, `theirs`, `held`, `rejected`, `unread` of rows that stand.
    pub cause: Option<String>,
    pub rows: u64,
    /// Of rows that wait for people's decision: stands for what both sides say of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// People accepted that these stay so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenRelation {
    pub table: TableName,
    pub kind: String,
    pub name: String,
    pub rows: u64,
    pub warning: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenMonths {
    pub table: TableName,
    pub column: String,
    pub months: Vec<ProvenMonth>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenMonth {
    pub month: String,
    pub expected: u64,
    pub target: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenSource {
    #[serde(flatten)]
    pub count: SourceCount,
    pub complete: bool,
    /// Records of which no row is in the target, since people deleted it or one that it refers to.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub left_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<String>,
    /// The ledger says the same; none where no batch pushed this snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenControl {
    pub name: String,
    pub key: String,
    pub source: Option<String>,
    pub rejected: Option<String>,
    pub target: Option<String>,
    pub equal: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenQuery {
    pub name: String,
    pub rows: u64,
    pub differing: u64,
    pub equal: bool,
}

/// One row, column by column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledRow {
    pub table: TableName,
    pub key: String,
    pub found: bool,
    pub columns: Vec<SampledCell>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledCell {
    pub column: String,
    pub equal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<SampledValues>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledValues {
    pub expected: Option<String>,
    pub found: Option<String>,
}

/// One thing that a verification found wrong, which people may accept as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub rule: String,
    pub subject: String,
    pub column: Option<String>,
    pub count: u64,
    /// People did it after the load, which was right.
    pub later: bool,
    /// What it is about, where that is less than all that the target held: who accepts it accepts that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// A conflict that people accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

impl Proof {
    /// Nothing was looked at.
    pub fn nothing(snapshot: &str) -> Self {
        Self {
            snapshot: snapshot.to_owned(),
            tables: Vec::new(),
            relations: Vec::new(),
            months: Vec::new(),
            sources: Vec::new(),
            controls: Vec::new(),
            queries: Vec::new(),
            sample: Vec::new(),
            clean: false,
        }
    }

    /// Stands for every value of every row that the target held: another one where any is another.
    pub fn state(&self) -> String {
        let mut hash = Sha256::new();
        for table in &self.tables {
            hash.update(format!("{} {}\n", table.table, table.target_digest));
        }
        hex(hash.finalize())
    }

    /// Rows of the clinic in the target.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.target).sum()
    }

    pub fn is_clean(&self) -> bool {
        self.faults().iter().all(|fault| fault.accepted)
    }

    /// Everything that is not as it should be. Months that differ follow from rows that do.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.tables.iter().flat_map(ProvenTable::faults).collect();
        faults.extend(self.other_faults());
        if faults.is_empty() && !self.clean {
            let (rule, subject) = ("unequal".to_owned(), self.snapshot.clone());
            faults.push(Fault {
                rule,
                subject,
                column: None,
                count: 1,
                later: false,
                state: None,
                accepted: false,
            });
        }
        faults
    }

    /// Those that are not about rows of the snapshot, each of which is a difference of its own.
    pub fn other_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let fault = |rule: &str, subject: &str, column: &str, count: u64| Fault {
            rule: rule.to_owned(),
            subject: subject.to_owned(),
            column: Some(column.to_owned()).filter(|column| !column.is_empty()),
            count,
            later: false,
            state: None,
            accepted: false,
        };
        let broken = self.relations.iter().filter(|one| one.rows > 0 && !one.warning);
        faults.extend(broken.map(|one| fault(&one.kind, &one.table.to_string(), &one.name, one.rows)));
        let lost = self.sources.iter().filter(|source| !source.complete);
        faults.extend(lost.map(|one| fault("records_unaccounted", &one.count.source, "", one.unaccounted())));
        let elsewhere = self.sources.iter().filter(|source| source.ledger == Some(false));
        faults.extend(elsewhere.map(|one| fault("ledger_sums", &one.count.source, "", 1)));
        // Where rows are left other than the snapshot's, figures over them differ with them.
        if self.only_by_policy() {
            return faults;
        }
        let controls = self.controls.iter().filter(|control| !control.equal);
        faults.extend(controls.map(|one| fault("control", &one.name, &one.key, 1)));
        let queries = self.queries.iter().filter(|query| !query.equal);
        faults.extend(queries.map(|one| fault("query", &one.name, "", one.differing)));
        faults
    }

    /// Whether nothing differs but rows that the clinic's settings leave so, and some are.
    fn only_by_policy(&self) -> bool {
        let differ = self.tables.iter().filter(|table| !table.equal);
        let by_policy = |one: &Differing| one.stands() || one.cause.as_deref() == Some("conflict");
        let explained = |table: &ProvenTable| !table.counts.is_empty() && table.counts.iter().all(by_policy);
        differ.clone().next().is_some() && differ.clone().all(explained)
    }

    /// The same without a value that says something: of the sample the shapes are left.
    pub fn masked(mut self) -> Self {
        let mask = |value: &mut Option<String>| *value = value.as_deref().map(super::masked::masked);
        for row in &mut self.sample {
            row.key = super::masked::masked_key(&row.key);
            for values in row.columns.iter_mut().filter_map(|cell| cell.values.as_mut()) {
                mask(&mut values.expected);
                mask(&mut values.found);
            }
        }
        self
    }
}

impl ProvenSource {
    /// Records whose fate is not known; or too many fates.
    fn unaccounted(&self) -> u64 {
        let one = &self.count;
        let known = one.rejected + one.merged + one.imported + one.skipped + one.filtered + self.left_out;
        one.read.abs_diff(known)
    }
}

impl Differing {
    /// The clinic's settings want it so.
    pub fn stands(&self) -> bool {
        self.cause.as_deref().is_some_and(|cause| STANDING.contains(&cause))
    }

    /// People did it after the load.
    pub fn is_later(&self) -> bool {
        self.stands() || matches!(self.cause.as_deref(), Some("edited" | "deleted" | "conflict"))
    }
}

impl ProvenTable {
    /// Rows that are other than the snapshot's because the clinic's settings want it so.
    pub fn standing(&self) -> u64 {
        self.counts.iter().filter(|one| one.stands()).map(|one| one.rows).sum()
    }

    /// Every value is equal, but for what stands by the clinic's settings.
    pub fn holds(&self) -> bool {
        self.faults().iter().all(|fault| fault.accepted)
    }

    fn faults(&self) -> Vec<Fault> {
        let fault = |rule: String, count, later| Fault {
            rule,
            subject: self.table.to_string(),
            column: None,
            count,
            later,
            state: None,
            accepted: false,
        };
        if self.equal {
            return Vec::new();
        }
        if self.counts.is_empty() {
            return vec![fault("unequal".to_owned(), self.expected.abs_diff(self.target), false)];
        }
        let of = |one: &Differing| {
            let rule = match &one.cause {
                Some(cause) => format!("{}_{cause}", one.kind),
                None => one.kind.clone(),
            };
            let (state, accepted) = (one.state.clone(), one.accepted);
            Fault { state, accepted, ..fault(rule, one.rows, one.is_later()) }
        };
        self.counts.iter().filter(|one| !one.stands()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(equal: bool, counts: &[(&str, Option<&str>, u64)]) -> ProvenTable {
        let counts = counts.iter().map(|(kind, cause, rows)| Differing {
            kind: (*kind).to_owned(),
            cause: cause.map(str::to_owned),
            rows: *rows,
            state: None,
            accepted: false,
        });
        ProvenTable {
            table: TableName::from("patient"),
            source: 9,
            rejected: 0,
            expected: 9,
            target: 8,
            difference: -1,
            equal,
            foreign: None,
            left: 0,
            expected_digest: String::new(),
            target_digest: String::new(),
            counts: counts.collect(),
        }
    }

    #[test]
    fn an_unequal_table_is_a_fault_whatever_is_known_of_it() {
        assert!(table(true, &[("kept", None, 2)]).faults().is_empty());
        assert_eq!(table(false, &[]).faults()[0].rule, "unequal");
        let stands = table(false, &[("kept", Some("stands"), 2)]);
        assert_eq!((stands.faults(), stands.standing()), (Vec::new(), 2));
        let faults = table(false, &[("different", Some("edited"), 2), ("missing", None, 1)]).faults();
        let told: Vec<_> = faults.iter().map(|one| (one.rule.as_str(), one.count, one.later)).collect();
        assert_eq!(told, [("different_edited", 2, true), ("missing", 1, false)]);
    }
}
