//! A way to the server that cuts uploads, says that it is busy, is slow, or changes a byte; and that keeps count.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) enum What {
    /// After 4 MiB of its body and so many other parts nothing goes through any more, also later.
    Cut { parts: usize },
    /// It is answered here with a status and a code of S3.
    Refuse(u16, &'static str),
    /// A pause before every 256 KiB.
    Slow(Duration),
    /// The last byte of the answer is another.
    Flip,
}

/// Requests of a method whose path holds a text, so many times.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Rule {
    pub(in crate::cli) method: &'static str,
    pub(in crate::cli) path: &'static str,
    pub(in crate::cli) what: What,
    pub(in crate::cli) times: u32,
}

/// A request that went through, and the answer's status; 0 where there was none.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Seen {
    pub(in crate::cli) method: String,
    pub(in crate::cli) path: String,
    pub(in crate::cli) status: u16,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    dead: bool,
}

pub(in crate::cli) struct Proxy {
    pub(in crate::cli) port: u16,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Proxy {
    pub(in crate::cli) fn start(server: u16) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(between(client, server, shared.clone()));
            }
        });
        Self { port, state, runtime: Some(runtime) }
    }

    /// From now on these rules hold, and nothing was seen yet.
    pub(in crate::cli) fn rules(&self, rules: &[Rule]) {
        *self.state.lock().unwrap() = State { rules: rules.to_vec(), ..State::default() };
    }

    /// The requests of a method whose path holds a text.
    pub(in crate::cli) fn seen(&self, method: &str, path: &str) -> Vec<Seen> {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|one| one.method == method && one.path.contains(path)).cloned().collect()
    }
}

/// One request a connection: the server is asked to close it, and so the program knows too.
async fn between(mut client: TcpStream, port: u16, state: Arc<Mutex<State>>) {
    let Some((head, rest)) = head(&mut client).await else { return };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let field = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    };
    let length: usize = field("content-length:").map_or(0, |text| text.trim().parse().unwrap());
    let what = {
        let mut state = state.lock().unwrap();
        if state.dead {
            return;
        }
        let fits = |rule: &&mut Rule| rule.times > 0 && rule.method == method && path.contains(rule.path);
        let rule = state.rules.iter_mut().find(fits);
        rule.map(|rule| {
            rule.times -= 1;
            rule.what
        })
    };
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let refused = match what {
        Some(What::Refuse(status, code)) => Some((status, code)),
        _ => None,
    };
    if refused.is_none() {
        let kept = head.lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("connection:") && !line.starts_with("expect:") && !line.is_empty()
        });
        let head = kept.collect::<Vec<_>>().join("\r\n") + "\r\nConnection: close\r\n\r\n";
        server.write_all(head.as_bytes()).await.unwrap();
    }
    let (mut sent, mut block) = (0, rest);
    loop {
        if let Some(What::Cut { parts }) = what
            && sent + block.len() > 4 << 20
        {
            let done = |one: &&Seen| one.path.contains("partNumber=") && one.status == 200;
            while state.lock().unwrap().seen.iter().filter(done).count() < parts {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            // Until the program knows that they are there.
            tokio::time::sleep(Duration::from_millis(500)).await;
            state.lock().unwrap().dead = true;
            return;
        }
        if let Some(What::Slow(pause)) = what {
            tokio::time::sleep(pause).await;
        }
        if refused.is_none() && server.write_all(&block).await.is_err() {
            return;
        }
        sent += block.len();
        if sent >= length {
            break;
        }
        block = vec![0; 1 << 18];
        let Ok(count @ 1..) = client.read(&mut block).await else { return };
        block.truncate(count);
    }
    let status = match refused {
        Some((status, code)) => {
            let body = format!("<Error><Code>{code}</Code><Message>hunter2</Message></Error>");
            let body = if method == "HEAD" { "" } else { &body };
            let fields =
                "Content-Type: application/xml\r\nx-amz-bucket-region: eu-south-2\r\nConnection: close";
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} No\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{body}");
            client.write_all(answer.as_bytes()).await.ok();
            status
        }
        None => answer(&mut server, &mut client, what == Some(What::Flip)).await.unwrap_or_default(),
    };
    state.lock().unwrap().seen.push(Seen { method, path, status });
}

/// The head of a request, and what came with it of the body.
async fn head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).unwrap(), rest));
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn answer(server: &mut TcpStream, client: &mut TcpStream, flip: bool) -> Option<u16> {
    let mut bytes = Vec::new();
    if flip {
        server.read_to_end(&mut bytes).await.ok()?;
        *bytes.last_mut()? ^= 1;
        client.write_all(&bytes).await.ok()?;
    } else {
        let mut block = vec![0; 1 << 18];
        loop {
            let count = server.read(&mut block).await.ok()?;
            if count == 0 {
                break;
            }
            if bytes.len() < 16 {
                bytes.extend_from_slice(&block[..count]);
            }
            client.write_all(&block[..count]).await.ok()?;
        }
    }
    std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()
}
