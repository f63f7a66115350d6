//! Which values of a column may stand as they are: few, each in several rows, and nothing that looks like a person.

use std::collections::BTreeSet;

use anyhow::Result;

use super::mask;
use crate::model::document::is_called_key;
use crate::model::ident::{literal, quoted};
use crate::staging::Staging;

/// Distinct values that a column of codes may have.
pub(super) const FEW: usize = 20;

/// Rows that have a value which is kept, at least: what fewer have may be known by it.
pub(super) const ROWS: u64 = 3;

/// What columns about people are called, in part or (up to three letters) as a word of the name.
const PERSONAL: [&str; 58] = [
    "name",
    "nombre",
    "apell",
    "surname",
    "first",
    "last",
    "middle",
    "maiden",
    "alias",
    "paciente",
    "patient",
    "client",
    "titular",
    "madre",
    "mother",
    "padre",
    "father",
    "tutor",
    "guardian",
    "contact",
    "dni",
    "nif",
    "nie",
    "nss",
    "ssn",
    "rut",
    "curp",
    "cedula",
    "passport",
    "pasaporte",
    "license",
    "mail",
    "correo",
    "tel",
    "movil",
    "celular",
    "phone",
    "mobile",
    "fax",
    "direc",
    "address",
    "calle",
    "street",
    "domicilio",
    "nacim",
    "birth",
    "medic",
    "doctor",
    "profesional",
    "practitioner",
    "usuario",
    "user",
    "emplead",
    "staff",
    "iban",
    "nota",
    "observ",
    "coment",
];

/// What was found out about a column.
#[derive(Debug, Default)]
pub(super) struct Column {
    /// Values that stand as they are.
    pub(super) kept: BTreeSet<String>,
    /// It has few values, and looks like a person.
    pub(super) person: bool,
    /// Its dates begin with the month.
    pub(super) month_first: bool,
}

pub(super) fn look(staging: &Staging, source: &str, names: &[String]) -> Result<Vec<Column>> {
    let people: Vec<&String> = names.iter().filter(|name| is_personal(name)).collect();
    names.iter().map(|name| look_at(staging, source, name, &people)).collect()
}

fn look_at(staging: &Staging, source: &str, name: &str, people: &[&String]) -> Result<Column> {
    let (table, cell) = (format!("raw.{}", quoted(source)), format!("{}::varchar", quoted(name)));
    let month_first: bool = staging.value(&format!(
        "select coalesce(bool_or(try_cast(regexp_extract({cell}, '^(\\d{{1,2}})([-/.])(\\d{{1,2}})[-/.]\\d+', 3) as integer) > 12), false) from {table}"
    ))?;
    let mut column = Column { month_first, ..Column::default() };
    let values: Vec<(String, u64)> = staging.rows(
        &format!(
            "select {cell}, count(*)::ubigint from {table} where {cell} <> '' group by 1 order by 2 desc, 1 limit {}",
            FEW + 1
        ),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let often: BTreeSet<String> =
        values.iter().filter(|(_, rows)| *rows >= ROWS).map(|(value, _)| value.clone()).collect();
    // What names records of another source is replaced there too.
    if values.len() > FEW || often.is_empty() || is_called_key(name) {
        return Ok(column);
    }
    column.person = is_personal(name)
        || values.iter().any(|(value, _)| is_person(value, month_first))
        || named_elsewhere(staging, &table, name, &values, people)?;
    if !column.person {
        column.kept = often;
    }
    Ok(column)
}

/// Whether a column is about people by its name.
pub(super) fn is_personal(name: &str) -> bool {
    let name: String = name.to_lowercase().chars().map(unaccented).collect();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphabetic()).collect();
    let personal = |part: &&str| if part.len() > 3 { name.contains(*part) } else { words.contains(part) };
    PERSONAL.iter().any(personal)
}

/// Whether a value could be a person's: an address, a number, a date, two names.
pub(super) fn is_person(value: &str, month_first: bool) -> bool {
    let capitals = value.split_whitespace().filter(|word| {
        let mut letters = word.chars().filter(|c| c.is_alphabetic());
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_some()
    });
    value.contains('@')
        || value.chars().filter(char::is_ascii_digit).count() >= 5
        || mask::shifted(value, 1, month_first).is_some()
        || capitals.count() >= 2
}

/// Whether a word of the values stands in a column about people too.
fn named_elsewhere(
    staging: &Staging,
    table: &str,
    name: &str,
    values: &[(String, u64)],
    people: &[&String],
) -> Result<bool> {
    let words = values.iter().flat_map(|(value, _)| value.split(|c: char| !c.is_alphabetic()));
    let words: BTreeSet<String> =
        words.filter(|word| word.chars().count() >= 3).map(str::to_lowercase).collect();
    let mut statement = String::new();
    for column in people.iter().filter(|column| **column != name) {
        let list = words.iter().map(|word| literal(word)).collect::<Vec<_>>().join(", ");
        statement.push_str(if statement.is_empty() { "" } else { " or " });
        statement.push_str(&format!(
            "list_has_any(regexp_split_to_array(lower({}::varchar), '[^\\p{{L}}]+'), [{list}]::varchar[])",
            quoted(column)
        ));
    }
    if words.is_empty() || statement.is_empty() {
        return Ok(false);
    }
    // Through the connection: the log of statements holds no value.
    staging
        .connection()
        .query_row(&format!("select coalesce(bool_or({statement}), false) from {table}"), [], |row| {
            row.get(0)
        })
        .map_err(crate::error::duckdb)
}

fn unaccented(c: char) -> char {
    match c {
        'á' | 'à' => 'a',
        'é' | 'è' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_person_does() {
        for name in ["Nombre", "apellido_1", "Móvil", "TEL2", "patient_id", "dni", "e-mail", "Dirección"] {
            assert!(is_personal(name), "{name}");
        }
        for name in ["status", "hotel", "species", "funnier", "total", "sexo"] {
            assert!(!is_personal(name), "{name}");
        }
        for value in ["Ana Gil", "ana@x.es", "600123456", "03/05/1981", "ANA GIL"] {
            assert!(is_person(value, false), "{value}");
        }
        for value in ["Mujer", "DONE", "A 1", "not yet paid", "12.50"] {
            assert!(!is_person(value, false), "{value}");
        }
    }
}
