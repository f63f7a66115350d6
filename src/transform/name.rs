//! Names of tables in the staging file.

use std::fmt;

use crate::model::ident::quoted;

/// A table of the staging file: `clean.patient`, `target."lml_users.main"`. Always lower case, as DuckDB compares.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) schema: String,
    pub(super) table: String,
}

impl Name {
    pub(super) fn new(schema: &str, table: &str) -> Self {
        Self { schema: schema.to_lowercase(), table: table.to_lowercase() }
    }

    /// Reads `clean.patient`, `target.lml_users.main` or `target."lml_users.main"`, and whatever [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (schema, table) = text.split_once('.')?;
        match table.strip_prefix('"').and_then(|table| table.strip_suffix('"')) {
            Some(quoted) => Some(Self::new(schema, &quoted.replace("\"\"", "\""))),
            None => Some(Self::new(schema, table)),
        }
    }

    /// For SQL.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.table.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain {
            write!(formatter, "{}.{}", self.schema, self.table)
        } else {
            write!(formatter, "{}.{}", self.schema, quoted(&self.table))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_with_and_without_quotes() {
        for text in ["target.lml_users.main", "target.\"lml_users.main\"", "TARGET.LML_users.main"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), "target.\"lml_users.main\"");
        }
        assert_eq!(Name::parse("clean.patient").unwrap().to_string(), "clean.patient");
        assert_eq!(Name::parse("patient"), None);
        let hostile = Name::new("map", "k'i\"nd; --");
        assert_eq!(Name::parse(&hostile.to_string()), Some(hostile));
    }
}
