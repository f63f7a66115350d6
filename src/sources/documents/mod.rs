//! Documents: JSON, NDJSON and what `mongoexport` writes, BSON as `mongodump` writes it, its archives; plain or in gzip.
//!
//! A document lands as a whole in `_doc`, and each of its top-level fields in a column ([`value`]). JSON stays the text that it
//! is in the file, BSON becomes relaxed Extended JSON. A field that is missing and one that is null are both NULL in their
//! column; `_doc` tells them apart.

mod archive;
mod bson;
mod fault;
mod fields;
mod frame;
mod json;
mod kind;
mod value;
mod walk;
mod window;

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;

use super::batch::{Batcher, Origin};
use super::dialect::DocumentDialect;
use super::survey::{FileKind, Survey};
use super::{Emit, Finding, Fingerprint, Portion, Severity, SourceFile, Totals, some_of};
use crate::config::SourceConfig;
use crate::error::Failure;

pub use self::fields::Fields;
use self::json::Field;
use self::kind::Form;
pub(super) use self::kind::{DocumentKind, is_about_a_dump, is_called_json, of_collection, recognise};
use self::walk::{Item, Walk};

/// A file of documents that is ready to be read.
pub struct Documents {
    file: SourceFile,
    kind: DocumentKind,
    encoding: Option<String>,
    pub(super) dialect: DocumentDialect,
    pub(super) fields: Arc<Fields>,
    pub(super) findings: Vec<Finding>,
}

/// What `_doc` holds of a document in BSON; none of one that is broken.
pub fn of_bson(bytes: &[u8]) -> Option<String> {
    let mut written = bson::Written::default();
    written.write(bytes, 1).ok().map(|()| written.text)
}

/// The columns of a source of documents, behind those of the table that is there; none for other files.
pub(super) fn fields(
    parts: &[(SourceFile, Survey)],
    config: &SourceConfig,
    earlier: &[String],
) -> Result<Option<Arc<Fields>>> {
    let kinds: Vec<_> = parts
        .iter()
        .filter_map(|(file, survey)| match survey.kind {
            FileKind::Documents(kind) => Some((file, kind)),
            _ => None,
        })
        .collect();
    if kinds.is_empty() {
        return Ok(None);
    }
    let walks = kinds.into_iter().map(|(file, kind)| walk(file, kind, config)).collect::<Result<Vec<_>>>()?;
    Fields::collect(&walks, earlier).map(Some)
}

fn walk<'f>(file: &'f SourceFile, kind: DocumentKind, config: &SourceConfig) -> Result<Walk<'f>> {
    let mut walk = Walk::new(file, kind, config.encoding.as_deref())?;
    if kind.form == Form::Archive {
        walk.collection = Some(collection(&walk, config)?);
    }
    Ok(walk)
}

/// Which of an archive's collections is meant.
fn collection(walk: &Walk<'_>, config: &SourceConfig) -> Result<String> {
    let path = &walk.file.shown;
    let Some(mut all) = archive::collections(&mut walk.window(false)?)? else {
        return Err(Failure::failed(t!("documents.no_archive", path = path))
            .hint(t!("documents.no_bson_hint"))
            .into());
    };
    let hint = t!("documents.collections_hint", names = all.join(", "));
    match &config.collection {
        Some(given) => all.retain(|name| {
            name == given || name.split_once('.').is_some_and(|(_, collection)| collection == given)
        }),
        None => all.retain(|name| !is_the_servers(name)),
    }
    match (all.as_slice(), &config.collection) {
        ([one], _) => Ok(one.clone()),
        ([], Some(given)) => {
            Err(Failure::usage(t!("documents.not_in_archive", path = path, collection = given))
                .hint(hint)
                .into())
        }
        _ => Err(Failure::usage(t!("documents.which_collection", path = path)).hint(hint).into()),
    }
}

/// What the server keeps for itself is dumped along.
fn is_the_servers(name: &str) -> bool {
    name.contains(".system.") || name.starts_with("admin.") || name.starts_with('.')
}

/// The collections of an archive that none of the sources asks for, but for the server's own; none of another file. What
/// cannot be read is told where it is loaded.
pub fn unread(file: &SourceFile, survey: &Survey, sources: &[&SourceConfig]) -> Vec<String> {
    let FileKind::Documents(kind) = survey.kind else { return Vec::new() };
    if kind.form != Form::Archive {
        return Vec::new();
    }
    let asked: Vec<String> =
        sources.iter().filter_map(|config| walk(file, kind, config).ok()?.collection).collect();
    let all = || archive::collections(&mut Walk::new(file, kind, None)?.window(false)?);
    let all = all().ok().flatten().unwrap_or_default();
    all.into_iter().filter(|name| !is_the_servers(name) && !asked.contains(name)).collect()
}

impl Documents {
    pub(super) fn open(
        file: &SourceFile,
        kind: DocumentKind,
        config: &SourceConfig,
        source: &str,
        fields: Option<&Arc<Fields>>,
    ) -> Result<Self> {
        fits(source, file, kind, config)?;
        let walk = walk(file, kind, config)?;
        let fields = match fields {
            Some(fields) => Arc::clone(fields),
            None => Fields::collect(std::slice::from_ref(&walk), &[])?,
        };
        let dialect = DocumentDialect {
            form: match kind.form {
                Form::Json { .. } => "json",
                Form::Bson => "bson",
                Form::Archive => "archive",
            }
            .to_owned(),
            gzip: kind.gzip,
            encoding: matches!(kind.form, Form::Json { .. })
                .then(|| walk.coding.encoding.name().to_ascii_lowercase()),
            collection: walk.collection.clone(),
        };
        let (file, findings) = (file.clone(), fields.findings.clone());
        Ok(Self { file, kind, encoding: config.encoding.clone(), dialect, fields, findings })
    }

    fn walk(&self) -> Result<Walk<'_>> {
        let mut walk = Walk::new(&self.file, self.kind, self.encoding.as_deref())?;
        walk.collection.clone_from(&self.dialect.collection);
        Ok(walk)
    }

    pub(super) fn read(&self, origin: &Origin, emit: &mut Emit<'_>) -> Result<Totals> {
        let mut reader = Reader {
            batcher: Batcher::new(origin, &self.fields.names, crate::config::Empty::Text),
            fields: &self.fields,
            repeated: Noted::default(),
            reported: 0,
        };
        let walk = self.walk()?;
        let end = walk.each(&mut |item, line, bytes| reader.take(item, line, bytes, emit))?;
        let (repeated, rows) = (reader.repeated, reader.batcher.record);
        let mut totals = reader.batcher.finish(emit)?;
        totals.findings.extend(end.findings(&walk));
        if repeated.count > 0 {
            let detail = t!("documents.detail.repeated", lines = some_of(&repeated.first, repeated.count));
            totals
                .findings
                .push(Finding::new("repeated_fields", Severity::Warning, repeated.count).detail(detail));
        }
        if rows == 0 {
            totals
                .findings
                .push(Finding::new("no_records", Severity::Warning, 1).detail(self.file.shown.clone()));
        }
        Ok(totals)
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.fields.names
    }

    pub(super) fn line_of(&self, record: u64) -> Result<Option<u64>> {
        self.walk()?.line_of(record)
    }

    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        self.walk()?.count()
    }
}

/// Refuses settings that are about other kinds of files.
fn fits(source: &str, file: &SourceFile, kind: DocumentKind, config: &SourceConfig) -> Result<()> {
    let strange = [
        ("delimiter", config.delimiter.is_some()),
        ("quote", config.quote.is_some()),
        ("escape", config.escape.is_some()),
        ("header_row", config.header_row.is_some()),
        ("header_rows", config.header_rows.is_some()),
        ("sheet", config.sheet.is_some()),
        ("collection", config.collection.is_some() && matches!(kind.form, Form::Json { .. })),
        ("encoding", config.encoding.is_some() && !matches!(kind.form, Form::Json { .. })),
    ];
    match strange.into_iter().find(|(_, given)| *given) {
        Some((key, _)) => {
            Err(Failure::usage(t!("documents.strange_key", source = source, key = key, path = file.shown))
                .into())
        }
        None => Ok(()),
    }
}

/// Something that was seen in some records.
#[derive(Default)]
struct Noted {
    count: u64,
    /// The lines of the first.
    first: Vec<u64>,
}

struct Reader<'a> {
    batcher: Batcher<'a>,
    fields: &'a Fields,
    /// Documents with two fields of one name, of which the first counts.
    repeated: Noted,
    reported: u64,
}

impl Reader<'_> {
    fn take(&mut self, item: Item<'_>, line: u64, bytes: u64, emit: &mut Emit<'_>) -> Result<()> {
        if bytes > self.reported {
            emit(Portion::Progress(bytes - std::mem::replace(&mut self.reported, bytes)))?;
        }
        match item {
            Item::Document { text, fields } => self.document(text, fields, line, emit),
            Item::Broken(fault) => {
                self.batcher.refuse_next(line, fault.reason(), fault.detail().map(Cow::into_owned), emit)
            }
        }
    }

    fn document(&mut self, text: &str, fields: &[Field], line: u64, emit: &mut Emit<'_>) -> Result<()> {
        let mut raw: Vec<Option<&str>> = vec![None; self.fields.count()];
        let (mut expected, mut is_repeated) = (0, false);
        for field in fields {
            let Some(place) = self.fields.place(text, field, expected) else { continue };
            expected = place + 1;
            is_repeated |= raw[place].is_some();
            raw[place].get_or_insert(&text[field.value.clone()]);
        }
        if is_repeated {
            self.repeated.count += 1;
            if self.repeated.first.len() < 5 {
                self.repeated.first.push(line);
            }
        }
        let whole = (Some(Cow::Borrowed(text)), false);
        let cells = raw.iter().map(|raw| (raw.and_then(value::text), raw.is_some_and(value::is_string)));
        self.batcher.push_values(cells.chain([whole]), line, emit)
    }
}
