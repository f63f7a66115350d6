use std::path::Path;

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Serialize;
use ulid::Ulid;

use super::context::Context;
use super::output::{self, Page};
use crate::config::{Clinic, Project};
use crate::error::Failure;
use crate::model::ident::ClinicName;

/// Start a clinic: write its folder with a commented clinic.toml
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Name of the clinic: lower-case letters, digits, - and _
    #[arg(value_name = "NAME")]
    clinic: ClinicName,
    /// The system that it leaves, a folder of sql/sources/; its own name where not given
    #[arg(long, value_name = "PRODUCT")]
    product: Option<String>,
    /// The system that it enters, a folder of sql/systems/
    #[arg(long, value_name = "SYSTEM", default_value = "clinicsay")]
    system: String,
    /// Two letters, which decide time zone, currency and phone numbers; from LANG where not given
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase init acme
  trasvase init acme --product flowww --country CL";

/// Country, time zone and currency. The first is for those that LANG does not name.
const COUNTRIES: [(&str, &str, &str); 9] = [
    ("ES", "Europe/Madrid", "EUR"),
    ("CO", "America/Bogota", "COP"),
    ("CL", "America/Santiago", "CLP"),
    ("MX", "America/Mexico_City", "MXN"),
    ("AR", "America/Argentina/Buenos_Aires", "ARS"),
    ("PE", "America/Lima", "PEN"),
    ("EC", "America/Guayaquil", "USD"),
    ("US", "America/New_York", "USD"),
    ("GB", "Europe/London", "GBP"),
];

#[derive(Debug, Serialize)]
struct Report {
    clinic: ClinicName,
    folder: String,
    #[serde(skip)]
    project: String,
    files: Vec<String>,
    /// What every clinic of the system needs and is not here.
    missing: Vec<String>,
    next: Vec<String>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let project = self.project(context)?;
        let folder = project.clinic_dir(&self.clinic);
        if folder.join("clinic.toml").exists() {
            return Err(Failure::usage(t!("cli.init.exists", clinic = self.clinic))
                .hint(format!("trasvase status {}", self.clinic))
                .into());
        }
        let mut files = Vec::new();
        for (name, text) in self.files()? {
            write(&folder.join(&name), &text)?;
            files.push(name);
        }
        Clinic::read(&project, &self.clinic)?;
        let report = Report {
            clinic: self.clinic.clone(),
            folder: folder.display().to_string(),
            project: project.root().display().to_string(),
            files,
            missing: self.missing(&project),
            next: vec![
                t!("cli.init.next_copy", clinic = self.clinic).into_owned(),
                t!("cli.init.next_edit", clinic = self.clinic).into_owned(),
                format!("trasvase load {}", self.clinic),
            ],
        };
        output::show(context.format(), &report, page)
    }

    /// The system's SQL and tables, where the project does not have them: `init` makes none.
    fn missing(&self, project: &Project) -> Vec<String> {
        let models = project.sql_dir().join("systems").join(&self.system);
        let needed = [models, project.schema_file(&self.system)];
        let missing = needed.iter().filter(|path| !path.exists());
        missing.map(|path| path.strip_prefix(project.root()).unwrap_or(path).display().to_string()).collect()
    }

    /// The project here, or a new one in the folder we are in.
    fn project(&self, context: &Context) -> Result<Project> {
        match (&context.global.project, context.project()) {
            (_, Ok(project)) => Ok(project),
            (Some(folder), Err(_)) => Ok(Project::at(folder)),
            (None, Err(_)) => Ok(Project::at(std::env::current_dir()?)),
        }
    }

    /// Paths below the clinic's folder, and what is in them.
    fn files(&self) -> Result<Vec<(String, String)>> {
        let spanish = &*rust_i18n::locale() == "es";
        let (settings, readme) = match spanish {
            true => (include_str!("init/clinic.es.toml"), include_str!("init/README.es.md")),
            false => (include_str!("init/clinic.en.toml"), include_str!("init/README.en.md")),
        };
        let keep = |folder: &str| (format!("{folder}/.gitkeep"), String::new());
        Ok(vec![
            ("clinic.toml".to_owned(), self.filled(settings)?),
            ("README.md".to_owned(), self.filled(readme)?),
            ("sources/.gitignore".to_owned(), "*\n!.gitignore\n".to_owned()),
            keep("sql"),
            keep("maps"),
            keep("fixes"),
        ])
    }

    fn filled(&self, template: &str) -> Result<String> {
        let country = self.country()?;
        let (code, timezone, currency) = COUNTRIES[country];
        Ok(template
            .replace("{name}", self.clinic.as_str())
            .replace("{uid}", &Ulid::generate().to_string())
            .replace("{epoch}", &chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
            .replace("{product}", &toml_text(self.product.as_deref().unwrap_or(self.clinic.as_str())))
            .replace("{system}", &toml_text(&self.system))
            .replace("{timezone}", timezone)
            .replace("{country}", code)
            .replace("{currency}", currency)
            // Every clinic of this system has its own row, whose id the other tables carry.
            .replace("{tenant}", if self.system == "clinicsay" { "" } else { "# " }))
    }

    /// Position in [`COUNTRIES`].
    fn country(&self) -> Result<usize> {
        let find = |code: &str| COUNTRIES.iter().position(|(country, ..)| country.eq_ignore_ascii_case(code));
        match &self.country {
            Some(code) => find(code).ok_or_else(|| {
                let known = COUNTRIES.map(|(code, ..)| code).join(", ");
                Failure::usage(t!("cli.init.country", code = code, known = known))
                    .hint(format!("trasvase init {} --country ES", self.clinic))
                    .hint(t!("cli.init.country_hint"))
                    .into()
            }),
            None => {
                let locale = sys_locale::get_locale().unwrap_or_default();
                Ok(locale.split(['-', '_']).nth(1).and_then(find).unwrap_or_default())
            }
        }
    }
}

fn page(report: &Report) -> Page {
    let page = Page::new().line(t!("cli.init.made", folder = report.folder));
    let page = report.files.iter().fold(page, |page, file| page.line(format!("  {file}")));
    let page = match report.missing.as_slice() {
        [] => page,
        missing => page
            .line("")
            .line(t!("cli.init.missing", what = missing.join(", ")))
            .line(format!("  → {}", t!("cli.run.no_models_hint", folder = report.project))),
    };
    let page = page.line("").line(t!("cli.status.next"));
    report.next.iter().enumerate().fold(page, |page, (at, step)| page.line(format!("  {}. {step}", at + 1)))
}

/// A TOML basic string, quotes included.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| t!("staging.cannot_write", path = path.display()))
}
