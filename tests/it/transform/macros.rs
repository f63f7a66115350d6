//! Macros: over values, over tables, and where they fail.

use trasvase::error::Failure;

use super::project::{Case, table};

#[test]
fn macros_over_tables_overloads_and_table_macros_work() {
    let case = Case::demo();
    case.write(
        "clinics/demo/sql/macros/more.sql",
        "-- more\ncreate or replace macro status_of(v) as (select max(target_value) from map.status where source_value = v);\n\
         create or replace macro plus(a) as a || '+', (a, b) as a || coalesce(b, ',(x) as y');\n\
         create or replace macro patients_like(p) as table select source_id, (name) as name from clean.patient where name like p;\n",
    );
    case.write(
        "clinics/demo/sql/target/more.sql",
        "-- one line\nselect plus(source_id) as a, plus(source_id, '!') as b, status_of('hecha') as c, 1::bigint as _id from patients_like('A%')\n",
    );
    let staging = case.open();
    let built = case.run(&staging);
    assert!(
        built.iter().position(|name| name == "clean.patient")
            < built.iter().position(|name| name == "target.more")
    );
    assert_eq!(table(&staging, "select a, b, c from target.more"), "1+ 1! done");
    // They stay in the file for whoever opens it, and are left alone until they change.
    assert_eq!(table(&staging, "select status_of('anulada'), shout('x')"), "cancelled X");
    assert!(case.run(&staging).is_empty());
    case.remove("clinics/demo/sql/target/more.sql");
    case.remove("clinics/demo/sql/macros/more.sql");
    case.run(&staging);
    assert!(staging.execute("select status_of('anulada')").is_err());
    assert!(staging.execute("select shout('x')").is_ok());
}

#[test]
fn a_macro_that_fails_over_data_is_shown_in_its_own_file() {
    let case = Case::demo();
    let model =
        "-- one patient\nselect id as source_id, name_of(nombre, id) as name, _id from raw.pacientes\n";
    case.write("sql/sources/flowww/clean/patient.sql", model);
    let message = |text: &str| {
        case.write("sql/macros/z.sql", text);
        let staging = case.open();
        Failure::from_anyhow(&case.try_run(&staging, &["clean.patient"]).unwrap_err()).message
    };
    let first = message(
        "-- numbers\ncreate or replace macro number_of(t) as\n  abs(t::integer);\n\
         create or replace macro name_of(a, b) as shout(a) || number_of(a);\n",
    );
    assert_eq!(
        first,
        "sql/macros/z.sql:3:8: DuckDB says: Could not convert string '…' to INT32 when casting from source column nombre\n  \
         3 |   abs(t::integer);\n    |        ^\n  \
         in macro number_of, called by sql/sources/flowww/clean/patient.sql\n\
         stopped at model clean.patient, which is as it was before (models built before it: 0 of 3)"
    );
    // Only its place in the file changed: what the staging file remembers of it must not be the old one.
    let second = message(
        "-- numbers\ncreate or replace macro name_of(a, b) as shout(a) || number_of(a);\n\
         -- más\ncreate or replace macro number_of(t) as /* ñ */ abs(t::integer);\n",
    );
    assert!(
        second.starts_with("sql/macros/z.sql:4:54: DuckDB says: Could not convert string '…' to INT32"),
        "{second}"
    );
}

/// DuckDB marks the call alone where a whole body fails, and wherever a table macro does.
#[test]
fn a_failing_body_is_shown_and_a_wrong_call_stays_the_models() {
    let case = Case::demo();
    case.write(
        "sql/macros/z.sql",
        "-- z\ncreate or replace macro number_of(t) as t::integer;\n\
         create or replace macro name_of(a) as\n  number_of(a);\n\
         create or replace macro named(n) as table\n  select *, n + date '2024-01-01' as day from raw.pacientes;\n",
    );
    let refusal = |sql: &str| {
        case.write(
            "sql/sources/flowww/clean/patient.sql",
            &format!("-- one patient\nselect id as source_id, _id, {sql}\n"),
        );
        case.refusal()
    };
    for (sql, place, note) in [
        (
            "name_of(nombre) as name from raw.pacientes",
            "sql/macros/z.sql:2:41: ",
            "in macro number_of, called by sql/macros/z.sql",
        ),
        (
            "day as name from named('a')",
            "sql/macros/z.sql:6:3: ",
            "in macro named, called by sql/sources/flowww/clean/patient.sql",
        ),
        ("name_of() as name from raw.pacientes", "sql/sources/flowww/clean/patient.sql:2:30: ", "^"),
        ("1 as name from named()", "sql/sources/flowww/clean/patient.sql:2:45: ", "^"),
    ] {
        let message = refusal(sql);
        let told = message.lines().find(|line| line.contains(note));
        assert!(message.starts_with(place) && told.is_some_and(|line| line.ends_with(note)), "{message}");
    }
}
