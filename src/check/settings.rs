//! Tables that clinic.toml names: each is one that a model makes or that the target has.

use anyhow::Result;
use rust_i18n::t;

use super::Options;
use crate::config::{LoadMode, near, shown};
use crate::error::Failure;
use crate::model::ident::TableName;

/// Refuses a table in clinic.toml that neither `made` nor the target has: its settings would hold for nothing.
///
/// # Errors
/// All keys that name such a table.
pub(super) fn validate(options: &Options<'_>, made: &[TableName]) -> Result<()> {
    let clinic = options.clinic;
    let primary = clinic.sources.iter().filter_map(|(source, settings)| {
        Some((format!("[sources.{source}] primary"), settings.primary.as_ref()?.to_string()))
    });
    let limits = clinic.limits.keys().filter(|name| *name != "*");
    let named = primary
        .chain(limits.map(|name| ("[limits]".to_owned(), name.clone())))
        .chain(clinic.tables.keys().map(|name| ("[tables]".to_owned(), name.to_string())));
    let known: Vec<String> =
        made.iter().chain(options.catalog.tables.keys()).map(ToString::to_string).collect();
    let unknown: Vec<String> = named
        .filter(|(_, name)| !known.contains(name))
        .map(|(key, name)| {
            t!("check.no_such_table", key = key, name = name, near = near(&name, &known)).into_owned()
        })
        .collect();
    if unknown.is_empty() {
        return synced(options, made);
    }
    let path = shown(options.project, &options.project.clinic_dir(&clinic.name).join("clinic.toml"));
    Err(Failure::usage(t!("check.bad_settings", path = path, faults = unknown.join("; "))).into())
}

/// Refuses mode `sync` for a table that no foreign key binds to another that a model makes: nothing says whose rows it
/// would make equal.
fn synced(options: &Options<'_>, made: &[TableName]) -> Result<()> {
    for table in made.iter().filter(|name| options.clinic.load_mode(name) == LoadMode::Sync) {
        let parent = options.clinic.sync_parent(options.catalog, table);
        if !parent.is_some_and(|(_, parent)| made.contains(&parent)) {
            return Err(Failure::usage(t!("push.sync_by", table = table))
                .hint(t!("push.sync_by_hint", table = table))
                .into());
        }
    }
    Ok(())
}
