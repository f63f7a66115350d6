//! A database of the private server that stands in for a live source, made from a file of SQL: so that a clinic whose source
//! is nobody's any more can be tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::{Server, ServerOptions, ran, with_input};
use crate::config::Project;
use crate::model::ident::quoted;
use crate::pg::Secret;

/// By variable, where its database is.
static GIVEN: Mutex<BTreeMap<String, Secret>> = Mutex::new(BTreeMap::new());

/// Makes `database` anew from a file of SQL, and lets `variable` name it for as long as this program runs and the server that
/// is given back is kept.
///
/// # Errors
/// The private server does not start, or the file is none that PostgreSQL takes.
pub fn stand_in(project: &Project, variable: &str, file: &Path, database: &str) -> Result<Server> {
    let sql = fs::read_to_string(file).with_context(|| t!("pg.cannot_read", path = file.display()))?;
    let server = Server::start(&ServerOptions::for_project(project))?;
    let drop = format!("drop database if exists {} with (force)", quoted(database));
    ran("psql", server.psql("postgres").args(["-qc", &drop]).output())?;
    server.ensure_database(database)?;
    let mut psql = server.psql(database);
    psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
    ran("psql", with_input(&mut psql, &sql)).with_context(|| file.display().to_string())?;
    let url = Secret::new(server.url_for(database));
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(variable.to_owned(), url);
    Ok(server)
}

/// The connection string of what stands in for a variable.
pub(in crate::pg) fn given(variable: &str) -> Option<Secret> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).get(variable).cloned()
}
