//! The manifest of a new snapshot: what was read, what ran, what must come out.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use super::Options;
use crate::config::{SqlFile, sql_files};
use crate::desk::{self, Decisions};
use crate::error::Failure;
use crate::model::manifest::{Control, Manifest, ModelVersion, Origin, TableEntry, Tenant};
use crate::snapshot::FORMAT;
use crate::staging::Staging;

/// All but the files beside the tables'.
pub(super) fn build(options: &Options<'_>, tables: Vec<TableEntry>) -> Result<Manifest> {
    let clinic = options.clinic;
    Ok(Manifest {
        format: FORMAT,
        id: String::new(),
        clinic: clinic.name.clone(),
        clinic_uid: clinic.uid.clone(),
        epoch: clinic.epoch.clone(),
        origin: Origin::Models,
        product: clinic.product.clone(),
        system: clinic.system.clone(),
        timezone: clinic.timezone.clone(),
        tenant: tenant(options)?,
        catalog_hash: options.catalog_hash.clone(),
        sources: options.sources.clone(),
        models: models(options.staging)?,
        tables,
        controls: controls(options)?,
        golden: Vec::new(),
        records: Vec::new(),
        rejects: Vec::new(),
        issues: desk::entries(options.staging, &Decisions::read(options.project, clinic)?)?,
    })
}

/// The tenant's value: as clinic.toml spells it, or read from a table of one row (`target.clinic.id`).
fn tenant(options: &Options<'_>) -> Result<Option<Tenant>> {
    let Some(tenant) = &options.clinic.tenant else { return Ok(None) };
    let value = match tenant.value.split('.').collect::<Vec<_>>().as_slice() {
        ["target", table, column] => {
            let table = crate::model::ident::TableName::from(*table);
            options.staging.value(&format!(
                "select {} from {}",
                crate::model::ident::quoted(column),
                table.staged("ready")
            ))?
        }
        _ => tenant.value.clone(),
    };
    Ok(Some(Tenant { column: tenant.column.clone(), value }))
}

/// The newest version of every model.
fn models(staging: &Staging) -> Result<BTreeMap<String, ModelVersion>> {
    let rows = staging.rows(
        "select model, max(version)::ubigint, arg_max(fingerprint, version) from meta.model_version group by model order by model",
        |row| Ok((row.get(0)?, ModelVersion { version: row.get(1)?, fingerprint: row.get(2)? })),
    )?;
    Ok(rows.into_iter().collect())
}

/// Runs `control/*.sql` over `raw` (and `<name>.reject.sql`, where there is one, over `reject`), and adds what the old
/// system printed. `<name>.target.sql` is for verify.
fn controls(options: &Options<'_>) -> Result<Vec<Control>> {
    let files = sql_files(options.project, options.clinic, "control")?;
    let mut controls = Vec::new();
    for file in files.iter().filter(|file| !file.name.contains('.')) {
        let rejected = match files.iter().find(|other| other.name == format!("{}.reject", file.name)) {
            Some(file) => figures(options.staging, file)?,
            None => BTreeMap::new(),
        };
        controls.extend(figures(options.staging, file)?.into_iter().map(|(key, value)| Control {
            name: file.name.clone(),
            rejected: rejected.get(&key).cloned().flatten(),
            key,
            value,
        }));
    }
    for (name, printed) in &options.clinic.control {
        controls.extend(printed.iter().map(|(key, value)| Control {
            name: format!("clinic.toml/{name}"),
            key: key.clone(),
            value: Some(value.clone()),
            rejected: None,
        }));
    }
    Ok(controls)
}

/// The (key, value) rows of a control query.
fn figures(staging: &Staging, file: &SqlFile) -> Result<BTreeMap<String, Option<String>>> {
    let rows = staging
        .rows(&format!("select key::varchar, value::varchar from (\n{}\n)", file.query()), |row| {
            Ok((row.get::<_, Option<String>>(0)?.unwrap_or_default(), row.get(1)?))
        })
        .map_err(|error| {
            Failure::failed(t!("export.bad_control", path = file.path, error = error.to_string()))
        })?;
    Ok(rows.into_iter().collect())
}
