//! People who leave the clinic, and who come back.

use std::collections::BTreeMap;

use serde_json::Value;

use super::auth::Auth;
use super::pool::{Names, Pool};
use super::{Clinic, SECTION, STAFF, counts, found, supabase};
use crate::cli::safety::says;
use crate::cli::ways_out::says_not;

/// Ana and Eva are said to work there no more, of Luis there is no record left.
const LEFT: &str = "code;name;email;role;works\n1;Ana;ana@clinic.example;DOCTOR;false\n3;Eva;eva@clinic.example;DOCTOR;false\n";

fn becomes(clinic: &Clinic, staff: &str) {
    clinic.mini.write("clinics/mini/sources/staff.csv", staff);
    says(&clinic.run("run mini --until verify"), 0, &[]);
}

fn state(clinic: &Clinic) -> (String, Value) {
    let status = clinic.json("status mini", 0);
    let stages = status[0]["stages"].as_array().unwrap();
    let users = stages.iter().find(|one| one["stage"] == "users").unwrap();
    (users["state"].as_str().unwrap().to_owned(), status[0]["next"].clone())
}

#[test]
fn who_left_is_told_until_nobody_can_log_in_as_them_and_comes_back_by_a_word() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    pool.add("eva@clinic.example", &[("email_verified", "true")]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    clinic.mini.edit(
        "clinics/mini/clinic.toml",
        "[load]",
        "[tables.app_user]\nvanished = \"keep\"\n\n[load]",
    );
    assert_eq!(state(&clinic), ("pending".to_owned(), "trasvase users mini".into()));
    says(&clinic.run("users mini"), 0, &[]);
    assert_eq!(state(&clinic).0, "done");
    says(
        &clinic.run("users mini --disable left --yes"),
        0,
        &["who work there no more that are disabled now: 0"],
    );

    becomes(&clinic, LEFT);
    assert_eq!(state(&clinic).0, "stale");
    let luis = clinic.rows("select id from app_user where name = 'Luis'")[0][0].clone().unwrap();
    let rules = BTreeMap::from([
        ("left".to_owned(), vec![luis, "1".to_owned()]),
        ("left_before".to_owned(), vec!["3".to_owned()]),
    ]);
    pool.rules(&[]);
    assert_eq!(found(&clinic.json("users mini --dry-run", 3)), rules);
    let told = clinic.run("users mini");
    says(
        &told,
        3,
        &[
            "works there no more, and can still log in",
            "no more and can still log in, 2: trasvase users mini --disable left",
        ],
    );
    assert_eq!((pool.changes(), state(&clinic).0), (vec![], "failed".to_owned()));
    says(&clinic.run("users mini --disable left --dry-run"), 0, &["would be disabled: 2", "so they stay: 1"]);
    says(&clinic.run("users mini --disable left"), 2, &["--confirm mini"]);
    assert_eq!(pool.changes().len(), 0);
    says(&clinic.run("users mini --disable left --confirm mini"), 0, &["disabled now: 2", "so they stay: 1"]);
    let enabled = || {
        let all = pool.accounts();
        all.iter()
            .filter(|(_, (_, _, user))| user.enabled())
            .map(|(email, _)| email.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(enabled(), ["eva@clinic.example"]);
    assert_eq!(clinic.ledger(), ["Ana made disabled", "Eva linked", "Luis made disabled"]);
    let left = BTreeMap::from([("left_before".to_owned(), vec!["3".to_owned()])]);
    assert_eq!(found(&clinic.json("users mini", 3)), left);

    // Whoever comes back is told, and let in again; a disabled account of somebody else is not ours to open.
    becomes(&clinic, STAFF);
    says(
        &clinic.run("users mini"),
        3,
        &["the account is disabled", "who work there, 2: trasvase users mini --enable"],
    );
    says(&clinic.run("users mini --enable --dry-run"), 0, &["would be enabled: 2"]);
    says(&clinic.run("users mini --enable --confirm mini"), 0, &["enabled now: 2"]);
    assert_eq!(
        (enabled().len(), clinic.ledger()),
        (3, vec!["Ana made".into(), "Eva linked".into(), "Luis made".into()])
    );
    says(&clinic.run("users mini"), 0, &["Every row has its account's id already"]);
    says(&clinic.run("users mini --enable --yes"), 0, &["enabled now: 0"]);
    says(&clinic.run("users mini --enable --disable left"), 2, &[]);
    assert_eq!(state(&clinic).0, "done");
}

#[test]
fn a_project_shuts_out_who_left_and_lets_them_in_again() {
    let auth = Auth::start(supabase::KEY);
    let clinic = supabase::clinic(&auth, STAFF);
    says(&clinic.run("users mini --suppress-invite"), 0, &[]);
    becomes(&clinic, &STAFF.replace("luis@clinic.example;DESK;true", "luis@clinic.example;DESK;false"));
    says(&clinic.run("users mini"), 3, &["log in, 1: trasvase users mini --disable left"]);
    says(&clinic.run("users mini --disable left --yes"), 0, &["disabled now: 1"]);
    assert!(auth.user("luis@clinic.example")["banned_until"].is_string());
    says(&clinic.run("users mini"), 0, &[]);
    becomes(&clinic, STAFF);
    says(&clinic.run("users mini --enable --yes"), 0, &["enabled now: 1"]);
    assert!(auth.user("luis@clinic.example")["banned_until"].is_null());
    says(&clinic.run("users mini"), 0, &[]);
}

#[test]
fn what_was_only_bound_again_goes_with_its_rows_and_nobody_is_told_as_nobody() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    let made = clinic.json("users mini", 0);
    says(&clinic.run("rollback mini last --confirm mini"), 0, &[]);
    assert_eq!(state(&clinic).0, "pending");
    let again = clinic.run("users mini");
    says(&again, 0, &["its accounts were there already", "trasvase rollback mini"]);
    assert!(!String::from_utf8_lossy(&again.stdout).contains("--remove"), "{again:?}");
    // It brought none itself, which is no batch that nobody knows.
    let bound = clinic
        .rows("select id, snapshot from trasvase.batch where origin = 'users' order by number desc limit 1");
    let [Some(bound), Some(snapshot)] = &bound[0][..] else { panic!("{bound:?}") };
    let back = format!("trasvase rollback mini {bound}");
    for (line, parts) in [
        (format!("users mini --remove {bound} --confirm mini"), &["brought no account", back.as_str()][..]),
        (format!("users mini --remove {bound} --dry-run"), &["nothing to disable or remove", &back]),
        (format!("users mini --disable {bound} --yes"), &["brought no account"]),
        (format!("users mini --remove {bound} --yes --lang es"), &["no trajo ninguna cuenta", &back]),
    ] {
        says(&clinic.run(&line), 0, parts);
    }
    assert_eq!(clinic.json(&format!("users mini --remove {bound} --dry-run"), 0)["brought_none"], true);
    let models = clinic.rows("select id from trasvase.batch where origin = 'models'")[0][0].clone().unwrap();
    for unknown in ["01ZZZ", &models] {
        says(
            &clinic.run(&format!("users mini --remove {unknown} --yes")),
            2,
            &["no batch of mini begins with"],
        );
    }
    assert_eq!(pool.accounts().len(), 3);
    // Nor are ids pushed again whose accounts may be gone.
    says(
        &clinic.run(&format!("push mini --snapshot {snapshot}")),
        1,
        &["these may be gone since", "trasvase users mini", "trasvase run mini --from users"],
    );
    // The ids of the batch that made them are gone already: nothing more is to be typed.
    let first = made["batch"].as_str().unwrap();
    let removed = clinic.run(&format!("users mini --remove {first} --confirm mini"));
    says(&removed, 0, &["removed now: 3"]);
    assert!(!String::from_utf8_lossy(&removed.stdout).contains("trasvase rollback"), "{removed:?}");
    clinic.mini.execute("truncate app_user");
    says(&clinic.run("users mini"), 3, &["No row of app_user has an account's id, and none got one"]);
}

#[test]
fn a_run_begins_with_what_is_configured_and_a_dry_one_tells_what_comes_after() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("run mini --dry-run"), 0, &["users would come after", "trasvase users mini --dry-run"]);
    says(&clinic.run("run mini --from users --dry-run"), 0, &["users would come after"]);
    assert!(pool.accounts().is_empty());
    for (stage, section) in [("files", "[[files]]"), ("archive", "[archive]")] {
        says(
            &clinic.run(&format!("run mini --from {stage}")),
            2,
            &[&format!("clinic.toml of mini has no {section}")],
        );
    }
    says(&clinic.run("run mini --from users"), 0, &["Batch"]);
}

#[test]
fn own_steps_stand_around_what_comes_after_a_run_too() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    let toml = "clinics/mini/clinic.toml";
    let step = |name: &str, place: &str, more: &str| {
        format!(
            "[[commands]]\nname = \"{name}\"\n{place}\nprogram = [\"sh\", \"-c\", \"echo {name} >>order\"]\n{more}\n"
        )
    };
    let steps = [
        step("tell", "after = \"users\"", ""),
        step("hand", "after = \"users\"", "autopilot = false"),
        step("look", "before = \"users\"", ""),
    ];
    clinic.mini.edit(toml, "[limits]", &format!("{}[limits]", steps.concat()));
    let order = || std::fs::read_to_string(clinic.mini.path().join("clinics/mini/order")).unwrap_or_default();
    says(&clinic.run("run mini --dry-run"), 0, &["look", "tell", "users would come after"]);
    says(&clinic.run("run mini --until verify"), 0, &[]);
    assert!(order().is_empty() && pool.accounts().is_empty());
    says(&clinic.run("run mini"), 0, &["look", "users", "tell"]);
    assert_eq!((order().as_str(), pool.accounts().len()), ("look\ntell\n", 3));
    says(&clinic.run("run mini --from users --with hand"), 0, &[]);
    assert_eq!(order(), "look\ntell\nlook\ntell\nhand\n");
    assert_eq!(state(&clinic).0, "done");
    says(&clinic.run("run mini --from tell"), 2, &["tell stands at users", "trasvase run mini --from users"]);
    // One that fails says how to go on.
    clinic.mini.edit(toml, "echo tell >>order", "exit 3");
    says(&clinic.run("run mini --from users"), 1, &["tell", "trasvase run mini --from users"]);
    clinic.mini.edit(
        toml,
        "after = \"users\"\nprogram = [\"sh\", \"-c\", \"exit 3",
        "after = \"files\"\nprogram = [\"sh\", \"-c\", \"exit 3",
    );
    says(&clinic.run("run mini"), 2, &["tell: it stands at files, which clinic.toml has no section for"]);
}

#[test]
fn nobody_left_whose_record_could_not_be_read_or_whose_list_is_empty() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("users mini"), 0, &[]);
    pool.rules(&[]);
    let becomes = |staff: &str| {
        clinic.mini.write("clinics/mini/sources/staff.csv", staff);
        clinic.run("load mini");
        clinic.run("transform mini");
    };
    let header = "code;name;email;role;works\n";
    becomes(&format!(
        "{header}1;Ana;ana@clinic.example;DOCTOR;true;more\n2;Luis;luis@clinic.example;DESK;true\n\
         3;\"Eva;eva@clinic.example;DOCTOR;true\n"
    ));
    let told = clinic.run("users mini --dry-run");
    let why = "no record of theirs any more, but records of the list";
    says(&told, 3, &[why, "(staff)", "trasvase issues mini names what could not be read"]);
    says_not(&told, "--disable left");
    assert_eq!(found(&clinic.json("users mini --dry-run", 3))["list_unread"].len(), 2);
    let nobody = clinic.run("users mini --disable left --yes");
    says(&nobody, 0, &["disabled now: 0", "not read whole or has nobody, so they stay: 2"]);

    becomes(header);
    let told = clinic.run("users mini --dry-run");
    says(&told, 3, &["no record of theirs any more, but the list"]);
    says_not(&told, "--disable left");
    assert_eq!(found(&clinic.json("users mini --dry-run", 3))["list_empty"].len(), 3);
    assert_eq!(pool.changes(), Vec::<String>::new());

    becomes(&STAFF.replace("2;Luis;luis@clinic.example;DESK;true\n", ""));
    says(
        &clinic.run("users mini --dry-run"),
        3,
        &["can still log in, 1: trasvase users mini --disable left"],
    );
}

#[test]
fn an_account_whose_address_is_lost_is_told_and_counted() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("users mini"), 0, &[]);
    let ids = clinic.ids();
    becomes(&clinic, &STAFF.replace("luis@clinic.example", ""));
    pool.rules(&[]);
    let told = clinic.run("users mini --dry-run");
    says(&told, 3, &["no e-mail any more, or none that is an address"]);
    says_not(&told, "no account");
    let answer = clinic.json("users mini", 3);
    assert_eq!(found(&answer), BTreeMap::from([("email_lost".to_owned(), vec!["2".to_owned()])]));
    assert_eq!((counts(&answer), clinic.ids(), pool.changes().len()), ([0, 0, 0, 3], ids, 0));
}

#[test]
fn ended_accounts_are_no_stage_that_is_done_and_no_batch_brings_them_back() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    let made = clinic.json("users mini", 0);
    says(&clinic.run("users mini --disable last --dry-run"), 0, &[]);
    assert_eq!(state(&clinic).0, "done");
    says(&clinic.run("users mini --disable last --yes"), 0, &["disabled now: 3"]);
    assert_eq!(state(&clinic), ("pending".to_owned(), "trasvase users mini".into()));
    says_not(&clinic.run("status mini"), "created 3");
    says(&clinic.run("users mini --enable --yes"), 0, &["enabled now: 3"]);
    says(&clinic.run("users mini"), 0, &[]);
    assert_eq!(state(&clinic).0, "done");
    says(&clinic.run("users mini --remove last --yes"), 0, &["removed now: 3"]);
    assert_eq!(state(&clinic).0, "pending");

    let batch = made["batch"].as_str().unwrap();
    let back = clinic.run(&format!("rollback mini {batch} --confirm mini"));
    says(&back, 0, &["to have people's accounts and their ids again: trasvase users mini"]);
    says_not(&back, "trasvase redo");
    for batch in [batch, "last"] {
        let refused = clinic.run(&format!("redo mini {batch} --yes"));
        says(&refused, 1, &["may be gone since", "trasvase users mini", "trasvase run mini --from users"]);
    }
    assert_eq!(clinic.ids().values().flatten().count(), 0);
}
