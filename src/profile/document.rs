//! What each path of a source's documents should become: a column, a table of its own, or JSON as it is.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use anyhow::Result;

use crate::model::document::{Names, Node, is_epoch};
use crate::model::ident::quoted;
use crate::model::profile::{DEEPEST, Guess, PathProfile, Reason, Step, Verdict};
use crate::staging::Staging;

use super::forms::Forms;

/// Distinct values and shapes are counted up to here.
const COUNTED: usize = 10_000;
/// Objects with more fields, or more sets of them, have no fixed shape.
const FIELDS: usize = 40;
const SHAPES: usize = 12;

/// What was seen of one path.
#[derive(Debug, Default)]
struct Seen {
    found: u64,
    types: BTreeMap<String, u64>,
    values: HashSet<u64>,
    longest: u64,
    shapes: HashSet<u64>,
    names: Names,
    /// Elements of its lists by type.
    elements: BTreeMap<String, u64>,
    /// What its single values look like, and those in its lists.
    forms: Forms,
    /// Objects in it were not looked into.
    too_deep: bool,
}

type All = BTreeMap<Vec<Step>, Seen>;

/// What a source's documents hold.
pub(super) struct Documents {
    pub(super) paths: Vec<PathProfile>,
    /// The names of the documents' own fields are data: they are shown nowhere.
    pub(super) names_are_data: bool,
}

/// Looks through every document of a table.
pub(super) fn look(staging: &Staging, table: &str) -> Result<Documents> {
    let mut seen = All::new();
    let mut whole = Seen::default();
    staging.batches(&format!("select {}::varchar from {table}", quoted(super::DOCUMENT)), |batch| {
        use duckdb::arrow::array::AsArray as _;
        for text in batch.column(0).as_string::<i32>().iter().flatten() {
            // Load refuses what is no object.
            let Some(Node::Object(fields)) = Node::of(text) else { continue };
            whole.found += 1;
            *whole.types.entry("object".to_owned()).or_default() += 1;
            // A document's own id says nothing of how its fields are called.
            let named: Vec<_> = fields.iter().filter(|(name, _)| name != "_id").cloned().collect();
            note_shape(&mut whole, &named);
            look_into(&mut seen, &mut Vec::new(), &fields);
        }
        Ok(())
    })?;
    if whole.names.are_data() {
        let one = PathProfile { reason: Reason::NamesAreData, ..profile(&[], &whole, whole.found) };
        return Ok(Documents { paths: vec![one], names_are_data: true });
    }
    let of = |steps: &[Step]| {
        let mut parent = &steps[..steps.len() - 1];
        while let [outer @ .., Step::Elements] = parent {
            parent = outer;
        }
        if parent.is_empty() { whole.found } else { seen.get(parent).map_or(0, |one| one.names.objects()) }
    };
    let all = seen.iter().map(|(steps, one)| profile(steps, one, of(steps))).collect();
    Ok(Documents { paths: without_inner(all), names_are_data: false })
}

fn look_into(seen: &mut All, steps: &mut Vec<Step>, fields: &[(String, &str)]) {
    for (name, text) in fields {
        steps.push(Step::Field(name.clone()));
        look_at(seen, steps, name, text);
        steps.pop();
    }
}

fn look_at(seen: &mut All, steps: &mut Vec<Step>, name: &str, text: &str) {
    let Some(node) = Node::of(text) else { return };
    let is_too_deep = steps.iter().filter(|step| **step != Step::Elements).count() >= DEEPEST;
    let one = seen.entry(steps.clone()).or_default();
    one.found += 1;
    *one.types.entry(node.kind().to_owned()).or_default() += 1;
    if one.values.len() < COUNTED {
        one.values.insert(hash(&text));
    }
    match &node {
        Node::Object(fields) if node.kind() == "object" => {
            note_shape(one, fields);
            match is_too_deep {
                true => one.too_deep |= !fields.is_empty(),
                false => look_into(seen, steps, fields),
            }
        }
        Node::List(elements) => {
            one.longest = one.longest.max(elements.len() as u64);
            for element in elements {
                look_at_element(seen, steps, name, element, is_too_deep);
            }
        }
        _ => one.forms.note(&node, |milliseconds| is_epoch(name, milliseconds)),
    }
}

fn look_at_element(seen: &mut All, steps: &mut Vec<Step>, name: &str, text: &str, is_too_deep: bool) {
    let (Some(node), Some(one)) = (Node::of(text), seen.get_mut(steps.as_slice())) else { return };
    *one.elements.entry(node.kind().to_owned()).or_default() += 1;
    match &node {
        Node::Object(fields) if node.kind() == "object" => {
            note_shape(one, fields);
            if is_too_deep {
                one.too_deep |= !fields.is_empty();
                return;
            }
            steps.push(Step::Elements);
            look_into(seen, steps, fields);
            steps.pop();
        }
        Node::List(_) => {}
        _ => one.forms.note(&node, |milliseconds| is_epoch(name, milliseconds)),
    }
}

fn note_shape(one: &mut Seen, fields: &[(String, &str)]) {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if one.shapes.len() < COUNTED {
        one.shapes.insert(hash(&names));
    }
    one.names.note(names);
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn profile(steps: &[Step], one: &Seen, of: u64) -> PathProfile {
    let (verdict, reason) = decide(one);
    let types = if reason == Reason::ListOfValues { &one.elements } else { &one.types };
    PathProfile {
        path: PathProfile::written(steps),
        steps: steps.to_vec(),
        found: one.found,
        of,
        types: one.types.clone(),
        distinct: one.values.len() as u64,
        longest: one.longest,
        shapes: one.shapes.len() as u64,
        guess: match verdict {
            Verdict::Columns | Verdict::Jsonb => Guess::Json,
            Verdict::ChildTable if reason == Reason::ListOfObjects => Guess::Json,
            Verdict::Column | Verdict::ChildTable => one.forms.guess(types),
        },
        verdict,
        reason,
    }
}

fn decide(one: &Seen) -> (Verdict, Reason) {
    let types: Vec<&str> = one.types.keys().map(String::as_str).filter(|name| *name != "null").collect();
    let varies = varies(one);
    match types.as_slice() {
        [] => (Verdict::Column, Reason::NeverFilled),
        ["object"] if one.names.count() == 0 && one.shapes.len() < 2 => (Verdict::Jsonb, Reason::NeverFilled),
        ["object"] => varies.map_or((Verdict::Columns, Reason::FixedShape), |why| (Verdict::Jsonb, why)),
        ["list"] => of_list(one, varies),
        several if several.iter().any(|name| ["object", "list"].contains(name)) => (
            Verdict::Jsonb,
            varies.filter(|why| *why == Reason::NamesAreData).unwrap_or(Reason::MixedNesting),
        ),
        _ if one.forms.filled == 0 => (Verdict::Column, Reason::NeverFilled),
        [_] | ["integer", "number"] => (Verdict::Column, Reason::OneType),
        _ if one.forms.guess(&one.types) != Guess::Text => (Verdict::Column, Reason::SeveralForms),
        _ => (Verdict::Column, Reason::SeveralTypes),
    }
}

/// Why the objects cannot be taken apart into columns.
fn varies(one: &Seen) -> Option<Reason> {
    if one.names.are_data() {
        return Some(Reason::NamesAreData);
    }
    if one.shapes.len() > SHAPES || one.names.count() > FIELDS {
        return Some(Reason::VaryingShape);
    }
    one.too_deep.then_some(Reason::TooDeep)
}

fn of_list(one: &Seen, varies: Option<Reason>) -> (Verdict, Reason) {
    let elements: Vec<&str> =
        one.elements.keys().map(String::as_str).filter(|name| *name != "null").collect();
    match (elements.as_slice(), varies) {
        ([], _) => (Verdict::Jsonb, Reason::NeverFilled),
        (["object"], None) => (Verdict::ChildTable, Reason::ListOfObjects),
        (several, varies) if several.iter().any(|name| ["object", "list"].contains(name)) => {
            let why = varies.filter(|why| *why != Reason::VaryingShape);
            (Verdict::Jsonb, why.unwrap_or(Reason::MixedList))
        }
        _ => (Verdict::ChildTable, Reason::ListOfValues),
    }
}

/// What is inside a path that stays JSON needs no verdict.
fn without_inner(all: Vec<PathProfile>) -> Vec<PathProfile> {
    let whole: HashSet<Vec<Step>> =
        all.iter().filter(|one| one.verdict == Verdict::Jsonb).map(|one| one.steps.clone()).collect();
    let is_inside = |one: &PathProfile| (1..one.steps.len()).any(|end| whole.contains(&one.steps[..end]));
    all.into_iter().filter(|one| !is_inside(one)).collect()
}
