//! Origin, imported, difference, and why there is one.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::Here;
use crate::config::{Clinic, Labels};
use crate::model::ident::TableName;
use crate::model::left_out::VERDICT;
use crate::model::loss;
use crate::model::manifest::{Manifest, SourceCount};
use crate::model::proof::Proof;

/// One source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceCounts {
    #[serde(flatten)]
    pub count: SourceCount,
    /// The table whose rows its records are.
    pub primary: Option<TableName>,
    /// What people call that table.
    pub label: Option<String>,
    /// `imported - read`
    pub difference: i64,
    /// Records of which no row is in the target, since people deleted it or one that it refers to; none of the imported ones.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub left_out: u64,
    /// The verdicts add up to what was read, and its files do not break off.
    pub complete: bool,
    /// Why no model reads it, where that is meant.
    pub unused: Option<String>,
    pub notes: Vec<Note>,
}

/// Why records are not imported as rows of their own. A record may have several reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// `unreadable`, `rejected`, `merged`, `filtered`, `left_out`.
    pub verdict: String,
    /// A rule with column and constraint, or a model.
    pub reason: Option<String>,
    pub records: u64,
}

/// So many reasons are told of a source.
const MOST: usize = 12;

pub(super) fn of(
    here: &Here<'_>,
    clinic: &Clinic,
    manifest: &Manifest,
    labels: &Labels,
) -> Result<Vec<SourceCounts>> {
    let mut notes = notes(here)?;
    let broken_off =
        |source: &str| manifest.issues.iter().any(|one| loss::is(&one.rule) && one.subject == source);
    let one = |count: &SourceCount| {
        let settings = clinic.sources.get(&count.source);
        let imported = count.imported + count.skipped;
        let primary = settings.and_then(|source| source.primary.clone());
        let known = count.rejected + count.merged + imported + count.filtered;
        SourceCounts {
            label: primary.as_ref().and_then(|table| labels.table(&table.to_string())).map(str::to_owned),
            primary,
            difference: i64::try_from(imported).unwrap_or(i64::MAX)
                - i64::try_from(count.read).unwrap_or(i64::MAX),
            left_out: 0,
            complete: known == count.read && !broken_off(&count.source),
            unused: settings.filter(|_| count.unread).and_then(|source| source.unused.clone()),
            notes: notes.remove(&count.source).unwrap_or_else(|| plain(count)),
            count: count.clone(),
        }
    };
    let mut sources: Vec<SourceCounts> = manifest.sources.iter().map(one).collect();
    let place = |one: &SourceCounts| one.primary.as_ref().map(|table| labels.place(&table.to_string()));
    sources.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
    Ok(sources)
}

/// Takes records that a push left out from the imported ones, as the target's verification found them.
pub(super) fn leave_out(sources: &mut [SourceCounts], proof: &Proof) {
    for source in sources {
        let proven = proof.sources.iter().find(|one| one.count.source == source.count.source);
        let left_out = proven.map_or(0, |one| one.left_out).min(source.count.imported);
        if left_out > 0 {
            source.left_out = left_out;
            source.count.imported -= left_out;
            source.difference -= i64::try_from(left_out).unwrap_or(i64::MAX);
            source.notes.push(Note { verdict: VERDICT.to_owned(), reason: None, records: left_out });
        }
    }
}

/// What the verdicts alone say, where nothing more is known.
fn plain(count: &SourceCount) -> Vec<Note> {
    let verdicts = [("rejected", count.rejected), ("merged", count.merged), ("filtered", count.filtered)];
    let told = verdicts.into_iter().filter(|(_, records)| *records > 0);
    told.map(|(verdict, records)| Note { verdict: verdict.to_owned(), reason: None, records }).collect()
}

/// The reasons of each source, the most frequent first.
fn notes(here: &Here<'_>) -> Result<BTreeMap<String, Vec<Note>>> {
    let mut notes: BTreeMap<String, Vec<Note>> = BTreeMap::new();
    for sql in [UNREADABLE, REJECTED, MERGED, SUPERSEDED, FILTERED] {
        if sql == SUPERSEDED && !here.has("meta", "superseded")? {
            continue;
        }
        if sql != UNREADABLE && !(here.has("meta", "verdict")? && here.has("meta", "fate")?) {
            continue;
        }
        for (source, verdict, reason, records) in
            here.rows(sql, |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        {
            let of_source = notes.entry(source).or_default();
            if of_source.len() < MOST {
                of_source.push(Note { verdict, reason, records });
            }
        }
    }
    Ok(notes)
}

const UNREADABLE: &str = "select source, 'unreadable', reason, count(*)::ubigint from meta.load_error \
     where record is not null group by all order by source, 4 desc, reason";

const REJECTED: &str = "select fate.source, 'rejected', fate.detail, count(distinct _id)::ubigint from meta.fate fate \
     join meta.verdict verdict using (_id) where fate.fate = 'rejected' and verdict.verdict = 'rejected' \
     group by all order by 1, 4 desc, 3";

const MERGED: &str = "select source, 'merged', null::varchar, count(*)::ubigint from meta.verdict \
     where verdict = 'merged' group by all order by source";

/// In their place a later record of the same key is.
const SUPERSEDED: &str =
    "select source, 'filtered', 'superseded', count(*)::ubigint from meta.superseded group by all";

const FILTERED: &str = "select filtered.source, 'filtered', filtered.model, count(distinct _id)::ubigint from meta.filtered filtered \
     join meta.verdict verdict using (_id) where verdict.verdict = 'filtered' group by all order by 1, 4 desc, 3";
