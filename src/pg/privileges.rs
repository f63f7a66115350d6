//! What the connected role may do, before anything is tried.

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::error;
use crate::model::ident::TableName;

/// Something the role may not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// None for what concerns the whole database.
    pub table: Option<TableName>,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The table does not exist, or its schema is closed to the role.
    NoTable,
    NoSchemaUsage,
    /// Of SELECT, INSERT, UPDATE, DELETE, TRUNCATE.
    Missing(Vec<String>),
    /// Its constraints cannot be dropped and rebuilt, so a push keeps them.
    NotOwner,
    /// Row-level security would hide rows, and `row_security = off` makes that an error.
    HiddenRows,
    /// The ledger's schema `trasvase` is not there and cannot be made.
    NoLedger,
    /// A sequence that a push moves or draws from, and the role may not.
    Sequence(String, SequenceUse),
}

/// What a push does with a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SequenceUse {
    /// `nextval`
    Draw,
    /// `alter sequence ... restart`, which only its owner may.
    Move,
}

impl Finding {
    /// Whether a push cannot work at all because of it. The others limit how it works: without UPDATE, DELETE or
    /// TRUNCATE only modes that insert, without ownership with constraints kept.
    pub fn blocks(&self) -> bool {
        match &self.problem {
            Problem::NotOwner => false,
            Problem::Missing(privileges) => privileges.iter().any(|one| one == "SELECT" || one == "INSERT"),
            Problem::NoTable | Problem::NoSchemaUsage | Problem::HiddenRows => true,
            Problem::NoLedger | Problem::Sequence(..) => true,
        }
    }

    /// The finding as a sentence, with what to do about it.
    pub fn sentence(&self, user: &str) -> String {
        let table = self.table.as_ref().map(TableName::quoted).unwrap_or_default();
        let schema = self.table.as_ref().map(|table| table.schema().to_owned()).unwrap_or_default();
        let text = match &self.problem {
            Problem::NoTable => t!("pg.no_table", table = table),
            Problem::NoSchemaUsage => t!("pg.no_schema_usage", schema = schema, user = user),
            Problem::Missing(list) => {
                t!("pg.no_privilege", table = table, list = list.join(", "), user = user)
            }
            Problem::NotOwner => t!("pg.not_owner", table = table, user = user),
            Problem::HiddenRows => t!("pg.hidden_rows", table = table, user = user),
            Problem::NoLedger => t!("pg.no_ledger", user = user),
            Problem::Sequence(sequence, SequenceUse::Draw) => {
                t!("pg.sequence_draw", table = table, sequence = sequence, user = user)
            }
            Problem::Sequence(sequence, SequenceUse::Move) => {
                t!("pg.sequence_move", table = table, sequence = sequence, user = user)
            }
        };
        text.into_owned()
    }
}

const TABLES: &str = "\
select w.nspname, w.relname, c.oid is not null, coalesce(has_schema_privilege(n.oid, 'usage'), false),
    coalesce(pg_has_role(c.relowner, 'usage'), false), coalesce(row_security_active(c.oid), false),
    array(select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
          where c.oid is not null and not has_table_privilege(c.oid, p))
from unnest($1::text[], $2::text[]) with ordinality w (nspname, relname, position)
left join pg_namespace n on n.nspname = w.nspname
left join pg_class c on c.relnamespace = n.oid and c.relname = w.relname and c.relkind in ('r', 'p')
order by w.position";

const LEDGER: &str = "\
select coalesce(
    (select has_schema_privilege(oid, 'usage') and has_schema_privilege(oid, 'create')
     from pg_namespace where nspname = 'trasvase'),
    has_database_privilege(current_database(), 'create'))";

/// What keeps this role from reading and writing `tables`, and from keeping the ledger. Empty is good.
pub async fn privileges(client: &Client, tables: &[TableName]) -> Result<Vec<Finding>> {
    let schemas: Vec<&str> = tables.iter().map(TableName::schema).collect();
    let names: Vec<&str> = tables.iter().map(TableName::name).collect();
    let rows = client.query(TABLES, &[&schemas, &names]).await.map_err(|error| error::postgres(&error))?;
    let ledger = client.query_one(LEDGER, &[]).await.map_err(|error| error::postgres(&error))?;
    let mut findings = Vec::new();
    if !ledger.get::<_, bool>(0) {
        findings.push(Finding { table: None, problem: Problem::NoLedger });
    }
    for row in &rows {
        let table = TableName::new(Some(row.get(0)), row.get(1));
        findings
            .extend(problems(row).into_iter().map(|problem| Finding { table: Some(table.clone()), problem }));
    }
    Ok(findings)
}

/// What keeps this role from using the sequence (schema-qualified and quoted) of a table, if anything.
pub async fn sequence(
    client: &Client,
    table: &TableName,
    sequence: &str,
    wanted: SequenceUse,
) -> Result<Option<Finding>> {
    let sql = "select pg_has_role(relowner, 'usage'), has_sequence_privilege(oid, 'usage') \
               from pg_class where oid = to_regclass($1)";
    let row = client.query_opt(sql, &[&sequence]).await.map_err(|error| error::postgres(&error))?;
    let may = row.is_some_and(|row| row.get(if wanted == SequenceUse::Move { 0 } else { 1 }));
    let problem = || Problem::Sequence(sequence.to_owned(), wanted);
    Ok((!may).then(|| Finding { table: Some(table.clone()), problem: problem() }))
}

fn problems(row: &Row) -> Vec<Problem> {
    if !row.get::<_, bool>(2) {
        return vec![Problem::NoTable];
    }
    let missing: Vec<String> = row.get(6);
    let mut problems = Vec::new();
    let mut when = |found: bool, problem: Problem| {
        if found {
            problems.push(problem);
        }
    };
    when(!row.get::<_, bool>(3), Problem::NoSchemaUsage);
    when(!missing.is_empty(), Problem::Missing(missing));
    when(row.get(5), Problem::HiddenRows);
    when(!row.get::<_, bool>(4), Problem::NotOwner);
    problems
}
