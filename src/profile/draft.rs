//! First drafts of models: one for each source that no model reads, and one for each list in its documents.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;

use super::{DOCUMENT, Options, Report};
use crate::config::{shown, sql_files};
use crate::model::ident::{literal, quoted};
use crate::model::profile::{ColumnProfile, Guess, PathProfile, SourceProfile, Verdict};

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
        let lists =
            source.paths.iter().filter(|one| one.verdict == Verdict::ChildTable && !one.path.contains("[]"));
        let name = identifier(&source.source);
        let texts = std::iter::once((name.clone(), model(source, report)))
            .chain(lists.map(|list| (format!("{name}_{}", identifier(&list.path)), elements(source, list))));
        for (name, text) in texts {
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

/// A list of `expression as name`, each name once.
#[derive(Default)]
struct Selected {
    names: BTreeSet<String>,
    lines: Vec<String>,
}

impl Selected {
    fn add(&mut self, expression: &str, name: &str) {
        let mut free = name.to_owned();
        let mut number = 2;
        while !self.names.insert(free.clone()) {
            free = format!("{name}_{number}");
            number += 1;
        }
        self.lines.push(format!("  {expression} as {free},"));
    }
}

fn model(source: &SourceProfile, report: &Report) -> String {
    let mut selected = Selected::default();
    selected.add(&key(source, "record."), "source_id");
    let mut left_out = Vec::new();
    for column in &source.columns {
        let refers =
            report.references.iter().find(|one| one.source == source.source && one.column == column.column);
        let cell = format!("record.{}", quoted(&column.column));
        match (refers, column.guess) {
            (Some(one), _) => {
                selected.add(&format!("trimmed({cell})"), &format!("{}_source_id", identifier(&one.parent)));
            }
            (None, Guess::Empty) => left_out.push(column.column.as_str()),
            (None, _) if source.keys.first().is_some_and(|key| key.len() == 1 && key[0] == column.column) => {
            }
            (None, _) if source.paths.iter().any(|path| path.path == column.column) => {}
            (None, _) => selected.add(&expression(column, &cell), &identifier(&column.column)),
        }
    }
    for path in source.paths.iter().filter(|one| !one.path.contains("[]")) {
        let document = format!("record.{DOCUMENT}");
        match path.verdict {
            Verdict::Column => selected.add(&scalar(&document, &path.path, path), &identifier(&path.path)),
            Verdict::Jsonb => {
                selected.add(&format!("{document} -> {}", json_path(&path.path)), &identifier(&path.path));
            }
            Verdict::Columns | Verdict::ChildTable => {}
        }
    }
    let mut header = format!(
        "-- one row a record of {}: a draft by `trasvase profile`, to be looked at line by line\n",
        source.source
    );
    if !left_out.is_empty() {
        header += &format!("-- Never filled, and left out: {}\n", left_out.join(", "));
    }
    let clinic = if source.columns.iter().any(|one| one.guess == Guess::Phone) {
        "\ncross join meta.clinic as clinic"
    } else {
        ""
    };
    format!(
        "{header}select\n{}\n  record._id,\nfrom raw.{} as record{clinic}\n",
        selected.lines.join("\n"),
        quoted(&source.source)
    )
}

/// What tells records apart, as one text.
fn key(source: &SourceProfile, prefix: &str) -> String {
    let cell = |name: &String| format!("trimmed({prefix}{}::varchar)", quoted(name));
    match source.keys.first().map(Vec::as_slice) {
        Some([one]) => cell(one),
        Some(several) => {
            format!("concat_ws('/', {})", several.iter().map(cell).collect::<Vec<_>>().join(", "))
        }
        None => format!("{prefix}_file || ':' || {prefix}_row"),
    }
}

fn expression(column: &ColumnProfile, cell: &str) -> String {
    match column.guess {
        Guess::Boolean => format!("parse_yes_no({cell})"),
        Guess::Integer => format!("parse_integer({cell})"),
        Guess::Decimal => format!("parse_decimal({cell})"),
        Guess::Date => format!("parse_date({cell})"),
        Guess::Timestamp => format!("parse_timestamp({cell})"),
        Guess::Time => format!("parse_time({cell})"),
        Guess::Email => format!("clean_email({cell})"),
        Guess::Phone => format!("phone_e164({cell}, clinic.country)"),
        Guess::Json => format!("try_cast({cell} as json)"),
        Guess::Empty | Guess::Uuid | Guess::Code | Guess::Text => format!("trimmed({cell})"),
    }
}

/// One value of a document as text; of Extended JSON, what its mark says.
fn scalar(document: &str, path: &str, profile: &PathProfile) -> String {
    let marks: Vec<&String> = profile.types.keys().filter(|name| name.starts_with('$')).collect();
    let plain = format!("{document} ->> {}", json_path(path));
    let marked = |mark: &str| format!("{document} ->> {}", json_path(&format!("{path}.{mark}")));
    match marks.as_slice() {
        [] => plain,
        [date] if *date == "$date" => {
            format!("coalesce({}, {})", marked("$date.$numberLong"), marked("$date"))
        }
        [one] => marked(one),
        _ => plain,
    }
}

/// A path of DuckDB's JSON functions, each part quoted.
fn json_path(path: &str) -> String {
    let parts = path.split('.').map(|part| format!(".\"{}\"", part.replace('"', "\\\"")));
    literal(&format!("${}", parts.collect::<String>()))
}

/// One row an element of a list.
fn elements(source: &SourceProfile, list: &PathProfile) -> String {
    let parent = identifier(&source.source);
    let mut selected = Selected::default();
    selected.add("parent || '/' || place", "source_id");
    selected.add("parent", &format!("{parent}_source_id"));
    selected.add("place", "position");
    let inner = format!("{}[].", list.path);
    let fields = source.paths.iter().filter_map(|one| Some((one.path.strip_prefix(&inner)?, one)));
    let mut any = false;
    for (field, profile) in fields.filter(|(field, _)| !field.contains("[]")) {
        any = true;
        match profile.verdict {
            Verdict::Column => selected.add(&scalar("element", field, profile), &identifier(field)),
            Verdict::Jsonb | Verdict::ChildTable => {
                selected.add(&format!("element -> {}", json_path(field)), &identifier(field));
            }
            Verdict::Columns => {}
        }
    }
    if !any {
        selected.add("element ->> '$'", "value");
    }
    let path = json_path(&list.path);
    format!(
        "-- one row an element of {} of {}: a draft by `trasvase profile`, to be looked at line by line\nwith\nlists as (\n  select {} as parent, \
         from_json({DOCUMENT} -> {path}, '[\"json\"]') as list, _id\n  from raw.{}\n),\nelements as (\n  select parent, unnest(list) as element, generate_subscripts(list, 1) as place, _id\n  from lists\n)\n\
         select\n{}\n  _id,\nfrom elements\n",
        list.path,
        source.source,
        key(source, ""),
        quoted(&source.source),
        selected.lines.join("\n"),
    )
}

/// A name in small ASCII letters, digits and `_`: `fechaAlta` and `Fecha Alta` are `fecha_alta`.
fn identifier(text: &str) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in text.chars() {
        if c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
            name.push('_');
        }
        before = c;
        for plain in c.to_lowercase() {
            name.push(match plain {
                'á' | 'à' | 'ä' | 'â' | 'ã' | 'å' | 'ª' => 'a',
                'é' | 'è' | 'ë' | 'ê' => 'e',
                'í' | 'ì' | 'ï' | 'î' => 'i',
                'ó' | 'ò' | 'ö' | 'ô' | 'õ' | 'º' => 'o',
                'ú' | 'ù' | 'ü' | 'û' => 'u',
                'ñ' => 'n',
                'ç' => 'c',
                plain if plain.is_ascii_alphanumeric() => plain,
                _ => '_',
            });
        }
    }
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    let name = parts.join("_");
    match name.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("c_{name}"),
        Some(_) => reserved(name),
        None => "column_0".to_owned(),
    }
}

/// SQL's own words among the names that exports like.
fn reserved(name: String) -> String {
    const WORDS: [&str; 15] = [
        "at",
        "order",
        "group",
        "user",
        "table",
        "select",
        "from",
        "to",
        "end",
        "desc",
        "asc",
        "check",
        "default",
        "primary",
        "references",
    ];
    if WORDS.contains(&name.as_str()) { format!("{name}_") } else { name }
}

#[cfg(test)]
mod tests {
    use super::{identifier, json_path};

    #[test]
    fn names_become_identifiers() {
        for (text, name) in [
            ("fechaAlta", "fecha_alta"),
            ("Nº Historia", "no_historia"),
            ("F. Nacimiento", "f_nacimiento"),
            ("user.createdAt", "user_created_at"),
            ("2024", "c_2024"),
            ("order", "order_"),
            ("¿?", "column_0"),
        ] {
            assert_eq!(identifier(text), name);
        }
        assert_eq!(json_path("a.it's"), "'$.\"a\".\"it''s\"'");
    }
}
