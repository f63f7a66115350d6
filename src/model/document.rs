//! A document's values, one level at a time: no nesting is too deep, no number is rounded, and names keep their order.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What Extended JSON wraps single values in, by the first field of the wrapper.
const MARKS: [&str; 18] = [
    "$oid",
    "$date",
    "$numberInt",
    "$numberLong",
    "$numberDouble",
    "$numberDecimal",
    "$symbol",
    "$uuid",
    "$binary",
    "$timestamp",
    "$regularExpression",
    "$regex",
    "$code",
    "$dbPointer",
    "$minKey",
    "$maxKey",
    "$undefined",
    "$ref",
];

/// A value whose inner values are still text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    Object(Vec<(String, &'a str)>),
    List(Vec<&'a str>),
    Text(String),
    /// A number, true or false, as it stands.
    Bare(&'a str),
    Null,
}

impl<'a> Node<'a> {
    /// Takes one value apart; none where it is no JSON.
    pub fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_matches([' ', '\n', '\r', '\t']);
        Some(match text.as_bytes().first()? {
            b'{' => Node::Object(serde_json::Deserializer::from_str(text).deserialize_map(Fields).ok()?),
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Node::List(elements.into_iter().map(RawValue::get).collect())
            }
            b'"' => Node::Text(serde_json::from_str(text).ok()?),
            b'n' => Node::Null,
            _ => Node::Bare(text),
        })
    }

    /// JSON's type, or the mark of a value of Extended JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bare("true" | "false") => "boolean",
            Node::Bare(number) if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                "integer"
            }
            Node::Bare(_) => "number",
            Node::Text(_) => "string",
            Node::List(_) => "list",
            Node::Object(fields) => match mark(fields) {
                Some("$undefined") => "null",
                mark => mark.unwrap_or("object"),
            },
        }
    }
}

/// The mark of a value of Extended JSON, such as `$oid`: the object stands for one value.
pub fn mark(fields: &[(String, &str)]) -> Option<&'static str> {
    let known = |name: &String| MARKS.into_iter().find(|mark| mark == name);
    match fields {
        // Version 1 may name binary data's type, or an expression's options, first.
        [(first, _), (second, _)] if ["$type", "$options"].contains(&first.as_str()) => known(second),
        [(first, _), ..] => known(first),
        [] => None,
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            fields.push((name, map.next_value::<&RawValue>()?.get()));
        }
        Ok(fields)
    }
}

/// More names than these no schema has.
const NAMES: usize = 1000;
/// From here on names that are seldom there are no fields.
const MANY: usize = 40;

/// The names of the fields of one path's objects: fields, or data (a map from ids or people's names to values).
#[derive(Debug, Default)]
pub struct Names {
    objects: u64,
    /// Of all objects.
    named: u64,
    counts: BTreeMap<String, u64>,
}

impl Names {
    pub fn note<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        self.objects += 1;
        for name in names {
            self.named += 1;
            if let Some(count) = self.counts.get_mut(name) {
                *count += 1;
            } else if self.counts.len() <= NAMES {
                self.counts.insert(name.to_owned(), 1);
            }
        }
    }

    /// How many objects were looked at.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// How many names there are, as far as they were counted.
    pub fn count(&self) -> usize {
        self.counts.len()
    }

    /// Whether the names are data: most look like ids, dates or addresses, or hardly any is that of two objects.
    #[expect(clippy::cast_precision_loss, reason = "a share of objects")]
    pub fn are_data(&self) -> bool {
        let all = self.counts.len();
        if all == 0 {
            return false;
        }
        let most = |like: fn(&str) -> bool| self.counts.keys().filter(|name| like(name)).count() * 2 >= all;
        let share = self.named as f64 / (self.objects as f64 * all as f64);
        let nobody_shares = self.objects > 1 && all > 1 && self.named == all as u64;
        most(is_value)
            || all > NAMES
            || nobody_shares
            || all > MANY && share < 0.1
            || share < 0.5 && most(is_words)
            || self.objects < 3 && most(|name| name.trim().contains(char::is_whitespace))
    }
}

/// Ids, numbers, dates, addresses.
fn is_value(name: &str) -> bool {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let hexadecimal = name.len() >= 16 && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    digits >= 5 || hexadecimal || name.contains('@') || digits > 0 && !name.chars().any(char::is_alphabetic)
}

/// Words as people write them, not as programs name fields.
fn is_words(name: &str) -> bool {
    let mut letters = name.chars().filter(|c| c.is_alphabetic());
    let capital = letters.next().is_some_and(char::is_uppercase) && letters.all(char::is_lowercase);
    capital || name.contains(char::is_whitespace) || !name.is_ascii()
}

/// Whether a column or path says by its name that it holds a key.
pub fn is_called_key(name: &str) -> bool {
    const WORDS: [&str; 11] =
        ["id", "ids", "uid", "cod", "codigo", "code", "num", "numero", "number", "ref", "key"];
    let name = name.trim_end_matches("[]");
    let plain = name.to_lowercase().replace('ó', "o").replace('ú', "u");
    let mut words = plain.split(|c: char| !c.is_alphanumeric());
    words.any(|word| WORDS.contains(&word))
        || ["Id", "ID", "Ids", "IDs"].iter().any(|end| name.ends_with(end))
}

/// Whether milliseconds since 1970 that stand under this name are meant as a time: from 1973 to 2099, and called one.
pub fn is_epoch(name: &str, milliseconds: i64) -> bool {
    (100_000_000_000..4_100_000_000_000).contains(&milliseconds) && is_called_time(name)
}

/// Whether a field is called a time: `createdAt`, `fecha_alta`.
pub fn is_called_time(name: &str) -> bool {
    const WORDS: [&str; 26] = [
        "at",
        "on",
        "date",
        "fecha",
        "time",
        "hora",
        "timestamp",
        "ts",
        "created",
        "updated",
        "modified",
        "deleted",
        "creado",
        "creada",
        "modificado",
        "birth",
        "nacimiento",
        "nac",
        "day",
        "dia",
        "since",
        "until",
        "desde",
        "hasta",
        "alta",
        "baja",
    ];
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        before = c;
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_apart_one_level_at_a_time_however_deep_it_is() {
        let deep = format!("{{\"b\":1.50, \"a\":{}{}}}", "[".repeat(999), "]".repeat(999));
        let Some(Node::Object(fields)) = Node::of(&deep) else { panic!("no object") };
        assert_eq!((fields[0].0.as_str(), fields[0].1, fields[1].0.as_str()), ("b", "1.50", "a"));
        assert_eq!(Node::of(fields[1].1).unwrap().kind(), "list");
        for (text, kind) in [
            (r#"{"$oid":"x"}"#, "$oid"),
            (r#"{"$type":"00","$binary":"VA=="}"#, "$binary"),
            (r#"{"$undefined":true}"#, "null"),
            (r#"{"$Ana":1}"#, "object"),
            ("-12", "integer"),
            ("1e5", "number"),
            ("false", "boolean"),
            (r#""\u00e9""#, "string"),
        ] {
            assert_eq!(Node::of(text).unwrap().kind(), kind, "{text}");
        }
        assert_eq!(Node::of(r#""\u00e9""#), Some(Node::Text("é".to_owned())));
        assert_eq!(Node::of("{\"a\":"), None);
    }

    #[test]
    fn names_are_fields_or_data() {
        let data = |objects: &[&[&str]]| {
            let mut names = Names::default();
            objects.iter().for_each(|object| names.note(object.iter().copied()));
            names.are_data()
        };
        for objects in [
            &[&["65a1f0c2b3d4e5f60718293a"][..]][..],
            &[&["2024-01-01", "2024-01-02"]],
            &[&["ana@x.es", "eva@x.es", "note"]],
            &[&["ana", "luis"], &["eva"]],
            &[&["Ana Gil", "Luis Paz"], &["Eva Sol", "Ana Gil"], &["Iker Ruiz"]],
            &[&["Ana Gil", "Luis Paz"]],
        ] {
            assert!(data(objects), "{objects:?}");
        }
        for objects in [
            &[&["city", "zip"][..], &["city"]][..],
            &[&["firstName", "email"]],
            &[&["street1", "street2"], &["street1"]],
            &[&["Nombre", "Apellido"], &["Nombre", "Apellido"]],
            &[&[]],
        ] {
            assert!(!data(objects), "{objects:?}");
        }
    }

    #[test]
    fn keys_and_times_are_told_by_their_names() {
        for name in ["id", "createdBy.id", "memberIds[]", "Código", "user._id"] {
            assert!(is_called_key(name), "{name}");
        }
        for name in ["idiomas", "paid", "name", "ids_left.total"] {
            assert_eq!(is_called_key(name), name.starts_with("ids"), "{name}");
        }
        assert!(is_epoch("createdAt", 1_640_995_200_000) && is_epoch("fecha", 1_640_995_200_000));
        // A telephone may be as long.
        assert!(!is_epoch("movil", 573_019_722_233) && !is_epoch("createdAt", 5));
    }
}
