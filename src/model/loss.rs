//! Findings of load about files of which something is lost and nobody can tell how much: they stop a run before push, whatever
//! `[limits]` says, until a person accepts each of them.

/// The gzip around the documents ends too soon.
pub const TORN_GZIP: &str = "torn_gzip";
/// The file ends in the middle of a document.
pub const CUT_DOCUMENT: &str = "cut_document";
/// A document is broken so that the place of what follows it is not known.
pub const LOST_PLACE: &str = "lost_place";
/// The array around the documents is not closed.
pub const OPEN_ARRAY: &str = "open_array";
/// The archive ends before the collection does.
pub const CUT_ARCHIVE: &str = "cut_archive";
/// The archive's checksum is not that of the collection's documents.
pub const DAMAGED_ARCHIVE: &str = "damaged_archive";

/// All of them.
pub const RULES: [&str; 6] = [TORN_GZIP, CUT_DOCUMENT, LOST_PLACE, OPEN_ARRAY, CUT_ARCHIVE, DAMAGED_ARCHIVE];

/// Whether a finding is one of them.
pub fn is(rule: &str) -> bool {
    RULES.contains(&rule)
}
