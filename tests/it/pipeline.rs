//! The stages one after the other, on real clinics, against a real PostgreSQL.

use trasvase::codec::LiveOids;
use trasvase::config::Clinic;
use trasvase::model::catalog::Catalog;
use trasvase::model::run::Silent;
use trasvase::pg::{Session, catalog, schema};
use trasvase::rollback::{self, Edited, Which};
use trasvase::snapshot::Snapshot;
use trasvase::staging::{Access, Limits, Staging};
use trasvase::{check, export, load, push, transform, verify};

mod mdw;
mod mesa4core;
mod patitas;
mod puerto_montt;
mod senses;

use crate::support::{self, TestDatabase, TestProject};

/// A clinic in a project of its own and a target database of its own.
pub(crate) struct Run {
    pub(crate) project: TestProject,
    pub(crate) clinic: Clinic,
    pub(crate) session: Session,
    aside: Session,
    catalog: Catalog,
    oids: LiveOids,
    database: TestDatabase,
}

impl Run {
    pub(crate) async fn new(name: &str) -> Self {
        Self::in_project(support::project(&[name]), name).await
    }

    pub(crate) async fn in_project(project: TestProject, name: &str) -> Self {
        let clinic = Clinic::read(&project.project, &name.parse().unwrap()).unwrap();
        let database = support::database().await;
        let mut session = database.client().await;
        schema::apply(&mut session, &project.project.schema_file(&clinic.system), None).await.unwrap();
        let catalog = catalog::read(&session.client, None).await.unwrap();
        let oids = LiveOids(catalog::live_oids(&session.client).await.unwrap());
        let aside = database.client().await;
        Self { project, clinic, session, aside, catalog, oids, database }
    }

    pub(crate) fn staging(&self) -> Staging {
        Staging::open(&self.project.project, &self.clinic, Access::Write, &Limits::default()).unwrap()
    }

    pub(crate) fn load(&self, staging: &Staging) -> load::Report {
        self.try_load(staging, false).unwrap()
    }

    pub(crate) fn try_load(&self, staging: &Staging, incremental: bool) -> anyhow::Result<load::Report> {
        let (project, clinic, only) = (&self.project.project, &self.clinic, Vec::new());
        let options = load::Options { project, clinic, staging, only, force: false, incremental };
        load::run(&options, &Silent)
    }

    pub(crate) fn transform(&self, staging: &Staging) -> transform::Report {
        let project = &self.project.project;
        let options = transform::Options { project, clinic: &self.clinic, staging, select: Vec::new() };
        transform::run(&options, &Silent).unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) async fn try_check(&self, staging: &Staging) -> anyhow::Result<check::Report> {
        let options = check::Options {
            project: &self.project.project,
            clinic: &self.clinic,
            staging,
            client: &self.session.client,
            catalog: &self.catalog,
            oids: &self.oids,
        };
        check::run(&options, &Silent).await
    }

    pub(crate) async fn check(&self, staging: &Staging) -> check::Report {
        self.try_check(staging).await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) fn export(&self, staging: &Staging, check: &check::Report) -> Snapshot {
        let names: Vec<_> = check.tables.iter().map(|table| table.table.clone()).collect();
        let options = export::Options {
            project: &self.project.project,
            clinic: &self.clinic,
            staging,
            catalog: &self.catalog,
            catalog_hash: catalog::hash(&self.catalog, &names),
            sources: check.sources.clone(),
        };
        let report = export::run(&options, &Silent).unwrap_or_else(|error| panic!("{error:#}"));
        Snapshot::find(&self.project.project.snapshots_dir(&self.clinic.name), Some(&report.snapshot))
            .unwrap()
    }

    fn push_options<'a>(&'a self, snapshot: &'a Snapshot) -> push::Options<'a> {
        push::Options {
            project: &self.project.project,
            clinic: &self.clinic,
            snapshot,
            client: &self.session.client,
            aside: Some(&self.aside.client),
            catalog: &self.catalog,
            oids: &self.oids,
            dry_run: false,
            allow_pending: false,
            expected_plan: None,
            notes: "a test's".to_owned(),
            ending: push::Ending::Stays,
        }
    }

    /// A push over a session of its own, as from another machine.
    pub(crate) async fn push_from_elsewhere(&self, snapshot: &Snapshot) -> anyhow::Result<push::Report> {
        let session = self.database.client().await;
        let options = push::Options { client: &session.client, aside: None, ..self.push_options(snapshot) };
        push::run(&options, &Silent).await
    }

    pub(crate) async fn try_push(&self, snapshot: &Snapshot) -> anyhow::Result<push::Report> {
        push::run(&self.push_options(snapshot), &Silent).await
    }

    pub(crate) async fn push(&self, snapshot: &Snapshot) -> push::Report {
        self.try_push(snapshot).await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) async fn dry_run(&self, snapshot: &Snapshot) -> push::Plan {
        let options = push::Options { dry_run: true, ..self.push_options(snapshot) };
        push::run(&options, &Silent).await.unwrap().plan
    }

    pub(crate) async fn push_despite_pending(&self, snapshot: &Snapshot) -> push::Report {
        let options = push::Options { allow_pending: true, ..self.push_options(snapshot) };
        push::run(&options, &Silent).await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) async fn push_plan(&self, snapshot: &Snapshot, plan: &str) -> anyhow::Result<push::Report> {
        let options = push::Options { expected_plan: Some(plan.to_owned()), ..self.push_options(snapshot) };
        push::run(&options, &Silent).await
    }

    /// Reads the catalog again, after a test has changed it or its role.
    pub(crate) async fn refresh(&mut self) {
        self.catalog = catalog::read(&self.session.client, None).await.unwrap();
    }

    fn rollback_options<'a>(&'a self, batch: &'a str, edited: Edited) -> rollback::Options<'a> {
        rollback::Options {
            clinic: &self.clinic,
            client: &self.session.client,
            catalog: &self.catalog,
            which: Which::Only(batch),
            edited,
            dry_run: false,
            expected_plan: None,
            most: 100,
        }
    }

    pub(crate) async fn try_rollback(&self, batch: &str, edited: Edited) -> anyhow::Result<rollback::Report> {
        rollback::run(&self.rollback_options(batch, edited)).await
    }

    pub(crate) async fn rollback(&self, batch: &str) -> rollback::Report {
        self.try_rollback(batch, Edited::Refuse).await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) async fn rollback_cascade(&self, batch: &str) -> anyhow::Result<rollback::Report> {
        let options = self.rollback_options(batch, Edited::Refuse);
        rollback::run(&rollback::Options { which: Which::Cascade(batch), ..options }).await
    }

    pub(crate) async fn rollback_plan(&self, batch: &str, edited: Edited) -> rollback::Plan {
        let options = rollback::Options { dry_run: true, ..self.rollback_options(batch, edited) };
        rollback::run(&options).await.unwrap_or_else(|error| panic!("{error:#}")).plan
    }

    pub(crate) fn verify_options<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        limits: &'a Limits,
    ) -> verify::Options<'a> {
        verify::Options {
            project: &self.project.project,
            clinic: &self.clinic,
            snapshot,
            client: &self.session.client,
            catalog: &self.catalog,
            limits,
            show_values: true,
            most: 20,
            since: None,
            sample: 0,
            replica: None,
            within: false,
        }
    }

    pub(crate) async fn verify(&self, snapshot: &Snapshot) -> verify::Report {
        let limits = Limits::default();
        verify::run(&self.verify_options(snapshot, &limits), verify::Books::default(), &Silent)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn synthea_2024_goes_through_and_a_second_run_changes_nothing() {
    let run = Run::new("synthea-2024").await;
    let staging = run.staging();
    run.load(&staging);
    run.transform(&staging);
    let check = run.check(&staging).await;
    assert!(check.stops().is_empty(), "{:#?}", check.tables);
    let snapshot = run.export(&staging, &check);
    let push = run.push(&snapshot).await;
    assert!(push.batch.is_some());
    let report = run.verify(&snapshot).await;
    assert!(report.is_clean(), "{report:#?}");
    let again = run.push(&snapshot).await;
    assert_eq!((again.batch, again.plan.writes()), (None, 0));
    let same = run.export(&staging, &run.check(&staging).await);
    assert_eq!(same.id(), snapshot.id());
}

/// What was rejected is taken from what a control expects: one patient less with everything that hangs on it is no difference.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_patient_is_no_difference_in_a_control() {
    for (name, source, columns) in
        [("synthea-2024", "patients", ["first", "last"]), ("senses", "pacientes", ["Nombre", "Apellidos"])]
    {
        let project = support::project(&[name]);
        let path = project.path().join(format!("clinics/{name}/clinic.toml"));
        let settings: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        // What the old system printed knows of no rejected rows.
        let kept = settings.into_iter().filter(|(key, _)| key != "control" && key != "limits");
        std::fs::write(path, toml::to_string(&kept.collect::<toml::Table>()).unwrap()).unwrap();
        let run = Run::in_project(project, name).await;
        let staging = run.staging();
        run.load(&staging);
        let spoil = format!(
            "update raw.{source} set \"{}\" = null, \"{}\" = null where _id = (select _id from raw.{source} order by _id limit 1)",
            columns[0], columns[1],
        );
        staging.execute(&spoil).unwrap();
        run.transform(&staging);
        let check = run.check(&staging).await;
        assert_eq!(staging.value::<u64>("select count(*) from reject.patient").unwrap(), 1, "{name}");
        let snapshot = run.export(&staging, &check);
        run.push(&snapshot).await;
        let report = run.verify(&snapshot).await;
        assert!(report.is_clean(), "{name}: {report:#?}");
    }
}
