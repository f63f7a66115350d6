//! How a column of `target` becomes the text that PostgreSQL would print for it, in SQL where that is exact and by the
//! codec where it is not.

use crate::model::catalog::{DataType, TypeKind};
use crate::model::ident::literal;

/// The SQL that turns one column into canonical text. `x` stands for the quoted column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conversion {
    /// `value` is exact wherever `refused` (a condition and its rule) does not hold.
    Sql { value: String, refused: Option<(String, &'static str)> },
    /// The codec decides: `text` is PostgreSQL input syntax.
    Codec { text: String },
    /// Types that only a mistake in a model brings together; the sentence key says which.
    Mismatch(&'static str),
}

/// Chooses the conversion of a DuckDB column (its type as DuckDB names it) into a PostgreSQL type.
pub(super) fn conversion(x: &str, duckdb_type: &str, target: &DataType) -> Conversion {
    let target = target.undomained();
    match (duckdb_type, target.base.as_str()) {
        ("TIMESTAMP" | "DATE", "timestamptz") => Conversion::Mismatch("check.zone_missing"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp" | "date") => Conversion::Mismatch("check.zone_lost"),
        _ => exact(x, duckdb_type, target)
            .unwrap_or_else(|| Conversion::Codec { text: input_text(x, duckdb_type, target) }),
    }
}

/// The cases where SQL alone is exact.
fn exact(x: &str, duckdb_type: &str, target: &DataType) -> Option<Conversion> {
    let sql = |value: String, refused| Some(Conversion::Sql { value, refused });
    let plain = || format!("{x}::varchar");
    match (duckdb_type, target.base.as_str(), &target.kind) {
        ("VARCHAR", "text", _) => sql(x.to_owned(), Some((has_nul(x), "nul_byte"))),
        ("VARCHAR", "varchar", _) if target.modifier < 0 => sql(x.to_owned(), Some((has_nul(x), "nul_byte"))),
        ("VARCHAR", _, TypeKind::Enum { labels }) => {
            let labels = labels.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ");
            sql(x.to_owned(), Some((format!("{x} not in ({labels})"), "not_in_enum")))
        }
        ("BOOLEAN", "bool", _) => sql(format!("case when {x} then 't' when not {x} then 'f' end"), None),
        ("UUID", "uuid", _) => sql(plain(), None),
        ("BLOB", "bytea", _) => sql(format!("'\\x' || lower(hex({x}))"), None),
        ("DATE", "date", _) => sql(
            format!(
                "case when {x} < date '0001-01-01' then replace({x}::varchar, ' (BC)', ' BC') else {x}::varchar end"
            ),
            Some((
                format!("isfinite({x}) and ({x} > date '5874897-12-31' or {x} < date '4713-01-01 (BC)')"),
                "out_of_range",
            )),
        ),
        ("TIMESTAMP WITH TIME ZONE", "timestamptz", _) | ("TIMESTAMP", "timestamp", _)
            if target.modifier < 0 =>
        {
            sql(
                timestamp_text(x, duckdb_type),
                Some((
                    format!("isfinite({x}) and {x} < '4713-01-01 (BC) 00:00:00'::timestamp"),
                    "out_of_range",
                )),
            )
        }
        (_, "int2" | "int4" | "int8", _) => integer(x, duckdb_type, &target.base),
        (_, "numeric", _) => numeric(x, duckdb_type, target.modifier),
        _ => None,
    }
}

fn has_nul(x: &str) -> String {
    format!("contains({x}, chr(0))")
}

/// DuckDB prints BC between date and time, PostgreSQL at the end.
fn timestamp_text(x: &str, duckdb_type: &str) -> String {
    // What DuckDB would ask ICU for is known: the zone is UTC. That costs a third.
    let plain = match duckdb_type {
        "TIMESTAMP WITH TIME ZONE" => {
            format!(
                "case when isfinite({x}) then make_timestamp(epoch_us({x}))::varchar || '+00' else {x}::varchar end"
            )
        }
        _ => format!("{x}::varchar"),
    };
    format!(
        "case when {x} < '0001-01-01 00:00:00'::timestamp and isfinite({x}) \
         then replace({x}::varchar, ' (BC)', '') || ' BC' else {plain} end"
    )
}

fn integer(x: &str, duckdb_type: &str, target: &str) -> Option<Conversion> {
    let width = |name: &str| match name {
        "TINYINT" => Some(8),
        "SMALLINT" | "int2" => Some(16),
        "INTEGER" | "int4" => Some(32),
        "BIGINT" | "int8" => Some(64),
        "UTINYINT" => Some(9),
        "USMALLINT" => Some(17),
        "UINTEGER" => Some(33),
        "UBIGINT" => Some(65),
        "HUGEINT" => Some(128),
        _ => None,
    };
    let (from, to) = (width(duckdb_type)?, width(target)?);
    let limit = 1_i128 << (to - 1);
    let refused =
        (from > to).then(|| (format!("{x} not between {} and {}", -limit, limit - 1), "out_of_range"));
    Some(Conversion::Sql { value: format!("{x}::varchar"), refused })
}

/// `numeric(p,s)` from DECIMAL(w,d): exact in SQL where nothing can be rounded or overflow.
fn numeric(x: &str, duckdb_type: &str, modifier: i32) -> Option<Conversion> {
    let (width, digits) = match duckdb_type {
        "TINYINT" => (3, 0),
        "SMALLINT" => (5, 0),
        "INTEGER" => (10, 0),
        "BIGINT" => (19, 0),
        _ => decimal_shape(duckdb_type)?,
    };
    if modifier < 0 {
        return Some(Conversion::Sql { value: format!("{x}::varchar"), refused: None });
    }
    let (precision, scale) = numeric_modifier(modifier);
    let fits = scale >= 0 && digits <= scale && width - digits <= precision - scale && precision <= 38;
    fits.then(|| Conversion::Sql {
        value: format!("{x}::decimal({precision},{scale})::varchar"),
        refused: None,
    })
}

/// Precision and scale of a `numeric` type modifier (`numeric_typmod_precision`, `numeric_typmod_scale` in
/// PostgreSQL's numeric.c: 11 bits of signed scale below the precision, offset by `VARHDRSZ`).
pub(super) fn numeric_modifier(modifier: i32) -> (i32, i32) {
    let packed = modifier - 4;
    ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
}

fn decimal_shape(duckdb_type: &str) -> Option<(i32, i32)> {
    let (width, digits) = duckdb_type.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
    Some((width.trim().parse().ok()?, digits.trim().parse().ok()?))
}

/// PostgreSQL input syntax for what the codec decides.
fn input_text(x: &str, duckdb_type: &str, target: &DataType) -> String {
    let json = matches!(target.base.as_str(), "json" | "jsonb");
    let nested = duckdb_type.starts_with("STRUCT") || duckdb_type.starts_with("MAP");
    match duckdb_type {
        _ if json && (nested || duckdb_type.ends_with(']')) => format!("to_json({x})::varchar"),
        _ if duckdb_type.ends_with("[]") => array_text(x),
        "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE" => timestamp_text(x, duckdb_type),
        "DATE" => format!("replace({x}::varchar, ' (BC)', ' BC')"),
        _ => format!("{x}::varchar"),
    }
}

/// A one-dimensional list as PostgreSQL's array literal; deeper ones must come as text.
fn array_text(x: &str) -> String {
    format!(
        "'{{' || array_to_string(list_transform({x}, lambda e: case when e is null then 'NULL' \
         else '\"' || replace(replace(e::varchar, '\\', '\\\\'), '\"', '\\\"') || '\"' end), ',') || '}}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_type(base: &str, modifier: i32) -> DataType {
        DataType {
            name: base.into(),
            base: base.into(),
            schema: "pg_catalog".into(),
            oid: 1,
            modifier,
            kind: TypeKind::Base,
            binary: true,
        }
    }

    fn evaluate(duckdb_type: &str, value: &str, target: &DataType) -> (Option<String>, bool) {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        connection.execute_batch("set timezone = 'UTC'").unwrap();
        let (value_sql, refused) = match conversion("x", duckdb_type, target) {
            Conversion::Sql { value, refused } => {
                (value, refused.map_or("false".to_owned(), |(condition, _)| condition))
            }
            Conversion::Codec { text } => (text, "false".to_owned()),
            Conversion::Mismatch(key) => panic!("{key}"),
        };
        connection
            .query_row(
                &format!("select ({value_sql})::varchar, coalesce({refused}, false) from (select {value}::{duckdb_type} as x)"),
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap()
    }

    #[test]
    fn values_come_out_as_postgresql_prints_them() {
        let numeric_12_2 = data_type("numeric", ((12 << 16) | 2) + 4);
        let cases = [
            ("DATE", "'0044-03-15 (BC)'", data_type("date", -1), "0044-03-15 BC"),
            ("TIMESTAMP", "'0044-03-15 (BC) 10:00:00'", data_type("timestamp", -1), "0044-03-15 10:00:00 BC"),
            (
                "TIMESTAMP WITH TIME ZONE",
                "'2024-01-01 10:00:00.5+01'",
                data_type("timestamptz", -1),
                "2024-01-01 09:00:00.5+00",
            ),
            ("TIMESTAMP WITH TIME ZONE", "'infinity'", data_type("timestamptz", -1), "infinity"),
            ("TIMESTAMP WITH TIME ZONE", "'-infinity'", data_type("timestamptz", -1), "-infinity"),
            (
                "TIMESTAMP WITH TIME ZONE",
                "'0044-03-15 (BC) 10:00:00.000001+00'",
                data_type("timestamptz", -1),
                "0044-03-15 10:00:00.000001+00 BC",
            ),
            (
                "TIMESTAMP WITH TIME ZONE",
                "'290000-01-01 00:00:00+00'",
                data_type("timestamptz", -1),
                "290000-01-01 00:00:00+00",
            ),
            ("DECIMAL(8,1)", "'12.5'", numeric_12_2, "12.50"),
            ("VARCHAR[]", "['a\"b', null, 'c\\d']", data_type("_text", -1), "{\"a\\\"b\",NULL,\"c\\\\d\"}"),
            ("BOOLEAN", "true", data_type("bool", -1), "t"),
            ("BLOB", "'\\xAA'", data_type("bytea", -1), "\\xaa"),
        ];
        for (duckdb_type, value, target, expected) in cases {
            assert_eq!(
                evaluate(duckdb_type, value, &target),
                (Some(expected.to_owned()), false),
                "{duckdb_type}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_could_be_rounded_goes_to_the_codec() {
        assert!(evaluate("BIGINT", "32768", &data_type("int2", -1)).1);
        assert!(!evaluate("BIGINT", "32767", &data_type("int2", -1)).1);
        assert!(evaluate("DATE", "'5874898-01-01'", &data_type("date", -1)).1);
        assert!(evaluate("VARCHAR", "chr(0)", &data_type("text", -1)).1);
        let narrow = data_type("numeric", ((4 << 16) | 2) + 4);
        assert!(matches!(conversion("x", "DECIMAL(8,2)", &narrow), Conversion::Codec { .. }));
        assert!(matches!(
            conversion("x", "TIMESTAMP", &data_type("timestamptz", -1)),
            Conversion::Mismatch(_)
        ));
    }
}
