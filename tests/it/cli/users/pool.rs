//! A user pool of moto's, and a way to it that throttles, loses answers, dies, and keeps what was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_cognitoidentityprovider::types::{
    AliasAttributeType, AttributeType, UserType, UsernameAttributeType,
};
use serde_json::Value;

use super::server::{answer, forward, serve};
use crate::cli::archive::moto;
use crate::support;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    /// It is answered here with a code of Cognito's.
    Refuse(u16, &'static str),
    /// It goes through, and its answer is lost.
    Lose,
    /// Neither it nor anything after it goes through.
    Die,
}

/// The calls of an operation that something happens to: after so many that go through, so many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) operation: &'static str,
    pub(super) after: u32,
    pub(super) times: u32,
    pub(super) what: What,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    dead: bool,
    /// Operation and body of each call.
    seen: Vec<(String, Value)>,
}

/// How accounts of a pool are named.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Names {
    Email,
    Alias,
    Free,
}

pub(super) struct Pool {
    pub(super) id: String,
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
    client: Client,
}

impl Pool {
    pub(super) fn new(names: Names, groups: &[&str]) -> Self {
        let client = client();
        let id = wait(async {
            let make = client.create_user_pool().pool_name("clinic");
            let make = match names {
                Names::Email => make.username_attributes(UsernameAttributeType::Email),
                Names::Alias => make.alias_attributes(AliasAttributeType::Email),
                Names::Free => make,
            };
            let id = make.send().await.unwrap().user_pool().unwrap().id().unwrap().to_owned();
            for group in groups {
                client.create_group().user_pool_id(&id).group_name(*group).send().await.unwrap();
            }
            id
        });
        let state = Arc::<Mutex<State>>::default();
        let (shared, server) = (Arc::clone(&state), moto::port());
        let port = serve(move |request| {
            let operation = request.field("x-amz-target").rsplit('.').next().unwrap().to_owned();
            match happens(&mut shared.lock().unwrap(), &operation, request.json())? {
                Some(What::Refuse(status, code)) => {
                    let body = format!("{{\"__type\":\"{code}\",\"message\":\"hunter2 said so\"}}");
                    Some(answer(status, "content-type: application/x-amz-json-1.1\r\n", &body))
                }
                Some(What::Lose) => {
                    forward(&request, server);
                    None
                }
                Some(What::Die) => None,
                None => Some(forward(&request, server)),
            }
        });
        Self { id, port, state, client }
    }

    /// From now on these rules hold, and nothing was asked yet.
    pub(super) fn rules(&self, rules: &[Rule]) {
        *self.state.lock().unwrap() = State { rules: rules.to_vec(), ..State::default() };
    }

    /// What an operation was asked with.
    pub(super) fn asked(&self, operation: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|(known, _)| known == operation).map(|(_, body)| body.clone()).collect()
    }

    /// Calls that change something.
    pub(super) fn changes(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let names = state.seen.iter().map(|(operation, _)| operation.clone());
        names.filter(|name| !name.starts_with("List") && !name.starts_with("Describe")).collect()
    }

    /// Somebody who has an account already.
    pub(super) fn add(&self, username: &str, attributes: &[(&str, &str)]) -> String {
        let of = |(name, value): &(&str, &str)| {
            AttributeType::builder().name(*name).value(*value).build().unwrap()
        };
        let make = self.client.admin_create_user().user_pool_id(&self.id).username(username);
        let made = wait(make.set_user_attributes(Some(attributes.iter().map(of).collect())).send()).unwrap();
        attribute(made.user().unwrap(), "sub").unwrap()
    }

    /// Accounts by their e-mail: sub, groups, everything else.
    pub(super) fn accounts(&self) -> BTreeMap<String, (String, Vec<String>, UserType)> {
        wait(async {
            let users = self.client.list_users().user_pool_id(&self.id).send().await.unwrap();
            let mut accounts = BTreeMap::new();
            for user in users.users() {
                let groups = self.client.admin_list_groups_for_user().user_pool_id(&self.id);
                let groups = groups.username(user.username().unwrap()).send().await.unwrap();
                let mut names: Vec<String> =
                    groups.groups().iter().map(|group| group.group_name().unwrap().to_owned()).collect();
                names.sort();
                let email = attribute(user, "email").unwrap();
                let before = accounts.insert(email, (attribute(user, "sub").unwrap(), names, user.clone()));
                assert!(before.is_none(), "somebody has two accounts");
            }
            accounts
        })
    }
}

pub(super) fn attribute(user: &UserType, name: &str) -> Option<String> {
    user.attributes().iter().find(|one| one.name() == name)?.value().map(str::to_owned)
}

/// The first rule that holds; the outer none where nobody is there any more.
fn happens(state: &mut State, operation: &str, body: Value) -> Option<Option<What>> {
    if state.dead {
        return None;
    }
    state.seen.push((operation.to_owned(), body));
    let Some(rule) = state.rules.iter_mut().find(|rule| rule.operation == operation && rule.times > 0) else {
        return Some(None);
    };
    if rule.after > 0 {
        rule.after -= 1;
        return Some(None);
    }
    rule.times -= 1;
    let what = rule.what;
    state.dead = what == What::Die;
    Some(Some(what))
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    support::runtime().block_on(work)
}

/// The SDK's own client, for what trasvase does not do: making pools.
fn client() -> Client {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http = aws_smithy_http_client::Builder::new();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .endpoint_url(format!("http://127.0.0.1:{}", moto::port()))
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"));
    Client::from_conf(config.build())
}
