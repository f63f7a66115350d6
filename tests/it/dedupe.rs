//! Linkage as it is read: found against known pairs, explained, reported; and what holds for any set of persons.

mod generated;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use trasvase::config::Clinic;
use trasvase::dedupe::explain::Explainer;
use trasvase::staging::{Access, Limits, Staging};

use crate::support::{self, TestProject};

const SETTINGS: &str = r#"
uid = "01JGKGC000SENSES0000AAAAAA"
epoch = "2026-01-02T00:00:00Z"
product = "persons"
system = "persons"
timezone = "Europe/Madrid"
country = "AU"
currency = "EUR"
[sources.p]
files = ["sources/p.csv"]
[dedupe.patient]
like = "person"
"#;

/// A project whose clinics are sets of persons.
struct Site(TestProject);

impl Site {
    fn new() -> Self {
        Self(support::project(&[]))
    }

    /// A clinic with this file as its only source; the first column is the source_id.
    fn clinic(&self, name: &str, csv: &str) {
        let folder = format!("clinics/{name}");
        self.0.write(&format!("{folder}/clinic.toml"), &format!("name = \"{name}\"{SETTINGS}"));
        self.0.write(&format!("{folder}/sources/p.csv"), csv);
        let columns: Vec<String> = csv.lines().next().unwrap().split(',').map(str::to_owned).collect();
        let cells: String =
            columns[1..].iter().map(|column| format!("nullif(trim({column}), '') as {column}, ")).collect();
        let model =
            format!("-- one row a person\nselect {} as source_id, {cells}_id from raw.p\n", columns[0]);
        self.0.write(&format!("{folder}/sql/clean/patient.sql"), &model);
        let target = "-- one row a person\nselect golden_id as id, _ids from golden.patient\n";
        self.0.write(&format!("{folder}/sql/target/patient.sql"), target);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trasvase"));
        for name in ["LANG", "LC_ALL", "LC_MESSAGES", "LANGUAGE", "COLUMNS", "DATABASE_URL"] {
            command.env_remove(name);
        }
        command.arg("--project").arg(self.0.path()).args(arguments).output().unwrap()
    }

    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    #[track_caller]
    fn link(&self, name: &str, csv: &str) {
        self.clinic(name, csv);
        self.text(&["load", name]);
        self.text(&["transform", name]);
    }

    #[track_caller]
    fn evaluate(&self, name: &str, truth: &Path) -> Value {
        self.json(&["evaluate", name, "patient", "--truth", truth.to_str().unwrap()])
    }

    fn staged(&self, name: &str) -> (Clinic, Staging) {
        let clinic = Clinic::read(&self.0.project, &name.parse().unwrap()).unwrap();
        let staging = Staging::open(&self.0.project, &clinic, Access::ReadOnly, &Limits::default()).unwrap();
        (clinic, staging)
    }
}

fn febrl(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/febrl").join(name)
}

/// A set of Febrl; without some columns, and only some records.
fn persons(name: &str, without: &[&str], wanted: impl Fn(&str) -> bool) -> String {
    let text = std::fs::read_to_string(febrl(name)).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let kept: Vec<usize> = (0..header.len()).filter(|at| !without.contains(&header[*at])).collect();
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        kept.iter().map(|at| cells[*at]).collect::<Vec<_>>().join(",")
    };
    let mut lines = text.lines();
    let first = line(lines.next().unwrap());
    let rest = lines.filter(|text| wanted(text.split(',').next().unwrap())).map(line);
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n") + "\n"
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[track_caller]
fn at_least(scores: &Value, f1: f64) {
    assert!(number(scores, "f1") >= f1 && number(scores, "precision") >= 0.999, "{scores}");
}

#[test]
fn febrl_1_is_found_whole_and_explained() {
    let site = Site::new();
    site.link("one", &persons("febrl1.csv", &[], |_| true));
    let truth = febrl("febrl1_true_links.csv");
    at_least(&site.evaluate("one", &truth), 1.0);
    every_kept_pair_is_explained(&site);
    what_is_told_is_told_in_both_languages(&site);
    the_report_is_private_and_masked(&site);
    truths_of_all_kinds_are_read(&site);
    pairs_are_explained_to_people(&site);
    the_missed_are_told_with_their_reason(&site);
}

fn every_kept_pair_is_explained(site: &Site) {
    let (clinic, staging) = site.staged("one");
    let explainer =
        Explainer::new(&site.0.project, &clinic, &staging, "patient", &clinic.dedupe["patient"]).unwrap();
    let rows = staging
        .rows("select right_id, left_id, weight from dedupe.patient order by 1, 2", |row| {
            Ok(((row.get::<_, String>(0)?, row.get::<_, String>(1)?), row.get::<_, f64>(2)?))
        })
        .unwrap();
    assert!(rows.len() >= 500);
    let pairs: Vec<(String, String)> = rows.iter().map(|(pair, _)| pair.clone()).collect();
    for (found, (pair, weight)) in explainer.explain_all(&pairs, &[]).unwrap().iter().zip(&rows) {
        let parts: f64 = found.waterfall.parts.iter().map(|part| part.bits + part.rarity).sum();
        let waterfall = &found.waterfall;
        let sum = waterfall.prior + parts + waterfall.household;
        assert!(
            (sum - weight).abs() < 1e-9 && (waterfall.weight - weight).abs() < 1e-9,
            "{pair:?}: {found:?}"
        );
        assert!(waterfall.household < 1e-9 && found.rules.iter().any(|rule| rule.compared), "{found:?}");
        assert_eq!((&found.left, &found.right), (&pair.1, &pair.0));
    }
}

fn what_is_told_is_told_in_both_languages(site: &Site) {
    let summary = site.json(&["dedupe", "one"]);
    assert_eq!(summary["clusters"]["clusters"], 500, "{summary}");
    assert_eq!((&summary["pairs"]["waiting"], &summary["outdated"]), (&Value::from(0), &Value::from(false)));
    let text = site.text(&["dedupe", "one", "patient"]);
    for part in ["rare_word", "never seen", "birth_date", "accepted", "clusters: 500, records in them: 1,000"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(site.text(&["dedupe", "one", "--lang", "es"]).contains("grupos: 500"));
    // A pair that no rule makes is explained all the same.
    let apart = ["dedupe", "one", "--explain", "rec-223-org", "rec-122-org"];
    let found = site.json(&apart);
    assert_eq!((found["verdict"].as_str(), found["left"].as_str()), (Some("rejected"), Some("rec-122-org")));
    assert!(found["rules"].as_array().unwrap().is_empty(), "{found}");
    assert!(site.text(&apart).contains("no blocking rule makes this pair"));
    let unknown = site.run(&["dedupe", "one", "--explain", "rec-223-org", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    let values = site.run(&[&apart[..], &["--show-values"]].concat());
    assert_eq!(values.status.code(), Some(2), "values go to a terminal only");
    // Before any pair is made, and with a rule that would make too many.
    let path = site.0.path().join("clinics/one/clinic.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.clone() + "block = { everyone = \"'x'\" }\n").unwrap();
    let blocking = site.text(&["dedupe", "one", "--blocking"]);
    assert!(blocking.contains("the biggest blocks are left out"), "{blocking}");
    std::fs::write(&path, settings + "accept = 0.9999999\n").unwrap();
    assert!(site.text(&["dedupe", "one"]).contains("not yet in the staging file"));
    let settings = std::fs::read_to_string(&path).unwrap().replace("accept = 0.9999999\n", "");
    std::fs::write(&path, settings).unwrap();
}

fn pairs_are_explained_to_people(site: &Site) {
    let (_, staging) = site.staged("one");
    let sql = "select left_id || ' ' || right_id from dedupe.patient where rarity > 1 and weight > 20 order by 1 limit 1";
    let ids: String = staging.value(sql).unwrap();
    drop(staging);
    let (left, right) = ids.split_once(' ').unwrap();
    let pair = ["dedupe", "one", "--explain", left, right];
    let found = site.json(&pair);
    assert_eq!((&found["verdict"], &found["one_cluster"]), (&"accepted".into(), &true.into()), "{found}");
    assert!(!found["rules"].as_array().unwrap().is_empty());
    let rarities = found["parts"].as_array().unwrap().iter().map(|part| number(part, "rarity"));
    assert!(number(&found, "rarity") > 1.0 && rarities.sum::<f64>() == number(&found, "rarity"), "{found}");
    let text = site.text(&pair);
    for part in [
        "any two records",
        "one household",
        "accepted: the probability is at least accept = 0.9",
        "they are one record now",
        "made by the rules (records of the block): ",
        &format!(
            "weight {:+.1} bits: probability {:.4}",
            number(&found, "weight"),
            number(&found, "probability")
        ),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in found["parts"].as_array().unwrap() {
        let name = part["comparison"].as_str().unwrap();
        let row = text.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).unwrap();
        assert!(row.contains(&format!("{:+.1}", number(part, "bits"))), "{part}: {row}");
    }
    let spanish = site.text(&[&pair[..], &["--lang", "es"]].concat());
    for part in ["dos registros cualesquiera", " igual ", "ahora son un solo registro"] {
        assert!(spanish.contains(part), "{part}: {spanish}");
    }
    let apart = site.text(&["dedupe", "one", "--explain", "rec-223-org", "rec-122-org"]);
    assert!(apart.contains("rejected: below review = 0.05") && apart.contains("they are two records now"));
}

/// With a threshold that hardly any pair reaches, and a true pair that somebody decided is none.
fn the_missed_are_told_with_their_reason(site: &Site) {
    let path = site.0.path().join("clinics/one/clinic.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings + "accept = 0.99999999999\nreview = 0.9999\n").unwrap();
    let links = "left,right,decision\nrec-223-org,rec-223-dup-0,cannot_link\n";
    site.0.write("clinics/one/fixes/patient.links.csv", links);
    site.text(&["transform", "one"]);
    let truth = febrl("febrl1_true_links.csv");
    let found = site.evaluate("one", &truth);
    let count = |value: &Value, name: &str| value[name].as_u64().unwrap();
    let because = &found["missed_because"];
    let reasons = ["not_compared", "too_low", "waiting", "apart"].map(|name| count(because, name));
    assert_eq!(reasons.iter().sum::<u64>(), count(&found, "missed"), "{found}");
    assert!(reasons[0] == 0 && reasons[1] > 0 && reasons[2] > 0 && reasons[3] == 1, "{found}");
    let (band, right) = (&found["review"], count(&found, "right"));
    assert_eq!((count(band, "right"), count(band, "pairs")), (reasons[2], reasons[2]), "{found}");
    let reviewed = u32::try_from(right + reasons[2]).unwrap();
    assert_eq!((number(band, "recall"), number(band, "precision")), (f64::from(reviewed) / 500.0, 1.0));
    let line = ["evaluate", "one", "--truth", truth.to_str().unwrap()];
    let text = site.text(&line);
    for part in [
        &format!(
            "waiting pairs: {0}, true ones among them: {0} (precision 1.0000); recall with them decided:",
            reasons[2]
        ),
        "held apart",
        "true pairs: 500",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let explained = site.json(&["dedupe", "one", "--explain", "rec-223-org", "rec-223-dup-0"]);
    assert_eq!((&explained["verdict"], &explained["one_cluster"]), (&"cannot_link".into(), &false.into()));
}

fn the_report_is_private_and_masked(site: &Site) {
    site.text(&["dedupe", "one", "patient", "--report"]);
    let path = site.0.path().join("staging/one/reports/dedupe-patient.html");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let page = std::fs::read_to_string(&path).unwrap();
    let surnames: BTreeSet<String> = persons("febrl1.csv", &[], |_| true)
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(2).map(|name| name.trim().to_owned()))
        .filter(|name| name.len() > 6)
        .collect();
    assert!(surnames.len() > 100 && page.contains("xxxxx") && page.contains("99999999"));
    assert!(surnames.iter().all(|name| !page.contains(name.as_str())));
    assert!(!page.contains("<script") && !page.contains("://") && page.contains("<svg"));
    let times = |part: &str| page.matches(part).count();
    assert_eq!((times("<h3>records: 2</h3>"), times("class=\"now\"")), (10, 1));
    let (bars, rules) = (times("class=\"level\""), times("class=\"tick\""));
    assert!(bars > 30 && rules > 5 && times("class=\"mark") == 2, "{bars} {rules}");
    for part in [
        "<h3>birth_date</h3>",
        "rare_word",
        "day and month swapped",
        "review 0.05",
        "<dd>1,000</dd>",
        "<dd>500</dd>",
        "lang=\"en\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let open = site.0.path().join("open.html");
    let spanish = ["--lang", "es", "--show-values", "--report", open.to_str().unwrap()];
    site.text(&[&["dedupe", "one", "patient"], &spanish[..]].concat());
    let page = std::fs::read_to_string(&open).unwrap();
    assert!(surnames.iter().any(|name| page.contains(name.as_str())) && page.contains("Reglas de bloqueo"));
    assert!(
        page.contains("lang=\"es\"")
            && page.contains("día y mes cambiados")
            && !page.contains("enmascarados")
    );
    assert_eq!(site.run(&["dedupe", "one", "--report", "page.pdf"]).status.code(), Some(2));
}

fn truths_of_all_kinds_are_read(site: &Site) {
    // Reversed, repeated, with a pair that is none, an id that nobody has, and one pair that follows from two others.
    let text = "a;b\r\nrec-223-org;rec-223-dup-0\r\nrec-223-dup-0;rec-223-org\r\nrec-223-org;rec-122-org\r\nrec-0-org;nobody\r\n";
    let truth = site.0.write("truth.csv", text);
    let found = site.evaluate("one", &truth);
    let about = &found["truth"];
    assert_eq!(
        ["pairs", "repeated", "unknown_ids", "unknown_pairs", "implied"]
            .map(|name| about[name].as_u64().unwrap()),
        [3, 1, 1, 1, 1],
        "{found}"
    );
    assert_eq!((&found["right"], &found["missed"]), (&Value::from(1), &Value::from(1)), "{found}");
    assert_eq!(found["missed_because"]["not_compared"], 1, "{found}");
    assert_eq!((number(&found, "recall"), &found["wrong"]), (0.5, &Value::from(499)), "{found}");
    let line = ["evaluate", "one", "--truth", truth.to_str().unwrap(), "--threshold-table"];
    let text = site.text(&line);
    for part in [
        "are not in the file: 1;",
        "say nothing new (repeated, reversed, or a record with itself): 1",
        "no record has: 1; pairs left out: 1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let table = site.json(&line)["thresholds"].as_array().unwrap().clone();
    assert_eq!(table.iter().map(|row| number(row, "threshold")).collect::<Vec<_>>()[..3], [0.5, 0.6, 0.7]);
    assert!(table.iter().all(|row| row["right"] == 1), "{table:?}");
    assert_eq!(site.run(&[&line[..], &["--min-f1", "0.99"]].concat()).status.code(), Some(3));
    let nobody = site.0.write("nobody.csv", "a,b\nx,y\n");
    assert_eq!(site.run(&["evaluate", "one", "--truth", nobody.to_str().unwrap()]).status.code(), Some(1));
}

#[test]
fn febrl_1_is_found_without_its_numbers() {
    let site = Site::new();
    site.link("one", &persons("febrl1.csv", &["soc_sec_id"], |_| true));
    at_least(&site.evaluate("one", &febrl("febrl1_true_links.csv")), 0.998);
}

#[test]
fn any_number_of_threads_gives_the_same_to_the_last_digit() {
    let site = Site::new();
    // Of few records, since each is linked three times.
    let few = |id: &str| id.split('-').nth(1).is_some_and(|number| number.len() < 3);
    site.clinic("one", &persons("febrl1.csv", &["soc_sec_id"], few));
    let mut seen = Vec::new();
    for threads in ["1", "2", "3"] {
        let _ = std::fs::remove_dir_all(site.0.path().join("staging/one"));
        site.text(&["load", "one", "--threads", threads]);
        site.text(&["transform", "one", "--threads", threads]);
        let model =
            std::fs::read_to_string(site.0.path().join("staging/one/dedupe/patient.model.json")).unwrap();
        let (_, staging) = site.staged("one");
        let pairs: Vec<String> =
            staging.rows("select p::varchar from dedupe.patient as p", |row| row.get(0)).unwrap();
        let weights: Vec<u64> = staging
            .rows("select weight from dedupe.patient", |row| Ok(row.get::<_, f64>(0)?.to_bits()))
            .unwrap();
        let xref: Vec<String> =
            staging.rows("select x::varchar from xref.patient as x", |row| row.get(0)).unwrap();
        seen.push((model, pairs, weights, xref));
    }
    assert!(!seen[0].1.is_empty() && seen[0] == seen[1] && seen[1] == seen[2]);
}

#[test]
fn febrl_2_is_found_and_its_originals_are_left_apart() {
    let site = Site::new();
    let truth = febrl("febrl2_true_links.csv");
    site.link("all", &persons("febrl2.csv", &[], |_| true));
    at_least(&site.evaluate("all", &truth), 0.998);
    site.link("none", &persons("febrl2.csv", &["soc_sec_id"], |_| true));
    at_least(&site.evaluate("none", &truth), 0.993);
    site.link("originals", &persons("febrl2.csv", &[], |id| id.ends_with("-org")));
    let summary = site.json(&["dedupe", "originals"]);
    let clusters = summary["clusters"]["clusters"].as_u64().unwrap();
    // One in 10,000 records is allowed.
    assert_eq!(clusters, 0, "false pairs in 4,000 records that are all different");
}

#[test]
fn records_without_source_id_are_told_of() {
    let site = Site::new();
    site.clinic(
        "acme",
        "id,given_name,surname,date_of_birth\n1,Ana,Ruiz,19800101\n,Eva,Sol,19900303\n,Luis,Paz,19700404\n",
    );
    site.text(&["load", "acme"]);
    for command in [&["transform", "acme"][..], &["dedupe", "acme"]] {
        let told = site.text(command);
        assert!(told.contains("patient: records of clean.patient without source_id: 2;"), "{told}");
        assert!(told.contains("trasvase sql acme \"from clean.patient where source_id is null\""), "{told}");
    }
    // Columns may have the names of those that say how records were linked.
    let scored =
        "id,given_name,surname,date_of_birth,score,reason\n1,Ana,Ruiz,19800101,7,a\n2,Eva,Sol,19900303,8,b\n";
    site.clinic("acme", scored);
    site.text(&["load", "acme"]);
    for command in [&["transform", "acme"][..], &["dedupe", "acme"]] {
        assert!(!site.text(command).contains("without source_id"));
    }
}

#[test]
fn tiny_and_empty_sets_are_linked_without_a_fuss() {
    let site = Site::new();
    let header = "id,given_name,surname,birth_date,phone\n";
    let ana = "Ana,Ruiz Gil,1981-05-03,600123456";
    let sets = [
        ("zero", String::new()),
        ("one", format!("1,{ana}\n")),
        ("two", format!("1,{ana}\n2,{ana}\n")),
        ("three", format!("1,{ana}\n2,Juan,Sol,1975-11-12,\n3,Eva,Mar,,\n")),
        ("equal", (0..40).map(|id| format!("{id},{ana}\n")).collect()),
        ("null", (0..40).map(|id| format!("{id},,,,\n")).collect()),
    ];
    for (name, rows) in sets {
        site.link(name, &format!("{header}{rows}"));
        let summary = site.json(&["dedupe", name]);
        let records = rows.lines().count() as u64;
        assert_eq!(summary["found"]["model"]["records"].as_u64(), Some(records), "{name}: {summary}");
        if ["zero", "one", "three", "null"].contains(&name) {
            assert_eq!(summary["clusters"]["clusters"], 0, "{name}: {summary}");
        }
        site.text(&["dedupe", name, "--report"]);
        site.text(&["dedupe", name, "--blocking"]);
    }
}
