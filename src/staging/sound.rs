//! How names sound in Spanish, for spellings of one name to meet: `sound` and `skeleton`.

use anyhow::Result;
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, Inserter as _, LogicalTypeId};
use duckdb::ffi::duckdb_string_t;
use duckdb::types::DuckString;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;

use super::functions::{Invoked, value};
use crate::error;

/// Registers both functions.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.register_scalar_function::<Sound>("sound").map_err(error::duckdb)?;
    connection.register_scalar_function::<Skeleton>("skeleton").map_err(error::duckdb)
}

/// `sound(name)`: the phonetic form.
#[derive(Default)]
struct Sound;

/// `skeleton(name)`: the beginning of the sound without vowels.
#[derive(Default)]
struct Skeleton;

impl VScalar for Sound {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        each(input, output, sound)
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        text_to_text()
    }
}

impl VScalar for Skeleton {
    type State = ();

    fn invoke((): &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Invoked {
        each(input, output, skeleton)
    }

    fn signatures() -> Vec<ScalarFunctionSignature> {
        text_to_text()
    }
}

fn text_to_text() -> Vec<ScalarFunctionSignature> {
    vec![ScalarFunctionSignature::exact(vec![LogicalTypeId::Varchar.into()], LogicalTypeId::Varchar.into())]
}

fn each(input: &DataChunkHandle, output: &mut dyn WritableVector, of: fn(&str) -> String) -> Invoked {
    let texts = input.flat_vector(0);
    let mut out = output.flat_vector();
    for row in 0..input.len() {
        if texts.row_is_null(row as u64) {
            out.set_null(row);
        } else {
            out.insert(
                row,
                of(&DuckString::new(&mut value::<duckdb_string_t>(&texts, row)).as_str()).as_str(),
            );
        }
    }
    Ok(())
}

/// The phonetic form: b and v alike, c as k or s, g as j before e and i, h silent, ll as y and i, z and x as s, double
/// letters once; blanks stay.
fn sound(text: &str) -> String {
    let letters: Vec<char> = text.chars().flat_map(char::to_lowercase).map(without_accent).collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let after = letters.get(at + 2).copied().unwrap_or(' ');
        let (heard, width) = match (letter, next) {
            ('p', 'h') => (Some('f'), 2),
            // One letter that no name is written with.
            ('c', 'h') => (Some('ç'), 2),
            ('l', 'l') => (Some('i'), 2),
            ('q', 'u') | ('c', 'k') => (Some('k'), 2),
            ('g', 'u') if matches!(after, 'e' | 'i') => (Some('g'), 2),
            ('c', 'e' | 'i') | ('z' | 'x', _) => (Some('s'), 1),
            ('g', 'e' | 'i') => (Some('j'), 1),
            ('c' | 'q', _) => (Some('k'), 1),
            ('v' | 'w', _) => (Some('b'), 1),
            ('y', _) => (Some('i'), 1),
            ('h', _) => (None, 1),
            (letter, _) => (Some(*letter), 1),
        };
        if let Some(heard) = heard.filter(|heard| *heard == ' ' || !out.ends_with(*heard)) {
            out.push(heard);
        }
        at += width;
    }
    out
}

/// First letter and consonants of the sound, four at most: what a slip in a vowel or at the end leaves alone.
fn skeleton(text: &str) -> String {
    let heard = sound(text);
    let consonant = |letter: &char| !matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | ' ');
    heard.chars().take(1).chain(heard.chars().skip(1).filter(consonant)).take(4).collect()
}

fn without_accent(letter: char) -> char {
    match letter {
        'á' | 'à' | 'â' | 'ä' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 's',
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_sound_alike() {
        for (one, other) in [
            ("jimenez", "gimenes"),
            ("hernandez", "Ernández"),
            ("quijano", "kijano"),
            ("llorente", "yorente"),
            ("vazquez", "basquez"),
            ("cecilia", "sesilia"),
            ("guillermo", "Guiyermo"),
            ("chavez", "chabes"),
            ("marrero", "marero"),
        ] {
            assert_eq!(sound(one), sound(other), "{one} {other}");
        }
        for (one, other) in
            [("garcia", "gracia"), ("chavez", "kavez"), ("gil", "guil"), ("jose maria", "josemaria")]
        {
            assert_ne!(sound(one), sound(other), "{one} {other}");
        }
    }

    #[test]
    fn a_skeleton_survives_a_slip_in_a_vowel_and_at_the_end() {
        assert_eq!(
            [skeleton("fernandez"), skeleton("fernondes"), skeleton("fernanda")],
            ["frnn", "frnn", "frnn"]
        );
        assert_eq!([skeleton("ana"), skeleton(""), skeleton("de la o")], ["an", "", "dl"]);
    }
}
