use anyhow::Result;
use clap::Subcommand;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::output::{self, Page};
use super::signals;
use crate::error::Failure;
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
    Url,
    /// Open psql on it, starting it for as long as that takes
    Psql {
        /// Arguments of psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<String>,
    },
}

const EXAMPLES: &str = "Examples:
  trasvase postgres psql
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
                let url = server.url();
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
                    let url = server.url();
                    show(
                        context,
                        &Answer { running: true, url: Some(url.clone()) },
                        &t!("cli.postgres.started", url = url),
                    )
                }
                None => show(context, &Answer { running: false, url: None }, &t!("cli.postgres.not_running")),
            },
            Action::Url => {
                let server = Server::attach(&folder)?.ok_or_else(|| {
                    Failure::failed(t!("cli.postgres.not_running")).hint("trasvase postgres start")
                })?;
                let url = server.url();
                show(context, &Answer { running: true, url: Some(url.clone()) }, &url)
            }
            Action::Psql { arguments } => {
                psql(&Server::start(&ServerOptions::for_project(&project))?, arguments)
            }
        }
    }
}

fn show(context: &Context, answer: &Answer, said: &str) -> Result<()> {
    output::show(context.format(), answer, |_| Page::new().line(said))
}

/// Runs psql in our place: Ctrl-C is its own.
fn psql(server: &Server, arguments: &[String]) -> Result<()> {
    signals::leave_to_child();
    let status =
        server.psql(DATABASE).args(arguments).status().map_err(|error| {
            Failure::failed(t!("pg.cannot_run", program = "psql")).hint(error.to_string())
        })?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::failed(t!("cli.postgres.psql_failed", status = status)).into()),
    }
}
