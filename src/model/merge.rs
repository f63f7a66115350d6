//! The rule by which a value of the source meets the same value of the target, seen from what was pushed last.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hex;

/// What becomes of values that people changed in the target since a push wrote them, where rows are updated or deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// They are made what the source says, as mode `upsert` promises; the ledger keeps what they were.
    #[default]
    TakeSource,
    /// They stand.
    KeepTarget,
    /// They stand; where the source has changed the same value too, that is a finding.
    Report,
}

/// What a push does with one value of a row that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Both sides are equal.
    Same,
    /// Nobody changed it in the target: the source's is taken.
    Taken,
    /// Somebody changed it in the target, and the source's is taken.
    Overwritten,
    /// Somebody changed it in the target, and the source did not: it stands.
    Stands,
    /// Both changed it, and the target's stands.
    Kept,
    /// Both changed it: nothing is done until people have decided.
    Conflict,
}

impl Fate {
    pub const ALL: [Self; 6] =
        [Self::Same, Self::Taken, Self::Overwritten, Self::Stands, Self::Kept, Self::Conflict];

    /// The letter that stands for it where a row's fates are one text.
    pub fn letter(self) -> char {
        match self {
            Self::Same => '=',
            Self::Taken => 't',
            Self::Overwritten => 'o',
            Self::Stands => 's',
            Self::Kept => 'k',
            Self::Conflict => 'c',
        }
    }

    /// Whether the source's value is written.
    pub fn writes(self) -> bool {
        matches!(self, Self::Taken | Self::Overwritten)
    }
}

/// Why a row that differs is no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excuse {
    /// The clinic's settings want it so.
    Stands,
    /// People are to decide.
    Waits,
}

/// How a value stands on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Source and target are equal.
    pub same: bool,
    /// The source says something else than it did at the last push, or nobody knows.
    pub source: bool,
    /// The target holds something else than the last push left there, or nobody knows.
    pub target: bool,
}

/// Rows of one table about which people and the source disagree in one way, and what people decided about that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// `kept_conflict` (values), `extra_conflict` (a row that the source has no more), `missing_conflict` (one that people
    /// deleted).
    pub rule: String,
    pub rows: u64,
    /// Stands for what both sides say: another one once one of them says something else.
    pub state: String,
    /// People accepted that it stays so.
    pub accepted: bool,
}

impl Conflict {
    /// `told` has a text for each row, with its key and the digests of what both sides say; in whatever order.
    pub fn new(rule: &str, mut told: Vec<String>) -> Self {
        told.sort();
        let state = hex(Sha256::digest(told.join("\n")));
        Self { rule: rule.to_owned(), rows: told.len() as u64, state, accepted: false }
    }

    /// What [`Conflict::new`] wants of a row with values in conflict: their columns, each with both sides' digests in hex.
    pub fn values<'a>(key: &str, columns: impl Iterator<Item = (&'a str, String, String)>) -> String {
        let columns = columns.map(|(name, ours, theirs)| format!("\u{1f}{name}={ours}/{theirs}"));
        format!("{key}{}", columns.collect::<String>())
    }

    /// The same of a row that only one side has, with its digest.
    pub fn row(key: &str, digest: &[u8]) -> String {
        format!("{key}\u{1f}{}", hex(digest))
    }
}

impl OnConflict {
    /// What becomes of such a value.
    pub fn fate(self, change: Change) -> Fate {
        match self {
            _ if change.same => Fate::Same,
            _ if !change.target => Fate::Taken,
            Self::TakeSource => Fate::Overwritten,
            _ if !change.source => Fate::Stands,
            Self::KeepTarget => Fate::Kept,
            Self::Report => Fate::Conflict,
        }
    }

    /// Why a row that people deleted and that the source has is left out; none where it comes back.
    pub fn of_deleted(self) -> Option<Excuse> {
        match self.fate(Change { same: false, source: true, target: true }) {
            Fate::Conflict => Some(Excuse::Waits),
            Fate::Kept | Fate::Stands => Some(Excuse::Stands),
            Fate::Same | Fate::Taken | Fate::Overwritten => None,
        }
    }

    /// SQL of the letter of [`OnConflict::fate`], given SQL of the three parts of a [`Change`].
    pub fn fate_sql(self, same: &str, source: &str, target: &str) -> String {
        let edited = match self {
            Self::TakeSource => "'o'".to_owned(),
            Self::KeepTarget => format!("case when {source} then 'k' else 's' end"),
            Self::Report => format!("case when {source} then 'c' else 's' end"),
        };
        format!("case when {same} then '=' when {target} then {edited} else 't' end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_only_one_side_changed_is_that_sides_and_the_policy_decides_of_the_others() {
        use Fate::{Conflict, Kept, Overwritten, Same, Stands, Taken};
        use OnConflict::{KeepTarget, Report, TakeSource};
        let fates = |same, source, target| {
            [TakeSource, KeepTarget, Report].map(|policy| policy.fate(Change { same, source, target }))
        };
        assert_eq!(fates(true, true, true), [Same; 3]);
        assert_eq!(fates(false, true, false), [Taken; 3]);
        assert_eq!(fates(false, false, false), [Taken; 3], "a trigger made it otherwise");
        assert_eq!(fates(false, false, true), [Overwritten, Stands, Stands]);
        assert_eq!(fates(false, true, true), [Overwritten, Kept, Conflict]);
    }
}
