//! `[notify]`: who is told how a run ended.

use serde::Deserialize;

/// A webhook that is sent what a run came to: names and counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The environment variable (or `.env` line) that holds the webhook's address, which is a secret.
    pub url_env: String,
    /// When it is told.
    #[serde(default = "Notify::default_on")]
    pub on: Vec<Occasion>,
    #[serde(default)]
    pub format: Format,
    /// Seconds after which a request is given up.
    #[serde(default = "Notify::default_timeout")]
    pub timeout: u64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// It came to its end and found nothing that must not be.
    End,
    /// It stopped, or found what must not be.
    Failure,
}

/// What is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// All names and counts, for a program.
    #[default]
    Json,
    /// A text for people, as Slack and those that are compatible with it take it.
    Slack,
}

impl Notify {
    fn default_on() -> Vec<Occasion> {
        vec![Occasion::Failure, Occasion::End]
    }

    fn default_timeout() -> u64 {
        10
    }
}
