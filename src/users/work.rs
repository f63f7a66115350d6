//! Carries the plan out, one person after the other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tokio::task::block_in_place;

use super::finding::Rule;
use super::ledger::{self, Place};
use super::plan::{Action, Noted, Plan, Step, goes_by};
use super::service::{Denied, Service, Wanted};
use super::{Options, Report};
use crate::error::{Failure, interrupt};
use crate::model::account::Account;
use crate::model::run::{Event, Observer, Stage};

/// Cognito's code for an invitation that could not be sent.
const UNDELIVERED: &str = "CodeDeliveryFailureException";

/// Carries it out.
pub(super) async fn apply(
    options: &Options<'_>,
    place: &Place<'_>,
    plan: Plan,
    noted: &BTreeMap<String, Noted>,
    observer: &dyn Observer,
) -> Result<Report> {
    let mut report = Report { plan, ..Report::default() };
    let (stage, subject, steps) = (Stage::Users, place.service, report.plan.steps.clone());
    observer.event(&Event::Started { stage, subject, total: Some(steps.len() as u64) });
    for step in &steps {
        interrupt::check()?;
        let account = match &step.account {
            Some(account) => Ok(account.clone()),
            None => create(options, place, step).await?,
        };
        let account = match account {
            Ok(account) => account,
            Err(code) => {
                report.plan.find(Rule::Refused, &step.record, Some(&code));
                continue;
            }
        };
        let known = noted.get(&step.key).and_then(|noted| noted.account.as_deref());
        if known != Some(account.id.as_str()) {
            ledger::note(place, &step.key, &account.id, step.made).await?;
        }
        match change(options.service, &account, step) {
            Ok(()) => {}
            // The account is theirs all the same.
            Err(Denied::Failure(failure)) => return Err(failure.into()),
            Err(denied) => report.plan.find(Rule::Refused, &step.record, Some(&code(denied))),
        }
        *match step.action {
            Action::Create => &mut report.created,
            Action::Link => &mut report.linked,
            Action::Update => &mut report.updated,
            Action::Keep => &mut report.unchanged,
        } += 1;
        report.ids.insert(step.key.clone(), account.id);
        observer.event(&Event::Advanced { stage, subject, amount: 1 });
    }
    observer.event(&Event::Finished { stage, subject, rows: steps.len() as u64 });
    report.plan.findings.sort();
    Ok(report)
}

/// Makes an account, or gives the service's reason why not.
async fn create(options: &Options<'_>, place: &Place<'_>, step: &Step) -> Result<Result<Account, String>> {
    let begun_at = ledger::begin(place, &step.key).await?;
    let made = block_in_place(|| options.service.create(step, options.invite));
    Ok(match made {
        Ok(account) => Ok(account),
        Err(Denied::Failure(failure)) => return Err(failure.into()),
        // There was none a moment ago: the answer to our own first request may have been lost.
        Err(Denied::Exists) => {
            let asked = Noted { account: None, made: true, disabled: false, begun_at };
            let found = block_in_place(|| find(options, step))?;
            found.filter(|account| asked.made(account)).ok_or_else(|| "exists".to_owned())
        }
        Err(denied) => {
            let code = code(denied);
            // The account is there, though its invitation did not reach anybody.
            if code != UNDELIVERED {
                ledger::withdraw(place, &step.key).await?;
            }
            Err(code)
        }
    })
}

fn find(options: &Options<'_>, step: &Step) -> Result<Option<Account>, Failure> {
    let wanted = Wanted { emails: BTreeSet::from([step.email.clone()]), ids: BTreeSet::new() };
    let mut found = options.service.accounts(&wanted, options.settings)?;
    found.retain(|account| goes_by(account, &step.email));
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// What is left to do once there is an account: a new one has its attributes.
fn change(service: &dyn Service, account: &Account, step: &Step) -> Result<(), Denied> {
    let left = match &step.account {
        Some(_) => step.clone(),
        None => Step { values: BTreeMap::new(), ..step.clone() },
    };
    block_in_place(|| service.change(account, &left))
}

fn code(denied: Denied) -> String {
    match denied {
        Denied::Person(code) => code,
        Denied::Exists => "exists".to_owned(),
        Denied::Gone => "gone".to_owned(),
        Denied::Failure(failure) => failure.message,
    }
}
