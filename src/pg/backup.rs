//! `pg_dump` of the tables that a push is about to change.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use tokio_postgres::config::Host;

use super::Target;
use super::embedded::{client_program, without_pg_variables};
use super::parameters::{Encryption, Parameters, Roots};
use crate::error::Failure;
use crate::model::ident::TableName;
use crate::model::private;

/// Dumps these tables in `pg_restore`'s format to `path`, readable by its owner only.
///
/// # Errors
/// `pg_dump` is missing, older than the server, or may not read a table; nothing is left at `path` then.
pub fn backup(target: &Target, tables: &[TableName], path: &Path) -> Result<()> {
    let partial = path.with_extension("dump.partial");
    let file = private::create(&partial).with_context(|| t!("pg.cannot_write", path = partial.display()))?;
    let parameters = Parameters::parse(&target.url, &target.origin)?;
    let mut command = command(&parameters);
    command.arg("--format=custom");
    command.args(tables.iter().map(|table| format!("--table={}", table.quoted())));
    let output = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::piped())
        .output()
        .with_context(|| t!("pg.cannot_run", program = "pg_dump"))?;
    if !output.status.success() {
        // What there is of it helps nobody.
        let _ = std::fs::remove_file(&partial);
        let said = String::from_utf8_lossy(&output.stderr);
        let said = parameters.password().scrub(said.lines().next().unwrap_or_default());
        return Err(Failure::failed(t!("pg.program_failed", program = "pg_dump", said = said))
            .hint(t!("pg.backup_hint"))
            .into());
    }
    std::fs::rename(&partial, path).with_context(|| t!("pg.cannot_write", path = path.display()))
}

/// `pg_dump` with the connection in its environment: arguments can be read by everyone on the machine.
pub(super) fn command(parameters: &Parameters) -> Command {
    let mut command = Command::new(client_program("pg_dump"));
    without_pg_variables(&mut command);
    command.arg("--no-password");
    let config = &parameters.config;
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().map(ToString::to_string);
    command.env("PGHOST", hosts.collect::<Vec<_>>().join(","));
    command.env("PGPORT", ports.collect::<Vec<_>>().join(","));
    command.env("PGUSER", parameters.user());
    command.env("PGDATABASE", parameters.database());
    command.env("PGPASSWORD", parameters.password().expose());
    command.env(
        "PGSSLMODE",
        match parameters.encryption {
            Encryption::Disable => "disable",
            Encryption::Prefer => "prefer",
            Encryption::Require => "require",
            Encryption::VerifyCa => "verify-ca",
            Encryption::VerifyFull => "verify-full",
        },
    );
    match &parameters.roots {
        Roots::Default => {}
        Roots::System => {
            command.env("PGSSLROOTCERT", "system");
        }
        Roots::File(path) => {
            command.env("PGSSLROOTCERT", path);
        }
    }
    command
}
