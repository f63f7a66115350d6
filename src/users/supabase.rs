//! Accounts of a Supabase project, through the administrators' side of its Auth server
//! (<https://supabase.com/docs/reference/javascript/auth-admin-api>).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use rust_i18n::t;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::plan::Step;
use super::service::{Asked, Denied, Patience, Service, Wanted};
use crate::aws::private_way;
use crate::config::Users;
use crate::error::{Cause, Failure};
use crate::http::{Endpoint, Trouble};
use crate::model::account::Account;
use crate::pg::Secret;

/// Of one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// So many accounts are asked for at once. A server may give fewer.
const PAGE: usize = 200;

/// No page of accounts is larger.
const LARGEST: u64 = 64 << 20;

/// A hundred years, as Go writes durations.
const FOR_EVER: &str = "876000h";

/// Where the groups of roles stand in `app_metadata`.
const GROUPS: &str = "groups";

/// A project's Auth server.
pub struct Supabase<'a> {
    endpoint: Endpoint,
    patience: Patience<'a>,
}

#[derive(Deserialize)]
struct Listed {
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_confirmed_at: Option<String>,
    #[serde(default)]
    banned_until: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    app_metadata: Option<Map<String, Value>>,
    #[serde(default)]
    user_metadata: Option<Map<String, Value>>,
}

/// What the server says of an error.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    error_code: Option<String>,
}

impl<'a> Supabase<'a> {
    /// The Auth server of the project at this address, asked with the key of its service role.
    ///
    /// # Errors
    /// An address without TLS that is not on this machine, or none.
    pub fn new(url: &Secret, key: &Secret, patience: Patience<'a>) -> Result<Self> {
        let url = url.expose().trim().trim_end_matches('/');
        if !url.contains("://") {
            return Err(Failure::usage(t!("users.no_address")).hint(t!("users.no_tls_hint")).into());
        }
        let url = format!("{url}/auth/v1");
        let endpoint = Endpoint::new(&url, Some(key.expose()), TIMEOUT).key_in("apikey");
        private_way(&url).map_err(|_| {
            Failure::usage(t!("users.no_tls", host = endpoint.host())).hint(t!("users.no_tls_hint"))
        })?;
        Ok(Self { endpoint, patience })
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        question: Option<&Value>,
    ) -> Result<T, Denied> {
        self.patience.ask(self.endpoint.host(), || self.once(method, path, question))
    }

    fn once<T: DeserializeOwned>(&self, method: &str, path: &str, question: Option<&Value>) -> Asked<T> {
        let mut response = self.endpoint.ask(method, path, question)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LARGEST).read_to_vec();
        let body = body.map_err(|error| self.endpoint.unsent(&error))?;
        if (200..300).contains(&status) {
            let answer = serde_json::from_slice(&body);
            return answer.map(Ok).map_err(|_| Trouble::Lasting(self.refused("JSON")));
        }
        let said: Said = serde_json::from_slice(&body).unwrap_or_default();
        // Words of the server's own only: what is longer, or has other signs, may quote somebody.
        let plain =
            |code: &String| code.len() <= 64 && code.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
        let code = said.error_code.filter(plain).unwrap_or_else(|| format!("HTTP {status}"));
        match (status, code.as_str()) {
            (_, "email_exists" | "user_already_exists") => Ok(Err(Denied::Exists)),
            (_, "user_not_found") => Ok(Err(Denied::Gone)),
            (401 | 403, _) => Err(Trouble::Lasting(
                Failure::failed(t!("users.wrong_key", host = self.endpoint.host(), code = code))
                    .hint(t!("users.wrong_key_hint"))
                    .cause(Cause::Service),
            )),
            (404, _) if path.starts_with("/admin/users/") => Ok(Err(Denied::Gone)),
            (400 | 422, _) => Ok(Err(Denied::Person(code))),
            _ => Err(Trouble::Lasting(self.refused(&code))),
        }
    }

    fn refused(&self, code: &str) -> Failure {
        Failure::failed(t!("users.refused_all", host = self.endpoint.host(), code = code))
            .hint(t!("users.url_hint"))
            .cause(Cause::Service)
    }

    /// Does something to the account with an id; false where it is gone.
    fn with(&self, method: &str, id: &str, question: Option<&Value>) -> Result<bool, Failure> {
        match self.ask::<Value>(method, &path(id), question) {
            Ok(_) => Ok(true),
            Err(Denied::Gone) => Ok(false),
            Err(denied) => Err(denied.failure(self.endpoint.host())),
        }
    }

    fn page(&self, number: usize, size: usize) -> Result<Vec<User>, Failure> {
        let path = format!("/admin/users?page={number}&per_page={size}");
        let listed = self.ask::<Listed>("GET", &path, None);
        listed.map(|listed| listed.users).map_err(|denied| denied.failure(self.endpoint.host()))
    }
}

impl Service for Supabase<'_> {
    fn name(&self) -> String {
        format!("supabase:{}", self.endpoint.host())
    }

    fn ready(&self, _users: &Users) -> Result<(), Failure> {
        self.page(1, 1).map(drop)
    }

    fn accounts(&self, wanted: &Wanted, _users: &Users) -> Result<Vec<Account>, Failure> {
        let mut found = BTreeMap::new();
        for number in 1.. {
            let page = self.page(number, PAGE)?;
            if page.is_empty() {
                break;
            }
            // Accounts that are made meanwhile move others to the next page.
            let accounts = page.into_iter().map(account).filter(|account| wanted.is(account));
            found.extend(accounts.map(|account| (account.id.clone(), account)));
        }
        Ok(found.into_values().collect())
    }

    fn create(&self, step: &Step, invite: bool) -> Result<Account, Denied> {
        let made: User = match invite {
            true => {
                self.ask("POST", "/invite", Some(&json!({ "email": step.email, "data": step.values })))?
            }
            false => {
                let new = json!({ "email": step.email, "email_confirm": true, "user_metadata": step.values });
                self.ask("POST", "/admin/users", Some(&new))?
            }
        };
        Ok(account(made))
    }

    fn change(&self, account: &Account, step: &Step) -> Result<(), Denied> {
        let mut change = Map::new();
        if !step.values.is_empty() {
            change.insert("user_metadata".to_owned(), json!(step.values));
        }
        if !step.join.is_empty() || !step.leave.is_empty() {
            let kept = account.groups.iter().filter(|group| !step.leave.contains(group));
            let groups: BTreeSet<&String> = kept.chain(&step.join).collect();
            change.insert("app_metadata".to_owned(), json!({ GROUPS: groups }));
        }
        if step.moves {
            change.insert("email".to_owned(), json!(step.email));
            change.insert("email_confirm".to_owned(), json!(true));
        }
        match change.is_empty() {
            true => Ok(()),
            false => self.ask::<Value>("PUT", &path(&account.id), Some(&Value::Object(change))).map(drop),
        }
    }

    fn disable(&self, id: &str) -> Result<bool, Failure> {
        self.with("PUT", id, Some(&json!({ "ban_duration": FOR_EVER })))
    }

    fn enable(&self, id: &str) -> Result<bool, Failure> {
        self.with("PUT", id, Some(&json!({ "ban_duration": "none" })))
    }

    fn remove(&self, id: &str) -> Result<bool, Failure> {
        self.with("DELETE", id, None)
    }
}

/// Of an account; an id is the server's own, and nothing else gets into an address.
fn path(id: &str) -> String {
    let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("/admin/users/{id}")
}

fn account(user: User) -> Account {
    let at = |text: Option<String>| DateTime::parse_from_rfc3339(&text?).ok().map(|time| time.to_utc());
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let groups = user.app_metadata.as_ref().and_then(|about| about.get(GROUPS)?.as_array());
    let groups = groups.into_iter().flatten().filter_map(|group| group.as_str().map(str::to_owned)).collect();
    Account {
        username: user.id.clone(),
        id: user.id,
        email: user.email.filter(|email| !email.is_empty()),
        verified: user.email_confirmed_at.is_some(),
        enabled: at(user.banned_until).is_none_or(|until| until <= Utc::now()),
        // It makes a random password by itself.
        pending: false,
        made_at: at(user.created_at).map(|time| time.timestamp()),
        attributes: user.user_metadata.unwrap_or_default().into_iter().map(|(k, v)| (k, text(v))).collect(),
        groups,
    }
}
