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
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &[]);
    says(
        &mini.run(&["trace", "mini", "people", "2"]),
        0,
        &["no more in PostgreSQL: person", "was taken back"],
    );
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

#[test]
fn a_row_with_a_new_key_is_known_by_its_record_wherever_that_stands_now() {
    let mini = Mini::new();
    let schema = "create table person (id integer generated by default as identity primary key, name text not null, born date);\n\
         create table visit (id text primary key, person_id integer not null references person, day date not null, kind text);\n";
    mini.execute(&format!("drop table visit; drop table person; {schema}"));
    mini.write("schema/small.sql", schema);
    let number = "-row_number() over (order by source_id) as id";
    mini.write(
        "sql/systems/small/target/person.sql",
        &format!("-- one row a person\nselect {number}, name, born, source_id as _source_id, _id from golden.person\n"),
    );
    mini.write(
        "sql/systems/small/target/visit.sql",
        &format!(
            "-- one row a visit\nwith p as (select {number}, source_id from golden.person)\n\
             select v.golden_id as id, p.id as person_id, v.day, v.kind, v._id\n\
             from golden.visit v left join p on p.source_id = v.person_source_id\n"
        ),
    );
    mini.edit("clinics/mini/clinic.toml", "[limits]", "[tables.person]\nkeys = \"new\"\n\n[limits]");
    mini.write("clinics/mini/sources/visits.csv", "number;person;day;kind\n10;1;2024-01-05;first\n");
    let people = "clinics/mini/sources/people.csv";
    mini.write(people, "code;name;born\n1;Ana;\n2;Bea;\n3;Cid;\n");
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    mini.write(people, "code;name;born\n0;Abe;\n1;Ana;\n2;Bea;\n");
    says(&mini.run(&["run", "mini", "--until", "push", "--yes"]), 0, &[]);
    for (record, row) in [("0", "4"), ("1", "1"), ("2", "2")] {
        let told = mini.run(&["trace", "mini", "people", record]);
        says(&told, 0, &["imported", &format!("in PostgreSQL: person {row},")]);
    }
    // The way back too.
    let back = mini.run(&["trace", "mini", "--table", "person", "1"]);
    says(&back, 0, &["person 1: records 1", "people:1:2: sources/people.csv, line 3, key 1"]);
    says_not(&back, "not among the rows that are ready now");
    says(
        &mini.run(&["trace", "mini", "--table", "person", "3"]),
        0,
        &["person 3: records 0", "no setting says"],
    );
}

/// Three people without ids of their own in the ledger, of whom the second one's row is told.
fn known_by_place() -> (Mini, String) {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", "mode = \"upsert\"\nvanished = \"delete\"");
    mini.edit("clinics/mini/clinic.toml", "\"*\" = \"50%\"", "\"*\" = \"100%\"");
    mini.write("clinics/mini/sources/visits.csv", "number;person;day;kind\n10;1;2024-01-05;first\n");
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    let (found, _) = mini.json("trace mini people 2");
    (mini, found["records"][0]["fates"][0]["id"].as_str().unwrap().to_owned())
}

#[test]
fn a_row_is_never_told_as_the_record_that_stands_in_its_place_by_now() {
    let (mini, row) = known_by_place();
    let back = ["trace", "mini", "--target", "person", &row];
    let model = "sql/sources/ledger/clean/person.sql";
    // In the delivery that was pushed its place is its own.
    mini.edit(model, "from raw.people", "from raw.people where code not in ('2', '7')");
    says(&mini.run(&["run", "mini", "--until", "export", "--yes"]), 0, &[]);
    says(&mini.run(&back), 0, &["records 1", "people:1:2: sources/people.csv, line 3", "filtered"]);
    mini.write("clinics/mini/sources/people.csv", "code;name;born\n1;Ana;1980-05-01\n7;;\n3;Eva;\n");
    let gone = |more: &str| {
        says(&mini.run(&["run", "mini", "--until", "export", "--yes"]), 0, &[]);
        let told = mini.run(&back);
        says(&told, 0, &[&format!("person {row}: records 0"), more]);
        says_not(&told, "people:1:2");
        mini.json(&back.join(" ")).0
    };
    // Filtered, and then rejected.
    assert_eq!(gone("a push deletes it")["records"], serde_json::json!([]));
    mini.edit(model, " where code not in ('2', '7')", "");
    let found = gone("nobody can tell whether the source still has it");
    assert_eq!(
        (&found["records"], &found["row"]["records"], &found["row"]["target"]["earlier"]),
        (&serde_json::json!([]), &serde_json::json!([]), &"nameless".into())
    );
    // A row whose record is rejected itself is its record's, wherever that stands.
    mini.write("clinics/mini/sources/people.csv", "code;name;born\n1;Ana;1980-05-01\n3;Eva;\n2;;\n");
    says(&mini.run(&["run", "mini", "--until", "export", "--yes"]), 0, &[]);
    says(&mini.run(&back), 0, &["records 1", "people:1:3: sources/people.csv, line 4, key 2: rejected"]);
}

#[test]
fn why_a_vanished_row_stands_is_what_a_push_goes_by() {
    let (mini, _) = known_by_place();
    let exported = || says(&mini.run(&["run", "mini", "--until", "export", "--yes"]), 0, &[]);
    let two = ["trace", "mini", "people", "2"];
    mini.write("clinics/mini/sources/people.csv", "code;name;born\n1;Ana;1980-05-01\n7;;\n3;Eva;\n");
    exported();
    let told = mini.run(&two);
    says(&told, 0, &["nobody can tell", "with a _source_id in the model target.person a push can tell"]);
    says_not(&told, "a push deletes it");
    says(
        &mini.run(&["trace", "people", "2", "--lang", "es"]),
        0,
        &["con un _source_id en el modelo target.person"],
    );
    says(&mini.run(&["push", "mini", "--yes"]), 0, &[]);
    mini.execute("do $$ begin assert (select count(*) = 3 from person); end $$");
    // With it a push can tell, and people's changes count.
    mini.edit("sql/systems/small/target/person.sql", "_id from", "source_id as _source_id, _id from");
    exported();
    says(&mini.run(&two), 0, &["a push deletes it"]);
    mini.edit("clinics/mini/clinic.toml", "vanished =", "on_conflict = \"keep_target\"\nvanished =");
    mini.execute("update person set name = 'Theirs' where name = 'Luis'");
    says(&mini.run(&two), 0, &["people changed it, and that stands"]);
}
