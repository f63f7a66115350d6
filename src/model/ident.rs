//! Names, parsed once and quoted in one place.

use std::fmt;
use std::str::FromStr;

use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// An SQL identifier in double quotes, for DuckDB and PostgreSQL alike.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL string literal, for DuckDB and PostgreSQL (with `standard_conforming_strings`, its default) alike.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A clinic's name: the folder under `clinics/` and `staging/`. Lower-case letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClinicName(String);

impl ClinicName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClinicName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts && text.len() <= 63 && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::usage(t!("error.clinic_name", name = text)))
        }
    }
}

impl TryFrom<String> for ClinicName {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self, Failure> {
        text.parse()
    }
}

impl From<ClinicName> for String {
    fn from(name: ClinicName) -> Self {
        name.0
    }
}

impl fmt::Display for ClinicName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A table of the target: `patient` in the default schema, or `lml_users.main` in another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TableName {
    schema: Option<String>,
    name: String,
}

impl TableName {
    pub fn new(schema: Option<&str>, name: &str) -> Self {
        Self { schema: schema.filter(|schema| *schema != "public").map(str::to_owned), name: name.to_owned() }
    }

    /// The schema in PostgreSQL; `public` where none was named.
    pub fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Schema and name, quoted, for PostgreSQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(self.schema()), quoted(&self.name))
    }

    /// The quoted name inside a schema of the staging file: `target."lml_users.main"`.
    pub fn staged(&self, staging_schema: &str) -> String {
        format!("{staging_schema}.{}", quoted(&self.to_string()))
    }
}

impl From<String> for TableName {
    fn from(text: String) -> Self {
        match text.split_once('.') {
            Some((schema, name)) => Self::new(Some(schema), name),
            None => Self::new(None, &text),
        }
    }
}

impl From<&str> for TableName {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_one_identifier() {
        let hostile = "users\"; drop table x; --";
        assert_eq!(quoted(hostile), "\"users\"\"; drop table x; --\"");
        let connection = duckdb::Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("create table {} (a integer)", quoted(hostile))).unwrap();
        let count: i64 = connection
            .query_row(
                &format!("select count(*) from duckdb_tables() where table_name = {}", literal(hostile)),
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn a_clinic_name_cannot_leave_its_folder() {
        for bad in ["", "../x", "a/b", "A", "-x", "a b", ".x"] {
            assert!(bad.parse::<ClinicName>().is_err(), "{bad}");
        }
        assert!("senses-2".parse::<ClinicName>().is_ok());
    }

    #[test]
    fn a_table_outside_the_default_schema_is_one_name_in_staging() {
        let table = TableName::from("lml_users.main");
        assert_eq!(table.quoted(), "\"lml_users\".\"main\"");
        assert_eq!(table.staged("target"), "target.\"lml_users.main\"");
        assert_eq!(TableName::from("public.patient"), TableName::from("patient"));
    }
}
