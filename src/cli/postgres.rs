use anyhow::Result;
use clap::Subcommand;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::output::{self, Page};
use super::signals;
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::pg::embedded::{self, DATABASE, Server, ServerOptions};

/// The project's own PostgreSQL: start it, stop it, open psql on it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start it and leave it running
    Start,
    /// Stop it, whoever uses it
    Stop,
    /// Say whether it runs, and where
    Status,
    /// Print its connection string, for other programs; it has to run
    Url {
        /// The clinic whose system's database is meant; the first one's where not given
        #[arg(long, value_name = "CLINIC")]
        clinic: Option<ClinicName>,
    },
    /// Open psql on it, starting it for as long as that takes
    Psql {
        /// The clinic whose system's database is meant; the first one's where not given
        #[arg(long, value_name = "CLINIC")]
        clinic: Option<ClinicName>,
        /// Arguments of psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<String>,
    },
}

const EXAMPLES: &str = "Examples:
  trasvase postgres psql
  trasvase postgres psql --clinic acme
  trasvase postgres psql -- -c \"select count(*) from patient\"
  trasvase postgres start";

#[derive(Debug, Serialize)]
struct Answer {
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let project = context.project()?;
        let folder = project.postgres_dir();
        match &self.action {
            Action::Start => {
                let options = ServerOptions { keep_running: true, ..ServerOptions::for_project(&project) };
                let server = Server::start(&options)?;
                let url = url(&server, &project)?;
                server.release()?;
                let said = t!("cli.postgres.started", url = url);
                show(context, &Answer { running: true, url: Some(url.clone()) }, &said)
            }
            Action::Stop => {
                let stopped = embedded::stop(&folder)?;
                let said = if stopped { t!("cli.postgres.stopped") } else { t!("cli.postgres.not_running") };
                show(context, &Answer { running: false, url: None }, &said)
            }
            Action::Status => match Server::attach(&folder)? {
                Some(server) => {
                    let url = url(&server, &project)?;
                    show(
                        context,
                        &Answer { running: true, url: Some(url.clone()) },
                        &t!("cli.postgres.started", url = url),
                    )
                }
                None => show(context, &Answer { running: false, url: None }, &t!("cli.postgres.not_running")),
            },
            Action::Url { clinic } => {
                let server = Server::attach(&folder)?.ok_or_else(|| {
                    Failure::failed(t!("cli.postgres.not_running")).hint("trasvase postgres start")
                })?;
                let url = server.url_for(&database(&server, &project, clinic.as_ref())?);
                show(context, &Answer { running: true, url: Some(url.clone()) }, &url)
            }
            Action::Psql { clinic, arguments } => {
                let server = Server::start(&ServerOptions::for_project(&project))?;
                let database = database(&server, &project, clinic.as_ref())?;
                psql(&server, &database, arguments)
            }
        }
    }
}

fn show(context: &Context, answer: &Answer, said: &str) -> Result<()> {
    output::show(context.format(), answer, |_| Page::new().line(said))
}

/// The database of a clinic's system, else of that of the first clinic; one of no system where there is no clinic.
fn database(server: &Server, project: &Project, clinic: Option<&ClinicName>) -> Result<String> {
    let first = match clinic {
        Some(name) => Some(name.clone()),
        None => project.clinics()?.into_iter().next(),
    };
    let Some(name) = first else { return Ok(DATABASE.to_owned()) };
    let system = Clinic::read(project, &name)?.system;
    server.ensure_database(&system)?;
    Ok(system)
}

fn url(server: &Server, project: &Project) -> Result<String> {
    Ok(server.url_for(&database(server, project, None)?))
}

/// Runs psql in our place: Ctrl-C is its own.
fn psql(server: &Server, database: &str, arguments: &[String]) -> Result<()> {
    signals::leave_to_child();
    let status =
        server.psql(database).args(arguments).status().map_err(|error| {
            Failure::failed(t!("pg.cannot_run", program = "psql")).hint(error.to_string())
        })?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::failed(t!("cli.postgres.psql_failed", status = status)).into()),
    }
}
