//! Telling somebody how a run ended: a webhook gets names and counts.
//!
//! Whoever listens is no part of the migration: what goes wrong here is told, and changes nothing else.

use std::time::Duration;

use rust_i18n::t;
use serde::Serialize;

use crate::config::{Notify, Project};
use crate::error::{Failure, interrupt};
use crate::http::{self, Endpoint, Trouble};
use crate::model::run::{Observer, Stage};
use crate::pg::variable;

/// How often a request is made again.
const RETRIES: u32 = 2;

/// After Ctrl-C nobody wants to wait: one request, and no longer than this.
const HURRIED: Duration = Duration::from_secs(3);

pub struct Options<'a> {
    pub project: &'a Project,
    pub settings: &'a Notify,
    /// The last one of the run.
    pub stage: Stage,
}

/// Sends a message, as JSON.
///
/// # Errors
/// A variable that is not set, a webhook that refuses or does not answer after all repetitions. Its address is in no error.
pub fn run(options: &Options<'_>, message: &impl Serialize, observer: &dyn Observer) -> anyhow::Result<()> {
    let name = &options.settings.url_env;
    let url = variable(options.project, name)?.ok_or_else(|| {
        Failure::usage(t!("notify.no_variable", variable = name))
            .hint(t!("notify.no_variable_hint", variable = name))
    })?;
    let timeout = Duration::from_secs(options.settings.timeout);
    let timeout = if interrupt::requested() { timeout.min(HURRIED) } else { timeout };
    let endpoint = Endpoint::new(url.expose(), None, timeout);
    let words = |cause: &str| {
        let failure = Failure::failed(t!("http.no_answer", host = endpoint.host(), cause = cause));
        (failure, t!("notify.again", host = endpoint.host(), cause = cause).into_owned())
    };
    http::patiently(RETRIES, (options.stage, observer), words, || {
        let status = endpoint.post(message)?.status().as_u16();
        match status {
            200..300 => Ok(()),
            _ => Err(Trouble::Lasting(Failure::failed(t!(
                "notify.refused",
                host = endpoint.host(),
                status = status
            )))),
        }
    })?;
    Ok(())
}
