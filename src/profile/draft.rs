//! First drafts of models: one for each source that no model reads, and one for each list in its documents.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use super::expression::{Value, json_at, of_cell, of_document, of_field, of_sqlite_instant};
use super::identifier::identifier;
use super::{DOC_ID, DOCUMENT, Options, Report, keys};
use crate::config::{shown, sql_files};
use crate::model::ident::quoted;
use crate::model::profile::{DEEPEST, Guess, PathProfile, Reason, Reference, SourceProfile, Step, Verdict};

/// A file that was written, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    pub source: String,
    /// Relative to the project: the draft, or the model that is there already.
    pub path: String,
    pub written: bool,
}

/// Writes the drafts into the product's folder; a file that is there stays, and a source that a model reads needs none.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(options: &Options<'_>, report: &Report) -> Result<Vec<Draft>> {
    let folder = options.project.sql_dir().join("sources").join(&options.clinic.product).join("clean");
    let models = sql_files(options.project, options.clinic, "clean")?;
    let mut drafts = Vec::new();
    let mut taken: BTreeSet<String> = report.sources.iter().map(|one| identifier(&one.source)).collect();
    for source in &report.sources {
        let read = [format!("raw.{}", source.source), format!("raw.{}", quoted(&source.source))];
        let words = |text: &str| {
            text.split(|c: char| c.is_whitespace() || ",;()".contains(c))
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        if let Some(model) =
            models.iter().find(|model| read.iter().any(|name| words(&model.text).contains(name)))
        {
            drafts.push(Draft { source: source.source.clone(), path: model.path.clone(), written: false });
            continue;
        }
        let lists = source.paths.iter().filter(|one| one.verdict == Verdict::ChildTable);
        let mut tables = vec![(Vec::new(), identifier(&source.source))];
        for list in lists.clone() {
            let name = format!("{}_{}", tables[0].1, identifier(&list.path));
            tables.push((list.steps.clone(), free(&mut taken, &name)));
        }
        let subject = Subject { source, report, tables };
        let texts = std::iter::once(subject.model()).chain(lists.map(|list| subject.elements(list)));
        for ((_, name), text) in subject.tables.iter().zip(texts) {
            drafts.push(file(options, source, &folder.join(format!("{name}.sql")), &text)?);
        }
    }
    Ok(drafts)
}

fn file(options: &Options<'_>, source: &SourceProfile, path: &Path, text: &str) -> Result<Draft> {
    let written = !path.exists();
    if written {
        let failed = || t!("profile.cannot_write", path = path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        std::fs::write(path, text).with_context(failed)?;
    }
    Ok(Draft { source: source.source.clone(), path: shown(options.project, path), written })
}

/// A name that nothing else has, and that is taken then.
fn free(taken: &mut BTreeSet<String>, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|one| taken.insert(one.clone())).unwrap_or_default()
}

/// The lines of a draft: `expression as name`, each name once.
#[derive(Default)]
struct Lines {
    names: BTreeSet<String>,
    selected: Vec<String>,
    /// What could not be read, by name.
    repairs: Vec<String>,
    /// What is left out, as its source calls it.
    left_out: Vec<String>,
    /// Columns of a SQLite source that say what kind each value of another is.
    types: Vec<String>,
    /// Columns that were not looked at.
    unread: Vec<String>,
    /// What stays JSON, and why.
    whole: Vec<String>,
    /// How many ids how many records have, where that is not the same.
    repeated: Option<(u64, u64)>,
}

impl Lines {
    fn add(&mut self, expression: &str, name: &str) {
        let name = free(&mut self.names, name);
        self.selected.push(format!("  {expression} as {name},"));
    }

    /// A value that is read as something; where it cannot be, its repair says so.
    fn add_value(&mut self, value: &Value, name: &str) {
        let name = free(&mut self.names, name);
        self.selected.push(format!("  {} as {name},", value.read));
        if let Some(cell) = &value.cell {
            self.repairs.push(format!("    unread_cell('{name}_unreadable', {}, {cell}),", value.read));
        }
    }

    /// A path within `document`; a value that has a `column` is taken from there.
    fn add_path(
        &mut self,
        (document, steps): (&str, &[Step]),
        column: Option<&str>,
        path: &PathProfile,
        refers: Option<String>,
    ) {
        let json = json_at(document, fields(steps));
        let name = identifier(&PathProfile::written(steps));
        match (path.verdict, refers) {
            _ if path.reason == Reason::NeverFilled => self.left_out.push(path.path.clone()),
            (Verdict::Column, Some(reference)) => {
                let text =
                    column.map_or_else(|| format!("mongo_text({json})"), |cell| format!("trimmed({cell})"));
                self.add(&text, &reference);
            }
            (Verdict::Column, None) => {
                let value = match column {
                    Some(cell) => of_field(cell, path.guess),
                    None => of_document(&json, path.guess),
                };
                self.add_value(&value, &name);
            }
            (Verdict::Jsonb, _) => {
                self.whole.push(format!("{} ({})", path.path, why(path.reason)));
                self.add(&format!("{json}::json"), &name);
            }
            (Verdict::Columns | Verdict::ChildTable, _) => {}
        }
    }

    /// The whole file. What a comment names has no line break.
    fn file(self, subject: &str, with: &str, from: &str, id: &str) -> String {
        let mut text = format!(
            "-- one row {}: a draft by `trasvase profile`, to be looked at line by line\n",
            one_line(subject)
        );
        if let Some((ids, rows)) = self.repeated {
            text += &format!("-- source_id is not unique: {rows} records have {ids} ids\n");
        }
        for (what, names) in [
            ("never filled, and left out", &self.left_out),
            ("what kind each value is, and left out", &self.types),
            ("begins with _, and left out", &self.unread),
            ("kept as jsonb", &self.whole),
        ] {
            if !names.is_empty() {
                text += &format!("-- {what}: {}\n", one_line(&names.join(", ")));
            }
        }
        text += with;
        text += &format!("select\n{}\n  {id},\n", self.selected.join("\n"));
        if !self.repairs.is_empty() {
            text += &format!(
                "  without_nulls([\n{}\n  ]) as _repairs,\n",
                self.repairs.join("\n").trim_end_matches(',')
            );
        }
        text += &format!("from {from}\n");
        if text.contains("clinic.") {
            text += "cross join meta.clinic as clinic\n";
        }
        text
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn why(reason: Reason) -> String {
    match reason {
        Reason::VaryingShape => "fields vary".to_owned(),
        Reason::NamesAreData => "names are data".to_owned(),
        Reason::TooDeep => format!("deeper than {DEEPEST} levels"),
        Reason::MixedList => "lists of what varies".to_owned(),
        _ => "sometimes nested".to_owned(),
    }
}

/// A source whose models are drafted.
struct Subject<'a> {
    source: &'a SourceProfile,
    report: &'a Report,
    /// The name of the source's own draft (no steps), and of each list's.
    tables: Vec<(Vec<Step>, String)>,
}

impl Subject<'_> {
    fn is_documents(&self) -> bool {
        !self.source.paths.is_empty()
    }

    fn model(&self) -> String {
        let (types, unread) = self.source.unread.iter().cloned().partition(|name| name.starts_with("_type_"));
        let mut lines = Lines { types, unread, ..Lines::default() };
        let (key, key_columns) = key(self.source, "record.");
        lines.add(&key, "source_id");
        let id = self.source.columns.iter().find(|one| key_columns == [DOC_ID] && one.column == DOC_ID);
        lines.repeated =
            id.map(|one| (one.distinct + one.nulls, self.source.rows)).filter(|(ids, rows)| ids < rows);
        for column in self.source.columns.iter().filter(|_| !self.is_documents()) {
            let cell = format!("record.{}", quoted(&column.column));
            match (self.reference(&column.column), column.guess) {
                (_, Guess::Empty) => lines.left_out.push(column.column.clone()),
                (Some(name), _) => lines.add(&format!("trimmed({cell})"), &name),
                (None, _) if key_columns == [column.column.as_str()] => {}
                (None, _) if self.source.sqlite_instants.contains(&column.column) => {
                    lines.add_value(&of_sqlite_instant(&cell), &identifier(&column.column));
                }
                (None, guess) => lines.add_value(&of_cell(&cell, guess), &identifier(&column.column)),
            }
        }
        let is_key = |path: &PathProfile| {
            key_columns == [DOC_ID]
                && path.verdict == Verdict::Column
                && path.steps == [Step::Field("_id".to_owned())]
        };
        for path in self.source.paths.iter().filter(|path| !path.in_list() && !is_key(path)) {
            if path.steps.is_empty() {
                lines.add(&format!("record.{DOCUMENT}"), "document");
                continue;
            }
            let refers = self.reference(&path.path);
            let column = self.column(&path.steps).map(|name| format!("record.{}", quoted(name)));
            let document = format!("record.{DOCUMENT}");
            lines.add_path((&document, &path.steps), column.as_deref(), path, refers);
        }
        let from = format!("raw.{} as record", quoted(&self.source.source));
        lines.file(&format!("a record of {}", self.source.source), "", &from, "record._id")
    }

    /// One row an element of a list, by its parent and its place; the parent of a list in a list is the outer one's element.
    fn elements(&self, list: &PathProfile) -> String {
        let parent = self.parent(&list.steps);
        let mut lines = Lines::default();
        lines.add("parent || '/' || place", "source_id");
        lines.add("parent", &format!("{parent}_source_id"));
        lines.add("place", "position");
        let within = |one: &PathProfile| {
            let rest = one.steps.strip_prefix(list.steps.as_slice())?.strip_prefix(&[Step::Elements])?;
            (!rest.contains(&Step::Elements)).then(|| rest.to_vec())
        };
        if list.reason == Reason::ListOfValues {
            match self.reference(&format!("{}[]", list.path)) {
                Some(name) => lines.add("mongo_text(element)", &name),
                None => lines.add_value(&of_document("element", list.guess), "value"),
            }
        }
        for path in &self.source.paths {
            if let Some(rest) = within(path) {
                lines.add_path(("element", &rest), None, path, self.reference(&path.path));
            }
        }
        let (key, _) = key(self.source, "record.");
        let mut with = String::from("with\n");
        let levels: Vec<&[Step]> = list.steps.split(|step| *step == Step::Elements).collect();
        for (level, steps) in (1..).zip(&levels) {
            let (parent, document, id, source) = match level {
                1 => {
                    let source = format!("raw.{} as record", quoted(&self.source.source));
                    (key.clone(), format!("record.{DOCUMENT}"), "record._id", source)
                }
                _ => (
                    "parent || '/' || place".to_owned(),
                    "element".to_owned(),
                    "_id",
                    format!("level_{}", level - 1),
                ),
            };
            let elements = format!("doc_elements({})", json_at(&document, fields(steps)));
            with += &format!(
                "level_{level} as (\n  select\n    {parent} as parent,\n    unnest({elements}) as element,\n    \
                 generate_subscripts({elements}, 1) as place,\n    {id},\n  from {source}\n){}\n",
                if level == levels.len() { "" } else { "," }
            );
        }
        let (subject, from) = (
            format!("an element of {} of {}", list.path, self.source.source),
            format!("level_{}", levels.len()),
        );
        lines.file(&subject, &with, &from, "_id")
    }

    /// The draft that a list's elements belong to: that of the list around it, or the source's.
    fn parent(&self, steps: &[Step]) -> &str {
        let outer = steps.iter().rposition(|step| *step == Step::Elements).unwrap_or(0);
        let found = self.tables.iter().find(|(of, _)| *of == steps[..outer]);
        &found.unwrap_or(&self.tables[0]).1
    }

    /// The column that holds a field of the documents: its text as it came. None where another field's could have its name.
    fn column(&self, steps: &[Step]) -> Option<&str> {
        let [Step::Field(field)] = steps else { return None };
        let named = |field: &str| if field == "_id" { DOC_ID.to_owned() } else { field.to_owned() };
        let folded = |field: &str| named(field).replace('\0', "").trim().to_lowercase();
        let all = self.source.paths.iter().filter_map(|path| match path.steps.as_slice() {
            [Step::Field(name)] => Some(folded(name)),
            _ => None,
        });
        // Fields without a name have columns named by their places.
        let alike = all.filter(|name| *name == folded(field) || name.is_empty()).count();
        let column = self.source.columns.iter().find(|one| one.column == named(field))?;
        (alike == 1).then_some(column.column.as_str())
    }

    /// What a column or path is called that holds the `source_id` of another source's records.
    fn reference(&self, column: &str) -> Option<String> {
        let of_this = || {
            let all = self.report.references.iter().filter(|one| one.source == self.source.source);
            all.filter(|one| self.names_source_id(one))
        };
        let one = of_this().find(|one| one.column == column)?;
        let alone = of_this().filter(|other| other.parent == one.parent).count() == 1;
        let stem = if alone { &one.parent } else { stem(one) };
        Some(identifier(&format!("{stem}_source_id")))
    }

    /// Whether a reference's values are what the parent's own draft takes for its key.
    fn names_source_id(&self, reference: &Reference) -> bool {
        let parent = self.report.sources.iter().find(|one| one.source == reference.parent);
        parent.is_some_and(|parent| key(parent, "").1 == [reference.parent_column.as_str()])
    }
}

/// The names of a path's fields.
fn fields(steps: &[Step]) -> impl Iterator<Item = &str> {
    steps.iter().filter_map(|step| match step {
        Step::Field(name) => Some(name.as_str()),
        Step::Elements => None,
    })
}

/// What tells records apart, as one text, and the columns that it is made of: a document's own `_id`, else what looks like
/// a key; what looks like people's data is none.
fn key<'s>(source: &'s SourceProfile, prefix: &str) -> (String, Vec<&'s str>) {
    let cell = |name: &str| format!("trimmed({prefix}{}::varchar)", quoted(name));
    let place = format!("{prefix}_file || ':' || {prefix}_row");
    if let Some(own) = source.columns.iter().find(|one| one.column == DOC_ID && one.guess != Guess::Empty) {
        let id = cell(DOC_ID);
        let whole = own.nulls + own.empty == 0;
        return (if whole { id } else { format!("coalesce({id}, {place})") }, vec![DOC_ID]);
    }
    match source.keys.first().filter(|key| keys::may_identify(key, &source.columns)) {
        Some(key) => match key.as_slice() {
            [one] => (cell(one), vec![one]),
            several => {
                let cells = several.iter().map(|name| cell(name)).collect::<Vec<_>>().join(", ");
                (format!("concat_ws('/', {cells})"), several.iter().map(String::as_str).collect())
            }
        },
        None => (place, Vec::new()),
    }
}

/// What a reference is called without that it is one: `created_by` of `created_by.id`.
fn stem(reference: &Reference) -> &str {
    let column = reference.column.trim_end_matches("[]");
    let ends = ["._id", ".id", "_id", "Id", "ID"];
    let stem = ends.iter().find_map(|end| column.strip_suffix(end)).unwrap_or(column);
    let stem = stem.rsplit_once("[].").map_or(stem, |(_, last)| last);
    if stem.is_empty() { &reference.parent } else { stem }
}
