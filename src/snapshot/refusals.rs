//! What a snapshot says of records whose rows it does not have: whether they are rejected, or nobody knows.

use std::collections::{BTreeSet, HashSet};

use anyhow::Result;

use super::Snapshot;
use crate::model::keys::Keys;
use crate::model::manifest::TableEntry;
use crate::model::vanished::Record;

/// All that is rejected of one table, and what could not be read.
#[derive(Debug, Default)]
pub struct Refusals {
    /// The keys of its rejected rows.
    keys: HashSet<String>,
    /// What the ledger would know them by, at whatever source: a row of several records is known by its first one's, which may
    /// be another by now.
    ids: HashSet<String>,
    /// Source and id of rejected records, also of those that are in no row of the table.
    records: HashSet<(String, String)>,
    /// Rows that are known by their place at the source alone: key and source. Another record may stand there by now.
    placed: Vec<(String, Option<String>)>,
    /// Sources some of whose records nobody can tell.
    unread: BTreeSet<String>,
    /// Any row's record may be among those that nobody can tell.
    all: bool,
    /// Rejected rows have nothing to know them by.
    nameless: bool,
}

impl Snapshot {
    /// Reads what the snapshot says of a table's rejected rows. `columns` are those of the table's codec, and `key` gives the
    /// text of a row's key by their values.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn refusals(
        &self,
        entry: &TableEntry,
        columns: &[&str],
        key: impl Fn(&[Option<&String>]) -> String,
    ) -> Result<Refusals> {
        let manifest = self.manifest();
        let told = manifest.rejects.iter().find(|one| one.table == entry.table);
        // One that was made under other settings does not say which rows are rejected.
        let mut records_rejected = HashSet::new();
        for records in &manifest.records {
            for record in self.source_records(records)? {
                let record = record?;
                if let Some(id) = record.source_id.filter(|_| record.verdict == "rejected") {
                    records_rejected.insert((records.source.clone(), id));
                }
            }
        }
        let unreadable = manifest.sources.iter().filter(|one| one.unreadable > 0);
        let mut found = Refusals::new(records_rejected, unreadable.map(|one| one.source.clone()).collect());
        found.all = entry.rejected > 0 && told.is_none();
        for row in told.map(|told| self.rejected(told)).transpose()?.into_iter().flatten() {
            let row = row?;
            let values = row.values(entry, columns.iter().copied()).filter(|_| entry.keys != Keys::New);
            found.add(values.map(|values| key(&values)), row.source_id, row.source);
        }
        Ok(found)
    }
}

impl Refusals {
    /// Of sources with unreadable records, and of records that are rejected: source and id.
    pub fn new(records: HashSet<(String, String)>, unread: BTreeSet<String>) -> Self {
        Self { records, unread, ..Self::default() }
    }

    /// Adds a rejected row: its key where it has one that stays, and what its record is known by at its source.
    pub fn add(&mut self, key: Option<String>, source_id: Option<String>, source: Option<String>) {
        let place = source_id.as_deref().is_none_or(|id| is_place(id, source.as_deref()));
        self.note(key, source_id.filter(|_| !place), source);
    }

    fn note(&mut self, key: Option<String>, id: Option<String>, source: Option<String>) {
        match (&key, &id) {
            (None, None) => self.unknown(source),
            (Some(key), None) => self.placed.push((key.clone(), source)),
            (_, Some(_)) => {}
        }
        self.keys.extend(key);
        self.ids.extend(id);
    }

    /// Nobody can tell which record of this source it is.
    fn unknown(&mut self, source: Option<String>) {
        self.nameless = true;
        match source {
            Some(source) => drop(self.unread.insert(source)),
            None => self.all = true,
        }
    }

    /// The keys of rows that are known by their place alone.
    pub fn placed(&self) -> Vec<&str> {
        self.placed.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// Takes which of [`Refusals::placed`] are keys of rows that a push wrote. Where one is not, it may be the new key of any
    /// row of its source.
    pub fn settle(&mut self, known: &HashSet<String>) {
        for (key, source) in std::mem::take(&mut self.placed) {
            if !known.contains(&key) {
                self.unknown(source);
            }
        }
    }

    /// Whether rejected rows have nothing to know them by but their place, so that any row of their source may be theirs.
    pub fn is_nameless(&self) -> bool {
        self.nameless
    }

    /// Whether it matters of which records rows were made.
    pub fn asks_records(&self) -> bool {
        !(self.ids.is_empty() && self.records.is_empty() && self.unread.is_empty())
    }

    /// What became of the record of a row that a push wrote, by what the ledger knows its records by: source and id. A row of
    /// which it does not know the source may be of any.
    pub fn of(&self, key: &str, records: &[(String, String)]) -> Record {
        let rejected = |one: &(String, String)| self.ids.contains(&one.1) || self.records.contains(one);
        if self.keys.contains(key) || records.iter().any(rejected) {
            return Record::Rejected;
        }
        let unread = records.iter().any(|(source, _)| self.unread.contains(source));
        match self.all || unread || (records.is_empty() && !self.unread.is_empty()) {
            true => Record::Unknown,
            false => Record::Gone,
        }
    }

    /// The same of a row that no push wrote: it has no record but one with its key.
    pub fn of_others(&self, key: &str) -> Record {
        if self.keys.contains(key) { Record::Rejected } else { Record::Gone }
    }
}

/// Whether what a record is known by is its place in its source.
fn is_place(id: &str, source: Option<&str>) -> bool {
    source.is_some_and(|source| id.strip_prefix(source).is_some_and(|rest| rest.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(rows: &[(Option<&str>, Option<&str>, Option<&str>)]) -> Refusals {
        let mut found = Refusals::default();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        for (key, id, source) in rows {
            found.note(owned(*key), owned(*id), owned(*source));
        }
        found
    }

    fn of(refusals: &Refusals, key: &str, source: &str, id: &str) -> Record {
        refusals.of(key, &[(source.to_owned(), id.to_owned())])
    }

    #[test]
    fn a_rejected_row_is_known_by_its_key_or_by_its_record() {
        let found = refusals(&[(Some("a"), Some("7"), Some("people"))]);
        assert_eq!(of(&found, "a", "others", "1"), Record::Rejected);
        assert_eq!(of(&found, "b", "people", "7"), Record::Rejected);
        assert_eq!(of(&found, "b", "people", "8"), Record::Gone);
        assert_eq!((found.of_others("a"), found.of_others("b")), (Record::Rejected, Record::Gone));
    }

    #[test]
    fn a_place_with_a_new_key_may_be_any_row_of_its_source() {
        let row = (Some("new"), None, Some("people"));
        let mut known = refusals(&[row]);
        known.settle(&HashSet::from(["new".to_owned()]));
        assert_eq!(of(&known, "b", "people", "people:1:1"), Record::Gone);
        let mut unknown = refusals(&[row]);
        unknown.settle(&HashSet::new());
        assert_eq!(of(&unknown, "b", "people", "people:1:1"), Record::Unknown);
        assert_eq!(of(&unknown, "b", "others", "others:1:1"), Record::Gone);
        assert_eq!((known.is_nameless(), unknown.is_nameless()), (false, true));
        assert_eq!((unknown.of("b", &[]), unknown.of_others("b")), (Record::Unknown, Record::Gone));
        assert_eq!(of(&refusals(&[(None, None, None)]), "b", "people", "1"), Record::Unknown);
    }
}
