//! What changed between two rehearsals.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Counts, Rehearsal};
use crate::model::run::Stage;

/// Two rehearsals side by side.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The earlier one.
    pub with: String,
    pub at: String,
    pub same_snapshot: bool,
    pub changes: Vec<Change>,
    /// Milliseconds of each stage that both have: before and now.
    pub times: Vec<(Stage, u64, u64)>,
}

/// A count that is another one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `table`, `rejects` or `source`.
    pub of: &'static str,
    /// The table's, rule's or source's name.
    pub name: String,
    /// Which count: `rows`, `rejected`, `inserted`.
    pub count: String,
    pub before: u64,
    pub now: u64,
}

/// The rehearsal to compare with: the last one before it in the same place and about the same target, else the last one.
pub fn previous<'r>(all: &'r [Rehearsal], of: &Rehearsal) -> Option<&'r Rehearsal> {
    let earlier = || all.iter().filter(|one| one.id != of.id && (&one.at, &one.id) < (&of.at, &of.id));
    earlier().find(|one| one.place == of.place && one.target == of.target).or_else(|| earlier().next())
}

pub fn compare(before: &Rehearsal, now: &Rehearsal) -> Comparison {
    let mut changes = changes("table", &before.tables, &now.tables);
    let rejects = |counts: &Counts| {
        counts.iter().map(|(rule, rows)| (rule.clone(), Counts::from([("rows".to_owned(), *rows)]))).collect()
    };
    // Where check did not run, nothing was rejected or counted anew.
    if [before, now].iter().all(|one| one.timed(Stage::Check).is_some()) {
        changes.extend(self::changes("rejects", &rejects(&before.rejects), &rejects(&now.rejects)));
        changes.extend(self::changes("source", &before.sources, &now.sources));
    }
    let times = now
        .stages
        .iter()
        .filter_map(|timed| Some((timed.stage, before.timed(timed.stage)?.milliseconds, timed.milliseconds)));
    Comparison {
        with: before.id.clone(),
        at: before.at.clone(),
        same_snapshot: before.snapshot == now.snapshot,
        changes,
        times: times.collect(),
    }
}

fn changes(
    of: &'static str,
    before: &BTreeMap<String, Counts>,
    now: &BTreeMap<String, Counts>,
) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (before.get(name), now.get(name));
        let counts: BTreeSet<&String> = [old, new].into_iter().flatten().flat_map(Counts::keys).collect();
        for count in counts {
            let of_them = |counts: Option<&Counts>| counts.and_then(|counts| counts.get(count)).copied();
            let (before, now) = (of_them(old).unwrap_or(0), of_them(new).unwrap_or(0));
            if before != now {
                changes.push(Change { of, name: name.clone(), count: count.clone(), before, now });
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::{Place, example};
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let (before, mut now) = (example("1", 5, 100), example("2", 7, 200));
        now.rejects.insert("person: not_null (name)".to_owned(), 2);
        let found = compare(&before, &now);
        let change = |of, name: &str, before, now| Change {
            of,
            name: name.to_owned(),
            count: "rows".to_owned(),
            before,
            now,
        };
        let expected = [change("table", "person", 5, 7), change("rejects", "person: not_null (name)", 0, 2)];
        assert_eq!(found.changes, expected);
        let times = [Stage::Load, Stage::Check, Stage::Push].map(|stage| (stage, 100, 200));
        assert_eq!(found.times, times);
        now.stages.retain(|timed| timed.stage != Stage::Check);
        assert_eq!(compare(&before, &now).changes, expected[..1], "what was not looked at has not gone");
        assert!(compare(&now, &now).changes.is_empty());
    }

    #[test]
    fn it_is_compared_with_the_last_one_of_its_kind() {
        let mut elsewhere = example("2", 5, 100);
        elsewhere.place = Place::InPlace;
        let all = [example("3", 5, 100), elsewhere, example("1", 5, 100)];
        assert_eq!(previous(&all, &all[0]).map(|one| one.id.as_str()), Some("1"));
        assert_eq!(previous(&all, &all[1]).map(|one| one.id.as_str()), Some("1"));
        assert!(previous(&all, &all[2]).is_none());
    }
}
