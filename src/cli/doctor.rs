use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::context::Context;
use super::output::{self, Page, Table};
use super::{hints, pipeline};
use crate::config::{Clinic, Project, SourceConfig, sql_files};
use crate::error::Failure;
use crate::model::ident::{ClinicName, TableName};
use crate::model::run::Stage;
use crate::pg::embedded::{self, Binaries, Status, client_program};
use crate::pg::privileges::Problem;
use crate::pg::{Purpose, Session, Target, catalog, privileges, schema_file, variable};
use crate::staging::{Access, Lock, Staging};
use crate::{load, sources};

/// Look at variables, tools, connections, privileges and disk, and say what to do about each
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Look at this clinic too
    clinic: Option<ClinicName>,
}

const EXAMPLES: &str = "Examples:
  trasvase doctor
  trasvase doctor acme --target production";

/// Less free space than this is worth a word.
const LITTLE_SPACE: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    /// It works, but not for everything.
    Doubt,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    subject: String,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do about it.
    remedies: Vec<String>,
}

impl Finding {
    fn new(subject: impl Into<String>, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict, found: found.into(), remedies: Vec::new() }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedies.push(remedy.into());
        self
    }

    /// What may propose commands.
    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        self.remedies.iter_mut().chain([&mut self.found])
    }

    /// Good with what `found` says of the value, or bad with the failure and its hints.
    fn of<T>(subject: impl Into<String>, result: Result<T>, found: impl FnOnce(T) -> String) -> Self {
        match result {
            Ok(value) => Self::new(subject, Verdict::Good, found(value)),
            Err(error) => {
                let failure = Failure::from_anyhow(&error);
                Self { remedies: failure.hints, ..Self::new(subject, Verdict::Bad, failure.message) }
            }
        }
    }
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let project = context.project()?;
        let mut findings = machine(&project);
        let clinic = self.clinic.as_ref().map(|name| Clinic::read(&project, name)).transpose()?;
        if let Some(clinic) = &clinic {
            findings.extend(of_clinic(context, &project, clinic));
        } else {
            for name in project.clinics()? {
                findings.push(Finding::of(name.to_string(), Clinic::read(&project, &name), |clinic| {
                    t!("cli.doctor.clinic", product = clinic.product, system = clinic.system).into_owned()
                }));
            }
        }
        findings.extend(of_target(context, &project, clinic.as_ref()));
        let (name, target) = (clinic.as_ref().map(|clinic| &clinic.name), context.global.target.as_deref());
        for text in findings.iter_mut().flat_map(Finding::texts) {
            *text = hints::complete(text, name, target);
        }
        output::show(context.format(), findings.as_slice(), page)?;
        let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
        match bad {
            0 => Ok(()),
            count => Err(Failure::findings(t!("cli.doctor.bad", count = count)).into()),
        }
    }
}

fn page(findings: &[Finding]) -> Page {
    let mut table = Table::new([t!("cli.doctor.subject"), "".into(), t!("cli.doctor.found")]);
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Good => "✓",
            Verdict::Doubt => "!",
            Verdict::Bad => "✗",
        };
        let text =
            finding.remedies.iter().fold(finding.found.clone(), |text, remedy| format!("{text}\n→ {remedy}"));
        table.row([finding.subject.as_str(), mark, &text]);
    }
    Page::new().table(table)
}

/// Tools and disk.
fn machine(project: &Project) -> Vec<Finding> {
    let mut findings = vec![
        Finding::new(t!("cli.doctor.project"), Verdict::Good, project.root().display().to_string()),
        Finding::of("PostgreSQL", Binaries::find(None), |binaries| {
            t!("cli.doctor.postgres", version = binaries.major(), path = binaries.path("postgres").display())
                .into_owned()
        }),
        disk(project.root()),
    ];
    for program in ["psql", "pg_dump"] {
        let path = client_program(program);
        if std::process::Command::new(&path).arg("--version").output().is_err() {
            let finding = Finding::new(program, Verdict::Doubt, t!("cli.doctor.no_program", name = program));
            findings.push(finding.remedy(t!("cli.doctor.install_client")));
        }
    }
    findings.extend(dotenv(&project.root().join(".env")));
    findings
}

fn disk(folder: &Path) -> Finding {
    let free = nix::sys::statvfs::statvfs(folder).map(|disk| disk.blocks_available() * disk.fragment_size());
    match free {
        Ok(free) => {
            let verdict = if free < LITTLE_SPACE { Verdict::Doubt } else { Verdict::Good };
            let finding =
                Finding::new(t!("cli.doctor.disk"), verdict, t!("cli.doctor.free", size = gigabytes(free)));
            if verdict == Verdict::Good { finding } else { finding.remedy(t!("cli.doctor.make_room")) }
        }
        Err(error) => Finding::new(t!("cli.doctor.disk"), Verdict::Doubt, error.to_string()),
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 30, ((bytes & ((1 << 30) - 1)) * 10) >> 30)
}

/// A `.env` holds passwords: others must not read it.
fn dotenv(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    Some(match mode & 0o077 {
        0 => Finding::new(".env", Verdict::Good, t!("cli.doctor.dotenv_private")),
        _ => Finding::new(".env", Verdict::Doubt, t!("cli.doctor.dotenv_open"))
            .remedy(format!("chmod 600 {}", path.display())),
    })
}

/// The files of a clinic's sources, and the variables of those that are live.
fn of_sources(project: &Project, clinic: &Clinic) -> Vec<Finding> {
    let folder = match sources::Folder::open(project.clinic_dir(&clinic.name), &clinic.sources) {
        Ok(folder) => folder,
        Err(error) => return vec![Finding::of("sources/", Err::<(), _>(error), |()| String::new())],
    };
    let of = |(name, config): (&String, &SourceConfig)| {
        let subject = format!("[sources.{name}]");
        match &config.url {
            Some(url) => {
                let set = load::ready(project, clinic, std::slice::from_ref(name));
                Finding::of(subject, set, |()| t!("cli.doctor.live", name = url).into_owned())
            }
            None => Finding::of(subject, folder.find(name, config), |files| {
                t!("cli.doctor.files", count = files.len()).into_owned()
            }),
        }
    };
    clinic.sources.iter().map(of).collect()
}

/// A clinic's files and variables.
fn of_clinic(context: &Context, project: &Project, clinic: &Clinic) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(of_sources(project, clinic));
    let folders = [
        project.sql_dir().join("sources").join(&clinic.product),
        project.sql_dir().join("systems").join(&clinic.system),
        project.schema_file(&clinic.system),
    ];
    for path in folders.iter().filter(|path| !path.exists()) {
        let shown = path.strip_prefix(project.root()).unwrap_or(path).display().to_string();
        findings.push(Finding::new(shown, Verdict::Doubt, t!("cli.doctor.no_folder")));
    }
    findings.push(staging(context, project, clinic));
    for (name, target) in &clinic.targets {
        findings.push(match variable(project, &target.url_env) {
            Ok(Some(_)) => Finding::new(
                format!("[target.{name}]"),
                Verdict::Good,
                t!("cli.doctor.set", name = target.url_env),
            ),
            Ok(None) => Finding::new(
                format!("[target.{name}]"),
                Verdict::Doubt,
                t!("cli.doctor.not_set", name = target.url_env),
            )
            .remedy(t!("pg.url_example", origin = target.url_env)),
            Err(error) => Finding::of::<()>(format!("[target.{name}]"), Err(error), |()| String::new()),
        });
    }
    let named = Stage::BESIDE.into_iter().filter(|stage| clinic.has_stage(*stage));
    findings.extend(named.map(|stage| {
        let ready = pipeline::ready(context, project, clinic, stage);
        Finding::of(format!("[{stage}]"), ready, |()| t!("cli.doctor.ready").into_owned())
    }));
    findings
}

fn staging(context: &Context, project: &Project, clinic: &Clinic) -> Finding {
    let subject = t!("cli.doctor.staging");
    let path = project.duckdb_path(&clinic.name);
    if !path.is_file() {
        return Finding::new(subject, Verdict::Good, t!("cli.doctor.no_staging"));
    }
    if let Some(process) = Lock::holder(&project.staging_dir(&clinic.name)) {
        return Finding::new(subject, Verdict::Doubt, t!("cli.status.busy", process = process));
    }
    Finding::of(subject, Staging::open(project, clinic, Access::ReadOnly, &context.limits()), |_| {
        path.display().to_string()
    })
}

/// The target: does it answer, are its tables there, may we write them? The private server is not started for this.
fn of_target(context: &Context, project: &Project, clinic: Option<&Clinic>) -> Vec<Finding> {
    let named = context.global.target.as_deref();
    let elsewhere = named.is_some_and(|name| name != "embedded")
        || (named.is_none() && matches!(variable(project, "DATABASE_URL"), Ok(Some(_))));
    if !elsewhere {
        match embedded::status(&project.postgres_dir()) {
            Ok(Status::Running { .. }) => {}
            Ok(_) => {
                return vec![Finding::new(
                    t!("cli.doctor.target"),
                    Verdict::Good,
                    t!("cli.doctor.on_demand"),
                )];
            }
            Err(error) => {
                return vec![Finding::of::<()>(t!("cli.doctor.target"), Err(error), |()| String::new())];
            }
        }
    }
    match connected(context, project, clinic) {
        Ok(findings) => findings,
        Err(error) => vec![Finding::of::<()>(t!("cli.doctor.target"), Err(error), |()| String::new())],
    }
}

fn connected(context: &Context, project: &Project, clinic: Option<&Clinic>) -> Result<Vec<Finding>> {
    let target = Target::resolve(project, clinic, context.global.target.as_deref())?;
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let session = Session::open(&target, Purpose::Read).await?;
        let found = t!(
            "cli.doctor.connected",
            target = target.name,
            version = session.server_version / 10_000,
            database = session.database,
            user = session.user
        );
        let mut findings = vec![Finding::new(t!("cli.doctor.target"), Verdict::Good, found)];
        findings.extend(session.read_only.map(|why| {
            let found = t!("cli.doctor.read_only", target = target.name, cause = why.cause());
            let remedy = why.remedy(&session.database, &session.user, &target.origin);
            Finding::new(t!("cli.doctor.target"), Verdict::Bad, found).remedy(remedy)
        }));
        let Some(clinic) = clinic else { return Ok(findings) };
        let known = catalog::load(&project.catalog_file(&clinic.system))?;
        let live = catalog::read(&session.client, None).await?;
        let models = sql_files(project, clinic, "target")?;
        let made = models.iter().map(|file| TableName::from(file.name.as_str()));
        let tables: BTreeSet<TableName> =
            known.as_ref().unwrap_or(&live).tables.keys().cloned().chain(made).collect();
        let tables: Vec<TableName> = tables.into_iter().collect();
        for problem in privileges::privileges(&session.client, &tables).await? {
            let verdict = if problem.blocks() { Verdict::Bad } else { Verdict::Doubt };
            let subject =
                problem.table.as_ref().map(ToString::to_string).unwrap_or_else(|| target.name.clone());
            let finding = Finding::new(subject, verdict, problem.sentence(&session.user));
            let missing = problem.table.as_ref().filter(|_| problem.problem == Problem::NoTable);
            let advice = missing.and_then(|table| schema_file::advice(project, &clinic.system, &live, table));
            findings.push(advice.into_iter().fold(finding, Finding::remedy));
        }
        session.close().await;
        Ok(findings)
    })
}
