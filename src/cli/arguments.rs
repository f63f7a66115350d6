//! Arguments that every command takes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use rust_i18n::t;
use tracing::level_filters::LevelFilter;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Table,
    Json,
}

/// How much of the sources is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LoadType {
    #[default]
    Full,
    Incremental,
}

impl LoadType {
    pub(super) fn is_incremental(self) -> bool {
        self == Self::Incremental
    }
}

/// Language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Es,
    En,
}

impl Language {
    pub(super) fn code(self) -> &'static str {
        match self {
            Language::Es => "es",
            Language::En => "en",
        }
    }
}

/// How much is told on stderr; progress is `info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Global {
    /// Folder that holds clinics/; the nearest one upwards where not given
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub(super) project: Option<PathBuf>,
    /// A [target.NAME] of clinic.toml; else DATABASE_URL, else the embedded PostgreSQL
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) target: Option<String>,
    /// How results are printed: table or json
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: Format,
    /// Language of messages: es or en; from LANG where not given
    #[arg(long, global = true, value_enum, value_name = "LANG")]
    pub(super) lang: Option<Language>,
    /// What is told on stderr: error, warn, info, debug or trace
    #[arg(long, global = true, value_enum, default_value_t, value_name = "LEVEL")]
    pub(super) log_level: Level,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// Memory that DuckDB may use, such as 512MB; 80% of the machine's where not given
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory)]
    pub(super) memory_limit: Option<String>,
    /// Threads that DuckDB may use; one a core where not given
    #[arg(long, global = true, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// How often work with PostgreSQL or S3 is done again that failed for what can pass: a lost connection, a lock
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub(super) max_retries: u32,
}

/// A size as DuckDB takes it: a number and its unit.
fn memory(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits.trim().parse::<f64>().is_ok_and(|number| number > 0.0);
    let unit = text[digits.len()..].to_ascii_uppercase();
    let known = ["KB", "MB", "GB", "TB", "KIB", "MIB", "GIB", "TIB"].contains(&unit.as_str());
    if number && known {
        Ok(text.to_owned())
    } else {
        Err(t!("cli.usage.bad_memory", text = text).into_owned())
    }
}

/// What must be known before the arguments are parsed, since parsing itself may fail and say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Early {
    pub(super) language: Option<Language>,
    pub(super) format: Format,
}

impl Early {
    /// Looks for `--lang` and `--format`; whatever is wrong with them is the parser's to tell.
    pub(super) fn scan(arguments: &[OsString]) -> Self {
        Self {
            language: value_of(arguments, "--lang").and_then(|text| Language::from_str(&text, true).ok()),
            format: value_of(arguments, "--format")
                .and_then(|text| Format::from_str(&text, true).ok())
                .unwrap_or_default(),
        }
    }
}

fn value_of(arguments: &[OsString], name: &str) -> Option<String> {
    let texts: Vec<&str> =
        arguments.iter().map_while(|argument| argument.to_str()).take_while(|t| *t != "--").collect();
    let position = texts.iter().rposition(|text| {
        text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })?;
    match texts[position].split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => texts.get(position + 1).map(|text| (*text).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(line: &str) -> Early {
        Early::scan(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn language_and_format_are_found_before_parsing() {
        assert_eq!(scan("x status --lang es --format=json").language, Some(Language::Es));
        assert_eq!(scan("x status --lang es --format=json").format, Format::Json);
        assert_eq!(scan("x --lang").language, None);
        assert_eq!(scan("x sql -- --lang es").language, None);
        assert_eq!(scan("x --language es").language, None);
    }
}
