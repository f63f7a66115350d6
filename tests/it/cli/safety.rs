//! What must not happen by the way: production dropped, files written, stages that go on with what a failed one left.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::clinic::Mini;
use super::{command, empty, run, staged};
use crate::support;

#[track_caller]
pub(super) fn says(output: &Output, code: i32, parts: &[&str]) {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
}

#[test]
fn production_is_reset_by_name_only_and_its_pushes_are_forgotten() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini", "--target", "rehearsal"]), 0, &[]);
    says(
        &mini.run(&["run", "mini", "--from", "push", "--target", "production", "--confirm", "mini"]),
        0,
        &[],
    );
    let production = ["schema", "reset", "mini", "--target", "production", "--yes"];
    says(&mini.run(&production), 2, &["--confirm mini"]);
    says(&mini.run(&[&production[..], &["--confirm", "other"]].concat()), 2, &[]);
    mini.execute("do $$ begin assert (select count(*) = 3 from person); end $$");
    assert_eq!(mini.states(), ["done"; 6]);
    says(&mini.run(&[&production[..], &["--confirm", "mini"]].concat()), 0, &[]);
    assert_eq!(mini.states()[3..], ["done", "pending", "pending"]);
    says(&mini.run(&["schema", "apply", "mini", "--target", "production"]), 2, &["--yes"]);
    says(&mini.run(&["schema", "apply", "mini", "--target", "production", "--yes"]), 0, &[]);
}

#[test]
fn a_dry_run_shows_the_plan_before_it_says_that_a_push_would_be_refused() {
    let mini = Mini::new();
    mini.edit("clinics/mini/sources/people.csv", "2;Luis;1975-12-31", "2;Ana;1980-05-01");
    let section = "[dedupe.person]\naccept = 0.999999999\nreview = 0.0000001\nblock.all = \"'1'\"\n\
                   compare.name = { as = \"text\" }\ncompare.born = { as = \"date\" }\n\n[control.people]";
    mini.edit("clinics/mini/clinic.toml", "[control.people]", section);
    mini.edit("sql/systems/small/target/person.sql", "_id from", "_ids from");
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    let refused = ["max_pending 0", "trasvase review mini person"];
    says(&mini.run(&["push", "mini"]), 3, &refused);
    let planned = mini.run(&["push", "mini", "--dry-run"]);
    says(&planned, 3, &refused);
    assert!(String::from_utf8_lossy(&planned.stdout).contains("upsert"), "{planned:?}");
    says(&mini.run(&["push", "mini", "--dry-run", "--allow-pending"]), 0, &[]);
}

#[test]
fn without_write_sql_only_reads() {
    let folder = staged();
    let file = folder.path().join("taken.csv");
    let copy = format!("copy raw.clients to '{}'", file.display());
    let export = format!("export database '{}'", file.display());
    let hidden = format!("select 1) a; {copy}; select * from (select 1");
    let sql = |statement: &str| run(folder.path(), &["sql", "acme", statement]);
    for statement in [copy.as_str(), export.as_str(), "attach ':memory:' as other", "set threads = 1"] {
        says(&sql(statement), 2, &["--write"]);
    }
    for statement in [hidden.as_str(), "select 1; select 2"] {
        says(&sql(statement), 2, &["more than one"]);
    }
    assert!(!file.exists());
    says(&sql("select ';' as a; -- one"), 0, &["rows: 1"]);
    for query in ["show all tables", "describe raw.clients", "summarize raw.clients"] {
        says(&sql(query), 0, &["rows: "]);
    }
    says(&sql("explain select * from raw.clients"), 0, &["physical_plan", "rows: 1"]);
    says(&sql("EXPLAIN ANALYZE select * from raw.clients"), 0, &["rows: 1"]);
    let plan = run(folder.path(), &["sql", "acme", "explain select 1", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan[0]["explain_key"], "physical_plan");
    says(&sql(&format!("explain analyze {copy}")), 2, &["--write"]);
    assert!(!file.exists());
}

#[test]
fn no_stage_goes_on_with_what_a_failed_one_left() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    mini.edit("sql/sources/ledger/clean/person.sql", "try_cast(born", "nope(born");
    says(&mini.run(&["transform", "mini", "--target", "rehearsal"]), 1, &[]);
    let check = mini.run(&["check", "mini", "--target", "rehearsal"]);
    says(&check, 2, &["trasvase run mini --from transform --until check --target rehearsal"]);
    says(&mini.run(&["push", "mini"]), 2, &["--from transform --until push"]);
    assert_eq!(mini.states()[..3], ["done", "failed", "stale"], "a refusal is no failure of its own");
    mini.edit("sql/sources/ledger/clean/person.sql", "nope(born", "try_cast(born");
    mini.edit("sql/sources/ledger/clean/person.sql", "name,", "upper(name) as name,");
    says(&mini.run(&["transform", "mini"]), 0, &[]);
    says(&mini.run(&["export", "mini"]), 0, &["trasvase run mini --from check --until export"]);
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"0\"");
    says(&mini.run(&["check", "mini"]), 3, &[]);
    says(&mini.run(&["export", "mini"]), 2, &["check failed"]);
}

#[test]
fn what_was_asked_wrongly_leaves_every_stage_as_it_was() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let done = ["done"; 6];
    assert_eq!(mini.states(), done);
    says(&mini.run(&["transform", "mini", "--select", "clean.nope"]), 2, &["there is no model clean.nope"]);
    says(&mini.run(&["transform", "mini", "--memory-limit", "abc"]), 2, &["'abc' is no size", "512MB"]);
    assert_eq!(mini.states(), done);
    let product = "product = \"ledger\"";
    mini.edit("clinics/mini/clinic.toml", product, "product = \"leger\"");
    says(&mini.run(&["transform", "mini"]), 2, &["no folder sql/sources/leger", "clinics/mini/sql/clean"]);
    mini.edit("clinics/mini/clinic.toml", "product = \"leger\"", product);
    assert_eq!(mini.states(), done);
    says(&mini.run(&["push", "mini", "--dry-run"]), 0, &[]);
}

#[test]
fn what_differs_says_which_mode_would_mend_it() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("update person set name = 'Other' where name = 'Ana'");
    let told = mini.run(&["verify", "mini"]);
    says(&told, 3, &["the load was right", "1  changed since they were written", "from meta.difference"]);
    assert!(!String::from_utf8_lossy(&told.stderr).contains("mode ="), "{told:?}");
    let fixed = mini.run(&["verify", "mini", "--fix-sql=fix.sql", "--sample", "1", "--format", "json"]);
    says(&fixed, 3, &["\"commented\": 1", "patients' data", "\"sample\": ["]);
    assert!(std::fs::read_to_string(mini.path().join("fix.sql")).unwrap().contains("\n-- update"));
    std::fs::remove_file(mini.path().join("staging/mini/mini.duckdb")).unwrap();
    says(&mini.run(&["verify", "mini"]), 3, &["there is no staging file"]);
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", "mode = \"insert\"");
    says(&mini.run(&["verify", "mini"]), 3, &["mode = \"upsert\" in clinic.toml for person"]);
    mini.edit("clinics/mini/clinic.toml", "mode = \"insert\"", "mode = \"upsert\"");
    mini.edit("clinics/mini/sources/visits.csv", "11;2;2024-02-06;again\n", "");
    says(&mini.run(&["run", "mini"]), 3, &["vanished = \"delete\"", "(visit)", "trasvase push mini"]);
}

#[test]
fn a_setting_that_is_there_is_not_proposed() {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", "mode = \"upsert\"\nvanished = \"delete\"");
    mini.write("clinics/mini/sources/visits.csv", "number;person;day;kind\n10;1;2024-01-05;first\n");
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    mini.edit("clinics/mini/sources/people.csv", "3;Eva;\n", "");
    says(&mini.run(&["run", "mini", "--until", "export", "--yes"]), 0, &[]);
    let told = mini.run(&["verify", "mini"]);
    says(&told, 3, &["(person); the next push deletes them: trasvase push mini"]);
    assert!(!String::from_utf8_lossy(&told.stderr).contains("vanished = "), "{told:?}");
}

#[test]
fn triggers_and_empty_tables_are_one_line_each_and_what_a_trigger_did_is_told() {
    let mini = Mini::new();
    mini.execute(
        "create function shout() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$; \
         create trigger shout before insert or update on person for each row execute function shout(); \
         create trigger louder before insert on person for each row execute function shout(); \
         create trigger silent before delete on visit for each row execute function shout()",
    );
    mini.write("clinics/mini/sources/visits.csv", "number;person;day;kind\n");
    let fire = "triggers that fire (2): person (louder → public.shout, shout → public.shout)\n";
    says(
        &mini.run(&["run", "mini", "--dry-run"]),
        0,
        &[fire, "tables without rows (1): visit\n", "those of person run before"],
    );
    let ran = mini.run(&["run", "mini"]);
    says(
        &ran,
        3,
        &[
            "was changed as it was written: name",
            "by a trigger (louder, shout)",
            "[tables.person] triggers = \"disable\"",
        ],
    );
    says(&mini.run(&["push", "mini"]), 0, &["nothing to do", "not sent again: person 3"]);
    mini.edit("clinics/mini/clinic.toml", "[limits]", "[tables.person]\ntriggers = \"disable\"\n\n[limits]");
    says(
        &mini.run(&["push", "mini"]),
        0,
        &["pushed: batch", "triggers are disabled during the load: person\n"],
    );
    says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", "mode = \"insert\"");
    mini.edit("clinics/mini/clinic.toml", "triggers = \"disable\"", "triggers = \"fire\"");
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Luisa");
    let kept = mini.run(&["run", "mini"]);
    says(&kept, 3, &["differs: name", "mode = \"upsert\" in clinic.toml for person"]);
    assert!(!String::from_utf8_lossy(&kept.stderr).contains("by a trigger"), "{kept:?}");
}

#[test]
fn hints_name_the_clinic_and_the_target() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    mini.execute("drop table visit; drop table person");
    let pushed = mini.run(&["push", "mini", "--target", "rehearsal"]);
    says(&pushed, 1, &["trasvase schema apply mini --target rehearsal"]);
    let doctor = mini.run(&["doctor", "mini", "--target", "rehearsal", "--format", "json"]);
    says(&doctor, 3, &["trasvase schema apply mini --target rehearsal"]);
    let unrehearsed = mini.run(&["status", "--target", "rehearsal"]);
    says(&unrehearsed, 0, &["trasvase log mini --errors"]);
}

#[test]
fn a_project_without_sources_or_sql_says_so() {
    let folder = empty();
    let made = run(folder.path(), &["init", "acme"]);
    says(&made, 0, &["sql/systems/clinicsay, schema/clinicsay.sql", "clone"]);
    says(&run(folder.path(), &["run"]), 2, &["[sources.NAME]", "clinics/acme/clinic.toml"]);
    let staged = staged();
    says(&run(staged.path(), &["transform", "acme"]), 2, &["sql/systems/clinicsay/", "clone"]);
    let whole = empty();
    std::fs::create_dir_all(whole.path().join("sql/systems/clinicsay")).unwrap();
    std::fs::create_dir_all(whole.path().join("schema")).unwrap();
    std::fs::write(whole.path().join("schema/clinicsay.sql"), "").unwrap();
    let made = run(whole.path(), &["init", "acme"]);
    assert!(!String::from_utf8_lossy(&made.stdout).contains("clone"), "{made:?}");
}

#[test]
fn the_first_ctrl_c_at_a_question_ends_it() {
    let mini = Mini::new();
    // `script` gives the program a terminal, and what it is sent is typed there.
    let line = format!("{} schema reset mini", env!("CARGO_BIN_EXE_trasvase"));
    let command = mini.command(&[]);
    let given: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(mini.path())
        .envs(given)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none(), "it waits for an answer");
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let start = Instant::now();
    let code = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None if start.elapsed() > Duration::from_secs(10) => {
                child.kill().unwrap();
                panic!("Ctrl-C is not heard");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(code, Some(130));
    mini.execute("do $$ begin assert (select count(*) = 0 from person); end $$");
}

/// The blocks of README's first clinic, by their language.
fn example(language: &str) -> String {
    let text = include_str!("../../../README.md").split("## A clinic in ten minutes").nth(1).unwrap();
    let block = text.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
    block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn the_first_clinic_of_the_readme_goes_all_the_way() {
    let project = support::project(&[]);
    let database = support::runtime().block_on(support::database());
    let here = |arguments: &[&str]| {
        command(project.path(), arguments).env("DATABASE_URL", &database.url).output().unwrap()
    };
    says(&here(&["init", "acme", "--product", "oldsoft", "--country", "ES"]), 0, &[]);
    project.write("clinics/acme/sources/clients.csv", &example("csv"));
    let settings = std::fs::read_to_string(project.path().join("clinics/acme/clinic.toml")).unwrap();
    let sources = format!("[sources]\n{}", example("toml"));
    project.write("clinics/acme/clinic.toml", &settings.replacen("[sources]\n", &sources, 1));
    project.write("sql/sources/oldsoft/clean/patient.sql", &example("sql"));
    says(&here(&["schema", "apply", "acme"]), 0, &[]);
    let repaired = ["birth_date_unreadable", "phone_unreadable", "phone_says_more"];
    says(&here(&["run", "acme"]), 0, &[&repaired[..], &["Equal: every value"]].concat());
    let kept = "select record_metadata ->> '$.extra.unreadable_birth_date' as birth_date, \
        record_metadata ->> '$.extra.unreadable_phone' as phone, \
        record_metadata ->> '$.extra.phone_as_written' as written from target.patient where len(_repairs) > 0";
    says(&here(&["maps", "acme", "--export"]), 0, &["every value has its translation"]);
    says(&here(&["sql", "acme", kept]), 0, &["31/02/1990", "6001", "600123456 / 600123457", "rows: 2"]);
    says(&here(&["sql", "acme", "from target.patient where last_name is not null"]), 0, &["rows: 3"]);
    // Every cell that says something has arrived somewhere.
    let arrived = "from target.patient where birth_date is not null and sex is not null";
    says(&here(&["sql", "acme", arrived]), 0, &["rows: 2"]);
    // By the tenant that init wrote, a patient whom someone entered by hand is known to be this clinic's.
    let by_hand = "insert into patient (id, clinic_id, first_name) select repeat('7', 26), clinic_id, 'X' from patient limit 1";
    support::runtime()
        .block_on(async { database.client().await.client.batch_execute(by_hand).await.unwrap() });
    says(&here(&["verify", "acme"]), 0, &["patient: rows of this clinic that someone else wrote: 1"]);
}

#[test]
fn a_file_that_no_model_reads_is_told_by_every_stage_until_its_reason_is_given() {
    let mini = Mini::new();
    let settings = "[sources.letters]\nfiles = [\"sources/letters.csv\"]\n";
    mini.edit("clinics/mini/clinic.toml", "[maps.kind]", &format!("{settings}\n[maps.kind]"));
    mini.write("clinics/mini/sources/letters.csv", "number;text\n1;a\n2;b\n");
    let advice = "[sources.letters] unused = \"...\"";
    says(
        &mini.run(&["run", "mini"]),
        0,
        &["sources of which nothing arrives 1", "unread_source", "UNREAD", advice],
    );
    says(&mini.run(&["transform", "mini"]), 0, &["no model reads its records (2)", advice]);
    says(&mini.run(&["check", "mini"]), 0, &["unread_source", advice]);
    says(
        &mini.run(&["verify", "mini"]),
        0,
        &["UNREAD", "nothing in target comes from its records (2)", advice],
    );
    let reason = format!("{settings}unused = \"there is no table for letters\"\n");
    mini.edit("clinics/mini/clinic.toml", settings, &reason);
    let all = [
        "unused_source",
        "left out",
        "left out, as clinic.toml says: there is no table for letters (records: 2)",
    ];
    let output = mini.run(&["run", "mini"]);
    says(&output, 0, &all);
    let text = format!("{output:?}");
    assert!(!text.contains("UNREAD") && !text.contains("no model reads"), "{text}");
}

#[test]
fn a_model_that_does_not_fit_the_target_is_named_with_its_line() {
    let mini = Mini::new();
    mini.write(
        "sql/systems/small/target/persn.sql",
        "-- one row a person\nselect golden_id as id, _id from golden.person\n",
    );
    let wrong = "sql/systems/small/target/persn.sql:1: the target has no table persn, but this model makes it: did you mean person?";
    says(&mini.run(&["run", "mini", "--until", "check"]), 3, &[wrong]);
    std::fs::remove_file(mini.path().join("sql/systems/small/target/persn.sql")).unwrap();
    mini.edit("sql/systems/small/target/visit.sql", "v.kind,", "v.kind as kin,");
    let wrong = [
        "sql/systems/small/target/visit.sql: ",
        "column kin (line 4) does not exist there: did you mean kind",
    ];
    says(&mini.run(&["run", "mini", "--until", "check"]), 3, &wrong);
}

#[test]
fn what_was_repaired_in_rejected_rows_is_counted_too() {
    let mini = Mini::new();
    mini.edit("sql/sources/ledger/clean/visit.sql", "visits._id", "['day_spelling'] as _repairs, visits._id");
    mini.edit("sql/systems/small/target/visit.sql", "v._id", "v._repairs, v._id");
    says(&mini.run(&["run", "mini", "--until", "check"]), 0, &["day_spelling"]);
    let counted = "select count || ' of ' || (select count(*) from ready.visit) as n from meta.finding where rule = 'day_spelling'";
    says(&mini.run(&["sql", "mini", counted]), 0, &["4 of 3"]);
}
