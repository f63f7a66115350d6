//! Accounts of those who work at a clinic: who gets one, who was there, what breaks on the way, and the way back.

mod auth;
mod leaving;
mod pool;
mod server;
mod supabase;
mod ways_back;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::clinic::Mini;
use super::safety::says;
use crate::support;
use pool::{Names, Pool, Rule, What, attribute};

/// Nobody may ever read it.
const SECRET: &str = "wJalrXUtnFEMI-hunter2-EXAMPLEKEY";

const STAFF: &str = "code;name;email;role;works\n\
    1;Ana;ANA@clinic.example;DOCTOR;true\n\
    2;Luis;luis@clinic.example;DESK;true\n\
    3;Eva;eva@clinic.example;DOCTOR;true\n";

/// People whom nobody can give an account, or only with a question: by record, why.
const ODD: &str = "4;Noe;;DOCTOR;true\n\
    5;Paz;Both@clinic.example;DESK;true\n\
    6;Sol;both@Clinic.example;DESK;true\n\
    7;Gil;gil@clinic.example;DESK;false\n\
    8;Mar;nobody at home;DESK;true\n\
    9;Leo;leo@clinic.example;COOK;true\n\
    10;Ada;ada@clinic.example;DESK;true\n\
    11;Ivo;ivo@clinic.example;DESK;\n";

const SECTION: &str = "groups = { DOCTOR = 'doctors', DESK = 'desk' }\nattributes = { name = 'name' }";

/// A clinic whose people were pushed.
struct Clinic {
    mini: Mini,
    /// Where accounts are, as the environment says it.
    environment: Vec<(&'static str, String)>,
}

impl Clinic {
    fn new(provider: &str, section: &str, staff: &str, environment: Vec<(&'static str, String)>) -> Self {
        let mini = Mini::new();
        mini.execute(
            "create table app_user (id text primary key, name text not null, email text, role text, sub text unique)",
        );
        mini.write("clinics/mini/sources/staff.csv", staff);
        mini.write(
            "sql/sources/ledger/clean/app_user.sql",
            "-- one row somebody who works there\n\
             select code as source_id, name, email, role, try_cast(works as boolean) as active, _id from raw.staff\n",
        );
        mini.write(
            "sql/systems/small/target/app_user.sql",
            "-- one row somebody who works there\n\
             select golden_id as id, name, email, role, _id from golden.app_user\n",
        );
        let source =
            "[sources.staff]\nfiles = [\"sources/staff.csv\"]\nprimary = \"app_user\"\n\n[sources.people]";
        mini.edit("clinics/mini/clinic.toml", "[sources.people]", source);
        let users = format!("[users]\nprovider = '{provider}'\n{section}\n\n[limits]");
        mini.edit("clinics/mini/clinic.toml", "[limits]", &users);
        says(&mini.run(&["run", "mini", "--until", "verify"]), 0, &[]);
        Self { mini, environment }
    }

    fn of(pool: &Pool, section: &str, staff: &str) -> Self {
        let endpoint = format!("http://127.0.0.1:{}", pool.port);
        let way = [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("COGNITO_USER_POOL_ID", &pool.id),
        ];
        Self::new("cognito", section, staff, way.map(|(name, value)| (name, value.to_owned())).into())
    }

    /// Whatever it says, and whatever is in its logs, no secret and nobody's address is in it.
    #[track_caller]
    fn run(&self, line: &str) -> Output {
        let mut command = self.mini.command(&line.split(' ').collect::<Vec<_>>());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).to_lowercase();
        for mark in ["hunter2", "clinic.example", "zlx"] {
            assert!(!text.contains(mark), "{line} tells {mark}: {text}");
        }
        self.look_at_files(&["hunter2", "clinic.example", "zlx"]);
        output
    }

    /// Everything below staging that is no data.
    #[track_caller]
    fn look_at_files(&self, marks: &[&str]) {
        let mut folders = vec![self.mini.path().join("staging/mini")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let is_data = |path: &Path| {
                    path.extension().is_some_and(|end| end == "ndjson" || end == "duckdb" || end == "wal")
                };
                match path.is_dir() {
                    true => folders.push(path),
                    false if is_data(&path) => {}
                    false => {
                        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_lowercase();
                        let found = marks.iter().find(|mark| text.contains(&mark.to_lowercase()));
                        assert!(found.is_none(), "{found:?} is in {}", path.display());
                    }
                }
            }
        }
    }

    #[track_caller]
    fn json(&self, line: &str, code: i32) -> Value {
        let output = self.run(&format!("{line} --format json"));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// What the target's rows are bound to, by name.
    fn ids(&self) -> BTreeMap<String, Option<String>> {
        let rows = self.rows("select name, sub from app_user order by name");
        rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone())).collect()
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        support::runtime().block_on(async {
            let session = self.mini.database.client().await;
            let rows = session.client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| (0..row.len()).map(|place| row.get(place)).collect()).collect()
        })
    }

    /// Names with whether trasvase made their account and whether its batch is known, as the ledger has them.
    fn ledger(&self) -> Vec<String> {
        let rows = self.rows(
            "select u.name || case when a.made then ' made' else ' linked' end \
             || case when a.batch is null then ' unbound' else '' end \
             || case when a.disabled_at is null then '' else ' disabled' end \
             || case when a.removed_at is null then '' else ' removed' end \
             from trasvase.account a join app_user u on u.id = a.target_key order by 1",
        );
        rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
    }
}

/// Findings by rule: records.
fn found(answer: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in answer["plan"]["findings"].as_array().unwrap() {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        found.entry(text("rule")).or_default().push(text("record"));
    }
    found
}

fn counts(answer: &Value) -> [u64; 4] {
    ["created", "linked", "updated", "unchanged"].map(|name| answer[name].as_u64().unwrap())
}

#[test]
fn people_get_accounts_and_those_who_cannot_are_named() {
    let pool = Pool::new(Names::Email, &["doctors", "desk", "others"]);
    let eva = pool.add("Eva@clinic.example", &[("email_verified", "true")]);
    pool.add("ada@clinic.example", &[]);
    let clinic = Clinic::of(&pool, SECTION, &format!("{STAFF}{ODD}"));
    let planned = clinic.json("users mini --dry-run", 3);
    assert!(pool.changes().is_empty() && pool.accounts().len() == 2, "{:?}", pool.changes());
    assert_eq!((planned["plan"]["steps"].as_array().unwrap().len(), &planned["batch"]), (4, &Value::Null));
    assert!(clinic.rows("select 1::text where to_regclass('trasvase.account') is not null and exists (select from trasvase.account)").is_empty());

    let made = clinic.json("users mini --suppress-invite", 3);
    assert_eq!(counts(&made), [3, 1, 0, 0], "{made}");
    let expected = [
        ("active_unknown", vec!["11"]),
        ("bad_email", vec!["8"]),
        ("no_email", vec!["4"]),
        ("no_group", vec!["9"]),
        ("shared_email", vec!["5", "6"]),
        ("unverified_account", vec!["10"]),
    ];
    let expected =
        expected.map(|(rule, records)| (rule.to_owned(), records.into_iter().map(str::to_owned).collect()));
    assert_eq!(found(&made), BTreeMap::from(expected));
    assert_eq!((&made["plan"]["inactive"], found(&planned)), (&1.into(), found(&made)));

    // What the service has is what the target says.
    let (accounts, ids) = (pool.accounts(), clinic.ids());
    let bound = |name: &str| ids[name].clone().unwrap();
    for (name, email, groups) in [
        ("Ana", "ana@clinic.example", "doctors"),
        ("Luis", "luis@clinic.example", "desk"),
        ("Leo", "leo@clinic.example", ""),
    ] {
        let (sub, found, user) = &accounts[email];
        assert_eq!((&bound(name), found.join(" ").as_str()), (sub, groups), "{name}");
        assert_eq!(
            (attribute(user, "email_verified"), attribute(user, "name")),
            (Some("true".into()), Some(name.into()))
        );
    }
    let (_, groups, user) = &accounts["Eva@clinic.example"];
    assert_eq!(
        (&bound("Eva"), groups.as_slice(), attribute(user, "name")),
        (&eva, &["doctors".to_owned()][..], Some("Eva".into()))
    );
    assert_eq!((accounts.len(), ids.values().flatten().count()), (5, 4));
    for asked in pool.asked("AdminCreateUser") {
        assert_eq!(
            (&asked["MessageAction"], &asked["TemporaryPassword"]),
            (&"SUPPRESS".into(), &Value::Null)
        );
    }
    assert_eq!(clinic.ledger(), ["Ana made", "Eva linked", "Leo made", "Luis made"]);

    // Again is safe: nothing is asked for but lists, and nothing is written.
    pool.rules(&[]);
    let again = clinic.json("users mini", 3);
    assert_eq!((counts(&again), &again["batch"], pool.changes()), ([0, 0, 0, 4], &Value::Null, vec![]));
    // Neither do the clinic's rows change, nor are the ids taken from them, and both are proven.
    let pushed = clinic.json("run mini --until verify", 0);
    assert_eq!(pushed["stages"][4]["report"]["batch"], Value::Null, "{pushed}");
    assert_eq!(clinic.ids(), ids);
    says(&clinic.run("verify mini"), 0, &[]);

    // What is accepted is no failure any more.
    let (issues, _) = clinic.mini.json("issues mini");
    let users = issues["issues"].as_array().unwrap().iter().filter(|issue| issue["stage"] == "users");
    let accepts: String = users.map(|issue| format!(" --accept {}", issue["id"].as_str().unwrap())).collect();
    says(&clinic.run(&format!("issues mini{accepts} --reason known")), 0, &[]);
    says(&clinic.run("users mini"), 0, &["Every row has its account's id already", "5, 6"]);

    let batch = made["batch"].as_str().unwrap();
    says(&clinic.run(&format!("rollback mini {batch} --confirm mini")), 0, &[]);
    assert_eq!(clinic.ids().values().flatten().count(), 0);
    says(&clinic.run("verify mini"), 0, &[]);
    // The accounts are there still, and are bound anew.
    assert_eq!(counts(&clinic.json("users mini", 0)), [0, 4, 0, 0]);
    assert_eq!((clinic.ids(), pool.accounts().len()), (ids, 5));
}

#[test]
fn what_changes_at_the_clinic_changes_accounts() {
    let pool = Pool::new(Names::Email, &["doctors", "desk", "others"]);
    pool.add("eva@clinic.example", &[("email_verified", "true")]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("users mini"), 0, &[]);
    let before = clinic.ids();
    assert!(
        pool.asked("AdminCreateUser").iter().all(|asked| asked["MessageAction"].is_null()),
        "all are invited"
    );
    // Another name and role; another address of an account of ours, and of one that was there.
    let changed = "code;name;email;role;works\n\
        1;Ana Ruiz;ana@clinic.example;DESK;true\n\
        2;Luis;l.gil@clinic.example;DESK;true\n\
        3;Eva;eva.sol@clinic.example;DESK;true\n";
    clinic.mini.write("clinics/mini/sources/staff.csv", changed);
    says(&clinic.run("run mini --until verify"), 0, &[]);
    let answer = clinic.json("users mini", 3);
    assert_eq!(
        (counts(&answer), found(&answer)),
        ([0, 0, 2, 0], BTreeMap::from([("other_account".into(), vec!["3".into()])]))
    );
    let accounts = pool.accounts();
    let (ana, luis) = (&accounts["ana@clinic.example"], &accounts["l.gil@clinic.example"]);
    assert_eq!(
        (attribute(&ana.2, "name").unwrap(), &ana.1[..]),
        ("Ana Ruiz".into(), &["desk".to_owned()][..])
    );
    assert_eq!(
        (Some(&luis.0), accounts.contains_key("luis@clinic.example")),
        (before["Luis"].as_ref(), false)
    );
    assert_eq!(accounts["eva@clinic.example"].1, ["doctors"], "somebody else's account keeps its groups");
    let ids = clinic.ids();
    assert_eq!((&ids["Ana Ruiz"], &ids["Eva"]), (&before["Ana"], &before["Eva"]));
    says(&clinic.run("verify mini"), 0, &[]);
}

#[test]
fn a_busy_pool_is_asked_again_and_a_broken_run_goes_on() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    let rule = |operation, after, times, what| Rule { operation, after, times, what };
    // Nobody answers any more once one account is made, and while its groups are.
    pool.rules(&[rule("AdminAddUserToGroup", 0, 1, What::Die)]);
    says(&clinic.run("users mini --max-retries 0"), 1, &["connection", "type the same again"]);
    assert_eq!((pool.accounts().len(), clinic.ledger()), (1, vec!["Ana made unbound".into()]));
    // The pool is busy, the answer about one account is lost, and then the pool is gone for good.
    let busy = rule("ListUsers", 0, 2, What::Refuse(400, "TooManyRequestsException"));
    pool.rules(&[busy, rule("AdminCreateUser", 0, 1, What::Lose), rule("AdminCreateUser", 1, 1, What::Die)]);
    let output = clinic.run("users mini --max-retries 2");
    says(&output, 1, &["TooManyRequestsException; it is asked again", "connection; it is asked again"]);
    assert_eq!((pool.accounts().len(), clinic.ids().values().flatten().count()), (2, 0));
    pool.rules(&[]);
    assert_eq!(counts(&clinic.json("users mini", 0)), [1, 2, 0, 0]);
    let (accounts, ids) = (pool.accounts(), clinic.ids());
    assert_eq!(clinic.ledger(), ["Ana made", "Eva made", "Luis made"]);
    for (name, email, group) in [
        ("Ana", "ana@clinic.example", "doctors"),
        ("Luis", "luis@clinic.example", "desk"),
        ("Eva", "eva@clinic.example", "doctors"),
    ] {
        let (sub, groups, _) = &accounts[email];
        assert_eq!((ids[name].as_ref(), &groups[..]), (Some(sub), &[group.to_owned()][..]), "{name}");
    }
    // Busy for longer than anybody waits.
    pool.rules(&[rule("ListUsers", 0, 9, What::Refuse(400, "TooManyRequestsException"))]);
    says(
        &clinic.run("users mini --max-retries 1"),
        1,
        &["(TooManyRequestsException), also after all repetitions"],
    );
}

#[test]
fn a_run_that_was_killed_while_an_account_was_made_knows_it_again() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    pool.rules(&[Rule { operation: "AdminCreateUser", after: 0, times: 1, what: What::Lose }]);
    says(&clinic.run("users mini --max-retries 0"), 1, &["connection"]);
    // The account is there; the ledger knows only that it was asked for.
    assert_eq!((pool.accounts().len(), clinic.ledger()), (1, vec!["Ana made unbound".into()]));
    assert_eq!(clinic.rows("select account from trasvase.account"), [[None]]);
    says(&clinic.run("users mini"), 0, &[]);
    assert_eq!(
        (pool.accounts().len(), clinic.ledger()),
        (3, vec!["Ana made".into(), "Eva made".into(), "Luis made".into()])
    );
}

#[test]
fn whom_the_pool_refuses_is_named_and_the_others_get_theirs() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    let refuse = What::Refuse(400, "InvalidParameterException");
    pool.rules(&[Rule { operation: "AdminCreateUser", after: 1, times: 1, what: refuse }]);
    let answer = clinic.json("users mini", 3);
    assert_eq!(
        (counts(&answer), found(&answer)),
        ([2, 0, 0, 0], BTreeMap::from([("refused".into(), vec!["2".into()])]))
    );
    assert_eq!(answer["plan"]["findings"][0]["detail"], "InvalidParameterException");
    assert_eq!(clinic.ids().values().flatten().count(), 2);
    assert_eq!(counts(&clinic.json("users mini", 0)), [1, 0, 0, 2]);
}

#[test]
fn pools_name_accounts_in_their_own_way() {
    for names in [Names::Alias, Names::Free] {
        let pool = Pool::new(names, &["doctors", "desk"]);
        let clinic = Clinic::of(&pool, "password = 'forgotten'", STAFF);
        assert_eq!(counts(&clinic.json("users mini", 0)), [3, 0, 0, 0]);
        for (email, (sub, groups, user)) in pool.accounts() {
            let is_email = user.username() == Some(email.as_str());
            assert_eq!((is_email, groups.len()), (names == Names::Free, 0), "{user:?}");
            assert!(clinic.ids().values().any(|id| id.as_ref() == Some(&sub)));
            assert_eq!(user.user_status().unwrap().as_str(), "CONFIRMED");
        }
        // Nobody is invited, nobody knows the password, and no trace of it is left.
        let passwords: Vec<String> = pool
            .asked("AdminSetUserPassword")
            .iter()
            .map(|asked| asked["Password"].as_str().unwrap().to_owned())
            .collect();
        assert!(
            passwords.len() == 3
                && passwords[0] != passwords[1]
                && passwords.iter().all(|one| one.len() > 30)
        );
        assert!(pool.asked("AdminCreateUser").iter().all(|asked| asked["MessageAction"] == "SUPPRESS"));
        clinic.look_at_files(&passwords.iter().map(String::as_str).collect::<Vec<_>>());
        pool.rules(&[]);
        assert_eq!((counts(&clinic.json("users mini", 0)), pool.changes()), ([0, 0, 0, 3], vec![]));
        says(&clinic.run("users mini --remove last --confirm mini"), 0, &["removed now: 3"]);
        assert!(pool.accounts().is_empty());
    }
}

#[test]
fn what_is_wrong_is_told_before_anything_is_written() {
    let pool = Pool::new(Names::Email, &["doctors"]);
    let mut clinic = Clinic::of(&pool, "attributes = { name = 'name' }", STAFF);
    let toml = "clinics/mini/clinic.toml";
    let good = std::fs::read_to_string(clinic.mini.path().join(toml)).unwrap();
    for (from, to, code, said) in [
        ("attributes = { name", "groups = { DOCTOR = 'doctor' } # {", 2, "has no group doctor"),
        ("attributes = { name", "groups = { DOCTOR = 'doctor' } # {", 2, "did you mean doctors?"),
        ("attributes = { name", "attributes = { nickname2", 2, "has no attribute nickname2"),
        ("= 'name' }", "= 'nam' }", 2, "did you mean name?"),
        (
            "attributes =",
            "column = 'login'\nattributes =",
            2,
            "alter table \"public\".\"app_user\" add column \"login\" text",
        ),
        ("attributes =", "table = 'app_users'\nattributes =", 2, "did you mean app_user?"),
        (
            "attributes =",
            "from = 'clean.staff'\ntable = 'app_user'\nattributes =",
            1,
            "there is no clean.staff",
        ),
        ("attributes =", "from = 'raw.staff'\nattributes =", 2, "a staged table with one row a person"),
        ("attributes =", "pool = 'eu-west-1_nope'\nattributes =", 1, "there is no user pool eu-west-1_nope"),
        ("'cognito'", "'auth0'", 2, "unknown variant `auth0`"),
        ("[users]", "[notusers]", 2, "notusers"),
    ] {
        clinic.mini.write(toml, &good.replace(from, to));
        says(&clinic.run("users mini"), code, &[said]);
    }
    let without = good.split("[users]").next().unwrap().to_owned()
        + "[limits]"
        + good.split("[limits]").nth(1).unwrap();
    clinic.mini.write(toml, &without);
    says(&clinic.run("users mini"), 2, &["has no [users]"]);
    clinic.mini.write(toml, &good);
    for (code, said) in [
        ("AccessDeniedException", "denies cognito-idp:DescribeUserPool"),
        ("UnrecognizedClientException", "does not take the credentials"),
        ("SomethingNewException", "refuses cognito-idp:DescribeUserPool"),
    ] {
        pool.rules(&[Rule {
            operation: "DescribeUserPool",
            after: 0,
            times: 1,
            what: What::Refuse(400, code),
        }]);
        says(&clinic.run("users mini"), 1, &[said]);
    }
    // Production is asked about by its name.
    pool.rules(&[]);
    says(&clinic.run("users mini --target production"), 2, &["--confirm mini"]);
    says(&clinic.run("users mini --disable x --remove y"), 2, &[]);
    assert!(pool.changes().is_empty() && pool.accounts().is_empty());
    clinic.environment.retain(|(name, _)| *name != "COGNITO_USER_POOL_ID");
    says(&clinic.run("users mini"), 2, &["COGNITO_USER_POOL_ID is not set"]);
}

#[test]
fn rows_that_the_target_numbers_get_their_ids_too() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    says(&clinic.run("clean mini --confirm mini"), 0, &[]);
    clinic.mini.execute(
        "drop table app_user; create table app_user (number bigint generated by default as identity primary key, \
         name text not null, email text, role text, sub text unique); insert into app_user (name) values ('Somebody')",
    );
    clinic.mini.write(
        "sql/systems/small/target/app_user.sql",
        "-- one row somebody who works there\n\
         select -row_number() over (order by golden_id) as number, name, email, role, golden_id as _source_id, _id from golden.app_user\n",
    );
    clinic.mini.edit("clinics/mini/clinic.toml", "[load]", "[tables.app_user]\nkeys = \"new\"\n\n[load]");
    says(&clinic.run("run mini --until verify"), 0, &[]);
    assert_eq!(counts(&clinic.json("users mini", 0)), [3, 0, 0, 0]);
    let accounts = pool.accounts();
    let ids = clinic.ids();
    for (name, email) in
        [("Ana", "ana@clinic.example"), ("Luis", "luis@clinic.example"), ("Eva", "eva@clinic.example")]
    {
        assert_eq!(ids[name].as_ref(), Some(&accounts[email].0), "{name}");
    }
    assert_eq!(ids["Somebody"], None);
    assert_eq!(counts(&clinic.json("users mini", 0)), [0, 0, 0, 3]);
    says(&clinic.run("run mini --until verify"), 0, &[]);
    says(&clinic.run("rollback mini last --confirm mini"), 0, &[]);
    assert_eq!(clinic.ids().values().flatten().count(), 0);
}

#[test]
fn who_is_not_in_the_target_gets_no_account() {
    let pool = Pool::new(Names::Email, &["doctors", "desk"]);
    let clinic = Clinic::of(&pool, SECTION, STAFF);
    clinic.mini.execute("delete from app_user where name = 'Eva'");
    let answer = clinic.json("users mini", 3);
    assert_eq!(
        (counts(&answer), found(&answer)),
        ([2, 0, 0, 0], BTreeMap::from([("not_in_target".into(), vec!["3".into()])]))
    );
    assert_eq!(pool.accounts().len(), 2);
}
