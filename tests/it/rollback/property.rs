//! Random rows, every load mode, a third party's edits in between: what was before is after.

use std::collections::{BTreeMap, BTreeSet};

use trasvase::rollback::{ConflictKind, Edited};

use crate::tiny::Tiny;

const SCHEMA: &str = "\
create table owner (id text primary key, name text not null, note text, updated_at timestamptz not null default clock_timestamp()); \
create table person (id int primary key, owner_id text not null references owner, email text unique, note text, \
  twice int generated always as (id * 2) stored, updated_at timestamptz default clock_timestamp()); \
create table visit (id int primary key, person_id int not null references person on delete restrict, amount numeric(8,2), note text); \
create table tag (visit_id int references visit on delete cascade, n int, label text, primary key (visit_id, n)); \
create table outside (id int primary key, owner_id text references owner on delete set null); \
create function touch() returns trigger language plpgsql as $$ begin new.updated_at := clock_timestamp(); return new; end $$; \
create trigger touch before insert or update on owner for each row execute function touch(); \
create trigger touch before update on person for each row execute function touch();";
const TABLES: [&str; 5] = ["owner", "person", "visit", "tag", "outside"];

/// A generator of numbers that gives the same ones for a seed (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len() as u64) as usize]
    }

    /// A model with some rows of these ids, each with the rest of its columns.
    fn model(
        &mut self,
        columns: &str,
        ids: std::ops::Range<u64>,
        rest: impl Fn(&mut Self, u64) -> String,
    ) -> String {
        let mut rows = Vec::new();
        for id in ids {
            if self.below(10) < 6 {
                rows.push(format!("({})", rest(self, id)));
            }
        }
        let limit = if rows.is_empty() { "where false" } else { "" };
        if rows.is_empty() {
            rows.push(format!("({})", rest(self, 0)));
        }
        format!("select * from (values {}) t({columns}) {limit}", rows.join(", "))
    }
}

fn write_models(tiny: &Tiny, random: &mut Random) {
    let owner = random.model("id, name", 0..5, |random, id| format!("'o{id}', 'name {}'", random.below(4)));
    let person = random.model("id, owner_id, email", 0..8, |random, id| {
        let email =
            if random.below(2) == 0 { "null".to_owned() } else { format!("'{}@x'", random.below(12)) };
        format!("{id}, 'o{}', {email}", random.below(6))
    });
    let visit = random.model("id, person_id, amount", 0..12, |random, id| {
        format!("{id}, {}, {}::decimal(8,2)", random.below(9), random.below(1000))
    });
    let tag = random.model("visit_id, n, label", 0..14, |random, id| {
        format!("{}, {id}, 'l{}'", random.below(8), random.below(3))
    });
    for (table, query) in [("owner", owner), ("person", person), ("visit", visit), ("tag", tag)] {
        tiny.model(table, &query);
    }
}

/// Statements of somebody else; those that PostgreSQL refuses count as never said.
async fn edit(tiny: &Tiny, random: &mut Random, count: u64) {
    for _ in 0..count {
        let (small, id) = (random.below(6), random.below(13));
        let statement = match random.below(11) {
            0 => format!("update owner set note = 'n{id}' where id = 'o{small}'"),
            1 => format!("update owner set name = 'edited' where id = 'o{small}'"),
            2 => format!("insert into owner values ('x{id}', 'theirs')"),
            3 => format!("insert into person (id, owner_id) values (5{id}, 'o{small}')"),
            4 => format!("update person set note = 'p{small}' where id = {id}"),
            5 => format!("insert into visit values (7{id}, {small}, 1.5)"),
            6 => format!("update visit set amount = null where id = {id}"),
            7 => format!("delete from tag where n = {id}"),
            8 => format!("update person set email = '{}@x' where id = {id}", random.below(12)),
            9 => format!("insert into outside values ({id}, 'o{small}')"),
            _ => format!("delete from visit where id = {id}"),
        };
        let _ = tiny.run.session.client.batch_execute(&statement).await;
    }
}

type Rows = BTreeMap<String, BTreeMap<String, String>>;

/// All rows of all tables, by key.
async fn all(tiny: &Tiny) -> Rows {
    let mut all = Rows::new();
    for table in TABLES {
        let key = if table == "tag" { "array[visit_id, n]::text" } else { "id::text" };
        let sql = format!("select {key}, t::text from {table} t");
        let rows = tiny.run.session.client.query(&sql, &[]).await.unwrap();
        all.insert(table.to_owned(), rows.iter().map(|row| (row.get(0), row.get(1))).collect());
    }
    all
}

/// The mail addresses of all persons.
fn emails(rows: &Rows) -> BTreeSet<&str> {
    rows["person"]
        .values()
        .filter_map(|row| row.split(',').nth(2))
        .filter(|email| !email.is_empty())
        .collect()
}

/// Keys of rows that are not the same in both, as `table key`.
fn differing(a: &Rows, b: &Rows) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in TABLES {
        let keys = a[table].keys().chain(b[table].keys());
        let differ = keys.filter(|key| a[table].get(*key) != b[table].get(*key));
        found.extend(differ.map(|key| format!("{table} {key}")));
    }
    found
}

/// The first rows are appended, since nothing is there; then each table has some mode.
fn settings(random: &mut Random, first: bool) -> String {
    let mut text = String::new();
    for (table, modes) in [
        ("owner", &["insert", "upsert", "upsert", "upsert"][..]),
        ("person", &["insert", "upsert", "upsert", "sync"]),
        ("visit", &["insert", "upsert", "sync", "replace"]),
        ("tag", &["upsert", "sync", "sync", "replace"]),
    ] {
        let triggers = random.one_of(&["fire", "disable"]);
        let mode = if first { "append" } else { random.one_of(modes) };
        text.push_str(&format!("[tables.{table}]\nmode = \"{mode}\"\ntriggers = \"{triggers}\"\n"));
    }
    text
}

/// What a series of pushes and rollbacks came to.
#[derive(Debug, Default)]
struct Tally {
    pushed: u32,
    updated: u64,
    deleted: u64,
    conflicts: u32,
    kept: u32,
    /// Rows that were left since rows that stay have their unique values.
    shared: u32,
}

/// One push and its rollback; `Err` tells a push that was not to be.
async fn there_and_back(tiny: &mut Tiny, random: &mut Random, first: bool, tally: &mut Tally) {
    let text = settings(random, first);
    tiny.settings(&text);
    write_models(tiny, random);
    let count = random.below(6);
    edit(tiny, random, count).await;
    let before = all(tiny).await;
    let (_, snapshot) = tiny.export().await;
    let Ok(report) = tiny.run.try_push(&snapshot).await else {
        assert_eq!(all(tiny).await, before, "all or nothing");
        return;
    };
    let Some(batch) = report.batch else { return };
    tally.pushed += 1;
    tally.updated += report.written.values().map(|written| written.updated).sum::<u64>();
    tally.deleted += report.written.values().map(|written| written.deleted).sum::<u64>();
    if random.below(5) < 2 {
        with_edits(tiny, random, (&batch, &before), tally).await;
        return;
    }
    tiny.run.try_rollback(&batch, Edited::Refuse).await.unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    assert_eq!(differing(&all(tiny).await, &before), BTreeSet::new(), "{text}");
    assert!(tiny.run.try_rollback(&batch, Edited::Refuse).await.is_err(), "twice");
    if random.below(4) > 0 {
        // What stays is what the next one is built on.
        tiny.run.try_push(&snapshot).await.unwrap();
    }
}

/// Edits between push and rollback: conflicts are refused, or left, and nothing else differs.
async fn with_edits(tiny: &Tiny, random: &mut Random, (batch, before): (&str, &Rows), tally: &mut Tally) {
    let pushed = all(tiny).await;
    edit(tiny, random, 4).await;
    // Somebody else gets a mail address that a person lost by the push.
    for email in emails(before).difference(&emails(&pushed)) {
        let sql = format!(
            "update person set email = '{email}' where id = (select id from person order by id offset {} limit 1)",
            random.below(3)
        );
        let _ = tiny.run.session.client.batch_execute(&sql).await;
    }
    let edited = all(tiny).await;
    let theirs = differing(&edited, &pushed);
    let plan = tiny.run.rollback_plan(batch, Edited::Keep).await;
    let refused = tiny.run.try_rollback(batch, Edited::Refuse).await;
    assert_eq!(refused.is_err(), plan.conflicts() > 0, "{plan:#?}");
    if refused.is_err() {
        assert_eq!(all(tiny).await, edited, "nothing is touched");
        tally.conflicts += 1;
        let kept = tiny.run.try_rollback(batch, Edited::Keep).await;
        kept.unwrap_or_else(|error| panic!("{error:#}\n{plan:#?}"));
    }
    let after = all(tiny).await;
    let mut named = BTreeSet::new();
    for table in &plan.tables {
        let shared = table.conflicts.iter().filter(|one| one.kind == ConflictKind::Shared);
        tally.shared += shared.map(|one| one.rows as u32).sum::<u32>();
        let keys = table.conflicts.iter().flat_map(|conflict| &conflict.keys);
        named.extend(keys.map(|key| format!("{} {key}", table.table)));
    }
    tally.kept += named.len() as u32;
    for row in differing(&after, before) {
        assert!(
            named.contains(&row) || theirs.contains(&row),
            "{row} is neither named nor theirs: {plan:#?}"
        );
    }
    // Whatever was changed since stands as they made it.
    let (table_and_key, lost) = (differing(&after, &edited), &theirs);
    for row in table_and_key.intersection(lost) {
        let (table, key) = row.split_once(' ').unwrap();
        assert_eq!(after[table].get(key), before[table].get(key), "{row} is neither theirs nor as before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_before_is_after() {
    let mut tally = Tally::default();
    for seed in 0..3 {
        let mut random = Random(seed * 7919 + 1);
        let mut tiny = Tiny::new(SCHEMA, &[], "").await;
        write_models(&tiny, &mut random);
        for round in 0..12 {
            there_and_back(&mut tiny, &mut random, round == 0, &mut tally).await;
        }
    }
    assert!(tally.pushed > 10 && tally.updated > 5 && tally.deleted > 5, "{tally:?}");
    assert!(tally.conflicts > 1 && tally.kept > 2 && tally.shared > 0, "{tally:?}");
}
