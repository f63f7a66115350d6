//! A way to the tests' server that breaks: at a moment of the conversation, in one of three manners, so many times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;

use crate::support;

/// When it breaks, by what the program sends over one connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// Before the first byte reaches the server.
    AtOnce,
    /// So many bytes after a batch was written down as running.
    InBatch(usize),
    /// Before its second `commit` reaches the server; the first one makes the ledger.
    BeforeCommit,
    /// When the server did that, before its answer comes back.
    AfterCommit,
    /// A query that holds this text.
    Query(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum How {
    /// Both ends are told that it is over.
    Close,
    /// The program gets a reset, the server an end.
    Reset,
    /// Nothing goes either way any more, and both ends stay open.
    Stall,
}

pub(super) struct Proxy {
    pub(super) port: u16,
    left: Arc<AtomicU32>,
    runtime: Option<Runtime>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Within a test's own runtime none may be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone, Copy)]
struct Rule {
    when: When,
    how: How,
}

impl Proxy {
    /// Breaks that many connections, then none.
    pub(super) fn start(when: When, how: How, times: u32) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new(AtomicU32::new(times));
        let (socket, rest) = (support::server().socket_dir().join(".s.PGSQL.5432"), left.clone());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(between(client, server, Rule { when, how }, rest.clone()));
            }
        });
        Self { port, left, runtime: Some(runtime) }
    }

    /// How many connections are still to be broken.
    pub(super) fn left(&self) -> u32 {
        self.left.load(Ordering::SeqCst)
    }
}

async fn between(mut client: TcpStream, mut server: UnixStream, rule: Rule, left: Arc<AtomicU32>) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut begun, mut sent, mut commits) = (false, 0, 0);
    loop {
        tokio::select! {
            count = client.read(&mut up) => {
                let Ok(count @ 1..) = count else { return };
                let block = &up[..count];
                begun |= has(block, "insert into trasvase.batch");
                sent += if begun { count } else { 0 };
                // A simple query (Q, length, text, NUL), alone or behind what was still to be sent.
                commits += usize::from(block.ends_with(b"Q\0\0\0\x0bcommit\0"));
                let due = match rule.when {
                    When::AtOnce => true,
                    When::InBatch(bytes) => sent > bytes,
                    When::BeforeCommit | When::AfterCommit => commits == 2,
                    When::Query(text) => has(block, text),
                };
                let due = due && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                if due {
                    if matches!(rule.when, When::AfterCommit) {
                        server.write_all(block).await.unwrap();
                        // A server that finds its client gone does not look for what that still sent.
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    return end(client, server, rule.how).await;
                }
                if server.write_all(block).await.is_err() { return }
            }
            count = server.read(&mut down) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&down[..count]).await.is_err() { return }
            }
        }
    }
}

fn has(block: &[u8], text: &str) -> bool {
    block.windows(text.len()).any(|part| part == text.as_bytes())
}

async fn end(client: TcpStream, server: UnixStream, how: How) {
    match how {
        How::Close => {}
        How::Reset => client.set_zero_linger().unwrap(),
        How::Stall => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
    }
    drop((client, server));
}
