//! Object Lock: until when an object cannot be deleted.

use anyhow::Result;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockMode};

use chrono::{Months, Utc};

use super::{Bucket, Stored};
use crate::config::{Archive, LockMode};

const DAY: i64 = 86_400;

/// How an object is kept; the default is not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub mode: Option<LockMode>,
    /// Seconds since 1970.
    pub until: Option<i64>,
    pub legal_hold: bool,
}

impl Retention {
    /// What the clinic asks for of something stored at a moment.
    pub fn asked(settings: &Archive, at: chrono::DateTime<Utc>) -> Self {
        let until = settings.years.and_then(|years| at.checked_add_months(Months::new(12 * years)));
        Self {
            mode: settings.mode,
            until: until.map(|until| until.timestamp()),
            legal_hold: settings.legal_hold,
        }
    }

    /// Whether this keeps an object at least as well.
    pub fn covers(&self, wanted: &Self) -> bool {
        self.mode >= wanted.mode && self.until >= wanted.until && (self.legal_hold || !wanted.legal_hold)
    }

    /// Whether an object under it cannot be deleted at this moment.
    pub fn runs(&self, now: i64) -> bool {
        self.legal_hold || (self.mode.is_some() && self.until.is_some_and(|until| until > now))
    }

    /// RFC 3339.
    pub fn until_text(&self) -> Option<String> {
        let time = chrono::DateTime::from_timestamp(self.until?, 0)?;
        Some(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    pub(super) fn of(
        mode: Option<&ObjectLockMode>,
        until: Option<&DateTime>,
        hold: Option<&ObjectLockLegalHoldStatus>,
    ) -> Self {
        let mode = mode.and_then(|mode| match mode {
            ObjectLockMode::Compliance => Some(LockMode::Compliance),
            ObjectLockMode::Governance => Some(LockMode::Governance),
            _ => None,
        });
        Self {
            mode,
            until: until.map(DateTime::secs),
            legal_hold: hold == Some(&ObjectLockLegalHoldStatus::On),
        }
    }

    pub(super) fn lock_mode(&self) -> Option<ObjectLockMode> {
        self.mode.map(|mode| match mode {
            LockMode::Governance => ObjectLockMode::Governance,
            LockMode::Compliance => ObjectLockMode::Compliance,
        })
    }

    pub(super) fn lock_until(&self) -> Option<DateTime> {
        self.until.map(DateTime::from_secs)
    }

    pub(super) fn lock_hold(&self) -> Option<ObjectLockLegalHoldStatus> {
        self.legal_hold.then_some(ObjectLockLegalHoldStatus::On)
    }
}

impl Bucket {
    /// Keeps an object for longer that is kept for less than is asked for, and tells whether it had to. The years count from
    /// the day it was stored.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn keep(
        &self,
        key: &str,
        mut stored: Stored,
        settings: &Archive,
        now: chrono::DateTime<Utc>,
    ) -> Result<(Stored, bool)> {
        let at = stored.at.and_then(|at| chrono::DateTime::from_timestamp(at, 0)).unwrap_or(now);
        let mut enough = Retention::asked(settings, at.min(now));
        enough.until = enough.until.map(|until| until - DAY);
        if stored.retention.covers(&enough) {
            return Ok((stored, false));
        }
        let mut wanted = Retention::asked(settings, now);
        wanted.mode = wanted.mode.max(stored.retention.mode);
        wanted.until = wanted.until.max(stored.retention.until);
        self.retain(key, stored.version.as_deref(), &wanted).await?;
        stored.retention = wanted;
        Ok((stored, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_keeps_as_long_and_as_well_covers() {
        let of = |mode, until, legal_hold| Retention { mode: Some(mode), until: Some(until), legal_hold };
        let wanted = of(LockMode::Governance, 100, false);
        assert!(of(LockMode::Compliance, 100, true).covers(&wanted));
        assert!(!of(LockMode::Governance, 99, false).covers(&wanted));
        assert!(!wanted.covers(&of(LockMode::Compliance, 100, false)));
        assert!(
            !wanted.covers(&of(LockMode::Governance, 100, true)) && !Retention::default().covers(&wanted)
        );
        assert!(wanted.runs(99) && !wanted.runs(100) && !Retention::default().runs(0));
        assert!(Retention { legal_hold: true, ..Retention::default() }.runs(i64::MAX));
    }
}
