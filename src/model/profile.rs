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
    /// Columns of a SQLite database that hold times in any of the ways in which its functions read them.
    #[serde(skip)]
    pub sqlite_instants: Vec<String>,
    /// Columns that are not looked at, for their names begin with `_`.
    #[serde(skip)]
    pub unread: Vec<String>,
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
    /// A date and a time of nobody's zone.
    Timestamp,
    /// A time with its zone, MongoDB's dates, or the times of SQLite's functions.
    Instant,
    Time,
    Email,
    Phone,
    Uuid,
    /// MongoDB's 24 hex digits.
    ObjectId,
    Json,
    /// Digits that are no number: they begin with zeros.
    Code,
    Text,
}

/// A column, or a path of documents, whose values are keys of another source.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    pub source: String,
    /// `id_cliente`; of documents `createdBy.id`, and `members[]` for the elements of a list.
    pub column: String,
    pub parent: String,
    pub parent_column: String,
    /// The part of its distinct values that the parent has.
    pub share: f64,
    /// Its name speaks of the parent.
    pub named: bool,
}

/// Fields in fields that are told of one by one; what is deeper is part of the JSON that it is in.
pub const DEEPEST: usize = 4;

/// A step of a path in documents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Field(String),
    /// Each element of a list.
    Elements,
}

/// A path of a source's documents.
#[derive(Debug, Clone, Serialize)]
pub struct PathProfile {
    /// `patient.name`; `items[].price` within the elements of a list. A name with signs of its own stands in quotes.
    pub path: String,
    #[serde(skip)]
    pub steps: Vec<Step>,
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
    /// What its single values are, or those in its lists.
    pub guess: Guess,
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
    /// Values of one meaning in several forms, such as dates: a macro reads them all.
    SeveralForms,
    /// Values of several types: text holds them all.
    SeveralTypes,
    /// Always null or empty: nothing is made of it.
    NeverFilled,
    /// An object whose fields are always the same few.
    FixedShape,
    /// An object whose fields vary.
    VaryingShape,
    /// An object whose names are data, such as ids or people: they are shown nowhere.
    NamesAreData,
    /// What is inside lies too deep to be told of path by path.
    TooDeep,
    /// A list of objects with the same few fields.
    ListOfObjects,
    /// A list of single values.
    ListOfValues,
    /// A list of lists, of objects that vary, or of both objects and values.
    MixedList,
    /// Sometimes an object or a list, sometimes a value.
    MixedNesting,
}

impl PathProfile {
    /// How a path is written.
    pub fn written(steps: &[Step]) -> String {
        let mut path = String::new();
        for step in steps {
            match step {
                Step::Elements => path.push_str("[]"),
                Step::Field(name) => {
                    let plain = !name.is_empty()
                        && !name.contains(['.', '[', ']', '"'])
                        && !name.contains(char::is_control);
                    path.push_str(if path.is_empty() { "" } else { "." });
                    match plain {
                        true => path.push_str(name),
                        false => path.push_str(&format!("{name:?}")),
                    }
                }
            }
        }
        path
    }

    /// Whether it is within the elements of a list.
    pub fn in_list(&self) -> bool {
        self.steps.contains(&Step::Elements)
    }

    /// Whether it holds single values, or a list of such.
    pub fn has_single_values(&self) -> bool {
        matches!(
            self.reason,
            Reason::OneType | Reason::SeveralForms | Reason::SeveralTypes | Reason::ListOfValues
        )
    }
}
