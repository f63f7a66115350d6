//! Sources of which each delivery holds only what changed.

use trasvase::error::{Failure, Kind};
use trasvase::load::{Reason, Report};

use crate::tiny::Tiny;

const SETTINGS: &str = "[load]\nmode = \"upsert\"\non_conflict = \"keep_target\"\nvanished = \"delete\"\n\
     [sources.people]\nfiles = [\"sources/people*.csv\"]\nprimary = \"person\"\nkey = [\"id\"]\ncursor = \"at\"\n\
     [sources.towns]\nfiles = [\"sources/towns.csv\"]\nunused = \"a look-up\"\n";
const RAW: &str = "select concat_ws(' ', id, name) from raw.people order by id";
const FIRST: &str = "id,name,at\na,Ana,2024-05-01\nb,Bea,2024-05-02\nc,Cid,2024-05-03\n";

struct Desk(Tiny);

impl Desk {
    async fn new() -> Self {
        let schema = "create table person (id text primary key, name text not null, phone text)";
        let tiny = Tiny::new(schema, &[], SETTINGS).await;
        let desk = Self(tiny);
        let project = &desk.0.run.project;
        project.write(
            "clinics/tiny/sql/clean/person.sql",
            "-- one person\nselect id as source_id, name, _id from raw.people\n",
        );
        project.write(
            "clinics/tiny/sql/target/person.sql",
            "-- one person\nselect golden_id as id, name, source_id as _source_id, _id from golden.person\n",
        );
        desk.file("people1.csv", FIRST);
        desk.file("towns.csv", "town\nx\n");
        desk
    }

    fn file(&self, name: &str, text: &str) {
        self.0.run.project.write(&format!("clinics/tiny/sources/{name}"), text);
    }

    fn try_load(&self, incremental: bool) -> Result<Report, Failure> {
        let loaded = self.0.run.try_load(&self.0.run.staging(), incremental);
        loaded.map_err(|error| Failure::from_anyhow(&error))
    }

    fn raw(&self, sql: &str) -> Vec<String> {
        self.0.run.staging().rows(sql, |row| row.get(0)).unwrap()
    }

    /// From raw to a verified target.
    async fn push(&self) -> trasvase::push::Report {
        let run = &self.0.run;
        let staging = run.staging();
        run.transform(&staging);
        let check = run.check(&staging).await;
        let people = check.sources.iter().find(|source| source.source == "people").unwrap();
        assert_eq!(
            people.read,
            people.rejected + people.merged + people.imported + people.filtered,
            "{people:?}"
        );
        let snapshot = run.export(&staging, &check);
        drop(staging);
        let report = run.push(&snapshot).await;
        let verified = run.verify(&snapshot).await;
        assert!(verified.is_clean(), "{verified:#?}");
        report
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_laid_over_what_is_there_and_every_record_is_accounted_for() {
    let desk = Desk::new().await;
    desk.try_load(true).unwrap();
    desk.push().await;
    desk.0.sql("update person set phone = '1' where name = 'Bea'").await;

    // Under the name of the first: Bea has another name, Dan is new, and of Cid an old row comes again.
    desk.file("people1.csv", "name,id,at\nBEA,b,2024-06-01\nDan,d,2024-04-01\nold,c,2024-05-02\n");
    let report = desk.try_load(true).unwrap();
    let people = &report.sources[0];
    assert_eq!((people.rows, people.superseded, people.files.len()), (4, 2, 2));
    assert_eq!(desk.raw(RAW), ["a Ana", "b BEA", "c Cid", "d Dan"]);
    assert!(report.sources[1].unchanged, "nothing of it is new");
    let lost = desk.raw("select source || ' ' || (by_id & 68719476735) from meta.superseded order by _id");
    assert_eq!(lost, ["people 1", "people 3"]);
    let pushed = desk.push().await.plan.tables[0].clone();
    assert_eq!((pushed.inserts, pushed.updates, pushed.deletes, pushed.vanished), (1, 1, 0, 0));
    let fates = desk.raw("select detail from meta.fate where fate = 'filtered' order by _id");
    assert_eq!(fates, ["superseded by people:2:1", "superseded by people:1:3"]);

    assert!(desk.try_load(true).unwrap().unchanged(), "again reads nothing");
    assert_eq!(desk.push().await.batch, None);
    let refused = desk.try_load(false).unwrap_err();
    assert_eq!(refused.kind, Kind::Usage);
    assert!(refused.hints[0].contains("--type incremental"), "{refused:?}");
    assert_eq!(desk.raw(RAW).len(), 4, "and nothing is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_key_or_cursor_stay_and_are_told() {
    let desk = Desk::new().await;
    desk.file("people2.csv", "id,name,at\n,Eve,2024-06-01\n,Fay,2024-06-02\na,Old,\n");
    let found = |report: &Report| {
        let findings = report.sources[0].findings.iter();
        findings.map(|one| (one.rule.clone(), one.count, one.column.clone())).collect::<Vec<_>>()
    };
    let expected = [
        ("superseded".to_owned(), 1, None),
        ("key_missing".to_owned(), 2, Some("id".to_owned())),
        ("cursor_missing".to_owned(), 1, Some("at".to_owned())),
    ];
    assert_eq!(found(&desk.try_load(true).unwrap()), expected);
    let names = "select name from raw.people order by name";
    assert_eq!(desk.raw(names), ["Ana", "Bea", "Cid", "Eve", "Fay"]);
    desk.file("people3.csv", "id,name,at\n,Gus,2024-07-01\n");
    let again = found(&desk.try_load(true).unwrap());
    assert_eq!(again[1], ("key_missing".to_owned(), 3, Some("id".to_owned())), "counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_deliveries_at_once_give_what_they_gave_one_by_one() {
    let later = "id,name,at\nb,BEA,2024-05-02\nd,Dan,2024-06-01\n";
    let one_by_one = Desk::new().await;
    one_by_one.try_load(true).unwrap();
    one_by_one.file("people2.csv", later);
    assert_eq!(one_by_one.try_load(true).unwrap().sources[0].superseded, 1);
    let at_once = Desk::new().await;
    at_once.file("people2.csv", later);
    at_once.try_load(false).unwrap();
    let all = "select concat_ws(' ', id, name, \"at\", _id, _file, _row) from raw.people order by _id";
    assert_eq!(one_by_one.raw(all), at_once.raw(all));
    assert_eq!(
        one_by_one.raw(RAW),
        ["a Ana", "b BEA", "c Cid", "d Dan"],
        "of equal cursors the later file's"
    );
    one_by_one.push().await;
    at_once.push().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_counts_as_number_or_date_and_what_is_neither_is_refused() {
    let desk = Desk::new().await;
    for (old, new) in [("9", "10"), ("01/06/2023 10:00", "03/05/2024 09:00"), ("", "1")] {
        desk.file("people1.csv", &format!("id,name,at\na,new,{new}\na,old,{old}\n,x,{old}\n,y,{old}\n"));
        desk.try_load(false).unwrap();
        assert_eq!(desk.raw("select name from raw.people order by name"), ["new", "x", "y"], "{old}");
    }
    desk.file("people1.csv", "id,name,at\na,new,5\na,old,yesterday\n");
    let failure = desk.try_load(false).unwrap_err();
    assert!(failure.message.contains("column at"), "{failure:?}");
    assert!(!failure.message.contains("yesterday") && desk.raw("select name from raw.people").len() == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_are_told_apart_as_finely_as_they_are_written() {
    let desk = Desk::new().await;
    for (old, new) in [
        ("2024-05-01 10:00:00.000000001", "2024-05-01 10:00:00.000000002"),
        ("2024-05-01T10:00:00.1234569+02:00", "2024-05-01T10:00:00.123457+02:00"),
        ("1.00000000049", "1.0000000005"),
        ("-1.00000000002", "-1.00000000001"),
    ] {
        desk.file("people1.csv", &format!("id,name,at\na,new,{new}\na,old,{old}\n"));
        desk.try_load(false).unwrap();
        assert_eq!(desk.raw("select name from raw.people"), ["new"], "{old}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_not_laid_over_rows_that_were_read_in_another_way() {
    let mut desk = Desk::new().await;
    desk.try_load(true).unwrap();
    desk.0.settings(&SETTINGS.replace("cursor =", "empty = \"text\"\ncursor ="));
    desk.file("people2.csv", "id,name,at\nd,Dan,2024-06-01\n");
    let failure = desk.try_load(true).unwrap_err();
    assert!(failure.hints[0].ends_with("--type full"), "{failure:?}");
    let report = desk.try_load(false).unwrap();
    assert_eq!((report.sources[0].rows, Reason::Delivered.to_string()), (4, "new deliveries".to_owned()));
}
