//! Stages, and what they tell while they work.

use std::fmt;
use std::str::FromStr;

use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// The stages in the order that `run` takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Load,
    Transform,
    Check,
    Export,
    Push,
    Verify,
}

impl Stage {
    pub const ALL: [Stage; 6] =
        [Stage::Load, Stage::Transform, Stage::Check, Stage::Export, Stage::Push, Stage::Verify];

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Transform => "transform",
            Stage::Check => "check",
            Stage::Export => "export",
            Stage::Push => "push",
            Stage::Verify => "verify",
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
