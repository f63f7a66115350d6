//! What the sources hold before there is a model, and the models that are drafted from it.

use trasvase::config::Clinic;
use trasvase::model::profile::{ColumnProfile, Guess, Reason, Verdict};
use trasvase::model::run::Silent;
use trasvase::profile::{self, Report};
use trasvase::sample::{self, Style};
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

const DOCUMENTS: &str = r#"
{"_id": {"$oid": "65a1f0c2b3d4e5f607182901"}, "name": "x", "age": 3, "at": {"$date": {"$numberLong": "5"}}, "home": {"city": "a", "zip": "1"},
 "items": [{"sku": "p", "price": 1.5, "lots": [{"n": 1}, {"n": 2}]}, {"sku": "q", "price": 2}], "tags": ["r", "s"], "odd": {"k1": 1}, "mixed": 1, "grid": [[1], [2]], "empty": {},
 "note": "zlxAna", "createdAt": 1640995200000, "seen": "2024-05-01T10:00:00.123456-03:00", "born": "1981-05-03", "a.b": "dot", "in": {"side": {"of": {"it": {"all": 1}}}}}
{"_id": {"$oid": "65a1f0c2b3d4e5f607182902"}, "name": "y", "age": "4", "home": {"city": "b", "zip": null}, "items": [], "odd": {"k2": {"deep": 2}}, "mixed": [1], "note": "zlxEva",
 "createdAt": {"$date": "2022-01-01T00:00:00Z"}, "born": "1981-05-04", "byPatient": {"zlxJuan Gil": 1, "zlxEva Sol": 2}}
{"_id": {"$oid": "65a1f0c2b3d4e5f607182903"}, "name": null, "at": {"$date": "2024-01-01T00:00:00Z"}, "items": [{"sku": "t"}], "none": null, "blank": " ", "note": "zlxLuz"}
"#;

const MORE: &str = r#"
name = "papers"
uid = "01JQY2VR00TESTMNABCDEFGHJK"
epoch = "2026-01-01T00:00:00Z"
product = "papers"
system = "newsystem"
timezone = "America/Bogota"
country = "CO"
currency = "COP"
"#;

/// A clinic whose sources are files of documents, loaded.
fn papers(files: &[(&str, &str)]) -> (Bench, Staging) {
    let project = support::project(&[]);
    let section = |(name, _): &(&str, &str)| format!("[sources.{name}]\nfiles = [\"sources/{name}.json\"]\n");
    project.write(
        "clinics/papers/clinic.toml",
        &(MORE.to_owned() + &files.iter().map(section).collect::<String>()),
    );
    for (name, text) in files {
        project.write(&format!("clinics/papers/sources/{name}.json"), text);
    }
    let bench = Bench::new(project, "papers");
    let staging = bench.staging();
    bench.load(&staging);
    (bench, staging)
}

/// Drafts models, and builds them.
fn drafted(bench: &Bench, staging: &Staging) -> (Report, Vec<String>) {
    let report = profile::run(&bench.options(staging)).unwrap();
    let drafts = profile::write_drafts(&bench.options(staging), &report).unwrap();
    let (project, clinic) = (&bench.project.project, &bench.clinic);
    let options = transform::Options { project, clinic, staging, select: Vec::new() };
    transform::run(&options, &Silent).unwrap_or_else(|error| {
        let text = |one: &profile::Draft| {
            std::fs::read_to_string(project.root().join(&one.path)).unwrap_or_default()
        };
        panic!("{error:#}\n{}", drafts.iter().map(text).collect::<String>())
    });
    (report, drafts.into_iter().filter(|one| one.written).map(|one| one.path).collect())
}

fn texts(staging: &Staging, sql: &str) -> Vec<String> {
    staging.rows(sql, |row| row.get::<_, String>(0)).unwrap()
}

#[test]
fn drafts_of_models_go_through_transform() {
    let project = support::project(&[]);
    project.write("clinics/fresh/clinic.toml", SETTINGS);
    project.write(
        "clinics/fresh/sources/people.csv",
        "Nombre Completo;Código;fechaAlta;Teléfono;order;Vacía\nAna Gil;P1;01/02/2024;3019722233;1;\nEva Sol;P2;31/12/2023;3029722233;2;\n",
    );
    project
        .write("clinics/fresh/sources/visits.csv", "n;people;total\n1;P1;1.200,50\n2;P2;3,00\n3;P1;12,00\n");
    let bench = Bench::new(project, "fresh");
    let staging = bench.staging();
    bench.load(&staging);
    let (report, written) = drafted(&bench, &staging);
    // The name differs in every row too, and comes first.
    assert_eq!(report.sources[0].keys[0], ["Código"]);
    assert_eq!(written, ["people", "visits"].map(|name| format!("sql/sources/newproduct/clean/{name}.sql")));
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', source_id, nombre_completo, fecha_alta, telefono, order_) from clean.people order by 1"
        ),
        ["P1|Ana Gil|2024-02-01|+573019722233|1", "P2|Eva Sol|2023-12-31|+573029722233|2"]
    );
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', source_id, people_source_id, total::varchar) from clean.visits order by 1"
        ),
        ["1|P1|1200.5000", "2|P2|3.0000", "3|P1|12.0000"]
    );
    // What was drafted is a model now, and stays as people leave it.
    let again = profile::write_drafts(&bench.options(&staging), &report).unwrap();
    assert!(again.iter().all(|draft| !draft.written), "{again:?}");
}

#[test]
fn names_and_notes_that_differ_by_chance_become_no_ids() {
    let project = support::project(&[]);
    project.write("clinics/fresh/clinic.toml", SETTINGS);
    let people = "name;mail;note\nAna;a@x.es;first of all\nEva;b@x.es;second\n";
    project.write("clinics/fresh/sources/people.csv", people);
    project.write("clinics/fresh/sources/visits.csv", "n;total\n1;2,50\n2;3,00\n");
    let bench = Bench::new(project, "fresh");
    let staging = bench.staging();
    bench.load(&staging);
    drafted(&bench, &staging);
    let ids = texts(&staging, "select source_id from clean.people order by 1");
    assert!(ids.iter().all(|id| id.ends_with(":1") || id.ends_with(":2")), "{ids:?}");
}

#[test]
fn documents_are_told_path_by_path_and_drafted_by_their_own_ids() {
    let (bench, staging) = papers(&[("docs", DOCUMENTS)]);
    let (report, written) = drafted(&bench, &staging);
    let docs = &report.sources[0];
    assert_eq!(docs.keys[0], ["_doc_id"], "{:?}", docs.keys);
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
    assert_eq!(verdict("items[].lots"), (Verdict::ChildTable, Reason::ListOfObjects, 1, 3));
    assert_eq!(verdict("tags"), (Verdict::ChildTable, Reason::ListOfValues, 1, 3));
    assert_eq!(verdict("mixed"), (Verdict::Jsonb, Reason::MixedNesting, 2, 3));
    assert_eq!(verdict("grid"), (Verdict::Jsonb, Reason::MixedList, 1, 3));
    for path in ["none", "blank", "empty"] {
        assert_eq!(verdict(path).1, Reason::NeverFilled, "{path}");
    }
    assert_eq!(verdict("in.side.of.it"), (Verdict::Jsonb, Reason::TooDeep, 1, 1));
    assert_eq!(verdict("byPatient"), (Verdict::Jsonb, Reason::NamesAreData, 1, 3));
    assert_eq!(verdict("\"a.b\""), (Verdict::Column, Reason::OneType, 1, 3));
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("zlx"), "{told}");

    let names = ["docs", "docs_items", "docs_items_lots", "docs_tags"];
    assert_eq!(written, names.map(|name| format!("sql/sources/papers/clean/{name}.sql")));
    let draft = std::fs::read_to_string(bench.project.project.root().join(&written[0])).unwrap();
    let comment =
        |start: &str| draft.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert_eq!(comment("-- never filled"), "-- never filled, and left out: blank, empty, none");
    assert!(comment("-- kept as jsonb").contains("in.side.of.it (deeper than 4 levels)"), "{draft}");
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', source_id[-1:], name, age, at_, home_city, mixed, a_b, born) from clean.docs order by 1"
        ),
        [
            "1|x|3|1970-01-01 00:00:00.005+00|a|1|dot|1981-05-03",
            "2|y|4|b|[1]|1981-05-04",
            "3|2024-01-01 00:00:00+00"
        ]
    );
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', created_at, seen, _repairs::varchar) from clean.docs where created_at is not null order by _id"
        ),
        ["2022-01-01 00:00:00+00|2024-05-01 13:00:00.123456+00|[]", "2022-01-01 00:00:00+00|[]"]
    );
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', docs_source_id[-1:], position, sku, price, source_id[-3:]) from clean.docs_items order by 1"
        ),
        ["1|1|p|1.5|1/1", "1|2|q|2|1/2", "3|1|t|3/1"]
    );
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', docs_items_source_id[-3:], position, n) from clean.docs_items_lots order by 1"
        ),
        ["1/1|1|1", "1/1|2|2"]
    );
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', docs_source_id[-1:], position, value) from clean.docs_tags order by 1"
        ),
        ["1|1|r", "1|2|s"]
    );
}

#[test]
fn values_keep_their_spelling_in_drafts() {
    let document = |n: u32| {
        format!(
            "{{\"_id\":{n},\"big\":1e3,\"home\":{{\"share\":0.12345678901234567890123}},\"said\":\"\\\"so\\\"\",\"word\":\"null\",\
             \"items\":[{{\"price\":1.50,\"lots\":[{{\"n\":2E1}}]}},{{\"price\":1e2}}],\"tags\":[1e1],\"mixed\":[{{\"a\":1.0e0}},1],\
             \"Name\":\"upper\",\"name\":\"lower\",\"a.b\":0.10,\"_own\":7.0}}\n"
        )
    };
    let (bench, staging) = papers(&[("docs", &(1..4).map(document).collect::<String>())]);
    drafted(&bench, &staging);
    let told = |sql: &str| texts(&staging, &format!("{sql} order by all limit 1")).remove(0);
    assert_eq!(
        told("select concat_ws('|', big, home_share, said, word, mixed::varchar, a_b, own) from clean.docs"),
        "1e3|0.12345678901234567890123|\"so\"|null|[{\"a\":1.0e0},1]|0.10|7.0"
    );
    assert_eq!(told("select name || ' ' || name_2 from clean.docs"), "upper lower");
    assert_eq!(
        texts(&staging, "select distinct position || ' ' || price from clean.docs_items order by 1"),
        ["1 1.50", "2 1e2"]
    );
    assert_eq!(told("select value from clean.docs_tags"), "1e1");
    assert_eq!(told("select typeof(mixed) from clean.docs"), "JSON");
    assert_eq!(told("select n from clean.docs_items_lots"), "2E1");
}

#[test]
fn what_a_draft_cannot_read_it_names() {
    let day = |n: u32| {
        format!("{{\"_id\":{n},\"seen\":\"2024-05-{n:02}T10:00:00Z\",\"born\":\"1981-05-{n:02}\"}}\n")
    };
    let days: String = (1..30).map(day).collect();
    let (bench, staging) =
        papers(&[("docs", &(days + "{\"_id\":30,\"seen\":\"someday\",\"born\":\"soon\"}\n"))]);
    drafted(&bench, &staging);
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', count(*), count(seen), count(born), min(_repairs::varchar), max(_repairs::varchar)) from clean.docs"
        ),
        ["30|29|29|[]|[born_unreadable, seen_unreadable]"]
    );
}

#[test]
fn ids_that_come_twice_are_told_in_the_draft() {
    let (bench, staging) = papers(&[(
        "docs",
        "{\"_id\":1,\"note\":\"zlx1\"}\n{\"_id\":1,\"note\":\"zlx2\"}\n{\"note\":\"zlx3\"}\n",
    )]);
    let (_, written) = drafted(&bench, &staging);
    let draft = std::fs::read_to_string(bench.project.project.root().join(&written[0])).unwrap();
    assert!(draft.contains("-- source_id is not unique: 3 records have 2 ids\n"), "{draft}");
    let ids = texts(&staging, "select source_id from clean.docs order by _id");
    assert_eq!(ids, ["1", "1", "sources/docs.json:3"]);
}

#[test]
fn documents_refer_to_documents_wherever_the_id_stands() {
    let oid = |number: u32| format!("65a1f0c2b3d4e5f6071829{number:02x}");
    let users: String =
        (0..6).map(|n| format!("{{\"_id\":{{\"$oid\":\"{}\"}},\"nick\":\"u{n}\"}}\n", oid(n))).collect();
    let group = |n: u32| {
        format!(
            "{{\"_id\":\"{}\",\"user\":{{\"_id\":{{\"$oid\":\"{}\"}}}},\"createdBy\":{{\"id\":\"{}\"}},\"members\":[{{\"$oid\":\"{}\"}},{{\"$oid\":\"{}\"}}],\
             \"moves\":[{{\"by\":{{\"id\":\"{}\"}},\"day\":{n}}}]}}\n",
            oid(100 + n),
            oid(n),
            oid(1),
            oid(n),
            oid(n + 1),
            oid(n + 2)
        )
    };
    let groups: String = (0..3).map(group).collect();
    let (bench, staging) = papers(&[("groups", &groups), ("users", &users)]);
    let (report, _) = drafted(&bench, &staging);
    let found: Vec<String> = report
        .references
        .iter()
        .map(|one| {
            format!("{}.{} {}.{} {}", one.source, one.column, one.parent, one.parent_column, one.share)
        })
        .collect();
    let expected = ["createdBy.id", "members[]", "moves[].by.id", "user._id"];
    assert_eq!(found, expected.map(|path| format!("groups.{path} users._doc_id 1")));
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', g.position, u.nick) from clean.groups_members g join clean.users u on u.source_id = g.members_source_id order by g.source_id"
        ),
        ["1|u0", "2|u1", "1|u1", "2|u2", "1|u2", "2|u3"]
    );
    assert_eq!(
        texts(
            &staging,
            "select distinct c.nick from clean.groups g join clean.users u on u.source_id = g.user_source_id \
             join clean.users c on c.source_id = g.created_by_source_id"
        ),
        ["u1"]
    );
}

#[test]
fn what_is_nested_hundreds_of_levels_deep_is_told_and_kept() {
    let deep =
        format!("{{\"_id\":1,\"name\":\"a\",\"deep\":{}7{}}}\n", "{\"x\":".repeat(400), "}".repeat(400));
    let list = format!("{{\"_id\":2,\"name\":\"b\",\"list\":{}{}}}\n", "[".repeat(400), "]".repeat(400));
    let (bench, staging) = papers(&[("docs", &(deep + &list))]);
    let (report, _) = drafted(&bench, &staging);
    let of = |path: &str| {
        let one =
            report.sources[0].paths.iter().find(|one| one.path == path).unwrap_or_else(|| panic!("{path}"));
        (one.verdict, one.reason, one.found, one.of)
    };
    assert_eq!(of("name"), (Verdict::Column, Reason::OneType, 2, 2));
    assert_eq!(of("deep.x.x.x"), (Verdict::Jsonb, Reason::TooDeep, 1, 1));
    assert_eq!(of("list"), (Verdict::Jsonb, Reason::MixedList, 1, 2));
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', source_id, name, length(deep_x_x_x::varchar), length(list::varchar)) from clean.docs order by 1"
        ),
        ["1|a|2383", "2|b|800"]
    );
}

/// In the old system an id is a patient's key, however it was made.
#[test]
fn ids_of_the_old_system_are_masked() {
    let project = support::project(&[]);
    project.write("clinics/fresh/clinic.toml", SETTINGS);
    let (uuid, ulid) = ("0190a7b0-0000-8000-8000-0123456789ab", "01JQY2VR00TESTMNABCDEFGHJK");
    project.write("clinics/fresh/sources/people.csv", &format!("id;other;name\n{uuid};{ulid};Ana\n"));
    project.write("clinics/fresh/sources/visits.csv", &format!("n;people\n1;{uuid}\n2;{uuid}\n"));
    let bench = Bench::new(project, "fresh");
    let staging = bench.staging();
    bench.load(&staging);
    let told = serde_json::to_string(&profile::run(&bench.options(&staging)).unwrap()).unwrap();
    assert!(!told.contains(uuid) && !told.contains(ulid), "{told}");
    let (project, clinic) = (&bench.project.project, &bench.clinic);
    let (source, rows, style) = ("people".to_owned(), 5, Style::Masked);
    let options = sample::Options { project, clinic, staging: &staging, source, rows, style, out: None };
    let shown = serde_json::to_string(&sample::run(&options).unwrap()).unwrap();
    assert!(!shown.contains(uuid) && !shown.contains(ulid), "{shown}");
    assert!(shown.contains("9999x9x9-9999"), "{shown}");
}

/// SQLite has no type for times, and any value in any column.
#[test]
fn a_draft_of_a_sqlite_table_reads_instants_and_names_what_it_leaves_out() {
    let project = support::project(&[]);
    let settings = "[sources.beds]\nfiles = [\"sources/x.db\"]\ntable = \"beds\"\n";
    project.write("clinics/papers/clinic.toml", &(MORE.to_owned() + settings));
    let path = project.write("clinics/papers/sources/x.db", "");
    let made = "create table beds (id text, creado_en, seen text, amount integer, day text, _own text);
        insert into beds values ('a', 1709164800, '2024-02-29 00:00:00', 1709164800, '2024-02-29', 'x'),
            ('b', 2460369.5, '2024-02-29T00:00:00Z', 1709164801, '2024-03-01', 'y'),
            ('c', 1709164800123, '2024-02-29 00:00', 1709164802, '2024-03-02', 'z'),
            ('d', '2024-02-29 00:00:00', null, 1709164803, '2024-03-03', 'w');";
    rusqlite::Connection::open(path).unwrap().execute_batch(made).unwrap();
    let bench = Bench::new(project, "papers");
    let staging = bench.staging();
    bench.load(&staging);
    let (_, written) = drafted(&bench, &staging);
    let draft = std::fs::read_to_string(bench.project.project.root().join(&written[0])).unwrap();
    assert!(draft.contains("\n-- what kind each value is, and left out: _type_creado_en\n"), "{draft}");
    assert!(draft.contains("\n-- begins with _, and left out: _own\n"), "{draft}");
    assert_eq!(
        texts(
            &staging,
            "select concat_ws('|', source_id, creado_en, seen, amount, day, _repairs::varchar) from clean.beds order by 1"
        ),
        [
            "a|2024-02-29 00:00:00+00|2024-02-29 00:00:00+00|1709164800|2024-02-29|[]",
            "b|2024-02-29 00:00:00+00|2024-02-29 00:00:00+00|1709164801|2024-03-01|[]",
            "c|2024-02-29 00:00:00.123+00|2024-02-29 00:00:00+00|1709164802|2024-03-02|[]",
            "d|2024-02-29 00:00:00+00|1709164803|2024-03-03|[]",
        ]
    );
}
