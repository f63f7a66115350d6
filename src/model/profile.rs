//! What a source's columns look like, and what the paths of its documents could become.

use std::collections::BTreeMap;

use serde::Serialize;

/// One source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceProfile {
    pub source: String,
    pub rows: u64,
    pub columns: Vec<ColumnProfile>,
    /// Columns, alone or two together, that tell its records apart.
    pub keys: Vec<Vec<String>>,
    /// Of documents.
    pub paths: Vec<PathProfile>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ColumnProfile {
    pub column: String,
    pub guess: Guess,
    /// The part of its values that read as the guess says.
    pub share: f64,
    pub nulls: u64,
    /// Texts of no letters.
    pub empty: u64,
    pub distinct: u64,
    /// By number or day where it holds such; masked unless values are shown.
    pub min: Option<String>,
    pub max: Option<String>,
    pub shortest: u64,
    pub longest: u64,
    /// Shapes of values, the most frequent first: letters as x or X, digits as 9, `+` for more of the same letter.
    pub patterns: Vec<Counted>,
    /// The most frequent values; masked unless values are shown.
    pub top: Vec<Counted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    pub value: String,
    pub count: u64,
}

/// What a column seems to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Guess {
    Empty,
    Boolean,
    Integer,
    Decimal,
    Date,
    Timestamp,
    Time,
    Email,
    Phone,
    Uuid,
    Json,
    /// Digits that are no number: they begin with zeros.
    Code,
    Text,
}

/// A column whose values are keys of another source.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    pub source: String,
    pub column: String,
    pub parent: String,
    pub parent_column: String,
    /// The part of its distinct values that the parent has.
    pub share: f64,
    /// Its name speaks of the parent.
    pub named: bool,
}

/// A path of a source's documents.
#[derive(Debug, Clone, Serialize)]
pub struct PathProfile {
    /// `patient.name`; `items[].price` within the elements of a list.
    pub path: String,
    /// Documents that have it; of a path in a list, elements.
    pub found: u64,
    /// Documents, or elements, that could have it.
    pub of: u64,
    /// JSON's types, and those of Extended JSON by their marks (`$oid`).
    pub types: BTreeMap<String, u64>,
    /// Distinct values, as far as they were counted.
    pub distinct: u64,
    /// The longest list.
    pub longest: u64,
    /// Sets of fields that its objects have, as far as they were counted.
    pub shapes: u64,
    pub verdict: Verdict,
    pub reason: Reason,
}

/// What a path should become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Column,
    /// Its fields are columns.
    Columns,
    ChildTable,
    Jsonb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// One value of one type.
    OneType,
    /// Values of several types: text holds them all.
    SeveralTypes,
    /// Always null.
    NeverFilled,
    /// An object whose fields are always the same few.
    FixedShape,
    /// An object whose fields vary.
    VaryingShape,
    /// A list of objects with the same few fields.
    ListOfObjects,
    /// A list of single values.
    ListOfValues,
    /// A list of lists, of objects that vary, or of both objects and values.
    MixedList,
    /// Sometimes an object or a list, sometimes a value.
    MixedNesting,
}
