//! Order: of rows in conflict the first by (file, row) stays, and a snapshot's rows stand in the order of their records,
//! however `target` was filled.

use trasvase::config::Clinic;
use trasvase::staging::{Access, Limits, Staging};

use crate::pipeline::Run;
use crate::tiny::Tiny;

const SCHEMA: &str = "create extension if not exists btree_gist; \
     create table visit (id text primary key, room text not null, at int4range not null, \
       exclude using gist (room with =, at with &&)); \
     create table person (id text primary key, email text); create unique index on person (lower(email)); \
     create table tag (id text primary key);";
const SOURCE: &str = "[sources.rows]\nfiles = [\"rows.csv\"]\n";

/// A query of one row a record and part, the parts in this order.
fn parts(row: &str, parts: [&str; 2]) -> String {
    let query = |part: &str| format!("select {row}, _id from raw.rows where {part}");
    format!("{} union all {}", query(parts[0]), query(parts[1]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_the_targets_rows_decides_nothing() {
    let visit = "id, 'R' as room, '[1,3)' as at";
    let person = "id, case id when 'a' then 'Ana@x.es' else 'ana@x.es' end as email";
    let tag = |n: u8| format!("select id || '{n}' as id, _id from raw.rows");
    let mut seen = Vec::new();
    for (ids, tags) in [(["id = 'a'", "id = 'b'"], [1, 2]), (["id = 'b'", "id = 'a'"], [2, 1])] {
        let models = [
            ("visit", parts(visit, ids)),
            ("person", parts(person, ids)),
            ("tag", format!("{} union all {}", tag(tags[0]), tag(tags[1]))),
        ];
        let models: Vec<(&str, &str)> = models.iter().map(|(name, query)| (*name, query.as_str())).collect();
        let tiny = Tiny::new(SCHEMA, &models, SOURCE).await;
        tiny.run.project.write("clinics/tiny/rows.csv", "id;x\na;1\nb;2\n");
        let (check, snapshot) = tiny.export().await;
        let rejected: u64 = check.tables.iter().map(|table| table.rejected).sum();
        let hashes: Vec<String> =
            snapshot.manifest().tables.iter().map(|table| table.sha256.clone()).collect();
        tiny.run.push(&snapshot).await;
        let stayed = tiny.texts("select id from visit union all select id from person").await;
        assert_eq!((rejected, stayed), (2, vec!["a".to_owned(), "a".to_owned()]));
        seen.push(hashes);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_threads_changes_no_byte() {
    let run = Run::new("senses").await;
    let mut snapshots = Vec::new();
    for threads in [1, 3] {
        let _ = std::fs::remove_dir_all(run.project.project.staging_dir(&run.clinic.name));
        let clinic: &Clinic = &run.clinic;
        let limits = Limits { memory: None, threads: Some(threads) };
        let staging = Staging::open(&run.project.project, clinic, Access::Write, &limits).unwrap();
        run.load(&staging);
        run.transform(&staging);
        let check = run.check(&staging).await;
        snapshots.push(run.export(&staging, &check).manifest().id.clone());
    }
    assert_eq!(snapshots[0], snapshots[1]);
}
