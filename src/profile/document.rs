//! What each path of a source's documents should become: a column, a table of its own, or JSON as it is.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use anyhow::Result;
use serde_json::{Map, Value};

use crate::model::ident::quoted;
use crate::model::profile::{PathProfile, Reason, Verdict};
use crate::staging::Staging;

/// Distinct values and shapes are counted up to here.
const COUNTED: usize = 10_000;
/// Objects with more fields, or more sets of them, have no fixed shape.
const FIELDS: usize = 40;
const SHAPES: usize = 12;
/// Deeper paths are part of the JSON that they are in.
const DEPTH: usize = 4;

/// What was seen of one path.
#[derive(Debug, Default)]
struct Seen {
    found: u64,
    types: BTreeMap<String, u64>,
    values: HashSet<u64>,
    longest: u64,
    shapes: HashSet<u64>,
    fields: BTreeSet<String>,
    /// Elements of its lists by type.
    elements: BTreeMap<String, u64>,
    /// Objects that were looked into.
    objects: u64,
}

/// Looks through every document of a table.
pub(super) fn paths(staging: &Staging, table: &str) -> Result<Vec<PathProfile>> {
    let mut seen = BTreeMap::<String, Seen>::new();
    let mut documents = 0;
    staging.batches(&format!("select {}::varchar from {table}", quoted(super::DOCUMENT)), |batch| {
        use duckdb::arrow::array::AsArray as _;
        for text in batch.column(0).as_string::<i32>().iter().flatten() {
            documents += 1;
            if let Ok(Value::Object(document)) = serde_json::from_str(text) {
                fields(&mut seen, "", &document, 1);
            }
        }
        Ok(())
    })?;
    let of = |path: &str| match path.rsplit_once('.') {
        Some((parent, _)) => {
            let parent = seen.get(parent.trim_end_matches("[]"));
            parent.map_or(documents, |parent| parent.objects)
        }
        None => documents,
    };
    let profile = |(path, one): (&String, &Seen)| profile(path, one, of(path));
    let all: Vec<PathProfile> = seen.iter().map(profile).collect();
    Ok(without_inner(all))
}

fn fields(seen: &mut BTreeMap<String, Seen>, prefix: &str, object: &Map<String, Value>, depth: usize) {
    for (name, value) in object {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        look(seen, &path, value, depth);
    }
}

fn look(seen: &mut BTreeMap<String, Seen>, path: &str, value: &Value, depth: usize) {
    let one = seen.entry(path.to_owned()).or_default();
    one.found += 1;
    *one.types.entry(type_of(value)).or_default() += 1;
    if one.values.len() < COUNTED {
        one.values.insert(hash(&value.to_string()));
    }
    match value {
        Value::Object(object) if mark(object).is_none() => {
            note_shape(one, object);
            if depth < DEPTH {
                fields(seen, path, object, depth + 1);
            }
        }
        Value::Array(elements) => {
            one.longest = one.longest.max(elements.len() as u64);
            for element in elements {
                let one = seen.get_mut(path).expect("it was made above");
                *one.elements.entry(type_of(element)).or_default() += 1;
                if let Value::Object(object) = element
                    && mark(object).is_none()
                {
                    note_shape(one, object);
                    if depth < DEPTH {
                        fields(seen, &format!("{path}[]"), object, depth + 1);
                    }
                }
            }
        }
        _ => {}
    }
}

fn note_shape(one: &mut Seen, object: &Map<String, Value>) {
    one.objects += 1;
    let mut names: Vec<&String> = object.keys().collect();
    names.sort();
    if one.shapes.len() < COUNTED {
        one.shapes.insert(hash(&names));
    }
    if one.fields.len() <= FIELDS {
        one.fields.extend(names.into_iter().cloned());
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The mark of a value of Extended JSON, such as `$oid`: it stands for one value.
fn mark(object: &Map<String, Value>) -> Option<&str> {
    let (name, _) = object.iter().next()?;
    name.starts_with('$').then_some(name)
}

fn type_of(value: &Value) -> String {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(object) => mark(object).unwrap_or("object"),
    }
    .to_owned()
}

fn profile(path: &str, one: &Seen, of: u64) -> PathProfile {
    let (verdict, reason) = decide(one);
    PathProfile {
        path: path.to_owned(),
        found: one.found,
        of,
        types: one.types.clone(),
        distinct: one.values.len() as u64,
        longest: one.longest,
        shapes: one.shapes.len() as u64,
        verdict,
        reason,
    }
}

fn decide(one: &Seen) -> (Verdict, Reason) {
    let types: Vec<&str> = one.types.keys().map(String::as_str).filter(|name| *name != "null").collect();
    let fixed = one.shapes.len() <= SHAPES && one.fields.len() <= FIELDS;
    match types.as_slice() {
        [] => (Verdict::Column, Reason::NeverFilled),
        ["object"] if fixed => (Verdict::Columns, Reason::FixedShape),
        ["object"] => (Verdict::Jsonb, Reason::VaryingShape),
        ["list"] => of_list(one, fixed),
        several if several.iter().any(|name| ["object", "list"].contains(name)) => {
            (Verdict::Jsonb, Reason::MixedNesting)
        }
        [_] | ["integer", "number"] => (Verdict::Column, Reason::OneType),
        _ => (Verdict::Column, Reason::SeveralTypes),
    }
}

fn of_list(one: &Seen, fixed: bool) -> (Verdict, Reason) {
    let elements: Vec<&str> =
        one.elements.keys().map(String::as_str).filter(|name| *name != "null").collect();
    match elements.as_slice() {
        [] => (Verdict::Jsonb, Reason::NeverFilled),
        ["object"] if fixed => (Verdict::ChildTable, Reason::ListOfObjects),
        several if several.iter().any(|name| ["object", "list"].contains(name)) => {
            (Verdict::Jsonb, Reason::MixedList)
        }
        _ => (Verdict::ChildTable, Reason::ListOfValues),
    }
}

/// What is inside a path that stays JSON needs no verdict.
fn without_inner(all: Vec<PathProfile>) -> Vec<PathProfile> {
    let whole: Vec<String> =
        all.iter().filter(|one| one.verdict == Verdict::Jsonb).map(|one| one.path.clone()).collect();
    let inside = |path: &str| {
        whole.iter().any(|outer| {
            path.strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with('.') || rest.starts_with("[]."))
        })
    };
    all.into_iter().filter(|one| !inside(&one.path)).collect()
}
