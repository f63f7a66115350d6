//! Sets of people that are made up, so that the truth about them is known.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Site, number};

const GIVEN: [&str; 24] = [
    "Ana", "Luis", "María", "Carmen", "José", "Pedro", "Lucía", "Marta", "Sergio", "Elena", "Raúl", "Irene",
    "Pablo", "Nuria", "Hugo", "Sara", "Óscar", "Julia", "Iván", "Clara", "Diego", "Rosa", "Adrián", "Teresa",
];
const SURNAMES: [&str; 24] = [
    "García", "López", "Ruiz", "Sánchez", "Núñez", "Ortega", "Vidal", "Castro", "Romero", "Iglesias", "Peña",
    "Molina", "Serrano", "Blanco", "Suárez", "Delgado", "Cano", "Prieto", "Herrera", "Crespo", "Pascual",
    "Rojas", "Lozano", "Bravo",
];

/// Somebody, as cells of one row.
fn somebody(random: &mut ChaCha8Rng) -> BTreeMap<&'static str, String> {
    let mut pick = |of: &[&str]| of[random.random_range(0..of.len())].to_owned();
    let (given, one, two) = (pick(&GIVEN), pick(&SURNAMES), pick(&SURNAMES));
    let born = format!(
        "{}-{:02}-{:02}",
        random.random_range(1930..2015),
        random.random_range(1..13),
        random.random_range(1..29)
    );
    let phone = format!("6{:08}", random.random_range(0..100_000_000));
    let city = ["Vigo", "Lugo", "Ourense", "Pontevedra", "Ferrol"][random.random_range(0..5)];
    let postal_code = format!("{}", random.random_range(15001..36999));
    let cells = [
        ("given_name", given),
        ("surname", format!("{one} {two}")),
        ("birth_date", born),
        ("phone", phone),
        ("city", city.to_owned()),
        ("postal_code", postal_code),
    ];
    cells.into_iter().collect()
}

/// The same person typed again: a cell missing, another mistyped, names or day and month swapped.
fn again(random: &mut ChaCha8Rng, person: &BTreeMap<&'static str, String>) -> BTreeMap<&'static str, String> {
    let mut cells = person.clone();
    let take =
        |cells: &mut BTreeMap<&'static str, String>, name: &str| cells.get(name).cloned().unwrap_or_default();
    match random.random_range(0..4) {
        0 => {
            let (given, surname) = (take(&mut cells, "given_name"), take(&mut cells, "surname"));
            cells.insert("given_name", surname);
            cells.insert("surname", given);
        }
        1 => {
            let born = take(&mut cells, "birth_date");
            cells.insert("birth_date", format!("{}-{}-{}", &born[..4], &born[8..], &born[5..7]));
        }
        2 => {
            let mut letters: Vec<char> = take(&mut cells, "surname").chars().collect();
            let at = random.random_range(1..letters.len() - 1);
            letters.swap(at, at + 1);
            cells.insert("surname", letters.into_iter().collect());
        }
        _ => {}
    }
    let gone = ["phone", "city", "postal_code", "birth_date"][random.random_range(0..4)];
    cells.insert(gone, String::new());
    cells
}

/// A set in which a share of records are somebody's second one; its CSV and its true pairs.
fn generated(seed: u64, people: usize, twice: f64) -> (String, String) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut csv, mut truth) =
        ("id,birth_date,city,given_name,phone,postal_code,surname\n".to_owned(), "a,b\n".to_owned());
    let row = |csv: &mut String, id: &str, cells: &BTreeMap<&str, String>| {
        let cells: Vec<&str> = cells.values().map(String::as_str).collect();
        writeln!(csv, "{id},{}", cells.join(",")).unwrap();
    };
    for number in 0..people {
        let person = somebody(&mut random);
        row(&mut csv, &format!("{number}a"), &person);
        if random.random_bool(twice) {
            row(&mut csv, &format!("{number}b"), &again(&mut random, &person));
            writeln!(truth, "{number}b,{number}a").unwrap();
        }
    }
    (csv, truth)
}

#[test]
fn generated_sets_hold_their_bars_with_half_duplicates_few_and_none() {
    let site = Site::new();
    for (name, seed, people, twice) in [("half", 1, 400, 1.0), ("some", 2, 600, 0.1), ("none", 3, 1000, 0.0)]
    {
        let (csv, pairs) = generated(seed, people, twice);
        site.link(name, &csv);
        if twice > 0.0 {
            let truth = site.0.write(&format!("{name}.csv"), &pairs);
            let found = site.evaluate(name, &truth);
            assert!(
                number(&found, "precision") >= 0.99 && number(&found, "recall") >= 0.95,
                "{name}: {found}"
            );
        } else {
            let clusters = site.json(&["dedupe", name])["clusters"]["clusters"].as_u64().unwrap();
            assert_eq!(clusters, 0, "false pairs in a set without duplicates");
        }
    }
}

#[test]
fn twins_are_no_one_person_where_nobody_else_shares_a_household() {
    let site = Site::new();
    let (mut csv, truth) = generated(4, 600, 0.2);
    let mut twins = 0;
    for line in csv.clone().lines().skip(1).filter(|line| line.split(',').next().unwrap().ends_with("0a")) {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        // Of another first letter, so that it is no other spelling.
        let name = GIVEN.iter().find(|name| name.chars().next() != cells[3].chars().next()).unwrap();
        (cells[0], cells[3]) = (format!("{twins}twin"), (*name).to_owned());
        twins += 1;
        writeln!(csv, "{}", cells.join(",")).unwrap();
    }
    site.link("twins", &csv);
    let found = site.evaluate("twins", &site.0.write("truth.csv", &truth));
    assert!(twins > 50 && number(&found, "precision") >= 0.99, "{found}");
    assert!(number(&found, "recall") >= 0.95, "{found}");
}

#[test]
fn fillers_make_nobody_one_person() {
    let site = Site::new();
    let (mut csv, truth) = (
        "id,birth_date,city,given_name,phone,postal_code,surname,email\n".to_owned(),
        generated(6, 600, 0.2),
    );
    for (place, line) in truth.0.lines().skip(1).enumerate() {
        let mut cells: Vec<&str> = line.split(',').collect();
        if place % 3 == 0 {
            (cells[1], cells[3], cells[4], cells[6]) = ("1900-01-01", "No", "000000000", "consta");
        }
        writeln!(csv, "{},{}", cells.join(","), if place % 3 == 0 { "no@tiene.es" } else { "" }).unwrap();
    }
    site.link("fillers", &csv);
    let found = site.evaluate("fillers", &site.0.write("truth.csv", &truth.1));
    assert!(number(&found, "precision") >= 0.99, "{found}");
    assert!(
        number(&found, "recall") >= 0.4,
        "two thirds of the records, 4 of 9 pairs, still say who they are: {found}"
    );
}
