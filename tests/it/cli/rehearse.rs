//! Rehearsals of a push to production: in a copy of it, or in it and taken back; and what production wants of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use trasvase::config::Project;
use trasvase::pg::embedded::{Server, ServerOptions};
use trasvase::pg::{Purpose, Secret, Session, Target};

use super::clinic::Mini;
use super::safety::says;
use crate::support;

/// What the target has beyond what models write: rows to refer to, numbers that PostgreSQL draws, somebody else's rows.
const MORE: &str = "
create type colour as enum ('red', 'green');
create table country (id text primary key, colour colour not null default 'red');
create table office (id text primary key, country_id text references country);
insert into country values ('es', 'green'); insert into office values ('main', 'es'), ('other', null);
alter table person add column office_id text not null default 'main' references office;
alter table visit add column number bigserial, add column twice bigint generated always as (number * 2) stored;
insert into person (id, name) values ('theirs', 'Somebody');
insert into visit (id, person_id, day) values ('theirs', 'theirs', '2020-01-01');
create table diary (at bigint generated always as identity, note text);
insert into diary (note) values ('private');";

/// Every table's rows and every sequence, as one text.
const DIGEST: &str = "
select string_agg(line, E'\\n' order by line) from (
  select c.oid::regclass::text || ' ' || coalesce((xpath('/row/d/text()', query_to_xml(format(
    'select md5(string_agg(t::text, chr(10) order by t::text)) as d from %s t', c.oid::regclass), false, true, '')))[1]::text, '-') as line
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  union all
  select schemaname || '.' || sequencename || ' ' || coalesce(last_value::text, '-') from pg_sequences
) lines";

/// The clinic with its private server, which the commands share.
struct Theatre {
    mini: Mini,
    server: Option<Server>,
    home: PathBuf,
}

impl Theatre {
    fn new() -> Self {
        let mini = Mini::new();
        mini.execute(MORE);
        let project = Project::at(mini.path());
        let options = ServerOptions { durable: false, ..ServerOptions::for_project(&project) };
        let server = Server::start(&options).unwrap();
        let home = server.data_dir().parent().unwrap().to_owned();
        Self { mini, server: Some(server), home }
    }

    /// Rehearses for production; the answer and the exit code.
    fn rehearse(&self, more: &str) -> (Value, i32) {
        let (answer, code) = self.mini.json(format!("rehearse mini --target production {more}").trim_end());
        (answer["rehearsal"].clone(), code)
    }

    fn ask(url: &str, sql: &str) -> Vec<String> {
        support::runtime().block_on(async {
            let target = Target::at("DATABASE_URL", Secret::new(url));
            let session = Session::open(&target, Purpose::Write).await.unwrap();
            let rows = session.client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
        })
    }

    fn target(&self, sql: &str) -> Vec<String> {
        Self::ask(&self.mini.database.url, sql)
    }

    fn private(&self, sql: &str) -> Vec<String> {
        Self::ask(&self.server.as_ref().unwrap().url(), sql)
    }

    fn copies(&self) -> Vec<String> {
        self.private("select datname::text from pg_database where datname like '%rehearsal%' order by 1")
    }

    fn push(&self, more: &[&str]) -> std::process::Output {
        self.mini.run(&[&["push", "mini", "--target", "production", "--confirm", "mini"], more].concat())
    }
}

impl Drop for Theatre {
    fn drop(&mut self) {
        let _ = self.server.take().map(Server::release);
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn change(rehearsal: &Value, of: &str, name: &str, count: &str) -> (Value, Value) {
    let changes = rehearsal["comparison"]["changes"].as_array().unwrap();
    let found = changes.iter().find(|one| one["of"] == of && one["name"] == name && one["count"] == count);
    let found = found.unwrap_or_else(|| panic!("no change of {name} {count} in {changes:#?}"));
    (found["before"].clone(), found["now"].clone())
}

#[test]
fn a_rehearsal_in_a_copy_leaves_the_target_as_it_was_and_opens_production() {
    let theatre = Theatre::new();
    let before = theatre.target(DIGEST);
    let (first, code) = theatre.rehearse("");
    assert_eq!(code, 0, "{first}");
    assert_eq!(
        (&first["clean"], &first["place"], &first["target"]),
        (&true.into(), &"scratch".into(), &"production".into())
    );
    assert_eq!(theatre.target(DIGEST), before);
    assert_eq!(theatre.copies(), [""; 0]);
    // What rows refer to, and what that refers to; nobody else's people, and no diary.
    let copied = |rehearsal: &Value| -> Vec<String> {
        let copied = rehearsal["copied"].as_array().unwrap().iter();
        copied
            .map(|one| {
                format!("{} {} {}", one["table"].as_str().unwrap(), one["rows"], one["why"].as_str().unwrap())
            })
            .collect()
    };
    assert_eq!(copied(&first), ["country 1 reference", "office 2 reference"]);
    assert!(first["forecast"]["total"]["milliseconds"].as_u64().unwrap() > 0, "{first}");
    says(&theatre.push(&[]), 0, &[]);

    // A second push is rehearsed as one: with what the first one wrote, and its ledger.
    theatre.mini.edit(
        "clinics/mini/sources/people.csv",
        "2;Luis;1975-12-31",
        "2;Luisa;1975-12-31\n4;Sol;1990-01-01",
    );
    theatre.mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", "\"\" = \"4\"");
    theatre.mini.edit(
        "sql/systems/small/control/people.target.sql",
        "from person",
        "from person where id <> 'theirs'",
    );
    let before = theatre.target(DIGEST);
    let (second, code) = theatre.rehearse("");
    assert_eq!(code, 0, "{second}");
    assert_eq!(theatre.target(DIGEST), before);
    assert!(copied(&second).contains(&"person 3 ours".to_owned()), "{:?}", copied(&second));
    assert_eq!(second["tables"]["person"]["updated"], 1, "{second}");
    assert_eq!(change(&second, "table", "person", "rows"), (3.into(), 4.into()));
    assert_eq!(change(&second, "source", "people", "read"), (3.into(), 4.into()));

    let (list, _) = theatre.mini.json("rehearse mini --list");
    let rehearsals = list["rehearsals"].as_array().unwrap();
    assert_eq!(rehearsals.len(), 2, "{list}");
    assert_eq!(change(&rehearsals[0], "table", "person", "inserted"), (3.into(), 1.into()));
    assert!(list["forecast"]["stages"].as_array().unwrap().iter().any(|stage| stage["stage"] == "push"));
    says(&theatre.mini.run(&["rehearse", "mini", "--list"]), 0, &["person", "push", "A copy does not know"]);
    says(&theatre.mini.run(&["--lang", "es", "rehearse", "mini", "--list"]), 0, &["limpio", "la noche"]);

    // Everything is copied only where that was said.
    let (whole, code) = theatre.rehearse("--with-data --from push");
    assert_eq!(code, 0, "{whole}");
    let all = copied(&whole);
    assert!(all.contains(&"diary 1 all".to_owned()) && all.contains(&"person 4 all".to_owned()), "{all:?}");
    assert_eq!(theatre.target(DIGEST), before);
}

#[test]
fn a_rehearsal_in_place_leaves_nothing_not_even_a_sequence() {
    let theatre = Theatre::new();
    let unledgered = theatre.target(DIGEST);
    let unnamed = theatre.mini.run(&["rehearse", "mini", "--target", "production", "--in-place", "--yes"]);
    says(&unnamed, 2, &["--confirm mini"]);
    let (first, code) = theatre.rehearse("--in-place --confirm mini");
    assert_eq!((code, &first["clean"], &first["place"]), (0, &true.into(), &"in_place".into()), "{first}");
    assert_eq!(theatre.target(DIGEST), unledgered);
    assert_eq!(theatre.target("select to_regnamespace('trasvase')::text"), [""]);
    let locks = first["locks"].as_array().unwrap();
    assert!(locks.iter().any(|lock| lock["table"] == "person"), "{first}");
    says(&theatre.push(&[]), 0, &[]);

    theatre.mini.edit(
        "clinics/mini/sources/visits.csv",
        "13;3;2024-04-08;odd",
        "13;3;2024-04-08;odd\n14;3;2024-05-09;again",
    );
    let before = theatre.target(DIGEST);
    let (second, code) = theatre.rehearse("--in-place --confirm mini");
    assert_eq!(
        (code, &second["clean"], &second["tables"]["visit"]["inserted"]),
        (0, &true.into(), &1.into()),
        "{second}"
    );
    assert_eq!(second["moved"], serde_json::json!([]));
    assert_eq!(theatre.target(DIGEST), before);
    let locked = theatre.target("select count(*)::text from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())");
    assert_eq!(locked, ["0"]);
    says(&theatre.push(&[]), 0, &[]);
    let batches = theatre.target("select string_agg(number::text, ',' order by number) from trasvase.batch");
    assert_eq!(batches, ["1,2"], "no number was lost to a rehearsal");
}

#[test]
fn a_rehearsal_that_finds_a_difference_keeps_production_closed_but_for_a_reason() {
    let theatre = Theatre::new();
    theatre.mini.execute(
        "create function spoil() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$;
         create trigger spoil before insert on person for each row execute function spoil();",
    );
    let (spoilt, code) = theatre.rehearse("");
    assert_eq!(
        (code, &spoilt["clean"], &spoilt["tables"]["person"]["unequal"]),
        (3, &false.into(), &3.into()),
        "{spoilt}"
    );
    assert_eq!(theatre.copies(), [""; 0]);
    says(
        &theatre.push(&[]),
        2,
        &["was not clean", "trasvase rehearse mini --target production", "--without-rehearsal"],
    );
    says(&theatre.push(&["--without-rehearsal", ""]), 2, &[]);
    says(&theatre.push(&["--without-rehearsal", "  "]), 2, &["was not clean"]);
    assert_eq!(theatre.target("select to_regnamespace('trasvase')::text"), [""]);
    says(
        &theatre.push(&["--without-rehearsal", "capitals are wanted", "--notes", "night one"]),
        0,
        &["capitals are wanted"],
    );
    let notes = theatre.target("select notes from trasvase.batch");
    assert_eq!(notes, ["night one\nwithout rehearsal: capitals are wanted"]);
    says(&theatre.mini.run(&["log", "mini", "--errors"]), 0, &["capitals are wanted"]);
}

#[test]
fn a_rehearsal_counts_for_its_snapshot_whatever_is_verified_later() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini", "--target", "rehearsal"]), 0, &[]);
    let first = mini.json("rehearse mini --list").0["rehearsals"][0].clone();
    assert_eq!((&first["place"], &first["clean"]), (&"target".into(), &true.into()));
    mini.edit("clinics/mini/sources/people.csv", "Luis", "Luisa");
    says(&mini.run(&["run", "mini", "--target", "rehearsal"]), 0, &[]);
    mini.execute("update person set name = 'Other'");
    says(&mini.run(&["verify", "mini", "--target", "rehearsal"]), 3, &[]);
    let production = ["push", "mini", "--target", "production", "--confirm", "mini"];
    says(&mini.run(&production), 2, &["was not clean"]);
    // Who reads another language than the run's is told in that what was counted.
    let (stopped, sentence) = ("se detuvo en verify; filas que no son iguales: 3", "the load was");
    says(&mini.run(&["rehearse", "mini", "--list"]), 0, &[sentence]);
    let listed = mini.run(&["rehearse", "mini", "--list", "--lang", "es"]);
    says(&listed, 0, &["detuvo", "iguales: 3"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(sentence), "{listed:?}");
    says(&mini.run(&[&production[..], &["--lang", "es"]].concat()), 2, &[stopped]);
    let snapshot = first["snapshot"].as_str().unwrap();
    says(&mini.run(&[&production[..], &["--snapshot", snapshot]].concat()), 0, &[]);
}

#[test]
fn the_next_rehearsal_drops_what_a_killed_one_left_and_nothing_else() {
    let theatre = Theatre::new();
    says(&theatre.mini.run(&["run", "mini", "--until", "export", "--target", "production"]), 0, &[]);
    theatre.mini.execute("grant all on schema public to public");
    let arguments = ["rehearse", "mini", "--target", "production", "--from", "push"];
    let mut killed = theatre
        .mini
        .command(&arguments)
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while theatre.copies().is_empty() {
        assert!(Instant::now() < deadline && killed.try_wait().unwrap().is_none(), "it never made a copy");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = theatre.copies();
    assert_eq!(left.len(), 1, "{left:?}");
    let (kept, code) = theatre.rehearse("--from push --keep");
    assert_eq!((code, &kept["clean"]), (0, &true.into()), "{kept}");
    let name = kept["kept"].as_str().unwrap();
    assert_eq!(theatre.copies(), [name]);
    // Whose process lives is left alone, as are those that were to be kept.
    let (_, live) = (theatre.private("create database mini_rehearsal_abcdefgh"), "mini_rehearsal_abcdefgh");
    let runtime = support::runtime();
    let target = Target::at("DATABASE_URL", Secret::new(theatre.server.as_ref().unwrap().url()));
    let session = runtime.block_on(Session::open(&target, Purpose::Write)).unwrap();
    let lock = format!("select pg_advisory_lock({}, hashtext('{live}'))", 0x7472_7263);
    runtime.block_on(session.client.batch_execute(&lock)).unwrap();
    assert_eq!(theatre.rehearse("--from push").1, 0);
    let mut copies = vec![name.to_owned(), live.to_owned()];
    copies.sort();
    assert_eq!(theatre.copies(), copies);
    drop(session);
}

/// What was rehearsed on one machine is pushed from another, whose staging file is new; golden ids came along by git.
#[test]
fn a_fresh_staging_file_makes_the_snapshot_that_was_rehearsed() {
    let mini = Mini::new();
    mini.edit("sql/systems/small/target/person.sql", "_id from", "_ids from");
    let section = "[dedupe.person]\ncompare.name = { as = \"text\" }\n\n[control.people]";
    mini.edit("clinics/mini/clinic.toml", "[control.people]", section);
    let latest = || std::fs::read_to_string(mini.path().join("staging/mini/snapshots/latest")).unwrap();
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    mini.edit("sql/sources/ledger/clean/visit.sql", "select", "select 1 + 1 as two,");
    says(&mini.run(&["transform", "mini"]), 0, &[]);
    mini.edit("sql/sources/ledger/clean/visit.sql", "select 1 + 1 as two,", "select");
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    let rehearsed = latest();
    assert!(mini.path().join("clinics/mini/fixes/person.golden.csv").is_file());
    std::fs::remove_dir_all(mini.path().join("staging/mini")).unwrap();
    for _ in 0..2 {
        says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
        assert_eq!(latest(), rehearsed);
    }
}
