//! A clinic of some thousand rows: what an undisturbed run makes of it, and what must hold after a disturbed one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use trasvase::model::run::Stage;

use super::site::Site;

/// People; each has two visits and one payment.
const PEOPLE: usize = 1500;

/// The clinic with sources of thousands of rows, in tables that hold somebody else's rows.
pub(super) async fn site() -> Site {
    let site = Site::new().await;
    let (mut people, mut visits, mut payments) = (
        "id;name;born;notes\n".to_owned(),
        "id,person,day,kind,price\n".to_owned(),
        "id,visit,amount\n".to_owned(),
    );
    for n in 0..PEOPLE {
        let (month, day) = (n % 12 + 1, n % 28 + 1);
        writeln!(people, "p{n};Persona {n};19{:02}-{month:02}-{day:02};\"{{\"\"n\"\": {n}}}\"", n % 90 + 10)
            .unwrap();
        writeln!(visits, "a{n},p{n},2024-{month:02}-{day:02},first,{n}.50\nb{n},p{n},2025-{month:02}-{day:02},review,{n}.25").unwrap();
        writeln!(payments, "c{n},a{n},{}.50", n + 1).unwrap();
    }
    site.write("clinics/acme/sources/people.csv", &people);
    site.write("clinics/acme/sources/visits.csv", &visits);
    site.write("clinics/acme/sources/payments.csv", &payments);
    site
}

/// Everything by which two ended runs can differ, but for times and numbers of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Every row of every table, digested.
    tables: BTreeMap<String, String>,
    /// What the ledger knows of them: ids, digests of their bytes, before-images, records.
    ledger: String,
    /// The snapshots that are there, and every other file but logs.
    files: BTreeSet<String>,
}

const LEDGER: &str = "\
select md5(concat_ws(' ', \
 (select string_agg(concat_ws(',', s.name, k.name, e.source_id, t.name, e.target_key, e.record), ';' \
   order by s.name, k.name, e.source_id, t.name, e.target_key, e.record) from trasvase.external_id e \
   join trasvase.name s on s.code = e.source join trasvase.name k on k.code = e.type join trasvase.name t on t.code = e.target_table), \
 (select string_agg(concat_ws(',', t.name, d.key, d.sent, d.stored), ';' order by t.name, d.key) from trasvase.row_digest d \
   join trasvase.name t on t.code = d.target_table), \
 (select count(*) from trasvase.change), \
 (select string_agg(concat_ws(',', s.name, r.record, r.verdict, r.errors), ';' order by s.name, r.record) from trasvase.record r \
   join trasvase.name s on s.code = r.source), \
 (select string_agg(snapshot || counts::text, ';') from trasvase.batch where status = 'completed')))";

impl State {
    pub(super) async fn of(site: &Site) -> Self {
        let ledger = site.value(LEDGER).await;
        Self { tables: site.tables().await, ledger, files: files(&site.path("staging")) }
    }
}

/// Every file and folder below, but for logs.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            let is_link = path.symlink_metadata().unwrap().is_symlink();
            if path.is_dir() && !is_link && path.file_name().unwrap() != "logs" {
                folders.push(path);
            }
        }
    }
    found
}

/// What an undisturbed run makes, and how long each of its stages takes.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) before: BTreeMap<String, String>,
    pub(super) after: State,
    took: BTreeMap<Stage, Duration>,
}

impl Reference {
    pub(super) async fn measured(site: &Site) -> Self {
        let before = site.tables().await;
        site.run(&["run", "acme"]).says(0, &["Equal"]);
        let log = site.newest_log();
        let done = |line: &&serde_json::Value| line["event"] == "stage_finished";
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let took = lines.iter().filter(done).map(|line| {
            let stage = line["stage"].as_str().unwrap().parse().unwrap();
            (stage, Duration::from_millis(line["milliseconds"].as_u64().unwrap()))
        });
        Self { before, took: took.collect(), after: State::of(site).await }
    }

    /// After a disturbance: the tables are whole, as they were or as they are to be.
    pub(super) async fn all_or_nothing(&self, site: &Site) {
        let now = site.tables().await;
        assert!(now == self.before || now == self.after.tables, "half of a push is there: {now:?}");
    }

    /// After the next run: everything is as if nothing had happened, and the ledger tells that it did.
    pub(super) async fn reached_by_the_next_run(&self, site: &Site) -> String {
        site.run(&["run", "acme"]).says(0, &["Equal"]);
        self.reached(site).await
    }

    /// Everything is as an undisturbed run leaves it, but for failed batches in the ledger, which this gives.
    pub(super) async fn reached(&self, site: &Site) -> String {
        assert_eq!(State::of(site).await, self.after);
        let batches = site.batches().await;
        let (last, failed) = batches
            .split_whitespace()
            .collect::<Vec<_>>()
            .split_last()
            .map(|(last, failed)| (*last, failed.to_vec()))
            .unwrap();
        assert!(last == "completed" && failed.iter().all(|status| *status == "failed"), "{batches}");
        let strays = "select count(*) from pg_class where relnamespace = 'trasvase'::regnamespace \
                      and relname ~ '_[0-9]+$' and relkind = 'r' and not relispartition";
        assert_eq!(site.value(strays).await, "0", "tables of a batch that failed are left");
        batches
    }

    /// The moments of `count` disturbances: every stage gets its share, a push twice that of the others.
    pub(super) fn moments(&self, count: usize, seed: u64) -> Vec<Moment> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let stages = [
            Stage::Push,
            Stage::Verify,
            Stage::Export,
            Stage::Load,
            Stage::Push,
            Stage::Transform,
            Stage::Check,
        ];
        let one = |n: usize| {
            let stage = stages[n % stages.len()];
            Moment { stage, after: self.took[&stage].mul_f64(random.random::<f64>() * 1.1) }
        };
        (0..count).map(one).collect()
    }
}

/// How many disturbances a test makes: as many as the variable says, else a few.
pub(super) fn wanted(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |count| count.parse().expect("a number"))
}

/// A moment of a run: so long after a stage began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    stage: Stage,
    after: Duration,
}

impl Moment {
    /// Waits for it; a run that ends before has had its disturbance in its last moment.
    pub(super) fn wait(self, site: &Site, child: &mut Child) {
        let begun = format!("\"event\":\"stage_started\",\"stage\":\"{}\"", self.stage);
        let start = Instant::now();
        while !site.newest_log().contains(&begun) && child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "{self:?} does not come");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(self.after);
    }
}

/// Where a run was when it was disturbed, by its log.
pub(super) fn reached_stage(site: &Site) -> String {
    let log = site.newest_log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut place = "before the first stage".to_owned();
    for line in lines {
        let stage = line["stage"].as_str().unwrap_or_default();
        match line["event"].as_str().unwrap_or_default() {
            "stage_started" => place = stage.to_owned(),
            "stage_finished" => place = format!("after {stage}"),
            "run_finished" => place = "at the end".to_owned(),
            _ => {}
        }
    }
    place
}
