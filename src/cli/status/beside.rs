//! Where the commands stand that come after a run.

use super::{StageStatus, State};
use crate::config::Clinic;
use crate::model::run::Stage;
use crate::staging::{Archived, Ended, StageRow};

/// Files and users, where clinic.toml names them or they were done once.
pub(super) fn stages(clinic: &Clinic, rows: &[StageRow]) -> Vec<StageStatus> {
    let shown = |stage: &Stage| clinic.has_stage(*stage) || rows.iter().any(|row| row.stage == *stage);
    [Stage::Files, Stage::Users].into_iter().filter(shown).map(|stage| beside(stage, rows)).collect()
}

/// Where a command stands that follows a run: stale once the rows that it added to were exported anew.
fn beside(stage: Stage, rows: &[StageRow]) -> StageStatus {
    let row = |stage: Stage| rows.iter().find(|row| row.stage == stage);
    let exported = row(Stage::Export).and_then(|row| row.output.as_deref());
    let (state, own) = match row(stage) {
        None => (State::Pending, None),
        // Its accounts were disabled or removed.
        Some(own) if own.counts["taken_back"] == true => (State::Pending, Some(own)),
        Some(own) if own.ended != Ended::Done => (State::Failed, Some(own)),
        Some(own) if own.input.as_deref() != exported => (State::Stale, Some(own)),
        Some(own) => (State::Done, Some(own)),
    };
    StageStatus {
        stage,
        state,
        counts: own.map_or(serde_json::Value::Null, |row| row.counts.clone()),
        ended_at: own.and_then(|row| row.ended_at.clone()),
        run: own.and_then(|row| row.run.clone()),
    }
}

/// Where the archive stands: done where the last one is of the snapshot that was exported last, and nothing of it is stale.
pub(super) fn archive(last: Option<(&Archived, bool)>, stages: &[StageStatus]) -> StageStatus {
    let Some((last, is_of_export)) = last else {
        let (stage, state, counts) = (Stage::Archive, State::Pending, serde_json::Value::Null);
        return StageStatus { stage, state, counts, ended_at: None, run: None };
    };
    let mut made = stages.iter().take_while(|one| one.stage <= Stage::Export);
    let fresh = is_of_export && made.all(|one| one.state == State::Done);
    StageStatus {
        stage: Stage::Archive,
        state: if fresh { State::Done } else { State::Stale },
        counts: serde_json::json!({
            "bucket": format!("s3://{}", last.bucket),
            "objects": last.objects,
            "bytes": last.bytes,
        }),
        ended_at: Some(last.at.clone()),
        run: None,
    }
}
