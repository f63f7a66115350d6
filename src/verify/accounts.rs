//! Whether every record of every source is accounted for, by the snapshot and by the ledger.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::Options;
use crate::config::Clinic;
use crate::error;
use crate::model::left_out::VERDICT;
use crate::model::manifest::SourceCount;
use crate::pg::ledger;

/// One source: are all its records accounted for?
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    #[serde(flatten)]
    pub count: SourceCount,
    /// The sum of its verdicts is the number of its records.
    pub complete: bool,
    /// Records of which no row is in the target, since people deleted it or one that it refers to; none of the imported ones.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub left_out: u64,
    /// The ledger's counts and records say the same; none where no batch pushed this very snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<bool>,
    /// Of a source that no model reads: why that is meant, as clinic.toml says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused: Option<String>,
}

impl SourceReport {
    /// Whether no record is lost.
    pub fn holds(&self) -> bool {
        self.complete && self.ledger != Some(false)
    }
}

/// Adds up every source.
pub(super) async fn sources(options: &Options<'_>) -> Result<Vec<SourceReport>> {
    let batches = batches(options).await?;
    let manifest = options.snapshot.manifest();
    // Of the others, such as one that no model reads, the counts alone say what became of their records.
    let told = |count: &SourceCount| manifest.records.iter().any(|entry| entry.source == count.source);
    let report = |count: &SourceCount| SourceReport {
        complete: complete(count),
        left_out: 0,
        ledger: (!batches.is_empty()).then(|| batches.iter().all(|batch| batch.agrees(count, told(count)))),
        unused: unused(options.clinic, count),
        count: count.clone(),
    };
    Ok(manifest.sources.iter().map(report).collect())
}

/// Takes records that are left out from the imported ones.
pub(super) fn leave_out(sources: &mut [SourceReport], left_out: &BTreeMap<String, u64>) {
    for source in sources {
        let records = left_out.get(&source.count.source).copied().unwrap_or_default();
        source.left_out = records.min(source.count.imported);
        source.count.imported -= source.left_out;
    }
}

/// read = rejected + merged + imported + skipped + filtered (DESIGN §1).
fn complete(count: &SourceCount) -> bool {
    count.read == count.rejected + count.merged + count.imported + count.skipped + count.filtered
}

fn unused(clinic: &Clinic, count: &SourceCount) -> Option<String> {
    clinic.sources.get(&count.source).filter(|_| count.unread)?.unused.clone()
}

/// The version of the ledger from which on it has verdicts.
const VERDICTS: i32 = 3;

/// What the ledger holds of one batch.
struct Batch {
    counts: Value,
    /// Its records by source and verdict.
    records: BTreeMap<(String, String), u64>,
}

/// The completed batches that pushed this snapshot.
async fn batches(options: &Options<'_>) -> Result<Vec<Batch>> {
    let manifest = options.snapshot.manifest();
    if ledger::version(options.client).await? < VERDICTS {
        return Ok(Vec::new());
    }
    let rows = options
        .client
        .query(
            "select b.counts::text, coalesce(jsonb_agg(jsonb_build_array(r.source, r.verdict, r.rows)) \
             filter (where r.source is not null), '[]')::text \
             from trasvase.batch b left join lateral (select s.name as source, r.verdict, count(*) as rows \
             from trasvase.record r join trasvase.name s on s.code = r.source where r.batch = b.number group by 1, 2) r on true \
             where b.clinic = $1 and b.snapshot = $2 and b.status = 'completed' group by b.number, b.counts::text",
            &[&manifest.clinic.as_str(), &manifest.id],
        )
        .await
        .map_err(|error| error::postgres(&error))?;
    let read = |row: &tokio_postgres::Row| {
        let records: Vec<(String, String, u64)> = serde_json::from_str(row.get(1))?;
        let records = records.into_iter().map(|(source, verdict, rows)| ((source, verdict), rows)).collect();
        Ok(Batch { counts: serde_json::from_str(row.get(0))?, records })
    };
    rows.iter().map(read).collect()
}

impl Batch {
    /// Whether it has sums by source; one of the first ledgers has none.
    fn counts_records(&self) -> bool {
        self.counts.as_object().is_some_and(|all| all.values().any(|one| one.get("total").is_some()))
    }

    /// Whether its counts add up to the source's records, and its records, where the snapshot tells of them one by one, are
    /// as many as that says.
    fn agrees(&self, source: &SourceCount, told: bool) -> bool {
        let counts = &self.counts[&source.source];
        let number = |name: &str| counts[name].as_u64();
        let Some(total) = number("total") else { return !self.counts_records() };
        let parts = ["imported", "skipped", "errors", "duplicates", "filtered"];
        let left_out = number(VERDICT).unwrap_or_default();
        let sum = parts.iter().map(|name| number(name)).sum::<Option<u64>>().map(|sum| sum + left_out);
        let recorded = |verdict: &str| {
            let key = (source.source.clone(), verdict.to_owned());
            self.records.get(&key).copied().unwrap_or_default()
        };
        let expected = |rows: u64| if told { rows } else { 0 };
        // All or none of those in a row: the clinic keeps records as they were read, or does not.
        let kept = recorded("imported") + recorded("skipped");
        total == source.read
            && (kept == 0
                || number("imported").zip(number("skipped")).is_some_and(|(one, other)| one + other == kept))
            && sum == Some(total)
            && number("errors") == Some(source.rejected)
            && number("duplicates") == Some(source.merged)
            && recorded("rejected") == expected(source.rejected)
            && recorded("merged") == expected(source.merged)
            && recorded("filtered") == expected(source.filtered)
            && recorded(VERDICT) == left_out
    }
}
