//! What the stages find in the generated clinic is what its generator says that it put there.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use trasvase::check;
use trasvase::staging::Staging;

use super::Run;

/// By source and name of a defect in expected.json: the table, rule and column under which check has to count it.
const REJECTED: &[(&str, &str, &str, &str, Option<&str>)] = &[
    ("citas", "impossible_date", "appointment", "not_null", Some("starts_at")),
    ("citas", "missing_time", "appointment", "not_null", Some("starts_at")),
    ("citas", "missing_patient", "appointment", "not_null", Some("patient_id")),
    ("citas", "orphan_patient", "appointment", "orphan", Some("patient_id")),
    ("citas", "room_overlap", "appointment", "exclusion", None),
    ("citas", "unmapped_status", "appointment", "unmapped_value", None),
    ("notas", "orphan_patient", "note", "orphan", Some("patient_id")),
    ("notas", "missing_text", "note", "not_null", Some("body")),
    ("bonos", "expires_before_bought", "care_plan", "check", None),
    ("presupuestos", "orphan_patient", "budget", "orphan", Some("patient_id")),
    ("presupuestos_lineas", "orphan_budget", "budget_line", "orphan", Some("budget_id")),
    ("presupuestos_lineas", "parent_rejected", "budget_line", "parent_rejected", Some("budget_id")),
    ("facturas_lineas", "zero_quantity", "invoice_line", "check", None),
    ("cobros", "orphan_invoice", "payment", "orphan", Some("invoice_id")),
    ("cobros", "unmapped_method", "payment", "unmapped_value", None),
    ("cobros", "zero_amount", "payment", "check", None),
    ("cobros", "impossible_date", "payment", "not_null", Some("paid_at")),
];

/// How load calls what the generator calls ragged and undecodable.
const UNREADABLE: [(&str, &str); 2] = [("ragged", "ragged_row"), ("undecodable", "undecodable_bytes")];

type Counts = BTreeMap<String, u64>;

fn expected() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clinics/senses/sources/expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn counts(value: &Value) -> Counts {
    let counts = value.as_object().unwrap().iter();
    counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

fn query(staging: &Staging, sql: &str) -> Counts {
    staging.rows(sql, |row| Ok((row.get(0)?, row.get(1)?))).unwrap().into_iter().collect()
}

/// The table that each source feeds first, by source.
fn tables(run: &Run) -> BTreeMap<String, String> {
    let primary = run.clinic.sources.iter();
    primary.map(|(name, source)| (name.clone(), source.primary.as_ref().unwrap().to_string())).collect()
}

fn compare_load(run: &Run, staging: &Staging, expected: &Value) {
    for source in run.load(staging).sources {
        let made = &expected["sources"][&source.name];
        assert_eq!(source.rows + source.refused, made["records"].as_u64().unwrap(), "{}", source.name);
        let found = query(
            staging,
            &format!(
                "select reason, count(*)::ubigint from meta.load_error where source = '{}' group by 1",
                source.name
            ),
        );
        let reason = |name: &str| UNREADABLE.iter().find(|known| known.0 == name).unwrap().1.to_owned();
        let wanted: Counts =
            counts(&made["unreadable"]).iter().map(|(name, count)| (reason(name), *count)).collect();
        assert_eq!(found, wanted, "{}", source.name);
    }
}

fn compare_repairs(run: &Run, staging: &Staging, expected: &Value) {
    for (source, entity) in tables(run) {
        let columns = format!(
            "select column_name, 1::ubigint from duckdb_columns() where schema_name = 'clean' and table_name = '{entity}'"
        );
        let found = if query(staging, &columns).contains_key("_repairs") {
            let rules = format!("select unnest(_repairs) as rule from clean.{entity}");
            query(staging, &format!("select rule, count(*)::ubigint from ({rules}) group by 1"))
        } else {
            Counts::new()
        };
        assert_eq!(found, counts(&expected["sources"][&source]["repaired"]), "{source}");
    }
}

fn compare_check(report: &check::Report, expected: &Value) {
    let mut wanted: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    for (source, made) in expected["sources"].as_object().unwrap() {
        for (name, count) in counts(&made["rejected"]) {
            let known = REJECTED.iter().find(|known| known.0 == source && known.1 == name);
            let (_, _, table, rule, column) = known.unwrap_or_else(|| panic!("{source}: {name} has no rule"));
            let key = ((*table).to_owned(), (*rule).to_owned(), column.unwrap_or_default().to_owned());
            *wanted.entry(key).or_default() += count;
        }
    }
    let mut found = BTreeMap::new();
    for table in &report.tables {
        for rule in &table.rules {
            let key = |column: &str| (table.table.to_string(), rule.rule.clone(), column.to_owned());
            let exact = key(rule.column.as_deref().unwrap_or_default());
            let exact = if wanted.contains_key(&exact) { exact } else { key("") };
            *found.entry(exact).or_default() += rule.rows;
        }
    }
    assert_eq!(found, wanted);
    assert_eq!(report.stops(), Vec::<String>::new());
    for source in &report.sources {
        let made = &expected["sources"][&source.source];
        let number = |name: &str| made[name].as_u64().unwrap();
        let sum = |name: &str| counts(&made[name]).values().sum::<u64>();
        assert_eq!(source.read, number("records"), "{}", source.source);
        // People with two charts are one patient.
        let same = made["kept"]["same_person"].as_u64().unwrap_or(0);
        assert_eq!(source.merged, number("exact_duplicates") + same, "{}", source.source);
        assert_eq!(source.rejected, sum("unreadable") + sum("rejected"), "{}", source.source);
        assert_eq!(source.imported, number("imported") - same, "{}", source.source);
        assert_eq!(source.filtered + source.skipped, 0, "{}", source.source);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defects_are_found_as_they_were_made_and_the_rest_arrives() {
    let (run, expected) = (Run::new("senses").await, expected());
    let staging = run.staging();
    compare_load(&run, &staging, &expected);
    run.transform(&staging);
    compare_repairs(&run, &staging, &expected);
    let check = run.check(&staging).await;
    compare_check(&check, &expected);
    let snapshot = run.export(&staging, &check);
    run.push(&snapshot).await;
    let report = run.verify(&snapshot).await;
    assert!(report.is_clean(), "{report:#?}");
}

/// By check of the product: the source it looks at and the columns whose cells it tells of.
const READ_OR_TOLD: &[(&str, &str, &[&str])] = &[
    ("appointment_unreadable", "citas", &["Duración"]),
    ("budget_line_unreadable", "presupuestos_lineas", &["Línea", "Cantidad", "Dto. %", "IVA %"]),
    ("budget_unreadable", "presupuestos", &["Válido hasta"]),
    ("care_plan_unreadable", "bonos", &["Sesiones", "Fecha compra", "Caduca", "Consumidas", "Precio"]),
    ("cash_movement_unreadable", "caja", &["Importe Entrada", "Importe Salida"]),
    ("invoice_line_unreadable", "facturas_lineas", &["Línea", "Cantidad", "Dto. %", "IVA %"]),
    ("invoice_unreadable", "facturas", &["Base", "IVA"]),
    ("patient_unreadable", "pacientes", &["Sexo", "Fecha alta", "Acepta publicidad"]),
    ("professional_unreadable", "profesionales", &["Email", "Teléfono", "Activo"]),
    ("room_unreadable", "salas", &["Activa"]),
    ("treatment_unreadable", "tratamientos", &["Duración (min)", "Precio", "IVA", "Activo"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_the_sql_cannot_read_is_told_column_by_column() {
    let run = Run::new("senses").await;
    let staging = run.staging();
    run.load(&staging);
    for (_, source, columns) in READ_OR_TOLD {
        for (place, column) in columns.iter().enumerate() {
            let record = format!("select _id from raw.{source} order by _id limit 1 offset {place}");
            let spoil = format!("update raw.{source} set \"{column}\" = '¿quetzal?' where _id = ({record})");
            staging.execute(&spoil).unwrap();
        }
    }
    run.transform(&staging);
    let report = run.check(&staging).await;
    for (check, _, columns) in READ_OR_TOLD {
        let told = report.findings.iter().find(|finding| finding.rule == *check);
        assert_eq!(told.map(|finding| finding.count), Some(columns.len() as u64), "{check}");
    }
    assert!(!format!("{report:?}").contains("quetzal"));
    for source in &report.sources {
        let sum = source.rejected + source.merged + source.imported + source.skipped + source.filtered;
        assert_eq!(source.read, sum, "{}", source.source);
    }
}
