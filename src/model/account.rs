//! An account that somebody logs in with, as the services that keep accounts have it.

use std::collections::{BTreeMap, BTreeSet};

/// It has no `Debug`: what it holds is personal.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// What the service knows it by for ever: Cognito's `sub`, Supabase's `id`.
    pub id: String,
    /// What Cognito's administrators call it; elsewhere its id.
    pub username: String,
    pub email: Option<String>,
    /// The service knows that the address is theirs.
    pub verified: bool,
    pub enabled: bool,
    /// Nobody has chosen a password for it.
    pub pending: bool,
    /// Seconds since 1970.
    pub made_at: Option<i64>,
    pub attributes: BTreeMap<String, String>,
    /// Of the groups that were asked about.
    pub groups: BTreeSet<String>,
}
