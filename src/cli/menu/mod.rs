//! The menu of `trasvase` alone on a terminal: choose a clinic, see its steps, run one, several or all.

mod draw;
mod state;
mod terminal;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use anyhow::Result;
use rust_i18n::t;

use super::arguments::Format;
use super::context::Context;
use super::output;
use super::pipeline::{self, OwnSteps, Wanted};
use super::status;
use crate::config::{Clinic, Project};
use crate::error::{Failure, interrupt};
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::Target;
use state::{Place, Wish};

/// Whether there is somebody before a terminal that can show it.
pub(super) fn is_wanted(context: &Context) -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let terminals =
        std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    let able = set("TERM").is_some_and(|term| term != "dumb") && set("CI").is_none();
    terminals && able && context.format() == Format::Table
}

/// Shows the menu until somebody leaves it.
pub(super) fn run(context: &Context) -> Result<()> {
    let project = context.project()?;
    let names = project.clinics()?;
    if names.is_empty() {
        return status::overview(context);
    }
    let mut state = state::State::new(names.iter().map(ToString::to_string).collect());
    let desk = Desk { context, project, names };
    loop {
        let Some(wish) = terminal::ask(&desk, &mut state)? else { return Ok(()) };
        desk.carry_out(&wish)?;
        if !terminal::wait_for_key()? {
            return Ok(());
        }
        state.forget();
    }
}

/// What the menu is about.
struct Desk<'a> {
    context: &'a Context,
    project: Project,
    names: Vec<ClinicName>,
}

impl Desk<'_> {
    fn look(&self, at: usize) -> status::ClinicStatus {
        status::look(self.context, &self.project, &self.names[at])
    }

    /// Where a clinic's rows may go: where its commands go by themselves, then what its clinic.toml names.
    fn places(&self, at: usize) -> Vec<Place> {
        let given = self.context.global.target.clone();
        let chosen = Target::chosen(&self.project, given.as_deref()).unwrap_or_default();
        let targets =
            Clinic::read(&self.project, &self.names[at]).map(|clinic| clinic.targets).unwrap_or_default();
        let production = |name: &str| targets.get(name).is_some_and(|target| target.production);
        let own = targets.keys().map(String::as_str).chain(["embedded"]).filter(|name| *name != chosen);
        let own = own.map(|name| Place {
            name: name.to_owned(),
            given: Some(name.to_owned()),
            production: production(name),
        });
        let first = Place { production: production(&chosen), name: chosen.clone(), given };
        std::iter::once(first).chain(own).collect()
    }

    /// Runs what somebody wished for, as the command line would; a failure is told, and the menu comes back.
    fn carry_out(&self, wish: &Wish) -> Result<()> {
        let name = &self.names[wish.clinic];
        let context = self.context.again(wish.target.clone());
        let wanted = wanted(&wish.steps);
        output::status(&title(name, wish, context.global.target.as_deref()));
        let Err(error) = pipeline::run_and_show(&context, Some(name), &wanted) else { return Ok(()) };
        let error = context.completed(&error);
        if interrupt::requested() {
            return Err(error);
        }
        output::failure(&Failure::from_anyhow(&error), Format::Table);
        Ok(())
    }
}

/// A run of all steps, where none is named, or of these.
fn wanted(steps: &[String]) -> Wanted {
    if steps.is_empty() {
        return Wanted {
            command: "run".to_owned(),
            last: Stage::Verify,
            until: Stage::Verify,
            own_steps: OwnSteps::Run { with: Vec::new(), from: None },
            beside: Stage::BESIDE.into(),
            notify: true,
            ..Wanted::stage(Stage::Load)
        };
    }
    let named = steps.iter().filter_map(|name| Stage::named(name));
    let (beside, stages): (BTreeSet<Stage>, BTreeSet<Stage>) =
        named.partition(|stage| Stage::BESIDE.contains(stage));
    let own = steps.iter().filter(|name| Stage::named(name).is_none()).cloned().collect();
    let first = stages.first().copied().unwrap_or(Stage::Load);
    let last = stages.last().copied().unwrap_or(Stage::Verify);
    Wanted {
        command: steps.join(" "),
        last,
        until: last,
        only_stages: Some(stages),
        beside,
        own_steps: OwnSteps::Picked(own),
        ..Wanted::stage(first)
    }
}

/// What was wished for, as one would type it where there is one command for it.
fn title(name: &ClinicName, wish: &Wish, target: Option<&str>) -> String {
    let target = target.map(|target| format!(" --target {target}")).unwrap_or_default();
    match wish.steps.as_slice() {
        [] => format!("$ trasvase run {name}{target}"),
        [one] if Stage::named(one).is_some() => format!("$ trasvase {one} {name}{target}"),
        several => t!("menu.several", clinic = name, steps = several.join(", ")).into_owned() + &target,
    }
}
