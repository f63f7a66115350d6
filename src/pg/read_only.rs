//! Why nothing may be written here, and what to do about it.

use rust_i18n::t;

use crate::model::ident::quoted;

/// What makes a session read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// The server follows another.
    Standby,
    /// `default_transaction_read_only`, by where it is set.
    Database,
    Role,
    RoleInDatabase,
    Server,
    Connection,
}

impl ReadOnly {
    /// By `pg_is_in_recovery()` and by the setting's value and `pg_settings.source`.
    pub(super) fn of(standby: bool, set: bool, source: &str) -> Option<Self> {
        match source {
            _ if standby => Some(Self::Standby),
            _ if !set => None,
            "database" => Some(Self::Database),
            "user" => Some(Self::Role),
            "database user" => Some(Self::RoleInDatabase),
            "configuration file" | "command line" | "environment variable" | "global" => Some(Self::Server),
            _ => Some(Self::Connection),
        }
    }

    /// What it is, as a sentence.
    pub fn cause(self) -> String {
        let text = match self {
            Self::Standby => t!("pg.read_only_cause.standby"),
            Self::Database => t!("pg.read_only_cause.database"),
            Self::Role => t!("pg.read_only_cause.role"),
            Self::RoleInDatabase => t!("pg.read_only_cause.role_in_database"),
            Self::Server => t!("pg.read_only_cause.server"),
            Self::Connection => t!("pg.read_only_cause.connection"),
        };
        text.into_owned()
    }

    /// What to do; `origin` is where the connection string comes from.
    pub fn remedy(self, database: &str, user: &str, origin: &str) -> String {
        let (database, user) = (quoted(database), quoted(user));
        let setting = "default_transaction_read_only";
        let sql = match self {
            Self::Standby => return t!("pg.read_only_hint", origin = origin).into_owned(),
            Self::Connection => return t!("pg.read_only_options", origin = origin).into_owned(),
            Self::Database => format!("alter database {database} reset {setting}"),
            Self::Role => format!("alter role {user} reset {setting}"),
            Self::RoleInDatabase => format!("alter role {user} in database {database} reset {setting}"),
            Self::Server => format!("alter system set {setting} = off; select pg_reload_conf()"),
        };
        t!("pg.read_only_reset", sql = sql).into_owned()
    }
}
