//! The files of people: golden ids are recorded there, and decisions awaited.

use anyhow::Result;
use rust_i18n::t;

use super::super::Options;
use crate::config::Clinic;
use crate::dedupe::GoldenIds;
use crate::error::Failure;
use crate::snapshot::Snapshot;

/// Refuses a push whose golden ids could not be recorded afterwards, since their file cannot be read.
pub(in crate::push) fn readable(options: &Options<'_>) -> Result<()> {
    let entries = options.snapshot.manifest().golden.iter();
    let mut read = entries.map(|entry| GoldenIds::read(options.project, &options.clinic.name, &entry.entity));
    read.try_for_each(|read| read.map(drop))
}

/// Records the golden ids of a snapshot that the target holds.
///
/// # Errors
/// A file that cannot be read or written; what was pushed stands.
pub(in crate::push) fn record(options: &Options<'_>, batch: Option<&str>) -> Result<()> {
    let clinic = &options.clinic.name;
    let now = chrono::Utc::now();
    for entry in &options.snapshot.manifest().golden {
        let recorded = || -> Result<()> {
            let mut ids = GoldenIds::read(options.project, clinic, &entry.entity)?;
            let rows = options.snapshot.golden(entry)?.collect::<Result<Vec<_>>>()?;
            let rows = rows.into_iter().map(|row| (row.source_id, row.golden_id));
            if ids.record(rows, now) { ids.write() } else { Ok(()) }
        };
        recorded().map_err(|error| {
            let inner = Failure::from_anyhow(&error);
            let message = match batch {
                Some(batch) => t!("push.not_recorded", batch = batch, error = inner.message),
                None => t!("push.not_recorded_still", error = inner.message),
            };
            let failure = inner.hints.into_iter().fold(Failure::failed(message), Failure::hint);
            failure.hint(t!("push.not_recorded_hint", clinic = clinic))
        })?;
    }
    Ok(())
}

/// Refuses a snapshot with more pairs that wait for a decision than the clinic allows.
///
/// # Errors
/// There are more.
pub fn pending(clinic: &Clinic, snapshot: &Snapshot) -> Result<(), Failure> {
    let allowed = |entity: &str| clinic.dedupe.get(entity).map_or(0, |settings| settings.max_pending);
    let over: Vec<_> =
        snapshot.manifest().golden.iter().filter(|entry| entry.pending > allowed(&entry.entity)).collect();
    if over.is_empty() {
        return Ok(());
    }
    let told = over.iter().map(|entry| {
        let (entity, allowed) = (&entry.entity, allowed(&entry.entity));
        t!("push.pending_of", entity = entity, count = entry.pending, allowed = allowed).into_owned()
    });
    let clinic = &clinic.name;
    let message = t!("push.pending", entities = told.collect::<Vec<_>>().join(", "));
    let failure = over.iter().fold(Failure::findings(message), |failure, entry| {
        failure.hint(format!("trasvase review {clinic} {}", entry.entity))
    });
    Err(failure.hint(t!("push.pending_hint", clinic = clinic)))
}
