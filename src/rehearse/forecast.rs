//! How long the night will be, by what the rehearsals took.

use serde::Serialize;

use super::{Rehearsal, Timed};
use crate::model::lock::{Lock, Waits};
use crate::model::run::Stage;

/// So many of the latest rehearsals are asked.
const ASKED: usize = 3;

/// What to expect of a run that does everything: nothing is up to date.
#[derive(Debug, Clone, Serialize)]
pub struct Forecast {
    pub stages: Vec<StageForecast>,
    /// All stages together.
    pub total: Span,
    /// What the push will lock, until it is committed.
    pub locks: Vec<LockForecast>,
    /// From the first lock to the end.
    pub locked: Option<Span>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StageForecast {
    pub stage: Stage,
    pub rows: u64,
    #[serde(flatten)]
    pub span: Span,
    /// How many rehearsals this is by.
    pub by: usize,
}

/// The middle of what is expected, and its ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    pub milliseconds: u64,
    pub least: u64,
    pub most: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LockForecast {
    #[serde(flatten)]
    pub lock: Lock,
    pub waits: Waits,
}

/// Forecasts from rehearsals, the latest first, for the rows that the latest had.
pub fn forecast(rehearsals: &[Rehearsal]) -> Option<Forecast> {
    let latest = rehearsals.first()?;
    let stages: Vec<StageForecast> =
        Stage::ALL.into_iter().filter_map(|stage| stage_forecast(rehearsals, stage)).collect();
    let total = stages.iter().fold(Span::default(), |sum, stage| Span {
        milliseconds: sum.milliseconds + stage.span.milliseconds,
        least: sum.least + stage.span.least,
        most: sum.most + stage.span.most,
    });
    // A copy may be empty where the target is not: then the plan for the target knows better what will be locked.
    let locks = if latest.planned_locks.is_empty() { &latest.locks } else { &latest.planned_locks };
    let locks = locks.iter().map(|lock| LockForecast { lock: lock.clone(), waits: lock.waits() }).collect();
    Some(Forecast { stages, total, locks, locked: locked(rehearsals) })
}

fn stage_forecast(rehearsals: &[Rehearsal], stage: Stage) -> Option<StageForecast> {
    let rows = rehearsals.iter().find_map(|one| one.timed(stage)).map(|timed| timed.whole)?;
    // What was up to date took no time worth telling.
    let measured = |one: &Rehearsal| one.timed(stage).filter(|timed| timed.rows > 0).map(scaled(rows));
    let expected: Vec<u64> = rehearsals.iter().filter_map(measured).take(ASKED).collect();
    let by = expected.len();
    Some(StageForecast { stage, rows, span: Span::of(expected)?, by })
}

/// How long the locks will be held: of the push's time the part that it was in the rehearsals.
fn locked(rehearsals: &[Rehearsal]) -> Option<Span> {
    let rows = rehearsals.iter().find_map(|one| one.timed(Stage::Push)).map(|timed| timed.whole)?;
    let measured = |one: &Rehearsal| {
        let timed = one.timed(Stage::Push).filter(|timed| timed.rows > 0 && one.locked_milliseconds > 0)?;
        Some(scaled(rows)(&Timed { milliseconds: one.locked_milliseconds, ..timed.clone() }))
    };
    Span::of(rehearsals.iter().filter_map(measured).take(ASKED).collect())
}

/// What it will take for so many rows, at the pace of then.
fn scaled(rows: u64) -> impl Fn(&Timed) -> u64 {
    move |timed| {
        let whole = u128::from(timed.milliseconds) * u128::from(rows) / u128::from(timed.rows.max(1));
        u64::try_from(whole).unwrap_or(u64::MAX)
    }
}

impl Span {
    fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let (least, most) = (*values.first()?, *values.last()?);
        // Of two the longer one: a night that is shorter than foretold hurts nobody.
        Some(Self { milliseconds: values[values.len() / 2], least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn the_median_pace_of_the_last_three_decides() {
        let all = [100, 900, 300, 5000].map(|milliseconds| example("1", 5, milliseconds));
        let found = forecast(&all).unwrap();
        // 100 rows were measured, 200 are to come; load had nothing to do.
        let [push] = found.stages.as_slice() else { panic!("{found:?}") };
        assert_eq!((push.stage, push.rows, push.by), (Stage::Push, 200, 3));
        assert_eq!(push.span, Span { milliseconds: 600, least: 200, most: 1800 });
        assert_eq!(found.total, push.span);
        assert_eq!(found.locked, Some(Span { milliseconds: 20, least: 20, most: 20 }));
        assert_eq!(found.locks[0].waits, Waits::ReadsAndWrites);
        assert!(forecast(&[]).is_none());
    }
}
