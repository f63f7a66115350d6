//! Findings and decisions about them, anonymised samples, the end of a clinic's data.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::clinic::Mini;
use super::safety::says;
use crate::support;

const CHECK: &str = "-- persons without a birth date\n-- severity: critical\nselect id from target.person where born is null\n";

/// A clinic in which a critical check finds something.
fn with_check() -> Mini {
    let mini = Mini::new();
    mini.write("sql/systems/small/checks/no_birth_date.sql", CHECK);
    mini
}

/// The findings of a rule.
fn issue(mini: &Mini, rule: &str) -> Value {
    let (report, _) = mini.json("issues mini --all");
    let issues = report["issues"].as_array().unwrap();
    issues
        .iter()
        .find(|issue| issue["rule"] == rule)
        .unwrap_or_else(|| panic!("no {rule}: {report:#}"))
        .clone()
}

fn texts(mini: &Mini, sql: &str) -> Vec<String> {
    support::runtime().block_on(async {
        let session = mini.database.client().await;
        session.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    })
}

#[test]
fn an_accepted_finding_stops_nothing_and_stays_counted() {
    let mini = with_check();
    says(&mini.run(&["run", "mini"]), 3, &["no_birth_date"]);
    let found = issue(&mini, "no_birth_date");
    assert_eq!((&found["status"], &found["severity"]), (&"open".into(), &"critical".into()));
    says(&mini.run(&["issues", "mini"]), 0, &["open ", "critical "]);
    says(&mini.run(&["issues", "mini", "--lang", "es"]), 0, &["abierto ", "crítico "]);
    says(&mini.run(&["check", "mini", "--lang", "es"]), 3, &["crítico "]);
    let id = found["id"].as_str().unwrap().to_owned();
    says(&mini.run(&["issues", "mini", "--accept", &id]), 2, &["--reason"]);
    says(&mini.run(&["issues", "mini", "--accept", "nope", "--reason", "x"]), 2, &["nope"]);
    says(&mini.run(&["issues", "mini", "--accept", &id, "--reason", " "]), 2, &[]);
    let accept =
        ["issues", "mini", "--accept", &id[..6], "--reason", "never asked, says Eva", "--who", "Max"];
    says(&mini.run(&accept), 0, &["accepted", "never asked, says Eva", "fixes/issues.csv"]);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let found = issue(&mini, "no_birth_date");
    assert_eq!(
        (&found["id"], &found["status"], &found["count"]),
        (&id.clone().into(), &"accepted".into(), &1.into())
    );
    let file = std::fs::read_to_string(mini.path().join("clinics/mini/fixes/issues.csv")).unwrap();
    assert!(file.starts_with("id,rule,subject,count,status,reason,who,when\n"), "{file}");
    assert!(
        file.contains(&format!("{id},no_birth_date,sql/systems/small/checks/no_birth_date.sql,1,accepted,\"never asked, says Eva\",Max,")),
        "{file}"
    );
    let ledger = "select id || ' ' || status || ' ' || count || ' ' || who || ' ' || reason from trasvase.issue where rule = 'no_birth_date'";
    assert_eq!(texts(&mini, ledger), [format!("{id} accepted 1 Max never asked, says Eva")]);
    let es = mini.run(&["--lang", "es", "issues", "mini"]);
    says(&es, 0, &["aceptado", "no_birth_date"]);
}

#[test]
fn a_source_that_breaks_off_stops_a_run_until_its_loss_is_accepted() {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"100%\"");
    mini.edit("clinics/mini/clinic.toml", "sources/people.csv", "sources/people.json");
    let whole: Vec<String> = [("1", "Ana"), ("2", "Luis"), ("3", "Eva"), ("4", "Iker")]
        .map(|(code, name)| format!("{{\"code\":\"{code}\",\"name\":\"{name}\",\"born\":\"1980-05-01\"}}"))
        .to_vec();
    let write = |text: &str| mini.write("clinics/mini/sources/people.json", text);
    let people = || texts(&mini, "select name from person order by name");
    for (text, rule, place) in [
        (format!("[{},\n{}\n", whole[0], whole[1]), "open_array", "sources/people.json, line 3: "),
        (
            format!("{}\n{}\n{}\n{{\"code", whole[0], whole[1], whole[2]),
            "cut_document",
            "sources/people.json, line 4: ",
        ),
    ] {
        write(&text);
        says(&mini.run(&["run", "mini"]), 3, &[place, "exported again", "trasvase issues mini --accept "]);
        says(&mini.run(&["check", "mini"]), 3, &[place]);
        says(&mini.run(&["export", "mini"]), 2, &["check failed"]);
        let es = mini.run(&["--lang", "es", "check", "mini"]);
        says(&es, 3, &["una fuente no está entera", "vuelvan a exportar"]);
        assert!(people().is_empty(), "{rule}");
        assert_eq!(issue(&mini, rule)["severity"], "critical");
    }
    let found = issue(&mini, "cut_document");
    let id = found["id"].as_str().unwrap();
    says(&mini.run(&["issues", "mini", "--accept", id, "--reason", "the rest is lost, says Eva"]), 0, &[]);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    assert_eq!(people(), ["Ana", "Eva", "Luis"]);
    let (answer, _) = mini.json("report mini");
    let read = |name: &str| std::fs::read_to_string(answer[name].as_str().unwrap()).unwrap();
    let (page, report) = (read("page"), serde_json::from_str::<Value>(&read("json")).unwrap());
    assert!(page.contains("Not everything was read") && !page.contains("Nothing was lost"), "{page}");
    assert_eq!((&report["answer"]["verdict"], &report["answer"]["lost"]), (&"lost".into(), &1.into()));
    let source = |report: &Value| {
        report["sources"].as_array().unwrap().iter().find(|one| one["source"] == "people").cloned()
    };
    assert_eq!(source(&report).unwrap()["complete"], false);
    // Another file that is cut is another loss; a whole one is none.
    write(&format!("{}\n{}\n{}\n{{\"code\":", whole[0], whole[1], whole[2]));
    says(&mini.run(&["run", "mini"]), 3, &["sources/people.json, line 4: "]);
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "\"\" = \"4\"");
    write(&whole.join("\n"));
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let (answer, _) = mini.json("report mini");
    let page = std::fs::read_to_string(answer["page"].as_str().unwrap()).unwrap();
    assert!(page.contains("Nothing was lost"), "{page}");
}

#[test]
fn an_accepted_finding_that_grows_is_open_again() {
    let mini = with_check();
    let people = std::fs::read_to_string(mini.path().join("clinics/mini/sources/people.csv")).unwrap();
    let checked = |more: &str, code: i32, parts: &[&str]| {
        mini.write("clinics/mini/sources/people.csv", &format!("{people}{more}"));
        says(&mini.run(&["load", "mini"]), 0, &[]);
        says(&mini.run(&["transform", "mini"]), 0, &[]);
        says(&mini.run(&["check", "mini"]), code, parts);
    };
    checked("", 3, &["no_birth_date"]);
    let id = issue(&mini, "no_birth_date")["id"].as_str().unwrap().to_owned();
    says(&mini.run(&["issues", "mini", "--accept", &id, "--reason", "never asked"]), 0, &[]);
    checked("", 0, &[]);
    checked("4;Sol;\n", 3, &["no_birth_date"]);
    let grown = issue(&mini, "no_birth_date");
    let found = (&grown["status"], &grown["count"], &grown["grown_from"]);
    assert_eq!(found, (&"open".into(), &2.into(), &1.into()));
    says(&mini.run(&["issues", "mini"]), 0, &["open: grew from"]);
    says(&mini.run(&["issues", "mini", "--accept", &id, "--reason", "she neither"]), 0, &["accepted"]);
    checked("4;Sol;\n", 0, &[]);
    // Fewer are covered as well, and without a count any number is.
    checked("", 0, &[]);
    assert_eq!(issue(&mini, "no_birth_date")["status"], "accepted");
    mini.edit("clinics/mini/fixes/issues.csv", "no_birth_date.sql,2,accepted", "no_birth_date.sql,,accepted");
    checked("4;Sol;\n5;Mar;\n6;Paz;\n", 0, &[]);
    mini.edit(
        "clinics/mini/fixes/issues.csv",
        "no_birth_date.sql,,accepted",
        "no_birth_date.sql,many,accepted",
    );
    checked("", 1, &["fixes/issues.csv:3", "count", "how many"]);
}

#[test]
fn a_resolved_finding_that_comes_back_is_open_again_and_says_so() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let found = issue(&mini, "unmapped_value");
    let id = found["id"].as_str().unwrap();
    says(&mini.run(&["issues", "mini", "--resolve", id, "--reason", "mapped"]), 0, &["resolved"]);
    assert_eq!(issue(&mini, "unmapped_value")["status"], "resolved");
    says(&mini.run(&["transform", "mini"]), 0, &[]);
    let found = issue(&mini, "unmapped_value");
    assert_eq!((&found["status"], &found["returned"]), (&"open".into(), &true.into()));
    says(&mini.run(&["issues", "mini"]), 0, &["came back"]);
    mini.write(
        "clinics/mini/maps/kind.csv",
        "source_value,target_value\nfirst,FIRST\nagain,RETURN\nodd,ODD\n",
    );
    says(&mini.run(&["transform", "mini"]), 0, &[]);
    let found = issue(&mini, "unmapped_value");
    assert_eq!((&found["status"], &found["count"]), (&"resolved".into(), &0.into()));
}

#[test]
fn a_decision_changes_no_snapshot() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let latest = || std::fs::read_to_string(mini.path().join("staging/mini/snapshots/latest")).unwrap();
    let before = latest();
    let id = issue(&mini, "unmapped_value")["id"].as_str().unwrap().to_owned();
    says(&mini.run(&["issues", "mini", "--accept", &id, "--reason", "odd"]), 0, &[]);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    assert_eq!(latest(), before);
    let manifest = mini.path().join("staging/mini/snapshots").join(before.trim()).join("manifest.json");
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    let kept =
        manifest["issues"].as_array().unwrap().iter().find(|issue| issue["id"] == id.as_str()).unwrap();
    assert_eq!((&kept["status"], &kept["reason"]), (&"accepted".into(), &"odd".into()));
}

#[test]
fn rows_that_verify_finds_to_differ_are_findings() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    mini.execute("update person set name = 'Somebody' where name = 'Ana'");
    says(&mini.run(&["verify", "mini"]), 3, &[]);
    let found = issue(&mini, "different_edited");
    assert_eq!(
        [&found["stage"], &found["subject"], &found["severity"], &found["count"]],
        [&Value::from("verify"), &"person".into(), &"warning".into(), &1.into()]
    );
    let accept = ["issues", "mini", "--accept", found["id"].as_str().unwrap(), "--reason", "Eva mended it"];
    says(&mini.run(&accept), 0, &["accepted"]);
    // Who accepted it did not see what is done later, be it to the same row and column.
    mini.execute("update person set name = 'Somebody else' where name = 'Somebody'");
    let signoff = ["signoff", "mini", "last", "--by", "Eva"];
    says(&mini.run(&signoff), 3, &["person different_edited (1)"]);
    says(&mini.run(&["verify", "mini"]), 3, &[]);
    let (report, _) = mini.json("issues mini");
    let open = report["issues"].as_array().unwrap().iter();
    let open: Vec<_> = open.filter(|one| one["rule"] == "different_edited" && one["count"] == 1).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["status"], "open");
    mini.execute("update person set name = 'Somebody' where name = 'Somebody else'");
    says(&mini.run(&signoff), 0, &["signed off"]);
}

#[test]
fn what_is_not_signed_off_is_not_purged() {
    let mini = Mini::new();
    says(&mini.run(&["purge", "mini", "--confirm", "mini"]), 2, &["not signed off"]);
    says(&mini.run(&["run", "mini", "--until", "push"]), 0, &[]);
    says(&mini.run(&["purge", "mini", "--confirm", "mini"]), 2, &["not signed off"]);
    mini.execute("update person set name = 'Somebody' where name = 'Ana'");
    says(&mini.run(&["verify", "mini"]), 3, &[]);
    says(&mini.run(&["purge", "mini", "--confirm", "mini"]), 2, &["not signed off"]);
    mini.execute("update person set name = 'Ana' where name = 'Somebody'");
    says(&mini.run(&["verify", "mini"]), 0, &[]);
    says(&mini.run(&["purge", "mini", "--dry-run"]), 2, &["not signed off", "trasvase signoff mini"]);
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &[]);
    says(&mini.run(&["purge", "mini", "--dry-run"]), 0, &["staging/mini/snapshots/"]);
    says(&mini.run(&["load", "mini", "--force"]), 0, &[]);
    says(&mini.run(&["purge", "mini", "--dry-run"]), 2, &["not signed off"]);
    assert!(mini.path().join("staging/mini/mini.duckdb").is_file());
}

#[test]
fn a_purge_leaves_a_list_and_nothing_else() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Luisa");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let changes = || texts(&mini, "select count(*)::text from trasvase.change");
    assert_eq!(changes(), ["1"]);
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &[]);
    says(&mini.run(&["purge", "mini", "--dry-run"]), 0, &["staging/mini/snapshots/", "[retention]"]);
    let staging = mini.path().join("staging/mini");
    let before = std::fs::read(staging.join("mini.duckdb")).unwrap();
    says(&mini.run(&["purge", "mini"]), 2, &["--confirm mini"]);
    says(&mini.run(&["purge", "mini", "--confirm", "other"]), 2, &[]);
    says(&mini.run(&["purge", "mini", "--yes"]), 2, &["--confirm mini"]);
    assert_eq!(std::fs::read(staging.join("mini.duckdb")).unwrap(), before);
    let (report, code) = mini.json("purge mini --confirm mini --who Max");
    assert_eq!(code, 0);
    assert!(!staging.exists());
    // What was signed can still be compared with the target.
    says(
        &mini.run(&["verify", "mini", "--signoff"]),
        0,
        &["destroyed by a purge", "Everything is as it was signed"],
    );
    mini.execute("update person set name = 'Somebody' where name = 'Ana'");
    let (signed, code) = mini.json("verify mini --signoff");
    let broken = signed["lines"].as_array().unwrap().iter().find(|line| line["holds"] == false).unwrap();
    assert_eq!((code, &broken["name"], &broken["state"]), (3, &"person".into(), &"changed".into()));
    mini.execute("update person set name = 'Ana' where name = 'Somebody'");
    assert_eq!(changes(), ["1"], "without [retention] the ledger keeps everything");
    let list = std::fs::read_to_string(mini.path().join(report["list"].as_str().unwrap())).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let files: BTreeSet<&str> =
        list["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(
        files.contains("staging/mini/mini.duckdb") && files.iter().any(|file| file.contains("/logs/")),
        "{files:?}"
    );
    let database =
        list["files"].as_array().unwrap().iter().find(|file| file["path"] == "staging/mini/mini.duckdb");
    assert_eq!(database.unwrap()["sha256"], hex(&before));
    assert_eq!(list["who"], "Max");
    // What was older only later goes later, without a staging file.
    let settings = mini.path().join("clinics/mini/clinic.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text + "\n[retention]\ndays = 0\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    says(&mini.run(&["purge", "mini", "--dry-run"]), 0, &["trasvase.change"]);
    let (report, _) = mini.json("purge mini --confirm mini");
    assert_eq!((&report["ledger"][0]["table"], &report["ledger"][0]["rows"]), (&"change".into(), &1.into()));
    assert_eq!(changes(), ["0"]);
    assert_eq!(texts(&mini, "select count(*)::text from trasvase.batch where purged_at is not null"), ["1"]);
    says(&mini.run(&["purge", "mini", "--confirm", "mini"]), 0, &["nothing to destroy"]);
    assert_eq!(texts(&mini, "select count(*)::text from person"), ["3"]);
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 1, &["purge"]);
}

fn hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Forty people with a sex, a doctor, a date and a mail address.
fn many_people() -> String {
    let row = |n: usize| {
        let (sex, doctor) = (["Mujer", "Hombre"][n % 2], ["Ruiz", "Gil"][n % 2]);
        format!(
            "{};Ana Gil {n};19{:02}-05-01;{sex};{doctor};ana{n}@clinica.es;{};\n",
            1000 + n,
            10 + n,
            1000 + n / 2
        )
    };
    format!("code;name;born;sex;reviewer;mail;parent;spare\n{}", (0..40).map(row).collect::<String>())
}

#[test]
fn a_sample_has_the_shape_of_its_source_and_none_of_its_people() {
    let mini = Mini::new();
    mini.write("clinics/mini/sources/people.csv", &many_people());
    says(&mini.run(&["load", "mini"]), 0, &[]);
    says(&mini.run(&["sample", "mini", "people", "--out", "s.csv"]), 2, &["--anonymise"]);
    assert!(!mini.path().join("s.csv").exists());
    says(&mini.run(&["sample", "mini", "persons", "--anonymise", "--out", "s.csv"]), 2, &["people"]);
    // To be looked at, without a value; the clinic and the number may be left out.
    let shown = mini.run(&["sample", "people", "3"]);
    says(&shown, 0, &["code", "9999", "rows of people: 3"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("Ana"), "{shown:?}");
    let (rows, code) = mini.json("sample mini people");
    assert_eq!(
        (code, rows["sample"].as_array().unwrap().len(), &rows["sample"][0]["born"]),
        (0, 40, &"9999-99-99".into())
    );
    let (rows, _) = mini.json("sample mini people 5 --anonymise");
    assert_eq!((&rows["style"], rows["sample"].as_array().unwrap().len()), (&"anonymised".into(), 5));
    says(&mini.run(&["sample", "mini", "people", "all"]), 2, &["'all'", "trasvase sample"]);
    says(&mini.run(&["sample", "mini", "people", "--show-values"]), 2, &[]);
    says(&mini.run(&["sample"]), 2, &["trasvase sample <clinic> <source> <rows>"]);
    let (report, code) = mini.json("sample mini people 30 --anonymise --out s.csv");
    assert_eq!((code, &report["rows"]), (0, &30.into()));
    let how = |name: &str| {
        let column =
            report["columns"].as_array().unwrap().iter().find(|column| column["column"] == name).unwrap();
        (column["how"].as_str().unwrap().to_owned(), column["person"].as_bool().unwrap())
    };
    assert_eq!(how("sex"), ("kept".to_owned(), false));
    // Its values are surnames that stand in a column of names too.
    assert_eq!(how("reviewer"), ("text".to_owned(), true));
    assert_eq!(
        (how("born").0, how("mail").0, how("code").0),
        ("dates".into(), "emails".into(), "codes".into())
    );
    assert_eq!(how("spare").0, "empty");
    let text = std::fs::read_to_string(mini.path().join("s.csv")).unwrap();
    for old in ["Ana", "Gil", "clinica", "Ruiz"] {
        assert!(!text.contains(old), "{old} in:\n{text}");
    }
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 30);
    let codes: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(codes.len(), 30);
    assert!(rows.iter().all(|row| row[0].len() == 4
        && row[2].len() == 10
        && row[3].len() >= 5
        && row[5].ends_with("@example.com")));
    // A parent is a person's code, and stays one.
    assert!(rows.iter().any(|row| codes.contains(row[6])), "{text}");
    says(&mini.run(&["sample", "mini", "people", "30", "--anonymise", "--out", "t.csv"]), 0, &["sex"]);
    assert_eq!(std::fs::read_to_string(mini.path().join("t.csv")).unwrap(), text);
}

/// Files and folders below a folder that somebody else could read or enter.
fn open_ones(folder: &Path, found: &mut Vec<String>) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        if mode != expected {
            found.push(format!("{mode:o} {}", path.display()));
        }
        if path.is_dir() {
            open_ones(&path, found);
        }
    }
}

#[test]
fn every_file_below_staging_is_its_owners_alone() {
    let mini = Mini::new();
    let section = "[dedupe.person]\nblock.all = \"'1'\"\ncompare.name = { as = \"text\" }\ncompare.born = { as = \"date\" }\n\n[control.people]";
    mini.edit("clinics/mini/clinic.toml", "[control.people]", section);
    mini.edit("sql/systems/small/target/person.sql", "_id from", "_ids from");
    says(&mini.run(&["run", "mini", "--allow-pending"]), 0, &[]);
    says(&mini.run(&["dedupe", "mini", "person", "--report"]), 0, &[]);
    says(&mini.run(&["sample", "mini", "people", "--anonymise", "--out", "staging/mini/s.csv"]), 0, &[]);
    mini.execute("delete from visit");
    says(&mini.run(&["verify", "mini"]), 3, &[]);
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Lu\"is");
    mini.run(&["run", "mini", "--allow-pending"]);
    let mut found = Vec::new();
    open_ones(&mini.path().join("staging/mini"), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}
