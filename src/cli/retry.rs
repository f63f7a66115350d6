//! Work with PostgreSQL that is done again after what can pass, and how that is told.

use anyhow::Result;
use rust_i18n::t;

use super::context::Context;
use super::output;
use crate::error::Failure;
use crate::error::again::{self, Retries, Retry};

impl Context {
    /// Does work that leaves nothing behind where it fails, such as connecting; does it again where what failed can pass.
    ///
    /// # Errors
    /// The last error, or that a stop was asked for.
    pub(super) fn patiently<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        let mut retries = Retries::new(self.global.max_retries);
        loop {
            let error = match work() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(retry) = retries.after(&error) else { return Err(error) };
            output::status(&format!("{}: {}", t!("cli.warning"), sentence(&retry, &error)));
            again::pause(retry.wait)?;
        }
    }
}

/// What went wrong, and when it is done again.
pub(super) fn sentence(retry: &Retry, error: &anyhow::Error) -> String {
    let wait = output::duration(milliseconds(retry));
    let error = Failure::from_anyhow(error).message;
    t!("cli.retry", error = error, number = retry.number, most = retry.most, wait = wait).into_owned()
}

pub(super) fn milliseconds(retry: &Retry) -> u64 {
    u64::try_from(retry.wait.as_millis()).unwrap_or(u64::MAX)
}
