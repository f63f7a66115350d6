//! Models from files to tables: what is built, what is rebuilt, what is refused and how it is said.

use std::path::Path;

use tempfile::TempDir;
use trasvase::config::{Clinic, Project};
use trasvase::error::Failure;
use trasvase::model::run::Silent;
use trasvase::staging::{Access, Limits, Staging};
use trasvase::transform;

const CLINIC_TOML: &str = r#"
name = "demo"
uid = "01HZY3J7QG0000000000000000"
epoch = "2024-01-01T00:00:00Z"
product = "flowww"
system = "clinicsay"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"
[variables]
organization = "Demo"
[sources.pacientes]
files = ["sources/pacientes.csv"]
"#;

/// A project folder with an open staging file that holds `raw.pacientes` and `raw.citas`.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        case.write("clinics/demo/clinic.toml", CLINIC_TOML);
        case
    }

    /// A small project: two entities, one macro, one map.
    fn demo() -> Self {
        let case = Self::new();
        case.write("sql/macros/text.sql", "-- text\ncreate or replace macro shout(t) as upper(trimmed(t));\ncreate or replace macro trimmed(t) as nullif(trim(t), '');\n");
        case.write(
            "sql/sources/flowww/clean/patient.sql",
            "-- one patient\nselect id as source_id, shout(nombre) as name, _id from raw.pacientes\n",
        );
        case.write("sql/sources/flowww/clean/appointment.sql", "-- one appointment\nselect id as source_id, paciente as patient_source_id, estado as status, _id from raw.citas;\n");
        case.write(
            "sql/sources/flowww/maps/status.csv",
            "source_value,target_value,who\nhecha,done,ana\nanulada,cancelled,ana\n",
        );
        case.write(
            "sql/systems/clinicsay/target/patient.sql",
            "-- one patient\nselect golden_id as id, name, _id from golden.patient\n",
        );
        case.write(
            "sql/systems/clinicsay/target/appointment.sql",
            "-- one appointment\nselect g.golden_id as id, p.golden_id as patient_id, m.target_value as status, g._id\nfrom golden.appointment g\nleft join xref.patient p on p.source_id = g.patient_source_id\nleft join map.status m on m.source_value = g.status\n",
        );
        case
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    fn project(&self) -> Project {
        Project::at(self.folder.path())
    }

    fn clinic(&self) -> Clinic {
        Clinic::read(&self.project(), &"demo".parse().unwrap()).unwrap()
    }

    fn open(&self) -> Staging {
        let staging =
            Staging::open(&self.project(), &self.clinic(), Access::Write, &Limits::default()).unwrap();
        staging
            .execute(
                "create table if not exists raw.pacientes as
                   select * from (values ('1', ' ana ', 101::bigint), ('2', 'luis', 102), ('3', '', 103)) t(id, nombre, _id);
                 create table if not exists raw.citas as
                   select * from (values ('a', '1', 'hecha', 201::bigint), ('b', '2', 'rara', 202), ('c', '9', 'anulada', 203)) t(id, paciente, estado, _id)",
            )
            .unwrap();
        staging
    }

    fn try_run(&self, staging: &Staging, select: &[&str]) -> anyhow::Result<transform::Report> {
        let (project, clinic) = (self.project(), self.clinic());
        let select = select.iter().map(ToString::to_string).collect();
        transform::run(&transform::Options { project: &project, clinic: &clinic, staging, select }, &Silent)
    }

    /// Names of what was built.
    fn run(&self, staging: &Staging) -> Vec<String> {
        self.try_run(staging, &[]).unwrap().built.into_iter().map(|model| model.name).collect()
    }

    fn plan(&self, staging: &Staging) -> anyhow::Result<transform::Plan> {
        let (project, clinic) = (self.project(), self.clinic());
        transform::plan(&transform::Options {
            project: &project,
            clinic: &clinic,
            staging,
            select: Vec::new(),
        })
    }

    /// The message of a refusal.
    fn refusal(&self) -> String {
        let staging = self.open();
        Failure::from_anyhow(&self.try_run(&staging, &[]).unwrap_err()).message
    }

    /// Copies a folder's files over the project's.
    fn overlay(&self, from: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = self.folder.path().join(entry.path().strip_prefix(case_root(from)).unwrap());
            if entry.path().is_dir() {
                std::fs::create_dir_all(&to).unwrap();
                self.overlay(&entry.path());
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
}

/// The folder of a refusal's case that a path is in.
fn case_root(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.parent().is_some_and(|parent| parent.ends_with("refused"))).unwrap()
}

/// Rows as lines of values, sorted.
fn table(staging: &Staging, sql: &str) -> String {
    let mut lines = Vec::new();
    let mut statement = staging.connection().prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let count = row.as_ref().column_count();
        let values = (0..count).map(|index| match row.get::<_, duckdb::types::Value>(index).unwrap() {
            duckdb::types::Value::Null => "NULL".to_owned(),
            duckdb::types::Value::Text(text) => text,
            duckdb::types::Value::BigInt(number) => number.to_string(),
            duckdb::types::Value::Boolean(truth) => truth.to_string(),
            other => format!("{other:?}"),
        });
        lines.push(values.collect::<Vec<_>>().join(" "));
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn models_are_built_in_the_order_in_which_they_read_each_other() {
    let case = Case::demo();
    let staging = case.open();
    let report = case.try_run(&staging, &[]).unwrap();
    let names: Vec<&str> = report.built.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "clean.appointment",
            "clean.patient",
            "golden.appointment",
            "golden.patient",
            "map.status",
            "xref.patient",
            "target.appointment",
            "target.patient",
            "xref.appointment"
        ]
    );
    assert_eq!(table(&staging, "select name, _id from target.patient"), "ANA 101\nLUIS 102\nNULL 103");
    assert_eq!(
        table(
            &staging,
            "select a.status, p.name, a._id from target.appointment a left join target.patient p on p.id = a.patient_id"
        ),
        "NULL LUIS 202\ncancelled NULL 203\ndone ANA 201"
    );
    assert_eq!(
        table(
            &staging,
            "select source_id, golden_id = ulid_for('patient', 'flowww', source_id) from xref.patient"
        ),
        "1 true\n2 true\n3 true"
    );
}

#[test]
fn again_is_safe() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    let before = table(&staging, "from meta.model_version");
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!((report.built.len(), report.unchanged, report.dropped.len()), (0, 9, 0));
    assert_eq!(table(&staging, "from meta.model_version"), before);
    assert!(case.plan(&staging).unwrap().is_empty());
}

/// Each folder under `tests/cases/transform/refused` is laid over the demo project; `expected.txt` is the message.
/// `BLESS=1` writes it.
#[test]
fn what_cannot_be_right_is_refused_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/transform/refused");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::demo();
        case.overlay(&path);
        let message = case.refusal();
        let expected = path.join("expected.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, format!("{message}\n")).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default().trim_end() != message {
            wrong.push(format!("{}:\n{message}", path.display()));
        }
        count += 1;
    }
    assert!(count > 30, "{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What one edit of the demo project rebuilds, and the reasons that the plan gives.
#[test]
fn only_what_changed_and_what_lies_below_is_rebuilt() {
    let below_patient = "clean.patient golden.patient xref.patient target.appointment target.patient";
    let edits: &[(&str, &str, &str, &str, &str)] = &[
        (
            "a comment and white space",
            "sql/sources/flowww/clean/patient.sql",
            "-- one patient, said otherwise\nselect id as source_id,\n  shout(nombre) /* loud */ as name, _id\nfrom raw.pacientes;\n",
            "",
            "",
        ),
        (
            "an expression",
            "sql/sources/flowww/clean/patient.sql",
            "-- one patient\nselect id as source_id, trimmed(nombre) as name, _id from raw.pacientes\n",
            below_patient,
            "clean.patient: changed",
        ),
        (
            "a macro that a macro calls",
            "sql/macros/text.sql",
            "-- text\ncreate or replace macro shout(t) as upper(trimmed(t));\ncreate or replace macro trimmed(t) as nullif(trim(t), '-');\n",
            below_patient,
            "clean.patient: macro trimmed changed",
        ),
        (
            "a comment in a macro, and one that nobody calls",
            "sql/macros/text.sql",
            "-- text\ncreate or replace macro shout(t) as upper( trimmed(t) ); -- loud\ncreate or replace macro trimmed(t) as nullif(trim(t), '');\ncreate or replace macro other(t) as lower(t);\n",
            "",
            "",
        ),
        (
            "a map's row",
            "clinics/demo/maps/status.csv",
            "source_value,target_value\nrara,odd\n",
            "map.status target.appointment",
            "target.appointment: map.status changed",
        ),
        (
            "a map's remark",
            "sql/sources/flowww/maps/status.csv",
            "source_value,target_value,who\nhecha,done,luis\nanulada,cancelled,\n",
            "",
            "",
        ),
        (
            "the clinic's own file over the product's",
            "clinics/demo/sql/clean/appointment.sql",
            "-- one appointment\nselect id as source_id, paciente as patient_source_id, upper(estado) as status, _id from raw.citas\n",
            "clean.appointment golden.appointment xref.appointment target.appointment",
            "golden.appointment: clean.appointment changed",
        ),
        (
            "the clinic's uid",
            "clinics/demo/clinic.toml",
            &CLINIC_TOML.replace("01HZY3J7QG0000000000000000", "01HZY3J7QG0000000000000001"),
            "golden.appointment golden.patient xref.appointment xref.patient target.appointment target.patient",
            "golden.patient: DuckDB, its functions or the clinic's uid changed",
        ),
        (
            "a variable that nobody reads",
            "clinics/demo/clinic.toml",
            &CLINIC_TOML.replace("Demo", "Other"),
            "",
            "",
        ),
    ];
    for (what, path, text, rebuilt, reason) in edits {
        let case = Case::demo();
        drop({
            let staging = case.open();
            case.run(&staging);
            staging
        });
        case.write(path, text);
        let staging = case.open();
        let plan = case.plan(&staging).unwrap();
        let planned: Vec<String> = plan.builds().map(|step| step.model.clone()).collect();
        let reasons: Vec<String> = plan
            .builds()
            .flat_map(|step| step.reasons.iter().map(|reason| format!("{}: {}", step.model, reason.text())))
            .collect();
        assert!(reason.is_empty() || reasons.iter().any(|given| given == reason), "{what}: {reasons:?}");
        let mut built = case.run(&staging);
        assert_eq!(built, planned, "{what}");
        built.sort();
        let mut expected: Vec<&str> = rebuilt.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(built, expected, "{what}");
        assert!(case.run(&staging).is_empty(), "{what}: a second run");
    }
}

#[test]
fn a_source_that_was_loaded_anew_rebuilds_what_reads_it() {
    let case = Case::demo();
    let staging = case.open();
    let fact = |sha: &str| {
        format!(
            "delete from meta.source; insert into meta.source values ('citas', 1, 'o', ['id'], now());
             insert or replace into meta.source_file values ('citas', 1, 'citas.csv', 10, '{sha}', '{{}}', 3, 0, 3)"
        )
    };
    staging.execute(&fact("aaaa")).unwrap();
    case.run(&staging);
    staging.execute(&fact("aaaa")).unwrap();
    assert!(case.run(&staging).is_empty());
    staging.execute(&fact("bbbb")).unwrap();
    assert_eq!(
        case.run(&staging),
        ["clean.appointment", "golden.appointment", "target.appointment", "xref.appointment"]
    );
    staging.execute("update raw.pacientes set nombre = 'eva' where id = '3'").unwrap();
    assert_eq!(case.run(&staging)[0], "clean.patient");
    assert_eq!(table(&staging, "select name from target.patient where _id = 103"), "EVA");
}

#[test]
fn every_build_is_a_version() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.write(
        "sql/sources/flowww/clean/patient.sql",
        "-- one patient\nselect id as source_id, nombre as name, _id from raw.pacientes\n",
    );
    case.run(&staging);
    staging.execute("drop table target.patient").unwrap();
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!(report.built.len(), 1);
    assert_eq!(report.built[0].reasons, [transform::Reason::Missing]);
    assert_eq!(
        table(
            &staging,
            "select model, version, rows, sql like '-- one patient%' from meta.model_version where model in ('clean.patient', 'target.patient')"
        ),
        "clean.patient 1 3 true\nclean.patient 2 3 true\ntarget.patient 1 3 true\ntarget.patient 2 3 true\ntarget.patient 3 3 true"
    );
    assert_eq!(
        table(
            &staging,
            "select count(distinct fingerprint) from meta.model_version where model = 'target.patient'"
        ),
        "2"
    );
}

#[test]
fn the_same_files_give_the_same_tables_and_the_same_output() {
    let content = |_: u8| {
        let case = Case::demo();
        let staging = case.open();
        let report = case.try_run(&staging, &[]).unwrap();
        (report.output, table(&staging, "from target.appointment"), table(&staging, "from xref.patient"))
    };
    let (first, second) = (content(1), content(2));
    assert_eq!(first, second);
    let case = Case::demo();
    case.write("clinics/demo/maps/status.csv", "source_value,target_value\nrara,odd\n");
    let staging = case.open();
    assert_ne!(case.try_run(&staging, &[]).unwrap().output, first.0);
}

#[test]
fn a_model_that_fails_leaves_its_table_and_names_no_value() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id,\n  name::integer as name, _id from golden.patient\n",
    );
    case.write(
        "sql/systems/clinicsay/target/appointment.sql",
        "-- one appointment\nselect golden_id as id, _id from golden.appointment\n",
    );
    let failure = Failure::from_anyhow(&case.try_run(&staging, &[]).unwrap_err());
    assert_eq!(
        failure.message,
        "sql/systems/clinicsay/target/patient.sql:3:7: Could not convert string '…' to INT32 when casting from source column name\n  \
         3 |   name::integer as name, _id from golden.patient\n    |       ^\n\
         stopped after 1 of 2 models; target.patient is as it was before"
    );
    assert_eq!(table(&staging, "select name from target.patient"), "ANA\nLUIS\nNULL");
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, lower(name) as name, _id from golden.patient\n",
    );
    assert_eq!(case.run(&staging), ["target.patient"]);
}

#[test]
fn a_model_that_is_gone_takes_its_table_along() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.remove("sql/systems/clinicsay/target/appointment.sql");
    case.remove("sql/sources/flowww/clean/appointment.sql");
    assert_eq!(
        case.plan(&staging).unwrap().dropped,
        ["clean.appointment", "golden.appointment", "target.appointment", "xref.appointment"]
    );
    let report = case.try_run(&staging, &[]).unwrap();
    assert_eq!((report.built.len(), report.dropped.len()), (0, 4));
    assert!(
        !staging.has_table("target", "appointment").unwrap()
            && !staging.has_table("golden", "appointment").unwrap()
    );
    assert!(case.plan(&staging).unwrap().is_empty());
}

#[test]
fn a_selection_builds_a_part() {
    let case = Case::demo();
    let staging = case.open();
    let failure = Failure::from_anyhow(&case.try_run(&staging, &["target.patient"]).unwrap_err());
    assert_eq!(
        failure.message,
        "target.patient reads golden.patient, which was not built yet and is not selected"
    );
    assert_eq!(failure.hints, ["select what it reads too: --select +target.patient"]);
    let built = |select: &[&str]| -> Vec<String> {
        case.try_run(&staging, select).unwrap().built.into_iter().map(|model| model.name).collect()
    };
    assert_eq!(
        built(&["+target.patient"]),
        ["clean.patient", "golden.patient", "xref.patient", "target.patient"]
    );
    assert_eq!(
        built(&["clean.appointment", "map.status"]),
        ["clean.appointment", "golden.appointment", "map.status", "xref.appointment"]
    );
    case.write(
        "sql/sources/flowww/clean/patient.sql",
        "-- one patient\nselect id as source_id, nombre as name, 7 as more, _id from raw.pacientes\n",
    );
    assert_eq!(built(&["clean.patient"]), ["clean.patient", "golden.patient", "xref.patient"]);
    // What was not selected is still known to be stale.
    assert_eq!(built(&["clean.patient+"]), ["target.appointment", "target.patient"]);
    assert!(built(&[]).is_empty());
    let failure = Failure::from_anyhow(&case.try_run(&staging, &["clean.patent+"]).unwrap_err());
    assert_eq!(failure.message, "there is no model clean.patent: did you mean clean.patient?");
}

#[test]
fn a_model_may_make_the_golden_records_itself() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    case.write(
        "clinics/demo/sql/golden/patient.sql",
        "-- one person\nselect ulid_for('patient', 'demo', upper(trim(name))) as golden_id, min(source_id) as source_id, any_value(name order by source_id) as name, list(_id order by _id) as _ids\nfrom clean.patient group by upper(trim(name))\n",
    );
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, name, _ids from golden.patient\n",
    );
    assert!(case.run(&staging).contains(&"golden.patient".to_owned()));
    assert_eq!(
        table(&staging, "select name, _ids::varchar from target.patient"),
        "ANA [101]\nLUIS [102]\nNULL [103]"
    );
    case.remove("clinics/demo/sql/golden/patient.sql");
    case.write(
        "sql/systems/clinicsay/target/patient.sql",
        "-- one patient\nselect golden_id as id, name, _id from golden.patient\n",
    );
    assert!(case.run(&staging).contains(&"golden.patient".to_owned()));
    assert_eq!(table(&staging, "select name, _id from target.patient"), "ANA 101\nLUIS 102\nNULL 103");
}

#[test]
fn a_table_outside_the_default_schema_has_a_dotted_name() {
    let case = Case::demo();
    case.write(
        "clinics/demo/sql/target/lml_users.main.sql",
        "-- one user\nselect golden_id as id, _id from golden.patient\n",
    );
    case.write(
        "clinics/demo/sql/target/badge.sql",
        "-- one badge\nselect id, _id from target.\"lml_users.main\"\n",
    );
    let staging = case.open();
    let built = case.run(&staging);
    assert!(built.contains(&"target.\"lml_users.main\"".to_owned()), "{built:?}");
    assert_eq!(
        table(&staging, "select count(*) from target.\"lml_users.main\" join target.badge using (id)"),
        "3"
    );
    assert!(case.run(&staging).is_empty());
    assert_eq!(case.try_run(&staging, &["target.lml_users.main+"]).unwrap().unchanged, 2);
}

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
fn values_that_no_map_translates_are_counted_and_exported() {
    let case = Case::demo();
    case.write(
        "sql/sources/flowww/clean/appointment.sql",
        "-- one appointment\n-- map: status = raw.citas.estado\n-- map: shouted = shout(estado) from raw.citas\nselect id as source_id, paciente as patient_source_id, estado as status, _id from raw.citas\n",
    );
    case.write("clinics/demo/maps/status.csv", "source_value;target_value;note\n\"anulada\";;not yet\n");
    case.write("clinics/demo/clinic.toml", &format!("{CLINIC_TOML}\n[maps.shouted]\npolicy = \"keep\"\n"));
    let staging = case.open();
    let report = case.try_run(&staging, &[]).unwrap();
    let counts: Vec<_> = report
        .unmapped
        .iter()
        .map(|map| (map.map.as_str(), map.translated, map.unmapped_values, map.unmapped_rows))
        .collect();
    assert_eq!(counts, [("shouted", 0, 3, 3), ("status", 1, 2, 2)]);
    assert_eq!(
        table(&staging, "from meta.unmapped_row"),
        "status clean.appointment 202\nstatus clean.appointment 203"
    );
    assert_eq!(
        table(&staging, "from meta.map_use"),
        "shouted clean.appointment appointment keep\nstatus clean.appointment appointment reject"
    );
    assert_eq!(
        table(
            &staging,
            "select rule, severity, subject, column_name, count, detail from meta.finding where stage = 'transform'"
        ),
        "unmapped_value info shouted raw.citas: shout(estado) 3 3 values, policy keep\nunmapped_value warning status raw.citas: \"estado\" 2 2 values, policy reject"
    );
    assert_eq!(
        transform::maps::export(&staging, "status").unwrap(),
        "source_value,target_value,rows\nanulada,,1\nrara,,1\n"
    );
    let failure = Failure::from_anyhow(&transform::maps::export(&staging, "statsu").unwrap_err());
    assert_eq!(failure.message, "there is no map statsu: did you mean status?");
    // Filled in, it is read again as it was exported.
    let filled = transform::maps::export(&staging, "status")
        .unwrap()
        .replace("anulada,,", "anulada,cancelled,")
        .replace("rara,,", "rara,odd,");
    case.write("clinics/demo/maps/status.csv", &filled);
    case.write("clinics/demo/clinic.toml", &format!("{CLINIC_TOML}\n[maps.shouted]\npolicy = \"null\"\n"));
    drop(staging);
    let staging = case.open();
    let maps = transform::maps::list(&staging, &case.clinic()).unwrap();
    assert_eq!(maps.iter().map(|map| map.map.as_str()).collect::<Vec<_>>(), ["shouted", "status"]);
    case.run(&staging);
    assert_eq!(table(&staging, "select distinct map from meta.unmapped"), "shouted");
    assert_eq!(table(&staging, "select status from target.appointment"), "cancelled\ndone\nodd");
    assert_eq!(table(&staging, "select policy from meta.map_use where map = 'shouted'"), "null");
}

#[test]
fn a_long_model_stops_when_it_is_interrupted() {
    let case = Case::new();
    case.write(
        "clinics/demo/sql/target/slow.sql",
        "-- one row in a very long time\n-- origin: none\nselect sum(a.range * b.range) as total from range(10000000) a, range(10000000) b\n",
    );
    let staging = case.open();
    let handle = staging.interrupt_handle();
    let started = std::time::Instant::now();
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = over.clone();
    let stopper = std::thread::spawn(move || {
        while !ended.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(300));
            handle.interrupt();
        }
    });
    let failure = Failure::from_anyhow(&case.try_run(&staging, &[]).unwrap_err());
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    stopper.join().unwrap();
    assert_eq!(failure.kind.exit_code(), 130, "{}", failure.message);
    assert!(started.elapsed().as_secs() < 60);
    assert!(!staging.has_table("target", "slow").unwrap());
}

#[test]
fn a_plan_reads_only() {
    let case = Case::demo();
    let staging = case.open();
    case.run(&staging);
    drop(staging);
    case.write(
        "sql/sources/flowww/clean/patient.sql",
        "-- one patient\nselect id as source_id, nombre as name, _id from raw.pacientes\n",
    );
    let staging =
        Staging::open(&case.project(), &case.clinic(), Access::ReadOnly, &Limits::default()).unwrap();
    assert_eq!(case.plan(&staging).unwrap().builds().count(), 5);
}
