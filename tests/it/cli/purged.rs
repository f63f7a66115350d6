//! What can still be taken back once a purge destroyed how rows were before.

use super::clinic::Mini;
use super::safety::says;
use super::ways_out::says_not;
use crate::support;

fn texts(mini: &Mini, sql: &str) -> Vec<String> {
    support::runtime().block_on(async {
        let session = mini.database.client().await;
        session.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    })
}

fn people(mini: &Mini, people: &str) {
    mini.write("clinics/mini/sources/people.csv", &format!("code;name;born\n{people}"));
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", &format!("\"\" = \"{}\"", people.lines().count()));
    says(&mini.run(&["run", "mini"]), 0, &[]);
}

/// Signs the last batch off, and destroys what the ledger has of rows as they were.
fn purge(mini: &Mini) {
    mini.edit("clinics/mini/clinic.toml", "[limits]", "[retention]\ndays = 0\n\n[limits]");
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &[]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    says(&mini.run(&["purge", "mini", "--confirm", "mini"]), 0, &[]);
    assert_eq!(texts(mini, "select count(*)::text from trasvase.change"), ["0"]);
}

const ALL: &str = "select name from person union all select 'a visit' from visit order by 1";

#[test]
fn rows_that_were_inserted_go_though_a_later_batch_that_changed_them_is_purged() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    people(&mini, "1;Anna;1980-05-01\n2;Luis;1975-12-31\n3;Eva;\n");
    purge(&mini);
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 1, &["purge"]);
    says(&mini.run(&["clean", "mini", "--confirm", "mini"]), 0, &["that could go is gone"]);
    assert!(texts(&mini, ALL).is_empty());
}

#[test]
fn what_may_have_been_there_before_stays_and_is_named() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let ana = &texts(&mini, "select id from person where name = 'Ana'")[0];
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &[]);
    mini.execute(&format!("insert into person (id, name) values ('{ana}', 'Before')"));
    says(&mini.run(&["run", "mini", "--from", "push"]), 0, &[]);
    purge(&mini);
    let told = "person 3 that may have been there before";
    for line in ["clean mini --dry-run", "clean mini --confirm mini"] {
        says(
            &mini.run(&line.split(' ').collect::<Vec<_>>()),
            3,
            &[told, "trasvase clean mini --keep-edited"],
        );
    }
    assert_eq!(texts(&mini, "select count(*)::text from visit"), ["3"]);
    says(&mini.run(&["clean", "mini", "--force", "--confirm", "mini"]), 0, &["may have been there before"]);
    assert_eq!(texts(&mini, ALL), ["Ana", "Eva", "Luis"]);
}

#[test]
fn rows_that_were_left_go_later_and_those_that_moved_on_do_not() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    people(&mini, "1;Ana;1980-05-01\n2;Luisa;1975-12-31\n3;Eva;\n");
    mini.execute("update person set name = 'Edited ' || name where name in ('Ana', 'Luisa')");
    says(&mini.run(&["clean", "mini", "--confirm", "mini"]), 3, &["--keep-edited"]);
    says(&mini.run(&["clean", "mini", "--keep-edited", "--confirm", "mini"]), 0, &[]);
    let left = ["Edited Ana", "Edited Luisa"];
    assert_eq!(texts(&mini, ALL), left);
    let told = "rows that were left before, since people had edited them or refer to them: person 2";
    says(&mini.run(&["clean", "mini", "--dry-run"]), 3, &[told, "--force"]);
    says(&mini.run(&["clean", "mini", "--keep-edited", "--confirm", "mini"]), 0, &[told]);
    assert_eq!(texts(&mini, ALL), left);
    // Somebody goes on with one: it may be anybody's by now.
    mini.execute("update person set name = 'Theirs' where name = 'Edited Luisa'");
    let forced = mini.run(&["clean", "mini", "--force", "--confirm", "mini"]);
    says(&forced, 0, &["that could go is gone"]);
    says_not(&forced, "with --force they go too");
    assert_eq!(texts(&mini, ALL), ["Theirs"]);
    says(&mini.run(&["clean", "mini"]), 0, &["no batch of mini stands"]);
    assert_eq!(texts(&mini, "select distinct status from trasvase.batch"), ["rolled_back"]);
}

#[test]
fn a_row_that_was_left_and_pushed_over_is_left_again_named_and_goes_by_force() {
    let clean = ["clean", "mini", "--confirm", "mini"];
    let told = "rows that were left before, since people had edited them or refer to them: person 1";
    for forced_at_once in [false, true] {
        let mini = Mini::new();
        says(&mini.run(&["run", "mini"]), 0, &[]);
        mini.execute("update person set name = 'Edited' where name = 'Ana'");
        says(&mini.run(&[&clean[..], &["--keep-edited"]].concat()), 0, &[told]);
        let ana = &texts(&mini, "select id from person")[0];
        let wrote = &texts(&mini, "select id from trasvase.batch")[0];
        let trace = ["trace", "mini", "--target", "person", ana];
        says(&mini.run(&trace), 0, &[&format!("which batch {wrote} wrote and which was left")]);
        says(&mini.run(&["run", "mini", "--yes"]), 0, &[]);
        assert_eq!(texts(&mini, "select name from person where name like 'E%i%'"), [""; 0]);
        if !forced_at_once {
            says(&mini.run(&["clean", "mini", "--dry-run"]), 0, &[told]);
            says(&mini.run(&clean), 0, &[told]);
            assert_eq!(texts(&mini, ALL), ["Edited"]);
            says(&mini.run(&trace), 0, &[&format!("which batch {wrote} wrote and which was left")]);
        }
        says(&mini.run(&[&clean[..], &["--force"]].concat()), 0, &["that could go is gone"]);
        assert!(texts(&mini, ALL).is_empty(), "at once: {forced_at_once}");
        assert_eq!(texts(&mini, "select key from trasvase.left_behind"), [""; 0]);
        says(&mini.run(&["clean", "mini"]), 0, &["no batch of mini stands"]);
    }
}

#[test]
fn rows_that_were_left_and_that_the_source_has_no_more_are_told_by_verify() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("update person set name = 'Edited' where name = 'Eva'");
    let back = ["rollback", "mini", "last", "--keep-edited", "--confirm", "mini"];
    says(&mini.run(&back), 0, &[]);
    mini.edit("clinics/mini/sources/visits.csv", "13;3;2024-04-08;odd\n", "");
    people(&mini, "1;Ana;1980-05-01\n2;Luis;1975-12-31\n");
    says(&mini.run(&["verify", "mini"]), 0, &["no batch that stands, rows of person: 1"]);
    says(&mini.run(&["verify", "mini", "--lang", "es"]), 0, &["filas de person: 1"]);
    let (verified, _) = mini.json("verify mini");
    assert_eq!(verified["stages"][0]["report"]["tables"][0]["left"], 1, "{verified}");
    let (written, _) = mini.json("report mini");
    let text = |form: &str| std::fs::read_to_string(written[form].as_str().unwrap()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text("json")).unwrap();
    let tables = report["verification"]["tables"].as_array().unwrap();
    let left: Vec<String> =
        tables.iter().map(|one| format!("{} {}", one["table"].as_str().unwrap(), one["left"])).collect();
    assert_eq!(left, ["person 1", "visit null"]);
    assert!(text("page").contains("no batch that stands, rows of person: 1"));
    // As soon as somebody goes on with it, it is nobody's that anybody knows of.
    mini.execute("update person set name = 'Theirs' where name = 'Edited'");
    let (verified, _) = mini.json("verify mini");
    assert!(verified["stages"][0]["report"]["tables"][0].get("left").is_none(), "{verified}");
}

#[test]
fn what_a_purged_batch_deleted_is_told_and_does_not_come_back() {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "[load]\n", "[load]\nvanished = \"delete\"\n");
    mini.edit("clinics/mini/sources/visits.csv", "12;9;2024-03-07;first\n", "");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.edit("clinics/mini/sources/visits.csv", "13;3;2024-04-08;odd\n", "");
    says(&mini.run(&["run", "mini", "--yes"]), 0, &[]);
    purge(&mini);
    says(
        &mini.run(&["clean", "mini", "--confirm", "mini"]),
        3,
        &["visit 1 deleted by a batch whose rows a purge destroyed"],
    );
    says(
        &mini.run(&["clean", "mini", "--keep-edited", "--confirm", "mini"]),
        0,
        &["deleted by a batch whose rows a purge destroyed"],
    );
    assert!(texts(&mini, ALL).is_empty());
}

#[test]
fn a_row_that_was_left_and_that_a_push_took_over_as_it_is_is_still_peoples() {
    let mini = Mini::new();
    let clean = ["clean", "mini", "--confirm", "mini"];
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("update person set name = 'Edited' where name = 'Ana'");
    says(&mini.run(&[&clean[..], &["--keep-edited"]].concat()), 0, &[]);
    // The source says the same by now.
    people(&mini, "1;Edited;1980-05-01\n2;Luis;1975-12-31\n3;Eva;\n");
    let adopted = "select counts->'person'->>'adopted' from trasvase.batch order by number desc limit 1";
    assert_eq!(texts(&mini, adopted), ["1"]);
    let all = texts(&mini, ALL);
    for line in [&["clean", "mini", "--dry-run"][..], &clean] {
        says(&mini.run(line), 3, &["person 1 edited since", "trasvase clean mini --keep-edited"]);
    }
    assert_eq!(texts(&mini, ALL), all);
    let told = "rows that were left before, since people had edited them or refer to them: person 1";
    says(&mini.run(&[&clean[..], &["--keep-edited"]].concat()), 0, &[told]);
    assert_eq!(texts(&mini, ALL), ["Edited"]);
    says(&mini.run(&[&clean[..], &["--force"]].concat()), 0, &["that could go is gone"]);
    assert!(texts(&mini, ALL).is_empty());
    // Nobody edited one that stayed for another's sake: it goes, also once it was taken over.
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("update visit set kind = 'THEIRS' where kind = 'RETURN'");
    says(&mini.run(&[&clean[..], &["--keep-edited"]].concat()), 0, &[]);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let left = texts(
        &mini,
        "select p.name from person p join visit v on v.person_id = p.id where v.kind = 'RETURN'",
    );
    assert_eq!(left, ["Luis"]);
    let theirs = mini.run(&["clean", "mini", "--dry-run"]);
    let told = String::from_utf8_lossy(&theirs.stderr) + String::from_utf8_lossy(&theirs.stdout);
    assert!(!told.contains("person 1 edited"), "{told}");
}
