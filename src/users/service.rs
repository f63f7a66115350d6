//! What every keeper of accounts can do.

use std::collections::BTreeSet;

use rust_i18n::t;

use super::plan::Step;
use crate::config::Users;
use crate::error::{Cause, Failure};
use crate::http::{self, Trouble};
use crate::model::account::Account;
use crate::model::run::{Observer, Stage};

/// Why a service did not do what it was asked.
#[derive(Debug)]
pub enum Denied {
    /// There is such an account.
    Exists,
    /// There is none such.
    Gone,
    /// It does not take this person; the code is its own, without a value in it.
    Person(String),
    Failure(Failure),
}

/// Accounts that may be somebody's.
pub struct Wanted {
    /// Addresses in lower case.
    pub emails: BTreeSet<String>,
    pub ids: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn is(&self, account: &Account) -> bool {
        let named = |text: &str| self.emails.contains(&super::plan::address(text));
        self.ids.contains(&account.id)
            || account.email.as_deref().is_some_and(named)
            || named(&account.username)
    }
}

/// A keeper of accounts: Cognito, or Supabase.
pub trait Service {
    /// What the ledger calls it: `cognito:<pool>`, `supabase:<host>`.
    fn name(&self) -> String;

    /// Looks whether it is there and has what clinic.toml names, before anything is written.
    ///
    /// # Errors
    /// It is not, or has not.
    fn ready(&self, users: &Users) -> Result<(), Failure>;

    /// Those of its accounts that are wanted, with which of the groups they are in.
    ///
    /// # Errors
    /// It does not list them.
    fn accounts(&self, wanted: &Wanted, users: &Users) -> Result<Vec<Account>, Failure>;

    /// Makes an account; groups and password come with [`Self::change`].
    ///
    /// # Errors
    /// It does not.
    fn create(&self, step: &Step, invite: bool) -> Result<Account, Denied>;

    /// Gives an account what the step says.
    ///
    /// # Errors
    /// It does not.
    fn change(&self, account: &Account, step: &Step) -> Result<(), Denied>;

    /// Keeps anybody from logging in with it; false where it is gone.
    ///
    /// # Errors
    /// It does not.
    fn disable(&self, id: &str) -> Result<bool, Failure>;

    /// Lets them log in again with an account that was disabled; false where it is gone.
    ///
    /// # Errors
    /// It does not.
    fn enable(&self, id: &str) -> Result<bool, Failure>;

    /// Removes an account; false where it is gone.
    ///
    /// # Errors
    /// It does not.
    fn remove(&self, id: &str) -> Result<bool, Failure>;
}

/// Asks again after what can pass.
pub struct Patience<'a> {
    /// How often.
    pub most: u32,
    pub observer: &'a dyn Observer,
}

/// What one request came to: an answer, a refusal, or something that may pass.
pub(super) type Asked<T> = Result<Result<T, Denied>, Trouble>;

impl Patience<'_> {
    pub(super) fn ask<T>(&self, host: &str, request: impl FnMut() -> Asked<T>) -> Result<T, Denied> {
        let words = |cause: &str| {
            let failure = Failure::failed(t!("users.no_answer", host = host, cause = cause));
            let again = t!("users.again", host = host, cause = cause).into_owned();
            (failure.hint(t!("users.again_hint")), again)
        };
        let answer = http::patiently(self.most, (Stage::Users, self.observer), words, request);
        answer.map_err(|failure| Denied::Failure(failure.cause(Cause::Service)))?
    }
}

impl Denied {
    /// As a failure, where nobody in particular is asked about.
    pub(super) fn failure(self, host: &str) -> Failure {
        let code = match self {
            Denied::Failure(failure) => return failure,
            Denied::Exists => "exists".to_owned(),
            Denied::Gone => "404".to_owned(),
            Denied::Person(code) => code,
        };
        Failure::failed(t!("users.refused_all", host = host, code = code)).cause(Cause::Service)
    }
}
