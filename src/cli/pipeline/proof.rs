//! Verifications for reports and sign-offs, and what the staging file keeps of every one.

use anyhow::Result;

use super::connection::Connection;
use super::work::part_of;
use crate::cli::context::Context;
use crate::config::{Clinic, Project};
use crate::model::ident::TableName;
use crate::model::proof::{Held, Proof};
use crate::model::run::Observer;
use crate::snapshot::Snapshot;
use crate::staging::Staging;
use crate::verify;

/// Verifies a snapshot there and then, without books. With a sample, its rows carry their values.
pub(in crate::cli) fn prove(
    context: &Context,
    (project, clinic): (&Project, &Clinic),
    connection: &Connection,
    snapshot: &Snapshot,
    sample: usize,
    observer: &dyn Observer,
) -> Result<Proof> {
    asked(context, (project, clinic), connection, snapshot, sample, |options| {
        of(&connection.block_on(verify::run(options, verify::Books::default(), observer))?)
    })
}

/// What the target holds of a snapshot of which there is only the manifest.
pub(in crate::cli) fn held(
    context: &Context,
    (project, clinic): (&Project, &Clinic),
    connection: &Connection,
    snapshot: &Snapshot,
) -> Result<Vec<Held>> {
    asked(context, (project, clinic), connection, snapshot, 0, |options| {
        connection.block_on(verify::held(options))
    })
}

fn asked<T>(
    context: &Context,
    (project, clinic): (&Project, &Clinic),
    connection: &Connection,
    snapshot: &Snapshot,
    sample: usize,
    ask: impl FnOnce(&verify::Options<'_>) -> Result<T>,
) -> Result<T> {
    let tables: Vec<TableName> = snapshot.manifest().tables.iter().map(|entry| entry.table.clone()).collect();
    ask(&verify::Options {
        project,
        clinic: &part_of(project, clinic, &tables)?,
        snapshot,
        client: &connection.session.client,
        catalog: &connection.catalog,
        limits: &context.limits(),
        show_values: sample > 0,
        most: 0,
        since: None,
        sample,
        replica: None,
        within: false,
    })
}

/// As reports and sign-offs take it.
fn of(report: &verify::Report) -> Result<Proof> {
    let proof: Proof = serde_json::from_value(serde_json::to_value(report)?)?;
    Ok(Proof { clean: report.is_clean(), ..proof })
}

/// Keeps what the verification of a whole snapshot found: for a report without a target, and what it found beside
/// differing rows among the findings, where people decide about it. Those are in `meta.difference`.
pub(super) fn keep(staging: &Staging, run: &str, target: &str, report: &verify::Report) -> Result<()> {
    if report.since.is_some() || report.replica.is_some() {
        return Ok(());
    }
    let mut proof = of(report)?;
    proof.sample.clear();
    let text = serde_json::to_string(&proof)?;
    staging.transaction(|| {
        staging.note_verification(run, &proof.snapshot, target, proof.is_clean(), &text)?;
        staging.execute("delete from meta.finding where stage = 'verify'")?;
        for fault in proof.other_faults() {
            staging
                .connection()
                .execute(
                    "insert into meta.finding values ('verify', ?, 'critical', ?, ?, ?, null)",
                    duckdb::params![fault.rule, fault.subject, fault.column, fault.count],
                )
                .map_err(crate::error::duckdb)?;
        }
        Ok(())
    })
}
