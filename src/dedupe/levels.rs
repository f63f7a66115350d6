//! At which level two values agree: 1 for the best, 0 where one is missing.
//!
//! Values are as records have them: plain letters, lower case, no accents; an empty text is a missing value, and a list is
//! its items with a line feed between them.

use std::cell::OnceCell;
use std::cmp::Ordering;

/// What a function compares: its arguments are the values of the left record, then those of the right one.
pub(super) type Compared = fn(&[&str]) -> u8;

pub(super) const EXACT: [&str; 2] = ["equal", "different"];
pub(super) const TEXT: [&str; 4] = ["equal", "similar", "alike", "different"];
pub(super) const CODE: [&str; 4] = ["equal", "one_edit", "two_edits", "different"];
pub(super) const DATE: [&str; 6] =
    ["equal", "day_month_swapped", "one_edit", "two_figures", "same_year_or_day", "different"];
pub(super) const OVERLAP: [&str; 3] = ["in_common", "one_edit", "different"];
pub(super) const EMAIL: [&str; 3] = ["equal", "one_edit", "different"];
pub(super) const LINES: [&str; 5] = ["equal", "similar", "a_line_equal", "alike", "different"];
pub(super) const NUMBER: [&str; 4] = ["equal", "within_1_percent", "within_10_percent", "different"];
pub(super) const PERSON: [&str; 15] = [
    "equal",
    "swapped",
    "given_name_similar",
    "surname_similar",
    "both_similar",
    "a_part_missing",
    "a_word_different",
    "surname_alone_known",
    "given_name_alone_known",
    "surname_equal",
    "surname_alike",
    "given_name_equal",
    "given_name_alike",
    "partly_missing",
    "different",
];

/// The number of the first level that holds, or of the one after all of them.
fn first(levels: &[&dyn Fn() -> bool]) -> u8 {
    let place = levels.iter().position(|holds| holds()).unwrap_or(levels.len());
    u8::try_from(place + 1).unwrap_or(u8::MAX)
}

fn both<'a>(values: &[&'a str]) -> Option<(&'a str, &'a str)> {
    match values {
        [l, r] if !l.is_empty() && !r.is_empty() => Some((l, r)),
        _ => None,
    }
}

pub(super) fn exact(values: &[&str]) -> u8 {
    both(values).map_or(0, |(l, r)| if l == r { 1 } else { 2 })
}

pub(super) fn text(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    first(&[&|| l == r, &|| begins(l, r) || begins(r, l) || similar(l, r, 0.92), &|| similar(l, r, 0.82)])
}

pub(super) fn code(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    let shorter = l.len().min(r.len());
    match edits(l, r) {
        0 => 1,
        1 if shorter > 1 => 2,
        2 if shorter > 6 => 3,
        _ => 4,
    }
}

/// `yyyymmdd`.
pub(super) fn date(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    if l == r {
        return 1;
    }
    let year = l.get(..4) == r.get(..4);
    if year && l.get(4..6) == r.get(6..8) && l.get(6..8) == r.get(4..6) {
        return 2;
    }
    match edits(l, r) {
        1 => 3,
        2 => 4,
        _ if year || l.get(4..) == r.get(4..) => 5,
        _ => 6,
    }
}

pub(super) fn overlap(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    first(&[&|| l.split('\n').any(|item| r.split('\n').any(|other| item == other)), &|| {
        edits(line(l, 0), line(r, 0)) == 1
    }])
}

/// One slip of the keyboard in the letters of an address; a figure tells namesakes apart.
pub(super) fn email(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    let figures = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    first(&[&|| l == r, &|| edits(l, r) == 1 && figures(l) == figures(r)])
}

/// Address lines, which may change places.
pub(super) fn lines(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    let (l1, l2, r1, r2) = (line(l, 0), line(l, 1), line(r, 0), line(r, 1));
    let equal = |a: &str, b: &str| !a.is_empty() && a == b;
    let firsts = Similarity::new(l1, r1);
    first(&[
        &|| equal(l1, r1) || equal(l1, r2),
        &|| firsts.reaches(0.92),
        &|| equal(l2, r2) || equal(l2, r1),
        &|| firsts.reaches(0.82) || [(l2, r2), (l1, r2), (l2, r1)].iter().any(|(a, b)| similar(a, b, 0.9)),
    ])
}

fn line(text: &str, place: usize) -> &str {
    text.split('\n').nth(place).unwrap_or_default()
}

pub(super) fn number(values: &[&str]) -> u8 {
    let Some((l, r)) = both(values) else { return 0 };
    let (Ok(l), Ok(r)) = (l.parse::<f64>(), r.parse::<f64>()) else { return 0 };
    let apart = (l - r).abs();
    let most = l.abs().max(r.abs());
    first(&[&|| l.total_cmp(&r) == Ordering::Equal, &|| apart <= 0.01 * most, &|| apart <= 0.1 * most])
}

/// Given name and surnames together, since they are swapped, and mistyped, together: given name, surname and the sound of
/// each, of both sides.
pub(super) fn person(values: &[&str]) -> u8 {
    let &[lg, ls, lg_sound, ls_sound, rg, rs, rg_sound, rs_sound] = values else { return 0 };
    if lg.is_empty() && ls.is_empty() || rg.is_empty() && rs.is_empty() {
        return 0;
    }
    let equal = |a: &str, b: &str| !a.is_empty() && a == b;
    let given_missing = lg.is_empty() || rg.is_empty();
    let surname_missing = ls.is_empty() || rs.is_empty();
    let given = Names::new(lg, rg);
    let surname = Names::new(ls, rs);
    let given_alike = |least| equal(lg_sound, rg_sound) || given.compare(least) == Words::Alike;
    let surname_alike = |least| equal(ls_sound, rs_sound) || surname.compare(least) == Words::Alike;
    let given_fits = |least| given_alike(least) || given.compare(least) == Words::Part;
    let surname_fits = |least| surname_alike(least) || surname.compare(least) == Words::Part;
    let swapped = || similar(lg, rs, 0.82) && similar(ls, rg, 0.82);
    first(&[
        &|| equal(lg, rg) && equal(ls, rs),
        &|| equal(lg, rs) && equal(ls, rg),
        &|| equal(ls, rs) && given_alike(0.85),
        &|| equal(lg, rg) && surname_alike(0.85),
        &|| given_alike(LOOSELY) && surname_alike(LOOSELY) || swapped(),
        &|| given_fits(LOOSELY) && surname_fits(LOOSELY),
        &|| given_fits(LOOSELY) && surname.is_mixed() || given.is_mixed() && surname_fits(LOOSELY),
        &|| given_missing && (surname_fits(0.88) || equal(ls, rg) || equal(lg, rs)),
        &|| surname_missing && (given_fits(0.88) || equal(ls, rg) || equal(lg, rs)),
        // Of names that are swapped, it is the surname that a household has in common.
        &|| equal(ls, rs) || equal(ls, rg) || equal(lg, rs),
        &|| surname_fits(0.88) || surname.is_mixed(),
        &|| equal(lg, rg),
        &|| given_fits(0.88),
        &|| given_missing || surname_missing,
    ])
}

/// The similarity from which on words may be one at any level of a name.
const LOOSELY: f64 = 0.82;

/// How the words of two names compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Every word of one is one of the other: `ma carmen` and `maria del carmen`.
    Alike,
    /// Every word of the shorter one is in the other: `garcia` of `garcia lopez`.
    Part,
    /// Both have a word in common, and one that the other has not: a brother's name, a father's surnames.
    Mixed,
    Apart,
}

/// Two names of one or more words each.
struct Names<'a> {
    l: &'a str,
    r: &'a str,
    whole: Similarity<'a>,
    loosely: OnceCell<Words>,
}

impl<'a> Names<'a> {
    fn new(l: &'a str, r: &'a str) -> Self {
        Self { l, r, whole: Similarity::new(l, r), loosely: OnceCell::new() }
    }

    fn is_mixed(&self) -> bool {
        self.compare(LOOSELY) == Words::Mixed
    }

    /// Compares them word by word, in any order; words are one from this similarity on, [`LOOSELY`] or more. What is apart
    /// loosely, as most names are, is so strictly.
    fn compare(&self, least: f64) -> Words {
        let loosely = *self.loosely.get_or_init(|| self.by_word(LOOSELY));
        if loosely == Words::Apart || least <= LOOSELY { loosely } else { self.by_word(least) }
    }

    fn by_word(&self, least: f64) -> Words {
        let (l, r) = (self.l, self.r);
        if l.is_empty() || r.is_empty() {
            return Words::Apart;
        }
        if !l.contains(' ') && !r.contains(' ') {
            let alike = abbreviates(l, r) || self.whole.reaches(least);
            return if alike { Words::Alike } else { Words::Apart };
        }
        let (mut fewer, mut more) = (words(l), words(r));
        if fewer.len() > more.len() {
            std::mem::swap(&mut fewer, &mut more);
        }
        let (count, is_part) = (fewer.len(), fewer.len() < more.len());
        // Missing and mistyped at once is more than one name may be, or `marta` would be a part of `maria jose`.
        let least = if is_part { 0.92 } else { least };
        let paired = fewer.iter().filter(|word| {
            let one = |other: &&str| abbreviates(word, other) || similar(word, other, least);
            let place = more.iter().position(|other| other == *word).or_else(|| more.iter().position(one));
            place.map(|place| more.swap_remove(place)).is_some()
        });
        match paired.count() {
            // One name with a space in it that the other has elsewhere, or has not.
            _ if is_one_without_spaces(l, r) => Words::Alike,
            all if all == count && is_part => Words::Part,
            all if all == count => Words::Alike,
            0 => Words::Apart,
            _ => Words::Mixed,
        }
    }
}

/// Whether two names are one but for spaces and a slip.
fn is_one_without_spaces(l: &str, r: &str) -> bool {
    let letters = |name: &str| name.bytes().filter(|byte| *byte != b' ').count();
    letters(l).abs_diff(letters(r)) < 2 && edits(&l.replace(' ', ""), &r.replace(' ', "")) < 2
}

/// The words of a name but for those that names do without.
fn words(name: &str) -> Vec<&str> {
    const LINKS: [&str; 9] = ["de", "del", "la", "las", "los", "y", "da", "do", "dos"];
    let all = || name.split(' ');
    let found: Vec<&str> = all().filter(|word| !LINKS.contains(word)).collect();
    if found.is_empty() { all().collect() } else { found }
}

/// One is a short form of the other: its first letter or two, or consonants only (`frnc`).
fn abbreviates(l: &str, r: &str) -> bool {
    let (short, long) = if l.len() < r.len() { (l, r) } else { (r, l) };
    let is_short = short.chars().count() < 3 || !short.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    is_short && short.len() < long.len() && short.chars().next() == long.chars().next()
}

/// Whether whole words of a text are its beginning.
fn begins(whole: &str, part: &str) -> bool {
    !part.is_empty() && whole.strip_prefix(part).is_some_and(|rest| rest.starts_with(' '))
}

/// The Jaro-Winkler similarity (Winkler, 1990) of two texts, computed when it is first asked for, and only where it may
/// reach what is asked: most pairs cannot, as the letters that they have in common tell.
struct Similarity<'a> {
    l: &'a str,
    r: &'a str,
    most: OnceCell<f64>,
    exact: OnceCell<f64>,
}

impl<'a> Similarity<'a> {
    fn new(l: &'a str, r: &'a str) -> Self {
        Self { l, r, most: OnceCell::new(), exact: OnceCell::new() }
    }

    fn reaches(&self, least: f64) -> bool {
        let (l, r) = (self.l, self.r);
        !l.is_empty()
            && !r.is_empty()
            && *self.most.get_or_init(|| most_similar(l, r)) >= least
            && *self.exact.get_or_init(|| strsim::jaro_winkler(l, r)) >= least
    }
}

fn similar(l: &str, r: &str, least: f64) -> bool {
    Similarity::new(l, r).reaches(least)
}

/// What the Jaro-Winkler similarity of two texts cannot exceed: every common letter matched, none out of place.
#[expect(clippy::cast_precision_loss, reason = "lengths of names")]
fn most_similar(l: &str, r: &str) -> f64 {
    let (l, r) = (l.as_bytes(), r.as_bytes());
    let mut counts = [0_i32; 64];
    for byte in l {
        counts[usize::from(byte & 63)] += 1;
    }
    let mut common = 0_usize;
    for byte in r {
        let count = &mut counts[usize::from(byte & 63)];
        common += usize::from(*count > 0);
        *count -= 1;
    }
    let prefix = l.iter().zip(r).take(4).take_while(|(a, b)| a == b).count();
    let jaro = (common as f64 / l.len() as f64 + common as f64 / r.len() as f64 + 1.0) / 3.0;
    // Of letters beyond ASCII, bytes are not characters.
    if l.is_ascii() && r.is_ascii() { jaro + 0.1 * prefix as f64 * (1.0 - jaro) } else { 1.0 }
}

/// Edits (insertion, deletion, substitution, transposition of neighbours) between two texts: 0, 1, 2, or 3 for more. Of
/// two edits far from each other, only substitutions are seen as two.
fn edits(l: &str, r: &str) -> usize {
    let (a, b) = (l.as_bytes(), r.as_bytes());
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let begin = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[begin..], &b[begin..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    match (a, b) {
        ([], rest) | (rest, []) => rest.len().min(3),
        ([_], [_]) => 1,
        ([x, y], [z, w]) if x == w && y == z => 1,
        // Both ends differ: what stands between them must not.
        ([_, inner @ .., _], [_, other @ .., _]) if a.len() == b.len() && inner == other => 2,
        // A few letters, each told by its byte.
        (a, b) if a.len().max(b.len()) < 4 => {
            let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
            strsim::osa_distance(&text(a), &text(b)).min(3)
        }
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(level: u8, names: &[&'static str]) -> &'static str {
        usize::from(level).checked_sub(1).map_or("missing", |slot| names[slot])
    }

    #[test]
    fn dates_have_their_levels() {
        for (l, r, level) in [
            ("19800211", "19800211", "equal"),
            ("19800211", "19801102", "day_month_swapped"),
            ("19800211", "19800212", "one_edit"),
            ("19800211", "19080211", "one_edit"),
            ("19800211", "19850221", "two_figures"),
            ("19800211", "19801230", "same_year_or_day"),
            ("19800211", "20130211", "same_year_or_day"),
            ("19800211", "20131230", "different"),
            ("19800211", "", "missing"),
        ] {
            assert_eq!(name(date(&[l, r]), &DATE), level, "{l} {r}");
            assert_eq!(date(&[l, r]), date(&[r, l]));
        }
    }

    #[test]
    fn names_have_their_levels() {
        let of = |l: (&str, &str), r: (&str, &str)| {
            // The sounds of these names are their spellings.
            let values = [l.0, l.1, l.0, l.1, r.0, r.1, r.0, r.1];
            name(person(&values), &PERSON)
        };
        for (l, r, level) in [
            (("ana", "gil"), ("ana", "gil"), "equal"),
            (("ana", "gil"), ("gil", "ana"), "swapped"),
            (("maria", "gil ruiz"), ("maria del mar", "gil ruiz"), "a_part_missing"),
            (("m", "gil"), ("maria", "gil"), "given_name_similar"),
            (("ana", "garcia lopez"), ("ana", "garcia"), "a_part_missing"),
            (("fernando", "garcia"), ("fernanda", "gracia"), "both_similar"),
            (("fernando", "garcia"), ("gracia", "fernandp"), "both_similar"),
            (("ma carmen", "ruiz gil"), ("maria del carmen", "ruiz gil"), "given_name_similar"),
            (("ana", "garcia lopez"), ("ana", "lopez garcia"), "surname_similar"),
            (("annmarie", "ruiz"), ("ann marie", "ruiz"), "given_name_similar"),
            (("frnc javier", "ruiz"), ("francisco javier", "ruiz"), "given_name_similar"),
            (("marta", "ruiz gil"), ("maria jose", "ruiz gil"), "surname_equal"),
            (("juan jose", "jimenez herrero"), ("juan jose", "jimenez cabrera"), "a_word_different"),
            (("maria luisa", "vazquez ospina"), ("maria teresa", "vazquez ospina"), "a_word_different"),
            (("jose luis", "lopez vazquez"), ("jose antonio", "lopez santos"), "surname_alike"),
            (("ruiz", "ana"), ("luis", "ruiz"), "surname_equal"),
            (("luis", "ruiz"), ("ruiz", "ana"), "surname_equal"),
            (("", "garcia"), ("ana", "garcia"), "surname_alone_known"),
            (("ana", ""), ("ana", "garcia"), "given_name_alone_known"),
            (("luis", "garcia"), ("ana", "garcia"), "surname_equal"),
            (("luis", "garcia"), ("ana", "gracia"), "surname_alike"),
            (("ana", "ruiz"), ("ana", "obregon"), "given_name_equal"),
            (("fernando", "ruiz"), ("fernanda", "obregon"), "given_name_alike"),
            (("ana", ""), ("luis", "obregon"), "partly_missing"),
            (("ana", "ruiz"), ("luis", "obregon"), "different"),
            (("", ""), ("luis", "obregon"), "missing"),
        ] {
            assert_eq!(of(l, r), level, "{l:?} {r:?}");
        }
    }

    #[test]
    fn other_values_have_their_levels() {
        let cases: [(Compared, &[&'static str], &str, &str, &str); 20] = [
            (exact, &EXACT, "f", "f", "equal"),
            (exact, &EXACT, "f", "m", "different"),
            (text, &TEXT, "madrid", "madrid centro", "similar"),
            (text, &TEXT, "queenscliff", "queencsliff", "similar"),
            (text, &TEXT, "madrid", "huesca", "different"),
            (code, &CODE, "28001", "28010", "one_edit"),
            (code, &CODE, "28001", "2801", "one_edit"),
            (code, &CODE, "28001", "28912", "different"),
            (code, &CODE, "12345678Z", "12345679X", "two_edits"),
            (code, &CODE, "7", "8", "different"),
            (overlap, &OVERLAP, "600\n611", "611\n622", "in_common"),
            (overlap, &OVERLAP, "600123456", "600123465", "one_edit"),
            (email, &EMAIL, "ana@x.es", "amna@x.es", "one_edit"),
            (email, &EMAIL, "ana1@x.es", "ana2@x.es", "different"),
            (lines, &LINES, "calle a\npiso 2", "piso 2\ncalle a", "equal"),
            (lines, &LINES, "calle mayor 5\nel sol", "zzz\nel sol", "a_line_equal"),
            (lines, &LINES, "calle mayor 5", "avenida norte", "different"),
            (number, &NUMBER, "10.0", "10", "equal"),
            (number, &NUMBER, "100", "100.5", "within_1_percent"),
            (number, &NUMBER, "100", "109", "within_10_percent"),
        ];
        for (compared, names, l, r, level) in cases {
            assert_eq!(name(compared(&[l, r]), names), level, "{l} {r}");
        }
    }

    proptest! {
        #[test]
        fn the_quick_bounds_change_nothing(l in "[a-d ñ]{0,12}", r in "[a-d ñ]{0,12}") {
            if !l.is_empty() && !r.is_empty() {
                prop_assert!(most_similar(&l, &r) >= strsim::jaro_winkler(&l, &r) - 1e-12);
            }
            if l.is_ascii() && r.is_ascii() {
                let exact = strsim::osa_distance(&l, &r).min(3);
                let quick = edits(&l, &r);
                prop_assert!(quick == exact || quick == 3 && exact == 2, "{quick} {exact}");
            }
        }
    }
}
