//! Random changes on both sides for weeks, held against a model of the rule.

use std::collections::BTreeMap;

use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::Rng as _;
use trasvase::model::merge::{Change, Fate, OnConflict};

use crate::tiny::Tiny;

const COLUMNS: [&str; 3] = ["a", "b", "c"];
const ROWS: &str = "select concat_ws(' ', id, a, b, c, own) from thing order by id";

type Row = [u32; 3];

/// What the ledger should know of a row: what its last push sent, and by column what the source said and what was stored.
#[derive(Clone, Copy)]
struct Pushed {
    sent: Row,
    base: Row,
}

/// The target as it should be.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u32, (Row, u32)>,
    pushed: BTreeMap<u32, Pushed>,
}

impl Model {
    /// Pushes the source's rows; returns how many values are in conflict.
    fn push(&mut self, policy: OnConflict, source: &BTreeMap<u32, Row>) -> u64 {
        let mut conflicts = 0;
        for (id, ours) in source {
            let Some((theirs, _)) = self.rows.get_mut(id) else {
                self.rows.insert(*id, (*ours, 0));
                self.pushed.insert(*id, Pushed { sent: *ours, base: *ours });
                continue;
            };
            let pushed = self.pushed.get_mut(id).unwrap();
            let fate = |place: usize| {
                let base = pushed.base[place];
                let (source, target) = (ours[place] != base, theirs[place] != base);
                policy.fate(Change { same: ours[place] == theirs[place], source, target })
            };
            let fates = [fate(0), fate(1), fate(2)];
            conflicts += fates.iter().filter(|fate| **fate == Fate::Conflict).count() as u64;
            let equal = fates.iter().all(|fate| *fate == Fate::Same);
            let agreed = equal && pushed.sent != *ours && policy != OnConflict::TakeSource;
            if !agreed && !fates.iter().any(|fate| fate.writes()) {
                continue;
            }
            pushed.sent = *ours;
            for place in 0..3 {
                if fates[place].writes() || fates[place] == Fate::Same {
                    (theirs[place], pushed.base[place]) = (ours[place], ours[place]);
                }
            }
        }
        conflicts
    }

    fn texts(&self) -> Vec<String> {
        let text = |(id, ([a, b, c], own)): (&u32, &(Row, u32))| format!("{id} {a} {b} {c} {own}");
        self.rows.iter().map(text).collect()
    }
}

fn model_sql(source: &BTreeMap<u32, Row>) -> String {
    let rows: Vec<String> = source.iter().map(|(id, [a, b, c])| format!("({id}, {a}, {b}, {c})")).collect();
    format!("select * from (values {}) t(id, a, b, c)", rows.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_push_gives_what_the_rule_says_and_comes_back() {
    let schema = "create table thing (id int primary key, a int, b int, c int, own int not null default 0)";
    for (seed, (policy, name)) in (0_u8..).zip([
        (OnConflict::KeepTarget, "keep_target"),
        (OnConflict::Report, "report"),
        (OnConflict::TakeSource, "take_source"),
    ]) {
        let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed + 1; 32]);
        let mut below = |limit: u32| random.next_u32() % limit;
        let mut source: BTreeMap<u32, Row> = (1..7).map(|id| (id, [1, 1, 1])).collect();
        let settings = format!("[load]\nmode = \"upsert\"\non_conflict = \"{name}\"\n");
        let tiny = Tiny::new(schema, &[("thing", &model_sql(&source))], &settings).await;
        let mut model = Model::default();
        for week in 0..8 {
            tiny.model("thing", &model_sql(&source));
            let (_, snapshot) = tiny.export().await;
            let before = tiny.texts(ROWS).await;
            let report = tiny.run.push(&snapshot).await;
            if report.batch.is_some() {
                tiny.run.rollback("last").await;
                assert_eq!(tiny.texts(ROWS).await, before, "{name}, week {week}");
                tiny.run.push(&snapshot).await;
            }
            let conflicts = model.push(policy, &source);
            assert_eq!(tiny.texts(ROWS).await, model.texts(), "{name}, week {week}");
            assert_eq!(report.plan.conflicts(), conflicts, "{name}, week {week}");
            assert_eq!(
                tiny.run.push(&snapshot).await.batch,
                None,
                "{name}, week {week}: again writes nothing"
            );
            let verified = tiny.run.verify(&snapshot).await;
            assert_eq!(
                (verified.is_clean(), verified.only_conflicts()),
                (conflicts == 0, conflicts > 0),
                "{name}, week {week}: {verified:#?}"
            );
            for _ in 0..4 {
                // Few values, so that both sides often come to say the same.
                let (id, place, value) = (1 + below(6), below(3) as usize, 1 + below(3));
                source.get_mut(&id).unwrap()[place] = value;
                let (id, place, value) = (1 + below(6), below(3) as usize, 1 + below(3));
                model.rows.get_mut(&id).unwrap().0[place] = value;
                tiny.sql(&format!("update thing set {} = {value} where id = {id}", COLUMNS[place])).await;
            }
            let id = 1 + below(6);
            model.rows.get_mut(&id).unwrap().1 += 1;
            tiny.sql(&format!("update thing set own = own + 1 where id = {id}")).await;
            source.insert(10 + week, [1, 2, 3]);
        }
    }
}
