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
    Account { id, username, email, verified: true, enabled: true, made_at: Some(1000), ..Account::default() }
}

/// The rows that are there are a, b and c; `bound` says to which account.
fn planned(people: &[Person], accounts: &[Account], bound: &[(&str, &str)], noted: &[(&str, Noted)]) -> Plan {
    let mut rows: BTreeMap<String, Option<String>> = ["a", "b", "c"].map(|key| (key.to_owned(), None)).into();
    rows.extend(bound.iter().map(|(key, id)| ((*key).to_owned(), Some((*id).to_owned()))));
    let noted = noted.iter().map(|(key, one)| ((*key).to_owned(), one.clone())).collect();
    let section = "groups = { DOCTOR = 'doctors', DESK = 'desk' }\npassword = 'forgotten'";
    plan(&users(section), &Facts { people, rows: &rows, noted: &noted, accounts, not_whole: &[] })
}

fn told(plan: &Plan) -> Vec<(Rule, &str)> {
    plan.findings.iter().map(|one| (one.rule, one.record.as_str())).collect()
}

fn made(account: Option<&str>) -> Noted {
    Noted { account: account.map(str::to_owned), made: true, disabled: false, begun_at: 1000 }
}

#[test]
fn an_address_is_one_in_whatever_case_and_with_whatever_blanks() {
    let people = [person("1", "a", " Ana@X.es"), person("2", "b", "ana@x.ES "), person("3", "c", "eva@x.es")];
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
    assert_eq!(told(&planned(&[person("1", "z", "ana@x.es")], &[], &[], &[])), [(Rule::NotInTarget, "1")]);
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
    assert_eq!(told(&planned(&ana, &[late], &[], &[("a", made(None))])), [(Rule::UnverifiedAccount, "1")]);
}

#[test]
fn only_from_accounts_of_ours_is_anything_taken_away() {
    let ana = [person("1", "a", "ana@x.es")];
    let groups = ["desk", "others"].map(str::to_owned).into();
    let there = Account { groups, pending: true, ..account("s", "ana@x.es") };
    let noted = [("a", made(Some("s")))];
    let ours = planned(&ana, std::slice::from_ref(&there), &[("a", "s")], &noted).steps.remove(0);
    assert_eq!((ours.join, ours.leave, ours.forgets), (vec!["doctors".into()], vec!["desk".into()], true));
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

#[test]
fn who_left_and_can_still_log_in_is_told_and_who_is_there_under_another_record_is_not() {
    let gone = Person { active: Some(false), ..person("1", "a", "ana@x.es") };
    let (ana, eva) = (account("s", "ana@x.es"), account("t", "eva@x.es"));
    let noted = [("a", made(Some("s"))), ("z", made(Some("t")))];
    let both = [ana.clone(), eva.clone()];
    // One is said to have left, of the other no record is there any more.
    let plan = planned(std::slice::from_ref(&gone), &both, &[("a", "s")], &noted);
    assert_eq!(told(&plan), [(Rule::Left, "1"), (Rule::Left, "z")]);
    assert_eq!(plan.left, ["s", "t"].map(str::to_owned).into());
    // An account that was there before is not ours to take away; nobody can log in with a disabled one.
    assert_eq!(
        told(&planned(std::slice::from_ref(&gone), &both, &[("a", "s")], &[])),
        [(Rule::LeftBefore, "1")]
    );
    let off = Account { enabled: false, ..ana.clone() };
    assert!(told(&planned(std::slice::from_ref(&gone), &[off], &[("a", "s")], &noted[..1])).is_empty());
    // The same account, or the same address, under another row.
    let people = [gone.clone(), person("2", "b", "ana@x.es")];
    assert!(told(&planned(&people, std::slice::from_ref(&ana), &[("a", "s")], &noted[..1])).is_empty());
    let unknown = Person { active: None, ..person("2", "b", "ana@x.es") };
    let plan = planned(&[gone.clone(), unknown], &[ana], &[("a", "s")], &noted[..1]);
    assert_eq!(told(&plan), [(Rule::ActiveUnknown, "2")]);
    // What was asked for when a run broke off, before they left.
    let plan = planned(&[gone], &[account("s", "ana@x.es")], &[], &[("a", made(None))]);
    assert_eq!(told(&plan), [(Rule::Left, "1")]);
}

#[test]
fn who_comes_back_is_told_and_may_be_let_in_again_where_we_shut_them_out() {
    let ana = [person("1", "a", "ana@x.es")];
    let off = [Account { enabled: false, ..account("s", "ana@x.es") }];
    let shut = Noted { disabled: true, ..made(Some("s")) };
    let plan = planned(&ana, &off, &[("a", "s")], &[("a", shut)]);
    assert_eq!((told(&plan), plan.back.len()), (vec![(Rule::DisabledAccount, "1")], 1));
    let plan = planned(&ana, &off, &[("a", "s")], &[("a", made(Some("s")))]);
    assert_eq!((told(&plan), plan.back.len()), (vec![(Rule::DisabledAccount, "1")], 0));
}

#[test]
fn nobody_left_where_their_record_may_be_among_those_that_could_not_be_read() {
    let noted = [("a", made(Some("s"))), ("b", made(Some("t")))];
    let rows: BTreeMap<String, Option<String>> =
        [("a", "s"), ("b", "t")].map(|(key, id)| (key.to_owned(), Some(id.to_owned()))).into();
    let noted: BTreeMap<String, Noted> = noted.map(|(key, one)| (key.to_owned(), one)).into();
    let accounts = [account("s", "ana@x.es"), account("t", "eva@x.es")];
    let of = |people: &[Person], not_whole: &[String]| {
        let facts = Facts { people, rows: &rows, noted: &noted, accounts: &accounts, not_whole };
        plan(&users(""), &facts)
    };
    let ana = person("1", "a", "ana@x.es");
    let all = of(std::slice::from_ref(&ana), &[]);
    assert_eq!((told(&all), all.left.len()), (vec![(Rule::Left, "b")], 1));
    let not_whole = ["staff".to_owned()];
    let some = of(std::slice::from_ref(&ana), &not_whole);
    assert_eq!((told(&some), some.left.len(), some.unsure()), (vec![(Rule::ListUnread, "b")], 0, 1));
    let none = of(&[], &[]);
    assert_eq!((told(&none), none.left.len()), (vec![(Rule::ListEmpty, "a"), (Rule::ListEmpty, "b")], 0));
    // Who is said to have left has left.
    let gone = Person { active: Some(false), ..ana };
    let said = of(&[gone], &not_whole);
    assert_eq!(told(&said), [(Rule::Left, "1"), (Rule::ListUnread, "b")]);
}

#[test]
fn an_account_stays_as_it_is_where_its_address_is_lost() {
    let noted = [("a", made(Some("s")))];
    for lost in ["", "nobody at home"] {
        let plan = planned(&[person("1", "a", lost)], &[account("s", "ana@x.es")], &[("a", "s")], &noted);
        assert_eq!((told(&plan), plan.count(Action::Keep)), (vec![(Rule::EmailLost, "1")], 1), "{lost}");
        assert!(plan.left.is_empty() && !plan.steps[0].moves && plan.steps[0].values.is_empty());
    }
    let plan = planned(&[person("1", "a", "")], &[account("s", "ana@x.es")], &[], &[]);
    assert_eq!((told(&plan), plan.steps.len()), (vec![(Rule::NoEmail, "1")], 0));
}
