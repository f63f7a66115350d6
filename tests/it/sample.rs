//! Samples of documents: the same shape, nobody in them, and what refers to each other still does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use trasvase::config::Clinic;
use trasvase::model::profile::SourceProfile;
use trasvase::model::run::Silent;
use trasvase::sample::{self, Style};
use trasvase::staging::{Access, Limits, Staging};
use trasvase::{load, profile};

use crate::support::{self, TestProject};

const SETTINGS: &str = r#"
name = "papers"
uid = "01JQY2VR00TESTMNABCDEFGHJK"
epoch = "2026-01-01T00:00:00Z"
product = "papers"
system = "newsystem"
timezone = "America/Bogota"
country = "CO"
currency = "COP"

[sources.users]
files = ["sources/users*"]

[sources.visits]
files = ["sources/visits*"]
"#;

struct Bench {
    project: TestProject,
    clinic: Clinic,
}

impl Bench {
    fn new(users: &str, visits: &str) -> Self {
        let project = support::project(&[]);
        project.write("clinics/papers/clinic.toml", SETTINGS);
        project.write("clinics/papers/sources/users.json", users);
        project.write("clinics/papers/sources/visits.json", visits);
        let clinic = Clinic::read(&project.project, &"papers".parse().unwrap()).unwrap();
        Self { project, clinic }
    }

    /// What the sources are, once they are loaded.
    fn loaded(&self) -> (Staging, profile::Report) {
        let (project, clinic) = (&self.project.project, &self.clinic);
        let staging = Staging::open(project, clinic, Access::Write, &Limits::default()).unwrap();
        let (only, force, incremental) = (Vec::new(), false, false);
        load::run(&load::Options { project, clinic, staging: &staging, only, force, incremental }, &Silent)
            .unwrap();
        let options =
            profile::Options { project, clinic, staging: &staging, only: Vec::new(), show_values: false };
        let report = profile::run(&options).unwrap();
        (staging, report)
    }

    fn sample(&self, staging: &Staging, source: &str, style: Style, out: Option<&str>) -> sample::Report {
        let (project, clinic) = (&self.project.project, &self.clinic);
        let out = out.map(|name| project.root().join(name));
        let (source, rows) = (source.to_owned(), 200);
        sample::run(&sample::Options { project, clinic, staging, source, rows, style, out }).unwrap()
    }
}

fn oid(number: usize) -> String {
    format!("65a1f0c2b3d4e5f607{number:06x}")
}

/// Users, and what they did: every kind of value that documents hold.
fn documents() -> (String, String) {
    let (mut users, mut visits) = (String::new(), String::new());
    for n in 0..60 {
        let _ = writeln!(
            users,
            r#"{{"_id":{{"$oid":"{}"}},"username":"zlxuser{n}","nick":"zlx{}","fullName":"Zlxana \"la\" Ruiz\u00f1 {n}","email":"zlxana{n}@clinica.es"}}"#,
            oid(n),
            ["ana", "eva", "luz", "sol"][n % 4].repeat(1 + n / 4),
        );
        let deep = "{\"x\":".repeat(300) + "\"zlxdeep\"" + &"}".repeat(300);
        let _ = writeln!(
            visits,
            r#"{{"_id":{{"$numberInt":"{}"}},"by":{{"id":"{}","username":"zlxuser{}"}},"at":{{"$date":{{"$numberLong":"{}"}}}},"seen":{{"$date":"2024-03-0{}T10:00:00.000Z"}},
              "createdAt":{},"born":"19{}-05-01","status":"{}","paid":{{"$numberDecimal":"{}.50"}},"big":{{"$numberLong":"9223372036854775807"}},"small":{{"$numberInt":"2147483647"}},
              "rate":1.7976931348623157e308,"odd":{{"$numberDouble":"NaN"}},"uuid":{{"$binary":{{"base64":"AUQy/iVYQ7abrOAP1KSLaQ==","subType":"04"}}}},"ts":{{"$timestamp":{{"t":1700000000,"i":{n}}}}},
              "tags":["zlxtag{n}",{n},true,null],"notes":[{{"text":"zlxpain\n\\ \u0001 {n}","n":-0.5}}],"byPatient":{{"{}":{{"total":{n}}}}},"deep":{}}}"#,
            n + 1,
            oid(n / 2),
            n / 2,
            1_700_000_000_000_i64 + n as i64,
            1 + n % 9,
            1_640_995_200_000_i64 + n as i64 * 86_400_000,
            50 + n % 40,
            if n % 3 == 0 { "done" } else { "open" },
            n,
            oid(n / 2),
            if n == 7 { &deep } else { "null" },
        );
    }
    (users, visits)
}

fn paths(source: &SourceProfile) -> Vec<String> {
    source
        .paths
        .iter()
        .map(|one| format!("{} {:?} {:?} {:?} {:?}", one.path, one.types, one.guess, one.verdict, one.reason))
        .collect()
}

fn lines(bench: &Bench, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(bench.project.project.root().join(name)).unwrap();
    assert!(!text.to_lowercase().contains("zlx") && !text.contains("clinica"), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| deep_line(line))).collect()
}

/// The one document that is deeper than this library reads, without what is deep.
fn deep_line(line: &str) -> Value {
    let (before, deep) = line.split_once(r#","deep":"#).unwrap();
    assert_eq!(deep.matches("{\"x\":").count(), 300);
    serde_json::from_str(&format!("{before}}}")).unwrap()
}

#[test]
fn an_anonymised_sample_of_documents_is_loaded_as_what_it_was() {
    let (users, visits) = documents();
    let bench = Bench::new(&users, &visits);
    let (staging, before) = bench.loaded();
    let told = bench.sample(&staging, "visits", Style::Anonymised, Some("visits.ndjson"));
    bench.sample(&staging, "users", Style::Anonymised, Some("users.ndjson"));
    let how = |path: &str| {
        let one = told.columns.iter().find(|one| one.column == path).unwrap_or_else(|| panic!("{path}"));
        format!("{:?} {}", one.how, one.kept)
    };
    assert_eq!(
        (how("status"), how("at"), how("by.id")),
        ("Kept 2".into(), "Dates 0".into(), "Codes 0".into())
    );

    let (seen, people) = (lines(&bench, "visits.ndjson"), lines(&bench, "users.ndjson"));
    assert_eq!((seen.len(), people.len()), (60, 60));
    let ids: BTreeSet<&str> = people.iter().map(|one| one["_id"]["$oid"].as_str().unwrap()).collect();
    assert!(
        ids.iter().all(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "{ids:?}"
    );
    assert_eq!(ids.len(), 60);
    let names: BTreeSet<&str> = people.iter().map(|one| one["username"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 60);
    for one in &seen {
        // Who did it is one of the users, by id, by name and by the name of a field.
        assert!(
            ids.contains(one["by"]["id"].as_str().unwrap())
                && names.contains(one["by"]["username"].as_str().unwrap())
        );
        assert!(ids.contains(one["byPatient"].as_object().unwrap().keys().next().unwrap().as_str()));
        assert!(
            one["at"]["$date"]["$numberLong"].as_str().unwrap().parse::<i64>().unwrap() > 1_600_000_000_000
        );
        assert!(one["big"]["$numberLong"].as_str().unwrap().parse::<i64>().is_ok());
        assert!(one["small"]["$numberInt"].as_str().unwrap().parse::<i32>().is_ok());
        assert_eq!(
            (&one["odd"]["$numberDouble"], &one["uuid"]["$binary"]["subType"]),
            (&"NaN".into(), &"04".into())
        );
        assert!(["done", "open"].contains(&one["status"].as_str().unwrap()));
        assert_eq!((&one["tags"][2], &one["tags"][3]), (&true.into(), &Value::Null));
    }

    // The same fields with the same types, and the same reasons for what they could become.
    bench.project.write("clinics/papers/sources/users.json", &file(&bench, "users.ndjson"));
    bench.project.write("clinics/papers/sources/visits.json", &file(&bench, "visits.ndjson"));
    drop(staging);
    let (staging, after) = bench.loaded();
    for (before, after) in before.sources.iter().zip(&after.sources) {
        assert_eq!((paths(before), before.rows, &before.keys[0]), (paths(after), after.rows, &after.keys[0]));
    }
    let names = |report: &profile::Report| -> Vec<String> {
        report.references.iter().map(|one| format!("{}.{} {}", one.source, one.column, one.parent)).collect()
    };
    assert_eq!(names(&before), names(&after));
    assert!(names(&after).contains(&"visits.by.id users".to_owned()), "{:?}", names(&after));
    let joined =
        "select count(*) from raw.visits v join raw.users u on v._doc ->> '$.by.username' = u.username";
    assert_eq!(staging.value::<u64>(joined).unwrap(), 60);
}

fn file(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.project.project.root().join(name)).unwrap()
}

#[test]
fn documents_are_shown_masked_but_for_the_names_of_their_fields() {
    let (users, visits) = documents();
    let bench = Bench::new(&users, &visits);
    let (staging, _) = bench.loaded();
    let masked = bench.sample(&staging, "visits", Style::Masked, None);
    let text = serde_json::to_string(&masked).unwrap();
    assert!(!text.contains("zlx") && !text.contains("65a1f0"), "{text}");
    assert_eq!((masked.rows, masked.sample.len()), (60, 60));
    let first = masked.sample.iter().map(|one| one.get()).find(|one| !one.contains("{\"x\":")).unwrap();
    let first: Value = serde_json::from_str(first).unwrap();
    assert_eq!(
        (&first["status"], &first["big"]["$numberLong"]),
        (&"xxxx".into(), &"9999999999999999999".into())
    );
    let shown = bench.sample(&staging, "visits", Style::Shown, None);
    assert!(serde_json::to_string(&shown).unwrap().contains("zlxpain"));
}
