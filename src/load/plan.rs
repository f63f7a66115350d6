//! Decides which sources are read again.

use std::collections::BTreeMap;
use std::fmt;

use rust_i18n::t;
use serde::Serialize;

use super::books::Known;

/// What a load would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Loaded sources that clinic.toml no longer names; their tables would be dropped.
    pub removed: Vec<String>,
    /// Files in the clinic's `sources/` that no section of clinic.toml names.
    pub unnamed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub source: String,
    pub number: u64,
    pub files: Vec<String>,
    pub bytes: u64,
    /// Why it would be read; `None` if it would not.
    pub reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    New,
    FilesChanged,
    OptionsChanged,
    NumberMoved,
    TableMissing,
    /// New deliveries of a source whose rows are laid over the earlier ones.
    Delivered,
    Forced,
    /// What a live source holds now is known only once it was asked.
    Live,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self {
            Reason::New => t!("load.reason.new"),
            Reason::FilesChanged => t!("load.reason.files_changed"),
            Reason::OptionsChanged => t!("load.reason.options_changed"),
            Reason::NumberMoved => t!("load.reason.number_moved"),
            Reason::TableMissing => t!("load.reason.table_missing"),
            Reason::Delivered => t!("load.reason.delivered"),
            Reason::Forced => t!("load.reason.forced"),
            Reason::Live => t!("load.reason.live"),
        })
    }
}

/// A source as its files and clinic.toml are now.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) source: String,
    pub(super) number: u64,
    pub(super) options_hash: String,
    /// Path and SHA-256, in order.
    pub(super) files: Vec<(String, String)>,
    pub(super) bytes: u64,
}

/// Compares what there is with what was loaded. `configured` names all sources of clinic.toml, also those not asked for.
pub(super) fn decide(
    found: &[Found],
    known: &BTreeMap<String, Known>,
    configured: &[&str],
    unnamed: Vec<String>,
    force: bool,
) -> Plan {
    let step = |found: &Found| Step {
        source: found.source.clone(),
        number: found.number,
        files: found.files.iter().map(|(path, _)| path.clone()).collect(),
        bytes: found.bytes,
        reason: reason(found, known.get(&found.source), force),
    };
    let gone = known.keys().filter(|name| !configured.contains(&name.as_str()));
    Plan { steps: found.iter().map(step).collect(), removed: gone.cloned().collect(), unnamed }
}

fn reason(found: &Found, known: Option<&Known>, force: bool) -> Option<Reason> {
    let Some(known) = known else { return Some(Reason::New) };
    if !known.has_table {
        Some(Reason::TableMissing)
    } else if known.options_hash != found.options_hash {
        Some(Reason::OptionsChanged)
    } else if known.number != i64::try_from(found.number).unwrap_or(i64::MAX) {
        Some(Reason::NumberMoved)
    } else if !known
        .files
        .iter()
        .map(|file| (&file.path, &file.sha256))
        .eq(found.files.iter().map(|file| (&file.0, &file.1)))
    {
        Some(Reason::FilesChanged)
    } else {
        force.then_some(Reason::Forced)
    }
}

#[cfg(test)]
mod tests {
    use super::super::books::KnownFile;
    use super::*;

    fn found() -> Found {
        let files = vec![("a.csv".to_owned(), "1".to_owned())];
        Found { source: "s".to_owned(), number: 1, options_hash: "o".to_owned(), files, bytes: 3 }
    }

    fn known() -> Known {
        let file = KnownFile { path: "a.csv".to_owned(), sha256: "1".to_owned(), dialect: None };
        let columns = vec!["id".to_owned()];
        Known { number: 1, options_hash: "o".to_owned(), columns, files: vec![file], has_table: true }
    }

    fn why(change: impl Fn(&mut Known), force: bool) -> Option<Reason> {
        let mut known = known();
        change(&mut known);
        decide(&[found()], &BTreeMap::from([("s".to_owned(), known)]), &["s"], Vec::new(), force).steps[0]
            .reason
    }

    #[test]
    fn a_source_is_read_for_a_reason() {
        assert_eq!(why(|_| {}, false), None);
        assert_eq!(why(|_| {}, true), Some(Reason::Forced));
        assert_eq!(why(|known| known.files[0].sha256 = "2".to_owned(), false), Some(Reason::FilesChanged));
        assert_eq!(why(|known| known.files[0].path = "b.csv".to_owned(), false), Some(Reason::FilesChanged));
        assert_eq!(why(|known| known.files.clear(), false), Some(Reason::FilesChanged));
        assert_eq!(why(|known| known.options_hash = "p".to_owned(), false), Some(Reason::OptionsChanged));
        assert_eq!(why(|known| known.number = 2, false), Some(Reason::NumberMoved));
        assert_eq!(why(|known| known.has_table = false, false), Some(Reason::TableMissing));
        assert_eq!(
            decide(&[found()], &BTreeMap::new(), &["s"], Vec::new(), false).steps[0].reason,
            Some(Reason::New)
        );
    }

    #[test]
    fn what_clinic_toml_no_longer_names_goes() {
        let all = BTreeMap::from([("s".to_owned(), known()), ("old".to_owned(), known())]);
        assert_eq!(decide(&[], &all, &["s"], Vec::new(), false).removed, ["old"]);
    }
}
