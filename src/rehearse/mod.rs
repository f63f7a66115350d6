//! rehearse: what a rehearsal of a push was like, what it tells of the next one, and what changed since the one before.
//!
//! A rehearsal is the pipeline itself, against a scratch copy of the target or in a transaction that is taken back; a
//! verified push to a target that is not production is one too. Each leaves a row in `meta.rehearsal`.

mod books;
mod compare;
mod forecast;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::ident::TableName;
use crate::model::lock::Lock;
use crate::model::run::Stage;
use crate::pg::scratch::{Copied, Schema};

pub use books::{all, last_of, save};
pub use compare::{Change, Comparison, compare, previous};
pub use forecast::{Forecast, Span, StageForecast, forecast};

/// Where it took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A copy of the target on the private server.
    Scratch,
    /// The target itself, in a transaction that was taken back.
    InPlace,
    /// A target that is not production, where it stayed.
    Target,
}

/// How many of what, by name.
pub type Counts = BTreeMap<String, u64>;

/// One rehearsal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The run's.
    pub id: String,
    /// When it ended, RFC 3339.
    pub at: String,
    pub snapshot: String,
    pub place: Place,
    /// The target that it was about.
    pub target: String,
    /// Everything was pushed and proven equal, and nothing stayed that should not.
    pub clean: bool,
    /// Why it was not clean, in the language of the run.
    pub why: Option<String>,
    /// That language, and the stage that it came to; none in those of before either was noted.
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub came_to: Option<Stage>,
    pub versions: Versions,
    pub stages: Vec<Timed>,
    /// By table: rows made, rejected, inserted, updated, deleted, unchanged, unequal.
    pub tables: BTreeMap<String, Counts>,
    /// Rejected rows by `table: rule (column)`.
    pub rejects: Counts,
    /// By source: its records by verdict.
    pub sources: BTreeMap<String, Counts>,
    /// The locks that the push held here.
    pub locks: Vec<Lock>,
    pub locked_milliseconds: u64,
    /// The locks that a push to the target as it stands would take, by its plan.
    pub planned_locks: Vec<Lock>,
    #[serde(flatten)]
    pub scene: Scene,
}

/// The programs that took part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub trasvase: String,
    /// `server_version_num` of the target, and of where it took place.
    pub target: Option<u32>,
    pub place: Option<u32>,
}

/// What a rehearsal was made with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Scene {
    /// Where the scratch copy's tables came from.
    pub schema: Option<Schema>,
    /// Rows of the target that were copied.
    pub copied: Vec<Copied>,
    /// The scratch copy, where it was kept.
    pub kept: Option<String>,
    /// Sequences that stand elsewhere than before, though everything was taken back.
    pub moved: Vec<TableName>,
    /// A round trip to the target, and to where it took place.
    pub round_trips: Option<RoundTrips>,
}

/// How long the network takes, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct RoundTrips {
    pub target: u64,
    pub place: u64,
}

/// What a stage took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timed {
    pub stage: Stage,
    pub milliseconds: u64,
    /// Rows that it worked on: those of what was up to date are not among them.
    pub rows: u64,
    /// Rows that it works on where nothing is up to date.
    pub whole: u64,
}

impl Rehearsal {
    pub fn milliseconds(&self) -> u64 {
        self.stages.iter().map(|timed| timed.milliseconds).sum()
    }

    /// Such a count of all tables.
    pub fn total(&self, count: &str) -> u64 {
        self.tables.values().filter_map(|counts| counts.get(count)).sum()
    }

    pub fn timed(&self, stage: Stage) -> Option<&Timed> {
        self.stages.iter().find(|timed| timed.stage == stage)
    }
}

#[cfg(test)]
fn example(id: &str, person: u64, milliseconds: u64) -> Rehearsal {
    let timed = |stage, rows| Timed { stage, milliseconds, rows, whole: 200 };
    Rehearsal {
        id: id.to_owned(),
        at: format!("2026-01-01T00:00:0{id}Z"),
        snapshot: "s".to_owned(),
        place: Place::Scratch,
        target: "production".to_owned(),
        clean: true,
        why: None,
        language: None,
        came_to: None,
        versions: Versions::default(),
        stages: vec![timed(Stage::Load, 0), timed(Stage::Check, 0), timed(Stage::Push, 100)],
        tables: BTreeMap::from([("person".to_owned(), BTreeMap::from([("rows".to_owned(), person)]))]),
        rejects: BTreeMap::new(),
        sources: BTreeMap::new(),
        locks: vec![Lock { table: TableName::from("person"), mode: "ACCESS EXCLUSIVE".to_owned() }],
        locked_milliseconds: 10,
        planned_locks: Vec::new(),
        scene: Scene::default(),
    }
}
