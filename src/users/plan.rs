//! What is to be done, from what the staging file, the target, the ledger and the service say; without asking anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::finding::{Finding, Rule};
use super::people::Person;
use crate::config::{Password, Users};
use crate::model::account::Account;

/// An account that was made this long before or after it was asked for is the one that was asked for.
const WINDOW: i64 = 15 * 60;

/// What everybody says.
pub(super) struct Facts<'a> {
    pub(super) people: &'a [Person],
    /// The target's rows: key to the id of an account.
    pub(super) rows: &'a BTreeMap<String, Option<String>>,
    /// The ledger, by key.
    pub(super) noted: &'a BTreeMap<String, Noted>,
    /// Those of the service that may be theirs.
    pub(super) accounts: &'a [Account],
    /// Sources of the list in which records may be that nobody could read.
    pub(super) not_whole: &'a [String],
}

/// What the ledger knows of a row's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// None where a run ended between asking for it and its answer.
    pub(super) account: Option<String>,
    /// We made it.
    pub(super) made: bool,
    /// We disabled it.
    pub(super) disabled: bool,
    /// Seconds since 1970.
    pub(super) begun_at: i64,
}

/// What is to be done, and who is left out. Nobody's address is in it.
#[derive(Clone, Default, Serialize)]
pub struct Plan {
    pub service: String,
    /// The target's table and its column.
    pub table: String,
    pub column: String,
    /// Rows of people.
    pub people: u64,
    /// Of these, who work there no more: they get no account.
    pub inactive: u64,
    pub steps: Vec<Step>,
    pub findings: Vec<Finding>,
    /// Accounts that we made and that somebody can log in with who works there no more.
    #[serde(skip)]
    pub left: BTreeSet<String>,
    /// Accounts that we disabled, of people who work there.
    #[serde(skip)]
    pub back: BTreeSet<String>,
}

/// One person's account.
#[derive(Clone, Serialize)]
pub struct Step {
    /// What the old system calls them.
    pub record: String,
    pub action: Action,
    /// Groups to be put into, and to be taken out of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<String>,
    /// Names of attributes that get another value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    #[serde(skip)]
    pub(super) key: String,
    /// As it is written everywhere; empty where there is none any more.
    #[serde(skip)]
    pub(super) email: String,
    #[serde(skip)]
    pub(super) values: BTreeMap<String, String>,
    /// The address of an account of ours changes too.
    #[serde(skip)]
    pub(super) moves: bool,
    /// It gets a password that nobody is told.
    #[serde(skip)]
    pub(super) forgets: bool,
    /// None where it is to be made.
    #[serde(skip)]
    pub(super) account: Option<Account>,
    /// We made it, or will.
    #[serde(skip)]
    pub(super) made: bool,
    /// The groups that it will be in, of those that roles have.
    #[serde(skip)]
    pub(super) groups: BTreeSet<String>,
}

/// What happens to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// There is none.
    Create,
    /// There is one, which the row is bound to.
    Link,
    /// The row is bound to it; attributes or groups change.
    Update,
    /// Everything is as it should be.
    Keep,
}

impl Plan {
    pub fn count(&self, action: Action) -> u64 {
        self.steps.iter().filter(|step| step.action == action).count() as u64
    }

    /// How many have no record any more, and do not count as having left all the same.
    pub fn unsure(&self) -> u64 {
        self.findings.iter().filter(|one| matches!(one.rule, Rule::ListUnread | Rule::ListEmpty)).count()
            as u64
    }

    pub(super) fn find(&mut self, rule: Rule, record: &str, detail: Option<&str>) {
        self.findings.push(Finding { rule, record: record.to_owned(), detail: detail.map(str::to_owned) });
    }
}

impl Noted {
    /// Whether an account is one that we made: the one noted, or the one that was asked for when a run broke off.
    pub(super) fn made(&self, account: &Account) -> bool {
        let asked = |made_at: i64| (made_at - self.begun_at).abs() <= WINDOW;
        self.made
            && match &self.account {
                Some(id) => *id == account.id,
                None => account.made_at.is_some_and(asked),
            }
    }
}

/// An address as it is written everywhere.
pub(super) fn address(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Makes the plan.
pub(super) fn plan(users: &Users, facts: &Facts<'_>) -> Plan {
    let mut plan = Plan { people: facts.people.len() as u64, ..Plan::default() };
    let people = one_each(facts.people, &mut plan);
    let shared = shared(&people);
    let mut bound = BTreeSet::new();
    for person in &people {
        match person.active {
            Some(true) => {}
            Some(false) => {
                plan.inactive += 1;
                continue;
            }
            None => {
                plan.find(Rule::ActiveUnknown, &person.record, None);
                continue;
            }
        }
        match step(users, facts, person, &shared) {
            Err(rule) => plan.find(rule, &person.record, None),
            Ok(step) if step.account.as_ref().is_some_and(|one| !bound.insert(one.id.clone())) => {
                plan.find(Rule::OtherAccount, &person.record, None);
            }
            Ok(step) => {
                if step.email.is_empty() {
                    plan.find(Rule::EmailLost, &person.record, None);
                }
                if let Some(account) = step.account.as_ref().filter(|account| !account.enabled) {
                    plan.find(Rule::DisabledAccount, &person.record, None);
                    if step.made && facts.noted.get(&step.key).is_some_and(|noted| noted.disabled) {
                        plan.back.insert(account.id.clone());
                    }
                }
                let role = person.role.as_deref();
                if !users.groups.is_empty() && role.is_none_or(|role| !users.groups.contains_key(role)) {
                    plan.find(Rule::NoGroup, &person.record, role);
                }
                plan.steps.push(step);
            }
        }
    }
    left(facts, &bound, &mut plan);
    plan.findings.sort();
    plan
}

/// Finds those who can log in although they work there no more: a record says so, or none has their row any more. Who has the
/// account under another record is still there; and of whom there is no record, nobody knows where not all could be read.
fn left(facts: &Facts<'_>, bound: &BTreeSet<String>, plan: &mut Plan) {
    let working = || facts.people.iter().filter(|person| person.active != Some(false));
    let addresses: BTreeSet<String> =
        working().filter_map(|one| Some(address(one.email.as_ref()?))).collect();
    let mut gone: BTreeMap<&str, Option<&Person>> =
        facts.noted.keys().map(|key| (key.as_str(), None)).collect();
    gone.extend(facts.people.iter().filter_map(|person| Some((person.key.as_deref()?, Some(person)))));
    for key in working().filter_map(|person| person.key.as_deref()) {
        gone.remove(key);
    }
    for (key, person) in gone {
        let noted = facts.noted.get(key);
        let Some(account) = account_of(facts, key, person) else { continue };
        let theirs = bound.contains(&account.id) || addresses.iter().any(|email| goes_by(account, email));
        if theirs || !account.enabled {
            continue;
        }
        if person.is_none() && facts.people.is_empty() {
            plan.find(Rule::ListEmpty, key, None);
            continue;
        }
        if person.is_none() && !facts.not_whole.is_empty() {
            plan.find(Rule::ListUnread, key, Some(&facts.not_whole.join(", ")));
            continue;
        }
        let ours = noted.is_some_and(|noted| noted.made(account));
        if ours {
            plan.left.insert(account.id.clone());
        }
        let rule = if ours { Rule::Left } else { Rule::LeftBefore };
        plan.find(rule, person.map_or(key, |person| &person.record), None);
    }
}

/// The account of a row: as the ledger or the row itself says, else the one that was asked for when a run broke off.
fn account_of<'a>(facts: &Facts<'a>, key: &str, person: Option<&Person>) -> Option<&'a Account> {
    let noted = facts.noted.get(key);
    let of_row = facts.rows.get(key).and_then(Option::as_ref);
    let id = noted.and_then(|noted| noted.account.as_ref()).or(of_row);
    if let Some(id) = id {
        return facts.accounts.iter().find(|account| account.id == *id);
    }
    let (noted, email) = (noted?, address(person?.email.as_ref()?));
    facts.accounts.iter().find(|account| noted.made(account) && goes_by(account, &email))
}

/// People whose rows are one row in the target are one person; those without a row stay as they are.
fn one_each(people: &[Person], plan: &mut Plan) -> Vec<Person> {
    let mut keyed: BTreeMap<&str, Vec<&Person>> = BTreeMap::new();
    let mut single = Vec::new();
    for person in people {
        match person.key.as_deref() {
            Some(key) => keyed.entry(key).or_default().push(person),
            None => single.push(person.clone()),
        }
    }
    for same in keyed.into_values() {
        let working: Vec<&Person> = same.iter().copied().filter(|one| one.active != Some(false)).collect();
        let emails: BTreeSet<String> =
            working.iter().filter_map(|one| Some(address(one.email.as_ref()?))).collect();
        if emails.len() > 1 {
            working.iter().for_each(|one| plan.find(Rule::SeveralEmails, &one.record, None));
            continue;
        }
        let sure = working.iter().find(|one| one.active.is_some() && one.email.is_some());
        let likely = sure.or(working.iter().find(|one| one.active.is_some()));
        single.extend(likely.or(working.first()).or(same.first()).map(|one| (*one).clone()));
    }
    single.sort_by(|a, b| a.record.cmp(&b.record));
    single
}

/// Addresses that several people who work there have.
fn shared(people: &[Person]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let working = people.iter().filter(|person| person.active != Some(false));
    let emails = working.filter_map(|person| Some(address(person.email.as_ref()?)));
    emails.filter(|email| !seen.insert(email.clone())).collect()
}

fn step(users: &Users, facts: &Facts<'_>, person: &Person, shared: &BTreeSet<String>) -> Result<Step, Rule> {
    let row = person.key.as_deref().and_then(|key| facts.rows.get_key_value(key));
    let (key, id) = row.ok_or(Rule::NotInTarget)?;
    let email = match person.email.as_deref().map(address) {
        Some(email) if is_address(&email) => email,
        given => {
            let rule = if given.is_none() { Rule::NoEmail } else { Rule::BadEmail };
            return as_it_is(facts, person, key, id.as_deref()).ok_or(rule);
        }
    };
    if shared.contains(&email) {
        return Err(Rule::SharedEmail);
    }
    let noted = facts.noted.get(key);
    let account = account(facts, id.as_deref(), noted, &email)?;
    let made = account.is_none_or(|account| noted.is_some_and(|noted| noted.made(account)));
    let wanted = person.role.as_deref().and_then(|role| users.groups.get(role));
    let groups: BTreeSet<String> = wanted.into_iter().cloned().collect();
    let mut step = Step {
        record: person.record.clone(),
        action: Action::Create,
        join: groups.iter().cloned().collect(),
        leave: Vec::new(),
        attributes: Vec::new(),
        key: key.clone(),
        values: person.attributes.clone(),
        moves: false,
        forgets: users.password == Password::Forgotten,
        account: account.cloned(),
        made,
        groups,
        email,
    };
    if let Some(account) = account {
        change(&mut step, account, users);
        let is_bound = id.as_deref() == Some(account.id.as_str());
        let changes = !step.values.is_empty() || step.moves || step.forgets;
        step.action = match (is_bound, changes || !step.join.is_empty() || !step.leave.is_empty()) {
            (false, _) => Action::Link,
            (true, true) => Action::Update,
            (true, false) => Action::Keep,
        };
    }
    step.attributes = step.values.keys().cloned().collect();
    Ok(step)
}

/// The account that somebody without an address has already: it stays theirs, and as it is.
fn as_it_is(facts: &Facts<'_>, person: &Person, key: &str, id: Option<&str>) -> Option<Step> {
    let noted = facts.noted.get(key);
    let id = id.or(noted.and_then(|noted| noted.account.as_deref()))?;
    let account = facts.accounts.iter().find(|account| account.id == id)?;
    let is_bound = facts.rows.get(key).and_then(Option::as_deref) == Some(id);
    Some(Step {
        record: person.record.clone(),
        action: if is_bound { Action::Keep } else { Action::Link },
        join: Vec::new(),
        leave: Vec::new(),
        attributes: Vec::new(),
        key: key.to_owned(),
        email: String::new(),
        values: BTreeMap::new(),
        moves: false,
        forgets: false,
        account: Some(account.clone()),
        made: noted.is_some_and(|noted| noted.made(account)),
        groups: BTreeSet::new(),
    })
}

/// Leaves only what is to change of an account that is there. Only from accounts of ours is anything taken away.
fn change(step: &mut Step, account: &Account, users: &Users) {
    step.values.retain(|name, value| account.attributes.get(name) != Some(value));
    step.join.retain(|group| !account.groups.contains(group));
    step.forgets &= step.made && account.pending;
    if step.made {
        let roles: BTreeSet<&String> = users.groups.values().collect();
        let left =
            account.groups.iter().filter(|group| roles.contains(group) && !step.groups.contains(*group));
        step.leave = left.cloned().collect();
        step.moves = account.email.as_deref().map(address).as_deref() != Some(step.email.as_str());
    }
}

/// The account that somebody has already.
fn account<'a>(
    facts: &Facts<'a>,
    id: Option<&str>,
    noted: Option<&Noted>,
    email: &str,
) -> Result<Option<&'a Account>, Rule> {
    let by_id = |id: &str| facts.accounts.iter().find(|account| account.id == id);
    let of_ledger = noted.and_then(|noted| noted.account.as_deref());
    let bound = id.and_then(by_id).or_else(|| of_ledger.and_then(by_id));
    let same: Vec<&Account> = facts.accounts.iter().filter(|account| goes_by(account, email)).collect();
    let ours = |account: &Account| noted.is_some_and(|noted| noted.made(account));
    match (bound, same.as_slice()) {
        (Some(bound), same) if same.iter().any(|one| one.id != bound.id) => Err(Rule::OtherAccount),
        (Some(bound), []) if !ours(bound) => Err(Rule::OtherAccount),
        (Some(bound), _) => Ok(Some(bound)),
        (None, []) => Ok(None),
        (None, [one]) if one.verified || ours(one) => Ok(Some(one)),
        (None, [_]) => Err(Rule::UnverifiedAccount),
        (None, _) => Err(Rule::SeveralAccounts),
    }
}

/// Whether an account has the address, or is called by it.
pub(super) fn goes_by(account: &Account, email: &str) -> bool {
    account.email.as_deref().map(address).as_deref() == Some(email) || address(&account.username) == email
}

/// Whether a text can be an address; the service has the last word.
fn is_address(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c);
    match text.split_once('@') {
        Some((name, host)) => {
            !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(odd)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
