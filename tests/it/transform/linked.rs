//! `dedupe`, `xref` and `golden` of an entity with a `[dedupe.<entity>]` section, as tables of the graph.

use super::project::{CLINIC_TOML, Case};

const SECTION: &str = r#"
[dedupe.patient.compare.name]
as = "text"
[dedupe.patient.compare.code]
as = "code"
[dedupe.patient.block]
name = "left(name, 2)"
[dedupe.patient.exact.code]
valid = "length(code) = 3"
"#;

/// Three records of code `aaa`, two of a code that is not valid, one alone.
const CLEAN: &str = "-- one patient
select col0::varchar as source_id, col1 as name, col2 as code, col3 as phone, col4 as street, col5 as town,
  col6::date as updated_at, col7 as notes, col0::bigint as _id
from (values
  (3, 'Ana Gil',   'aaa', '600', 'Calle A', null,     '2020-01-01', 'x'),
  (1, 'Ana',       'aaa', '611', null,      null,     '2024-01-01', null),
  (2, 'ANA GIL P', 'aaa', '611', 'Calle B', 'Huesca', '2022-01-01', 'longer'),
  (4, 'Zoe',       'zz',  null,  null,      null,     null,         null),
  (5, 'Luis',      'zz',  null,  null,      null,     null,         null),
  (6, 'Eva',       null,  null,  null,      null,     null,         null))
";

fn case(section: &str) -> Case {
    let case = Case::demo();
    case.write("sql/sources/flowww/clean/patient.sql", CLEAN);
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, name, columns('^_ids?$') from golden.patient\n",
    );
    case.write("clinics/demo/clinic.toml", &format!("{CLINIC_TOML}{section}"));
    case
}

fn rows(case: &Case, sql: &str) -> Vec<String> {
    let staging = case.open();
    case.run(&staging);
    staging.rows(sql, |row| row.get(0)).unwrap()
}

#[test]
fn records_of_one_valid_code_are_one_and_their_children_follow() {
    let case = case(SECTION);
    let sets = rows(
        &case,
        "select string_agg(source_id, ' ' order by source_id) || ' ' || any_value(reason) from xref.patient group by golden_id order by 1",
    );
    assert_eq!(sets, ["1 2 3 exact", "4 single", "5 single", "6 single"]);
    let own = rows(
        &case,
        "select (golden_id = ulid_for('patient', 'flowww', '1'))::varchar from xref.patient where source_id = '3'",
    );
    assert_eq!(own, ["true"]);
    // Of raw.citas, appointments a and b are of patients 1 and 2: of one golden record.
    let children = rows(
        &case,
        "select count(distinct patient_id)::varchar || count(patient_id) from target.appointment",
    );
    assert_eq!(children, ["12"]);
    let ids = rows(&case, "select _ids::varchar || source_id from golden.patient where len(_ids) > 1");
    assert_eq!(ids, ["[1, 2, 3]1"]);
}

#[test]
fn each_column_survives_by_its_rule_and_its_source_is_told() {
    let survivor = r#"
[dedupe.patient.survivor]
rule = "most_complete"
recency = ["updated_at"]
together = [["street", "town"]]
[dedupe.patient.survivor.columns]
name = "longest"
phone = "most_frequent"
notes = "most_recent"
"#;
    let case = case(&format!("{SECTION}{survivor}"));
    let golden = rows(
        &case,
        "select concat_ws('|', name, phone, street, town, notes, updated_at) from golden.patient where len(_ids) > 1",
    );
    // The most recent record has no note: the next one that has speaks.
    assert_eq!(golden, ["ANA GIL P|611|Calle B|Huesca|longer|2022-01-01"]);
    let sources = rows(&case, "select golden_sources::varchar from golden.patient where len(_ids) > 1");
    assert_eq!(
        sources,
        [r#"{"name":"2","code":"2","phone":"2","street":"2","town":"2","updated_at":"2","notes":"2"}"#]
    );
}

#[test]
fn an_address_is_never_made_of_two() {
    let clean = CLEAN.replace("'Calle B', 'Huesca'", "null, 'Huesca'").replace("'longer'", "null");
    let survivor = "[dedupe.patient.survivor]\ntogether = [[\"street\", \"town\"]]\n";
    for (section, expected) in [(String::new(), "Calle A|Huesca"), (survivor.to_owned(), "Calle A")] {
        let case = case(&format!("{SECTION}{section}"));
        case.write("sql/sources/flowww/clean/patient.sql", &clean);
        let found =
            rows(&case, "select concat_ws('|', street, town) from golden.patient where len(_ids) > 1");
        assert_eq!(found, [expected]);
    }
}

#[test]
fn a_source_order_decides_where_it_is_asked_to() {
    let survivor = "[dedupe.patient.survivor]\nrule = \"source_order\"\nsources = [\"nuevo\", \"viejo\"]\n";
    let case = case(&format!("{SECTION}{survivor}"));
    let from = |id: u8, number: u8| format!("({number}::bigint << 50) + {id}");
    let clean = CLEAN.replace(
        "col0::bigint as _id",
        &format!("case col0 when 1 then {} else {} end as _id", from(1, 2), from(2, 1)),
    );
    case.write("sql/sources/flowww/clean/patient.sql", &clean);
    let staging = case.open();
    staging
        .execute("insert into meta.source values ('viejo', 1, '', [], now()), ('nuevo', 2, '', [], now())")
        .unwrap();
    drop(staging);
    let found =
        rows(&case, "select concat_ws('|', name, phone, street) from golden.patient where len(_ids) > 1");
    assert_eq!(found, ["Ana|611|Calle B"]);
}

#[test]
fn a_setting_rebuilds_what_depends_on_it_and_nothing_else() {
    let case = case(SECTION);
    let staging = case.open();
    assert_eq!(case.run(&staging).len(), 10);
    assert!(case.run(&staging).is_empty());
    let built = |section: &str| {
        case.write("clinics/demo/clinic.toml", &format!("{CLINIC_TOML}{SECTION}{section}"));
        case.run(&staging)
    };
    let below_xref = ["xref.patient", "golden.patient", "target.appointment", "target.patient"];
    let mut with_accept = built("[dedupe.patient]\naccept = 0.99\n");
    with_accept.sort();
    let mut expected = below_xref.map(String::from).to_vec();
    expected.sort();
    assert_eq!(with_accept, expected);
    let with_rule = built("[dedupe.patient]\naccept = 0.99\nsurvivor = { rule = \"longest\" }\n");
    assert_eq!(with_rule, ["golden.patient", "target.patient"]);
    let with_block =
        built("[dedupe.patient]\naccept = 0.99\nmax_pairs = 9\nsurvivor = { rule = \"longest\" }\n");
    assert_eq!(with_block[0], "dedupe.patient");
}

#[test]
fn what_is_wrong_with_a_section_is_told_before_anything_is_built() {
    for (section, expected) in [
        (
            "[dedupe.pacient]\n[dedupe.pacient.compare.name]\nas = \"text\"\n",
            "no model makes clean.pacient: did you mean patient?",
        ),
        ("[dedupe.patient.compare.surname]\nas = \"text\"\n", "clean.patient has no column 'surname'"),
        (
            "[dedupe.patient.compare.name]\nas = \"text\"\n[dedupe.patient.block]\nx = \"nme\"\n",
            "the blocking rule 'x' cannot be computed: did you mean name? (DuckDB says: Binder Error: Referenced column \"nme\" not found",
        ),
        (
            "[dedupe.patient.compare.name]\nas = \"text\"\n[dedupe.patient.block]\nx = \"left(name\"\n",
            "the blocking rule 'x' cannot be computed (DuckDB says: syntax error",
        ),
        (
            "[dedupe.patient.compare.name]\nas = \"text\"\n[dedupe.patient.block]\nx = \"left(name\"\n",
            "or false to leave it out: [dedupe.patient.block] x = false",
        ),
        (
            "[dedupe.patient.compare.code]\nas = \"code\"\n[dedupe.patient.exact.code]\nvalid = \"cod = 1\"\n",
            "the expression by which 'code' is valid cannot be computed: did you mean code?",
        ),
        (
            "[dedupe.patient.compare.name]\nas = \"text\"\n[dedupe.patient.columns]\nname = \"nmae\"\n",
            "columns.name: clean.patient has no column 'nmae': did you mean name?",
        ),
        (
            "[dedupe.patient.compare.name]\nas = \"text\"\n[dedupe.patient.block]\nx = \"random()::varchar\"\n",
            "random",
        ),
        (
            "[dedupe.patient.compare.name]\nas = \"text\"\n[dedupe.patient.block]\nx = \"name; drop table raw.citas\"\n",
            "syntax error",
        ),
    ] {
        let message = case(section).refusal();
        assert!(message.contains(expected) && message.contains("[dedupe."), "{section}: {message}");
        assert!(!message.contains("[dedupe.patient]: [dedupe"), "said twice: {message}");
        assert!(!message.contains("there is no table"), "it follows from the other: {message}");
    }
    let twice = case(SECTION);
    twice.write("sql/sources/flowww/clean/patient.sql", &CLEAN.replace("(6, 'Eva'", "(5, 'Eva'"));
    assert!(twice.refusal().contains("rows have a source_id that another row has (1)"));
}

#[test]
fn a_survivor_rule_about_nothing_is_refused_unless_a_shared_file_has_it() {
    let shared = "[roles.title]\nread = \"text\"\nknown_as = [\"name\"]\n[compare.title]\nas = \"text\"\n\
        [survivor]\nrecency = [\"changed_at\"]\ntogether = [[\"street\", \"province\"]]\nsources = [\"other\"]\n";
    let section = |survivor: &str| {
        let case = case(&format!("[dedupe.patient]\nlike = \"thing\"\n{survivor}"));
        case.write("sql/dedupe/thing.toml", shared);
        case
    };
    let right = "[dedupe.patient.survivor]\nrecency = [\"updated_at\"]\ncolumns = { Phone = \"longest\" }\n";
    let case = section(right);
    case.plan(&case.open()).unwrap();
    for (survivor, expected) in [
        (
            "recency = [\"update_at\"]",
            "survivor.recency: clean.patient has no column 'update_at' of which a value could survive: did you mean updated_at?",
        ),
        ("columns = { phon = \"longest\" }", "survivor.columns: clean.patient has no column 'phon'"),
        ("columns = { title = \"longest\" }", "'title' of which a value could survive: did you mean name?"),
        ("together = [[\"street\", \"twon\"]]", "did you mean town?"),
        ("columns = { source_id = \"longest\" }", "name, code, phone, street, town, updated_at, notes"),
        (
            "sources = [\"paciente\"]",
            "survivor.sources: there is no source 'paciente': did you mean pacientes?",
        ),
    ] {
        let message = section(&format!("[dedupe.patient.survivor]\n{survivor}\n")).refusal();
        assert!(message.contains(expected), "{survivor}: {message}");
    }
}

#[test]
fn a_pinned_model_that_cannot_be_read_is_told_with_what_to_type() {
    let case = case(SECTION);
    case.write("clinics/demo/dedupe/patient.model.json", "{\n\"entity\": 5}");
    let message = case.refusal();
    assert!(
        message.contains("clinics/demo/dedupe/patient.model.json, line 2: this is no model"),
        "{message}"
    );
    assert!(message.contains("rm clinics/demo/dedupe/patient.model.json"), "{message}");
}

#[test]
fn settings_that_cannot_be_are_refused_when_they_are_read() {
    for (section, expected) in [
        ("[dedupe.patient]\nlike = \"persn\"\n", "there is no sql/dedupe/persn.toml"),
        ("[dedupe.patient]\n", "compares nothing"),
        (
            "[dedupe.patient]\naccept = 1.0\n[dedupe.patient.compare.name]\nas = \"text\"\n",
            "0 < review <= accept < 1",
        ),
        (
            "[dedupe.patient]\nnever = [[\"nme\"]]\n[dedupe.patient.compare.name]\nas = \"text\"\n",
            "no role 'nme': did you mean name?",
        ),
        ("[dedupe.patient.compare.name]\nas = \"txt\"\n", "unknown variant `txt`"),
        ("[dedupe.patient]\nacept = 0.9\n", "unknown field `acept`"),
    ] {
        let case = case("");
        case.write("clinics/demo/clinic.toml", &format!("{CLINIC_TOML}{section}"));
        let error = trasvase::config::Clinic::read(&case.project(), &"demo".parse().unwrap()).unwrap_err();
        let message = trasvase::error::Failure::from_anyhow(&error).message;
        assert!(message.contains(expected), "{section}: {message}");
    }
}

#[test]
fn a_clinic_lays_its_section_over_the_shared_file() {
    let case = case(
        "[dedupe.patient]\nlike = \"thing\"\naccept = 0.8\nblock = { second = false }\ncolumns = { name = \"name\" }\n",
    );
    case.write(
        "sql/dedupe/thing.toml",
        "accept = 0.6\nreview = 0.1\n[roles.name]\nread = \"text\"\n[compare.name]\nas = \"text\"\n[block]\nfirst = \"name\"\nsecond = \"left(name, 1)\"\n",
    );
    let settings = case.clinic().dedupe.remove("patient").unwrap();
    assert_eq!((settings.accept, settings.review), (0.8, 0.1));
    assert_eq!(settings.block.keys().collect::<Vec<_>>(), ["first"]);
    case.write(
        "clinics/demo/sql/dedupe/thing.toml",
        "review = 0.3\n[compare.code]\nas = \"code\"\n[roles.name]\n",
    );
    let settings = case.clinic().dedupe.remove("patient").unwrap();
    assert_eq!(
        (settings.review, settings.compare.len()),
        (0.3, 1),
        "the clinic's own file stands in its place"
    );
}
