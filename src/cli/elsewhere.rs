//! Other targets that a clinic was pushed to. Objects and accounts are the clinic's, not one target's: what rows there tell of stays.

use std::collections::BTreeSet;

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::pipeline::Connection;
use super::progress::Progress;
use crate::config::{Clinic, Project};
use crate::error::{self, Failure};
use crate::files::removal::{Removal, Told};
use crate::model::run::Stage;
use crate::pg::{After, Purpose, Target};
use crate::staging::{Access, Staging};
use crate::users::back;

/// Sessions with them.
#[derive(Default)]
pub(super) struct Elsewhere(Vec<Connection>);

impl Elsewhere {
    /// Connects to each of them but those that people say are gone.
    ///
    /// # Errors
    /// One that does not answer: nobody knows what its rows tell of.
    pub(super) fn open(
        context: &Context,
        (project, clinic): (&Project, &Clinic),
        here: &Connection,
        gone: &[String],
    ) -> Result<Self> {
        let mut others = pushed_to(context, project, clinic)?;
        others.retain(|name| *name != here.target.name && !gone.contains(name));
        let mut connections = Vec::new();
        for name in others {
            let other = connect(context, (project, clinic), &name).map_err(|error| {
                let error = Failure::from_anyhow(&error).message;
                Failure::failed(t!("clean.elsewhere", clinic = clinic.name, target = name, error = error))
                    .hint(t!("clean.elsewhere_hint", clinic = clinic.name, target = name))
            })?;
            // One database may have several names.
            if database(&other)? != database(here)? {
                connections.push(other);
            }
        }
        Ok(Self(connections))
    }

    /// Takes out what rows there tell of, and are bound to.
    ///
    /// # Errors
    /// A target does not answer.
    pub(super) fn spare(
        &self,
        clinic: &Clinic,
        files: &mut [Removal],
        accounts: &mut [back::Report],
    ) -> Result<()> {
        let after = &After::default();
        for connection in &self.0 {
            let (client, catalog) = (&connection.session.client, &connection.catalog);
            for one in &mut *files {
                connection.block_on(one.leave_told_of(Told { clinic, client, catalog, after }))?;
            }
            let Some(settings) = clinic.users.as_ref().filter(|one| catalog.table(&one.target()).is_some())
            else {
                continue;
            };
            for one in &mut *accounts {
                connection.block_on(back::spare_bound((client, catalog), settings, after, one))?;
            }
        }
        Ok(())
    }
}

/// By the staging file; where there is none, whatever the settings name.
fn pushed_to(context: &Context, project: &Project, clinic: &Clinic) -> Result<BTreeSet<String>> {
    if !project.duckdb_path(&clinic.name).is_file() {
        let mut names: BTreeSet<String> = clinic.targets.keys().cloned().collect();
        names.insert(Target::chosen(project, None)?);
        return Ok(names);
    }
    let staging = Staging::open(project, clinic, Access::ReadOnly, &context.limits())?;
    let pushes = staging.runs()?.into_iter().filter(|run| run.stage == Stage::Push.as_str());
    Ok(pushes.filter_map(|run| run.target).collect())
}

fn connect(context: &Context, (project, clinic): (&Project, &Clinic), name: &str) -> Result<Connection> {
    let named = Some(name).filter(|name| *name != "DATABASE_URL");
    // Without its variable another target would take its place.
    if named.is_none() && Target::chosen(project, None)? != name {
        return Err(Failure::usage(t!("pg.no_variable", target = name, variable = name)).into());
    }
    let observer = Progress::new(context.global.log_level);
    Connection::open(project, clinic, named, Purpose::Read, Stage::Push, &observer)
}

/// Tells databases apart, whatever way leads to them.
fn database(connection: &Connection) -> Result<(String, String)> {
    let sql = "select current_database()::text, pg_postmaster_start_time()::text";
    let row = connection.block_on(async {
        let asked = connection.session.client.query_one(sql, &[]).await;
        asked.map_err(|error| error::postgres(&error))
    })?;
    Ok((row.get(0), row.get(1)))
}
