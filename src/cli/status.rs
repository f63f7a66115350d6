mod beside;
mod moved;
mod next;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use self::moved::{Moved, models_moved, sources_moved};
use self::next::{next, target};
use super::context::Context;
use super::hints;
use super::output::{self, Page, Table};
use crate::config::{Clinic, Moment, OwnStep, Project};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::Target;
use crate::staging::{Access, Ended, Lock, OwnStepRow, StageRow, Staging};

/// Show each stage of each clinic: done, stale, pending or failed, its counts and when
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Only this clinic
    clinic: Option<ClinicName>,
}

const EXAMPLES: &str = "Examples:
  trasvase status
  trasvase status acme --format json";

/// Where one stage of one clinic stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Done,
    /// Done, but what it read has changed since.
    Stale,
    /// Never run, or waiting for an earlier stage.
    Pending,
    Failed,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct StageStatus {
    pub(super) stage: Stage,
    pub(super) state: State,
    pub(super) counts: serde_json::Value,
    pub(super) ended_at: Option<String>,
    run: Option<String>,
}

#[cfg(test)]
impl StageStatus {
    pub(super) fn example(
        stage: Stage,
        state: State,
        counts: serde_json::Value,
        ended_at: Option<String>,
    ) -> Self {
        Self { stage, state, counts, ended_at, run: None }
    }
}

/// Where an own step of the clinic stands.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OwnStatus {
    #[serde(rename = "command")]
    pub(super) name: String,
    pub(super) stage: Stage,
    pub(super) moment: Moment,
    pub(super) state: State,
    pub(super) autopilot: bool,
    pub(super) milliseconds: Option<u64>,
    pub(super) ended_at: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ClinicStatus {
    pub(super) clinic: ClinicName,
    pub(super) stages: Vec<StageStatus>,
    /// Those that are shown.
    #[serde(rename = "commands", skip_serializing_if = "Vec::is_empty")]
    pub(super) own: Vec<OwnStatus>,
    /// Why nothing can be told: a wrong clinic.toml, a staging file in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    /// What to type next.
    pub(super) next: String,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let project = context.project()?;
        let names = match &self.clinic {
            Some(name) => vec![Clinic::read(&project, name)?.name],
            None => project.clinics()?,
        };
        known_somewhere(context, &project, &names)?;
        show(context, &project, &names)
    }
}

/// Refuses a target that none of the clinics has; a clinic that cannot be read is told of in its place.
fn known_somewhere(context: &Context, project: &Project, names: &[ClinicName]) -> Result<()> {
    let Some(target) = &context.global.target else { return Ok(()) };
    let clinics: Vec<Clinic> = names.iter().filter_map(|name| Clinic::read(project, name).ok()).collect();
    let checked = clinics.iter().map(|clinic| Target::check_name(clinic, target));
    match checked.collect::<Vec<_>>() {
        all if all.iter().any(Result::is_ok) => Ok(()),
        all => all.into_iter().next().map_or(Ok(()), |first| Ok(first?)),
    }
}

/// What `trasvase` alone says: where every clinic stands, and what to type next.
pub(super) fn overview(context: &Context) -> Result<()> {
    let project = context.project()?;
    show(context, &project, &project.clinics()?)
}

fn show(context: &Context, project: &Project, names: &[ClinicName]) -> Result<()> {
    let clinics: Vec<ClinicStatus> = names.iter().map(|name| look(context, project, name)).collect();
    output::show(context.format(), clinics.as_slice(), page)
}

fn page(clinics: &[ClinicStatus]) -> Page {
    if clinics.is_empty() {
        return Page::new().line(t!("cli.no_clinics")).line(format!("  → {}", t!("cli.no_clinics_hint")));
    }
    let mut table = Table::new([
        t!("cli.status.clinic"),
        t!("cli.status.stage"),
        t!("cli.status.state"),
        t!("cli.status.counts"),
        t!("cli.status.when"),
    ]);
    for clinic in clinics {
        for (position, row) in clinic.rows().into_iter().enumerate() {
            let name = if position == 0 { clinic.clinic.to_string() } else { String::new() };
            table.row([name, row.name, row.state.label().into_owned(), row.told, row.when]);
        }
    }
    let mut page = Page::new().table(table);
    for clinic in clinics {
        if let Some(problem) = &clinic.problem {
            page = page.line(format!("{}: {problem}", clinic.clinic));
        }
    }
    page = page.line("").line(t!("cli.status.next"));
    let mut steps: Vec<&str> = clinics.iter().map(|clinic| clinic.next.as_str()).collect();
    steps.dedup();
    steps.into_iter().fold(page, |page, step| page.line(format!("  {step}")))
}

/// A stage or an own step, as people read it.
pub(super) struct ShownStep {
    pub(super) name: String,
    pub(super) state: State,
    /// Counts; of an own step its place and time.
    pub(super) told: String,
    pub(super) when: String,
    /// Of an own step: whether a run takes it unasked.
    pub(super) own: Option<bool>,
}

impl ClinicStatus {
    /// Stages with the own steps around them, in order.
    pub(super) fn rows(&self) -> Vec<ShownStep> {
        let when = |at: &Option<String>| at.as_deref().map(output::moment).unwrap_or_default();
        let stages = self.stages.iter().map(|stage| {
            let row = ShownStep {
                name: stage.stage.to_string(),
                state: stage.state,
                told: told(stage),
                when: when(&stage.ended_at),
                own: None,
            };
            ((stage.stage, 1), row)
        });
        let own = self.own.iter().map(|own| {
            let row = ShownStep {
                name: own.name.clone(),
                state: own.state,
                told: own.told(),
                when: when(&own.ended_at),
                own: Some(own.autopilot),
            };
            ((own.stage, if own.moment == Moment::Before { 0 } else { 2 }), row)
        });
        let mut rows: Vec<_> = stages.chain(own).collect();
        rows.sort_by_key(|(place, _)| *place);
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

impl OwnStatus {
    /// `before push, by hand, 1.2 s`
    fn told(&self) -> String {
        let when = match self.moment {
            Moment::Before => t!("commands.before", stage = self.stage),
            Moment::After => t!("commands.after", stage = self.stage),
        };
        let by_hand = (!self.autopilot).then(|| t!("commands.by_hand").into_owned());
        let took = self.milliseconds.map(output::duration);
        [Some(when.into_owned()), by_hand, took].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A stage's counts; of what was written or compared also where: `rehearsal: inserted 6`.
fn told(stage: &StageStatus) -> String {
    let counts = counts_text(&stage.counts);
    if let Some(bucket) = stage.counts["bucket"].as_str() {
        return format!("{bucket}: {counts}");
    }
    match stage.counts["target"].as_str().filter(|_| stage.stage >= Stage::Push) {
        Some(target) if counts.is_empty() => target.to_owned(),
        Some(target) => format!("{target}: {counts}"),
        None => counts,
    }
}

/// One clinic, whatever state it is in: a problem is part of the answer, not the end of it.
pub(super) fn look(context: &Context, project: &Project, name: &ClinicName) -> ClinicStatus {
    match stages(context, project, name) {
        Ok(None) => ClinicStatus {
            clinic: name.clone(),
            stages: Vec::new(),
            own: Vec::new(),
            problem: Some(t!("cli.status.no_sources").into_owned()),
            next: t!("cli.init.next_edit", clinic = name).into_owned(),
        },
        Ok(Some((stages, own))) => {
            let of_a_run = &stages[..stages.len().min(Stage::ALL.len())];
            let target = context.global.target.clone().or_else(|| target(project, name, of_a_run));
            let next = next(name, &stages, &own, target.as_deref());
            let next = hints::complete(&next, Some(name), target.as_deref());
            ClinicStatus { clinic: name.clone(), next, stages, own, problem: None }
        }
        Err(error) => ClinicStatus {
            clinic: name.clone(),
            stages: Vec::new(),
            own: Vec::new(),
            problem: Some(crate::error::Failure::from_anyhow(&error).message),
            next: format!("trasvase doctor {name}"),
        },
    }
}

/// The states of a clinic's stages; none for one that names no sources yet.
fn stages(
    context: &Context,
    project: &Project,
    name: &ClinicName,
) -> Result<Option<(Vec<StageStatus>, Vec<OwnStatus>)>> {
    let clinic = Clinic::read(project, name)?;
    if clinic.sources.is_empty() {
        return Ok(None);
    }
    if !project.duckdb_path(name).is_file() {
        let stages = judged(&[], Moved::default());
        let archive = clinic.archive.is_some().then(|| beside::archive(None, &stages));
        let beside = beside::stages(&clinic, &[]);
        let stages = stages.into_iter().chain(beside).chain(archive).collect::<Vec<_>>();
        let own = judged_own(project, &clinic, &stages, &[]);
        return Ok(Some((stages, own)));
    }
    if let Some(process) = Lock::holder(&project.staging_dir(name)) {
        anyhow::bail!("{}", t!("cli.status.busy", process = process));
    }
    let staging = Staging::open(project, &clinic, Access::ReadOnly, &context.limits())?;
    let rows = staging.stages()?;
    let moved = Moved {
        sources: sources_moved(project, &clinic, &staging)?,
        models: rows.iter().any(|row| row.stage == Stage::Transform)
            && models_moved(project, &clinic, &staging),
    };
    let stages = judged(&rows, moved);
    let archives = staging.archives()?;
    let shown = clinic.archive.is_some() || !archives.is_empty();
    let output = rows.iter().find(|row| row.stage == Stage::Export).and_then(|row| row.output.as_deref());
    let last = archives.last().map(|one| (one, Some(one.snapshot.as_str()) == output));
    let archive = shown.then(|| beside::archive(last, &stages));
    let beside = beside::stages(&clinic, &rows);
    let stages = stages.into_iter().chain(beside).chain(archive).collect::<Vec<_>>();
    let own = judged_own(project, &clinic, &stages, &staging.own_steps()?);
    Ok(Some((stages, own)))
}

/// Each stage's state by the books alone.
pub(super) fn states(rows: &[StageRow]) -> Vec<(Stage, State)> {
    judged(rows, Moved::default()).into_iter().map(|one| (one.stage, one.state)).collect()
}

/// Each stage's state. A stage is stale when what it read is no longer what the stage before it made, or when a stage
/// before it is stale; it is pending when a stage before it has yet to succeed.
fn judged(rows: &[StageRow], moved: Moved) -> Vec<StageStatus> {
    let mut before = State::Done;
    let mut output_before: Option<&str> = None;
    let mut judged = Vec::new();
    for stage in Stage::ALL {
        let row = rows.iter().find(|row| row.stage == stage);
        let state = match row {
            None => State::Pending,
            Some(row) => match row.ended {
                Ended::Running | Ended::Failed => State::Failed,
                Ended::Done if before != State::Done => State::Stale,
                Ended::Done if stage == Stage::Load && moved.sources => State::Stale,
                Ended::Done if stage == Stage::Transform && moved.models => State::Stale,
                Ended::Done if stage != Stage::Load && row.input.as_deref() != output_before => State::Stale,
                Ended::Done => State::Done,
            },
        };
        judged.push(StageStatus {
            stage,
            state,
            counts: row.map_or(serde_json::Value::Null, |row| row.counts.clone()),
            ended_at: row.and_then(|row| row.ended_at.clone()),
            run: row.and_then(|row| row.run.clone()),
        });
        before = state;
        output_before = row.and_then(|row| row.output.as_deref());
    }
    judged
}

/// The state of each own step that is shown. It is stale once it does something else, or once the stage that it follows was
/// done later, or is not done.
fn judged_own(
    project: &Project,
    clinic: &Clinic,
    stages: &[StageStatus],
    rows: &[OwnStepRow],
) -> Vec<OwnStatus> {
    let judge = |own: &OwnStep| {
        let row = rows.iter().find(|row| row.name == own.name);
        let followed = stages.iter().rfind(|one| match own.moment {
            Moment::After => one.stage <= own.stage,
            Moment::Before => one.stage < own.stage,
        });
        let follows = |row: &OwnStepRow| {
            followed.is_none_or(|stage| stage.state == State::Done && stage.ended_at <= row.ended_at)
        };
        let sql = own.sql(project, &clinic.name);
        let same = |row: &OwnStepRow| sql.as_ref().is_ok_and(|sql| own.fingerprint(sql) == row.fingerprint);
        let state = match row {
            None => State::Pending,
            Some(row) if row.ended != Ended::Done => State::Failed,
            Some(row) if same(row) && follows(row) => State::Done,
            Some(_) => State::Stale,
        };
        OwnStatus {
            name: own.name.clone(),
            stage: own.stage,
            moment: own.moment,
            state,
            autopilot: own.autopilot,
            milliseconds: row.and_then(|row| row.milliseconds),
            ended_at: row.and_then(|row| row.ended_at.clone()),
        }
    };
    clinic.commands.iter().filter(|own| own.status).map(judge).collect()
}

/// `only patient: rows 2,000, rejected 3`; zeros go without saying, and groups within are left to JSON.
pub(super) fn counts_text(counts: &serde_json::Value) -> String {
    counts_in(&rust_i18n::locale(), counts)
}

/// The same in one language.
pub(super) fn counts_in(locale: &str, counts: &serde_json::Value) -> String {
    let only = counts["only"].as_str().map(|table| t!("cli.count.only", locale = locale, table = table));
    let Some(counts) = counts.as_object() else { return String::new() };
    let counts = counts.iter().filter(|(_, value)| value.as_u64() != Some(0));
    let parts = counts.filter_map(|(name, value)| {
        Some(format!("{} {}", count_name(locale, name), output::count(value.as_u64()?)))
    });
    only.unwrap_or_default().into_owned() + &parts.collect::<Vec<_>>().join(", ")
}

fn count_name(locale: &str, name: &str) -> String {
    let key = format!("cli.count.{name}");
    crate::_rust_i18n_try_translate(locale, key)
        .map_or_else(|| name.replace('_', " "), |text| text.into_owned())
}

impl State {
    pub(super) fn label(self) -> std::borrow::Cow<'static, str> {
        match self {
            State::Done => t!("cli.state.done"),
            State::Stale => t!("cli.state.stale"),
            State::Pending => t!("cli.state.pending"),
            State::Failed => t!("cli.state.failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stage: Stage, ended: Ended, input: Option<&str>, output: &str) -> StageRow {
        StageRow {
            stage,
            ended,
            input: input.map(str::to_owned),
            output: Some(output.to_owned()),
            counts: serde_json::json!({"rows": 2000, "rejected": 3, "dropped": 0, "tables": {"patient": 1}}),
            run: None,
            started_at: String::new(),
            ended_at: None,
        }
    }

    fn states(rows: &[StageRow], sources: bool) -> Vec<State> {
        judged(rows, Moved { sources, models: false }).iter().map(|stage| stage.state).collect()
    }

    #[test]
    fn a_stage_is_stale_when_what_it_read_has_changed() {
        use State::{Done, Failed, Pending, Stale};
        let load = row(Stage::Load, Ended::Done, None, "a");
        let transform = row(Stage::Transform, Ended::Done, Some("a"), "b");
        let check = row(Stage::Check, Ended::Done, Some("b"), "c");
        let all = [load.clone(), transform.clone(), check.clone()];
        assert_eq!(states(&all, false), [Done, Done, Done, Pending, Pending, Pending]);
        assert_eq!(states(&all, true), [Stale, Stale, Stale, Pending, Pending, Pending]);
        let edited = judged(&all, Moved { sources: false, models: true });
        assert_eq!(edited.iter().map(|stage| stage.state).collect::<Vec<_>>()[..3], [Done, Stale, Stale]);
        let again = [row(Stage::Load, Ended::Done, None, "A"), transform.clone(), check.clone()];
        assert_eq!(states(&again, false)[..3], [Done, Stale, Stale]);
        let broken = [load, row(Stage::Transform, Ended::Failed, Some("a"), "b"), check];
        assert_eq!(states(&broken, false)[..3], [Done, Failed, Stale]);
    }

    #[test]
    fn a_killed_stage_counts_as_failed() {
        assert_eq!(states(&[row(Stage::Load, Ended::Running, None, "a")], false)[0], State::Failed);
    }

    #[test]
    fn counts_are_told_flat() {
        let mut counts = row(Stage::Load, Ended::Done, None, "a").counts;
        assert_eq!(counts_text(&counts), "rows 2,000, rejected 3");
        counts["only"] = "patient".into();
        assert_eq!(counts_text(&counts), "only patient: rows 2,000, rejected 3");
    }
}
