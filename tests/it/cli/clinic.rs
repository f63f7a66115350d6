//! A small clinic taken through all stages by the binary itself, on a database of its own.

use std::path::Path;
use std::process::{Command, Output};

use super::{command, snapshot};
use crate::support::{self, TestDatabase};

const SETTINGS: &str = r#"
name = "mini"
uid = "01JQY2VR00TESTMNABCDEFGHJK"
epoch = "2026-01-01T00:00:00Z"
product = "ledger"
system = "small"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"

[sources.people]
files = ["sources/people.csv"]
primary = "person"

[sources.visits]
files = ["sources/visits*.csv"]
primary = "visit"

[maps.kind]
policy = "null"

[control.people]
"" = "3"

[load]
mode = "upsert"

[limits]
"*" = "50%"

[target.rehearsal]
url_env = "REHEARSAL_URL"

[target.production]
url_env = "PRODUCTION_URL"
production = true
"#;

const FILES: [(&str, &str); 11] = [
    ("clinics/mini/clinic.toml", SETTINGS),
    ("clinics/mini/sources/people.csv", "code;name;born\n1;Ana;1980-05-01\n2;Luis;1975-12-31\n3;Eva;\n"),
    (
        "clinics/mini/sources/visits.csv",
        "number;person;day;kind\n10;1;2024-01-05;first\n11;2;2024-02-06;again\n12;9;2024-03-07;first\n13;3;2024-04-08;odd\n",
    ),
    ("clinics/mini/maps/kind.csv", "source_value,target_value\nfirst,FIRST\nagain,RETURN\n"),
    (
        "sql/sources/ledger/clean/person.sql",
        "-- one row a person\nselect code as source_id, name, try_cast(born as date) as born, _id from raw.people\n",
    ),
    (
        "sql/sources/ledger/clean/visit.sql",
        "-- one row a visit\n-- map: kind = raw.visits.kind\nselect number as source_id, person as person_source_id, day::date as day,\n  kind.target_value as kind, visits._id\nfrom raw.visits left join map.kind on kind.source_value = visits.kind\n",
    ),
    (
        "sql/systems/small/target/person.sql",
        "-- one row a person\nselect golden_id as id, name, born, _id from golden.person\n",
    ),
    (
        "sql/systems/small/target/visit.sql",
        "-- one row a visit\nselect v.golden_id as id,\n  coalesce(p.golden_id, ulid_for('person', 'ledger', v.person_source_id)) as person_id,\n  v.day, v.kind, v._id\nfrom golden.visit v left join xref.person p on p.source_id = v.person_source_id\n",
    ),
    (
        "sql/systems/small/control/people.sql",
        "-- people of the old system\nselect '' as key, count(*)::varchar as value from raw.people\n",
    ),
    (
        "sql/systems/small/control/people.target.sql",
        "-- people, in the target\nselect '' as key, count(*)::text as value from person\n",
    ),
    (
        "schema/small.sql",
        "create table person (id text primary key, name text not null, born date);\ncreate table visit (id text primary key, person_id text not null references person, day date not null, kind text);\n",
    ),
];

pub(super) struct Mini {
    folder: tempfile::TempDir,
    pub(super) database: TestDatabase,
}

impl Mini {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = support::runtime().block_on(support::database_with(FILES[10].1));
        let mini = Self { folder, database };
        FILES.iter().for_each(|(path, text)| mini.write(path, text));
        mini
    }

    /// The target's tables.
    pub(super) fn schema() -> &'static str {
        FILES[10].1
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn write(&self, relative: &str, text: &str) {
        let path = self.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn edit(&self, relative: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join(relative)).unwrap();
        assert!(text.contains(from), "{relative} has no {from}");
        self.write(relative, &text.replace(from, to));
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.path(), arguments);
        command.env("DATABASE_URL", &self.database.url).env("REHEARSAL_URL", &self.database.url);
        command.env("PRODUCTION_URL", &self.database.url);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a person sees, without the progress.
    fn session(&self, arguments: &[&str]) -> String {
        let line = arguments.join(" ");
        let output = self.run(&[arguments, &["--log-level", "error"]].concat());
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("$ trasvase {line}\n{stdout}{stderr}[{}]\n\n", output.status.code().unwrap())
    }

    pub(super) fn json(&self, line: &str) -> (serde_json::Value, i32) {
        let arguments: Vec<&str> = line.split(' ').chain(["--format", "json"]).collect();
        let output = self.run(&arguments);
        let answer = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error}: {output:?}"));
        (answer, output.status.code().unwrap())
    }

    pub(super) fn states(&self) -> Vec<String> {
        let (status, _) = self.json("status mini");
        let stages = status[0]["stages"].as_array().unwrap();
        stages.iter().map(|stage| stage["state"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn execute(&self, sql: &str) {
        support::runtime().block_on(async {
            self.database.client().await.client.batch_execute(sql).await.unwrap();
        });
    }
}

#[test]
fn a_clinic_goes_from_its_files_to_a_verified_database() {
    let mini = Mini::new();
    let lines: [&[&str]; 12] = [
        &["load", "mini", "--explain"],
        &["run", "mini", "--dry-run"],
        &["run", "mini"],
        &["status", "mini"],
        &["run", "mini"],
        &["check", "mini"],
        &["sql", "mini", "from reject.visit"],
        &["maps", "mini"],
        &["transform", "mini", "--explain"],
        &["push", "mini", "--dry-run"],
        &["--lang", "es", "verify", "mini"],
        &["log", "mini"],
    ];
    let text: String = lines.iter().map(|line| mini.session(line)).collect();
    snapshot(mini.path(), "clinic", &text);
    assert_eq!(mini.states(), ["done"; 6]);
}

#[test]
fn each_stage_by_itself_tells_what_it_did() {
    let mini = Mini::new();
    mini.edit("clinics/mini/sources/people.csv", "2;Luis;1975-12-31", "2;Luis\n4;Sol;1990-01-01");
    let first: [&[&str]; 9] = [
        &["transform", "mini"],
        &["load", "mini"],
        &["load", "mini"],
        &["export", "mini"],
        &["transform", "mini", "--select", "+target.person"],
        &["transform", "mini"],
        &["check", "mini"],
        &["export", "mini"],
        &["push", "mini"],
    ];
    let mut text: String = first.iter().map(|line| mini.session(line)).collect();
    mini.edit("sql/sources/ledger/clean/person.sql", "name,", "upper(name) as name,");
    mini.execute(
        "update person set name = 'Somebody' where name = 'Sol'; delete from visit where kind = 'RETURN'",
    );
    let then: [&[&str]; 10] = [
        &["verify", "mini", "--most", "1"],
        &["verify", "mini", "--show-values"],
        &["log", "mini", "--errors"],
        &["transform", "mini", "--explain"],
        &["run", "mini", "--from", "push", "--until", "check"],
        &["run", "mini", "--from", "transform", "--dry-run"],
        &["maps", "mini", "--export"],
        &["log", "mini", "--run", "nope"],
        &["demo"],
        &["status"],
    ];
    text.extend(then.iter().map(|line| mini.session(line)));
    snapshot(mini.path(), "stages", &text);
    let told = String::from_utf8(mini.run(&["log", "mini", "--run", "last"]).stdout).unwrap();
    assert!(
        told.contains("run_started") && told.contains("stage_finished") && told.contains("exit_code=0"),
        "{told}"
    );
    assert_eq!(mini.run(&["log", "mini", "--run", "last", "--format", "json"]).status.code(), Some(0));
}

#[test]
fn what_changed_is_stale_and_only_that_is_done_again() {
    let mini = Mini::new();
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(0));
    std::thread::sleep(std::time::Duration::from_millis(20));
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Luisa");
    assert_eq!(mini.states()[0], "stale");
    let (loaded, _) = mini.json("load mini");
    let unchanged: Vec<_> = loaded["stages"][0]["report"]["sources"].as_array().unwrap().iter().collect();
    assert_eq!(
        unchanged.iter().map(|source| source["unchanged"].as_bool().unwrap()).collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(mini.states(), ["done", "stale", "stale", "stale", "stale", "stale"]);
    assert_eq!(mini.json("run mini --from transform").1, 0);
    assert_eq!(mini.states(), ["done"; 6]);
    mini.edit("sql/systems/small/target/visit.sql", "v.day", "v.day + 1 as day");
    assert_eq!(mini.states()[..3], ["done", "stale", "stale"]);
    mini.write("clinics/mini/sources/visits-2.csv", "number;person;day;kind\n14;1;2024-05-09;first\n");
    assert_eq!(mini.states()[0], "stale");
    let (run, code) = mini.json("run mini");
    assert_eq!((code, &run["stages"][4]["report"]["plan"]["tables"][1]["inserts"]), (0, &1.into()));
    assert_eq!(mini.states(), ["done"; 6]);
}

#[test]
fn too_many_rejects_stop_a_run_before_the_push() {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "\"50%\"", "\"0\"");
    let output = mini.run(&["run", "mini"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("visit"), "{output:?}");
    assert_eq!(mini.states(), ["done", "done", "failed", "stale", "pending", "pending"]);
    let (runs, _) = mini.json("log mini");
    assert_eq!(runs[0]["exit_code"], 3);
}

#[test]
fn a_target_that_lost_a_row_is_told_and_by_its_exit_code() {
    let mini = Mini::new();
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(0));
    mini.execute("delete from visit where kind = 'FIRST'");
    let (report, code) = mini.json("verify mini");
    assert_eq!(code, 3);
    let tables = report["stages"][0]["report"]["tables"].as_array().unwrap();
    let visit = tables.iter().find(|table| table["table"] == "visit").unwrap();
    assert_eq!((&visit["difference"], &visit["equal"]), (&(-1).into(), &false.into()));
}

#[test]
fn production_wants_a_clean_rehearsal_and_a_typed_name() {
    let mini = Mini::new();
    assert_eq!(mini.run(&["run", "mini", "--until", "export"]).status.code(), Some(0));
    let unrehearsed = mini.run(&["push", "mini", "--target", "production", "--yes"]);
    assert_eq!(unrehearsed.status.code(), Some(2), "{unrehearsed:?}");
    assert!(String::from_utf8_lossy(&unrehearsed.stderr).contains("--target rehearsal"), "{unrehearsed:?}");

    assert_eq!(mini.run(&["run", "mini", "--from", "push", "--target", "rehearsal"]).status.code(), Some(0));
    mini.execute("delete from visit; delete from person; drop schema trasvase cascade");
    let unasked = mini.run(&["push", "mini", "--target", "production"]);
    assert_eq!(unasked.status.code(), Some(2), "there is nobody to ask: {unasked:?}");
    let pushed = mini.run(&["push", "mini", "--target", "production", "--confirm", "mini"]);
    assert_eq!(pushed.status.code(), Some(0), "{pushed:?}");
}

#[test]
fn one_table_comes_with_its_parents_through_all_stages() {
    let mini = Mini::new();
    // What is asked about visits cannot be answered without them.
    for (path, text) in [
        (
            "checks/visit_twice.sql",
            "-- visits\n-- severity: critical\nselect id from target.visit group by id having count(*) > 1",
        ),
        ("control/visits.sql", "-- visits\nselect '' as key, count(*)::varchar as value from raw.visits"),
        (
            "control/visits.reject.sql",
            "-- visits\nselect '' as key, count(*)::varchar as value from reject.visit",
        ),
        ("control/visits.target.sql", "-- visits\nselect '' as key, count(*)::text as value from visit"),
        ("verify/visits.sql", "-- visits\nselect kind, count(*) as visits from visit group by kind"),
        ("verify/born.sql", "-- people\nselect count(born) as born from person"),
    ] {
        mini.write(&format!("sql/systems/small/{path}"), text);
    }
    mini.edit("clinics/mini/clinic.toml", "[load]", "[control.visits]\n\"\" = \"4\"\n\n[load]");
    // Tables, figures and queries of each stage.
    let names = |run: &serde_json::Value, list: &str, name: &str| -> Vec<Vec<String>> {
        let stages = run["stages"].as_array().unwrap().iter();
        let lists = stages.filter_map(|stage| {
            let report =
                if stage["report"][list].is_array() { &stage["report"] } else { &stage["report"]["plan"] };
            let mut names: Vec<String> =
                report[list].as_array()?.iter().map(|one| one[name].as_str().unwrap().to_owned()).collect();
            names.sort();
            Some(names)
        });
        lists.collect()
    };
    let only_people = |run: &serde_json::Value| {
        assert_eq!(names(run, "tables", "table"), vec![vec!["person"]; 4], "{run}");
        let verified = &run["stages"][5]["report"];
        assert_eq!(verified["sources"].as_array().unwrap().len(), 1, "{verified}");
        assert_eq!(
            (verified["controls"].as_array().unwrap().len(), &verified["queries"][0]["name"]),
            (2, &"born".into())
        );
    };
    let (first, code) = mini.json("run mini --only person");
    assert_eq!(code, 0, "{first}");
    only_people(&first);
    mini.execute(
        "do $$ begin assert (select count(*) = 0 from visit) and (select count(*) = 3 from person); end $$",
    );
    assert_eq!(mini.json("verify mini").1, 0);
    // An earlier run of all tables does not come along.
    let (all, code) = mini.json("run mini");
    assert_eq!(
        (code, names(&all, "tables", "table")),
        (0, vec![vec!["person".into(), "visit".into()]; 4]),
        "{all}"
    );
    mini.edit("clinics/mini/sources/people.csv", "Eva", "Eva María");
    let (again, code) = mini.json("run mini --only person");
    assert_eq!(code, 0, "{again}");
    only_people(&again);
    assert_eq!(again["stages"][4]["report"]["plan"]["tables"][0]["updates"], 1);
    mini.execute("do $$ begin assert (select count(*) = 3 from visit); end $$");
    // A child brings its parent.
    let (child, code) = mini.json("run mini --only visit");
    assert_eq!((code, names(&child, "tables", "table")), (0, vec![vec!["person".into(), "visit".into()]; 4]));
    let near = mini.run(&["run", "mini", "--only", "vist"]);
    assert_eq!(near.status.code(), Some(2), "{near:?}");
    let told = String::from_utf8_lossy(&near.stderr);
    assert!(told.contains("did you mean visit?") && !told.contains("load"), "{told}");
    for wrong in
        [&["run", "mini", "--only", "nope"][..], &["run", "mini", "--only", "visit", "--from", "push"]]
    {
        assert_eq!(mini.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_log_of_a_run_is_private_and_holds_no_value() {
    use std::os::unix::fs::PermissionsExt as _;
    let mini = Mini::new();
    assert_eq!(mini.run(&["run", "mini"]).status.code(), Some(0));
    let logs = mini.path().join("staging/mini/logs");
    let mut seen = 0;
    for entry in std::fs::read_dir(logs).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!text.contains("Luis") && !text.contains("1975"), "{text}");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
            seen += 1;
        }
    }
    assert!(seen > 12, "{seen} lines");
}

#[test]
fn doctor_names_what_is_missing_and_what_to_do() {
    let mini = Mini::new();
    let sound = mini.run(&["doctor", "mini"]);
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
    std::fs::remove_file(mini.path().join("clinics/mini/sources/people.csv")).unwrap();
    mini.execute("drop table visit");
    mini.write("schema/small.catalog.json", &catalog_of_both_tables());
    let broken = mini.json("doctor mini");
    assert_eq!(broken.1, 3);
    let bad: Vec<&serde_json::Value> =
        broken.0.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "bad").collect();
    let subjects: Vec<_> = bad.iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["[sources.people]", "visit"]);
    let setting = |value: &str| {
        let database = &mini.database.name;
        let sql = format!("alter database {database} set default_transaction_read_only = {value}");
        support::runtime().block_on(support::administer(&sql));
    };
    setting("on");
    let read_only = mini.json("doctor mini").0;
    setting("off");
    let target = read_only.as_array().unwrap().iter().find(|finding| {
        finding["verdict"] == "bad" && finding["found"].as_str().unwrap().contains("not pushed to")
    });
    let remedies = format!("{:?}", target.map(|finding| &finding["remedies"]));
    assert!(remedies.contains("reset default_transaction_read_only"), "{read_only}");
    let settings = std::fs::read_to_string(mini.path().join("clinics/mini/clinic.toml")).unwrap();
    let files = "[[files]]\nfolder = \"sources/docs\"\nof = \"person\"\n";
    mini.write("clinics/mini/clinic.toml", &format!("{settings}\n{files}"));
    let told = mini.json("doctor mini").0;
    let of_files = told.as_array().unwrap().iter().find(|finding| finding["subject"] == "[files]").unwrap();
    assert_eq!(of_files["verdict"], "bad", "{of_files}");
    assert!(of_files["found"].as_str().unwrap().contains("S3_GENERAL_BUCKET"), "{of_files}");
    let secret = mini
        .command(&["doctor"])
        .env("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")
        .output()
        .unwrap();
    assert_eq!(secret.status.code(), Some(3));
    assert!(!format!("{secret:?}").contains("hunter2"), "{secret:?}");
}

/// What `schema pull` writes for the two tables.
fn catalog_of_both_tables() -> String {
    let mini = Mini::new();
    let (pulled, code) = mini.json("schema pull mini");
    assert_eq!((code, &pulled["tables"]), (0, &2.into()));
    std::fs::read_to_string(mini.path().join("schema/small.catalog.json")).unwrap()
}

#[test]
fn the_schema_is_made_read_and_taken_away() {
    let mini = Mini::new();
    mini.execute("drop table visit; drop table person");
    assert_eq!(mini.json("schema apply mini").0, serde_json::json!({"made": {"tables": 2}}));
    assert_eq!(mini.json("schema pull mini").1, 0);
    assert_eq!(mini.json("schema apply mini").0, serde_json::json!({"already_there": {"tables": 2}}));
    let unasked = mini.run(&["schema", "reset", "mini"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    let name = &mini.database.name;
    let yes = mini.run(&["schema", "reset", "mini", "--yes"]);
    assert_eq!(yes.status.code(), Some(2), "a yes to everything names no database: {yes:?}");
    assert!(String::from_utf8_lossy(&yes.stderr).contains(&format!("--confirm {name}")), "{yes:?}");
    assert_eq!(mini.run(&["schema", "reset", "mini", "--confirm", "mini"]).status.code(), Some(2));
    assert_eq!(mini.json(&format!("schema reset mini --confirm {name}")).1, 0);
    assert_eq!(mini.json("schema apply mini").0, serde_json::json!({"made": {"tables": 2}}));
}

#[test]
fn a_backup_of_the_tables_is_there_before_a_push() {
    use std::os::unix::fs::PermissionsExt as _;
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "[load]", "[safety]\nbackup = \"pg_dump\"\n\n[load]");
    mini.execute("insert into person values ('before', 'Somebody', null)");
    let output = mini.run(&["run", "mini", "--target", "rehearsal"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let dumps: Vec<_> =
        std::fs::read_dir(mini.path().join("staging/mini/reports")).unwrap().map(Result::unwrap).collect();
    assert_eq!(dumps.len(), 1);
    assert_eq!(dumps[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    mini.execute("drop table visit; drop table person");
    let restore = support::server().binaries().client("pg_restore");
    let restored =
        Command::new(restore).arg("--dbname").arg(&mini.database.url).arg(dumps[0].path()).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    mini.execute("do $$ begin assert (select array_agg(id) = '{before}' from person); end $$");
    mini.edit("clinics/mini/clinic.toml", "pg_dump", "tar");
    assert_eq!(mini.run(&["push", "mini", "--target", "rehearsal"]).status.code(), Some(2));
}

#[test]
fn the_private_server_is_started_asked_and_stopped() {
    let folder = support::reachable_folder("trasvase-cli-");
    std::fs::create_dir(folder.join("clinics")).unwrap();
    let run = |arguments: &[&str]| command(&folder, arguments).output().unwrap();
    assert_eq!(run(&["postgres", "url"]).status.code(), Some(1));
    let started = run(&["postgres", "start"]);
    assert_eq!(started.status.code(), Some(0), "{started:?}");
    let url = run(&["postgres", "url"]);
    assert!(String::from_utf8_lossy(&url.stdout).starts_with("postgresql://"), "{url:?}");
    let asked = run(&["postgres", "psql", "--", "-Atc", "select 6 * 7"]);
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "42\n", "{asked:?}");
    let status = run(&["postgres", "status"]);
    assert!(
        status.status.success() && String::from_utf8_lossy(&status.stdout).contains("postgresql://"),
        "{status:?}"
    );
    let wrong = run(&["postgres", "psql", "--", "-c", "select nope"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(run(&["postgres", "stop"]).status.code(), Some(0));
    let status = run(&["postgres", "status", "--format", "json"]);
    assert!(
        status.status.success() && String::from_utf8_lossy(&status.stdout).contains("false"),
        "{status:?}"
    );
    assert_eq!(run(&["postgres", "url"]).status.code(), Some(1));
    std::fs::remove_dir_all(&folder).unwrap();
}
