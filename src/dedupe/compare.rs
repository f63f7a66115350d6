//! Ladders of comparison levels: the best level first, a missing value none.

use anyhow::Result;

use super::levels::{self, Compared};
use super::record::{Roles, Side, of, rarity, sound};
use crate::config::{Compare, CompareKind, Dedupe, Read};
use crate::model::ident::quoted;
use crate::staging::Staging;

/// Levels that fit into the bits that a pattern gives to a comparison; level 0 is "missing".
pub(super) const MOST_LEVELS: usize = 15;
/// Bits of a pattern for one comparison.
pub(super) const BITS: usize = 4;

/// One comparison of two records.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    pub(super) name: String,
    /// Names of the levels, the best first; the last one is "different".
    pub(super) levels: Vec<Level>,
    /// Gives the level's number: 1 for the best, 0 where a value is missing.
    pub(super) compared: Compared,
    /// The texts of a record that it compares, as expressions; an empty one is missing.
    pub(super) columns: Vec<String>,
    /// Bits by which agreement on this value counts more than on an average one; 0 where it does not agree.
    pub(super) rarity: Option<String>,
    /// About the person alone, and more than a yes or no.
    pub(super) personal: bool,
    /// Different people of one household who agree all the same: twins on their birth date, sons called after their fathers.
    pub(super) namesakes: f64,
}

/// A level and how two *different* people of one household come to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) label: &'static str,
    pub(super) kin: Kin,
    /// The values are different ones, not one value written in two ways.
    pub(super) apart: bool,
    /// How many things about the person alone are compared: of a name two, or one where a part is missing.
    pub(super) facts: u8,
    pub(super) twins: Twins,
}

/// How often twins are at a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Twins {
    /// As often as strangers.
    Stranger,
    /// As often as the records of one person: they share birth date and household.
    Same,
    /// This often: their given names are different.
    Share(f64),
}

/// How often different people of one household (or a mother and her child) are at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// As often as strangers, but for a few: twins, sons called after their fathers.
    Stranger,
    /// As often as the records of one person.
    Same,
    /// Commonly: they share a part of a name.
    Common,
}

/// Levels at which values are different ones.
const APART: [&str; 9] = [
    "a_word_different",
    "surname_equal",
    "surname_alike",
    "given_name_equal",
    "given_name_alike",
    "partly_missing",
    "two_figures",
    "same_year_or_day",
    "different",
];

/// Levels of a name whose given name is another one, and of one whose surname is.
pub(super) const RENAMED: [&str; 2] = ["surname_equal", "surname_alike"];
pub(super) const MARRIED: [&str; 2] = ["given_name_equal", "given_name_alike"];

/// How often two different people of one household agree all the same on what is personal.
const NAMESAKES: f64 = 0.02;
/// And on all of the name: of fathers and sons who are called the same, one surname is another one where people have two.
const NAMED_ALIKE: f64 = 0.01;
/// And on a number, which nobody has in common but by a slip of the clerk.
const NUMBER_TYPED_FOR_ANOTHER: f64 = 0.002;
/// Levels of the names of twins: the given name is another one, the surname is not.
const OF_TWINS: [(&str, f64); 3] =
    [("surname_equal", 0.7), ("surname_alike", 0.15), ("a_word_different", 0.15)];

/// Makes `linkage_date(left, right)` known to DuckDB, by which definite noes compare dates.
///
/// # Errors
/// DuckDB failing.
pub(super) fn register(staging: &Staging) -> Result<()> {
    staging.register_level("linkage_date", levels::date)
}

/// The ladders of an entity, in the order of their names; those without any column are left out.
pub(super) fn ladders(settings: &Dedupe, roles: &Roles) -> Vec<Ladder> {
    let present = settings.compare.iter().filter(|(_, compare)| roles.has_any(&compare.roles));
    present.map(|(name, compare)| ladder(name, compare, settings)).collect()
}

fn ladder(name: &str, compare: &Compare, settings: &Dedupe) -> Ladder {
    let (compared, labels): (Compared, &[&'static str]) = match compare.kind {
        CompareKind::Exact => (levels::exact, &levels::EXACT),
        CompareKind::PersonName => (levels::person, &levels::PERSON),
        CompareKind::Text => (levels::text, &levels::TEXT),
        CompareKind::Code => (levels::code, &levels::CODE),
        CompareKind::Date => (levels::date, &levels::DATE),
        CompareKind::Overlap => (levels::overlap, &levels::OVERLAP),
        CompareKind::Email => (levels::email, &levels::EMAIL),
        CompareKind::Lines => (levels::lines, &levels::LINES),
        CompareKind::Number => (levels::number, &levels::NUMBER),
    };
    debug_assert!(labels.len() <= MOST_LEVELS, "{name} has too many levels");
    let kin = |label: &str| match label {
        _ if compare.shared => Kin::Same,
        "a_part_missing" | "a_word_different" | "surname_alone_known" | "surname_equal" | "surname_alike" => {
            Kin::Common
        }
        _ => Kin::Stranger,
    };
    let levels: Vec<Level> = labels.iter().map(|label| level(label, kin(label), compare)).collect();
    let rarity = compare.term_frequency.then(|| rarity_sql(compare, &levels));
    let personal = !compare.shared && compare.kind != CompareKind::Exact;
    let namesakes = match compare.kind {
        CompareKind::Code => NUMBER_TYPED_FOR_ANOTHER,
        CompareKind::PersonName => NAMED_ALIKE,
        _ => NAMESAKES,
    };
    let columns = columns(compare, settings);
    Ladder { name: name.to_owned(), levels, compared, columns, rarity, personal, namesakes }
}

fn level(label: &'static str, kin: Kin, compare: &Compare) -> Level {
    let is_part = ["surname_alone_known", "given_name_alone_known", "partly_missing"].contains(&label);
    let facts = match compare.kind {
        CompareKind::Exact => 0,
        _ if compare.shared => 0,
        CompareKind::Date | CompareKind::Number => 1,
        _ if is_part => 1,
        _ => 2,
    };
    let twins = match compare.kind {
        _ if compare.shared => Twins::Same,
        CompareKind::Date => Twins::Same,
        CompareKind::PersonName => {
            let share = OF_TWINS.iter().find(|(of, _)| *of == label).map(|(_, share)| *share);
            Twins::Share(share.unwrap_or_default())
        }
        _ => Twins::Stranger,
    };
    Level { label, kin, apart: APART.contains(&label), facts, twins }
}

/// The values of a record; a missing one is an empty text, a list its items with a line feed between them.
fn columns(compare: &Compare, settings: &Dedupe) -> Vec<String> {
    let mut columns = compare.roles.clone();
    if compare.kind == CompareKind::PersonName {
        columns.truncate(2);
        let sounds: Vec<String> = columns.iter().map(|role| sound(role)).collect();
        columns.extend(sounds);
    } else {
        columns.truncate(1);
    }
    let value = |column: &String| {
        let cell = quoted(column);
        match settings.roles.get(column).map(|role| role.read) {
            Some(Read::Phone | Read::Lines) => format!("coalesce(array_to_string({cell}, chr(10)), '')"),
            Some(Read::Number) => format!("coalesce({cell}::varchar, '')"),
            _ => format!("coalesce({cell}, '')"),
        }
    };
    columns.iter().map(value).collect()
}

/// Where names agree, how rare they are; levels are those of a person's name or of a text.
fn rarity_sql(compare: &Compare, levels: &[Level]) -> String {
    let role = compare.roles.first().map(String::as_str).unwrap_or_default();
    let number = |label: &str| levels.iter().position(|level| level.label == label).map_or(99, |at| at + 1);
    let bits = |role: &str| {
        format!("coalesce(least({}, {}), 0)", of(Side::Left, &rarity(role)), of(Side::Right, &rarity(role)))
    };
    if compare.kind != CompareKind::PersonName {
        return format!("case {{level}} when {} then {} else 0 end", number("equal"), bits(role));
    }
    let surname = compare.roles.get(1).map(String::as_str).unwrap_or(role);
    let (given_bits, surname_bits) = (bits(role), bits(surname));
    format!(
        "case when {{level}} = {} then {given_bits} + {surname_bits} when {{level}} in ({}, {}) then {surname_bits} \
         when {{level}} in ({}, {}) then {given_bits} else 0 end",
        number("equal"),
        number("given_name_similar"),
        number("surname_equal"),
        number("surname_similar"),
        number("given_name_equal"),
    )
}
