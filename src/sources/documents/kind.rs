//! Which files hold documents, and which of a dump's files hold a collection.

use std::borrow::Cow;

use anyhow::Result;
use rust_i18n::t;

use super::archive::MAGIC;
use super::bson;
use crate::error::Failure;
use crate::sources::{SourceFile, packed};

/// How documents are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// One after another, with or without commas, brackets and line breaks between them; perhaps in UTF-16, little endian if true.
    Json {
        utf16: Option<bool>,
    },
    Bson,
    Archive,
}

/// A file of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct DocumentKind {
    pub(in super::super) form: Form,
    pub(in super::super) gzip: bool,
}

/// Tells documents by a file's first bytes. BSON has no magic number and an empty collection no bytes: there, names count too.
pub(in super::super) fn recognise(name: &str, sample: &[u8]) -> Option<DocumentKind> {
    let gzip = packed::is_gzip(sample);
    let inside = if gzip { Cow::Owned(packed::peek(sample)) } else { Cow::Borrowed(sample) };
    if gzip && packed::is_stream(&inside) {
        return None;
    }
    let name = bare(name);
    let called = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let is_json = is_called_json(&name);
    let form = match &*inside {
        start if start.starts_with(&MAGIC) => Form::Archive,
        _ if called(&[".bson"]) => Form::Bson,
        [] if is_json => Form::Json { utf16: None },
        [0xff, 0xfe, rest @ ..] => json(&every_other(rest), is_json, Some(true))?,
        [0xfe, 0xff, _, rest @ ..] => json(&every_other(rest), is_json, Some(false))?,
        start if looks_like_bson(start) => Form::Bson,
        start => json(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start), is_json, None)?,
    };
    Some(DocumentKind { form, gzip })
}

/// Whether a file's name says that it holds JSON.
pub(in super::super) fn is_called_json(name: &str) -> bool {
    let name = bare(name);
    [".json", ".ndjson", ".jsonl"].iter().any(|end| name.ends_with(end))
}

/// A name in lower case, without the end of what is compressed.
fn bare(name: &str) -> String {
    let name = name.to_lowercase();
    name.trim_end_matches(".gz").to_owned()
}

fn every_other(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().step_by(2).copied().collect()
}

/// Text that begins with an object, or an array of objects; of what is called JSON also with another value, which the reader tells.
fn json(text: &[u8], is_called_json: bool, utf16: Option<bool>) -> Option<Form> {
    let mut signs = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let found = match (signs.next()?, signs.next()) {
        (b'{', second) => is_called_json || matches!(second, Some(b'"' | b'}') | None),
        (b'[', second) => is_called_json || matches!(second, Some(b'{' | b']') | None),
        (b'n' | b't' | b'f' | b'"' | b'-' | b'0'..=b'9', _) => is_called_json && begins_with_a_value(text),
        _ => false,
    };
    found.then_some(Form::Json { utf16 })
}

/// Whether the first line is a JSON value: no row of delimited text is.
fn begins_with_a_value(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// A length that can be, and a first field with a known type and a name.
fn looks_like_bson(start: &[u8]) -> bool {
    let Some(length) = bson::length(start) else { return false };
    match start.get(4) {
        Some(0) => length == 5,
        Some(0x01..=0x13 | 0x7f | 0xff) => {
            let name = start[5..].iter().take(1024).position(|byte| *byte == 0);
            name.is_some_and(|end| std::str::from_utf8(&start[5..5 + end]).is_ok())
                && start.get(length - 1).is_none_or(|last| *last == 0)
        }
        _ => false,
    }
}

/// Of a dump's files those that hold a collection, as `name` or `database.name`; files that are not named after a collection
/// (archives) stay.
///
/// # Errors
/// None does: those that there are are named.
pub(in super::super) fn of_collection(
    files: Vec<SourceFile>,
    source: &str,
    collection: &str,
) -> Result<Vec<SourceFile>> {
    let mut names = Vec::new();
    let mut kept = Vec::new();
    for file in files {
        if is_about_a_dump(&file.shown) {
            continue;
        }
        match full_name(&file) {
            Some(full)
                if full != collection && full.split_once('.').is_none_or(|(_, name)| name != collection) =>
            {
                names.push(full);
            }
            _ => kept.push(file),
        }
    }
    if kept.is_empty() {
        names.sort();
        let names = names.join(", ");
        return Err(Failure::usage(t!("documents.no_collection", source = source, collection = collection))
            .hint(t!("documents.collections_hint", names = names))
            .into());
    }
    Ok(kept)
}

/// What `mongodump` writes beside the collections.
pub(in super::super) fn is_about_a_dump(name: &str) -> bool {
    let name = bare(name);
    name.ends_with(".metadata.json") || name == "prelude.json" || name.ends_with("/prelude.json")
}

/// `database.collection`, by the names of a dump's folder and file.
fn full_name(file: &SourceFile) -> Option<String> {
    let name = file.path.file_name()?.to_string_lossy().into_owned();
    let name = name.strip_suffix(".gz").unwrap_or(&name).strip_suffix(".bson")?;
    let folder = file.path.parent().and_then(|folder| folder.file_name())?.to_string_lossy().into_owned();
    Some(format!("{folder}.{}", unescaped(name)))
}

/// `mongodump` writes what file systems do not take as `%2F`.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(name: &str, bytes: &[u8]) -> Option<Form> {
        recognise(name, bytes).map(|kind| kind.form)
    }

    #[test]
    fn documents_are_told_by_what_they_begin_with() {
        let json = Some(Form::Json { utf16: None });
        for text in ["{\"a\":1}", " [ {\"a\":1}]", "\u{feff}{ }", "[]", "[\n{"] {
            assert_eq!(form("x", text.as_bytes()), json, "{text}");
        }
        for text in ["a,b\n{", "{id},{name}\n", "[a];[b]\n", ""] {
            assert_eq!(form("x.csv", text.as_bytes()), None, "{text}");
        }
        assert_eq!(form("x.JSON", b"{ a: 1 }"), json);
        assert_eq!(form("x.jsonl.gz", b""), json);
        assert_eq!(form("x.ndjson", b"null\n{\"a\": 1}\n"), json);
        for text in ["// x\n{\"a\": 1}", "/* x */ {}", "\"a\",\"b\"\n1,2\n", "1;2\n", "name\nAna\n"] {
            assert_eq!(form("x.json", text.as_bytes()), None, "{text}");
        }
        assert_eq!(form("x", b"\x0c\0\0\0\x10a\0\x01\0\0\0\0"), Some(Form::Bson));
        assert_eq!(form("x", b"\x0c\0\0\0\x20a\0\x01\0\0\0\0"), None);
        assert_eq!(form("x.bson", b"anything"), Some(Form::Bson));
        assert_eq!(form("x", b"\x6d\xe2\x99\x81"), Some(Form::Archive));
        let wide: Vec<u8> = "\u{feff}{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(form("x", &wide), Some(Form::Json { utf16: Some(true) }));
        let wide: Vec<u8> = "\u{feff}{\"a\":1}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(form("x", &wide), Some(Form::Json { utf16: Some(false) }));
    }

    #[test]
    fn a_dump_s_files_are_named_after_their_collections() {
        let files = |names: &[&str]| -> Vec<SourceFile> {
            names.iter().map(|name| SourceFile { shown: (*name).to_owned(), path: name.into() }).collect()
        };
        let dump = [
            "d/db1/caf%C3%A9s.bson",
            "d/db1/a.b.bson.gz",
            "d/db1/a.b.metadata.json.gz",
            "d/db2/a.bson",
            "d/prelude.json",
        ];
        let of = |name: &str| -> Vec<String> {
            of_collection(files(&dump), "s", name)
                .map_or(Vec::new(), |files| files.into_iter().map(|file| file.shown).collect())
        };
        assert_eq!(of("cafés"), ["d/db1/caf%C3%A9s.bson"]);
        assert_eq!(of("a.b"), ["d/db1/a.b.bson.gz"]);
        assert_eq!(of("db1.a.b"), ["d/db1/a.b.bson.gz"]);
        assert_eq!(of("db2.a"), ["d/db2/a.bson"]);
        let failure = Failure::from_anyhow(&of_collection(files(&dump), "s", "b").unwrap_err());
        assert!(failure.hints[0].contains("db1.a.b, db1.cafés, db2.a"), "{failure:?}");
        assert_eq!(of_collection(files(&["d/all.archive"]), "s", "b").unwrap().len(), 1);
    }
}
