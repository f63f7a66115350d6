//! Integer keys of a table: the old system's own, or new ones, which are placeholders below zero until a push gives each
//! row the number that PostgreSQL knows it by.

use serde::{Deserialize, Serialize};

/// Where a table's integer keys come from. A key below zero is a placeholder only where this says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keys {
    /// The models give them; they go in as they are.
    #[default]
    Preserve,
    /// The models give placeholders; a push takes numbers from the target's sequence.
    New,
}

impl Keys {
    /// For serde, so that a table without placeholders is written as it always was.
    pub fn is_preserve(&self) -> bool {
        *self == Keys::Preserve
    }
}

/// A row of a table with new keys: its placeholder, and what the ledger knows the row by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub placeholder: i64,
    /// The source of its first raw record; the table, where it comes from none.
    pub kind: String,
    pub source_id: String,
}

/// The numbers of one table's placeholders.
#[derive(Debug, Clone, Default)]
pub struct Numbers(Vec<(i64, i64)>);

impl Numbers {
    /// From pairs of placeholder and number.
    pub fn new(mut pairs: Vec<(i64, i64)>) -> Self {
        pairs.sort_unstable();
        Self(pairs)
    }

    pub fn get(&self, placeholder: i64) -> Option<i64> {
        let place = self.0.binary_search_by_key(&placeholder, |(placeholder, _)| *placeholder).ok()?;
        Some(self.0[place].1)
    }

    /// Placeholder and number, the smallest placeholder first.
    pub fn pairs(&self) -> &[(i64, i64)] {
        &self.0
    }
}

/// The placeholder that a value stands for, if it is one.
pub fn placeholder(value: &str) -> Option<i64> {
    value.parse().ok().filter(|number| *number < 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_below_zero_is_a_placeholder() {
        assert_eq!(
            ["-1", "0", "7", "-", "-x", ""].map(placeholder),
            [Some(-1), None, None, None, None, None]
        );
    }

    #[test]
    fn numbers_are_found_by_their_placeholder() {
        let numbers = Numbers::new(vec![(-1, 10), (-3, 12), (-2, 11)]);
        assert_eq!([-1, -2, -3, -4].map(|one| numbers.get(one)), [Some(10), Some(11), Some(12), None]);
    }
}
