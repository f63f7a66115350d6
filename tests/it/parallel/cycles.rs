//! Tables that refer to each other, where rows of the later one are left out or rejected.

use trasvase::verify::{Cause, DifferenceKind};

use crate::tiny::Tiny;

const SCHEMA: &str = "create table team (id text primary key, lead_id text); \
     create table person (id text primary key, team_id text not null references team, name text check (name <> 'x')); \
     alter table team add foreign key (lead_id) references person;";
const TEAMS: &str = "select concat_ws(' ', id, lead_id) from team order by id";
const PEOPLE: &str = "select concat_ws(' ', id, team_id) from person order by id";

fn teams(values: &str) -> String {
    format!("select * from (values {values}) t(id, lead_id)")
}

fn people(values: &str) -> String {
    format!("select * from (values {values}) t(id, team_id, name)")
}

async fn pushed(policy: &str) -> Tiny {
    let models = [
        ("team", teams("('t', 'b'), ('u', null)")),
        ("person", people("('a', 't', 'Ana'), ('b', 't', 'Bea'), ('c', 'u', 'Cid')")),
    ];
    let models: Vec<(&str, &str)> = models.iter().map(|(table, query)| (*table, query.as_str())).collect();
    let settings = format!("[load]\nmode = \"upsert\"\non_conflict = \"{policy}\"\n");
    let tiny = Tiny::new(SCHEMA, &models, &settings).await;
    tiny.push().await;
    tiny
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_a_row_that_people_deleted_is_left_out_around_the_circle() {
    for policy in ["keep_target", "report"] {
        let tiny = pushed(policy).await;
        tiny.sql("update team set lead_id = null; delete from person where id = 'b'").await;
        // A new team is led by Bea, has a member, who leads another new team; one more is led by Ana.
        tiny.model("team", &teams("('t', 'b'), ('u', null), ('v', 'b'), ('w', 'd'), ('y', 'a')"));
        tiny.model(
            "person",
            &people(
                "('a', 't', 'Ana'), ('b', 't', 'Bea'), ('c', 'u', 'Cid'), ('d', 'v', 'Dan'), ('e', 'y', 'Eva')",
            ),
        );
        let (_, snapshot) = tiny.export().await;
        let plan = tiny.run.dry_run(&snapshot).await;
        let told = plan.tables.iter();
        let told: Vec<_> = match policy {
            "report" => told.map(|one| (one.inserts, one.without_parent_conflicts)).collect(),
            _ => told.map(|one| (one.inserts, one.without_parent)).collect(),
        };
        assert_eq!(told, [(1, 2), (1, 1)], "{policy}: said before the push");
        tiny.run.push(&snapshot).await;
        assert_eq!(tiny.texts(TEAMS).await, ["t", "u", "y a"], "{policy}");
        assert_eq!(tiny.texts(PEOPLE).await, ["a t", "c u", "e y"], "{policy}");
        let verified = tiny.run.verify(&snapshot).await;
        let found = |place: usize| {
            let found = verified.tables[place].differences.iter();
            let mut found: Vec<_> = found.map(|one| (one.key.as_str(), one.kind, one.cause)).collect();
            found.sort();
            found
        };
        let stands = Some(Cause::Stands);
        let out = if policy == "report" { Some(Cause::Conflict) } else { stands };
        assert_eq!(
            found(0),
            [
                ("t", DifferenceKind::Kept, stands),
                ("v", DifferenceKind::Missing, out),
                ("w", DifferenceKind::Missing, out)
            ],
            "{policy}"
        );
        assert_eq!(found(1)[1], ("d", DifferenceKind::Missing, out), "{policy}");
        assert!(verified.is_clean() || policy == "report" && verified.only_conflicts(), "{verified:#?}");
        assert_eq!(tiny.run.push(&snapshot).await.batch, None, "{policy}: again writes nothing");
        // Whoever puts the row back has all of it.
        tiny.sql("insert into person values ('b', 't', 'Bea')").await;
        tiny.run.push(&snapshot).await;
        assert_eq!(tiny.texts(TEAMS).await, ["t", "u", "v b", "w d", "y a"], "{policy}");
        tiny.run.rollback("last").await;
        assert_eq!(tiny.texts(TEAMS).await, ["t", "u", "y a"], "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_a_rejected_row_is_rejected_around_the_circle() {
    let tiny = pushed("take_source").await;
    tiny.model("team", &teams("('t', 'b'), ('u', null), ('v', 'n'), ('w', 'd'), ('y', 'a')"));
    tiny.model(
        "person",
        &people(
            "('a', 't', 'Ana'), ('b', 't', 'Bea'), ('c', 'u', 'Cid'), ('n', 't', 'x'), ('d', 'v', 'Dan'), ('e', 'y', 'Eva')",
        ),
    );
    let (check, _) = tiny.export().await;
    assert_eq!(check.tables.iter().map(|one| one.rejected).collect::<Vec<_>>(), [2, 2]);
    tiny.push().await;
    assert_eq!(tiny.texts(TEAMS).await, ["t b", "u", "y a"]);
    assert_eq!(tiny.texts(PEOPLE).await, ["a t", "b t", "c u", "e y"]);
}
