//! `[[commands]]`: a clinic's own steps, before or after a stage.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use rust_i18n::t;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::{Clinic, Project, shown};
use crate::error::Failure;
use crate::model::hex;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;

/// One step of a clinic's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnStep {
    /// As `--from` and `--with` name it.
    pub name: String,
    pub stage: Stage,
    pub moment: Moment,
    pub work: Work,
    /// Whether `run` takes it without being asked.
    pub autopilot: bool,
    /// Whether `status` and the menu show it.
    pub status: bool,
}

/// On which side of its stage a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    Before,
    After,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A file of SQL, relative to the clinic's folder.
    Sql { path: PathBuf, on: Place },
    /// A program and its arguments, run in the clinic's folder.
    Program(Vec<String>),
}

/// Where SQL runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    #[default]
    Staging,
    Target,
}

/// A section as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    name: String,
    before: Option<Stage>,
    after: Option<Stage>,
    sql: Option<PathBuf>,
    on: Option<Place>,
    program: Option<Vec<String>>,
    #[serde(default = "yes")]
    autopilot: bool,
    #[serde(default = "yes")]
    status: bool,
}

fn yes() -> bool {
    true
}

impl TryFrom<Section> for OwnStep {
    type Error = String;

    fn try_from(section: Section) -> Result<Self, String> {
        let Section { name, before, after, sql, on, program, autopilot, status } = section;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        let named = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain);
        // A name goes where a stage's could stand, and into the name of a file.
        if !named || name.len() > 40 || Stage::named(&name).is_some() {
            return Err(t!("config.step_name", name = name).into_owned());
        }
        let (stage, moment) = match (before, after) {
            (Some(stage), None) => (stage, Moment::Before),
            (None, Some(stage)) => (stage, Moment::After),
            _ => return Err(t!("config.step_moment", name = name).into_owned()),
        };
        let work = match (sql, program) {
            (Some(path), None) => Work::Sql { path, on: on.unwrap_or_default() },
            (None, Some(program)) if on.is_none() && program.first().is_some_and(|one| !one.is_empty()) => {
                Work::Program(program)
            }
            _ => return Err(t!("config.step_work", name = name).into_owned()),
        };
        if matches!(work, Work::Sql { on: Place::Staging, .. }) && stage >= Stage::Push {
            return Err(t!("config.step_staging", name = name, stage = stage).into_owned());
        }
        Ok(Self { name, stage, moment, work, autopilot, status })
    }
}

/// The steps of the sections, in their order; of a wrong one where it stands, and what is wrong.
pub(super) fn steps(sections: Vec<Spanned<Section>>) -> Result<Vec<OwnStep>, (Range<usize>, String)> {
    let (mut steps, mut names) = (Vec::new(), BTreeSet::new());
    for section in sections {
        let place = section.span();
        let step = match OwnStep::try_from(section.into_inner()) {
            Ok(step) if names.insert(step.name.clone()) => step,
            Ok(step) => return Err((place, t!("config.step_twice", name = step.name).into_owned())),
            Err(wrong) => return Err((place, wrong)),
        };
        steps.push(step);
    }
    Ok(steps)
}

impl Clinic {
    /// Whether a run takes the stage: what comes after needs a section of its own.
    pub fn has_stage(&self, stage: Stage) -> bool {
        match stage {
            Stage::Files => !self.files.is_empty(),
            Stage::Users => self.users.is_some(),
            Stage::Archive => self.archive.is_some(),
            _ => true,
        }
    }

    /// Refuses a step around a stage that no run takes: it would never be done.
    pub(super) fn own_steps_are_reached(&self) -> Result<(), Failure> {
        match self.commands.iter().find(|step| !self.has_stage(step.stage)) {
            Some(OwnStep { name, stage, .. }) => {
                Err(Failure::usage(t!("config.step_beside", name = name, stage = stage)))
            }
            None => Ok(()),
        }
    }
}

impl OwnStep {
    /// Where its SQL stands; none for a program.
    pub fn sql_path(&self, project: &Project, clinic: &ClinicName) -> Option<PathBuf> {
        match &self.work {
            Work::Sql { path, .. } => Some(project.clinic_dir(clinic).join(path)),
            Work::Program(_) => None,
        }
    }

    /// Whether it writes the target's tables, as far as can be known.
    pub fn is_on_target(&self) -> bool {
        matches!(self.work, Work::Sql { on: Place::Target, .. })
    }

    /// What it does, as JSON has it: `sql`, `target_sql` or `program`.
    pub fn kind(&self) -> &'static str {
        match &self.work {
            Work::Sql { on: Place::Staging, .. } => "sql",
            Work::Sql { on: Place::Target, .. } => "target_sql",
            Work::Program(_) => "program",
        }
    }

    /// `before push` or `after load`, for people.
    pub fn when(&self) -> String {
        let key = match self.moment {
            Moment::Before => t!("commands.before", stage = self.stage),
            Moment::After => t!("commands.after", stage = self.stage),
        };
        key.into_owned()
    }

    /// The SQL, which is empty for a program.
    ///
    /// # Errors
    /// A file that is missing or not UTF-8.
    pub fn sql(&self, project: &Project, clinic: &ClinicName) -> Result<String, Failure> {
        let Some(path) = self.sql_path(project, clinic) else { return Ok(String::new()) };
        std::fs::read_to_string(&path).map_err(|error| {
            let shown = shown(project, &path);
            Failure::usage(t!("commands.no_sql", name = self.name, path = shown, error = error.kind()))
                .hint(t!("commands.no_sql_hint", clinic = clinic))
        })
    }

    /// A hash of what it does: another one means that it was changed since.
    pub fn fingerprint(&self, sql: &str) -> String {
        let words = match &self.work {
            Work::Sql { .. } => Vec::new(),
            Work::Program(words) => words.clone(),
        };
        let text = format!("{} {} {sql} {words:?}", self.when_key(), self.kind());
        hex(Sha256::digest(text))
    }

    fn when_key(&self) -> String {
        format!("{:?} {}", self.moment, self.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::super::mistake;
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        commands: Vec<Spanned<Section>>,
    }

    fn read(text: &str) -> Result<Vec<OwnStep>, String> {
        let file =
            toml::from_str::<File>(text).map_err(|error| mistake::of("f", Some(text), &error).message)?;
        steps(file.commands).map_err(|(place, wrong)| mistake::at("f", text, &place, &wrong).message)
    }

    #[test]
    fn a_step_has_one_place_and_one_work() {
        let steps = read(
            "[[commands]]\nname = 'a'\nafter = 'load'\nsql = 'a.sql'\n\
             [[commands]]\nname = 'b'\nbefore = 'push'\nsql = 'b.sql'\non = 'target'\nautopilot = false\nstatus = false\n\
             [[commands]]\nname = 'c'\nafter = 'verify'\nprogram = ['./c.sh', 'x']\n",
        )
        .unwrap();
        let told: Vec<_> = steps.iter().map(|step| (step.kind(), step.autopilot, step.status)).collect();
        assert_eq!(told, [("sql", true, true), ("target_sql", false, false), ("program", true, true)]);
        assert_eq!((steps[1].stage, steps[1].moment), (Stage::Push, Moment::Before));
        for (wrong, line, said) in [
            ("before = 'psuh'\nsql = 'a'", 3, "unknown variant `psuh`, expected one of `load`"),
            ("sql = 'a'", 1, "before"),
            ("before = 'push'\nafter = 'load'\nsql = 'a'", 1, "before"),
            ("before = 'push'", 1, "program"),
            ("before = 'push'\nsql = 'a'\nprogram = ['b']", 1, "program"),
            ("before = 'push'\nprogram = []", 1, "program"),
            ("before = 'push'\non = 'target'\nprogram = ['b']", 1, "program"),
            ("before = 'push'\nsql = 'a'", 1, "target"),
            ("before = 'push'\nsql = 'a'\nautopiolt = true", 5, "autopiolt"),
        ] {
            // In whichever section.
            for (before, lines) in [("", 0), ("[[commands]]\nname = 'z'\nafter = 'load'\nsql = 'a'\n\n", 5)] {
                let error = read(&format!("{before}[[commands]]\nname = 'a'\n{wrong}\n")).unwrap_err();
                let place = format!("f:{}:", line + lines);
                assert!(error.starts_with(&place) && error.contains(said), "{wrong}: {error}");
            }
        }
        for name in ["push", "", "A", "a b", "../a", "1a"] {
            let error = read(&format!("[[commands]]\nname = '{name}'\nafter = 'load'\nsql = 'a'\n"));
            assert!(error.is_err(), "{name}");
        }
        let twice = "[[commands]]\nname = 'a'\nafter = 'load'\nsql = 'a'\n".repeat(2);
        let error = read(&twice).unwrap_err();
        assert!(error.starts_with("f:5:1 ") && error.contains("'a'"), "{error}");
    }

    #[test]
    fn what_a_step_does_is_in_its_fingerprint() {
        let step = |text: &str| read(&format!("[[commands]]\nname = 'a'\n{text}\n")).unwrap().remove(0);
        let one = step("after = 'load'\nsql = 'a.sql'");
        assert_eq!(
            one.fingerprint("select 1"),
            step("after = 'load'\nsql = 'b.sql'").fingerprint("select 1")
        );
        assert_ne!(one.fingerprint("select 1"), one.fingerprint("select 2"));
        assert_ne!(one.fingerprint(""), step("before = 'load'\nsql = 'a.sql'").fingerprint(""));
        let program = |text: &str| step(&format!("after = 'load'\nprogram = {text}")).fingerprint("");
        assert_ne!(program("['a b']"), program("['a', 'b']"));
    }
}
