//! What a batch made is taken away again, and nothing else.

use std::collections::BTreeMap;

use super::pool::{Names, Pool, Rule, What};
use super::{Clinic, SECTION, STAFF, counts, found};
use crate::cli::safety::says;

#[test]
fn only_what_a_batch_made_is_disabled_or_removed() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    pool.add("eva@clinic.example", &[("email_verified", "true")]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(
        &clinic.run("users mini --disable last --confirm mini"),
        1,
        &["no batch of mini in this target brought accounts"],
    );
    says(&clinic.run("users mini"), 0, &[]);
    let enabled = || pool.accounts().values().filter(|(_, _, user)| user.enabled()).count();
    says(&clinic.run("users mini --disable last --dry-run"), 0, &["would be disabled: 2", "so they stay: 1"]);
    says(&clinic.run("users mini --disable last"), 2, &["--confirm mini"]);
    assert_eq!(enabled(), 3);
    // It breaks off in between, and goes on.
    pool.rules(&[Rule { operation: "AdminDisableUser", after: 1, times: 1, what: What::Die }]);
    says(&clinic.run("users mini --disable last --yes --max-retries 0"), 1, &[]);
    pool.rules(&[]);
    says(&clinic.run("users mini --disable last --yes"), 0, &["disabled now: 1"]);
    assert_eq!(
        (enabled(), clinic.ledger()),
        (1, vec!["Ana made disabled".into(), "Eva linked".into(), "Luis made disabled".into()])
    );
    let answer = clinic.json("users mini", 3);
    assert_eq!(found(&answer), BTreeMap::from([("disabled_account".into(), vec!["1".into(), "2".into()])]));
    // Somebody else's row is bound to one of them.
    clinic.mini.execute(
        "insert into trasvase.account (clinic, service, target_table, target_key, account, made) \
         select 'other', service, target_table, target_key, account, false from trasvase.account where made limit 1",
    );
    says(
        &clinic.run("users mini --remove last --dry-run"),
        0,
        &["would be removed: 1", "Bound to other rows too, so they stay: 1"],
    );
    clinic.mini.execute("delete from trasvase.account where clinic = 'other'");
    says(
        &clinic.run("users mini --remove last --confirm mini"),
        0,
        &["removed now: 2", "so they stay: 1", "trasvase rollback mini"],
    );
    assert_eq!(pool.accounts().into_keys().collect::<Vec<_>>(), ["eva@clinic.example"]);
    says(&clinic.run("users mini --remove last --confirm mini"), 0, &["removed now: 0"]);
    // Whoever is gone gets a new account; the old ones are history.
    assert_eq!(counts(&clinic.json("users mini", 0)), [2, 0, 0, 1]);
    let accounts = pool.accounts();
    assert_eq!(clinic.ids()["Ana"].as_ref(), Some(&accounts["ana@clinic.example"].0));
    assert_eq!(clinic.ledger().len(), 5);
    says(&clinic.run("verify mini"), 0, &[]);
}

#[test]
fn clean_removes_the_accounts_that_were_made_and_no_others() {
    let pool = Pool::new(Names::Email, &["doctors", "desk", "others"]);
    pool.add("eva@clinic.example", &[("email_verified", "true")]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("users mini"), 0, &[]);
    let planned = clinic.json("clean mini --dry-run", 0);
    let accounts = &planned["accounts"][0];
    assert_eq!((accounts["ours"].as_array().unwrap().len(), &accounts["linked"]), (2, &1.into()));
    assert_eq!(pool.accounts().len(), 3);

    // The service dies after the first: the rows are back, and the next time goes on.
    pool.rules(&[Rule { operation: "AdminDeleteUser", after: 1, times: 1, what: What::Die }]);
    says(&clinic.run("clean mini --confirm mini --max-retries 0"), 1, &["the rows are taken back"]);
    assert!(clinic.ids().is_empty());
    pool.rules(&[]);
    assert_eq!(pool.accounts().len(), 2);
    says(&clinic.run("clean mini --confirm mini"), 0, &["that could go is gone"]);
    assert_eq!(pool.accounts().into_keys().collect::<Vec<_>>(), ["eva@clinic.example"]);
    says(&clinic.run("clean mini"), 0, &["no batch of mini stands"]);

    // Where accounts are left, somebody has to say where they are.
    says(&clinic.run("run mini --until verify"), 0, &[]);
    says(&clinic.run("users mini"), 0, &[]);
    let path = clinic.mini.path().join("clinics/mini/clinic.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("[users]").unwrap();
    let (_, after) = rest.split_once("[limits]").unwrap();
    std::fs::write(&path, format!("{before}[limits]{after}")).unwrap();
    says(&clinic.run("clean mini --confirm mini"), 2, &["the ledger knows accounts that were made for mini"]);
    assert!(!clinic.ids().is_empty());
}

#[test]
fn a_dry_clean_foretells_which_accounts_stay_with_rows_that_stay() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("users mini"), 0, &[]);
    clinic.mini.execute("update app_user set name = 'Anabel' where name = 'Ana'");
    let planned = clinic.json("clean mini --keep-edited --dry-run", 0)["accounts"][0].clone();
    assert_eq!((planned["ours"].as_array().unwrap().len(), &planned["shared"]), (2, &1.into()), "{planned}");
    let done = clinic.json("clean mini --keep-edited --confirm mini", 0)["accounts"][0].clone();
    assert_eq!((&done["ended"], &done["shared"]), (&2.into(), &1.into()), "{done}");
    assert_eq!(pool.accounts().into_keys().collect::<Vec<_>>(), ["ana@clinic.example"]);
}
