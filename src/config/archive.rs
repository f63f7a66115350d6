//! `[archive]`: how long what was archived cannot be deleted, and who can read it.

use anyhow::Result;
use rust_i18n::t;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// Nobody signs for longer.
const MOST_YEARS: u32 = 100;

/// What `archive` puts on every object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// Whether somebody with a right of his own may shorten the retention.
    pub mode: Option<LockMode>,
    /// From the day on that an object is stored.
    pub years: Option<u32>,
    /// Kept until the hold is lifted, whatever the years.
    pub legal_hold: bool,
    /// Before the clinic's name in every key.
    pub prefix: String,
    /// Public keys of age (`age1...`): only their owners can read what is archived.
    pub age_recipients: Vec<String>,
}

/// The modes of S3 Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Who has the right `s3:BypassGovernanceRetention` may delete before the time.
    Governance,
    /// Nobody may, the account's owner included.
    Compliance,
}

impl Archive {
    /// # Errors
    /// No retention, half of one, or a prefix that is none.
    pub(super) fn validate(&self) -> Result<()> {
        if self.mode.is_some() != self.years.is_some() || (self.years.is_none() && !self.legal_hold) {
            return Err(Failure::usage(t!("config.archive_retention"))
                .hint(t!("config.archive_retention_hint"))
                .into());
        }
        if self.years.is_some_and(|years| !(1..=MOST_YEARS).contains(&years)) {
            return Err(Failure::usage(t!("config.archive_years", most = MOST_YEARS)).into());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let parts = self.prefix.split('/').collect::<Vec<_>>();
        let whole = self.prefix.is_empty() || !parts.iter().any(|part| ["", ".", ".."].contains(part));
        if !whole || !self.prefix.chars().all(plain) {
            return Err(Failure::usage(t!("config.archive_prefix", prefix = self.prefix)).into());
        }
        Ok(())
    }

    /// What the keys of a clinic's archives begin with.
    pub fn folder(&self, clinic: &str) -> String {
        if self.prefix.is_empty() { format!("{clinic}/") } else { format!("{}/{clinic}/", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &str) -> bool {
        toml::from_str::<Archive>(text).unwrap().validate().is_ok()
    }

    #[test]
    fn a_retention_is_whole_or_a_hold() {
        assert!(valid("mode = 'compliance'\nyears = 10") && valid("legal_hold = true"));
        assert!(valid("mode = 'governance'\nyears = 1\nlegal_hold = true\nprefix = 'a/b'"));
        for wrong in ["", "years = 10", "mode = 'compliance'", "mode = 'compliance'\nyears = 0"] {
            assert!(!valid(wrong), "{wrong}");
        }
        for wrong in ["/a", "a/", "a//b", "a/../b", "a b"] {
            assert!(!valid(&format!("legal_hold = true\nprefix = '{wrong}'")), "{wrong}");
        }
    }
}
