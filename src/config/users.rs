//! `[users]`: who of a clinic gets an account to log in with, and where accounts are.

use std::collections::BTreeMap;

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::model::ident::TableName;

/// Attributes that nobody need ask for.
const OWN: [&str; 3] = ["email", "email_verified", "sub"];

/// People of a staged table, the service that has their accounts, and the column that gets an account's id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    pub provider: Provider,
    /// Cognito's user pool; where not given, the variable `COGNITO_USER_POOL_ID` names it.
    #[serde(default)]
    pub pool: Option<String>,
    /// The staged table with one row a person, as `clean.app_user`.
    #[serde(default = "Users::default_from")]
    pub from: String,
    /// The target's table whose rows get the ids; that of the same name where not given.
    #[serde(default)]
    pub table: Option<TableName>,
    /// Its column for the account's id.
    #[serde(default = "Users::default_column")]
    pub column: String,
    /// The column of `from` with the key of the target's row; else its golden id.
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default = "Users::default_email")]
    pub email: String,
    #[serde(default = "Users::default_role")]
    pub role: String,
    /// The column that says whether somebody works there still; where not given `active`, if there is one.
    #[serde(default)]
    pub active: Option<String>,
    /// Role to the group that its people are in.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// An account's attribute to the column that has it.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub password: Password,
}

/// Who keeps accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Cognito,
    Supabase,
}

/// What people log in with for the first time. Nobody here ever knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Password {
    /// The service makes one, sends it in its invitation and wants another at once.
    #[default]
    Temporary,
    /// A random one that nobody is told: people begin with "forgot my password". Nobody is invited.
    Forgotten,
}

impl Users {
    fn default_from() -> String {
        "clean.app_user".to_owned()
    }

    fn default_column() -> String {
        "sub".to_owned()
    }

    fn default_email() -> String {
        "email".to_owned()
    }

    fn default_role() -> String {
        "role".to_owned()
    }

    /// Schema and name of `from`.
    pub fn source(&self) -> (&str, &str) {
        self.from.split_once('.').unwrap_or(("clean", &self.from))
    }

    /// The target's table.
    pub fn target(&self) -> TableName {
        self.table.clone().unwrap_or_else(|| TableName::new(None, self.source().1))
    }

    /// # Errors
    /// `from` is no staged table.
    pub(super) fn validate(&self) -> Result<()> {
        let (schema, name) = self.source();
        let known = ["clean", "golden", "target", "ready"];
        if !self.from.contains('.') || !known.contains(&schema) || name.is_empty() {
            return Err(Failure::usage(t!("config.users_from", from = self.from)).into());
        }
        if self.provider == Provider::Supabase && self.pool.is_some() {
            return Err(Failure::usage(t!("config.users_pool")).into());
        }
        match self.attributes.keys().find(|name| OWN.contains(&name.as_str())) {
            Some(name) => Err(Failure::usage(t!("config.users_attribute", name = name)).into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_needs_only_a_provider_and_names_a_staged_table() {
        let parsed = |text: &str| toml::from_str::<Users>(text).unwrap();
        let users = parsed("provider = 'cognito'");
        assert!(users.validate().is_ok());
        assert_eq!((users.source(), users.target().to_string()), (("clean", "app_user"), "app_user".into()));
        for wrong in
            ["from = 'app_user'", "from = 'raw.staff'", "from = 'clean.'", "attributes = { email = 'mail' }"]
        {
            assert!(parsed(&format!("provider = 'cognito'\n{wrong}")).validate().is_err(), "{wrong}");
        }
        assert!(parsed("provider = 'supabase'\npool = 'x'").validate().is_err());
        assert!(toml::from_str::<Users>("provider = 'auth0'").is_err());
    }
}
