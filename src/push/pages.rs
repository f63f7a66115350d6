//! The ledger's rows of a first load, many to a page (`sql/ledger/V013__page.sql`): what PostgreSQL does for each row of a
//! COPY costs more than the row.

use crate::codec::RowHash;
use crate::pg::copy::{Texts, append_bytes, append_integer, append_text, append_text_or_null};

/// What a page's values may take, so that its row fits into one of PostgreSQL's pages with the headers of both.
const ROOM: usize = 7_900;

/// The columns of `external_id` that differ from row to row of a table, in the order in which they are encoded.
pub(super) const EXTERNAL_ID: &str = "type, source_id, target_key, record";
/// Those of `row_digest`.
pub(super) const ROW_DIGEST: &str = "key, sent, columns";
/// Those of `page`.
pub(super) const PAGE: &str = "type, keys, sent, columns, source_ids, records";

/// What has PostgreSQL keep a row in its page instead of beside it, where it finds [`ROOM`], and gather no statistics of
/// its values, which would cost much and say nothing: V013 has this for the whole, which a partition does not take over.
pub(super) const STORAGE: &str = "set (toast_tuple_target = 8160), alter keys set statistics 0, alter sent set statistics 0, \
     alter columns set statistics 0, alter source_ids set statistics 0, alter records set statistics 0";

/// What is known of a row.
pub(super) struct Noted<'a> {
    pub(super) key: &'a str,
    pub(super) sent: &'a RowHash,
    pub(super) columns: Option<&'a [u8]>,
    /// Code of the kind, id and place of its record.
    pub(super) record: Option<(i32, &'a str, Option<&'a str>)>,
}

/// Pages of one table that are not full yet, each of one kind of record.
#[derive(Default)]
pub(super) struct Pages(Vec<Page>);

impl Pages {
    /// Adds a row; hands over the page that has become full, if one has.
    pub(super) fn add(&mut self, row: &Noted<'_>) -> Option<Page> {
        let kind = row.record.map(|(kind, ..)| kind);
        let place = self.0.iter().position(|page| page.kind == kind).unwrap_or_else(|| {
            self.0.push(Page::new(kind));
            self.0.len() - 1
        });
        let page = &mut self.0[place];
        let needed = row.size();
        let full = page.size > 0 && page.size + needed > ROOM;
        let full = full.then(|| std::mem::replace(page, Page::new(kind)));
        page.add(row, needed);
        full
    }

    pub(super) fn rest(self) -> impl Iterator<Item = Page> {
        self.0.into_iter()
    }
}

impl Noted<'_> {
    /// Appends it as a row of [`ROW_DIGEST`], as if it were stored as it is sent.
    pub(super) fn encode_digest(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&3_i16.to_be_bytes());
        append_text(out, self.key);
        append_bytes(out, Some(self.sent));
        append_bytes(out, self.columns);
    }

    /// Appends it as a row of [`EXTERNAL_ID`], where its record is known by something.
    pub(super) fn encode_external_id(&self, out: &mut Vec<u8>) {
        let Some((kind, id, place)) = self.record else { return };
        out.extend_from_slice(&4_i16.to_be_bytes());
        append_integer(out, Some(kind));
        append_text(out, id);
        append_text(out, self.key);
        append_text_or_null(out, place);
    }

    /// What it takes in a page, in bytes: each text with its length, aligned to four.
    fn size(&self) -> usize {
        let text = |text: &str| 4 + text.len().next_multiple_of(4);
        let record = self.record.map_or(0, |(_, id, place)| {
            let id = if id == self.key { 0 } else { text(id) };
            id + place.map_or(0, text)
        });
        text(self.key) + self.sent.len() + self.columns.map_or(0, <[u8]>::len) + record
    }
}

/// Rows whose records are of one kind.
#[derive(Default)]
pub(super) struct Page {
    kind: Option<i32>,
    size: usize,
    keys: Texts,
    sent: Vec<u8>,
    columns: Vec<u8>,
    source_ids: Texts,
    records: Texts,
}

impl Page {
    fn new(kind: Option<i32>) -> Self {
        Self { kind, ..Self::default() }
    }

    fn add(&mut self, row: &Noted<'_>, size: usize) {
        self.size += size;
        self.keys.push(Some(row.key));
        self.sent.extend_from_slice(row.sent);
        self.columns.extend_from_slice(row.columns.unwrap_or_default());
        let (id, place) = row.record.map_or((None, None), |(_, id, place)| (Some(id), place));
        self.source_ids.push(id.filter(|id| *id != row.key));
        self.records.push(place);
    }

    /// Appends the page as a row of [`PAGE`].
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&6_i16.to_be_bytes());
        append_integer(out, self.kind);
        self.keys.append_to(out);
        append_bytes(out, Some(&self.sent));
        append_bytes(out, Some(&self.columns[..]).filter(|columns| !columns.is_empty()));
        self.source_ids.append_if_any(out);
        self.records.append_if_any(out);
    }
}
