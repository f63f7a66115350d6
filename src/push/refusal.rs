//! What a comparison says a push cannot do: told as a whole, before anybody is asked or anything is written.

use rust_i18n::t;

use super::compare::{Compared, Context};
use super::golden;
use super::referrers::Referrer;
use super::shared::{self, Shared};
use crate::config::{Clinic, LoadMode};
use crate::error::Failure;
use crate::model::ident::TableName;

/// Refuses rows to be added whose keys are there, rows to be deleted that others refer to, and rows that would come to
/// share a key.
pub(super) fn refuse(context: &Context<'_>, compared: &Compared) -> Result<(), Failure> {
    let clinic = context.clinic;
    let present: Vec<(&TableName, u64)> = compared
        .tables
        .iter()
        .map(|(table, one)| (table, one.present))
        .filter(|(_, rows)| *rows > 0)
        .collect();
    if !present.is_empty() {
        return Err(appended(clinic, &present));
    }
    let referrers: Vec<&Referrer> = compared.referrers.iter().chain(&compared.golden.referrers).collect();
    if !referrers.is_empty() {
        return Err(referred_to(context, &referrers));
    }
    let collisions = &compared.golden.collisions;
    if !collisions.is_empty() {
        return Err(golden::failure(collisions));
    }
    let shared: Vec<&Shared> = compared.tables.values().flat_map(|one| &one.shared).collect();
    if shared.is_empty() { Ok(()) } else { Err(shared::failure(clinic.name.as_str(), &shared)) }
}

fn appended(clinic: &Clinic, present: &[(&TableName, u64)]) -> Failure {
    let tables = present.iter().map(|(table, rows)| format!("{table} {rows}")).collect::<Vec<_>>().join(", ");
    Failure::failed(t!("push.present", tables = tables)).hint(t!("push.present_hint", clinic = clinic.name))
}

fn referred_to(context: &Context<'_>, referrers: &[&Referrer]) -> Failure {
    let clinic = context.clinic;
    let lines = referrers.iter().map(|one| {
        let (of, table, constraint) = (&one.of, &one.table, &one.constraint);
        let key = match one.on_delete.as_str() {
            "no action" | "restrict" => "push.referrer",
            _ => "push.referrer_changed",
        };
        t!(key, rows = one.rows, table = table, of = of, constraint = constraint, action = one.on_delete)
            .into_owned()
    });
    let message = t!("push.referred_to", rows = lines.collect::<Vec<_>>().join("; "));
    let mut tables: Vec<&TableName> = referrers.iter().map(|one| &one.of).collect();
    tables.dedup();
    let failure = Failure::failed(message);
    let failure = tables.into_iter().fold(failure, |failure, table| match clinic.load_mode(table) {
        LoadMode::Replace => failure.hint(t!("push.referred_to_replace_hint", table = table)),
        LoadMode::Insert | LoadMode::Upsert | LoadMode::Sync | LoadMode::Append => failure,
    });
    // Documents' rows come from a command of their own, and are written again by it.
    let of_files = |one: &&&Referrer| clinic.files.iter().any(|section| section.table == one.table);
    let failure = match referrers.iter().find(of_files) {
        Some(one) => failure.hint(t!("push.referred_to_files_hint", clinic = clinic.name, table = one.table)),
        None => failure,
    };
    failure.hint(t!("push.referred_to_hint", clinic = clinic.name))
}
