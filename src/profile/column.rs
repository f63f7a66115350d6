//! One column: what it seems to hold, and how its values look.

use anyhow::Result;

use crate::model::ident::quoted;
use crate::model::masked::masked;
use crate::model::profile::{ColumnProfile, Counted, Guess};
use crate::staging::Staging;

use super::NEARLY_ALL;

/// Patterns and values that are told of.
const MOST: u64 = 5;

const DAY: &str = r"(?:\d{1,2}[/.\-]\d{1,2}[/.\-](?:\d{4}|\d{2})|\d{4}[/.\-]\d{1,2}[/.\-]\d{1,2})";
const CLOCK: &str = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[aApP]\.? ?[mM]\.?)?";
/// What `mongo_ts` reads of texts.
const INSTANT: &str = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:[Zz]|[+\-]\d\d(?::?\d\d)?)";

/// Guesses with the regular expression that their values match, the more special first.
fn shapes() -> [(Guess, String); 10] {
    [
        (Guess::Uuid, "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}".to_owned()),
        (Guess::ObjectId, "[0-9a-fA-F]{24}".to_owned()),
        (Guess::Email, r"[^@\s]+@[^@\s]+\.[^@\s]+".to_owned()),
        (Guess::Instant, INSTANT.to_owned()),
        (Guess::Timestamp, format!("{DAY}[T ,]+{CLOCK}(?:Z| ?[+\\-]\\d{{2}}:?\\d{{0,2}})?")),
        (Guess::Date, DAY.to_owned()),
        (Guess::Time, CLOCK.to_owned()),
        (Guess::Code, r"0\d+".to_owned()),
        (Guess::Integer, r"[+\-]?\d{1,18}".to_owned()),
        (Guess::Decimal, r"[$€]? ?[+\-]?(?:\d{1,3}(?:[., ]\d{3})+|\d+)(?:[.,]\d+)? ?[€%]?".to_owned()),
    ]
}

const BOOLEAN: &str = "lower(v) in ('true', 'false', 't', 'f', 's', 'si', 'sí', 'n', 'no', 'y', 'yes', 'verdadero', 'falso', '0', '1')";

/// What telephone columns are called.
const PHONES: [&str; 7] = ["tel", "cel", "movil", "móvil", "phone", "mobile", "fax"];

struct Counts {
    nulls: u64,
    empty: u64,
    distinct: u64,
    filled: u64,
    folded: u64,
    booleans: u64,
    objects: u64,
    shapes: Vec<u64>,
    shortest: u64,
    longest: u64,
}

pub(super) fn look(staging: &Staging, table: &str, name: &str, show_values: bool) -> Result<ColumnProfile> {
    let from = format!(
        "(select {0}::varchar as cell, nullif(trim({0}::varchar), '') as v from {table})",
        quoted(name)
    );
    let counts = count(staging, &from)?;
    let (guess, share) = guess(name, &counts);
    let shown = |value: String| if show_values { value } else { masked(&value) };
    let (min, max) = ends(staging, &from, guess)?;
    // Of objects and lists the paths tell.
    let most = if guess == Guess::Json { 0 } else { MOST };
    let counted = |sql: String| -> Result<Vec<Counted>> {
        staging.rows(&sql, |row| Ok(Counted { value: row.get(0)?, count: row.get(1)? }))
    };
    let patterns = counted(format!(
        "select regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(left(v, 60), '\\p{{Ll}}|\\p{{Lo}}', 'x', 'g'), \
         '\\p{{Lu}}', 'X', 'g'), '\\p{{Nd}}', '9', 'g'), 'x{{2,}}', 'x+', 'g'), 'X{{2,}}', 'X+', 'g'), count(*)::ubigint \
         from {from} where v is not null group by 1 order by 2 desc, 1 limit {most}"
    ))?;
    let top = counted(format!(
        "select v, count(*)::ubigint from {from} where v is not null group by 1 order by 2 desc, 1 limit {most}"
    ))?;
    let top = top.into_iter().map(|one| Counted { value: shown(one.value), ..one }).collect();
    Ok(ColumnProfile {
        column: name.to_owned(),
        guess,
        share,
        nulls: counts.nulls,
        empty: counts.empty,
        distinct: counts.distinct,
        min: min.filter(|_| most > 0).map(shown),
        max: max.filter(|_| most > 0).map(shown),
        shortest: counts.shortest,
        longest: counts.longest,
        patterns,
        top,
    })
}

fn count(staging: &Staging, from: &str) -> Result<Counts> {
    let shapes = shapes();
    let matching = shapes
        .iter()
        .map(|(_, shape)| format!(", count(*) filter (regexp_full_match(v, '{shape}'))::ubigint"))
        .collect::<String>();
    let sql = format!(
        "select count(*) filter (cell is null)::ubigint, count(*) filter (cell = '')::ubigint, count(distinct cell)::ubigint, \
         count(v)::ubigint, count(distinct lower(v))::ubigint, count(*) filter ({BOOLEAN})::ubigint, \
         count(*) filter (v[1] in ('{{', '[') and json_valid(v))::ubigint, \
         coalesce(min(length(v)), 0)::ubigint, coalesce(max(length(v)), 0)::ubigint{matching} from {from}"
    );
    let mut rows = staging.rows(&sql, |row| {
        Ok(Counts {
            nulls: row.get(0)?,
            empty: row.get(1)?,
            distinct: row.get(2)?,
            filled: row.get(3)?,
            folded: row.get(4)?,
            booleans: row.get(5)?,
            objects: row.get(6)?,
            shortest: row.get(7)?,
            longest: row.get(8)?,
            shapes: (0..shapes.len()).map(|place| row.get(9 + place)).collect::<duckdb::Result<_>>()?,
        })
    })?;
    Ok(rows.pop().expect("an aggregate gives a row"))
}

/// What nearly all values are, and the part of them that is.
#[expect(clippy::cast_precision_loss, reason = "a share of rows")]
fn guess(name: &str, counts: &Counts) -> (Guess, f64) {
    if counts.filled == 0 {
        return (Guess::Empty, 1.0);
    }
    let share = |count: u64| count as f64 / counts.filled as f64;
    let of = |wanted: Guess| {
        let places = shapes().into_iter().zip(&counts.shapes);
        places.filter(|((guess, _), _)| *guess == wanted).map(|(_, count)| *count).sum::<u64>()
    };
    let digits = of(Guess::Integer);
    let name = name.to_lowercase();
    // A telephone is told by its column's name: its digits could be any number.
    if PHONES.iter().any(|part| name.contains(part)) && counts.longest >= 7 {
        return (Guess::Phone, 1.0);
    }
    if share(counts.booleans) >= NEARLY_ALL && counts.folded <= 6 {
        return (Guess::Boolean, share(counts.booleans));
    }
    // Numbers that begin with zeros are codes, and so is what stands beside them.
    if of(Guess::Code) * 20 > counts.filled && share(digits) >= NEARLY_ALL {
        return (Guess::Code, share(digits));
    }
    // Before the others: an object without spaces that holds an address has the shape of one.
    if share(counts.objects) >= NEARLY_ALL {
        return (Guess::Json, share(counts.objects));
    }
    let shape = shapes().into_iter().map(|(guess, _)| guess).filter(|guess| *guess != Guess::Code);
    for guess in shape {
        let matching = if guess == Guess::Decimal { of(guess).max(digits) } else { of(guess) };
        if share(matching) >= NEARLY_ALL {
            return (guess, share(matching));
        }
    }
    (Guess::Text, 1.0)
}

/// The least and the greatest value, by number or day where the column holds such.
fn ends(staging: &Staging, from: &str, guess: Guess) -> Result<(Option<String>, Option<String>)> {
    let by = match guess {
        Guess::Integer => "try_cast(v as hugeint)",
        Guess::Date | Guess::Timestamp | Guess::Instant => {
            "coalesce(try_strptime(left(v, 10), ['%d/%m/%Y', '%Y-%m-%d', '%d-%m-%Y', '%d.%m.%Y']), try_cast(v as timestamp))"
        }
        _ => "v",
    };
    let sql = format!("select arg_min(v, {by}), arg_max(v, {by}) from {from}");
    let mut rows = staging.rows(&sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.pop().unwrap_or_default())
}
