//! What goes wrong is said with what to type next, and what people decided about a conflict holds.

use std::fs;

use super::clinic::Mini;
use super::safety::says;
use super::ways_out::says_not;

const REFUSE: &str = "create function refuse() returns trigger language plpgsql as \
     $$ begin raise exception 'not with %', new.name; end $$; \
     create trigger refuse before update on person for each row execute function refuse()";

fn ran() -> Mini {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini
}

fn batch(mini: &Mini) -> String {
    mini.json("push mini").0.to_string();
    super::super::support::runtime().block_on(async {
        let session = mini.database.client().await;
        let sql = "select id from trasvase.batch order by number desc limit 1";
        session.client.query_one(sql, &[]).await.unwrap().get(0)
    })
}

#[test]
fn a_trigger_that_raises_is_named_with_what_to_do_and_without_a_value() {
    let mini = ran();
    mini.execute(REFUSE);
    mini.edit("clinics/mini/sources/people.csv", "Ana", "Anabel");
    let told = mini.run(&["run", "mini"]);
    says(
        &told,
        1,
        &[
            "a trigger or function of the target refuses a row",
            "P0001",
            "function refuse()",
            "a file in checks/",
        ],
    );
    says_not(&told, "Anabel");
    let told = mini.run(&["run", "mini", "--lang", "es"]);
    says(&told, 1, &["un disparador o una función del destino rechaza una fila", "función refuse()"]);
}

#[test]
fn rows_on_which_a_check_fails_are_rejected_like_those_that_it_refuses() {
    let mini = ran();
    mini.execute(
        "create function must(name text) returns boolean language plpgsql immutable as \
         $$ begin if name = 'Lucas' then raise exception 'no %', name; end if; return name <> 'Evita'; end $$; \
         alter table person add constraint fine check (must(name)) not valid",
    );
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Lucas");
    mini.edit("clinics/mini/sources/people.csv", "Eva", "Evita");
    mini.edit("clinics/mini/clinic.toml", "\"*\" = \"50%\"", "\"*\" = \"100%\"");
    says(&mini.run(&["run", "mini", "--until", "check"]), 0, &[]);
    let rejected =
        "select name, _errors[1].rule as rule, _errors[1].constraint_name as name from reject.person";
    says(&mini.run(&["sql", "mini", rejected]), 0, &["Lucas", "Evita", "check", "fine"]);
}

#[test]
fn batches_that_are_not_there_are_told_with_those_that_are() {
    let mini = Mini::new();
    for command in ["rollback", "redo"] {
        let told = mini.run(&[command, "mini", "last"]);
        says(&told, 1, &["no batch of mini stands in this target", "trasvase status mini"]);
    }
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let last = batch(&mini);
    for line in [["rollback", "mini", "zzz"], ["redo", "mini", "zzz"]] {
        says(&mini.run(&line), 2, &["begins with zzz", &last, "trasvase rollback mini last --dry-run"]);
    }
    says(
        &mini.run(&["redo", "mini", &last, "--lang", "es"]),
        1,
        &["no se ha deshecho: está completo y sigue en pie"],
    );
    says(&mini.run(&["verify", "mini", "--since", "zzz"]), 2, &["begins with zzz", &last]);
    says(&mini.run(&["verify", "mini", "--since", "last"]), 0, &[]);
    says(
        &mini.run(&["redo", "mini", "last"]),
        1,
        &["was taken back", "trasvase rollback mini last --dry-run"],
    );
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &["trasvase redo mini"]);
    says(&mini.run(&["rollback", "mini", "last"]), 1, &[&format!("trasvase redo mini {last}")]);

    let snapshots = mini.path().join("staging/mini/snapshots");
    fs::rename(&snapshots, mini.path().join("elsewhere")).unwrap();
    let told = mini.run(&["redo", "mini", "last"]);
    says(&told, 1, &["is not on this machine any more", "staging/mini/snapshots/", "trasvase run mini"]);
    fs::rename(mini.path().join("elsewhere"), &snapshots).unwrap();
    says(&mini.run(&["redo", "mini", "last"]), 0, &["pushed: batch"]);
}

#[test]
fn a_target_that_nobody_has_is_told_with_those_that_there_are() {
    let mini = Mini::new();
    for line in [&["status", "mini", "--target", "nope"][..], &["status", "--target", "nope"]] {
        says(&mini.run(line), 2, &["no target 'nope'", "production, rehearsal, embedded"]);
    }
    says(&mini.run(&["status", "mini", "--target", "rehearsal"]), 0, &[]);
}

#[test]
fn what_was_taken_back_keeps_nobody_from_a_purge() {
    let mini = ran();
    let signed = batch(&mini);
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &[]);
    mini.edit("clinics/mini/sources/people.csv", "Ana", "Anabel");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let purge = ["purge", "mini", "--dry-run"];
    says(&mini.run(&purge), 2, &["nobody signed", "trasvase signoff mini"]);
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &[]);
    says(&mini.run(&purge), 0, &["staging/mini/snapshots/"]);
    // What was made since is nobody's who signed.
    mini.edit("clinics/mini/sources/people.csv", "Anabel", "Anita");
    says(&mini.run(&["load", "mini"]), 0, &[]);
    says(&mini.run(&purge), 2, &[&signed, "taken back", "trasvase run mini", "trasvase signoff mini last"]);
}

#[test]
fn what_was_loaded_between_a_push_and_its_rollback_is_not_purged_with_it() {
    let mini = ran();
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &[]);
    mini.edit("clinics/mini/sources/people.csv", "Ana", "Anabel");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.edit("clinics/mini/sources/people.csv", "Anabel", "Anita");
    says(&mini.run(&["load", "mini"]), 0, &[]);
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &[]);
    says(&mini.run(&["purge", "mini", "--dry-run"]), 2, &["taken back", "trasvase run mini"]);
}

#[test]
fn a_checks_severity_counts_on_whichever_line_it_stands() {
    let mini = ran();
    let check = "clinics/mini/sql/checks/nobody.sql";
    mini.write(check, "-- severity: critical\n-- people who are there\nselect 1 from target.person\n");
    says(&mini.run(&["run", "mini"]), 3, &["nobody"]);
    mini.write(check, "-- severity: critical\nselect 1 from target.person\n");
    says(&mini.run(&["run", "mini"]), 1, &["nobody.sql:1: no comment", "-- severity: critical"]);
    mini.write(check, "-- people who are there\n-- severity: critcal\nselect 1 from target.person\n");
    says(
        &mini.run(&["run", "mini"]),
        2,
        &["nobody.sql", "'critcal' is no severity", "critical, warning or info"],
    );
}

#[test]
fn a_row_of_a_source_that_no_model_reads_is_found_by_its_number() {
    let mini = Mini::new();
    mini.write("clinics/mini/sources/rooms.csv", "room;floor\nA;1\nB;2\n");
    let settings = fs::read_to_string(mini.path().join("clinics/mini/clinic.toml")).unwrap();
    mini.write(
        "clinics/mini/clinic.toml",
        &format!("{settings}\n[sources.rooms]\nfiles = [\"sources/rooms.csv\"]\nunused = \"a look-up\"\n"),
    );
    says(&mini.run(&["load", "mini"]), 0, &[]);
    says(&mini.run(&["trace", "mini", "rooms", "2"]), 0, &["rooms:1:2: sources/rooms.csv, line 3"]);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    says(&mini.run(&["trace", "mini", "rooms", "2"]), 0, &["rooms:1:2: sources/rooms.csv, line 3"]);
    says(&mini.run(&["trace", "mini", "rooms", "rooms:1:2"]), 0, &["line 3"]);
    says(&mini.run(&["trace", "mini", "rooms", "7"]), 2, &["rooms has no record"]);
}

#[test]
fn a_conflict_that_people_accepted_stops_nothing_until_one_side_says_something_else() {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", "mode = \"upsert\"\non_conflict = \"report\"");
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute(
        "update person set name = 'Anna' where name = 'Ana'; delete from visit where kind = 'RETURN'",
    );
    mini.edit("clinics/mini/sources/people.csv", "Ana", "Anabel");
    let told = mini.run(&["run", "mini"]);
    says(&told, 3, &["wait for a decision", "trasvase issues mini --accept"]);
    says(
        &mini.run(&["push", "mini"]),
        3,
        &["people and the source disagree", "trasvase issues mini --accept"],
    );
    let (found, _) = mini.json("issues mini --all");
    let open: Vec<(&str, &str)> = found["issues"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["stage"] == "verify")
        .map(|one| (one["rule"].as_str().unwrap(), one["id"].as_str().unwrap()))
        .collect();
    let rules: Vec<&str> = open.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, ["kept_conflict", "missing_conflict"], "{found:#}");
    let accept = |id: &str| says(&mini.run(&["issues", "mini", "--accept", id, "--reason", "hers"]), 0, &[]);
    accept(open[0].1);
    says(&mini.run(&["verify", "mini"]), 3, &["(accepted)"]);
    accept(open[1].1);
    says(&mini.run(&["verify", "mini"]), 0, &["(accepted)"]);
    says(&mini.run(&["push", "mini"]), 0, &[]);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let (verified, _) = mini.json("verify mini");
    assert!(verified.to_string().contains("\"accepted\":true"), "{verified}");
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &["hers"]);
    // The source says something else yet: another conflict, about which nobody decided.
    mini.edit("clinics/mini/sources/people.csv", "Anabel", "Anita");
    says(&mini.run(&["run", "mini"]), 3, &["wait for a decision"]);
}

#[test]
fn a_row_that_the_source_has_no_more_and_that_people_changed_is_told_as_that() {
    let mini = Mini::new();
    let settings = "mode = \"upsert\"\non_conflict = \"report\"\nvanished = \"delete\"";
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", settings);
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("update person set name = 'Evita' where name = 'Eva'");
    mini.edit("clinics/mini/sources/people.csv", "3;Eva;\n", "");
    says(&mini.run(&["run", "mini"]), 3, &["wait for a decision"]);
    let en = "is not at the source any more, but people changed it in PostgreSQL: waits for a decision";
    says(&mini.run(&["verify", "mini"]), 3, &[en]);
    let es = "ya no está en el origen, pero alguien la cambió en PostgreSQL: espera una decisión";
    says(&mini.run(&["--lang", "es", "verify", "mini"]), 3, &[es]);
}

#[test]
fn each_reason_for_which_a_row_stays_has_its_number() {
    let mini = Mini::new();
    let settings = "mode = \"upsert\"\non_conflict = \"keep_target\"\nvanished = \"delete\"";
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", settings);
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "");
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"90%\"");
    mini.edit("clinics/mini/sources/people.csv", "3;Eva;\n", "3;Eva;\n4;Sol;\n5;Mar;\n6;Paz;\n");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    // Ana loses her name; Sol, Mar and Paz are gone. Somebody changed Sol, and Mar has come since.
    mini.edit("clinics/mini/sources/people.csv", "1;Ana;", "1;;");
    mini.edit("clinics/mini/sources/people.csv", "4;Sol;\n5;Mar;\n6;Paz;\n", "");
    mini.execute("update person set name = 'Soledad' where name = 'Sol'");
    mini.execute("insert into visit select 'theirs', id, date '2024-05-05' from person where name = 'Mar'");
    says(&mini.run(&["run", "mini", "--yes"]), 0, &[]);
    let told = [
        "  1  is not at the source any more, but people changed it, and that stands (on_conflict)",
        "  1  is not at the source any more, but stays, since rows that stay refer to it",
        "  1  its record is rejected now, and what was pushed of it stays",
    ];
    says(&mini.run(&["verify", "mini"]), 0, &told);
    says(&mini.run(&["verify", "mini", "--lang", "es"]), 0, &["  1  su registro se rechaza ahora"]);
    let (verified, _) = mini.json("verify mini");
    let tables = verified["stages"][0]["report"]["tables"].as_array().unwrap();
    let causes = |name: &str| {
        let table = tables.iter().find(|one| one["table"] == name).unwrap();
        let counts = table["counts"].as_array().unwrap().iter();
        counts.map(|one| format!("{} {}", one["cause"].as_str().unwrap(), one["rows"])).collect::<Vec<_>>()
    };
    assert_eq!(causes("person"), ["theirs 1", "held 1", "rejected 1"]);
    assert!(causes("visit").is_empty(), "their parents stand in the target");
    let (found, _) = mini.json("issues mini --all");
    let issues = found["issues"].as_array().unwrap().iter().filter(|one| one["stage"] == "verify");
    assert!(issues.clone().count() == 3 && issues.clone().all(|one| one["severity"] == "info"), "{found:#}");
}

#[test]
fn the_first_rows_that_break_a_rule_are_named_with_what_to_type_about_them() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("alter table visit add constraint no_first check (kind <> 'FIRST') not valid");
    let broken = mini.run(&["verify", "mini"]);
    let hint = "rows of visit that break no_first, the first: ";
    let told =
        ["every value is equal, but rules", "visit: rows that do not meet no_first: 1; the first: ", hint];
    says(&broken, 3, &told);
    let text = String::from_utf8_lossy(&broken.stderr).into_owned();
    let command =
        text.split("trasvase ").find(|words| words.starts_with("trace mini --table visit ")).unwrap();
    let words: Vec<&str> = command.split_whitespace().take(5).collect();
    says(&mini.run(&words), 0, &["visits:1:1: sources/visits.csv"]);
}
