use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use rust_i18n::t;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::context::Context;
use super::output::{self, Page};
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::{ClinicName, literal};
use crate::pg::schema::{self, Applied};
use crate::pg::{Purpose, Session, Target, catalog};
use crate::staging::{Access, Staging};

/// The target's tables: make them, read them back, take them away
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the target's catalog into schema/<system>.catalog.json and say what changed
    Pull(Which),
    /// Make the tables of schema/<system>.sql, or see that they are there
    Apply(Which),
    /// Drop everything in the system's schemas, and the ledger; shows the list and asks for a name to be typed
    Reset(Reset),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// A clinic that enters the system
    clinic: Option<ClinicName>,
}

#[derive(Debug, clap::Args)]
struct Reset {
    #[command(flatten)]
    which: Which,
    /// The database's name (for production the clinic's), in place of typing it: --yes is enough for the private server only
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase schema apply acme
  trasvase schema pull acme --target rehearsal
  trasvase schema reset acme
  trasvase schema reset acme --target rehearsal --confirm acme_rehearsal
  trasvase schema reset acme --target production --confirm acme";

#[derive(Debug, Serialize)]
struct Pulled {
    file: PathBuf,
    tables: usize,
    changes: Vec<String>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let (Action::Pull(which) | Action::Apply(which) | Action::Reset(Reset { which, .. })) = &self.action;
        let (project, clinic) = context.clinic(which.clinic.as_ref())?;
        let file = project.catalog_file(&clinic.system);
        let purpose = if matches!(self.action, Action::Pull(_)) { Purpose::Read } else { Purpose::Write };
        let target = Target::resolve(&project, Some(&clinic), context.global.target.as_deref())?;
        let runtime = Runtime::new()?;
        let mut session = context.patiently(|| runtime.block_on(Session::open(&target, purpose)))?;
        match &self.action {
            Action::Pull(_) => pull(context, &runtime, &session, &file),
            Action::Apply(_) => {
                if target.production {
                    let question = t!("cli.schema.apply_question", target = target.name);
                    output::confirm(&question, context.global.yes)?;
                }
                apply(context, &runtime, &mut session, &project, &clinic)
            }
            Action::Reset(reset) => {
                reset.run(context, &runtime, &mut session, &project, (&clinic, &target))?;
                forget_pushes(context, &project, &clinic, &target)
            }
        }
    }
}

fn pull(context: &Context, runtime: &Runtime, session: &Session, file: &Path) -> Result<()> {
    let (catalog, changes) = runtime.block_on(schema::pull(session, file))?;
    let pulled = Pulled { file: file.to_owned(), tables: catalog.tables.len(), changes };
    output::show(context.format(), &pulled, |pulled| {
        let page = Page::new().line(t!(
            "cli.schema.pulled",
            count = pulled.tables,
            path = pulled.file.display(),
            changes = pulled.changes.len()
        ));
        pulled.changes.iter().fold(page, |page, change| page.line(format!("  {change}")))
    })
}

fn apply(
    context: &Context,
    runtime: &Runtime,
    session: &mut Session,
    project: &Project,
    clinic: &Clinic,
) -> Result<()> {
    let known = catalog::load(&project.catalog_file(&clinic.system))?;
    let file = project.schema_file(&clinic.system);
    if !file.is_file() {
        return Err(Failure::usage(t!("cli.schema.no_file", path = file.display())).into());
    }
    let applied = runtime.block_on(schema::apply(session, &file, known.as_ref()))?;
    output::show(context.format(), &applied, |applied| {
        Page::new().line(match applied {
            Applied::Made { tables } => t!("cli.schema.made", count = tables),
            Applied::AlreadyThere { tables } => t!("cli.schema.there", count = tables),
        })
    })
}

impl Reset {
    fn run(
        &self,
        context: &Context,
        runtime: &Runtime,
        session: &mut Session,
        project: &Project,
        (clinic, target): (&Clinic, &Target),
    ) -> Result<()> {
        let known = catalog::load(&project.catalog_file(&clinic.system))?;
        let file = project.schema_file(&clinic.system);
        let made = match file.is_file() {
            true => std::fs::read_to_string(&file).with_context(|| file.display().to_string())?,
            false => String::new(),
        };
        let objects = runtime.block_on(schema::resettable(session, known.as_ref(), &made))?;
        if !objects.is_empty() {
            for object in &objects {
                output::status(&format!("  {} {}", object.kind, object.name));
            }
            let question = t!(
                "cli.schema.question",
                count = objects.len(),
                database = session.database,
                address = session.address
            );
            self.confirmed(&question, context.global.yes, clinic, target, &session.database)?;
            runtime.block_on(schema::reset(session, &objects))?;
        }
        output::show(context.format(), objects.as_slice(), |objects| {
            Page::new().line(t!("cli.schema.dropped", count = objects.len()))
        })
    }
}

impl Reset {
    /// Asks before everything is dropped. A yes to everything is enough for the private server only, which nobody else
    /// uses: any other database may be the wrong one, left in the environment, so it is named; production by the clinic.
    fn confirmed(
        &self,
        question: &str,
        yes: bool,
        clinic: &Clinic,
        target: &Target,
        database: &str,
    ) -> Result<()> {
        let given = self.confirm.as_deref();
        if target.production {
            output::confirm_named(question, clinic.name.as_str(), given)
        } else if target.is_embedded() && yes && given.is_none() {
            Ok(())
        } else {
            output::confirm_named(question, database, given)
        }
    }
}

/// Push and verify of every clinic of the system are to be done again where they were done on this target.
fn forget_pushes(context: &Context, project: &Project, clinic: &Clinic, target: &Target) -> Result<()> {
    for name in project.clinics()? {
        let forgotten = Clinic::read(project, &name).and_then(|other| {
            if other.system != clinic.system || !project.duckdb_path(&name).is_file() {
                return Ok(());
            }
            let staging = Staging::open(project, &other, Access::Write, &context.limits())?;
            let here = format!("json_extract_string(counts, '$.target') = {}", literal(&target.name));
            staging.execute(&format!("delete from meta.stage where stage in ('push', 'verify') and {here}"))
        });
        // The tables are gone already: a staging file in use, or another clinic's mistake, is only told.
        if let Err(error) = forgotten {
            let reason = Failure::from_anyhow(&error).message;
            output::status(&t!("cli.schema.not_forgotten", clinic = name, reason = reason));
        }
    }
    Ok(())
}
