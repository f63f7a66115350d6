//! What an old PostgreSQL refuses: each SQLSTATE is a sentence with what to do next. And what it cannot do: texts without an
//! encoding, a snapshot for a second session, a standby that has to go on.

use std::sync::Mutex;

use serde_json::json;
use trasvase::error::{Cause, Failure};
use trasvase::model::run::{Event, Observer};

use super::desk::Desk;
use super::postgres::{connect, desk, run};
use crate::cli::replica::Follower;
use crate::support;

fn query(sql: &str) -> String {
    format!("[sources.s]\nurl = 'OLD_URL'\nquery = \"\"\"{sql}\"\"\"")
}

fn table(name: &str) -> String {
    format!("[sources.s]\nurl = 'OLD_URL'\ntable = '{name}'")
}

/// Remembers what was told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &Event<'_>) {
        if let Event::Note { text, .. } = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

const CLINIC: &str = "
    create table visit (id int, note text);
    insert into visit values (1, 'Luz Berta'), (2, '7');
    create sequence numbers;
    create materialized view kept as select id from visit with no data;
    create function refuses() returns int language plpgsql as $$ begin raise exception 'Luz Berta'; end $$;
    create view tried as select note::int as n from visit;";

#[test]
fn what_a_query_does_wrong_is_told_with_what_to_write() {
    let (_database, desk) = desk(CLINIC, &table("visit"));
    desk.load().unwrap();
    let before = desk.everything();
    for (sources, message, hint, cause) in [
        (
            query("select 1 / (id - 1) from visit"),
            "divided by zero (SQLSTATE 22012)",
            "nullif(",
            Some(Cause::Data),
        ),
        (
            query("select id * 2000000000 from visit"),
            "too large for its type (SQLSTATE 22003)",
            "numeric",
            Some(Cause::Data),
        ),
        (query("select note::int from visit"), "cast to (SQLSTATE 22P02)", "try_cast", Some(Cause::Data)),
        (table("tried"), "cast to (SQLSTATE 22P02)", "or in the view", Some(Cause::Data)),
        (
            query("select note::date from visit"),
            "no date or time (SQLSTATE 22007)",
            "parse_date",
            Some(Cause::Data),
        ),
        (query("select chr(id - 1) from visit"), "(SQLSTATE 54000)", "simpler query", None),
        (
            query("select substr(note, 1, -id) from visit"),
            "a value makes the query or the view fail (SQLSTATE 22011)",
            "clean model",
            Some(Cause::Data),
        ),
        (
            query("\nselect id,\n  nope from visit"),
            "does not exist (line 2, character 3 of its query)",
            "in psql as postgres",
            None,
        ),
        (query("select id from nowhere"), "does not exist (line 1, character 16", "[sources.s]", None),
        (query("select nofunction(id) from visit"), "(SQLSTATE 42883)", "[sources.s]", None),
        (query("select nextval('numbers')"), "(SQLSTATE 25006)", "is only read", None),
        (query("select distinct id from visit for share"), "(SQLSTATE 0A000)", "plain query", None),
        (table("kept"), "(SQLSTATE 55000)", "refresh materialized view", None),
        (query("select refuses()"), "SQLSTATE P0001", "tables behind it", None),
    ] {
        desk.configure(&sources);
        let failure = desk.load().unwrap_err();
        assert!(failure.message.contains("source s, asked of OLD_URL"), "{failure:?}");
        assert!(failure.message.contains(message), "{message:?} in {failure:?}");
        assert!(failure.hints.join(" ").contains(hint), "{hint:?} in {failure:?}");
        assert_eq!(failure.cause, cause, "{failure:?}");
        assert!(!format!("{failure:?}").contains("Luz"), "{failure:?}");
        assert_eq!(desk.everything(), before);
    }
}

#[test]
fn texts_of_a_database_without_an_encoding_are_read_as_what_clinic_toml_says() {
    let database = support::runtime().block_on(support::database_in("SQL_ASCII"));
    run(
        &database,
        r"create table patient (id int, city text, name varchar(20), extra jsonb);
          insert into patient values (1, 'Madrid', 'Ana', null), (2, E'C\xe1diz', E'Mu\xf1oz', '{}')",
    );
    let desk = Desk::new(&format!(
        "{}\n[sources.t]\nurl = 'OLD_URL'\nquery = 'select id, name from patient'",
        table("patient")
    ));
    connect(&desk, &database.url);
    let failure = desk.load().unwrap_err();
    assert!(
        failure.message.contains("column city: ") && failure.message.contains("(SQLSTATE 22021)"),
        "{failure:?}"
    );
    assert!(failure.hints[0].contains("[sources.s] encoding = \"windows-1252\""), "{failure:?}");
    assert_eq!(failure.cause, Some(Cause::Data));
    // Of a query the column goes by its name too.
    desk.configure("[sources.t]\nurl = 'OLD_URL'\nquery = 'select id, name as known from patient'");
    assert!(desk.load().unwrap_err().message.contains("column known: "));
    desk.configure(&format!("{}\nencoding = 'windows-1252'", table("patient")));
    desk.load().unwrap();
    let rows = desk.rows("select id, city, name, extra from raw.s order by id");
    assert_eq!(rows, [json!(["1", "Madrid", "Ana", null]), json!(["2", "Cádiz", "Muñoz", "{}"])]);
    desk.configure(&format!("{}\nencoding = 'utf-8'", table("patient")));
    assert!(desk.load().unwrap_err().message.contains("column city: "));
    desk.configure(&format!("{}\nencoding = 'big5'", table("patient")));
    assert!(desk.load().unwrap_err().message.contains("cannot turn big5 into UTF-8"));
}

#[test]
fn an_encoding_is_not_said_of_a_database_that_says_its_own() {
    let (_database, desk) = desk(CLINIC, &format!("{}\nencoding = 'windows-1252'", table("visit")));
    let failure = desk.load().unwrap_err();
    assert!(
        failure.message.contains("this one says UTF8") && failure.hints[0].contains("take that line out"),
        "{failure:?}"
    );
}

const BIG: &str = "create table big (id int, body text); alter table big alter body set storage plain;
    insert into big select n, repeat(md5(n::text), 60) from generate_series(1, 40000) n";

#[test]
fn one_session_reads_it_all_where_a_second_cannot_see_the_same() {
    let sql = "do $$ begin create role alone login; exception when duplicate_object then null; end $$;
               grant select on big to alone; revoke execute on function pg_export_snapshot() from public";
    let (database, desk) = desk(&format!("{BIG}; {sql}"), "[sources.big]\nurl = 'OLD_URL'\ntable = 'big'");
    connect(&desk, &database.url_as("alone"));
    let notes = Notes::default();
    assert_eq!(desk.load_with(&[], false, &notes).unwrap().rows(), 40_000);
    let told = notes.0.into_inner().unwrap().join("\n");
    assert!(
        told.contains("OLD_URL is read over one session") && told.contains("pg_export_snapshot"),
        "{told}"
    );
    // Where it can be seen, nothing is told.
    connect(&desk, &database.url);
    let notes = Notes::default();
    desk.load_with(&[], true, &notes).unwrap();
    assert!(!notes.0.into_inner().unwrap().join("\n").contains("one session"));
}

#[test]
fn a_standby_is_a_source_and_says_when_it_had_to_go_on() {
    let folder = support::reachable_folder("trasvase-standby-");
    support::server().account().private_folder(&folder).unwrap();
    let primary = Follower::primary(&folder);
    primary.execute(&format!("{CLINIC}; {BIG}; create role few login connection limit 0"));
    let standby = Follower::of(&primary, &folder);
    let desk = Desk::new("[sources.big]\nurl = 'OLD_URL'\ntable = 'big'");
    connect(&desk, &standby.url());
    assert_eq!(desk.load().unwrap().rows(), 40_000);
    let sum = "select count(distinct id), sum(id::bigint) from raw.big";
    assert_eq!(desk.rows(sum), [json!(["40000", "800020000"])]);
    // What is vacuumed away on the primary is needed by the question that the standby is at.
    standby.execute("alter system set max_standby_streaming_delay = 0");
    standby.execute("select pg_reload_conf()");
    desk.configure(&query("select visit.id, pg_sleep(2) from visit"));
    let failure = std::thread::scope(|scope| {
        let loading = scope.spawn(|| desk.load().unwrap_err());
        std::thread::sleep(std::time::Duration::from_millis(1500));
        primary.execute("delete from visit");
        primary.execute("vacuum visit");
        loading.join().unwrap()
    });
    assert!(failure.message.contains("(SQLSTATE 40001)"), "{failure:?}");
    assert!(failure.message.contains("conflict with recovery"), "{failure:?}");
    assert!(failure.hints[0].contains("hot_standby_feedback"), "{failure:?}");
    assert_eq!(failure.passing.as_deref(), Some("40001"), "it is asked again by itself: {failure:?}");
    // Of what is refused before any question: no connection to spare, no such database.
    for (change, message, hint) in [
        ("user=few", "(SQLSTATE 53300)", "try again in a moment"),
        ("dbname=nowhere&user=postgres", "(SQLSTATE 3D000)", "OLD_URL"),
        ("user=nobody_here", "(SQLSTATE 28000)", "OLD_URL"),
    ] {
        connect(&desk, &primary.url().replace("user=postgres", change));
        let failure: Failure = desk.load().unwrap_err();
        assert!(failure.message.contains(message), "{failure:?}");
        assert!(failure.hints.join(" ").contains(hint), "{failure:?}");
        assert_eq!(failure.cause, Some(Cause::Connection), "{failure:?}");
    }
    drop(standby);
    drop(primary);
    std::fs::remove_dir_all(folder).unwrap();
}
