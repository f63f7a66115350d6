//! Which encoding a text file is in.

use anyhow::Result;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use rust_i18n::t;

use super::census::Census;
use super::files::SourceFile;
use super::survey::{FileKind, Survey};
use super::{Finding, Severity, some_of};
use crate::config::SourceConfig;
use crate::error::Failure;

/// How a file's bytes become text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    pub(super) encoding: &'static Encoding,
    /// Lines of a Windows-1252 file that are really UTF-8 are refused instead of read as `Ã©`.
    pub(super) refuse_utf8_lines: bool,
}

/// What `dialect` calls text that is the same in all encodings here: a later file may be in any of them.
pub(super) const ASCII: &str = "ascii";

/// The name of a coding in a dialect.
pub(super) fn name(coding: Coding, survey: &Survey) -> String {
    if survey.ascii { ASCII.to_owned() } else { coding.encoding.name().to_ascii_lowercase() }
}

/// The encoding of a name in clinic.toml (a WHATWG label).
pub(super) fn by_name(source_name: &str, name: &str) -> Result<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
        .ok_or_else(|| Failure::usage(t!("load.bad_encoding", path = source_name, name = name)).into())
}

/// What PostgreSQL calls the encoding of a name in clinic.toml; none for one that it cannot turn into UTF-8.
pub fn postgres_encoding(name: &str) -> Option<&'static str> {
    Some(match Encoding::for_label(name.as_bytes())?.name() {
        "windows-1250" => "WIN1250",
        "windows-1251" => "WIN1251",
        "windows-1252" => "WIN1252",
        "windows-1253" => "WIN1253",
        "windows-1254" => "WIN1254",
        "windows-1257" => "WIN1257",
        "ISO-8859-2" => "LATIN2",
        "ISO-8859-3" => "LATIN3",
        "ISO-8859-15" => "LATIN9",
        "KOI8-R" => "KOI8R",
        "UTF-8" => "UTF8",
        _ => return None,
    })
}

/// Decides a text file's encoding: the given one, else the frozen one, else what the bytes are.
///
/// Detection knows UTF-8, UTF-16 and Windows-1252 (of which Latin-1 is a part). A file in which lines of UTF-8 and of
/// Windows-1252 are mixed is read as what most of its lines are, and the others are refused.
pub(super) fn decide(
    file: &SourceFile,
    survey: &Survey,
    config: &SourceConfig,
    source: &str,
    frozen: Option<&str>,
) -> Result<(Coding, Vec<Finding>)> {
    let given = config.encoding.as_deref().map(|name| by_name(&file.shown, name)).transpose()?;
    // Plain ASCII says nothing of the encoding of other bytes, but it is not UTF-16.
    let was_ascii = frozen == Some(ASCII);
    let frozen = frozen.filter(|name| *name != ASCII && !survey.ascii);
    let frozen = frozen.map(|name| by_name(&file.shown, name)).transpose()?;
    let census =
        if survey.utf8 || !matches!(survey.kind, FileKind::Text) { None } else { Some(Census::take(file)?) };
    let detected = detect(survey, census.as_ref());
    // A file that changed between bytes and UTF-16 units cannot be read as it was.
    let usable = frozen.filter(|frozen| is_utf16(frozen) == is_utf16(detected));
    let encoding = given.or(usable).unwrap_or(detected);
    let mut findings = Vec::new();
    let was = frozen.filter(|frozen| *frozen != detected).map(Encoding::name);
    if let (None, Some(was)) = (given, was.or((was_ascii && is_utf16(detected)).then_some(ASCII))) {
        let now = detected.name();
        let detail = match usable {
            Some(_) => t!("load.detail.drift_encoding", was = was, now = now, source = source),
            None => t!("load.detail.drift_encoding_followed", was = was, now = now, source = source),
        };
        findings.push(Finding::new("dialect_drift", Severity::Critical, 1).detail(detail));
    }
    if let Some(given) = given
        && given != detected
        && !survey.ascii
        && (survey.utf8 || is_utf16(detected) || given == UTF_8)
    {
        let detail = t!("load.detail.encoding_doubt", given = given.name(), looks = detected.name());
        findings.push(Finding::new("encoding_doubt", Severity::Warning, 1).detail(detail));
    }
    if let Some(census) = &census {
        findings.extend(mixed(census, encoding));
        findings.extend(broken(census, encoding));
        findings.extend(doubtful(survey, census, given.or(usable)));
    }
    let refuse_utf8_lines = given.is_none()
        && encoding == WINDOWS_1252
        && (survey.utf8 || census.is_some_and(|census| census.utf8.count > 0));
    Ok((Coding { encoding, refuse_utf8_lines: refuse_utf8_lines && !survey.ascii }, findings))
}

fn is_utf16(encoding: &Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

fn detect(survey: &Survey, census: Option<&Census>) -> &'static Encoding {
    match survey.kind {
        FileKind::Utf16 { little: true } => UTF_16LE,
        FileKind::Utf16 { little: false } => UTF_16BE,
        _ => match census {
            None => UTF_8,
            Some(census) if census.is_utf8() => UTF_8,
            Some(_) => WINDOWS_1252,
        },
    }
}

fn mixed(census: &Census, encoding: &'static Encoding) -> Option<Finding> {
    let strange = if encoding == UTF_8 { &census.other } else { &census.utf8 };
    // In encodings of several bytes a character, a line that is also UTF-8 says nothing.
    if strange.count == 0 || !(encoding == UTF_8 || encoding.is_single_byte()) {
        return None;
    }
    let lines = some_of(&strange.first, strange.count);
    let other = if encoding == UTF_8 { WINDOWS_1252.name() } else { UTF_8.name() };
    let detail = t!("load.detail.mixed_encoding", encoding = encoding.name(), other = other, lines = lines);
    Some(Finding::new("mixed_encoding", Severity::Critical, strange.count).detail(detail))
}

/// Halves of pairs are no other encoding, but what some program made of characters such as emoji.
fn broken(census: &Census, encoding: &'static Encoding) -> Option<Finding> {
    let lines = &census.surrogates;
    if encoding != UTF_8 || lines.count == 0 {
        return None;
    }
    let detail = t!("load.detail.lone_surrogates", lines = some_of(&lines.first, lines.count));
    Some(Finding::new("lone_surrogates", Severity::Critical, lines.count).detail(detail))
}

/// A file in a third encoding is read as Windows-1252 without an error, so a strong second opinion is worth a finding.
fn doubtful(survey: &Survey, census: &Census, chosen: Option<&'static Encoding>) -> Option<Finding> {
    if chosen.is_some() || census.is_utf8() {
        return None;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // A sample that is cut may end inside a character.
    let whole = survey.sample.len() as u64 == survey.fingerprint.bytes;
    detector.feed(&survey.sample, whole);
    // The hint that the text is Spanish keeps short upper-case files from looking like Greek.
    let guess = detector.guess(Some(b"es"), Utf8Detection::Deny);
    if guess == WINDOWS_1252 || survey.sample.is_ascii() {
        return None;
    }
    let detail = t!("load.detail.encoding_doubt", given = WINDOWS_1252.name(), looks = guess.name());
    Some(Finding::new("encoding_doubt", Severity::Warning, 1).detail(detail))
}
