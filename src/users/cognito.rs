//! Accounts in a Cognito user pool.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::future::Future;

use rust_i18n::t;
use tokio::runtime::Handle;

use super::plan::Step;
use super::service::{Asked, Denied, Patience, Service, Wanted};
use crate::aws::{Denial, Naming, Page, Pool, PoolFacts};
use crate::config::{Users, near};
use crate::error::Failure;
use crate::http::Trouble;
use crate::model::account::Account;

/// A user pool, asked one request after the other.
pub struct Cognito<'a> {
    pool: Pool,
    runtime: Handle,
    patience: Patience<'a>,
    facts: OnceCell<PoolFacts>,
}

impl<'a> Cognito<'a> {
    pub fn new(pool: Pool, runtime: Handle, patience: Patience<'a>) -> Self {
        Self { pool, runtime, patience, facts: OnceCell::new() }
    }

    fn ask<T, F: Future<Output = Result<T, Denial>>>(&self, request: impl Fn() -> F) -> Result<T, Denied> {
        self.patience.ask(self.pool.host(), || asked(self.runtime.block_on(request())))
    }

    /// All pages of a list.
    fn all<T, F: Future<Output = Result<Page<T>, Denial>>>(
        &self,
        page: impl Fn(Option<String>) -> F,
        mut take: impl FnMut(T),
    ) -> Result<(), Failure> {
        let mut from = None;
        loop {
            let (found, next) = self.ask(|| page(from.clone())).map_err(|denied| self.failure(denied))?;
            found.into_iter().for_each(&mut take);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn failure(&self, denied: Denied) -> Failure {
        denied.failure(self.pool.host())
    }

    fn facts(&self) -> Result<&PoolFacts, Failure> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts);
        }
        let facts = self.ask(|| self.pool.facts()).map_err(|denied| self.failure(denied))?;
        Ok(self.facts.get_or_init(|| facts))
    }

    /// The account with an id, as it is called.
    fn username(&self, id: &str) -> Result<Option<String>, Denied> {
        let (found, _) = self.ask(|| self.pool.accounts(Some(id), None))?;
        Ok(found.into_iter().find(|account| account.id == id).map(|account| account.username))
    }

    /// Does something to the account with an id; false where it is gone.
    fn with<F: Future<Output = Result<(), Denial>>>(
        &self,
        id: &str,
        work: impl Fn(String) -> F,
    ) -> Result<bool, Failure> {
        let named = self.username(id).map_err(|denied| self.failure(denied))?;
        let Some(username) = named else { return Ok(false) };
        match self.ask(|| work(username.clone())) {
            Ok(()) => Ok(true),
            Err(Denied::Gone) => Ok(false),
            Err(denied) => Err(self.failure(denied)),
        }
    }
}

fn asked<T>(answer: Result<T, Denial>) -> Asked<T> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Denial::Exists) => Ok(Err(Denied::Exists)),
        Err(Denial::Gone) => Ok(Err(Denied::Gone)),
        Err(Denial::Person(code)) => Ok(Err(Denied::Person(code))),
        Err(Denial::Failure(failure)) => Err(match failure.passing.clone() {
            Some(cause) => Trouble::Passing(cause, None),
            None => Trouble::Lasting(failure),
        }),
    }
}

impl Service for Cognito<'_> {
    fn name(&self) -> String {
        format!("cognito:{}", self.pool.id())
    }

    fn ready(&self, users: &Users) -> Result<(), Failure> {
        let (facts, pool) = (self.facts()?, self.pool.id());
        if facts.naming == Naming::Phone {
            return Err(Failure::usage(t!("users.by_phone", pool = pool)));
        }
        if let Some(name) = users.attributes.keys().find(|name| !facts.attributes.contains(*name)) {
            let near = near(name, &facts.attributes);
            return Err(Failure::usage(t!("users.no_attribute", pool = pool, name = name, near = near)));
        }
        let mut groups = BTreeSet::new();
        if !users.groups.is_empty() {
            self.all(
                |from| self.pool.groups(from),
                |name| {
                    groups.insert(name);
                },
            )?;
        }
        match users.groups.values().find(|group| !groups.contains(*group)) {
            Some(group) => {
                let near = near(group, &groups);
                Err(Failure::usage(t!("users.no_such_group", pool = pool, group = group, near = near))
                    .hint(format!("aws cognito-idp create-group --user-pool-id {pool} --group-name {group}")))
            }
            None => Ok(()),
        }
    }

    fn accounts(&self, wanted: &Wanted, users: &Users) -> Result<Vec<Account>, Failure> {
        let mut accounts = Vec::new();
        self.all(
            |from| self.pool.accounts(None, from),
            |account| {
                if wanted.is(&account) {
                    accounts.push(account);
                }
            },
        )?;
        for group in users.groups.values().collect::<BTreeSet<_>>() {
            let mut members = BTreeSet::new();
            self.all(
                |from| self.pool.members(group, from),
                |name| {
                    members.insert(name);
                },
            )?;
            for account in accounts.iter_mut().filter(|account| members.contains(&account.username)) {
                account.groups.insert(group.clone());
            }
        }
        Ok(accounts)
    }

    fn create(&self, step: &Step, invite: bool) -> Result<Account, Denied> {
        let naming = self.facts().map_err(Denied::Failure)?.naming;
        // Where an address is another name of an account, it cannot be its first one.
        let username = if naming == Naming::Other { &step.key } else { &step.email };
        let address = [("email", step.email.as_str()), ("email_verified", "true")];
        let values = step.values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let attributes: Vec<(&str, &str)> = address.into_iter().chain(values).collect();
        self.ask(|| self.pool.create(username, &attributes, invite))
    }

    fn change(&self, account: &Account, step: &Step) -> Result<(), Denied> {
        let moved = [("email", step.email.as_str()), ("email_verified", "true")];
        let moved = moved.into_iter().filter(|_| step.moves);
        let values = step.values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let attributes: Vec<(&str, &str)> = moved.chain(values).collect();
        let username = account.username.as_str();
        if !attributes.is_empty() {
            self.ask(|| self.pool.update(username, &attributes))?;
        }
        for group in &step.join {
            self.ask(|| self.pool.join(username, group))?;
        }
        for group in &step.leave {
            self.ask(|| self.pool.leave(username, group))?;
        }
        if step.forgets {
            self.ask(|| self.pool.forget_password(username))?;
        }
        Ok(())
    }

    fn disable(&self, id: &str) -> Result<bool, Failure> {
        self.with(id, async |username| self.pool.disable(&username).await)
    }

    fn enable(&self, id: &str) -> Result<bool, Failure> {
        self.with(id, async |username| self.pool.enable(&username).await)
    }

    fn remove(&self, id: &str) -> Result<bool, Failure> {
        self.with(id, async |username| self.pool.delete(&username).await)
    }
}
