//! The same for a Supabase project.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::auth::{Auth, What};
use super::{Clinic, ODD, SECTION, STAFF, counts, found};
use crate::cli::safety::says;

pub(super) const KEY: &str = "sb_secret_hunter2";

pub(super) fn clinic(auth: &Auth, staff: &str) -> Clinic {
    let url = format!("http://127.0.0.1:{}/", auth.port);
    let environment = vec![("SUPABASE_URL", url), ("SUPABASE_SERVICE_ROLE_KEY", KEY.to_owned())];
    Clinic::new("supabase", SECTION, staff, environment)
}

/// Requests that change something.
fn changes(auth: &Auth) -> Vec<String> {
    auth.seen().into_iter().filter(|line| !line.starts_with("GET")).collect()
}

#[test]
fn people_get_accounts_of_a_project() {
    let auth = Auth::start(KEY);
    let eva = auth.add("eva@clinic.example", true);
    auth.add("ada@clinic.example", false);
    let clinic = clinic(&auth, &format!("{STAFF}{ODD}"));
    clinic.json("users mini --dry-run", 3);
    assert!(changes(&auth).is_empty());
    // Busy, an answer that is lost, and somebody who is refused.
    auth.will(&[What::Throttle, What::Throttle, What::Lose]);
    let output = clinic.run("users mini --suppress-invite");
    says(&output, 3, &["HTTP 429; it is asked again", "the service has not verified"]);
    let ids = clinic.ids();
    for (name, email, groups) in [
        ("Ana", "ana@clinic.example", json!(["doctors"])),
        ("Luis", "luis@clinic.example", json!(["desk"])),
        ("Leo", "leo@clinic.example", Value::Null),
        ("Eva", "eva@clinic.example", json!(["doctors"])),
    ] {
        let user = auth.user(email);
        assert_eq!(
            (user["id"].as_str(), &user["app_metadata"]["groups"]),
            (ids[name].as_deref(), &groups),
            "{user}"
        );
        assert_eq!(
            (&user["user_metadata"]["name"], &user["app_metadata"]["provider"]),
            (&name.into(), &"email".into())
        );
        assert!(user["email_confirmed_at"].is_string());
    }
    assert_eq!((ids["Eva"].as_deref(), auth.users().len()), (Some(eva.as_str()), 5));
    assert_eq!(clinic.ledger(), ["Ana made", "Eva linked", "Leo made", "Luis made"]);
    auth.seen();
    let again = clinic.json("users mini", 3);
    assert_eq!((counts(&again), &again["batch"], changes(&auth)), ([0, 0, 0, 4], &Value::Null, vec![]));
    says(&clinic.run("verify mini"), 0, &[]);
    // Another role and name.
    clinic.mini.edit(
        "clinics/mini/sources/staff.csv",
        "1;Ana;ANA@clinic.example;DOCTOR",
        "1;Ana;ana@clinic.example;DESK",
    );
    says(&clinic.run("run mini --until verify"), 0, &[]);
    assert_eq!(counts(&clinic.json("users mini", 3)), [0, 0, 1, 3]);
    assert_eq!(auth.user("ana@clinic.example")["app_metadata"]["groups"], json!(["desk"]));
    says(&clinic.run("users mini --disable last --yes"), 0, &["disabled now: 3"]);
    assert!(
        auth.user("luis@clinic.example")["banned_until"].is_string()
            && auth.user("eva@clinic.example")["banned_until"].is_null()
    );
    says(&clinic.run("users mini --remove last --yes"), 0, &["removed now: 3"]);
    assert_eq!(auth.users().len(), 2);
}

#[test]
fn who_is_invited_is_ours_though_nobody_has_confirmed_yet() {
    let auth = Auth::start(KEY);
    let clinic = clinic(&auth, STAFF);
    assert_eq!(counts(&clinic.json("users mini", 0)), [3, 0, 0, 0]);
    assert_eq!(auth.seen().iter().filter(|line| *line == "POST /auth/v1/invite").count(), 3);
    let user = auth.user("luis@clinic.example");
    assert_eq!(
        (&user["email_confirmed_at"], &user["app_metadata"]["groups"]),
        (&Value::Null, &json!(["desk"]))
    );
    says(&clinic.run("rollback mini last --confirm mini"), 0, &[]);
    assert_eq!(counts(&clinic.json("users mini", 0)), [0, 3, 0, 0]);
}

#[test]
fn what_a_project_refuses_is_told_by_its_code() {
    let auth = Auth::start(KEY);
    let mut clinic = clinic(&auth, STAFF);
    // One is refused in words, one by something else than the project's server.
    auth.will(&[What::Refuse, What::Broken]);
    let answer = clinic.json("users mini", 3);
    let refused = BTreeMap::from([("refused".to_owned(), vec!["1".to_owned(), "2".to_owned()])]);
    assert_eq!((counts(&answer), found(&answer)), ([1, 0, 0, 0], refused));
    let details: Vec<_> =
        answer["plan"]["findings"].as_array().unwrap().iter().map(|one| one["detail"].clone()).collect();
    assert_eq!(details, ["validation_failed", "HTTP 400"]);
    for (name, value, code, said) in [
        (
            "SUPABASE_SERVICE_ROLE_KEY",
            "sb_publishable_hunter2",
            1,
            "does not take the key of the service role (no_authorization)",
        ),
        ("SUPABASE_SERVICE_ROLE_KEY", "", 2, "SUPABASE_SERVICE_ROLE_KEY is not set"),
        ("SUPABASE_URL", "http://hunter2@supabase.invalid", 2, "without TLS"),
        ("SUPABASE_URL", "hunter2", 2, "SUPABASE_URL is no address"),
    ] {
        let place = clinic.environment.iter().position(|(known, _)| *known == name).unwrap();
        let before = std::mem::replace(&mut clinic.environment[place].1, value.to_owned());
        says(&clinic.run("users mini --max-retries 0"), code, &[said]);
        clinic.environment[place].1 = before;
    }
}
