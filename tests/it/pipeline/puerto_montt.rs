//! A hospital's beds out of a SQLite file: keys stay, every odd spelling becomes a value, and one tenant gets its own rows.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use trasvase::snapshot::Snapshot;
use trasvase::staging::Staging;
use trasvase::{load, push};

use super::Run;

const TABLES: [&str; 9] = [
    "alembic_version",
    "cama",
    "configuracion",
    "hospital",
    "paciente",
    "sala",
    "servicio",
    "traslado",
    "usuario",
];

fn clinic() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clinics/puerto-montt")
}

/// Every value of a database with its type.
fn content(database: &Connection) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for table in TABLES {
        let mut statement = database.prepare(&format!("select * from {table} order by 1")).unwrap();
        let width = statement.column_count();
        let row =
            |row: &rusqlite::Row<'_>| (0..width).map(|at| Ok(format!("{:?}", row.get_ref(at)?))).collect();
        all.extend(
            statement.query_map([], row).unwrap().collect::<rusqlite::Result<Vec<Vec<String>>>>().unwrap(),
        );
    }
    all
}

#[test]
fn the_database_is_what_its_script_makes() {
    let made = Connection::open_in_memory().unwrap();
    made.execute_batch(&std::fs::read_to_string(clinic().join("gestion_camas.sql")).unwrap()).unwrap();
    let there = Connection::open(clinic().join("sources/gestion_camas.db")).unwrap();
    let (made, there) = (content(&made), content(&there));
    assert_eq!(there.len(), 910);
    assert_eq!(made, there);
}

/// From the sources to a snapshot.
async fn prepared(run: &Run, staging: &Staging) -> (load::Report, Snapshot) {
    let loaded = run.load(staging);
    run.transform(staging);
    let check = run.check(staging).await;
    assert_eq!(check.stops(), Vec::<String>::new());
    (loaded, run.export(staging, &check))
}

async fn texts(run: &Run, sql: &str) -> Vec<String> {
    run.session.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn pushed(run: &Run, staging: &Staging) -> push::Report {
    let (_, snapshot) = prepared(run, staging).await;
    let report = run.push(&snapshot).await;
    let verified = run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_through_again_changes_nothing_and_is_taken_back() {
    let run = Run::new("puerto-montt").await;
    let staging = run.staging();
    // Another hospital lives in the target already.
    let neighbour = "insert into hospital (id, tenant_id, nombre) values (7, 'hospital-osorno', 'Hospital Osorno');
        insert into servicio (id, tenant_id, hospital_id, nombre, codigo, tipo) values (70, 'hospital-osorno', 7, 'UCI', 'UCI', 'UCI')";
    run.session.client.batch_execute(neighbour).await.unwrap();
    let everything = "select row_to_json(h)::text from hospital h union all select row_to_json(s)::text from servicio s order by 1";
    let before = texts(&run, everything).await;

    let (loaded, snapshot) = prepared(&run, &staging).await;
    assert_eq!((loaded.rows(), loaded.refused(), loaded.unnamed.len()), (910, 0, 0));
    let push = run.push(&snapshot).await;
    assert_eq!(push.plan.writes(), 867);
    let verified = run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
    // The old file is kept as it was.
    let copy = run.project.path().join("staging/puerto-montt/copies/sources/gestion_camas.db");
    assert_eq!(
        std::fs::read(copy).unwrap(),
        std::fs::read(clinic().join("sources/gestion_camas.db")).unwrap()
    );

    assert!(run.load(&staging).unchanged());
    let again = run.push(&snapshot).await;
    assert_eq!((again.batch, again.plan.writes()), (None, 0));

    run.rollback(&push.batch.unwrap()).await;
    assert_eq!(texts(&run, everything).await, before);
    let left = "select (select count(*) from paciente) + (select count(*) from cama) + (select count(*) from traslado)";
    assert_eq!(texts(&run, &format!("select ({left})::text")).await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_what_the_old_program_meant() {
    let run = Run::new("puerto-montt").await;
    let staging = run.staging();
    pushed(&run, &staging).await;
    run.session.client.batch_execute("set timezone = 'UTC'").await.unwrap();
    for (sql, wanted) in [
        ("select string_agg(id::text, ',' order by id) from cama where id between 43 and 48", "43,44,47,48"),
        ("select string_agg(distinct es_individual::text, ',') from sala where id in (5, 10)", "true"),
        ("select count(*)::text from servicio where activo", "7"),
        (
            "select estado::text || ' ' || equipamiento::text from cama where id = 3",
            "OCUPADA [\"monitor\", \"bomba\"]",
        ),
        ("select estado_desde::text from cama where id = 10", "2024-01-01 21:59:50+00"),
        ("select nombre || ' ' || run from paciente where id = 13", "Iñiguo Muñoz 7804323-7"),
        ("select requerimientos::text from paciente where id = 6", "{\"litros\": 2.5, \"oxigeno\": true}"),
        (
            "select requerimientos::text from paciente where id = 5",
            "{\"n\": 12345678901234567890, \"dieta\": \"líquida\"}",
        ),
        ("select requerimientos::text from paciente where id = 1", "{\"nota\": null, \"oxigeno\": false}"),
        ("select creado_en::text from paciente where id = 1", "2024-01-01 11:27:11+00"),
        ("select actualizado_en::text from paciente where id = 1", "2024-01-01 11:37:11.123456+00"),
        (
            "select string_agg(solicitado_en::text, ', ' order by id) from traslado where id in (4, 5, 6, 7)",
            "2024-02-02 02:03:44+00, 2024-02-02 08:34:40+00, 2024-02-02 15:05:36+00, 2024-02-02 21:36:32+00",
        ),
        (
            "select string_agg(clave || '=' || valor::text, ' ' order by id) from configuracion where id <> 5",
            "intervalo_priorizacion_segundos=60 factor_ocupacion=0.85 derivacion_automatica=true \
          mensaje_bienvenida=\"Bienvenida, urgencia\" plantilla=\"\" version_esquema=\"0042\"",
        ),
        ("select cama_id is null and sexo = 'F' from paciente where id = 150", "true"),
    ] {
        assert_eq!(texts(&run, &format!("select ({sql})::text")).await, [wanted], "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_come_after_the_old_ones_and_no_row_leaves_its_tenant() {
    let run = Run::new("puerto-montt").await;
    let staging = run.staging();
    pushed(&run, &staging).await;
    let tenants = "select distinct tenant_id from cama union select tenant_id from paciente union select tenant_id from traslado
        union select tenant_id from usuario union select tenant_id from hospital union select tenant_id from configuracion";
    assert_eq!(texts(&run, tenants).await, ["hospital-puerto-montt"]);
    let added = "insert into cama (tenant_id, sala_id, identificador) values ('hospital-puerto-montt', 1, 'C-900') returning id::text";
    assert_eq!(texts(&run, added).await, ["125"], "after the greatest key of the hospital");
    run.session
        .client
        .batch_execute("insert into hospital (tenant_id, nombre) values ('otro', 'Otro')")
        .await
        .unwrap();
    let astray = "insert into cama (tenant_id, sala_id, identificador) values ('otro', 1, 'C-901')";
    let refused = run.session.client.batch_execute(astray).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "23503", "a bed of one tenant in a room of another");
    let as_application = "create role camas_app_test; grant select on paciente to camas_app_test; set role camas_app_test; set row_security = on";
    run.session.client.batch_execute("drop role if exists camas_app_test").await.unwrap();
    run.session.client.batch_execute(as_application).await.unwrap();
    let seen = "select count(*)::text from paciente";
    let mut counts = Vec::new();
    for tenant in ["", "otro", "hospital-puerto-montt"] {
        run.session.client.batch_execute(&format!("set app.tenant_id = '{tenant}'")).await.unwrap();
        counts.extend(texts(&run, seen).await);
    }
    assert_eq!(counts, ["0", "0", "290"]);
    let away = "reset role; revoke all on paciente from camas_app_test; drop role camas_app_test";
    run.session.client.batch_execute(away).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_hospital_gets_its_own_rows_and_none_of_those_without_a_hospital() {
    let project = crate::support::project(&["puerto-montt"]);
    let toml = std::fs::read_to_string(clinic().join("clinic.toml")).unwrap();
    let other = toml.replace("\nhospital = \"hospital-puerto-montt\"", "\nhospital = \"hospital-demo\"");
    project.write("clinics/puerto-montt/clinic.toml", &other);
    let run = Run::in_project(project, "puerto-montt").await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let check = run.check(&staging).await;
    let counted: Vec<u64> = staging
        .rows(
            "select (select count(*) from ready.sala) union all select count(*) from ready.cama union all
             select count(*) from ready.paciente union all select count(*) from ready.traslado",
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(counted, [2, 4, 10, 12]);
    assert_eq!(check.stops(), Vec::<String>::new());
    let snapshot = run.export(&staging, &check);
    assert_eq!(run.push(&snapshot).await.plan.writes(), 32);
    let verified = run.verify(&snapshot).await;
    assert!(verified.is_clean(), "{verified:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mixes_two_hospitals_stops_and_who_has_none_is_rejected_where_nobody_is_named() {
    let project = crate::support::project(&["puerto-montt"]);
    let toml = std::fs::read_to_string(clinic().join("clinic.toml")).unwrap();
    project.write(
        "clinics/puerto-montt/clinic.toml",
        &toml.replace("without_hospital = \"hospital-puerto-montt\"", ""),
    );
    let database = project.path().join("clinics/puerto-montt/sources/gestion_camas.db");
    Connection::open(database)
        .unwrap()
        .execute_batch(
            "update paciente set hospital_id = 'abc' where id = 1; update paciente set hospital_id = 77 where id = 2;
             update traslado set cama_origen_id = 125 where id = 1; update traslado set cama_origen_id = null, cama_destino_id = null, solicitado_por = 12 where id = 2;",
        )
        .unwrap();
    let run = Run::in_project(project, "puerto-montt").await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let check = run.check(&staging).await;
    assert!(check.stops().contains(&"tenant_of_parent".to_owned()), "{:?}", check.stops());
    let rejected: Vec<String> = staging
        .rows(
            "select source_id from (select _source_id as source_id, unnest(_errors) as error from reject.paciente)
             where error.rule = 'not_null' and error.column_name = 'tenant_id' order by source_id::int",
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(rejected, ["1", "2", "50", "100", "150", "200", "250"]);
}

/// Cells that nobody can read are told to the hospital whose they are, and to no other.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_to_its_own_hospital() {
    let run = Run::new("puerto-montt").await;
    let staging = run.staging();
    run.load(&staging);
    // The other hospital's patients, and a transfer of this one's.
    let spoil = "update raw.paciente set es_embarazada = 'quizá' where hospital_id = (select id from raw.hospital where codigo = 'hospital-demo');
        update raw.traslado set completado_en = 'ayer' where id = '1'";
    staging.execute(spoil).unwrap();
    run.transform(&staging);
    let report = run.check(&staging).await;
    let told = report.findings.iter().find(|finding| finding.rule == "unreadable").unwrap();
    // The e-mail of a user, which the old database came with, and that transfer.
    assert_eq!(told.count, 2, "{:#?}", report.findings);
}
