//! Ladders of comparison levels, as SQL over a left and a right record: the best level first, a missing value none.

use crate::config::{Compare, CompareKind, Dedupe};

use super::record::{Roles, Side, of, rarity, sound};

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
    /// An expression for the level's number: 1 for the best, 0 where a value is missing.
    pub(super) sql: String,
    /// Bits by which agreement on this value counts more than on an average one; 0 where it does not agree.
    pub(super) rarity: Option<String>,
}

/// A level and how two *different* people of one household come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) label: &'static str,
    pub(super) kin: Kin,
    /// The values are different ones, not one value written in two ways.
    pub(super) apart: bool,
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

/// What several levels ask of two values: computed once a pair, before the levels.
#[derive(Debug, Clone, Default)]
pub(super) struct Measures(Vec<String>);

impl Measures {
    /// The column of an expression over `l` and `r`.
    fn column(&mut self, sql: String) -> String {
        let place = self.0.iter().position(|known| *known == sql).unwrap_or_else(|| {
            self.0.push(sql);
            self.0.len() - 1
        });
        format!("measure_{place}")
    }

    /// `, <expression> as measure_0, ...`
    pub(super) fn sql(&self) -> String {
        self.0.iter().enumerate().map(|(place, sql)| format!(", {sql} as measure_{place}")).collect()
    }

    /// Jaro-Winkler similarity, 0 to 1.
    fn similar(&mut self, l: &str, r: &str, least: f64) -> String {
        format!("{} >= {least}", self.column(format!("jaro_winkler_similarity({l}, {r})")))
    }

    /// Damerau-Levenshtein distance, of texts as long as each other in up to two places that differ; 9 is beyond that. The
    /// places that differ are counted in a hundredth of the work.
    fn edits(&mut self, l: &str, r: &str, edits: u8) -> String {
        let distance = format!("damerau_levenshtein({l}, {r})");
        let sql = format!(
            "case when length({l}) = length({r}) then \
               case hamming({l}, {r}) when 0 then 0 when 1 then 1 when 2 then {distance} else 9 end \
             when abs(length({l}) - length({r})) < 3 then {distance} else 9 end"
        );
        format!("{} = {edits}", self.column(sql))
    }
}

struct Step(&'static str, Kin, String);

/// Levels at which values are different ones.
const APART: [&str; 8] = [
    "surname_equal",
    "surname_alike",
    "given_name_equal",
    "given_name_alike",
    "partly_missing",
    "two_figures",
    "same_year_or_day",
    "different",
];

/// The ladders of an entity, in the order of their names; those without any column are left out.
pub(super) fn ladders(settings: &Dedupe, roles: &Roles) -> (Vec<Ladder>, Measures) {
    let mut measures = Measures::default();
    let present = settings.compare.iter().filter(|(_, compare)| roles.has_any(&compare.roles));
    let ladders = present.map(|(name, compare)| ladder(name, compare, &mut measures)).collect();
    (ladders, measures)
}

fn ladder(name: &str, compare: &Compare, measures: &mut Measures) -> Ladder {
    let role = compare.roles.first().map(String::as_str).unwrap_or_default();
    let (missing, steps) = match compare.kind {
        CompareKind::PersonName => {
            person_name(role, compare.roles.get(1).map(String::as_str).unwrap_or(role), measures)
        }
        kind => (either_missing(role), simple(kind, role, measures)),
    };
    let kin = |step: &Step| if compare.shared { Kin::Same } else { step.1 };
    let rest = if compare.shared { Kin::Same } else { Kin::Stranger };
    let all = steps.iter().map(|step| (step.0, kin(step))).chain([("different", rest)]);
    let levels: Vec<Level> =
        all.map(|(label, kin)| Level { label, kin, apart: APART.contains(&label) }).collect();
    debug_assert!(levels.len() <= MOST_LEVELS, "{name} has too many levels");
    let mut sql = format!("case when {missing} then 0");
    for (number, step) in (1..).zip(&steps) {
        sql.push_str(&format!(" when {} then {number}", step.2));
    }
    sql.push_str(&format!(" else {} end", levels.len()));
    let rarity = compare.term_frequency.then(|| rarity_sql(compare, role, &levels));
    Ladder { name: name.to_owned(), levels, sql, rarity }
}

fn either_missing(role: &str) -> String {
    format!("{} is null or {} is null", of(Side::Left, role), of(Side::Right, role))
}

fn simple(kind: CompareKind, role: &str, measures: &mut Measures) -> Vec<Step> {
    let (l, r) = (of(Side::Left, role), of(Side::Right, role));
    let (l, r) = (l.as_str(), r.as_str());
    let equal = Step("equal", Kin::Stranger, format!("{l} = {r}"));
    let step = |label, sql: String| Step(label, Kin::Stranger, sql);
    match kind {
        CompareKind::Exact | CompareKind::PersonName => vec![equal],
        CompareKind::Text => {
            let similar = measures.similar(l, r, 0.92);
            vec![
                equal,
                step(
                    "similar",
                    format!("{similar} or starts_with({l}, {r} || ' ') or starts_with({r}, {l} || ' ')"),
                ),
                step("alike", measures.similar(l, r, 0.82)),
            ]
        }
        CompareKind::Code => vec![
            equal,
            step("one_edit", format!("{} and least(length({l}), length({r})) > 1", measures.edits(l, r, 1))),
            step("two_edits", format!("{} and least(length({l}), length({r})) > 6", measures.edits(l, r, 2))),
        ],
        CompareKind::Date => vec![
            equal,
            step("day_month_swapped", swapped_date(l, r)),
            step("one_edit", measures.edits(l, r, 1)),
            step("two_figures", measures.edits(l, r, 2)),
            step(
                "same_year_or_day",
                format!("left({l}, 4) = left({r}, 4) or substr({l}, 5) = substr({r}, 5)"),
            ),
        ],
        CompareKind::Overlap => vec![
            step("in_common", format!("list_has_any({l}, {r})")),
            step("one_edit", measures.edits(&format!("{l}[1]"), &format!("{r}[1]"), 1)),
        ],
        CompareKind::Email => vec![equal, step("one_edit", one_letter(l, r))],
        CompareKind::Lines => lines(l, r, measures),
        CompareKind::Number => vec![
            equal,
            step("within_1_percent", format!("abs({l} - {r}) <= 0.01 * greatest(abs({l}), abs({r}))")),
            step("within_10_percent", format!("abs({l} - {r}) <= 0.1 * greatest(abs({l}), abs({r}))")),
        ],
    }
}

/// Address lines, which may change places.
fn lines(l: &str, r: &str, measures: &mut Measures) -> Vec<Step> {
    let line = |side: &str, at: u8| format!("{side}[{at}]");
    let equal = |a: u8, b: u8| format!("{} = {}", line(l, a), line(r, b));
    let mut similar = |a: u8, b: u8, least: f64| measures.similar(&line(l, a), &line(r, b), least);
    let step = |label, sql: String| Step(label, Kin::Stranger, sql);
    let alike =
        [similar(1, 1, 0.82), similar(2, 2, 0.9), similar(1, 2, 0.9), similar(2, 1, 0.9)].join(" or ");
    vec![
        step("equal", format!("{} or {}", equal(1, 1), equal(1, 2))),
        step("similar", similar(1, 1, 0.92)),
        step("a_line_equal", format!("{} or {}", equal(2, 2), equal(2, 1))),
        step("alike", alike),
    ]
}

/// An address with one slip of the keyboard, in its letters: a figure tells namesakes apart.
fn one_letter(l: &str, r: &str) -> String {
    let figures = |text: &str| format!("regexp_replace({text}, '[^0-9]', '', 'g')");
    format!(
        "case when abs(length({l}) - length({r})) < 2 and jaro_winkler_similarity({l}, {r}) > 0.9 \
         then damerau_levenshtein({l}, {r}) = 1 and {} = {} else false end",
        figures(l),
        figures(r)
    )
}

/// Given name and surnames as one comparison: they are swapped, and mistyped, together.
fn person_name(given: &str, surname: &str, measures: &mut Measures) -> (String, Vec<Step>) {
    let (lg, rg) = (of(Side::Left, given), of(Side::Right, given));
    let (ls, rs) = (of(Side::Left, surname), of(Side::Right, surname));
    let heard = |role: &str| format!("{} = {}", of(Side::Left, &sound(role)), of(Side::Right, &sound(role)));
    let given_alike = format!(
        "({} or {} or {} or {})",
        part_of(&lg, &rg),
        heard(given),
        initial(&lg, &rg),
        measures.similar(&lg, &rg, 0.85)
    );
    let surname_alike =
        format!("({} or {} or {})", part_of(&ls, &rs), heard(surname), measures.similar(&ls, &rs, 0.85));
    let missing = format!("coalesce({lg}, {ls}) is null or coalesce({rg}, {rs}) is null");
    let given_missing = format!("({lg} is null or {rg} is null)");
    let surname_missing = format!("({ls} is null or {rs} is null)");
    let step = |label, kin, sql: String| Step(label, kin, sql);
    let steps = vec![
        step("equal", Kin::Stranger, format!("{lg} = {rg} and {ls} = {rs}")),
        step("swapped", Kin::Stranger, format!("{lg} = {rs} and {ls} = {rg}")),
        step("given_name_similar", Kin::Stranger, format!("{ls} = {rs} and {given_alike}")),
        step("surname_similar", Kin::Stranger, format!("{lg} = {rg} and {surname_alike}")),
        step(
            "both_similar",
            Kin::Stranger,
            format!(
                "({given_alike} or {}) and ({surname_alike} or {})",
                measures.similar(&lg, &rg, 0.82),
                measures.similar(&ls, &rs, 0.82)
            ),
        ),
        step(
            "swapped_and_similar",
            Kin::Stranger,
            format!("{} and {}", measures.similar(&lg, &rs, 0.82), measures.similar(&ls, &rg, 0.82)),
        ),
        step(
            "surname_alone_known",
            Kin::Common,
            format!(
                "{given_missing} and ({ls} = {rs} or {ls} = {rg} or {lg} = {rs} or {})",
                measures.similar(&ls, &rs, 0.88)
            ),
        ),
        step(
            "given_name_alone_known",
            Kin::Stranger,
            format!(
                "{surname_missing} and ({lg} = {rg} or {ls} = {rg} or {lg} = {rs} or {})",
                measures.similar(&lg, &rg, 0.88)
            ),
        ),
        step("surname_equal", Kin::Common, format!("{ls} = {rs} or {ls} = {rg}")),
        step(
            "surname_alike",
            Kin::Common,
            format!("{} or {}", part_of(&ls, &rs), measures.similar(&ls, &rs, 0.88)),
        ),
        step("given_name_equal", Kin::Stranger, format!("{lg} = {rg} or {lg} = {rs}")),
        step("given_name_alike", Kin::Stranger, measures.similar(&lg, &rg, 0.88)),
        step("partly_missing", Kin::Stranger, format!("{given_missing} or {surname_missing}")),
    ];
    (missing, steps)
}

/// Where names agree, how rare they are; levels are those of [`person_name`] or of a text.
fn rarity_sql(compare: &Compare, role: &str, levels: &[Level]) -> String {
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

/// One name is the beginning, or the end, of the other: `maria` of `maria del carmen`, `garcia` of `garcia lopez`.
fn part_of(l: &str, r: &str) -> String {
    format!(
        "starts_with({l}, {r} || ' ') or starts_with({r}, {l} || ' ') or ends_with({l}, ' ' || {r}) or ends_with({r}, ' ' || {l})"
    )
}

/// One is the other's first letter.
fn initial(l: &str, r: &str) -> String {
    format!("(least(length({l}), length({r})) = 1 and left({l}, 1) = left({r}, 1))")
}

pub(super) fn swapped_date(l: &str, r: &str) -> String {
    format!(
        "left({l}, 4) = left({r}, 4) and substr({l}, 5, 2) = substr({r}, 7, 2) and substr({l}, 7, 2) = substr({r}, 5, 2)"
    )
}
