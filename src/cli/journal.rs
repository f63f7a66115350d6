//! The log of one run: `staging/<clinic>/logs/<run>.jsonl`, and what went wrong in it in `<run>.errors.jsonl`.
//!
//! A line is one JSON object with `at` and `event`. Names, counts and rows only; both files are their owner's alone.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use ulid::Ulid;

use super::arguments::Level;
use super::progress::{Both, Progress};
use crate::config::{OwnStep, Project};
use crate::error::{Cause, Failure};
use crate::model::ident::ClinicName;
use crate::model::private;
use crate::model::run::{Event, Observer, Stage};
use crate::staging::{StageRun, private_folder};

/// What the journal itself has to say, beside the stages' events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
enum Entry<'a> {
    RunStarted {
        run: &'a str,
        clinic: &'a str,
        command: &'a str,
        version: &'static str,
    },
    StageStarted {
        stage: Stage,
    },
    StageFinished {
        stage: Stage,
        milliseconds: u64,
        rows: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        peak_bytes: Option<u64>,
        counts: &'a serde_json::Value,
    },
    StageFailed {
        stage: Stage,
        milliseconds: u64,
        message: &'a str,
    },
    CommandFinished {
        stage: Stage,
        command: &'a str,
        kind: &'a str,
        milliseconds: u64,
    },
    CommandFailed {
        stage: Stage,
        command: &'a str,
        kind: &'a str,
        milliseconds: u64,
    },
    RunFailed {
        exit_code: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        message: &'a str,
    },
    RunFinished {
        exit_code: u8,
        milliseconds: u64,
    },
}

#[derive(Serialize)]
struct Line<'a, T> {
    at: String,
    #[serde(flatten)]
    entry: &'a T,
}

/// Does the work of a stage that is a command of its own, with its log; `target` is where it puts things.
pub(super) fn of_stage<T>(
    (project, clinic): (&Project, &ClinicName),
    level: Level,
    (command, stage): (&str, Stage),
    target: Option<String>,
    work: impl FnOnce(&Both<'_>) -> Result<(u64, serde_json::Value, T)>,
) -> Result<T> {
    let journal = Journal::begin(project, clinic, command)?;
    let progress = Progress::new(level);
    let begun = Instant::now();
    journal.stage_started(stage);
    let done = work(&Both(&progress, &journal));
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match done {
        Ok((rows, counts, done)) => {
            let took = StageRun {
                run: journal.run(),
                stage: stage.to_string(),
                target,
                output: None,
                rows,
                milliseconds,
                peak_bytes: None,
                peak_of_stage: false,
                ended_at: chrono::Utc::now().to_rfc3339(),
            };
            journal.stage_finished(stage, &took, &counts);
            journal.finish(0, None);
            Ok(done)
        }
        Err(error) => {
            let failure = Failure::from_anyhow(&error);
            journal.stage_failed(stage, milliseconds, &failure);
            journal.finish(failure.kind.exit_code(), Some(&failure));
            Err(error)
        }
    }
}

/// The open log of a run.
pub(super) struct Journal {
    run: Ulid,
    folder: PathBuf,
    log: Mutex<File>,
    errors: Mutex<Option<File>>,
    started: Instant,
}

impl Journal {
    /// Begins the log of a run of this command on this clinic.
    pub(super) fn begin(project: &Project, clinic: &ClinicName, command: &str) -> Result<Self> {
        let folder = project.logs_dir(clinic);
        private_folder(&project.staging_dir(clinic))?;
        private_folder(&folder)?;
        let run = Ulid::generate();
        let log = Mutex::new(private_log(&folder.join(format!("{run}.jsonl")))?);
        let journal = Self { run, folder, log, errors: Mutex::new(None), started: Instant::now() };
        let version = env!("CARGO_PKG_VERSION");
        journal.write(&Entry::RunStarted {
            run: &run.to_string(),
            clinic: clinic.as_str(),
            command,
            version,
        });
        Ok(journal)
    }

    /// The id of this run.
    pub(super) fn run(&self) -> String {
        self.run.to_string()
    }

    pub(super) fn stage_started(&self, stage: Stage) {
        self.write(&Entry::StageStarted { stage });
    }

    pub(super) fn stage_finished(&self, stage: Stage, took: &StageRun, counts: &serde_json::Value) {
        let (milliseconds, rows, peak_bytes) = (took.milliseconds, took.rows, took.peak_bytes);
        self.write(&Entry::StageFinished { stage, milliseconds, rows, peak_bytes, counts });
    }

    pub(super) fn stage_failed(&self, stage: Stage, milliseconds: u64, failure: &Failure) {
        self.write(&Entry::StageFailed { stage, milliseconds, message: &failure.message });
    }

    pub(super) fn own_step_ended(&self, own: &OwnStep, milliseconds: u64, done: bool) {
        let (stage, command, kind) = (own.stage, own.name.as_str(), own.kind());
        self.write(&match done {
            true => Entry::CommandFinished { stage, command, kind, milliseconds },
            false => Entry::CommandFailed { stage, command, kind, milliseconds },
        });
    }

    /// How long the run has been going on.
    pub(super) fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends the log; why a run stopped, be it an error or what it found, is told in both files.
    pub(super) fn finish(&self, exit_code: u8, failure: Option<&Failure>) {
        if let Some(failure) = failure {
            let entry = Entry::RunFailed { exit_code, cause: failure.cause, message: &failure.message };
            self.write(&entry);
            self.write_error(&entry);
        }
        let milliseconds = self.milliseconds();
        self.write(&Entry::RunFinished { exit_code, milliseconds });
    }

    /// A log that cannot be written must not stop a migration; it is told on stderr.
    fn write<T: Serialize>(&self, entry: &T) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_line(&mut log, entry) {
            tracing::warn!(%error, folder = %self.folder.display(), "the run's log cannot be written");
        }
    }

    fn write_error<T: Serialize>(&self, entry: &T) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match errors.as_mut() {
            Some(file) => write_line(file, entry),
            None => private_log(&self.folder.join(format!("{}.errors.jsonl", self.run)))
                .and_then(|file| write_line(errors.insert(file), entry)),
        };
        if let Err(error) = result {
            tracing::warn!(%error, folder = %self.folder.display(), "the run's errors cannot be written");
        }
    }
}

impl Observer for Journal {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Advanced { .. } => {}
            Event::Warning { .. } | Event::Retried { .. } => {
                self.write(event);
                self.write_error(event);
            }
            _ => self.write(event),
        }
    }
}

fn write_line<T: Serialize>(file: &mut File, entry: &T) -> Result<()> {
    let at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let mut line = serde_json::to_vec(&Line { at, entry })?;
    line.push(b'\n');
    Ok(file.write_all(&line)?)
}

fn private_log(path: &Path) -> Result<File> {
    private::create_new(path).with_context(|| t!("staging.cannot_write", path = path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_run_leaves_private_lines_and_its_warnings_apart() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path());
        let clinic: ClinicName = "acme".parse().unwrap();
        let journal = Journal::begin(&project, &clinic, "load").unwrap();
        journal.stage_started(Stage::Load);
        journal.event(&Event::Warning { stage: Stage::Load, text: "two encodings" });
        journal.event(&Event::Advanced { stage: Stage::Load, subject: "patients", amount: 1 });
        journal.finish(3, Some(&Failure::findings("too many")));

        let read = |name: &str| std::fs::read_to_string(project.logs_dir(&clinic).join(name)).unwrap();
        let lines: Vec<serde_json::Value> = read(&format!("{}.jsonl", journal.run()))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["run_started", "stage_started", "warning", "run_failed", "run_finished"]);
        assert_eq!(read(&format!("{}.errors.jsonl", journal.run())).lines().count(), 2);
        for file in std::fs::read_dir(project.logs_dir(&clinic)).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
