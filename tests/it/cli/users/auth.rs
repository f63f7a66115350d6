//! An Auth server as Supabase documents it, for one test: accounts, pages, its errors.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::server::{Request, answer, serve};

/// What happens to the next changing requests instead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    /// So many seconds are to be waited for.
    Throttle,
    /// It is done, and nobody is told.
    Lose,
    /// `validation_failed`.
    Refuse,
    /// A gateway's page, in no JSON.
    Broken,
}

#[derive(Default)]
struct State {
    users: Vec<Value>,
    script: Vec<What>,
    seen: Vec<String>,
    /// Of one page, whatever is asked for.
    most: usize,
}

pub(super) struct Auth {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

impl Auth {
    pub(super) fn start(key: &'static str) -> Self {
        let state = Arc::new(Mutex::new(State { most: 2, ..State::default() }));
        let shared = Arc::clone(&state);
        let port = serve(move |request| {
            let mut state = shared.lock().unwrap();
            if request.field("apikey") != key || request.field("authorization") != format!("Bearer {key}") {
                return Some(error(401, "no_authorization"));
            }
            state.seen.push(format!("{} {}", request.method, request.path));
            let what = match request.method.as_str() {
                "GET" => None,
                _ => state.script.pop(),
            };
            match what {
                Some(What::Throttle) => {
                    Some(answer(429, "retry-after: 0\r\n", "{\"error_code\":\"over_request_rate_limit\"}"))
                }
                Some(What::Refuse) => Some(error(400, "validation_failed")),
                Some(What::Broken) => Some(answer(400, "", "<html>zlx@clinic.example is odd</html>")),
                Some(What::Lose) => {
                    respond(&mut state, &request);
                    None
                }
                None => Some(respond(&mut state, &request)),
            }
        });
        Self { port, state }
    }

    pub(super) fn will(&self, script: &[What]) {
        self.state.lock().unwrap().script = script.iter().rev().copied().collect();
    }

    /// What was asked since this was last asked.
    pub(super) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    pub(super) fn users(&self) -> Vec<Value> {
        self.state.lock().unwrap().users.clone()
    }

    pub(super) fn user(&self, email: &str) -> Value {
        self.users().into_iter().find(|user| user["email"] == email).unwrap_or_default()
    }

    /// Somebody who has an account already.
    pub(super) fn add(&self, email: &str, confirmed: bool) -> String {
        let user = new(email, &json!({}), confirmed);
        let id = user["id"].as_str().unwrap().to_owned();
        self.state.lock().unwrap().users.push(user);
        id
    }
}

fn error(status: u16, code: &str) -> Vec<u8> {
    let body = json!({ "code": status, "error_code": code, "msg": "zlx@clinic.example said so" });
    answer(status, "content-type: application/json\r\n", &body.to_string())
}

fn ok(body: &Value) -> Vec<u8> {
    answer(200, "content-type: application/json\r\n", &body.to_string())
}

fn new(email: &str, metadata: &Value, confirmed: bool) -> Value {
    let now = chrono::Utc::now().to_rfc3339();
    let random = ulid::Ulid::generate().0;
    let hex = format!("{random:032x}");
    let id = format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
    json!({
        "id": id, "aud": "authenticated", "role": "authenticated", "email": email, "created_at": now,
        "email_confirmed_at": confirmed.then_some(&now), "banned_until": null,
        "app_metadata": { "provider": "email", "providers": ["email"] }, "user_metadata": metadata,
    })
}

fn respond(state: &mut State, request: &Request) -> Vec<u8> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let body = request.json();
    let taken = |state: &State| state.users.iter().any(|user| user["email"] == body["email"]);
    match (request.method.as_str(), path.strip_prefix("/auth/v1").unwrap_or_default()) {
        ("GET", "/admin/users") => {
            let of =
                |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.parse::<usize>().ok());
            let size = of("per_page=").unwrap_or(50).min(state.most);
            let page: Vec<&Value> =
                state.users.iter().rev().skip((of("page=").unwrap_or(1) - 1) * size).take(size).collect();
            ok(&json!({ "users": page, "aud": "authenticated" }))
        }
        ("POST", "/admin/users") | ("POST", "/invite") if taken(state) => error(422, "email_exists"),
        ("POST", "/admin/users") => {
            let confirmed = body["email_confirm"] == true;
            let user = new(body["email"].as_str().unwrap(), &body["user_metadata"], confirmed);
            state.users.push(user.clone());
            ok(&user)
        }
        ("POST", "/invite") => {
            let user = new(body["email"].as_str().unwrap(), &body["data"], false);
            state.users.push(user.clone());
            ok(&user)
        }
        (method, path) => {
            let id = path.strip_prefix("/admin/users/").unwrap_or_default();
            let Some(place) = state.users.iter().position(|user| user["id"] == id) else {
                return error(404, "user_not_found");
            };
            if method == "DELETE" {
                state.users.remove(place);
                return ok(&json!({}));
            }
            change(&mut state.users[place], body.as_object().unwrap());
            ok(&state.users[place])
        }
    }
}

/// As the server does it: keys of metadata are laid over those that are there.
fn change(user: &mut Value, body: &Map<String, Value>) {
    for (name, value) in body {
        match name.as_str() {
            "user_metadata" | "app_metadata" => {
                for (key, value) in value.as_object().unwrap() {
                    user[name][key] = value.clone();
                }
            }
            "ban_duration" => {
                assert!(value == "876000h" || value == "none", "{value}");
                let until = (value != "none").then_some("2126-01-01T00:00:00Z");
                user["banned_until"] = json!(until);
            }
            "email" => user["email"] = value.clone(),
            "email_confirm" => user["email_confirmed_at"] = json!(chrono::Utc::now().to_rfc3339()),
            other => panic!("{other} is not documented"),
        }
    }
}
