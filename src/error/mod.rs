//! Failures as people meet them: a sentence, a kind that sets the exit code, hints that say what to type next.

pub mod again;
mod driver;
pub mod interrupt;

use std::fmt;

use rust_i18n::t;
use serde::Serialize;

pub use driver::{duckdb, passing, postgres, sqlite};

/// What went wrong, as far as a script that reads the exit code cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command could not do its work.
    Failed,
    /// Arguments or configuration are wrong; nothing was opened.
    Usage,
    /// It ran, and found what must not be: over a limit, a check or a verification failed.
    Findings,
    /// Something could not be compared, so nothing is claimed.
    NotComparable,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl Kind {
    /// The process exit code (DESIGN §7.6).
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Findings => 3,
            Kind::NotComparable => 4,
            Kind::Interrupted => 130,
        }
    }
}

/// What kind of thing went wrong, where a script would do something else about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A variable is not set.
    Variable,
    /// A database is not reached, or not any more.
    Connection,
    /// What the sources hold.
    Data,
    /// A model, or what it does to some row.
    Transformation,
    /// A service that is asked over HTTP.
    Service,
}

/// A failure ready to be shown. Stages return it through `anyhow`; [`Failure::from_anyhow`] finds it again.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub hints: Vec<String>,
    /// What can pass by itself, as SQLSTATE or the system's word for it: the same again may succeed.
    pub passing: Option<String>,
    pub cause: Option<Cause>,
    /// The key whose value two rows would have.
    pub clash: Option<Box<KeyClash>>,
}

/// A unique key, unique index or EXCLUDE constraint that rows violate, as PostgreSQL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClash {
    pub schema: String,
    pub table: String,
    pub key: String,
}

/// The key that rows violate, where an error is that.
pub fn clash(error: &anyhow::Error) -> Option<&KeyClash> {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.clash.as_deref())
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), passing: None, cause: None, clash: None }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub fn findings(message: impl Into<String>) -> Self {
        Self::new(Kind::Findings, message)
    }

    /// Adds a line that says what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says that this can pass by itself, and what it is.
    #[must_use]
    pub fn may_pass(mut self, cause: impl Into<String>) -> Self {
        self.passing = Some(cause.into());
        self
    }

    /// Says what kind of thing it was, unless that is known better already.
    #[must_use]
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = self.cause.or(Some(cause));
        self
    }

    /// Turns an error chain into one sentence (outermost context first) with the kind and hints of the `Failure`
    /// inside it, if there is one.
    pub fn from_anyhow(error: &anyhow::Error) -> Self {
        let inner = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
        let message = error.chain().map(told).collect::<Vec<_>>().join(": ");
        let mut hints = inner.map(|failure| failure.hints.clone()).unwrap_or_default();
        // Ours, DuckDB's and PostgreSQL's programs all say it in the system's words.
        if hints.is_empty() && message.contains(nix::errno::Errno::ENOSPC.desc()) {
            hints.push(t!("error.no_space_hint").into_owned());
        }
        let kind = inner.map_or(Kind::Failed, |failure| failure.kind);
        let cause =
            inner.and_then(|failure| failure.cause).or((kind == Kind::Findings).then_some(Cause::Data));
        let passing = inner.and_then(|failure| failure.passing.clone());
        Self { kind, message, hints, passing, cause, clash: clash(error).cloned().map(Box::new) }
    }
}

/// One error of a chain as people meet it: whose words they are is said, where they are not ours.
fn told(cause: &(dyn std::error::Error + 'static)) -> String {
    let system = cause.downcast_ref::<std::io::Error>().filter(|error| error.raw_os_error().is_some());
    match (cause.downcast_ref::<driver::Driver>(), system) {
        (Some(driver), _) => driver.told(),
        (None, Some(error)) => t!("error.system_says", words = error).into_owned(),
        (None, None) => cause.to_string(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_failure_keeps_kind_and_hints_through_contexts() {
        let error = Err::<(), _>(anyhow::Error::from(Failure::findings("two rows").hint("trasvase check")))
            .context("table patient")
            .unwrap_err();
        let failure = Failure::from_anyhow(&error);
        assert_eq!(failure.kind, Kind::Findings);
        assert_eq!(failure.message, "table patient: two rows");
        assert_eq!(failure.hints, ["trasvase check"]);
    }

    #[test]
    fn the_systems_words_are_said_to_be_its_own() {
        let missing = || std::io::Error::from_raw_os_error(nix::libc::ENOENT);
        let told = |error: std::io::Error| {
            Failure::from_anyhow(&anyhow::Error::from(error).context("a.csv")).message
        };
        let said = told(missing());
        assert!(said.starts_with("a.csv: the system says: No such file"), "{said}");
        assert_eq!(told(std::io::Error::other("it broke off")), "a.csv: it broke off");
        assert_eq!(t!("error.system_says", locale = "es", words = "x"), "el sistema dice: x");
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error =
            anyhow::Error::from(std::io::Error::from_raw_os_error(nix::libc::ENOSPC)).context("a.ndjson");
        assert!(Failure::from_anyhow(&error).hints[0].contains("df -h"));
    }
}
