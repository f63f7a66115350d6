//! The rule for rows that a clinic's pushes wrote and that the snapshot has no more: a push deletes or leaves them by it, and a
//! verification takes by it what was left.

use serde::{Deserialize, Serialize};

use super::merge::{Change, Excuse, Fate, OnConflict};

/// What becomes of rows that a push wrote and that the source does not have any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vanished {
    /// They stay, and are counted.
    Keep,
    /// They stay, and their keys are listed.
    Flag,
    /// They are deleted, with before-images.
    Delete,
}

/// What the snapshot says of the record that such a row was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// The source does not have it any more.
    Gone,
    /// The source has it, but it is rejected.
    Rejected,
    /// Nobody knows: records of its source could not be read, or have nothing that they are known by.
    Unknown,
}

/// What is known of a row that stands in the target and that the snapshot does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// A push of the clinic wrote it.
    pub known: bool,
    /// Mode `sync` makes the rows of its parent equal to the snapshot's.
    pub reached: bool,
    /// People changed it since, or nobody can say.
    pub edited: bool,
    /// A row that stays refers to it.
    pub held: bool,
    pub record: Record,
}

impl Gone {
    /// One that nothing speaks for.
    pub const PLAIN: Self =
        Self { known: true, reached: false, edited: false, held: false, record: Record::Gone };
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// It is deleted.
    Deleted,
    /// It stays, as `vanished` says.
    Stays,
    /// It stays, and nobody has said that this is right.
    Unsaid,
    /// It is none that vanished: its record is rejected.
    Rejected,
    /// It would be deleted, but nobody knows what became of its record.
    Unread,
    /// It would be deleted, but a row that stays refers to it.
    Held,
    /// It would be deleted, but people changed it or made it.
    Kept,
    /// So it is, and people are to decide.
    Conflict,
}

impl Lot {
    /// The letter that stands for it in a table.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Deleted => "d",
            Self::Stays => "s",
            Self::Unsaid => "n",
            Self::Rejected => "r",
            Self::Unread => "u",
            Self::Held => "h",
            Self::Kept => "k",
            Self::Conflict => "c",
        }
    }
}

/// What a clinic's settings say of such rows in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub vanished: Option<Vanished>,
    pub on_conflict: OnConflict,
}

impl Rule {
    /// Whether such a row is to be deleted where nothing speaks against it.
    pub fn deletes(self, reached: bool) -> bool {
        reached || self.vanished == Some(Vanished::Delete)
    }

    /// What becomes of such a row.
    pub fn lot(self, gone: Gone) -> Lot {
        if gone.record == Record::Rejected {
            return Lot::Rejected;
        }
        if !self.deletes(gone.reached) {
            return if self.vanished.is_some() { Lot::Stays } else { Lot::Unsaid };
        }
        if gone.record == Record::Unknown {
            return Lot::Unread;
        }
        // What the source never had it cannot have changed.
        let change = Change { same: false, source: gone.known, target: gone.edited || !gone.known };
        match self.on_conflict.fate(change) {
            Fate::Conflict => Lot::Conflict,
            Fate::Kept | Fate::Stands => Lot::Kept,
            Fate::Same | Fate::Taken | Fate::Overwritten if gone.held => Lot::Held,
            Fate::Same | Fate::Taken | Fate::Overwritten => Lot::Deleted,
        }
    }

    /// Whether that it stands is what the settings want, or waits for people's decision; none where it is neither.
    pub fn excuse(self, gone: Gone) -> Option<Excuse> {
        match self.lot(gone) {
            Lot::Stays | Lot::Unread | Lot::Held | Lot::Kept => Some(Excuse::Stands),
            Lot::Conflict => Some(Excuse::Waits),
            Lot::Rejected => (self.vanished.is_some() || gone.reached).then_some(Excuse::Stands),
            Lot::Deleted | Lot::Unsaid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICIES: [OnConflict; 3] = [OnConflict::TakeSource, OnConflict::KeepTarget, OnConflict::Report];

    fn lots(vanished: Option<Vanished>, gone: Gone) -> [Lot; 3] {
        POLICIES.map(|on_conflict| Rule { vanished, on_conflict }.lot(gone))
    }

    #[test]
    fn only_what_is_surely_gone_is_deleted_and_people_s_changes_are_respected() {
        let delete = Some(Vanished::Delete);
        assert_eq!(lots(delete, Gone::PLAIN), [Lot::Deleted; 3]);
        assert_eq!(
            lots(delete, Gone { edited: true, ..Gone::PLAIN }),
            [Lot::Deleted, Lot::Kept, Lot::Conflict]
        );
        for edited in [false, true] {
            let of = |record| lots(delete, Gone { edited, record, ..Gone::PLAIN });
            assert_eq!((of(Record::Rejected), of(Record::Unknown)), ([Lot::Rejected; 3], [Lot::Unread; 3]));
        }
        let held = Gone { held: true, ..Gone::PLAIN };
        assert_eq!(lots(delete, held), [Lot::Held; 3]);
        assert_eq!(lots(delete, Gone { edited: true, ..held }), [Lot::Held, Lot::Kept, Lot::Conflict]);
        assert_eq!(lots(Some(Vanished::Keep), Gone::PLAIN), [Lot::Stays; 3]);
        assert_eq!(lots(None, Gone::PLAIN), [Lot::Unsaid; 3]);
    }

    #[test]
    fn sync_deletes_in_its_reach_whatever_vanished_says_and_people_s_own_rows_by_default_only() {
        let reached = Gone { reached: true, ..Gone::PLAIN };
        for vanished in [None, Some(Vanished::Keep), Some(Vanished::Delete)] {
            assert_eq!(lots(vanished, reached), [Lot::Deleted; 3]);
            let others = Gone { known: false, ..reached };
            assert_eq!(lots(vanished, others), [Lot::Deleted, Lot::Kept, Lot::Kept]);
        }
    }

    #[test]
    fn what_nobody_has_said_anything_of_is_no_excuse() {
        let excuse = |vanished, gone| Rule { vanished, on_conflict: OnConflict::Report }.excuse(gone);
        let rejected = Gone { record: Record::Rejected, ..Gone::PLAIN };
        assert_eq!((excuse(None, Gone::PLAIN), excuse(None, rejected)), (None, None));
        assert_eq!(excuse(None, Gone { reached: true, ..rejected }), Some(Excuse::Stands));
        assert_eq!(excuse(Some(Vanished::Flag), rejected), Some(Excuse::Stands));
        assert_eq!(excuse(Some(Vanished::Delete), Gone { edited: true, ..Gone::PLAIN }), Some(Excuse::Waits));
        assert_eq!(excuse(Some(Vanished::Delete), Gone { held: true, ..Gone::PLAIN }), Some(Excuse::Stands));
        assert_eq!(excuse(Some(Vanished::Delete), Gone::PLAIN), None);
    }
}
