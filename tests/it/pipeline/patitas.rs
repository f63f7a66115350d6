//! A veterinary clinic that leaves OkVet: duplicates, orphans and repairs are what its generator made, and the target numbers
//! its rows itself.

use std::path::Path;

use serde_json::Value;

use super::Run;

fn made(name: &str) -> u64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clinics/patitas/sources/expected.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[name].as_u64().unwrap_or_else(|| panic!("{name}"))
}

async fn texts(run: &Run, sql: &str) -> Vec<String> {
    let rows = run.session.client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn patitas_arrives_again_changes_nothing_and_is_taken_back() {
    let run = Run::new("patitas").await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let check = run.check(&staging).await;
    assert_eq!(check.stops(), Vec::<String>::new());
    let clients = check.sources.iter().find(|source| source.source == "clients").unwrap();
    assert_eq!(clients.read, made("clients.records"));
    assert_eq!(clients.merged, made("clients.same_email") + made("clients.same_phone"));
    assert_eq!(clients.filtered, made("clients.no_contact") + made("clients.no_name"));
    let rejected = |table: &str, rules: &[&str]| -> u64 {
        let table = check.tables.iter().find(|one| one.table.to_string() == table).unwrap();
        table.rules.iter().filter(|rule| rules.contains(&rule.rule.as_str())).map(|rule| rule.rows).sum()
    };
    for (entity, source, repair) in [
        ("client", "clients", "date_unreadable"),
        ("client", "clients", "email_says_more"),
        ("client", "clients", "email_invalid"),
        ("pet", "pets", "date_format"),
        ("pet", "pets", "date_unreadable"),
        ("pet", "pets", "sentinel_date"),
        ("pet", "pets", "sex_unreadable"),
        ("pet", "pets", "yes_no_unreadable"),
        ("vaccination_record", "vaccines", "sentinel_date"),
        ("vaccination_record", "vaccines", "due_date_unreadable"),
        ("invoice", "invoices", "date_format"),
        ("invoice", "invoices", "date_unreadable"),
        ("document", "documents", "date_unreadable"),
        ("medical_record", "records", "date_format"),
        ("medical_record", "records", "vet_unknown"),
    ] {
        let sql = format!("select count(*) from clean.{entity} where list_contains(_repairs, '{repair}')");
        let counted: u64 = staging.value(&sql).unwrap();
        assert_eq!(counted, made(&format!("{source}.{repair}")), "{entity}: {repair}");
    }
    assert_eq!(rejected("pet", &["orphan"]), made("pets.orphan") + made("pets.of_client_left_out"));
    assert_eq!(rejected("invoice", &["orphan"]), made("invoices.orphan"));
    for (table, source) in [
        ("medical_record", "records"),
        ("vaccination_record", "vaccines"),
        ("appointment", "appointments"),
        ("document", "documents"),
    ] {
        assert_eq!(rejected(table, &["orphan"]), made(&format!("{source}.orphan")), "{table}");
        let left_out = made(&format!("{source}.of_animal_left_out"));
        assert_eq!(rejected(table, &["parent_rejected"]), left_out, "{table}");
    }

    let before = texts(&run, "select count(*)::text from pet").await;
    let snapshot = run.export(&staging, &check);
    let batch = run.push(&snapshot).await.batch.unwrap();
    let report = run.verify(&snapshot).await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.controls.iter().filter(|control| control.equal).count(), 10);
    // A client without e-mail, and one whose e-mail is none.
    let placeholders =
        "select count(*)::text from \"user\" where email like 'imported\\_%@placeholder.local'";
    assert!(texts(&run, placeholders).await[0].parse::<u64>().unwrap() > made("clients.email_invalid"));
    let merged = "select count(distinct o.id)::text from trasvase.external_id e join trasvase.name n on n.code = e.target_table \
         join owner_profile o on o.id::text = e.target_key where n.name = 'owner_profile'";
    assert_eq!(texts(&run, merged).await, texts(&run, "select count(*)::text from owner_profile").await);
    assert_eq!(texts(&run, "select count(*)::text from \"user\" where is_staff").await, ["3"]);
    assert_eq!(texts(&run, "select min(id)::text from pet").await, ["1"]);
    // What could not be read is where people look.
    for (table, line, made_wrong) in [
        ("owner_profile", "Fecha de registro: 31/02/2020", "clients.date_unreadable"),
        ("owner_profile", "; otro.", "clients.email_says_more"),
        ("invoice", "Vencimiento: 31/02/2025", "invoices.date_unreadable"),
        ("document", "Fecha: 31/02/2025", "documents.date_unreadable"),
        ("pet", "Sexo: quizá", "pets.sex_unreadable"),
        ("pet", "Esterilizado: talvez", "pets.yes_no_unreadable"),
        ("pet", "próxima: 31/02/2025", "vaccines.due_date_unreadable"),
    ] {
        let sql = format!("select count(*)::text from {table} where notes like '%{line}%'");
        assert_eq!(texts(&run, &sql).await, [made(made_wrong).to_string()], "{line}");
    }

    let again = run.push(&snapshot).await;
    assert_eq!((again.batch, again.plan.writes()), (None, 0));
    let same = run.export(&staging, &run.check(&staging).await);
    assert_eq!(same.id(), snapshot.id());

    run.rollback(&batch).await;
    for table in ["\"user\"", "owner_profile", "pet", "medical_record", "invoice", "product", "document"] {
        assert_eq!(texts(&run, &format!("select count(*)::text from {table}")).await, before, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn animals_of_clients_who_are_one_person_belong_to_the_one_who_stays() {
    let run = Run::new("patitas").await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let check = run.check(&staging).await;
    run.push(&run.export(&staging, &check)).await;
    let lost: u64 = staging
        .value(
            "select count(*) from clean.pet p join xref.owner x on x.source_id = p.owner_source_id \
             anti join ready.pet r on r.external_id = p.source_id",
        )
        .unwrap();
    assert_eq!(lost, 0, "no animal of a client who was merged is left out");
    let merged: u64 = staging
        .value("select count(*) from xref.owner x join golden.owner g using (golden_id) where g.source_id <> x.source_id")
        .unwrap();
    assert_eq!(merged, made("clients.same_email") + made("clients.same_phone"));
}
