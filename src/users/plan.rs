//! What is to be done, from what the staging file, the target, the ledger and the service say; without asking anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

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
}

/// What the ledger knows of a row's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// None where a run ended between asking for it and its answer.
    pub(super) account: Option<String>,
    /// We made it.
    pub(super) made: bool,
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
    /// As it is written everywhere.
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

/// Somebody who has no account now, or one that needs a look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub rule: Rule,
    pub record: String,
    /// The service's code, or a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    NoEmail,
    /// It is no address.
    BadEmail,
    /// Several people have it, in whatever case.
    SharedEmail,
    /// Records that are one person have several.
    SeveralEmails,
    /// Nobody can tell whether they work there.
    ActiveUnknown,
    /// No row of theirs is in the target.
    NotInTarget,
    /// Their role has no group.
    NoGroup,
    /// The service has several accounts with the address.
    SeveralAccounts,
    /// The service does not know that the account with the address is theirs.
    UnverifiedAccount,
    /// Their row is bound to one account, and the address to another, or the account to another row.
    OtherAccount,
    /// Nobody can log in with it.
    DisabledAccount,
    /// The service refused it.
    Refused,
}

impl Rule {
    /// As meta.finding and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::NoEmail => "no_email",
            Rule::BadEmail => "bad_email",
            Rule::SharedEmail => "shared_email",
            Rule::SeveralEmails => "several_emails",
            Rule::ActiveUnknown => "active_unknown",
            Rule::NotInTarget => "not_in_target",
            Rule::NoGroup => "no_group",
            Rule::SeveralAccounts => "several_accounts",
            Rule::UnverifiedAccount => "unverified_account",
            Rule::OtherAccount => "other_account",
            Rule::DisabledAccount => "disabled_account",
            Rule::Refused => "refused",
        }
    }
}

impl Plan {
    pub fn count(&self, action: Action) -> u64 {
        self.steps.iter().filter(|step| step.action == action).count() as u64
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
                if step.account.as_ref().is_some_and(|account| !account.enabled) {
                    plan.find(Rule::DisabledAccount, &person.record, None);
                }
                let role = person.role.as_deref();
                if !users.groups.is_empty() && role.is_none_or(|role| !users.groups.contains_key(role)) {
                    plan.find(Rule::NoGroup, &person.record, role);
                }
                plan.steps.push(step);
            }
        }
    }
    plan.findings.sort();
    plan
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
    let email = address(person.email.as_deref().ok_or(Rule::NoEmail)?);
    if !is_address(&email) {
        return Err(Rule::BadEmail);
    }
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
mod tests {
    use super::*;

    fn users(section: &str) -> Users {
        toml::from_str(&format!("provider = 'cognito'\n{section}")).unwrap()
    }

    fn person(record: &str, key: &str, email: &str) -> Person {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Person {
            record: record.to_owned(),
            key: filled(key),
            email: filled(email),
            role: Some("DOCTOR".to_owned()),
            active: Some(true),
            attributes: BTreeMap::from([("name".to_owned(), "Ana".to_owned())]),
        }
    }

    fn account(id: &str, email: &str) -> Account {
        let (id, username, email) = (id.to_owned(), id.to_owned(), Some(email.to_owned()));
        Account {
            id,
            username,
            email,
            verified: true,
            enabled: true,
            made_at: Some(1000),
            ..Account::default()
        }
    }

    /// The rows that are there are a, b and c; `bound` says to which account.
    fn planned(
        people: &[Person],
        accounts: &[Account],
        bound: &[(&str, &str)],
        noted: &[(&str, Noted)],
    ) -> Plan {
        let mut rows: BTreeMap<String, Option<String>> =
            ["a", "b", "c"].map(|key| (key.to_owned(), None)).into();
        rows.extend(bound.iter().map(|(key, id)| ((*key).to_owned(), Some((*id).to_owned()))));
        let noted = noted.iter().map(|(key, one)| ((*key).to_owned(), one.clone())).collect();
        let section = "groups = { DOCTOR = 'doctors', DESK = 'desk' }\npassword = 'forgotten'";
        plan(&users(section), &Facts { people, rows: &rows, noted: &noted, accounts })
    }

    fn told(plan: &Plan) -> Vec<(Rule, &str)> {
        plan.findings.iter().map(|one| (one.rule, one.record.as_str())).collect()
    }

    fn made(account: Option<&str>) -> Noted {
        Noted { account: account.map(str::to_owned), made: true, begun_at: 1000 }
    }

    #[test]
    fn an_address_is_one_in_whatever_case_and_with_whatever_blanks() {
        let people =
            [person("1", "a", " Ana@X.es"), person("2", "b", "ana@x.ES "), person("3", "c", "eva@x.es")];
        let plan = planned(&people, &[account("e", "EVA@x.es")], &[], &[]);
        assert_eq!(told(&plan), [(Rule::SharedEmail, "1"), (Rule::SharedEmail, "2")]);
        assert_eq!((plan.steps.len(), plan.steps[0].action), (1, Action::Link));
        for wrong in ["ana", "ana@", "@x.es", "ana@x", "a b@x.es", "ana@x@y.es", "Ana <ana@x.es>"] {
            assert_eq!(
                told(&planned(&[person("1", "a", wrong)], &[], &[], &[])),
                [(Rule::BadEmail, "1")],
                "{wrong}"
            );
        }
    }

    #[test]
    fn who_works_there_no_more_shares_no_address_and_gets_nothing() {
        let gone = Person { active: Some(false), ..person("1", "a", "desk@x.es") };
        let plan = planned(&[gone.clone(), person("2", "b", "desk@x.es")], &[], &[], &[]);
        assert_eq!((plan.inactive, plan.count(Action::Create), told(&plan)), (1, 1, vec![]));
        let unknown = Person { active: None, ..gone };
        assert_eq!(told(&planned(&[unknown], &[], &[], &[])), [(Rule::ActiveUnknown, "1")]);
    }

    #[test]
    fn records_of_one_person_are_one_account_unless_they_disagree() {
        let people = [person("1", "a", ""), person("2", "a", "ana@x.es"), person("3", "a", "ANA@x.es")];
        let plan = planned(&people, &[], &[], &[]);
        assert_eq!((plan.steps.len(), plan.steps[0].record.as_str(), told(&plan)), (1, "2", vec![]));
        let people = [person("1", "a", "ana@x.es"), person("2", "a", "ruiz@x.es")];
        let both = [(Rule::SeveralEmails, "1"), (Rule::SeveralEmails, "2")];
        assert_eq!(told(&planned(&people, &[], &[], &[])), both);
        assert_eq!(
            told(&planned(&[person("1", "z", "ana@x.es")], &[], &[], &[])),
            [(Rule::NotInTarget, "1")]
        );
        assert_eq!(told(&planned(&[person("1", "", "ana@x.es")], &[], &[], &[])), [(Rule::NotInTarget, "1")]);
    }

    #[test]
    fn an_account_is_bound_only_where_it_is_surely_theirs() {
        let ana = [person("1", "a", "ana@x.es")];
        let unverified = Account { verified: false, ..account("s", "ana@x.es") };
        let rules = |accounts: &[Account], bound: &[(&str, &str)]| {
            told(&planned(&ana, accounts, bound, &[])).first().map(|(rule, _)| *rule)
        };
        assert_eq!(rules(std::slice::from_ref(&unverified), &[]), Some(Rule::UnverifiedAccount));
        assert_eq!(
            rules(&[account("s", "ana@x.es"), account("t", "Ana@x.es")], &[]),
            Some(Rule::SeveralAccounts)
        );
        assert_eq!(
            rules(&[account("s", "ana@x.es"), account("t", "eva@x.es")], &[("a", "t")]),
            Some(Rule::OtherAccount)
        );
        assert_eq!(
            rules(&[account("t", "eva@x.es")], &[("a", "t")]),
            Some(Rule::OtherAccount),
            "not ours to move"
        );
        // The row's account is gone from the service: another takes its place.
        assert_eq!(rules(&[], &[("a", "t")]), None);
        // Whoever has another's account by his own address is no second owner of it.
        let two = [person("1", "a", "ana@x.es"), person("2", "b", "eva@x.es")];
        let noted = [("a", made(Some("s")))];
        let plan = planned(&two, &[account("s", "eva@x.es")], &[("a", "s")], &noted);
        assert_eq!((told(&plan), plan.steps.len()), (vec![(Rule::OtherAccount, "2")], 1));
        // What was asked for when a run broke off is ours; what somebody made an hour later is not.
        let plan = planned(&ana, std::slice::from_ref(&unverified), &[], &[("a", made(None))]);
        assert_eq!((told(&plan), plan.steps[0].made), (vec![], true));
        let late = Account { made_at: Some(4600), ..unverified };
        assert_eq!(
            told(&planned(&ana, &[late], &[], &[("a", made(None))])),
            [(Rule::UnverifiedAccount, "1")]
        );
    }

    #[test]
    fn only_from_accounts_of_ours_is_anything_taken_away() {
        let ana = [person("1", "a", "ana@x.es")];
        let groups = ["desk", "others"].map(str::to_owned).into();
        let there = Account { groups, pending: true, ..account("s", "ana@x.es") };
        let noted = [("a", made(Some("s")))];
        let ours = planned(&ana, std::slice::from_ref(&there), &[("a", "s")], &noted).steps.remove(0);
        assert_eq!(
            (ours.join, ours.leave, ours.forgets),
            (vec!["doctors".into()], vec!["desk".into()], true)
        );
        let theirs = planned(&ana, &[there], &[("a", "s")], &[]).steps.remove(0);
        assert_eq!(
            (theirs.action, theirs.join, theirs.leave.len(), theirs.forgets),
            (Action::Update, vec!["doctors".into()], 0, false)
        );
    }

    #[test]
    fn nobodys_address_is_in_what_is_printed() {
        let plan = planned(&[person("1", "a", "ana@x.es"), person("2", "b", "x y@x.es")], &[], &[], &[]);
        let text = serde_json::to_string(&plan).unwrap();
        assert!(!text.contains("x.es") && !text.contains("Ana") && text.contains("bad_email"), "{text}");
    }
}
