//! Which steps a run takes, in order: stages, and the clinic's own steps around them.

use rust_i18n::t;

use super::Wanted;
use crate::config::{Clinic, Moment, OwnStep, near};
use crate::error::Failure;
use crate::model::run::Stage;

/// One step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Stage(Stage),
    Own(&'a OwnStep),
}

/// Which of the clinic's own steps a run takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) enum OwnSteps {
    /// None: one stage was asked for.
    #[default]
    None,
    /// Those that every run takes, and these; it begins with `from`, if that is one.
    Run { with: Vec<String>, from: Option<String> },
    /// Those around what comes after a run, of which there is nothing else.
    Beside { with: Vec<String> },
    /// These, and of the stages only `Wanted::only_stages`.
    Picked(Vec<String>),
}

/// All steps that a clinic has, in order.
fn sequence(clinic: &Clinic) -> Vec<(Stage, Option<&OwnStep>)> {
    let own = |stage: Stage, moment: Moment| {
        let of_it = move |step: &&OwnStep| step.stage == stage && step.moment == moment;
        clinic.commands.iter().filter(of_it).map(move |step| (stage, Some(step)))
    };
    Stage::ALL
        .into_iter()
        .flat_map(|stage| own(stage, Moment::Before).chain([(stage, None)]).chain(own(stage, Moment::After)))
        .collect()
}

/// The steps of a run. Of a dry run, also the own steps that a real one would take.
///
/// # Errors
/// A name that is none of the clinic's own steps.
pub(super) fn steps<'a>(clinic: &'a Clinic, wanted: &Wanted) -> Result<Vec<Step<'a>>, Failure> {
    let all = sequence(clinic);
    let stages = wanted.first..=wanted.last;
    let step = |(stage, own): &(Stage, Option<&'a OwnStep>)| match own {
        Some(own) => Step::Own(own),
        None => Step::Stage(*stage),
    };
    let chosen: Vec<Step<'a>> = match &wanted.own_steps {
        OwnSteps::None => all.iter().filter(|(_, own)| own.is_none()).map(step).collect(),
        OwnSteps::Beside { with } => {
            known(clinic, with)?;
            Vec::new()
        }
        OwnSteps::Picked(names) => {
            let picked = |own: &&OwnStep| names.contains(&own.name);
            all.iter().filter(|(_, own)| own.as_ref().is_none_or(picked)).map(step).collect()
        }
        OwnSteps::Run { with, from } => {
            known(clinic, with)?;
            let begin = match from {
                Some(name) => begin_with(clinic, &all, name)?,
                None => all.iter().position(|(stage, _)| *stage == wanted.first).unwrap_or_default(),
            };
            let last = if wanted.dry_run { wanted.until } else { wanted.last };
            let named = |own: &OwnStep| with.contains(&own.name) || from.as_ref() == Some(&own.name);
            let taken =
                |(_, own): &&(Stage, Option<&OwnStep>)| own.is_none_or(|own| own.autopilot || named(own));
            let first = all[begin].0;
            if let Some(from) = from.as_ref().filter(|_| first > last) {
                return Err(Failure::usage(t!("cli.run.backwards", from = from, until = last)));
            }
            if let Some(from) = from.as_ref().filter(|_| wanted.only.is_some() && first > Stage::Check) {
                return Err(Failure::usage(t!("cli.run.only_unchecked", from = from)));
            }
            let range = all[begin..].iter().filter(|(stage, _)| *stage <= last);
            return Ok(range.filter(taken).map(step).filter(|step| within(step, &stages, wanted)).collect());
        }
    };
    Ok(chosen.into_iter().filter(|step| within(step, &stages, wanted)).collect())
}

/// Whether a stage is wanted; an own step was chosen by name or place before.
fn within(step: &Step<'_>, stages: &std::ops::RangeInclusive<Stage>, wanted: &Wanted) -> bool {
    match (step, &wanted.only_stages) {
        (Step::Own(_), _) => true,
        (Step::Stage(stage), Some(only)) => only.contains(stage),
        // What a run begins with may be an own step after its stage.
        (Step::Stage(stage), None) => {
            *stage <= *stages.end() && (*stage >= *stages.start() || wanted.begins_own())
        }
    }
}

fn begin_with(clinic: &Clinic, all: &[(Stage, Option<&OwnStep>)], name: &str) -> Result<usize, Failure> {
    if let Some(own) = clinic.commands.iter().find(|own| own.name == name && own.stage > Stage::Verify) {
        let failure = Failure::usage(t!("commands.begin_with_stage", name = name, stage = own.stage));
        return Err(failure.hint(format!("trasvase run {} --from {}", clinic.name, own.stage)));
    }
    let found = all.iter().position(|(_, own)| own.is_some_and(|own| own.name == name));
    found.ok_or_else(|| unknown("--from", clinic, name))
}

/// Refuses a name that is no own step.
fn known(clinic: &Clinic, names: &[String]) -> Result<(), Failure> {
    let is_own = |name: &&String| clinic.commands.iter().any(|own| own.name == **name);
    names.iter().find(|name| !is_own(name)).map_or(Ok(()), |name| Err(unknown("--with", clinic, name)))
}

fn unknown(option: &str, clinic: &Clinic, name: &str) -> Failure {
    let own: Vec<String> = clinic.commands.iter().map(|own| own.name.clone()).collect();
    let stages = Stage::ALL.map(|stage| stage.to_string());
    let all: Vec<String> = if option == "--from" { stages.into_iter().chain(own).collect() } else { own };
    let names = if all.is_empty() { "–".to_owned() } else { all.join(", ") };
    let near = near(name, &all);
    Failure::usage(t!("commands.unknown", option = option, name = name, near = near, names = names))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLINIC: &str = "name = 'a'\nuid = 'u'\nepoch = 'e'\nproduct = 'p'\nsystem = 's'\ntimezone = 'z'\n\
        country = 'c'\ncurrency = 'x'\n[sources]\n\
        [[commands]]\nname = 'late'\nafter = 'verify'\nprogram = ['x']\n\
        [[commands]]\nname = 'one'\nafter = 'load'\nsql = 'x'\n\
        [[commands]]\nname = 'hand'\nafter = 'load'\nsql = 'x'\nautopilot = false\n\
        [[commands]]\nname = 'gate'\nbefore = 'push'\nprogram = ['x']\n\
        [[commands]]\nname = 'two'\nafter = 'load'\nsql = 'x'\n";

    fn names(change: impl Fn(&mut Wanted)) -> String {
        let clinic = Clinic::parse("", CLINIC).unwrap();
        let mut wanted = Wanted { last: Stage::Verify, until: Stage::Verify, ..Wanted::stage(Stage::Load) };
        wanted.own_steps = OwnSteps::Run { with: Vec::new(), from: None };
        change(&mut wanted);
        let name = |step: &Step<'_>| match step {
            Step::Stage(stage) => stage.to_string(),
            Step::Own(own) => own.name.clone(),
        };
        match steps(&clinic, &wanted) {
            Ok(steps) => steps.iter().map(name).collect::<Vec<_>>().join(" "),
            Err(failure) => failure.message,
        }
    }

    fn from(name: &str) -> OwnSteps {
        OwnSteps::Run { with: Vec::new(), from: Some(name.to_owned()) }
    }

    #[test]
    fn own_steps_stand_around_their_stages_in_the_order_of_the_file() {
        assert_eq!(names(|_| {}), "load one two transform check export gate push verify late");
        let stages = names(|wanted| wanted.own_steps = OwnSteps::None);
        assert_eq!(stages, "load transform check export push verify");
        let with = OwnSteps::Run { with: vec!["hand".to_owned()], from: None };
        let asked = names(|wanted| wanted.own_steps = with.clone());
        assert_eq!(asked, "load one hand two transform check export gate push verify late");
    }

    #[test]
    fn a_run_begins_and_ends_where_it_is_told() {
        assert_eq!(names(|wanted| wanted.first = Stage::Push), "gate push verify late");
        assert_eq!(names(|wanted| wanted.last = Stage::Load), "load one two");
        assert_eq!(names(|wanted| wanted.last = Stage::Export), "load one two transform check export");
        let verify = |wanted: &mut Wanted| (wanted.first, wanted.last) = (Stage::Verify, Stage::Verify);
        assert_eq!(names(verify), "verify late");
        for (name, steps) in [
            ("two", "two transform check export gate push verify late"),
            ("hand", "hand two transform check export gate push verify late"),
            ("gate", "gate push verify late"),
            ("late", "late"),
        ] {
            assert_eq!(names(|wanted| wanted.own_steps = from(name)), steps, "{name}");
        }
        let told = names(|wanted| wanted.own_steps = from("gaet"));
        assert!(told.contains("did you mean gate") && told.contains("verify"), "{told}");
    }

    #[test]
    fn a_dry_run_names_what_a_real_one_would_take() {
        let dry = |wanted: &mut Wanted| (wanted.last, wanted.dry_run) = (Stage::Push, true);
        assert_eq!(names(dry), "load one two transform check export gate push late");
    }

    #[test]
    fn what_is_picked_is_all() {
        let picked = names(|wanted| {
            wanted.only_stages = Some([Stage::Load, Stage::Check].into());
            wanted.own_steps = OwnSteps::Picked(vec!["hand".to_owned()]);
        });
        assert_eq!(picked, "load hand check");
    }
}
