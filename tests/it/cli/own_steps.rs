//! `[[commands]]`: a clinic's own steps, what they may do, and how they are told.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::clinic::Mini;
use super::safety::says;
use super::ways_out::says_not;

/// A clinic with these sections and files in its folder.
fn with(sections: &str, files: &[(&str, &str)]) -> Mini {
    let mini = Mini::new();
    let path = "clinics/mini/clinic.toml";
    let text = std::fs::read_to_string(mini.path().join(path)).unwrap();
    mini.write(path, &format!("{text}\n{sections}"));
    for (name, text) in files {
        let path = format!("clinics/mini/{name}");
        mini.write(&path, text);
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(mini.path().join(path), mode).unwrap();
    }
    mini
}

fn program(name: &str, place: &str, words: &str) -> String {
    format!("[[commands]]\nname = \"{name}\"\n{place}\nprogram = {words}\n")
}

fn sql(name: &str, place: &str) -> String {
    format!("[[commands]]\nname = \"{name}\"\n{place}\nsql = \"{name}.sql\"\n")
}

/// Each step's name and state, as JSON has them.
fn commands(run: &Value) -> Vec<(&str, &str)> {
    let all = run["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| (one["command"].as_str().unwrap(), one["state"].as_str().unwrap())).collect()
}

/// The one output of a program.
fn program_log(mini: &Mini) -> PathBuf {
    let logs = std::fs::read_dir(mini.path().join("staging/mini/logs")).unwrap();
    let mut logs: Vec<_> = logs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    logs.remove(0)
}

fn notes(mini: &Mini) -> String {
    let query = async {
        let session = mini.database.client().await;
        let sql = "select coalesce(string_agg(notes, '|' order by number), '') from trasvase.batch";
        session.client.query_one(sql, &[]).await.unwrap().get(0)
    };
    crate::support::runtime().block_on(query)
}

#[test]
fn own_steps_run_around_their_stages_and_are_told() {
    let fetch = format!(
        "#!/bin/sh\nenv | grep ^TRASVASE_ | sort >env.txt\necho zlxSecret\necho zlxError >&2\n\
         '{}' -C \"$TRASVASE_PROJECT\" sql mini 'create schema if not exists own' --write\n",
        env!("CARGO_BIN_EXE_trasvase")
    );
    let look = "create or replace table own.people as select count(*) as people from target.person;\n\
                create temp table person as select 1;\ncopy own.people to 'people.csv';";
    let refresh = "create table if not exists refreshed (visits bigint); insert into refreshed select count(*) from visit";
    let sections = [
        program("fetch", "after = \"load\"", "[\"./fetch.sh\"]"),
        sql("look", "before = \"check\""),
        sql("refresh", "after = \"push\"\non = \"target\""),
        sql("prepare", "before = \"push\"\non = \"target\""),
        program("hand", "after = \"verify\"\nautopilot = false\nstatus = false", "[\"touch\", \"hand.txt\"]"),
    ];
    let prepare = "set search_path = nowhere; set role pg_monitor";
    let files = [
        ("fetch.sh", fetch.as_str()),
        ("look.sql", look),
        ("refresh.sql", refresh),
        ("prepare.sql", prepare),
    ];
    let mini = with(&sections.concat(), &files);

    let output = mini.run(&["run", "mini"]);
    says(&output, 0, &["fetch", "own step, after load", "own step, before check", "own step, after push"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let order =
        ["load", "fetch", "transform", "look", "check", "export", "prepare", "push", "refresh", "verify"];
    let places: Vec<_> = order.iter().map(|name| text.find(&format!("\n {name} ")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(!text.contains("hand ") && !format!("{output:?}").contains("zlx"), "{output:?}");

    let log = program_log(&mini);
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let printed = std::fs::read_to_string(&log).unwrap();
    assert!(printed.contains("zlxSecret") && printed.contains("zlxError"), "{printed}");
    let env = std::fs::read_to_string(mini.path().join("clinics/mini/env.txt")).unwrap();
    for line in [
        "TRASVASE_CLINIC=mini",
        "TRASVASE_STAGE=load",
        "TRASVASE_MOMENT=after",
        "TRASVASE_TARGET=DATABASE_URL",
    ] {
        assert!(env.lines().any(|one| one == line), "{line} is not in {env}");
    }
    assert!(env.contains("staging/mini/mini.duckdb") && !env.contains("SNAPSHOT"), "{env}");
    let copy = mini.path().join("people.csv");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "people\n3\n");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600, "rows of patients");
    mini.execute("do $$ begin assert (select array_agg(visits) = '{3}' from refreshed); end $$");
    let told = notes(&mini);
    assert!(
        told.contains("own step prepare (before push") && told.contains("own step refresh (after push"),
        "{told}"
    );

    let (status, _) = mini.json("status mini");
    let states: Vec<_> = status[0]["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["command"], &one["state"]))
        .collect();
    assert_eq!(format!("{states:?}").matches("String(\"done\")").count(), 4, "{states:?}");
    assert!(!format!("{states:?}").contains("hand"), "{states:?}");
    says(&mini.run(&["log", "mini", "--run", "last"]), 0, &["command_finished", "command=refresh"]);
    let (answer, _) = mini.json("report mini");
    let read = |name: &str| std::fs::read_to_string(answer[name].as_str().unwrap()).unwrap();
    let report: Value = serde_json::from_str(&read("json")).unwrap();
    let kept: Vec<_> = report["own_steps"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(kept, ["fetch", "look", "prepare", "refresh"]);
    assert!(read("page").contains(">refresh<"), "the page names it");

    // Again: the same batch is noted once, and what is done by hand is done when asked for.
    let (again, code) = mini.json("run mini --with hand");
    let done = ["fetch", "look", "prepare", "refresh", "hand"].map(|name| (name, "done"));
    assert_eq!((code, commands(&again)), (0, done.to_vec()), "{again}");
    assert!(again["commands"][3]["milliseconds"].is_u64() && again["commands"][3]["when"] == "after push");
    assert!(mini.path().join("clinics/mini/hand.txt").is_file());
    assert_eq!(notes(&mini), told);
    // What a step does has changed, and so has what it followed.
    mini.write("clinics/mini/look.sql", "select 1");
    assert_eq!(mini.run(&["load", "mini"]).status.code(), Some(0));
    let (status, _) = mini.json("status mini");
    let states: Vec<_> =
        status[0]["commands"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["stale", "stale", "done", "done"], "{status}");
    assert_eq!(status[0]["next"], "trasvase run mini --from fetch");
}

#[test]
fn a_step_that_fails_stops_the_run_which_goes_on_from_it() {
    let mini = with(&program("gate", "after = \"transform\"", "[\"sh\", \"-c\", \"echo zlx; exit 7\"]"), &[]);
    let output = mini.run(&["run", "mini"]);
    let log = program_log(&mini);
    let parts = [
        "own step 'gate' (after transform) failed: it ended with exit code 7; done before it: load, transform",
        "trasvase run mini --from gate",
        &format!("staging/mini/logs/{}", log.file_name().unwrap().to_string_lossy()),
    ];
    says(&output, 1, &parts);
    assert!(!format!("{output:?}").contains("zlx"), "{output:?}");
    assert_eq!(mini.states(), ["done", "done", "pending", "pending", "pending", "pending"]);
    let (status, _) = mini.json("status mini");
    assert_eq!(
        (&status[0]["commands"][0]["state"], &status[0]["next"]),
        (&"failed".into(), &"trasvase run mini --from gate".into())
    );
    mini.edit("clinics/mini/clinic.toml", "exit 7", "kill -9 $$");
    says(&mini.run(&["run", "mini", "--from", "gate"]), 1, &["signal 9", "nothing was done before it"]);
    mini.edit("clinics/mini/clinic.toml", "[\"sh\", \"-c\", \"echo zlx; kill -9 $$\"]", "[\"./nope\"]");
    says(&mini.run(&["run", "mini", "--from", "gate"]), 1, &["./nope cannot be started", "chmod +x"]);
    mini.edit("clinics/mini/clinic.toml", "./nope", "true");
    let (run, code) = mini.json("run mini --from gate");
    let stages: Vec<_> =
        run["stages"].as_array().unwrap().iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!((code, stages), (0, vec!["check", "export", "push", "verify"]));
    assert_eq!(mini.states(), ["done"; 6]);
    // A step does not go on with what a failed stage left.
    mini.edit("sql/sources/ledger/clean/person.sql", "name,", "nome,");
    assert_eq!(mini.run(&["transform", "mini"]).status.code(), Some(1));
    says(
        &mini.run(&["run", "mini", "--from", "gate"]),
        2,
        &["transform failed", "--from transform --until transform"],
    );
}

#[test]
fn names_and_places_that_are_wrong_are_told_with_the_right_ones() {
    let mini = with(&sql("one", "before = \"psuh\""), &[]);
    says(&mini.run(&["run", "mini"]), 2, &["clinic.toml:40:10 ", "did you mean push?"]);
    mini.edit("clinics/mini/clinic.toml", "psuh", "check");
    says(&mini.run(&["run", "mini"]), 2, &["clinics/mini/one.sql"]);
    assert_eq!(mini.states(), ["pending"; 6], "nothing was begun");
    mini.write("clinics/mini/one.sql", "select 1");
    says(&mini.run(&["run", "mini", "--from", "oen"]), 2, &["did you mean one?", "load, transform"]);
    says(&mini.run(&["run", "mini", "--with", "load"]), 2, &["--with load", "one"]);
    says(&mini.run(&["run", "mini", "--from", "one", "--until", "load"]), 2, &["--from one", "--until load"]);
    says(&mini.run(&["run", "--all", "--from", "one"]), 2, &["'one' is no stage"]);
}

#[test]
fn sql_in_the_staging_file_changes_nothing_that_stages_made() {
    let mini = with(&sql("own", "after = \"transform\""), &[]);
    let people =
        || mini.run(&["sql", "mini", "select count(*) || '=' || sum(hash(p)) from raw.people p"]).stdout;
    assert_eq!(mini.run(&["run", "mini", "--until", "load"]).status.code(), Some(0));
    let before = people();
    for (sql, name) in [
        ("delete from raw.people where code = '1'", "raw.people"),
        ("update raw.people set name = 'zlx' where code = '1'", "raw.people"),
        ("create table own as select 1; create table target.more as select 1", "target.more"),
        ("alter table target.visit rename kind to sort", "target.visit"),
        ("drop table target.visit", "target.visit"),
        ("create or replace view clean.person as select 1", "clean.person"),
        ("delete from meta.source", "meta.source"),
    ] {
        mini.write("clinics/mini/own.sql", sql);
        let output = mini.run(&["run", "mini"]);
        let code = output.status.code();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code, Some(1), "{sql}: {text}");
        // DuckDB itself refuses to make a view of a table.
        assert!(sql.contains("view") || text.contains(&format!("({name})")), "{sql}: {text}");
        assert!(!text.contains("zlx"), "{text}");
        assert_eq!(people(), before, "{sql}");
    }
    mini.write("clinics/mini/own.sql", "create schema own; commit; begin; select 1");
    says(&mini.run(&["run", "mini"]), 1, &["ends the transaction"]);
    // What came before a commit would stay, whatever failed after it.
    mini.write("clinics/mini/own.sql", "commit; delete from raw.people; begin; select 1 from nosuch");
    says(&mini.run(&["run", "mini"]), 1, &["ends the transaction", "Nothing of it was run"]);
    assert_eq!(people(), before);
    mini.write("clinics/mini/own.sql", "select cast(name as integer) from raw.people");
    let output = mini.run(&["run", "mini"]);
    says(&output, 1, &["own step 'own'"]);
    assert!(!format!("{output:?}").contains("Ana"), "{output:?}");
    mini.write(
        "clinics/mini/own.sql",
        "create schema if not exists own; create table own.a as from raw.people; set threads = 1; drop table own.a",
    );
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(0));
}

#[test]
fn sql_in_the_target_is_all_or_nothing_and_no_part_of_the_push() {
    let mini = with(&sql("own", "before = \"push\"\non = \"target\""), &[]);
    for (sql, said) in [
        ("create table kept (id int); select 1 / 0", "22012"),
        ("create table kept (id int); rollback; begin; select 1", "ends the transaction"),
        ("create table kept (id int); rollback", "ends the transaction"),
        ("create table kept (id int); commit; begin; select 1 / 0", "ends the transaction"),
        ("create table kept (id int); select 'zlx'::int", "22P02"),
    ] {
        mini.write("clinics/mini/own.sql", sql);
        let output = mini.run(&["run", "mini"]);
        says(&output, 1, &["own step 'own' (before push) failed", said, "load, transform, check, export"]);
        assert!(!format!("{output:?}").contains("zlx"), "{output:?}");
        mini.execute(
            "do $$ begin assert to_regclass('kept') is null and (select count(*) = 0 from visit); end $$",
        );
    }
    // A push that is refused does not take it back.
    mini.write("clinics/mini/own.sql", "create table if not exists kept (id int); drop table visit");
    says(&mini.run(&["run", "mini"]), 1, &[]);
    mini.execute(
        "do $$ begin assert to_regclass('kept') is not null and (select count(*) = 0 from person); end $$",
    );
    mini.execute("create table visit (id text primary key, person_id text not null references person, day date not null, kind text)");
    // What it changes in our rows is a difference.
    mini.edit("clinics/mini/clinic.toml", "before = \"push\"", "after = \"push\"");
    mini.write("clinics/mini/own.sql", "update person set name = name || '!'");
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(3));
    assert_eq!(mini.run(&["verify", "mini"]).status.code(), Some(3));
}

#[test]
fn production_is_written_by_a_step_only_for_whoever_names_the_clinic() {
    let mini = with(
        &sql("own", "before = \"check\"\non = \"target\""),
        &[("own.sql", "create table mark (id int)")],
    );
    let unasked = mini.run(&["run", "mini", "--target", "production", "--yes"]);
    says(&unasked, 2, &["--confirm mini"]);
    mini.execute("do $$ begin assert to_regclass('mark') is null; end $$");
    // The push itself still wants its rehearsal.
    let asked = mini.run(&["run", "mini", "--target", "production", "--confirm", "mini"]);
    says(&asked, 2, &["trasvase rehearse mini"]);
    mini.execute("do $$ begin assert to_regclass('mark') is not null; end $$");
}

#[test]
fn a_dry_run_and_a_rehearsal_name_what_they_leave() {
    let sections = [
        program("fetch", "before = \"load\"", "[\"touch\", \"fetched\"]"),
        sql("refresh", "after = \"push\"\non = \"target\""),
        program("late", "after = \"verify\"", "[\"touch\", \"late\"]"),
    ];
    let mini = with(&sections.concat(), &[("refresh.sql", "create table mark (id int)")]);
    let there = |name: &str| mini.path().join("clinics/mini").join(name).exists();
    let (dry, code) = mini.json("run mini --dry-run");
    assert_eq!(
        (code, commands(&dry)),
        (0, ["fetch", "refresh", "late"].map(|name| (name, "planned")).to_vec())
    );
    says(&mini.run(&["run", "mini", "--dry-run"]), 0, &["a run would take it"]);
    assert!(!there("fetched") && !there("late"));
    let (rehearsed, code) = mini.json("rehearse mini");
    let states = [("fetch", "done"), ("refresh", "left_out"), ("late", "left_out")];
    assert_eq!((code, commands(&rehearsed)), (0, states.to_vec()), "{rehearsed}");
    assert!(there("fetched") && !there("late"));
    says(&mini.run(&["load", "mini"]), 0, &["takes: fetch (before load)"]);
    mini.execute("do $$ begin assert to_regclass('mark') is null; end $$");
}

#[test]
fn what_must_not_be_pushed_or_is_not_equal_has_no_step_behind_it() {
    let sections = [
        sql("gate", "before = \"push\"\non = \"target\""),
        program("late", "after = \"verify\"", "[\"touch\", \"late\"]"),
    ];
    let mini = with(&sections.concat(), &[("gate.sql", "create table mark (id int)")]);
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"0\"");
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(3));
    mini.execute("do $$ begin assert to_regclass('mark') is null; end $$");
    mini.edit("clinics/mini/clinic.toml", "\"*\" = \"0\"", "\"*\" = \"50%\"");
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "\"\" = \"4\"");
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(3), "the control of people is not met");
    assert!(!mini.path().join("clinics/mini/late").exists());
}

#[test]
fn ctrl_c_ends_a_program_with_all_that_it_started() {
    let script = "#!/bin/sh\nsleep 1000 &\necho $! >child\nwait\n";
    let mini = with(&program("slow", "before = \"load\"", "[\"./slow.sh\"]"), &[("slow.sh", script)]);
    let mut run = mini.command(&["run", "mini"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let child = loop {
        let text = std::fs::read_to_string(mini.path().join("clinics/mini/child")).unwrap_or_default();
        if let Ok(child) = text.trim().parse::<i32>() {
            break child;
        }
        assert!(Instant::now() < deadline, "the program does not start");
        std::thread::sleep(Duration::from_millis(20));
    };
    kill(Pid::from_raw(i32::try_from(run.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let gone =
        || std::fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
    while !gone() {
        assert!(Instant::now() < deadline, "its child is left behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_mistake_in_clinic_toml_is_told_where_it_stands_and_in_the_readers_language() {
    let first = program("one", "after = \"load\"", "[\"true\"]");
    let lines = {
        let mini = with("", &[]);
        std::fs::read_to_string(mini.path().join("clinics/mini/clinic.toml")).unwrap().lines().count()
    };
    for (second, place, english, spanish) in [
        ("[[commands]]\nname = \"two\"\nprogram = [\"true\"]\n", "5:1", "it wants either", "hace falta"),
        (first.as_str(), "5:1", "stands there twice", "aparece dos veces"),
        ("[[commands]]\nafter = \"load\"\n", "5:1", "TOML says: missing field", "TOML dice: missing field"),
        (
            "[[commands]]\nname = \"two\"\nafter = \"lod\"\n",
            "7:9",
            "TOML says: unknown variant `lod`",
            "'lod' no se conoce; ¿querías decir load?",
        ),
        ("words = [\n", "5:10", "TOML says: unclosed array", "TOML dice: unclosed array"),
    ] {
        let mini = with(&format!("{first}{second}"), &[]);
        let (line, column) = place.split_once(':').unwrap();
        let place = format!("clinic.toml:{}:{column}", line.parse::<usize>().unwrap() + lines);
        says(&mini.run(&["status", "mini"]), 2, &[&format!("{place} is not valid: "), english]);
        let told = mini.run(&["status", "mini", "--lang", "es"]);
        says(&told, 2, &[&format!("{place} no es válido: "), spanish, "todos los ajustes"]);
        says_not(&told, "parse error");
    }
}
