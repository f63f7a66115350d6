//! `trace` as it is typed: which way, what it shows and hides, and that it writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::clinic::Mini;
use super::safety::says;
use super::ways_out::says_not;

/// Every file below a folder, with what it holds and when it was written.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let written = path.metadata().unwrap().modified().unwrap();
            found.insert(path.clone(), (std::fs::read(&path).unwrap(), written));
        }
    }
    found
}

#[test]
fn a_record_and_a_row_are_followed_without_a_cell() {
    let mini = Mini::new();
    says(&mini.run(&["load", "mini"]), 0, &[]);
    says(&mini.run(&["trace", "mini", "people", "1:2"]), 0, &["line 3, key ?: not checked yet"]);
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    let before = files(mini.path());
    let there = mini.run(&["trace", "mini", "people", "2"]);
    let told =
        ["people:1:2: sources/people.csv, line 3, key 2: imported", "clean.person", "in PostgreSQL: person"];
    says(&there, 0, &told);
    says_not(&there, "Luis");
    says(&mini.run(&["trace", "people", "2", "--lang", "es"]), 0, &["línea 3, clave 2: importado"]);
    let (found, _) = mini.json("trace mini people 2");
    let (row, target) = (&found["records"][0]["fates"][0]["id"], &found["records"][0]["target"][0]);
    assert_eq!((&target["id"], &target["as_loaded"]), (row, &true.into()), "{found}");
    let id = row.as_str().unwrap();
    for line in [["trace", "mini", "--table", "person", id], ["trace", "mini", "--target", "person", id]] {
        let back = mini.run(&line);
        says(&back, 0, &[&format!("person {id}: records 1"), "people:1:2: sources/people.csv, line 3"]);
        says_not(&back, "Luis");
    }
    assert!(!found.to_string().contains("Luis"), "{found}");
    says(&mini.run(&["trace", "mini", "visits", "12"]), 0, &["rejected", "orphan(person_id"]);
    assert!(files(mini.path()) == before, "a question wrote something");
}

#[test]
fn a_record_that_another_superseded_is_told_in_the_readers_language() {
    let mini = Mini::new();
    let people = "files = [\"sources/people.csv\"]";
    mini.edit("clinics/mini/clinic.toml", people, &format!("{people}\nkey = [\"code\"]\ncursor = \"born\""));
    let file = "clinics/mini/sources/people.csv";
    mini.edit(file, "3;Eva;", "3;Eva;1990-01-01\n2;Luisa;1999-01-01");
    says(&mini.run(&["run", "mini", "--until", "check"]), 0, &[]);
    says(&mini.run(&["trace", "mini", "people", "1:2"]), 0, &["superseded by people:1:4"]);
    says(&mini.run(&["trace", "people", "1:2", "--lang", "es"]), 0, &["la sustituye people:1:4"]);
}

#[test]
fn a_correction_is_named_with_its_line_and_never_its_value() {
    let mini = Mini::new();
    mini.write("clinics/mini/fixes/person.csv", "source_id,column,value,reason,who\n2,name,Lucio,typo,Eva\n");
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    let there = mini.run(&["trace", "mini", "people", "2"]);
    says(&there, 0, &["(fixes/person.csv:2, Eva)"]);
    says_not(&there, "Lucio");
    let (found, _) = mini.json("trace mini people 2");
    let steps = found["records"][0]["steps"].as_array().unwrap();
    let clean = steps.iter().find(|step| step["table"] == "clean.person").unwrap();
    assert_eq!(clean["corrections"][0]["reason"], "typo");
    says_not(&mini.run(&["trace", "mini", "people", "1"]), "fixes/");
}

#[test]
fn what_cannot_be_answered_is_said() {
    let mini = Mini::new();
    says(&mini.run(&["trace", "mini", "people", "2"]), 1, &["trasvase load mini"]);
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    let mut far = mini.command(&["trace", "mini", "people", "2"]);
    let far =
        far.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none?connect_timeout=2").output().unwrap();
    says(&far, 0, &["key 2: imported", "PostgreSQL (DATABASE_URL) was not asked: "]);
    says_not(&far, "in PostgreSQL: person");
    says(&mini.run(&["trace", "mini", "people", "77"]), 2, &["people has no record with the key or row 77"]);
    says(&mini.run(&["trace", "mini", "persons", "2"]), 2, &["no source persons was loaded", "people"]);
    says(&mini.run(&["trace", "mini", "--table", "person", "nobody"]), 2, &["person has no row nobody"]);
    says(&mini.run(&["trace", "mini"]), 2, &["trasvase trace"]);
    says(&mini.run(&["trace", "mini", "people", "2", "--show-values"]), 2, &["terminal"]);
}

#[test]
fn what_earlier_deliveries_became_is_told_by_key_and_with_the_command_that_goes_on() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    // Luis has lost his name, and Eva is gone with her visit.
    mini.write("clinics/mini/sources/people.csv", "code;name;born\n1;Ana;1980-05-01\n2;;1975-12-31\n");
    mini.edit("clinics/mini/sources/visits.csv", "13;3;2024-04-08;odd\n", "");
    mini.edit("clinics/mini/clinic.toml", "\"*\" = \"50%\"", "\"*\" = \"90%\"");
    says(&mini.run(&["run", "mini", "--until", "push", "--yes"]), 0, &[]);
    let state = "that is the state of an earlier snapshot: ";
    let rejected = format!("{state}the record is rejected now");
    says(&mini.run(&["trace", "mini", "people", "2"]), 0, &["rejected", "in PostgreSQL: person", &rejected]);
    says_not(&mini.run(&["trace", "mini", "visits", "11"]), state);
    let told =
        ["of an earlier delivery the ledger knows", "in PostgreSQL: person", "as batch", "no setting says"];
    let gone = mini.run(&["trace", "mini", "people", "3"]);
    says(&gone, 0, &told);
    says(&mini.run(&["trace", "mini", "people", "3", "--lang", "es"]), 0, &["de una entrega anterior"]);
    // The command that is named goes on.
    let text = String::from_utf8_lossy(&gone.stdout).into_owned();
    let command = text.lines().find_map(|line| line.trim().strip_prefix("trasvase ")).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[..5], ["trace", "mini", "--target", "person", words[4]]);
    says(&mini.run(&words), 0, &["not among the rows that are ready now", "no setting says"]);
    let (found, _) = mini.json("trace mini people 3");
    assert_eq!(
        (&found["records"], &found["earlier"]["rows"][0]["earlier"]),
        (&serde_json::json!([]), &"unsaid".into())
    );
    says(&mini.run(&["trace", "mini", "people", "77"]), 2, &["trasvase trace mini --target <table> <id>"]);
    mini.execute("delete from visit");
    says(&mini.run(&["trace", "mini", "visits", "13"]), 0, &["no longer in PostgreSQL: visit"]);
}
