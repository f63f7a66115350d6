//! Tables and queries of a PostgreSQL: what it holds is what arrives, in its own text, as it was at one moment.

use std::time::Duration;

use serde_json::{Value, json};
use trasvase::config::{Clinic, Project};
use trasvase::error::{Failure, Kind};
use trasvase::load::{self, Reason};
use trasvase::model::run::Silent;
use trasvase::pg::{Purpose, Session};

use super::desk::{Desk, findings};
use crate::support::{self, TestDatabase, runtime};

/// A database with this in it, and a clinic that asks it.
pub(super) fn desk(sql: &str, sources: &str) -> (TestDatabase, Desk) {
    let database = runtime().block_on(support::database_with(sql));
    let desk = Desk::new(sources);
    connect(&desk, &database.url);
    (database, desk)
}

pub(super) fn connect(desk: &Desk, url: &str) {
    std::fs::write(desk.folder.path().join(".env"), format!("OLD_URL='{url}'\n")).unwrap();
}

pub(super) fn run(database: &TestDatabase, sql: &str) {
    // As a source is asked, which may be in any encoding.
    runtime().block_on(async {
        let session = Session::open(&database.target(), Purpose::Ask).await.unwrap();
        session.client.batch_execute("set default_transaction_read_only = off").await.unwrap();
        session.client.batch_execute(sql).await.unwrap();
    });
}

/// A query's rows as PostgreSQL itself shows them: lists of texts.
fn shown(database: &TestDatabase, sql: &str) -> Vec<Value> {
    runtime().block_on(async {
        let session = database.client().await;
        let rows = session.client.simple_query(sql).await.unwrap();
        let row = |message: &tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some(json!((0..row.len()).map(|place| row.get(place)).collect::<Vec<_>>()))
            }
            _ => None,
        };
        rows.iter().filter_map(row).collect()
    })
}

pub(super) fn incremental(desk: &Desk) -> Result<load::Report, Failure> {
    desk.staging(|project, clinic, staging| {
        let only = Vec::new();
        load::run(&load::Options { project, clinic, staging, only, force: false, incremental: true }, &Silent)
            .map_err(|error| Failure::from_anyhow(&error))
    })
}

pub(super) const EVERY_TYPE: &str = r#"
create extension if not exists citext;
create type mood as enum ('sad', 'it''s ok');
create type pair as (a int, b text);
create domain code as varchar(9);
create domain yes as boolean;
create table t (id int primary key, i2 int2, i8 int8, f4 real, f8 double precision, n numeric, n2 numeric(12, 4), b boolean,
  t text, v varchar(5), c char(6), "c1" "char", nm name, ci citext, by bytea, d date, ts timestamp, tz timestamptz, ti time,
  tiz timetz, iv interval, u uuid, j json, jb jsonb, x xml, ip inet, cd cidr, mac macaddr, bi bit(3), vb varbit, m money, o oid,
  ai int[], at text[], ab boolean[], r int4range, tr tstzrange, p point, e mood, pr pair, dc code, dy yes, tv tsvector, ls pg_lsn,
  doubled int generated always as (id * 2) stored);
insert into t values
  (1, -32768, 9223372036854775807, 1.5, 1e300, 123456789012345678901234567890.123456789, 1.5000, true, 'ñ "x", ''y''' || E'\n\t\\',
   'abc', 'ab', 'x', 'a name', 'CiText', '\x00ff10', '2024-02-29', '2024-02-29 23:59:59.123456', '1969-12-31 23:59:59.5+02', '23:59:59.5',
   '10:00+05:30', '1 year 2 mons -3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a" : 1.0}', '{"b": [1, 2.50]}', '<a>ñ</a>',
   '192.168.1.5', '10.0.0.0/8', '08:00:2b:01:02:03', '101', '10101', '12.50', 4294967295, '{1,NULL,3}', '{"a b",NULL,""}', '{t,f}', '[1,5)',
   '[2024-01-01 00:00+00,)', '(1,2)', 'it''s ok', '(1,"a b")', 'code', true, 'a:1 b:2', '16/B374D848'),
  (2, 0, -9223372036854775808, 'nan', '-infinity', 'nan', -0.0001, false, '', '', '', '', '', '', '', '4713-01-01 BC', '0044-03-15 12:00 BC',
   '294276-12-31 23:59:59.999999+00', '00:00', '00:00-12', '0', '00000000-0000-0000-0000-000000000000', 'null', 'null', '', '::1/64', '::/0',
   '00:00:00:00:00:00', '000', '', '-0.01', 0, '{}', '{}', '{}', 'empty', 'empty', '(0,-0)', 'sad', '(,)', '', false, '', '0/0'),
  (3, 7, 7, 1e-10, 123456789.123456789, 0.00000000000000000001, 0, true, E'\u0001', 'é', 'é', 'z', 'N', 'z', '\x', 'infinity', 'infinity',
   '-infinity', '24:00', '24:00', '-00:00:00.000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '[1 , 2]', '"\u00e1"', '<b/>', '::ffff:1.2.3.4',
   '1.2.3.4/32', 'ff:ff:ff:ff:ff:ff', '111', '1', '1000000', 1, '[0:1]={4,5}', '{NULL}', '{NULL}', '(,5)', '(,)', '(1e20,1e-20)', 'sad',
   '(2,)', 'x', null, 'x', '1/0'),
  (4, 1, 1, 1, 1, 10000, 12345678.0001, true, 'x', 'x', 'x', 'x', 'x', 'x', 'x', '0001-01-01', '0001-01-01', '12345-06-07 08:09:10.1+00',
   '00:00:00.000001', '00:00:00+01', '1 mon', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', '1', '1', '', '1.2.3.4/16', '1.2.0.0/16', '1:1:1:1:1:1',
   '000', '0', '1', 1, '{{1,2},{3,4}}', '{x}', '{t}', '[1,1]', '(,)', '(1,1)', 'sad', '(1,x)', 'x', true, 'x', '1/1');
insert into t values
  (5, 1, 1, 1, 1, 100000000, 0.1, true, 'x', 'x', 'x', 'x', 'x', 'x', 'x', '2000-01-01', '2000-01-01', '1999-12-31 23:59:59.999999+00');
insert into t values (6);
alter table t add dropped int; alter table t drop dropped;
"#;

#[test]
fn every_type_arrives_as_postgresql_writes_it() {
    let (database, desk) = desk(EVERY_TYPE, "[sources.t]\nurl = 'OLD_URL'\ntable = 't'");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), report.refused(), report.sources[0].files[0].counted), (6, 0, 6));
    let columns = report.sources[0].columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
    let arrived = desk.rows(&format!("select {} from raw.t order by id", columns.join(", ")));
    let sent = shown(&database, "select * from t order by id");
    for (arrived, sent) in arrived.iter().zip(&sent) {
        for (place, name) in columns.iter().enumerate() {
            assert_eq!(arrived[place], sent[place], "{name} of {}", arrived[0]);
        }
    }
    assert_eq!((arrived.len(), columns.len()), (sent.len(), 45));
    // Again is safe, and a changed row is seen.
    assert!(desk.load().unwrap().unchanged());
    run(&database, "update t set t = 'other' where id = 6");
    assert!(!desk.load().unwrap().unchanged());
    assert_eq!(desk.rows("select t from raw.t where id = '6'"), [json!(["other"])]);
}

#[test]
fn tables_of_every_kind_and_name_are_asked() {
    let sql = r#"
        create schema "Old Clinic";
        create table "Old Clinic"."Pa""tients" ("Id" int, "na me" text, "_id" int);
        insert into "Old Clinic"."Pa""tients" values (1, 'Ana', 7), (2, null, 8);
        create view seen as select "Id" as id from "Old Clinic"."Pa""tients";
        create table nothing (id int, name text);
        create table parted (id int, year int) partition by list (year);
        create table parted_1 partition of parted for values in (2023);
        create table parted_2 partition of parted for values in (2024);
        insert into parted values (1, 2023), (2, 2024), (3, 2024);
        create materialized view kept as select count(*) as n from parted;"#;
    let source = |name: &str, what: &str| format!("[sources.{name}]\nurl = 'OLD_URL'\n{what}\n");
    let sources = [
        source("quoted", r#"table = '"Old Clinic"."Pa""tients"'"#),
        source("seen", "table = 'public.seen'"),
        source("nothing", "table = 'NOTHING'"),
        source("parted", "table = 'parted'"),
        source("kept", "table = 'kept'"),
        source("twice", "query = '''select id, year as id, 'x' from parted order by 1 -- a comment;'''"),
        source("optional", "table = 'not.there'\noptional_columns = ['id', 'name']"),
    ];
    let (_database, desk) = desk(sql, &sources.concat());
    let report = desk.load().unwrap();
    let rows = |sql: &str| desk.rows(sql);
    assert_eq!(rows("select \"Id\", \"na me\", _row from raw.quoted order by _id").len(), 2);
    assert_eq!(rows("select \"Id\", \"na me\" from raw.quoted"), [json!(["1", "Ana"]), json!(["2", null])]);
    assert_eq!(rows("select count(*) from raw.seen"), [json!(["2"])]);
    assert_eq!(rows("select count(id) from raw.nothing"), [json!(["0"])]);
    assert_eq!(rows("select sum(id::int) from raw.parted"), [json!(["6"])]);
    assert_eq!(rows("select n from raw.kept"), [json!(["3"])]);
    let columns = |name: &str| {
        report.sources.iter().find(|one| one.name == name).map(|one| one.columns.join(" ")).unwrap()
    };
    assert_eq!(columns("quoted"), "Id na me _id_2");
    assert_eq!(columns("twice"), "id id_2 ?column?");
    assert_eq!(columns("optional"), "id name");
    assert!(findings(&report).contains(&"no_records"));
    assert!(desk.load().unwrap().unchanged());
    let plan = desk.plan();
    let live: Vec<_> = plan.steps.iter().map(|step| step.reason).collect();
    assert_eq!(live, vec![Some(Reason::Live); 7]);
    let extracts = desk.folder.path().join("staging/demo/extracts");
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!((mode(&extracts.join("seen")), mode(&extracts.join("seen/0001.pgcopy"))), (0o700, 0o600));
}

#[test]
fn a_large_table_is_read_in_pieces_and_whole() {
    let sql = "create table big (id int, body text); alter table big alter body set storage plain;
               insert into big select n, repeat(md5(n::text), 60) from generate_series(1, 40000) n";
    let (_database, desk) = desk(sql, "[sources.big]\nurl = 'OLD_URL'\ntable = 'big'");
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), report.refused()), (40_000, 0));
    let sql = "select count(distinct id), sum(id::bigint), bool_and(body = repeat(md5(id), 60)) from raw.big";
    assert_eq!(desk.rows(sql), [json!(["40000", "800020000", "true"])]);
    let extracts = desk.folder.path().join("staging/demo/extracts/big");
    assert_eq!(std::fs::read_dir(&extracts).unwrap().count(), 1);
    // It was hashed while it was written.
    let (shown, path) = (String::new(), extracts.join("0001.pgcopy"));
    let written = trasvase::sources::survey(&trasvase::sources::SourceFile { shown, path }).unwrap();
    let file = &report.sources[0].files[0];
    assert_eq!((file.bytes, &file.sha256), (written.fingerprint.bytes, &written.fingerprint.sha256));
    assert!(desk.load().unwrap().unchanged());
    assert_eq!(desk.load_with(&[], true, &Silent).unwrap().sources[0].files[0].sha256, file.sha256);
}

#[test]
fn an_extract_that_breaks_off_leaves_nothing() {
    let first = "[sources.a]\nurl = 'OLD_URL'\nquery = 'select n from generate_series(1, 300000) n'\n";
    let second = "[sources.b]\nurl = 'OLD_URL'\nquery = 'select 1 / (200000 - n) as x from generate_series(1, 300000) n'";
    let (_database, desk) = desk("create table t (id int)", &format!("{first}{second}"));
    for _ in 0..2 {
        let failure = desk.load().unwrap_err();
        assert!(failure.message.contains("source b, asked of OLD_URL"), "{failure:?}");
        assert!(failure.message.contains("SQLSTATE 22012"), "{failure:?}");
        // Both show one moment, so that one of them alone shows none.
        let tables = "select count(*) from duckdb_tables() where schema_name = 'raw'";
        assert_eq!(desk.rows(tables), [json!(["0"])]);
        assert_eq!(desk.rows("select count(*) from meta.source"), [json!(["0"])]);
        for source in ["a", "b"] {
            let folder = desk.folder.path().join("staging/demo/extracts").join(source);
            let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
    desk.configure(first);
    assert_eq!(desk.load().unwrap().rows(), 300_000);
}

#[test]
fn a_row_written_while_it_is_asked_is_in_no_table() {
    let sql = "create table a (id int); create table b (id int); insert into a values (1); insert into b values (1)";
    let sources = "
        [sources.a]\nurl = 'OLD_URL'\nquery = 'select id from a, pg_sleep(1.5)'
        [sources.b]\nurl = 'OLD_URL'\ntable = 'b'
        [sources.c]\nurl = 'OLD_URL'\nquery = 'select * from b'";
    let (database, desk) = desk(sql, sources);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            run(&database, "insert into a values (2); insert into b values (2)");
        });
        let report = desk.load().unwrap();
        assert_eq!(report.rows(), 3);
    });
    assert_eq!(desk.load().unwrap().rows(), 6);
}

pub(super) const VISITS: &str = "create table visit (id int, note text, changed timestamptz);
    insert into visit values (1, 'a', '2024-01-01 10:00:00.000001+00'), (2, 'b', '2024-01-01 10:00:00.000002+00'), (3, 'c', null)";
pub(super) const VISIT: &str =
    "[sources.visit]\nurl = 'OLD_URL'\ntable = 'visit'\nkey = ['id']\ncursor = 'changed'";

#[test]
fn only_what_changed_since_is_asked() {
    let (database, desk) = desk(VISITS, VISIT);
    let all = |desk: &Desk| desk.rows("select id, note from raw.visit order by id::int");
    assert_eq!(incremental(&desk).unwrap().rows(), 3);
    assert!(incremental(&desk).unwrap().unchanged());
    // A row that was changed without its cursor is not asked for: that shows that only later ones are.
    run(
        &database,
        "update visit set note = 'silent' where id = 1; delete from visit where id = 3;
                    update visit set note = 'B', changed = '2024-01-01 10:00:00.000003+00' where id = 2;
                    insert into visit values (4, 'd', '2024-02-01')",
    );
    let report = incremental(&desk).unwrap();
    assert_eq!((report.rows(), report.sources[0].superseded, report.sources[0].files.len()), (4, 1, 2));
    let laid = [json!(["1", "a"]), json!(["2", "B"]), json!(["3", "c"]), json!(["4", "d"])];
    assert_eq!(all(&desk), laid);
    assert!(incremental(&desk).unwrap().unchanged());
    // An extract that was never loaded is not loaded beside the next one.
    let stray = desk.folder.path().join("staging/demo/extracts/visit/0003.pgcopy");
    std::fs::copy(stray.with_file_name("0002.pgcopy"), &stray).unwrap();
    assert!(incremental(&desk).unwrap().unchanged());
    // A full load asks for all of it, and needs no earlier delivery.
    assert_eq!(desk.load().unwrap().sources[0].files.len(), 1);
    assert_eq!(all(&desk), [json!(["1", "silent"]), json!(["2", "B"]), json!(["4", "d"])]);
    // Other settings cannot be laid over these rows.
    desk.configure(&VISIT.replace("table = 'visit'", "query = 'select * from visit'"));
    assert_eq!(incremental(&desk).unwrap_err().kind, Kind::Usage);
}

#[test]
fn a_cursor_that_the_database_would_order_by_its_letters_is_refused() {
    let texts = "create table visit (id int, note text, changed text);
        insert into visit values (1, 'a', '9'), (2, 'b', '10')";
    let (database, desk) = desk(texts, VISIT);
    assert_eq!(incremental(&desk).unwrap().rows(), 2);
    let failure = incremental(&desk).unwrap_err();
    assert!(failure.message.contains("letter by letter"), "{failure:?}");
    assert!(failure.hints[0].contains("(changed)::timestamp"), "{failure:?}");
    desk.configure(
        &VISIT
            .replace("table = 'visit'", "query = 'select id, note, changed::numeric as changed from visit'"),
    );
    desk.load().unwrap();
    run(&database, "insert into visit values (3, 'c', '11'), (4, 'd', '10.0000000000001')");
    assert_eq!(incremental(&desk).unwrap().rows(), 4);
}

#[test]
fn a_row_that_comes_late_with_the_cursor_of_others_or_without_one_is_asked_for() {
    let (database, desk) = desk(VISITS, VISIT);
    assert_eq!(incremental(&desk).unwrap().rows(), 3);
    run(
        &database,
        "insert into visit values (5, 'late', '2024-01-01 10:00:00.000002+00'), (6, 'none', null)",
    );
    incremental(&desk).unwrap();
    let notes = desk.rows("select note from raw.visit order by id::int");
    assert_eq!(notes, [json!(["a"]), json!(["b"]), json!(["c"]), json!(["late"]), json!(["none"])]);
    assert!(incremental(&desk).unwrap().unchanged());
}

#[test]
fn a_cursor_without_an_end_or_far_ahead_ends_no_delivery_unseen() {
    let (database, desk) = desk(VISITS, VISIT);
    run(&database, "insert into visit values (4, 'endless', 'infinity')");
    let told = |report: &load::Report| {
        let found = report.sources[0].findings.iter().find(|one| one.rule == load::FAR_AHEAD);
        found.map(|one| (one.count, one.column.clone().unwrap(), one.detail.clone().unwrap()))
    };
    let (count, column, detail) = told(&incremental(&desk).unwrap()).unwrap();
    assert_eq!((count, column.as_str()), (1, "changed"));
    assert!(detail.contains("[sources.visit] query") && detail.contains("changed < now()"), "{detail}");
    // It is no reason to read it again, and none to leave out what is changed from now on.
    assert!(incremental(&desk).unwrap().unchanged());
    run(&database, "insert into visit values (5, 'late', 'infinity'), (6, 'new', now())");
    assert_eq!(incremental(&desk).unwrap().rows(), 6);
    assert!(incremental(&desk).unwrap().unchanged());
    run(&database, "insert into visit values (7, 'newer', now())");
    let report = incremental(&desk).unwrap();
    assert_eq!((report.rows(), told(&report).unwrap().0), (7, 2));
    run(&database, "update visit set changed = now() where changed = 'infinity'");
    assert_eq!(told(&incremental(&desk).unwrap()), None);
    run(&database, "insert into visit values (8, 'far', now() + interval '2 years')");
    assert_eq!(told(&incremental(&desk).unwrap()).unwrap().0, 1);
}

#[test]
fn what_cannot_be_asked_is_told_with_what_to_do() {
    let sql = "create table \"Patient\" (id int); create table visit (id int, note text);
               insert into visit values (1, 'Luz Berta');
               alter table visit enable row level security;
               do $$ begin create role asker login; exception when duplicate_object then null; end $$;
               grant select on visit to asker";
    let table = |name: &str| format!("[sources.s]\nurl = 'OLD_URL'\ntable = '{name}'");
    let query = |sql: &str| format!("[sources.s]\nurl = 'OLD_URL'\nquery = \"{sql}\"");
    let (database, desk) = desk(sql, &table("visit"));
    desk.load().unwrap();
    let before = desk.everything();
    let fails = |sources: &str, message: &str, hint: &str| {
        desk.configure(sources);
        let failure = desk.load().unwrap_err();
        let hints = failure.hints.join("\n");
        assert!(failure.message.contains(message), "{message:?} in {failure:?}");
        assert!(hints.contains(hint), "{hint:?} in {failure:?}");
        assert!(!format!("{failure:?}").contains("Luz"), "{failure:?}");
        assert_eq!(desk.everything(), before);
    };
    fails(&table("patient"), "no table patient", "perhaps public.\"Patient\"?");
    fails(&table("visti"), "no table visti", "perhaps public.visit?");
    fails(&query("selec 1"), "source s, asked of OLD_URL", "[sources.s]");
    fails(&query("select note::int from visit"), "source s", "");
    fails(&query("delete from visit returning id"), "source s", "");
    fails(&format!("{}\nkey = ['id']\ncursor = 'at'", table("visit")), "no at", "");
    fails(&format!("{}\nencoding = 'utf-8'", table("visit")), "encoding", "");
    fails("[sources.s]\nurl = 'NEW_URL'\ntable = 'visit'", "NEW_URL", "NEW_URL=postgresql://");
    fails("[sources.s]\nurl = 'OLD_URL'\ncollection = 'visit'", "no collection", "PostgreSQL has a table");
    connect(&desk, &database.url_as("asker"));
    fails(&table("visit"), "row-level security", "bypassrls");
    fails(&table("public.\"Patient\""), "permission denied", "grant select");
    let with = |setting: &str| format!("{}&options=-c%20{setting}", database.url);
    connect(&desk, &with("statement_timeout%3D200"));
    fails(&query("select 1 from pg_sleep(5)"), "statement timeout", "quiet hour");
    connect(&desk, "postgresql://nobody:open%20sesame@127.0.0.1:1/x");
    fails(&table("visit"), "cannot connect", "OLD_URL");
    connect(&desk, &with("lock_timeout%3D200"));
    let holder = runtime();
    let holding = holder.block_on(async {
        let session = database.client().await;
        session.client.batch_execute("begin; lock table visit").await.unwrap();
        session
    });
    fails(&table("visit"), "lock timeout", "somebody holds");
    drop(holding);
}

#[test]
fn a_live_source_is_one_table_query_or_collection() {
    let desk = Desk::new("");
    for (keys, message) in [
        ("url = 'OLD_URL'", "[sources.s] url"),
        ("url = 'OLD_URL'\ntable = 'a'\nfiles = ['a.csv']", "[sources.s] url"),
        ("table = 'a'\nquery = 'select 1'", "one table, one query"),
        ("url = 'OLD_URL'\ntable = 'a'\ncollection = 'a'", "one table, one query"),
    ] {
        desk.configure(&format!("[sources.s]\n{keys}"));
        let project = Project::at(desk.folder.path());
        let failure = Failure::from_anyhow(&Clinic::read(&project, &"demo".parse().unwrap()).unwrap_err());
        assert!(failure.kind == Kind::Usage && failure.message.contains(message), "{failure:?}");
    }
}

#[test]
fn an_extract_that_was_cut_is_told() {
    let (_database, desk) = desk(VISITS, VISIT);
    desk.load().unwrap();
    let before = desk.everything();
    let path = desk.folder.path().join("staging/demo/extracts/visit/0001.pgcopy");
    let whole = std::fs::read(&path).unwrap();
    let copy = desk.clinic_dir().join("s.pgcopy");
    desk.configure("[sources.visit]\nfiles = ['s.pgcopy']\nkey = ['id']\ncursor = 'changed'");
    // As a file it is read by the same reader.
    std::fs::write(&copy, &whole).unwrap();
    assert_eq!(desk.load_with(&[], true, &Silent).unwrap().rows(), 3);
    for length in [30, 120, whole.len() - 30, whole.len() - 2, whole.len() - 1] {
        std::fs::write(&copy, &whole[..length]).unwrap();
        let failure = desk.load_with(&[], true, &Silent).unwrap_err();
        assert!(failure.message.contains("s.pgcopy"), "{failure:?}");
    }
    let mut more = whole.clone();
    more.push(0);
    std::fs::write(&copy, more).unwrap();
    assert!(desk.load_with(&[], true, &Silent).unwrap_err().message.contains("after its end"));
    assert_eq!(before.len(), desk.everything().len());
}
