//! The way to AWS as a project has it: the environment, then `.env`, then the files of the AWS tools.

use anyhow::Result;
use rust_i18n::t;
use tokio::runtime::Runtime;

use super::context::Context;
use super::pipeline::droppable;
use crate::aws::{Access, Bucket, Given};
use crate::config::Project;
use crate::error::Failure;
use crate::pg::{Secret, variable};

/// The variables that name the buckets.
pub(super) const GENERAL: &str = "S3_GENERAL_BUCKET";
pub(super) const WORM: &str = "S3_WORM_BUCKET";

/// The bucket that a variable names.
///
/// # Errors
/// It is not set, or nobody says who we are.
pub(super) fn bucket(
    context: &Context,
    project: &Project,
    runtime: &Runtime,
    name: &'static str,
) -> Result<Bucket> {
    let bucket = bucket_called(context, project, runtime, named(project, name)?.expose())?;
    Ok(if name == WORM { bucket.under_lock() } else { bucket })
}

/// Refuses one bucket for what can be deleted and for what cannot.
///
/// # Errors
/// Both variables name the same.
pub(super) fn apart(project: &Project) -> Result<()> {
    let both = variable(project, GENERAL)?.zip(variable(project, WORM)?);
    match both.filter(|(general, worm)| general.expose() == worm.expose()) {
        Some((same, _)) => Err(Failure::usage(t!("aws.same_bucket", bucket = same.expose()))
            .hint(t!("aws.same_bucket_hint"))
            .into()),
        None => Ok(()),
    }
}

/// The bucket of this name.
///
/// # Errors
/// Nobody says who we are.
pub(super) fn bucket_called(
    context: &Context,
    project: &Project,
    runtime: &Runtime,
    name: &str,
) -> Result<Bucket> {
    let access =
        runtime.block_on(droppable(Access::open(given(project, "S3")?, context.global.max_retries)))?;
    Ok(Bucket::named(&access, name))
}

/// The bucket's name that a variable holds.
///
/// # Errors
/// It is not set.
pub(super) fn named(project: &Project, name: &'static str) -> Result<Secret> {
    variable(project, name)?.ok_or_else(|| {
        Failure::usage(t!("aws.no_variable", variable = name))
            .hint(t!("aws.no_variable_hint", variable = name))
            .into()
    })
}

/// What the project says of AWS, and where a service of it is.
///
/// # Errors
/// `.env` cannot be read.
pub(super) fn given(project: &Project, service: &str) -> Result<Given> {
    let of = |name: &str| anyhow::Ok(variable(project, name)?.map(|value| value.expose().to_owned()));
    Ok(Given {
        profile: of("AWS_PROFILE")?,
        region: of("AWS_REGION")?,
        endpoint: of(&format!("AWS_ENDPOINT_URL_{service}"))?.or(of("AWS_ENDPOINT_URL")?),
        key_id: of("AWS_ACCESS_KEY_ID")?,
        secret: of("AWS_SECRET_ACCESS_KEY")?,
        token: of("AWS_SESSION_TOKEN")?,
    })
}
