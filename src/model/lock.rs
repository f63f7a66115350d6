//! Locks on tables, and who waits for them.

use serde::{Deserialize, Serialize};

use super::ident::TableName;

/// The strongest lock that a transaction holds on a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub table: TableName,
    /// As PostgreSQL's manual writes it: `SHARE ROW EXCLUSIVE`.
    pub mode: String,
}

/// What of others' work waits for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// Only changes of the table itself.
    Nobody,
    Writes,
    ReadsAndWrites,
}

impl Lock {
    /// Who waits, by the table of conflicting modes in PostgreSQL's manual, chapter "Explicit Locking".
    pub fn waits(&self) -> Waits {
        match self.mode.as_str() {
            "ACCESS EXCLUSIVE" => Waits::ReadsAndWrites,
            "SHARE" | "SHARE ROW EXCLUSIVE" | "EXCLUSIVE" => Waits::Writes,
            _ => Waits::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_the_lock_the_more_wait() {
        let waits = |mode: &str| Lock { table: TableName::from("t"), mode: mode.to_owned() }.waits();
        assert_eq!(waits("ROW EXCLUSIVE"), Waits::Nobody);
        assert_eq!(waits("SHARE ROW EXCLUSIVE"), Waits::Writes);
        assert_eq!(waits("ACCESS EXCLUSIVE"), Waits::ReadsAndWrites);
    }
}
