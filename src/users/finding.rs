//! Who has no account now, or one that needs a look, and why.

use serde::Serialize;

/// Somebody who has no account now, or one that needs a look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub rule: Rule,
    pub record: String,
    /// The service's code, or a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    NoEmail,
    /// It is no address.
    BadEmail,
    /// Several people have it, in whatever case.
    SharedEmail,
    /// Records that are one person have several.
    SeveralEmails,
    /// Nobody can tell whether they work there.
    ActiveUnknown,
    /// No row of theirs is in the target.
    NotInTarget,
    /// Their role has no group.
    NoGroup,
    /// The service has several accounts with the address.
    SeveralAccounts,
    /// The service does not know that the account with the address is theirs.
    UnverifiedAccount,
    /// Their row is bound to one account, and the address to another, or the account to another row.
    OtherAccount,
    /// Nobody can log in with it.
    DisabledAccount,
    /// They work there no more, and can still log in with the account that we made.
    Left,
    /// The same with one that was there before.
    LeftBefore,
    /// No record of theirs is there any more, and records of the list could not be read: it may be among these.
    ListUnread,
    /// The same where the list has nobody at all.
    ListEmpty,
    /// Their record has no e-mail any more, or one that is no address; the account that they have stays as it is.
    EmailLost,
    /// The service refused it.
    Refused,
}

impl Rule {
    /// As meta.finding and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::NoEmail => "no_email",
            Rule::BadEmail => "bad_email",
            Rule::SharedEmail => "shared_email",
            Rule::SeveralEmails => "several_emails",
            Rule::ActiveUnknown => "active_unknown",
            Rule::NotInTarget => "not_in_target",
            Rule::NoGroup => "no_group",
            Rule::SeveralAccounts => "several_accounts",
            Rule::UnverifiedAccount => "unverified_account",
            Rule::OtherAccount => "other_account",
            Rule::DisabledAccount => "disabled_account",
            Rule::Left => "left",
            Rule::LeftBefore => "left_before",
            Rule::ListUnread => "list_unread",
            Rule::ListEmpty => "list_empty",
            Rule::EmailLost => "email_lost",
            Rule::Refused => "refused",
        }
    }
}
