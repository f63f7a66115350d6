//! How a draft reads a value: by the macros of `sql/macros`.

use crate::model::ident::literal;
use crate::model::profile::{Guess, Step};

/// How a value is read.
pub(super) struct Value {
    pub(super) read: String,
    /// The text that it is read from, where that may not succeed.
    pub(super) cell: Option<String>,
}

/// A cell of a table.
pub(super) fn of_cell(cell: &str, guess: Guess) -> Value {
    let read = match guess {
        Guess::Boolean => format!("parse_yes_no({cell})"),
        Guess::Integer => format!("parse_integer({cell})"),
        Guess::Decimal => format!("parse_decimal({cell})"),
        Guess::Date => format!("parse_date({cell})"),
        Guess::Timestamp => format!("parse_timestamp({cell})"),
        Guess::Instant => format!("mongo_ts({cell})"),
        Guess::Time => format!("parse_time({cell})"),
        Guess::Email => format!("clean_email({cell})"),
        Guess::Phone => format!("phone_e164({cell}, clinic.country)"),
        Guess::Json => format!("try_cast({cell} as json)"),
        Guess::Empty | Guess::Uuid | Guess::ObjectId | Guess::Code | Guess::Text => {
            return Value { read: format!("trimmed({cell})"), cell: None };
        }
    };
    Value { read, cell: Some(cell.to_owned()) }
}

/// A cell of a SQLite table that holds a time.
pub(super) fn of_sqlite_instant(cell: &str) -> Value {
    Value { read: format!("sqlite_instant({cell})"), cell: Some(cell.to_owned()) }
}

/// A value of a document, whose types are its own: only texts may be something else than nearly all of them are.
pub(super) fn of_document(json: &str, guess: Guess) -> Value {
    of_value(json, format!("mongo_text({json})"), guess)
}

/// A field of a document by its column, which holds the value's text.
pub(super) fn of_field(cell: &str, guess: Guess) -> Value {
    of_value(cell, cell.to_owned(), guess)
}

fn of_value(value: &str, text: String, guess: Guess) -> Value {
    let read = match guess {
        Guess::Boolean => return Value { read: format!("mongo_bool({value})"), cell: None },
        // Of numbers beyond 64 bits it is null, which must not go unseen.
        Guess::Integer => format!("mongo_long({value})"),
        Guess::Decimal => return Value { read: format!("mongo_number({value})"), cell: None },
        Guess::ObjectId => return Value { read: format!("mongo_oid({value})"), cell: None },
        Guess::Instant => format!("mongo_ts({value})"),
        Guess::Timestamp => {
            format!("coalesce(mongo_ts({value}), local_ts(parse_timestamp({text}), clinic.timezone))")
        }
        Guess::Date => format!("parse_date({text})"),
        Guess::Email => format!("clean_email({text})"),
        _ => return Value { read: text, cell: None },
    };
    Value { read, cell: Some(text) }
}

/// What gives the JSON of a field in fields, spelled as it is in the document.
pub(super) fn json_at<'n>(document: &str, fields: impl IntoIterator<Item = &'n str>) -> String {
    let fields = fields.into_iter().map(|name| format!(", {}", literal(name))).collect::<String>();
    if fields.is_empty() { document.to_owned() } else { format!("doc_at({document}{fields})") }
}

/// A path of DuckDB's JSON functions, each name quoted. Some names are no names there even in quotes, such as `*`, which
/// stands for all of them: these are spelled as a JSON pointer (RFC 6901), which knows no elements.
pub(super) fn json_path(steps: &[Step]) -> String {
    let odd =
        |step: &Step| matches!(step, Step::Field(name) if name.is_empty() || name.contains(['*', '"', '\\']));
    let fields = steps.iter().map(|step| match step {
        Step::Field(name) => Some(format!("/{}", name.replace('~', "~0").replace('/', "~1"))),
        Step::Elements => None,
    });
    if let (true, Some(pointer)) = (steps.iter().any(odd), fields.collect::<Option<String>>()) {
        return literal(&pointer);
    }
    let step = |step: &Step| match step {
        Step::Field(name) => format!(".\"{}\"", name.replace('"', "\\\"")),
        Step::Elements => "[*]".to_owned(),
    };
    literal(&format!("${}", steps.iter().map(step).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_quoted() {
        assert_eq!(json_at("d", ["a.b", "it's", ""]), "doc_at(d, 'a.b', 'it''s', '')");
        assert_eq!(json_at("d", []), "d");
    }

    #[test]
    fn names_in_a_path_are_quoted() {
        let steps = [Step::Field("a.b".to_owned()), Step::Elements, Step::Field("it's".to_owned())];
        assert_eq!(json_path(&steps), "'$.\"a.b\"[*].\"it''s\"'");
        let odd = |name: &str| json_path(&[Step::Field("a/b".to_owned()), Step::Field(name.to_owned())]);
        assert_eq!([odd("*"), odd(""), odd("c")], ["'/a~1b/*'", "'/a~1b/'", "'$.\"a/b\".\"c\"'"]);
    }
}
