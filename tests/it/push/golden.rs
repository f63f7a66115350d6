//! Golden ids that change between two pushes: people who turn out to be one, or not to be.

use trasvase::error::{Failure, Kind};
use trasvase::push::{Plan, Report};
use trasvase::rollback::Edited;
use trasvase::snapshot::Snapshot;

use crate::tiny::Tiny;

const SCHEMA: &str = "create table person (id text primary key, name text not null); \
     create table visit (id text primary key, person_id text not null references person, day text); \
     create table note (id integer primary key, person_id text references person, other_id text references person);";
const VISIT: &str = "select v.id, x.golden_id as person_id, v.day from (values ('v1', '1', 'x'), ('v2', '2', 'y'), \
     ('v3', '3', 'z')) v(id, person, day) join xref.person x on x.source_id = v.person";
const DEDUPE: &str = "[dedupe.person]\ncompare.name = { as = \"text\" }\n";
const RECORDED: &str = "clinics/tiny/fixes/person.golden.csv";

/// Makes what only one of two rows can have go from the one that goes to the one that stays.
const UNIQUE: &str = "create table person (id text primary key, name text not null unique); \
     create table visit (id text primary key, person_id text not null references person, day text); \
     create table note (id integer primary key, person_id text references person, other_id text references person);";

/// Three source records of people, each with a visit.
pub(super) struct People {
    pub(super) tiny: Tiny,
}

impl People {
    pub(super) async fn new(schema: &str, settings: &str) -> Self {
        let person = "select x.golden_id as id, min(c.name) as name, min(x.source_id) as _source_id \
                      from xref.person x join clean.person c using (source_id) group by 1";
        let settings = format!("{settings}{DEDUPE}");
        let tiny = Tiny::new(schema, &[("person", person), ("visit", VISIT)], &settings).await;
        let people = "-- one row a person\n\
                      select *, source_id::bigint as _id from (values ('1', 'Ana'), ('2', 'Ana R'), ('3', 'Ana Ruiz')) t(source_id, name)\n";
        tiny.run.project.write("clinics/tiny/sql/clean/person.sql", people);
        let people = Self { tiny };
        people.are(["A", "B", "C"]);
        people
    }

    /// Says which golden id each of the three records has: what the engine finds out.
    pub(super) fn are(&self, golden_ids: [&str; 3]) {
        let rows = ["1", "2", "3"].iter().zip(golden_ids).map(|(id, golden)| format!("('{id}', '{golden}')"));
        let xref = format!(
            "-- one row a person\n-- origin: none\nselect * from (values {}) t(source_id, golden_id)\n",
            rows.collect::<Vec<_>>().join(", ")
        );
        self.tiny.run.project.write("clinics/tiny/sql/xref/person.sql", &xref);
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        self.tiny.export().await.1
    }

    /// Pushes as planned, verifies, and finds nothing to do then.
    pub(super) async fn push(&self) -> Report {
        let snapshot = self.snapshot().await;
        let planned = self.tiny.run.dry_run(&snapshot).await;
        let report = self.tiny.push().await;
        assert_eq!(planned.id, report.plan.id);
        same_counts(&report);
        let recorded = self.recorded();
        assert_eq!(self.tiny.run.push(&snapshot).await.batch, None);
        assert_eq!(self.recorded(), recorded, "nothing is recorded twice");
        report
    }

    pub(super) async fn refused(&self) -> Failure {
        Failure::from_anyhow(&self.tiny.run.try_push(&self.snapshot().await).await.unwrap_err())
    }

    fn recorded(&self) -> String {
        std::fs::read_to_string(self.tiny.run.project.path().join(RECORDED)).unwrap_or_default()
    }

    /// Source id and golden id of the recorded rows, in their order.
    fn ids(&self) -> Vec<String> {
        let recorded = self.recorded();
        recorded.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    }

    pub(super) async fn persons(&self) -> Vec<String> {
        self.tiny.texts("select id from person order by id").await
    }

    async fn visits(&self) -> Vec<String> {
        self.tiny.texts("select id || ' ' || person_id from visit order by id").await
    }

    async fn notes(&self) -> Vec<String> {
        self.tiny.texts("select concat_ws(' ', id, person_id, other_id) from note order by id").await
    }

    /// The before-images of the last batch.
    pub(super) async fn before(&self) -> Vec<String> {
        let sql = "select n.name || ' ' || c.action || ' ' || c.key || ' ' || c.before from trasvase.change c \
                   join trasvase.name n on n.code = c.target_table \
                   where c.batch = (select max(number) from trasvase.batch where status = 'completed') order by 1";
        self.tiny.texts(sql).await
    }
}

/// What was written is what was planned.
pub(super) fn same_counts(report: &Report) {
    let sum = |of: fn(&trasvase::push::Written) -> u64| report.written.values().map(of).sum::<u64>();
    let of_tables =
        |of: fn(&trasvase::push::TablePlan) -> u64| report.plan.tables.iter().map(of).sum::<u64>();
    assert_eq!(sum(|one| one.repointed), report.plan.repointed());
    assert_eq!(sum(|one| one.retired), report.plan.retired());
    assert_eq!(sum(|one| one.inserted), of_tables(|one| one.inserts));
    assert_eq!(sum(|one| one.updated), of_tables(|one| one.updates));
    assert_eq!(sum(|one| one.deleted), of_tables(|one| one.deletes));
}

/// Table, rows re-pointed, rows retired.
pub(super) fn golden(plan: &Plan) -> Vec<(String, u64, u64)> {
    plan.golden.iter().map(|one| (one.table.to_string(), one.repointed, one.retired)).collect()
}

pub(super) fn of(table: &str, repointed: u64, retired: u64) -> (String, u64, u64) {
    (table.to_owned(), repointed, retired)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_become_one_and_two_again_in_every_load_mode() {
    for (settings, updates) in [
        ("", 0),
        ("[load]\nmode = \"upsert\"\n", 1),
        ("[tables.visit]\nmode = \"sync\"\n", 1),
        ("[tables.visit]\nmode = \"upsert\"\n", 1),
    ] {
        let people = People::new(SCHEMA, settings).await;
        people.push().await;
        assert_eq!(people.ids(), ["1,A", "2,B", "3,C"]);
        people.tiny.sql("insert into note values (1, 'B', 'C'), (2, 'B', 'B'), (3, 'C', null)").await;

        people.are(["A", "A", "C"]);
        let report = people.push().await;
        assert_eq!(report.plan.tables[1].kept, 0, "what gets its new id does not stand with another");
        let visit = Some(of("visit", 1, 0)).filter(|_| updates == 0);
        let wanted: Vec<_> =
            [of("person", 0, 1)].into_iter().chain(visit).chain([of("note", 2, 0)]).collect();
        assert_eq!((golden(&report.plan), report.plan.tables[1].updates), (wanted, updates), "{settings}");
        assert_eq!(people.persons().await, ["A", "C"]);
        assert_eq!(people.visits().await, ["v1 A", "v2 A", "v3 C"]);
        assert_eq!(people.notes().await, ["1 A C", "2 A A", "3 C"]);
        let before = people.before().await;
        let wanted = [
            "note update 1 (1,B,C)",
            "note update 2 (2,B,B)",
            "person delete B (B,\"Ana R\")",
            "visit update v2 (v2,B,y)",
        ];
        assert_eq!(before, wanted, "{settings}");
        assert_eq!(people.ids(), ["1,A", "2,A", "3,C"]);

        people.tiny.run.rollback("last").await;
        assert_eq!(people.persons().await, ["A", "B", "C"]);
        assert_eq!(people.visits().await, ["v1 A", "v2 B", "v3 C"]);
        assert_eq!(people.notes().await, ["1 B C", "2 B B", "3 C"], "what others refer to comes back too");
        assert_eq!(people.ids(), ["1,A", "2,A", "3,C"], "recorded ids stay");
        people.push().await;

        people.are(["A", "B", "C"]);
        let report = people.push().await;
        let wanted: Vec<_> = Some(of("visit", 1, 0)).filter(|_| updates == 0).into_iter().collect();
        assert_eq!((golden(&report.plan), report.plan.tables[1].updates), (wanted, updates), "{settings}");
        assert_eq!(people.persons().await, ["A", "B", "C"]);
        assert_eq!(people.visits().await, ["v1 A", "v2 B", "v3 C"]);
        assert_eq!(people.notes().await, ["1 A C", "2 A A", "3 C"], "nobody knows whose they were");
        assert_eq!(people.ids(), ["1,A", "2,B", "3,C"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_finds_rows_of_others_that_were_re_pointed_and_those_edited_since() {
    let schema = format!("{SCHEMA} create table mark (person_id text references person, text text);");
    let people = People::new(&schema, "").await;
    people.push().await;
    people.tiny.sql("insert into note values (1, 'B', null), (2, 'B', null); insert into mark values ('B', 'x'), ('B', 'x'), ('C', 'y')").await;
    let marks = "select concat_ws(' ', person_id, text) from mark order by 1";
    people.are(["A", "A", "C"]);
    people.push().await;
    assert_eq!(people.tiny.texts(marks).await, ["A x", "A x", "C y"]);
    people.tiny.sql("update note set other_id = 'C' where id = 2").await;
    let plan = people.tiny.run.rollback_plan("last", Edited::Keep).await;
    let conflicts: Vec<_> =
        plan.tables.iter().flat_map(|table| &table.conflicts).flat_map(|one| one.keys.clone()).collect();
    assert_eq!(conflicts, ["2"]);
    people.tiny.run.try_rollback("last", Edited::Keep).await.unwrap();
    assert_eq!(people.notes().await, ["1 B", "2 A C"]);
    assert_eq!(people.tiny.texts(marks).await, ["B x", "B x", "C y"]);
    assert_eq!(people.visits().await, ["v1 A", "v2 B", "v3 C"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_record_joins_two_that_are_one_already() {
    let people = People::new(SCHEMA, "").await;
    people.push().await;
    people.are(["A", "A", "C"]);
    people.push().await;
    people.tiny.sql("insert into note values (1, 'C', null)").await;
    people.are(["A", "A", "A"]);
    people.push().await;
    assert_eq!(people.persons().await, ["A"]);
    assert_eq!(people.visits().await, ["v1 A", "v2 A", "v3 A"]);
    assert_eq!(people.notes().await, ["1 A"]);
    let digests = "select count(distinct (d.key, d.sent, d.stored))::text from trasvase.row_digest d \
                   join trasvase.name n on n.code = d.target_table where n.name = 'visit' and d.key = 'v3'";
    assert_eq!(people.tiny.texts(digests).await, ["2"], "a row of ours is known as it is now");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_an_id_first_says_whose_rows_of_others_are() {
    let people = People::new(SCHEMA, "").await;
    people.are(["A", "B", "B"]);
    people.push().await;
    people.tiny.sql("insert into note values (1, 'B', null)").await;
    people.tiny.run.project.write(
        RECORDED,
        "source_id;golden_id;recorded_at\r\n3;B;2025-01-01\r\n1;A;2025-01-01\r\n2;B;2025-01-01\r\n",
    );
    people.are(["A", "A", "D"]);
    people.push().await;
    assert_eq!(people.persons().await, ["A", "D"]);
    assert_eq!(
        (people.visits().await, people.notes().await),
        (["v1 A", "v2 A", "v3 D"].map(str::to_owned).to_vec(), ["1 D"].map(str::to_owned).to_vec())
    );
    assert_eq!(people.ids(), ["3,D", "1,A", "2,A"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_this_target_never_had_changes_nothing() {
    let people = People::new(SCHEMA, "").await;
    people.tiny.run.project.write(RECORDED, "source_id,golden_id,recorded_at\n2,Z,2025-01-01T00:00:00Z\n");
    people.are(["A", "A", "C"]);
    let report = people.push().await;
    assert_eq!(
        (golden(&report.plan), people.persons().await),
        (vec![], ["A", "C"].map(str::to_owned).to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_rows_would_share_is_told_before_anything_is_written() {
    let schema = format!("{SCHEMA} create unique index once on note (person_id) where other_id is null;");
    let people = People::new(&schema, "").await;
    people.push().await;
    people.tiny.sql("insert into note values (1, 'A', null), (2, 'B', null), (3, 'A', 'C')").await;
    people.are(["A", "A", "C"]);
    let failure = people.refused().await;
    assert!(failure.message.contains("note: 1 (constraint once)"), "{failure:?}");
    assert!(!failure.hints.is_empty(), "{failure:?}");
    assert_eq!(people.tiny.texts("select count(*)::text from trasvase.batch").await, ["1"]);
    people.tiny.sql("update note set other_id = 'C' where id = 2").await;
    people.push().await;
    assert_eq!(people.notes().await, ["1 A", "2 A C", "3 A C"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_midway_leaves_all_as_it_was() {
    let people = People::new(SCHEMA, "").await;
    people.push().await;
    people
        .tiny
        .sql(
            "insert into note values (1, 'B', null); \
         create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$; \
         create trigger no before update on note for each row execute function no()",
        )
        .await;
    people.are(["A", "A", "C"]);
    let failure = people.refused().await;
    assert!(failure.message.contains("nothing was written"), "{failure:?}");
    assert_eq!(people.persons().await, ["A", "B", "C"]);
    assert_eq!(
        (people.visits().await, people.notes().await),
        (["v1 A", "v2 B", "v3 C"].map(str::to_owned).to_vec(), ["1 B"].map(str::to_owned).to_vec())
    );
    assert_eq!(people.ids(), ["1,A", "2,B", "3,C"]);
    people.tiny.sql("drop trigger no on note").await;
    people.push().await;
    assert_eq!(people.notes().await, ["1 A"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_ids_are_not_recorded_stands_and_the_next_one_records_them() {
    let people = People::new(SCHEMA, "").await;
    let snapshot = people.snapshot().await;
    // What is half written goes there.
    let in_the_way = people.tiny.run.project.path().join(format!("{RECORDED}.partial"));
    std::fs::create_dir_all(&in_the_way).unwrap();
    let failure = Failure::from_anyhow(&people.tiny.run.try_push(&snapshot).await.unwrap_err());
    assert!(failure.message.contains("the push stands"), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint.contains("trasvase push tiny")), "{failure:?}");
    assert_eq!(people.persons().await, ["A", "B", "C"]);
    std::fs::remove_dir(&in_the_way).unwrap();
    let dry = people.tiny.run.dry_run(&snapshot).await;
    assert_eq!((dry.writes(), people.recorded()), (0, String::new()));
    assert_eq!(people.tiny.run.push(&snapshot).await.batch, None);
    assert_eq!(people.ids(), ["1,A", "2,B", "3,C"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_stops_a_push_before_anything_is_written() {
    let people = People::new(SCHEMA, "").await;
    let snapshot = people.snapshot().await;
    people.tiny.run.project.write(RECORDED, "source_id,golden_id\n1,A\n1,B\n");
    let failure = Failure::from_anyhow(&people.tiny.run.try_push(&snapshot).await.unwrap_err());
    assert!(failure.message.contains("person.golden.csv:3:"), "{failure:?}");
    assert_eq!(people.persons().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_golden_ids_were_changed_is_refused() {
    let people = People::new(SCHEMA, "").await;
    let snapshot = people.snapshot().await;
    let path = snapshot.folder().join("golden/person.ndjson");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().next(), Some("{\"source_id\":\"1\",\"golden_id\":\"A\"}"));
    std::fs::write(&path, text.replace("\"A\"", "\"Z\"")).unwrap();
    let failure = Failure::from_anyhow(&people.tiny.run.try_push(&snapshot).await.unwrap_err());
    assert!(failure.message.contains("golden/person.ndjson"), "{failure:?}");
    people.are(["A", "B", "B"]);
    assert_ne!(people.snapshot().await.id(), snapshot.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_that_wait_for_a_decision_stop_a_push() {
    let mut people = People::new(SCHEMA, "").await;
    people.snapshot().await;
    people.tiny.run.staging().execute(
        "create schema if not exists dedupe; create or replace table dedupe.person as select * from (values \
         ('1', '2', 2.0, false, false), ('1', '3', 9.0, false, false), ('2', '3', 2.0, false, true)) \
         t(left_id, right_id, weight, exact, never)",
    ).unwrap();
    let failure = people.refused().await;
    assert_eq!(failure.kind, Kind::Findings);
    let planned = people.tiny.run.dry_run(&people.snapshot().await).await;
    assert_eq!(planned.tables[0].inserts, 3, "what a push would do is told all the same");
    assert!(failure.message.contains("person 1, max_pending 0"), "{failure:?}");
    assert!(failure.hints.iter().any(|hint| hint == "trasvase review tiny person"), "{failure:?}");
    assert_eq!(people.persons().await, Vec::<String>::new());
    people.tiny.settings(&format!("{DEDUPE}max_pending = 1\n"));
    assert_eq!(people.snapshot().await.manifest().golden[0].pending, 1);
    people.push().await;
    people.tiny.settings(DEDUPE);
    people.are(["A", "B", "B"]);
    assert_eq!(people.refused().await.kind, Kind::Findings);
    let snapshot = people.snapshot().await;
    assert!(people.tiny.run.push_despite_pending(&snapshot).await.batch.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_left_out_of_some_pushes_catches_up() {
    let people = People::new(SCHEMA, "").await;
    people.push().await;
    people.tiny.sql("insert into note values (1, 'B', null)").await;
    // Pushed to another target, which the project's file tells of and this one's ledger does not.
    people.tiny.run.project.write(RECORDED, "source_id,golden_id,recorded_at\n1,A,\n2,A,\n3,C,\n");
    people.are(["A", "A", "C"]);
    assert_eq!(people.snapshot().await.manifest().golden[0].rows, 3);
    let report = people.push().await;
    assert_eq!(golden(&report.plan), [of("person", 0, 1), of("visit", 1, 0), of("note", 1, 0)]);
    people.tiny.run.project.write(RECORDED, "source_id,golden_id,recorded_at\n1,A,\n2,B,\n3,C,\n");
    people.are(["A", "B", "C"]);
    assert_eq!(golden(&people.push().await.plan), [of("visit", 1, 0)]);
    assert_eq!(people.visits().await, ["v1 A", "v2 B", "v3 C"]);
    // Whoever moves a row in the product is not overruled by what changed long ago.
    people.tiny.sql("update visit set person_id = 'A' where id = 'v2'").await;
    assert_eq!(people.tiny.run.push(&people.snapshot().await).await.batch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unique_goes_over_to_the_row_that_stays() {
    for mode in ["upsert", "insert"] {
        let people = People::new(UNIQUE, &format!("[load]\nmode = \"{mode}\"\n")).await;
        people.are(["C", "A", "B"]);
        people.push().await;
        people.tiny.sql("insert into note values (1, 'C', 'A')").await;
        // The name of who stays is from now on that of who goes.
        people.are(["A", "A", "B"]);
        if mode == "upsert" {
            let report = people.push().await;
            assert_eq!((report.written["person"].updated, report.written["visit"].updated), (1, 1));
            assert_eq!(golden(&report.plan), [of("person", 0, 1), of("note", 1, 0)]);
        } else {
            people.tiny.run.push(&people.snapshot().await).await;
        }
        assert_eq!(people.visits().await, ["v1 A", "v2 A", "v3 B"]);
        assert_eq!(people.notes().await, ["1 A A"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_keys_hold_golden_ids_become_the_rows_that_come_in_their_place() {
    let schema = "create table person (id text primary key, name text not null); \
         create table card (person_id text primary key references person, since text); \
         create table visit (person_id text references person, day text, primary key (person_id, day));";
    for mode in ["insert", "upsert"] {
        let people = People::new(schema, &format!("[load]\nmode = \"{mode}\"\n")).await;
        let card = "select golden_id as person_id, min(source_id) as since from xref.person group by 1";
        let visit = "select distinct x.golden_id as person_id, v.day from (values ('1', 'x'), ('2', 'x'), ('2', 'y')) v(person, day) \
                     join xref.person x on x.source_id = v.person";
        people.tiny.model("card", card);
        people.tiny.model("visit", visit);
        people.push().await;
        people.are(["A", "A", "C"]);
        let report = people.push().await;
        assert_eq!(golden(&report.plan), [of("person", 0, 1), of("card", 0, 1), of("visit", 0, 2)], "{mode}");
        let visits = "select person_id || day from visit order by 1";
        assert_eq!(people.tiny.texts(visits).await, ["Ax", "Ay"]);
        let cards = "select person_id || since from card order by 1";
        assert_eq!(people.tiny.texts(cards).await, ["A1", "C3"]);
        people.are(["A", "B", "C"]);
        let report = people.push().await;
        assert_eq!(golden(&report.plan), [of("visit", 0, 1)], "{mode}");
        assert_eq!(people.tiny.texts(visits).await, ["Ax", "Bx", "By"]);
        assert_eq!(people.tiny.texts(cards).await, ["A1", "B2", "C3"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_refer_to_a_row_that_goes_by_another_key_keep_it() {
    let schema = SCHEMA.replace("name text not null)", "name text not null unique)");
    let schema = format!(
        "{schema} create table fan (id integer primary key, name text references person (name) on delete cascade);"
    );
    let people = People::new(&schema, "").await;
    people.push().await;
    people.tiny.sql("insert into fan values (1, 'Ana R')").await;
    people.are(["A", "A", "C"]);
    let failure = people.refused().await;
    assert!(
        failure.message.contains("1 of fan to person (constraint fan_name_fkey, on delete cascade"),
        "{failure:?}"
    );
    people.tiny.sql("delete from fan").await;
    people.push().await;
    assert_eq!(people.persons().await, ["A", "C"]);
}
