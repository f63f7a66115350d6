//! The clinic, the entity and whoever decides about its records, as arguments leave them open.

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use crate::config::{Clinic, Dedupe, Project, near};
use crate::error::Failure;
use crate::model::ident::ClinicName;

/// An entity whose records are compared.
pub(super) struct Entity {
    pub(super) project: Project,
    pub(super) clinic: Clinic,
    pub(super) name: String,
}

impl Entity {
    /// What `[CLINIC] [ENTITY]` mean: one name alone is a clinic's where there is such a clinic; what is not named is the
    /// only one that there is.
    pub(super) fn named(context: &Context, names: &[String]) -> Result<Self> {
        let (clinic, entity) = match names {
            [] => (None, None),
            [name] if is_clinic(&context.project()?, name)? => (Some(name), None),
            [name] => (None, Some(name)),
            [clinic, entity, ..] => (Some(clinic), Some(entity)),
        };
        let clinic = clinic.map(|name| name.parse::<ClinicName>()).transpose()?;
        let (project, clinic) = context.clinic(clinic.as_ref())?;
        let name = entity_name(&clinic, entity)?;
        Ok(Self { project, clinic, name })
    }

    pub(super) fn settings(&self) -> &Dedupe {
        &self.clinic.dedupe[&self.name]
    }
}

fn is_clinic(project: &Project, name: &str) -> Result<bool> {
    Ok(project.clinics()?.iter().any(|clinic| clinic.as_str() == name))
}

fn entity_name(clinic: &Clinic, given: Option<&String>) -> Result<String> {
    let known: Vec<&String> = clinic.dedupe.keys().collect();
    let clinic_name = &clinic.name;
    match (given.map(|name| name.to_lowercase()), known.as_slice()) {
        (_, []) => Err(Failure::usage(t!("cli.entity.none", clinic = clinic_name))
            .hint(t!("cli.entity.none_hint", clinic = clinic_name))
            .into()),
        (Some(name), _) if clinic.dedupe.contains_key(&name) => Ok(name),
        (Some(name), _) => {
            let near = near(&name, known.iter().copied());
            Err(Failure::usage(t!("cli.entity.unknown", clinic = clinic_name, entity = name, near = near))
                .into())
        }
        (None, [only]) => Ok((*only).clone()),
        (None, many) => {
            let known = many.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Failure::usage(t!("cli.entity.which", known = known)).into())
        }
    }
}

/// Who decides: the name given, else git's, else the user's.
pub(super) fn who(project: &Project, given: Option<&str>) -> String {
    let git = || {
        let asked = std::process::Command::new("git")
            .args(["config", "user.name"])
            .current_dir(project.root())
            .output();
        let name = String::from_utf8(asked.ok()?.stdout).ok()?.trim().to_owned();
        (!name.is_empty()).then_some(name)
    };
    let user = || std::env::var("USER").unwrap_or_default();
    given.map(|name| name.trim().to_owned()).or_else(git).unwrap_or_else(user)
}
