//! Who works at the clinic, as the staging file has them.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;

use crate::config::{Users, near};
use crate::error::Failure;
use crate::model::ident::{TableName, literal, quoted};
use crate::staging::Staging;

/// One row of `from`. It has no `Debug`: what it holds is personal.
#[derive(Clone, Default)]
pub(super) struct Person {
    /// What the old system calls them.
    pub(super) record: String,
    /// Of the target's row.
    pub(super) key: Option<String>,
    pub(super) email: Option<String>,
    pub(super) role: Option<String>,
    /// None where nobody can tell.
    pub(super) active: Option<bool>,
    /// By the account's name for it; without empty ones.
    pub(super) attributes: BTreeMap<String, String>,
}

/// Reads them all, in the order of their records; `primary` is the key of the target's table.
///
/// # Errors
/// The table or one of its columns is not there.
pub(super) fn read(staging: &Staging, users: &Users, primary: &str) -> Result<Vec<Person>> {
    let (schema, name) = users.source();
    let table = Columns::of(staging, schema, name)?;
    let is_clean = schema == "clean" && users.key.is_none();
    if is_clean {
        Columns::of(staging, "xref", name)?;
        table.text("source_id")?;
    }
    let key = match &users.key {
        Some(column) => table.text(column)?,
        None if is_clean => "x.golden_id::varchar".to_owned(),
        None if schema == "golden" => table.text("golden_id")?,
        None => table.text(primary)?,
    };
    let record = if table.has("source_id") { table.text("source_id")? } else { key.clone() };
    let role = match users.groups.is_empty() {
        true => "null".to_owned(),
        false => table.text(&users.role)?,
    };
    let active = match &users.active {
        None if !table.has("active") => "true".to_owned(),
        given => format!("try_cast({} as boolean)", table.text(given.as_deref().unwrap_or("active"))?),
    };
    let attributes =
        users.attributes.values().map(|column| table.text(column)).collect::<Result<Vec<_>>>()?;
    let selected = [vec![record, key, table.text(&users.email)?, role, active], attributes].concat();
    let from = format!("{}.{} p", quoted(schema), quoted(name));
    let join = match is_clean {
        true => format!(" left join xref.{} x on x.source_id = p.source_id", quoted(name)),
        false => String::new(),
    };
    let sql = format!("select {} from {from}{join} order by 1, 2, 3", selected.join(", "));
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    staging.rows(&sql, |row| {
        let mut attributes = BTreeMap::new();
        for (place, name) in users.attributes.keys().enumerate() {
            if let Some(value) = filled(row.get(place + 5)?) {
                attributes.insert(name.clone(), value);
            }
        }
        Ok(Person {
            record: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
            key: filled(row.get(1)?),
            email: filled(row.get(2)?),
            role: filled(row.get(3)?),
            active: row.get(4)?,
            attributes,
        })
    })
}

/// What the ledger knows the target's rows by, by their placeholder for a key and by itself.
///
/// # Errors
/// The table was not checked yet.
pub(super) fn placed(staging: &Staging, table: &TableName, key: &str) -> Result<BTreeMap<String, String>> {
    let ready = Columns::of(staging, "ready", &table.to_string())?;
    let (key, id) = (ready.text(key)?, ready.text("_source_id")?);
    let sql = format!("select {key}, {id} from {} p where {id} is not null", table.staged("ready"));
    let rows = staging.rows(&sql, |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?)))?;
    let mut placed: BTreeMap<String, String> =
        rows.iter().filter_map(|(key, id)| Some((key.clone()?, id.clone()))).collect();
    placed.extend(rows.into_iter().map(|(_, id)| (id.clone(), id)));
    Ok(placed)
}

/// The columns of a staged table.
struct Columns {
    table: String,
    names: Vec<String>,
}

impl Columns {
    fn of(staging: &Staging, schema: &str, name: &str) -> Result<Self> {
        let names = staging.rows(
            &format!(
                "select column_name from duckdb_columns() where schema_name = {} and table_name = {} order by column_index",
                literal(schema),
                literal(name)
            ),
            |row| row.get::<_, String>(0),
        )?;
        let table = format!("{schema}.{name}");
        match names.is_empty() {
            true => Err(Failure::failed(t!("users.no_table", table = table))
                .hint("trasvase transform")
                .hint(t!("users.no_table_hint"))
                .into()),
            false => Ok(Self { table, names }),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// A column as text.
    fn text(&self, name: &str) -> Result<String> {
        if self.has(name) {
            return Ok(format!("p.{}::varchar", quoted(name)));
        }
        let near = near(name, &self.names);
        Err(Failure::usage(t!("users.no_column", table = self.table, column = name, near = near)).into())
    }
}
