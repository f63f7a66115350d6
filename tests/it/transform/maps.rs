//! Values that maps translate, and those that none does.

use trasvase::error::Failure;
use trasvase::transform;

use super::project::{CLINIC_TOML, Case, table};

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
        "unmapped_value info shouted raw.citas: shout(estado) 3 values: 3, policy keep\nunmapped_value warning status raw.citas: \"estado\" 2 values: 2, policy reject"
    );
    let failure = Failure::from_anyhow(&transform::maps::known(&staging, "statsu").unwrap_err());
    assert_eq!(failure.message, "there is no map statsu: did you mean status?");
    transform::maps::known(&staging, "status").unwrap();
    let filled = "source_value;target_value;note\nanulada;cancelled;\nrara;odd;\n";
    case.write("clinics/demo/maps/status.csv", filled);
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
