//! Stages, and what they tell while they work.

use std::fmt;
use std::str::FromStr;

use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// The stages, in the order that `run` takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Load,
    Transform,
    Check,
    Export,
    Push,
    Verify,
    /// No part of a run: a command of its own, as the ones below.
    Files,
    Users,
    Archive,
}

impl Stage {
    /// Those of a run.
    pub const ALL: [Stage; 6] =
        [Stage::Load, Stage::Transform, Stage::Check, Stage::Export, Stage::Push, Stage::Verify];

    /// Commands of their own, which come after a run.
    pub const BESIDE: [Stage; 3] = [Stage::Files, Stage::Users, Stage::Archive];

    /// The stage or command of this name.
    pub fn named(name: &str) -> Option<Self> {
        Stage::ALL.into_iter().chain(Stage::BESIDE).find(|stage| stage.as_str() == name)
    }

    /// Whether its progress is told in bytes, not in rows.
    pub fn counts_bytes(self) -> bool {
        matches!(self, Stage::Files | Stage::Archive)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Transform => "transform",
            Stage::Check => "check",
            Stage::Export => "export",
            Stage::Push => "push",
            Stage::Verify => "verify",
            Stage::Files => "files",
            Stage::Users => "users",
            Stage::Archive => "archive",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Stage::ALL
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| Failure::usage(t!("error.stage_name", name = text)))
    }
}

/// A piece of a run's work that a migration may have a name of its own for: the stages, what is looked at before the first
/// one, and what `transform` does beside models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Prepare,
    Load,
    Transform,
    Dedupe,
    Embed,
    Check,
    Export,
    Push,
    Verify,
    /// No part of a run, as the ones below.
    Files,
    Users,
    Archive,
}

impl Part {
    /// Those of a run.
    pub const ALL: [Part; 9] = [
        Part::Prepare,
        Part::Load,
        Part::Transform,
        Part::Dedupe,
        Part::Embed,
        Part::Check,
        Part::Export,
        Part::Push,
        Part::Verify,
    ];

    /// The piece of work that a stage is at when it tells of this subject.
    pub fn of(stage: Stage, subject: &str) -> Self {
        match subject.split_once('.').map(|(schema, _)| schema) {
            Some("dedupe" | "xref" | "golden") if stage == Stage::Transform => Part::Dedupe,
            Some("embed") if stage == Stage::Transform => Part::Embed,
            _ => stage.into(),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Part::Prepare => "prepare",
            Part::Load => "load",
            Part::Transform => "transform",
            Part::Dedupe => "dedupe",
            Part::Embed => "embed",
            Part::Check => "check",
            Part::Export => "export",
            Part::Push => "push",
            Part::Verify => "verify",
            Part::Files => "files",
            Part::Users => "users",
            Part::Archive => "archive",
        }
    }
}

impl From<Stage> for Part {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Load => Part::Load,
            Stage::Transform => Part::Transform,
            Stage::Check => Part::Check,
            Stage::Export => Part::Export,
            Stage::Push => Part::Push,
            Stage::Verify => Part::Verify,
            Stage::Files => Part::Files,
            Stage::Users => Part::Users,
            Stage::Archive => Part::Archive,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Progress of a stage. Names and counts only: an observer may print or log all of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event<'a> {
    /// Work on one file, model or table begins; `total` rows or bytes where known.
    Started {
        stage: Stage,
        subject: &'a str,
        total: Option<u64>,
    },
    /// So much more of the current subject is done.
    Advanced {
        stage: Stage,
        subject: &'a str,
        amount: u64,
    },
    Finished {
        stage: Stage,
        subject: &'a str,
        rows: u64,
    },
    /// Something a person should know, already in their language.
    Note {
        stage: Stage,
        text: &'a str,
    },
    Warning {
        stage: Stage,
        text: &'a str,
    },
    /// Something that can pass went wrong, and is done again after a wait.
    Retried {
        stage: Stage,
        /// 1 for the first repetition.
        number: u32,
        most: u32,
        /// SQLSTATE, or a word where no server answered.
        cause: &'a str,
        milliseconds: u64,
        text: &'a str,
    },
}

/// Listens to a stage: a progress bar, plain lines, the run's log, or nobody.
pub trait Observer: Send + Sync {
    fn event(&self, event: &Event<'_>);
}

/// Nobody listens.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
