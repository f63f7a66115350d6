//! What to type next, and for which target.

use super::{OwnStatus, StageStatus, State};
use crate::config::{Clinic, Project};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::Target;

/// The target to go on with, as an argument, where nothing said means another: that of the stage to come when it last
/// ran, else of the last one before it. What was done for production goes on with its rehearsal, until that is verified.
pub(super) fn target(project: &Project, name: &ClinicName, stages: &[StageStatus]) -> Option<String> {
    let next = stages.iter().position(|stage| stage.state != State::Done);
    let last = next.unwrap_or(stages.len().checked_sub(1)?);
    let used = used(&stages[..=last])?;
    let targets = Clinic::read(project, name).ok()?;
    match targets.targets.get(used) {
        Some(config) if config.production && next.is_some() && stages[last].counts.is_null() => {
            targets.rehearsals().first().map(|target| (*target).to_owned())
        }
        Some(_) => Some(used.to_owned()),
        None if used == "embedded" => {
            let other = Target::chosen(project, None).is_ok_and(|chosen| chosen != used);
            other.then(|| used.to_owned())
        }
        None => None,
    }
}

/// The target of the last of these stages that had one.
fn used(stages: &[StageStatus]) -> Option<&str> {
    stages.iter().rev().find_map(|stage| stage.counts["target"].as_str())
}

pub(super) fn next(
    name: &ClinicName,
    stages: &[StageStatus],
    own: &[OwnStatus],
    target: Option<&str>,
) -> String {
    let open = stages.iter().find(|stage| stage.state != State::Done);
    // What stands around the open stage, a run that begins with that takes.
    let left = own.iter().find(|own| {
        own.autopilot && own.state != State::Done && open.is_none_or(|stage| own.stage < stage.stage)
    });
    if let Some(own) = left {
        return match Stage::BESIDE.contains(&own.stage) {
            true => format!("trasvase run {name} --from {}", own.stage),
            false => format!("trasvase run {name} --from {}", own.name),
        };
    }
    match open {
        // psql opens on the private server only.
        None if target.or(used(stages)).is_some_and(|target| target != "embedded") => {
            format!("trasvase verify {name}")
        }
        None => "trasvase postgres psql".to_owned(),
        Some(stage) if matches!(stage.stage, Stage::Files | Stage::Users) => {
            format!("trasvase {} {name}", stage.stage)
        }
        Some(stage) if stage.state == State::Failed => format!("trasvase log {name} --errors"),
        Some(stage) if stage.stage == Stage::Load => format!("trasvase run {name}"),
        Some(stage) if stage.stage == Stage::Archive => format!("trasvase archive {name}"),
        Some(stage) => format!("trasvase run {name} --from {}", stage.stage),
    }
}
