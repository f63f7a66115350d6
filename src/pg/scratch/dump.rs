//! The target's schema, by `pg_dump`.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::super::backup::command;
use super::super::embedded::client_major;
use super::super::parameters::Parameters;
use super::super::{Session, Target, execute};
use crate::error::Failure;
use crate::model::catalog::Catalog;
use crate::model::ident::{literal, quoted};

/// Whether this machine has a `pg_dump` that reads the target's server: it refuses one that is newer than itself.
pub(super) fn possible(catalog: &Catalog) -> bool {
    client_major("pg_dump").is_some_and(|major| major >= catalog.server_version / 10_000)
}

/// Makes in the copy what a section of the target's schema makes: `pre-data` are tables, types and functions, `post-data`
/// keys, indexes, triggers and policies.
pub(super) async fn restore(copy: &Session, source: &Target, section: &str) -> Result<()> {
    let parameters = Parameters::parse(&source.url, &source.origin)?;
    let mut command = command(&parameters);
    command.arg(format!("--section={section}")).args([
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--no-publications",
        "--no-subscriptions",
        "--no-security-labels",
        "--no-tablespaces",
        "--no-comments",
    ]);
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await?;
    let output = output.with_context(|| t!("pg.cannot_run", program = "pg_dump"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = parameters.password().scrub(said.lines().next().unwrap_or_default());
        return Err(Failure::failed(t!("pg.program_failed", program = "pg_dump", said = said)).into());
    }
    let sql = String::from_utf8(output.stdout).context("pg_dump writes what client_encoding says: UTF-8")?;
    let sql: String = sql.lines().filter(|line| understood(line)).map(|line| format!("{line}\n")).collect();
    execute(&copy.client, &sql).await.with_context(|| t!("rehearse.no_copy"))?;
    // The dump sets search_path and more for the session.
    copy.set_up().await
}

/// Lines that a newer `pg_dump` writes for psql, or for a server as new as itself.
fn understood(line: &str) -> bool {
    !line.starts_with("\\restrict")
        && !line.starts_with("\\unrestrict")
        && !line.starts_with("SET transaction_timeout")
}

/// Makes the roles that the target's policies name, without any right, where the private server does not have them.
pub(super) async fn make_roles(source: &Session, copy: &Session) -> Result<()> {
    let named =
        "select distinct rolname::text from pg_policy, unnest(polroles) role join pg_roles r on r.oid = role";
    let named = source.client.query(named, &[]).await.map_err(|error| source.error(&error))?;
    for row in named {
        let name: String = row.get(0);
        let sql = format!(
            "do $do$ begin if not exists (select from pg_roles where rolname = {}) then create role {} nologin; end if; end $do$",
            literal(&name),
            quoted(&name)
        );
        execute(&copy.client, &sql).await?;
    }
    Ok(())
}
