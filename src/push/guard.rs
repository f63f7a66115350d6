//! What must hold before anything is written: the tables that were checked, a role that may write them, their locks.

use anyhow::Result;
use rust_i18n::t;
use tokio_postgres::error::SqlState;

use super::compare::Context;
use super::numbers;
use super::plan::Plan;
use crate::error::{self, Failure};
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, literal};
use crate::model::keys::Keys;
use crate::pg::privileges::{Finding, Problem, SequenceUse};
use crate::pg::{self, schema_file};

/// Refuses tables other than those that the snapshot's rows were checked against.
pub(super) fn catalog_as_checked(context: &Context<'_>, catalog: &Catalog) -> Result<()> {
    let names = names(context);
    if let Some(table) = names.iter().find(|name| catalog.table(name).is_none()) {
        let mut failure = Failure::failed(t!("push.no_table", table = table));
        failure.hints.extend(schema_file::advice(context.project, &context.clinic.system, catalog, table));
        return Err(failure.hint(t!("push.no_table_hint", clinic = context.clinic.name)).into());
    }
    if pg::catalog::hash(catalog, &names) != context.manifest().catalog_hash {
        return Err(Failure::failed(t!("push.catalog_moved"))
            .hint(t!("push.catalog_moved_hint", clinic = context.clinic.name))
            .into());
    }
    Ok(())
}

/// Refuses a role that may not do what every push does, or not what this one does with sequences; all that it lacks is
/// said at once.
pub(super) async fn privileges(context: &Context<'_>, plan: &Plan) -> Result<()> {
    let mut found = pg::privileges::privileges(context.client, &names(context)).await?;
    for (entry, _) in context.manifest().tables.iter().zip(&plan.tables).filter(|(_, plan)| plan.inserts > 0)
    {
        let table = &context.catalog.tables[&entry.table];
        let moved =
            numbers::moved(table, entry).into_iter().map(|(_, sequence)| (sequence, SequenceUse::Move));
        let drawn = table.sequence_key().filter(|_| entry.keys == Keys::New);
        for (sequence, wanted) in moved.chain(drawn.map(|(_, sequence)| (sequence, SequenceUse::Draw))) {
            found.extend(pg::privileges::sequence(context.client, &entry.table, sequence, wanted).await?);
        }
    }
    let blocking = found.iter().filter(|finding| finding.blocks()).cloned();
    let blocking: Vec<_> = blocking.chain(golden_privileges(context, plan).await?).collect();
    if blocking.is_empty() {
        return Ok(());
    }
    let row = context.client.query_one("select current_user::text", &[]).await;
    let user: String = row.map_err(|error| error::postgres(&error))?.get(0);
    let hidden = blocking.iter().any(|finding| finding.problem == Problem::HiddenRows);
    let failure = Failure::failed(t!("push.privileges", user = user));
    let failure = blocking.iter().fold(failure, |failure, finding| failure.hint(finding.sentence(&user)));
    Err(if hidden { failure.hint(t!("error.row_security_hint")) } else { failure }.into())
}

/// What the role lacks to change rows whose golden ids changed, also in tables that the snapshot does not hold.
async fn golden_privileges(context: &Context<'_>, plan: &Plan) -> Result<Vec<Finding>> {
    let tables: Vec<TableName> = plan.golden.iter().map(|golden| golden.table.clone()).collect();
    let found = pg::privileges::privileges(context.client, &tables).await?;
    let needed = |finding: &Finding| {
        let golden = plan.golden.iter().find(|golden| finding.table.as_ref() == Some(&golden.table))?;
        let Problem::Missing(lacking) = &finding.problem else { return None };
        let needed = [("SELECT", true), ("UPDATE", true), ("DELETE", golden.retired > 0)];
        let needed = needed.iter().filter(|(name, needed)| *needed && lacking.iter().any(|one| one == name));
        let lacking: Vec<String> = needed.map(|(name, _)| (*name).to_owned()).collect();
        let problem = Problem::Missing(lacking.clone());
        (!lacking.is_empty()).then(|| Finding { problem, ..finding.clone() })
    };
    Ok(found.iter().filter_map(needed).collect())
}

/// Locks the tables as the plan says, parents first, then looks once more whether they are those that were checked:
/// from here on nobody can change them.
pub(super) async fn lock(context: &Context<'_>, plan: &Plan, timeout: &str) -> Result<()> {
    let planned = plan.tables.iter().map(|table| (&table.table, table.lock));
    let others = plan.golden.iter().filter(|golden| planned.clone().all(|(table, _)| *table != golden.table));
    let others = others.map(|golden| (&golden.table, "ROW EXCLUSIVE"));
    for (table, lock) in planned.clone().chain(others) {
        let sql = format!("lock table {} in {} mode", table.quoted(), lock.to_lowercase());
        match context.client.batch_execute(&sql).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                return Err(locked(context, table, timeout).await.into());
            }
            Err(error) => return Err(error::postgres(&error)),
        }
    }
    let now = pg::catalog::read(context.client, Some(&names(context))).await?;
    catalog_as_checked(context, &now)
}

/// The failure of a lock that was not given in time, with the processes that hold one.
async fn locked(context: &Context<'_>, table: &TableName, timeout: &str) -> Failure {
    let sql = format!(
        "rollback; select string_agg(distinct pid::text, ', ') from pg_locks \
         where relation = to_regclass({}) and granted and pid <> pg_backend_pid()",
        literal(&table.quoted())
    );
    let answer = context.client.simple_query(&sql).await.unwrap_or_default();
    let holders = answer.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let holders = holders.unwrap_or_else(|| "?".to_owned());
    Failure::failed(t!("push.locked", table = table, processes = holders, timeout = timeout))
        .hint(t!("push.locked_hint", processes = holders))
        .may_pass(SqlState::LOCK_NOT_AVAILABLE.code())
}

fn names(context: &Context<'_>) -> Vec<TableName> {
    context.manifest().tables.iter().map(|entry| entry.table.clone()).collect()
}
