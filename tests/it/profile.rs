//! What the sources hold before there is a model, and the models that are drafted from it.

use trasvase::config::Clinic;
use trasvase::model::profile::{ColumnProfile, Guess, Reason, Verdict};
use trasvase::model::run::Silent;
use trasvase::profile::{self, Report};
use trasvase::staging::{Access, Limits, Staging};
use trasvase::{load, transform};

use crate::support::{self, TestProject};

struct Bench {
    project: TestProject,
    clinic: Clinic,
}

impl Bench {
    fn new(project: TestProject, name: &str) -> Self {
        let clinic = Clinic::read(&project.project, &name.parse().unwrap()).unwrap();
        Self { project, clinic }
    }

    fn staging(&self) -> Staging {
        Staging::open(&self.project.project, &self.clinic, Access::Write, &Limits::default()).unwrap()
    }

    fn load(&self, staging: &Staging) {
        let (project, clinic, only) = (&self.project.project, &self.clinic, Vec::new());
        let options = load::Options { project, clinic, staging, only, force: false, incremental: false };
        load::run(&options, &Silent).unwrap();
    }

    fn options<'a>(&'a self, staging: &'a Staging) -> profile::Options<'a> {
        let (project, clinic) = (&self.project.project, &self.clinic);
        profile::Options { project, clinic, staging, only: Vec::new(), show_values: false }
    }
}

fn column<'r>(report: &'r Report, source: &str, name: &str) -> &'r ColumnProfile {
    let source = report.sources.iter().find(|one| one.source == source).unwrap();
    source.columns.iter().find(|one| one.column == name).unwrap()
}

#[test]
fn columns_keys_and_references_are_told_without_a_value() {
    let bench = Bench::new(support::project(&["patitas"]), "patitas");
    let staging = bench.staging();
    bench.load(&staging);
    let report = profile::run(&bench.options(&staging)).unwrap();
    for (source, name, guess) in [
        ("clients", "id", Guess::Integer),
        ("clients", "email", Guess::Email),
        ("clients", "celular", Guess::Phone),
        ("clients", "fecha_registro", Guess::Timestamp),
        ("pets", "fallecido", Guess::Boolean),
        ("records", "fecha", Guess::Date),
        ("products", "precio", Guess::Decimal),
        ("products", "nombre", Guess::Text),
    ] {
        assert_eq!(column(&report, source, name).guess, guess, "{source}.{name}");
    }
    let id = column(&report, "clients", "id");
    assert_eq!(
        (id.nulls, id.distinct, id.min.as_deref(), id.max.as_deref()),
        (0, 160, Some("9"), Some("999"))
    );
    let since = column(&report, "clients", "fecha_registro");
    assert_eq!(since.patterns[0].value, "99/99/9999 99:99");
    let text = serde_json::to_string(&report).unwrap();
    for value in ["Bogot", "correo.example", "Omeprazol", "3019722233"] {
        assert!(!text.contains(value), "{value}");
    }
    for source in report.sources.iter() {
        assert_eq!(source.keys[0], ["id"], "{}", source.source);
    }
    let found: Vec<String> = report
        .references
        .iter()
        .map(|one| format!("{}.{} {}.{}", one.source, one.column, one.parent, one.parent_column))
        .collect();
    for wanted in [
        "pets.id_cliente clients.id",
        "invoices.id_cliente clients.id",
        "records.id_paciente pets.id",
        "vaccines.id_paciente pets.id",
        "appointments.id_paciente pets.id",
    ] {
        assert!(found.iter().any(|one| one == wanted), "{wanted} in {found:?}");
    }
    assert!(!found.iter().any(|one| one.contains("id_veterinario")), "{found:?}");
    // Every source has its models.
    let drafts = profile::write_drafts(&bench.options(&staging), &report).unwrap();
    assert!(drafts.iter().all(|draft| !draft.written) && drafts.len() == 8, "{drafts:?}");
}

const SETTINGS: &str = r#"
name = "fresh"
uid = "01JQY2VR00TESTMNABCDEFGHJK"
epoch = "2026-01-01T00:00:00Z"
product = "newproduct"
system = "newsystem"
timezone = "America/Bogota"
country = "CO"
currency = "COP"

[sources.people]
files = ["sources/people.csv"]

[sources.visits]
files = ["sources/visits.csv"]
"#;

const DOCUMENTS: [&str; 3] = [
    r#"{"_id": {"$oid": "65a"}, "name": "x", "age": 3, "at": {"$date": {"$numberLong": "5"}}, "home": {"city": "a", "zip": "1"},
        "items": [{"sku": "p", "price": 1.5}, {"sku": "q", "price": 2}], "tags": ["r", "s"], "odd": {"k1": 1}, "mixed": 1, "grid": [[1], [2]]}"#,
    r#"{"_id": {"$oid": "65b"}, "name": "y", "age": "4", "home": {"city": "b", "zip": null}, "items": [], "odd": {"k2": {"deep": 2}}, "mixed": [1]}"#,
    r#"{"_id": {"$oid": "65c"}, "name": null, "at": {"$date": "2024-01-01T00:00:00Z"}, "items": [{"sku": "t"}], "none": null}"#,
];

#[test]
fn drafts_of_models_go_through_transform() {
    let project = support::project(&[]);
    project.write("clinics/fresh/clinic.toml", SETTINGS);
    project.write(
        "clinics/fresh/sources/people.csv",
        "Código;Nombre Completo;fechaAlta;Teléfono;order;Vacía\nP1;Ana Gil;01/02/2024;3019722233;1;\nP2;Eva Sol;31/12/2023;3029722233;2;\n",
    );
    project
        .write("clinics/fresh/sources/visits.csv", "n;people;total\n1;P1;1.200,50\n2;P2;3,00\n3;P1;12,00\n");
    let bench = Bench::new(project, "fresh");
    let staging = bench.staging();
    bench.load(&staging);
    let rows: Vec<String> = (1..)
        .zip(DOCUMENTS)
        .map(|(n, text)| format!("('{}', {n}, 'd', {n})", text.replace('\'', "''")))
        .collect();
    staging
        .execute(&format!(
            "create table raw.docs (_doc json, _id bigint not null, _file varchar not null, _row bigint not null); \
             insert into raw.docs values {}; insert into meta.source values ('docs', 3, 'x', ['_doc'], current_timestamp)",
            rows.join(", ")
        ))
        .unwrap();
    let report = profile::run(&bench.options(&staging)).unwrap();
    let docs = report.sources.iter().find(|one| one.source == "docs").unwrap();
    let verdict = |path: &str| {
        let one = docs.paths.iter().find(|one| one.path == path).unwrap_or_else(|| panic!("{path}"));
        (one.verdict, one.reason, one.found, one.of)
    };
    assert_eq!(verdict("name"), (Verdict::Column, Reason::OneType, 3, 3));
    assert_eq!(verdict("age"), (Verdict::Column, Reason::SeveralTypes, 2, 3));
    assert_eq!(verdict("_id"), (Verdict::Column, Reason::OneType, 3, 3));
    assert_eq!(verdict("home"), (Verdict::Columns, Reason::FixedShape, 2, 3));
    assert_eq!(verdict("home.zip"), (Verdict::Column, Reason::OneType, 2, 2));
    assert_eq!(verdict("items"), (Verdict::ChildTable, Reason::ListOfObjects, 3, 3));
    assert_eq!(verdict("items[].price"), (Verdict::Column, Reason::OneType, 2, 3));
    assert_eq!(verdict("tags"), (Verdict::ChildTable, Reason::ListOfValues, 1, 3));
    assert_eq!(verdict("mixed"), (Verdict::Jsonb, Reason::MixedNesting, 2, 3));
    assert_eq!(verdict("grid"), (Verdict::Jsonb, Reason::MixedList, 1, 3));
    assert_eq!(verdict("none"), (Verdict::Column, Reason::NeverFilled, 1, 3));

    let drafts = profile::write_drafts(&bench.options(&staging), &report).unwrap();
    let written: Vec<&str> = drafts.iter().filter(|one| one.written).map(|one| one.path.as_str()).collect();
    let folder = "sql/sources/newproduct/clean";
    assert_eq!(
        written,
        ["docs", "docs_items", "docs_tags", "people", "visits"].map(|name| format!("{folder}/{name}.sql"))
    );
    let (project, clinic) = (&bench.project.project, &bench.clinic);
    let options = transform::Options { project, clinic, staging: &staging, select: Vec::new() };
    transform::run(&options, &Silent).unwrap_or_else(|error| panic!("{error:#}"));
    let texts = |sql: &str| staging.rows(sql, |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(
        texts(
            "select concat_ws('|', source_id, nombre_completo, fecha_alta, telefono, order_) from clean.people order by 1"
        ),
        ["P1|Ana Gil|2024-02-01|+573019722233|1", "P2|Eva Sol|2023-12-31|+573029722233|2"]
    );
    assert_eq!(
        texts(
            "select concat_ws('|', source_id, people_source_id, total::varchar) from clean.visits order by 1"
        ),
        ["1|P1|1200.5000", "2|P2|3.0000", "3|P1|12.0000"]
    );
    assert_eq!(
        texts(
            "select concat_ws('|', id, name, age, at_, home_city, tags_left) from (select *, '' as tags_left from clean.docs) order by 1"
        ),
        ["65a|x|3|5|a|", "65b|y|4|b|", "65c|2024-01-01T00:00:00Z|"]
    );
    assert_eq!(
        texts("select concat_ws('|', position, sku, price) from clean.docs_items order by source_id"),
        ["1|p|1.5", "2|q|2", "1|t"]
    );
    // What was drafted is a model now, and stays as people leave it.
    let again = profile::write_drafts(&bench.options(&staging), &report).unwrap();
    assert!(again.iter().all(|draft| !draft.written), "{again:?}");
}
