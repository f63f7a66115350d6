//! A Cognito user pool: its accounts and groups, as an administrator has them.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{Builder, Region};
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::{
    AliasAttributeType, AttributeType, DeliveryMediumType, MessageActionType, UserStatusType, UserType,
    UsernameAttributeType,
};
use rust_i18n::t;

use super::Access;
use super::refusal::CREDENTIALS;
use crate::error::{Cause, Failure};
use crate::model::account::Account;

/// So many accounts Cognito gives at once.
const PAGE: i32 = 60;

/// No single request takes longer.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Bytes of a password that nobody is told.
const RANDOM: usize = 24;

/// A pool and the way to it. A request is made once: whoever asks decides whether to ask again.
#[derive(Clone)]
pub struct Pool {
    client: Client,
    id: String,
    host: String,
}

/// What accounts of a pool are called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Their e-mail, or whatever their maker likes.
    Email,
    /// Anything but an e-mail, which is another name of theirs.
    Other,
    /// Their phone number.
    Phone,
}

/// What a pool is like.
#[derive(Debug, Clone)]
pub struct PoolFacts {
    pub naming: Naming,
    /// Those that accounts may have.
    pub attributes: BTreeSet<String>,
}

/// Why a pool did not do what it was asked.
#[derive(Debug)]
pub enum Denial {
    /// There is such an account.
    Exists,
    /// There is none such.
    Gone,
    /// It does not take this person; the code is Cognito's.
    Person(String),
    /// It takes nobody, or only later.
    Failure(Failure),
}

/// Some of a pool's accounts, and where to go on.
pub type Page<T> = (Vec<T>, Option<String>);

impl Pool {
    /// Names a pool, without asking for it.
    pub fn named(access: &Access, id: &str) -> Self {
        let mut config = Builder::from(&access.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
        if let Some(endpoint) = &access.endpoint {
            config = config.endpoint_url(endpoint);
        }
        // A pool's id begins with its region.
        let region = id.split_once('_').map(|(region, _)| region).or(access.region()).unwrap_or_default();
        let host = access.host_of("cognito-idp", region);
        let config = config.region(Region::new(region.to_owned()));
        Self { client: Client::from_conf(config.build()), id: id.to_owned(), host }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// # Errors
    /// No such pool, or none of ours.
    pub async fn facts(&self) -> Result<PoolFacts, Denial> {
        let asked = self.client.describe_user_pool().user_pool_id(&self.id).send().await;
        let found = asked.map_err(|error| self.denied(&error, "cognito-idp:DescribeUserPool"))?;
        let Some(pool) = found.user_pool() else { return Err(Denial::Gone) };
        let names = pool.username_attributes();
        let naming = if names.contains(&UsernameAttributeType::Email) {
            Naming::Email
        } else if !names.is_empty() {
            Naming::Phone
        } else if pool.alias_attributes().contains(&AliasAttributeType::Email) {
            Naming::Other
        } else {
            Naming::Email
        };
        let attributes = pool.schema_attributes().iter().filter_map(|one| one.name().map(str::to_owned));
        Ok(PoolFacts { naming, attributes: attributes.collect() })
    }

    /// Names of groups.
    ///
    /// # Errors
    /// The pool does not list them.
    pub async fn groups(&self, from: Option<String>) -> Result<Page<String>, Denial> {
        let asked = self.client.list_groups().user_pool_id(&self.id).limit(PAGE).set_next_token(from);
        let page = asked.send().await.map_err(|error| self.denied(&error, "cognito-idp:ListGroups"))?;
        let names = page.groups().iter().filter_map(|group| group.group_name().map(str::to_owned));
        Ok((names.collect(), page.next_token().map(str::to_owned)))
    }

    /// Accounts, without their groups; all of them, or the one with an id.
    ///
    /// # Errors
    /// The pool does not list them.
    pub async fn accounts(&self, id: Option<&str>, from: Option<String>) -> Result<Page<Account>, Denial> {
        let filter = id.map(|id| format!("sub = \"{}\"", id.replace(['"', '\\'], "")));
        let asked = self.client.list_users().user_pool_id(&self.id).limit(PAGE);
        let asked = asked.set_filter(filter).set_pagination_token(from).send().await;
        let page = asked.map_err(|error| self.denied(&error, "cognito-idp:ListUsers"))?;
        Ok((page.users().iter().map(account).collect(), page.pagination_token().map(str::to_owned)))
    }

    /// Names of the accounts in a group.
    ///
    /// # Errors
    /// The pool does not list them.
    pub async fn members(&self, group: &str, from: Option<String>) -> Result<Page<String>, Denial> {
        let asked = self.client.list_users_in_group().user_pool_id(&self.id).group_name(group);
        let asked = asked.limit(PAGE).set_next_token(from).send().await;
        let page = asked.map_err(|error| self.denied(&error, "cognito-idp:ListUsersInGroup"))?;
        let names = page.users().iter().filter_map(|user| user.username().map(str::to_owned));
        Ok((names.collect(), page.next_token().map(str::to_owned)))
    }

    /// Makes an account; who is invited gets its first password by e-mail.
    ///
    /// # Errors
    /// There is one, or the pool refuses this one or everybody.
    pub async fn create(
        &self,
        username: &str,
        attributes: &[(&str, &str)],
        invite: bool,
    ) -> Result<Account, Denial> {
        let asked = self.client.admin_create_user().user_pool_id(&self.id).username(username);
        let asked = asked
            .set_user_attributes(Some(attribute_types(attributes)))
            .desired_delivery_mediums(DeliveryMediumType::Email)
            .set_message_action((!invite).then_some(MessageActionType::Suppress));
        let made = asked.send().await.map_err(|error| self.denied(&error, "cognito-idp:AdminCreateUser"))?;
        let made = made.user().map(account).filter(|account| !account.id.is_empty());
        made.ok_or_else(|| Denial::Failure(self.refused("AdminCreateUser", "no sub")))
    }

    /// # Errors
    /// The pool refuses a value, or everything.
    pub async fn update(&self, username: &str, attributes: &[(&str, &str)]) -> Result<(), Denial> {
        let asked = self.client.admin_update_user_attributes().user_pool_id(&self.id).username(username);
        let asked = asked.set_user_attributes(Some(attribute_types(attributes))).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminUpdateUserAttributes"))
    }

    /// # Errors
    /// No such group or account, or the pool refuses.
    pub async fn join(&self, username: &str, group: &str) -> Result<(), Denial> {
        let asked = self.client.admin_add_user_to_group().user_pool_id(&self.id).username(username);
        let asked = asked.group_name(group).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminAddUserToGroup"))
    }

    /// # Errors
    /// As [`Self::join`].
    pub async fn leave(&self, username: &str, group: &str) -> Result<(), Denial> {
        let asked = self.client.admin_remove_user_from_group().user_pool_id(&self.id).username(username);
        let asked = asked.group_name(group).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminRemoveUserFromGroup"))
    }

    /// Gives an account a random password that lasts: who has it begins with "forgot my password".
    ///
    /// # Errors
    /// The pool refuses it, or everything.
    pub async fn forget_password(&self, username: &str) -> Result<(), Denial> {
        let asked = self.client.admin_set_user_password().user_pool_id(&self.id).username(username);
        let asked = asked.password(random_password().map_err(Denial::Failure)?).permanent(true).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminSetUserPassword"))
    }

    /// # Errors
    /// There is none, or the pool refuses.
    pub async fn disable(&self, username: &str) -> Result<(), Denial> {
        let asked = self.client.admin_disable_user().user_pool_id(&self.id).username(username).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminDisableUser"))
    }

    /// # Errors
    /// There is none, or the pool refuses.
    pub async fn enable(&self, username: &str) -> Result<(), Denial> {
        let asked = self.client.admin_enable_user().user_pool_id(&self.id).username(username).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminEnableUser"))
    }

    /// # Errors
    /// There is none, or the pool refuses.
    pub async fn delete(&self, username: &str) -> Result<(), Denial> {
        let asked = self.client.admin_delete_user().user_pool_id(&self.id).username(username).send().await;
        asked.map(drop).map_err(|error| self.denied(&error, "cognito-idp:AdminDeleteUser"))
    }

    /// What the SDK says, without what it says it about.
    fn denied<E: ProvideErrorMetadata>(&self, error: &SdkError<E>, operation: &str) -> Denial {
        let (pool, host) = (&self.id, &self.host);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let code = code.map_or_else(|| status.unwrap_or_default().to_string(), str::to_owned);
        let answered = matches!(error, SdkError::ServiceError(_) | SdkError::ResponseError(_));
        let failure = match (code.as_str(), status) {
            _ if !answered => self.unreachable(error),
            ("UsernameExistsException", _) => return Denial::Exists,
            ("UserNotFoundException", _) => return Denial::Gone,
            (
                "AliasExistsException"
                | "CodeDeliveryFailureException"
                | "InvalidParameterException"
                | "InvalidPasswordException"
                | "UnsupportedUserStateException"
                | "UserLambdaValidationException",
                _,
            ) => return Denial::Person(code),
            (name, _) if CREDENTIALS.contains(&name) || OWN_CREDENTIALS.contains(&name) => {
                Failure::failed(t!("aws.wrong_credentials", host = host, code = name))
                    .hint(t!("aws.wrong_credentials_hint"))
            }
            ("ResourceNotFoundException", _) => {
                Failure::failed(t!("aws.no_pool", pool = pool, host = host)).hint(t!("aws.no_pool_hint"))
            }
            ("AccessDeniedException" | "NotAuthorizedException", _) => {
                Failure::failed(t!("aws.pool_denied", pool = pool, host = host, operation = operation))
                    .hint(t!("aws.pool_denied_hint", operation = operation, pool = pool))
            }
            ("TooManyRequestsException" | "LimitExceededException" | "ThrottlingException", _)
            | (_, Some(429 | 500..)) => {
                Failure::failed(t!("aws.busy", host = host, code = code)).may_pass(code.as_str())
            }
            (name, _) => self.refused(operation, name),
        };
        Denial::Failure(failure.cause(Cause::Service))
    }

    fn refused(&self, operation: &str, code: &str) -> Failure {
        let (pool, host) = (&self.id, &self.host);
        Failure::failed(t!("aws.pool_refused", pool = pool, host = host, operation = operation, code = code))
            .cause(Cause::Service)
    }

    fn unreachable<E>(&self, error: &SdkError<E>) -> Failure {
        let is_timeout = match error {
            SdkError::TimeoutError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_timeout(),
            _ => false,
        };
        let cause = if is_timeout { "timeout" } else { "connection" };
        Failure::failed(t!("aws.unreachable", host = self.host, cause = cause)).may_pass(cause)
    }
}

/// Codes of a key that is wrong, as services of JSON name them.
const OWN_CREDENTIALS: [&str; 3] =
    ["UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException"];

fn attribute_types(attributes: &[(&str, &str)]) -> Vec<AttributeType> {
    let one = |(name, value): &(&str, &str)| AttributeType::builder().name(*name).value(*value).build().ok();
    attributes.iter().filter_map(one).collect()
}

fn account(user: &UserType) -> Account {
    let of = |name: &str| user.attributes().iter().find(|one| one.name() == name)?.value();
    Account {
        id: of("sub").unwrap_or_default().to_owned(),
        username: user.username().unwrap_or_default().to_owned(),
        email: of("email").map(str::to_owned),
        verified: of("email_verified") == Some("true"),
        enabled: user.enabled(),
        pending: user.user_status() == Some(&UserStatusType::ForceChangePassword),
        made_at: user.user_create_date().map(|at| at.secs()),
        attributes: user
            .attributes()
            .iter()
            .map(|one| (one.name().to_owned(), one.value().unwrap_or_default().to_owned()))
            .collect(),
        groups: BTreeSet::new(),
    }
}

/// Of 192 random bits, with a sign of every kind that pools ask for.
fn random_password() -> Result<String, Failure> {
    let mut bytes = [0; RANDOM];
    let random = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    random.map_err(|_| Failure::failed(t!("aws.no_random")))?;
    Ok(format!("{}-Aa1!", crate::model::hex(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_of_every_kind_and_no_two_alike() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert!(one.len() > 50 && one != other);
        for kind in [char::is_uppercase, char::is_lowercase, char::is_numeric] {
            assert!(one.chars().any(kind));
        }
    }
}
