//! Which database a command works on.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::Secret;
use super::embedded::{self, DATABASE, Server, ServerOptions};
use crate::config::{Clinic, Project};
use crate::error::{Cause, Failure};

/// A database to connect to.
#[derive(Debug, Clone)]
pub struct Target {
    /// `embedded`, `DATABASE_URL`, or the name in clinic.toml.
    pub name: String,
    pub url: Secret,
    /// A push asks for the clinic's name.
    pub production: bool,
    /// Where the connection string comes from, for messages: a variable's name or `embedded`.
    pub origin: String,
    /// Keeps the private server running while this target is in use.
    server: Option<Arc<Server>>,
}

impl Target {
    /// The target of a command: `--target NAME` by clinic.toml's `[target.NAME]`, else `DATABASE_URL` of the
    /// environment or `.env`, else the project's private server, which is started.
    ///
    /// # Errors
    /// An unknown name, a variable that is not set, a private server that does not start.
    pub fn resolve(project: &Project, clinic: Option<&Clinic>, name: Option<&str>) -> Result<Self> {
        match (name, variable(project, "DATABASE_URL")?) {
            (Some("embedded"), _) | (None, None) => Self::embedded(project, clinic),
            (Some(name), _) => Self::named(project, clinic, name),
            (None, Some(url)) => Ok(Self::at("DATABASE_URL", url)),
        }
    }

    /// The name that [`Target::resolve`] would give, without connecting or starting anything.
    pub fn chosen(project: &Project, name: Option<&str>) -> Result<String> {
        Ok(match (name, variable(project, "DATABASE_URL")?) {
            (Some(name), _) => name.to_owned(),
            (None, None) => "embedded".to_owned(),
            (None, Some(_)) => "DATABASE_URL".to_owned(),
        })
    }

    /// Whether a command that names this target could have one: without looking whether its variable is set.
    ///
    /// # Errors
    /// A name that clinic.toml does not have.
    pub fn check_name(clinic: &Clinic, name: &str) -> Result<(), Failure> {
        match name == "embedded" || clinic.targets.contains_key(name) {
            true => Ok(()),
            false => Err(unknown(Some(clinic), name)),
        }
    }

    /// The replica that `READ_REPLICA_URL` of the environment or `.env` names.
    ///
    /// # Errors
    /// It is not set.
    pub fn replica(project: &Project) -> Result<Self> {
        let origin = "READ_REPLICA_URL";
        let url = variable(project, origin)?.ok_or_else(|| {
            Failure::usage(t!("pg.no_replica_url")).hint(t!("pg.url_example", origin = origin))
        })?;
        Ok(Self::at(origin, url))
    }

    /// A target by its connection string.
    pub fn at(origin: &str, url: Secret) -> Self {
        Self { name: origin.to_owned(), url, production: false, origin: origin.to_owned(), server: None }
    }

    /// Whether it is the project's private server.
    pub fn is_embedded(&self) -> bool {
        self.server.is_some()
    }

    /// The private server behind it, if it is that.
    pub fn server(&self) -> Option<&Server> {
        self.server.as_deref()
    }

    /// Another database of the same private server.
    ///
    /// # Errors
    /// The target is no private server's.
    pub fn beside(&self, database: &str) -> Result<Self> {
        let server = self.server().context("only the private server has databases to spare")?;
        let url = Secret::new(server.url_for(database));
        Ok(Self { server: self.server.clone(), ..Self::at(database, url) })
    }

    /// Each system has a database of its own there, since two may give one name to different tables.
    fn embedded(project: &Project, clinic: Option<&Clinic>) -> Result<Self> {
        let server = Server::start(&ServerOptions::for_project(project))?;
        let database = clinic.map_or(DATABASE, |clinic| &clinic.system);
        server.ensure_database(database)?;
        let url = Secret::new(server.url_for(database));
        Ok(Self { server: Some(Arc::new(server)), ..Self::at("embedded", url) })
    }

    fn named(project: &Project, clinic: Option<&Clinic>, name: &str) -> Result<Self> {
        let targets = clinic.map(|clinic| &clinic.targets);
        let Some(config) = targets.and_then(|targets| targets.get(name)) else {
            return Err(unknown(clinic, name).into());
        };
        let origin = &config.url_env;
        let url = variable(project, origin)?.ok_or_else(|| {
            Failure::usage(t!("pg.no_variable", target = name, variable = origin))
                .hint(t!("pg.url_example", origin = origin))
                .cause(Cause::Variable)
        })?;
        Ok(Self { name: name.to_owned(), production: config.production, ..Self::at(origin, url) })
    }
}

fn unknown(clinic: Option<&Clinic>, name: &str) -> Failure {
    let named = clinic.into_iter().flat_map(|clinic| clinic.targets.keys().map(String::as_str));
    let known = named.chain(["embedded"]).collect::<Vec<_>>().join(", ");
    Failure::usage(t!("pg.no_target", name = name, known = known)).hint(t!("pg.no_target_hint", name = name))
}

/// A variable of the environment, else of the project's `.env`, else of a database that stands in for it. An empty one
/// counts as not set.
///
/// # Errors
/// A `.env` that cannot be read; its lines are never shown.
pub fn variable(project: &Project, name: &str) -> Result<Option<Secret>> {
    if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
        return Ok(Some(Secret::new(value)));
    }
    let path = project.root().join(".env");
    if !path.is_file() {
        return Ok(embedded::given(name));
    }
    let lines = dotenvy::from_path_iter(&path).map_err(|error| unreadable(&path, &error))?;
    for line in lines {
        let (key, value) = line.map_err(|error| unreadable(&path, &error))?;
        if key == name && !value.is_empty() {
            return Ok(Some(Secret::new(value)));
        }
    }
    Ok(embedded::given(name))
}

/// The driver's own text holds the line, and so perhaps a password.
fn unreadable(path: &std::path::Path, error: &dotenvy::Error) -> Failure {
    match error {
        dotenvy::Error::Io(error) => {
            Failure::usage(format!("{}: {}", path.display(), t!("error.system_says", words = error)))
        }
        _ => Failure::usage(t!("pg.bad_dotenv", path = path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project_with_dotenv(text: &str) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), text).unwrap();
        let project = Project::at(folder.path());
        (folder, project)
    }

    #[test]
    fn a_variable_comes_from_dotenv_and_is_never_shown() {
        let (_folder, project) =
            project_with_dotenv("# a comment\nTRASVASE_TEST_A='postgres://u:hunter2@h/d'\nEMPTY=\n");
        let value = variable(&project, "TRASVASE_TEST_A").unwrap().unwrap();
        assert_eq!(value.expose(), "postgres://u:hunter2@h/d");
        assert_eq!(variable(&project, "EMPTY").unwrap(), None);
        let target = Target::at("TRASVASE_TEST_A", value);
        assert!(!format!("{target:?} {}", target.url).contains("hunter2"));
    }

    #[test]
    fn a_broken_dotenv_shows_no_line() {
        let (_folder, project) = project_with_dotenv("URL='postgres://u:hunter2@h/d\n");
        let error = format!("{:?}", variable(&project, "OTHER").unwrap_err());
        assert!(error.contains(".env") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_unknown_target_is_a_usage_error_that_names_it() {
        let (_folder, project) = project_with_dotenv("");
        let error = Target::resolve(&project, None, Some("rehearsal")).unwrap_err();
        let failure = Failure::from_anyhow(&error);
        assert_eq!(failure.kind, crate::error::Kind::Usage);
        assert!(failure.message.contains("rehearsal") && !failure.hints.is_empty());
    }
}
