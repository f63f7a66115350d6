//! What all documents of a source hold, path by path: which values may stand as they are, and which names are data.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::Result;

use super::column::{FEW, ROWS, is_person, is_personal};
use crate::model::document::{Names, Node, is_called_key};
use crate::staging::Staging;

/// Paths beyond these are not told apart: nothing of them stands as it is.
const PATHS: usize = 10_000;
/// Words of people that are looked for elsewhere.
const WORDS: usize = 200_000;

/// Maps within maps that are told apart.
const MAPS: usize = 6;

/// What stands for a name that is data in a path.
const DATA: &str = "*";

/// A path as this module writes it: `patient.name`, `items[].price`.
#[derive(Debug, Default, Clone)]
pub(super) struct Place {
    path: String,
    lengths: Vec<usize>,
}

impl Place {
    pub(super) fn enter(&mut self, name: &str) {
        self.lengths.push(self.path.len());
        self.path.push_str(if self.path.is_empty() { "" } else { "." });
        self.path.push_str(name);
    }

    pub(super) fn enter_list(&mut self) {
        self.lengths.push(self.path.len());
        self.path.push_str("[]");
    }

    /// The name of the field that holds the value, or the list around it.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default().trim_end_matches("[]")
    }

    pub(super) fn leave(&mut self) {
        self.path.truncate(self.lengths.pop().unwrap_or(0));
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

#[derive(Debug, Default)]
struct Seen {
    names: Names,
    /// Documents that have each value; none once there are too many values.
    values: BTreeMap<String, u64>,
    many: bool,
}

/// What was found of each path.
#[derive(Debug, Default)]
pub(super) struct Survey {
    seen: BTreeMap<String, Seen>,
    /// Words of paths that are about people.
    words: HashSet<String>,
    /// Values that stand as they are, by path.
    kept: BTreeMap<String, BTreeSet<String>>,
    /// Paths of few values that look like a person.
    people: BTreeSet<String>,
    /// Paths of objects whose names are data.
    data: BTreeSet<String>,
    /// Those whose names are fields: any other is not shown.
    fields: BTreeSet<String>,
}

impl Survey {
    /// Looks through all documents of a table.
    pub(super) fn of(staging: &Staging, table: &str) -> Result<Self> {
        let mut survey = Self::default();
        // What is within a map that is told by its names is all of one path: it is looked at once more, as that.
        for _ in 0..MAPS {
            (survey.seen, survey.words) = (BTreeMap::new(), HashSet::new());
            staging.batches(&format!("select _doc::varchar from {table}"), |batch| {
                use duckdb::arrow::array::AsArray as _;
                for text in batch.column(0).as_string::<i32>().iter().flatten() {
                    survey.look(text);
                }
                Ok(())
            })?;
            let found =
                survey.seen.iter().filter(|(_, seen)| seen.names.are_data()).map(|(path, _)| path.clone());
            let found: BTreeSet<String> = found.collect();
            if found.is_subset(&survey.data) {
                break;
            }
            survey.data.extend(found);
        }
        survey.decide();
        Ok(survey)
    }

    /// Looks through one document, without an end to how deep it is.
    fn look(&mut self, document: &str) {
        let mut waiting = vec![(String::new(), document)];
        while let Some((path, text)) = waiting.pop() {
            let Some(node) = Node::of(text) else { continue };
            match &node {
                Node::Object(fields) if node.kind() == "object" => {
                    let own = |name: &&str| !is_own_id(&path, name);
                    if let Some(seen) = self.at(&path) {
                        seen.names.note(fields.iter().map(|(name, _)| name.as_str()).filter(own));
                    }
                    for (name, inner) in fields {
                        let is_data = self.data.contains(&path) && !is_own_id(&path, name);
                        let dot = if path.is_empty() { "" } else { "." };
                        let name = if is_data { DATA } else { name };
                        waiting.push((format!("{path}{dot}{name}"), inner));
                    }
                }
                Node::List(elements) => {
                    waiting.extend(elements.iter().map(|element| (format!("{path}[]"), *element)));
                }
                _ => {
                    if let Some(value) = single(&node) {
                        self.note(&path, &value);
                    }
                }
            }
        }
    }

    fn at(&mut self, path: &str) -> Option<&mut Seen> {
        if self.seen.len() >= PATHS && !self.seen.contains_key(path) {
            return None;
        }
        Some(self.seen.entry(path.to_owned()).or_default())
    }

    fn note(&mut self, path: &str, value: &str) {
        if is_personal(path) && self.words.len() < WORDS {
            self.words.extend(words(value));
        }
        let Some(seen) = self.at(path).filter(|seen| !seen.many) else { return };
        *seen.values.entry(value.to_owned()).or_default() += 1;
        if seen.values.len() > FEW {
            (seen.many, seen.values) = (true, BTreeMap::new());
        }
    }

    fn decide(&mut self) {
        for (path, seen) in &self.seen {
            if seen.names.objects() > 0 && !self.data.contains(path) {
                self.fields.insert(path.clone());
            }
            let often: BTreeSet<String> = seen
                .values
                .iter()
                .filter(|(_, count)| **count >= ROWS)
                .map(|(value, _)| value.clone())
                .collect();
            let name = path.rsplit('.').next().unwrap_or_default();
            // What names records elsewhere is replaced there too.
            if often.is_empty() || is_called_key(name) {
                continue;
            }
            let is_known = |value: &String| words(value).any(|word| self.words.contains(&word));
            let person = is_personal(path)
                || seen.values.keys().any(|value| is_person(value, false) || is_person(value, true))
                || seen.values.keys().any(is_known);
            if person {
                self.people.insert(path.clone());
            } else {
                self.kept.insert(path.clone(), often);
            }
        }
        (self.seen, self.words) = (BTreeMap::new(), HashSet::new());
    }

    pub(super) fn keeps(&self, place: &Place, value: &str) -> bool {
        self.kept.get(place.path()).is_some_and(|values| values.contains(value))
    }

    pub(super) fn kept(&self, path: &str) -> usize {
        self.kept.get(path).map_or(0, BTreeSet::len)
    }

    /// Paths of which no value was replaced, and how many values they keep.
    pub(super) fn whole<'s, K>(
        &'s self,
        replaced: &'s BTreeMap<String, K>,
    ) -> impl Iterator<Item = (&'s str, usize)> {
        let kept = self.kept.iter().filter(|(path, _)| !replaced.contains_key(*path));
        kept.map(|(path, values)| (path.as_str(), values.len()))
    }

    pub(super) fn is_person(&self, path: &str) -> bool {
        self.people.contains(path)
    }

    /// Enters a field; the name itself is given where it may be shown.
    pub(super) fn enter<'n>(&self, place: &mut Place, name: &'n str) -> Option<&'n str> {
        let is_field = self.fields.contains(place.path()) || is_own_id(place.path(), name);
        place.enter(if is_field { name } else { DATA });
        is_field.then_some(name)
    }
}

/// A document's own id says nothing of how its fields are called.
fn is_own_id(path: &str, name: &str) -> bool {
    name == "_id" && path.is_empty()
}

/// A single value's text, where it may be a code.
fn single(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.clone()),
        Node::Bare(text) => Some((*text).to_owned()),
        Node::Object(fields) => match fields.as_slice() {
            [(mark, text)] if mark.starts_with("$number") => Some(text.trim_matches('"').to_owned()),
            _ => None,
        },
        Node::Null | Node::List(_) => None,
    }
}

fn words(value: &str) -> impl Iterator<Item = String> {
    let words = value.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= 3);
    words.map(str::to_lowercase)
}
