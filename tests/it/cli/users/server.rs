//! A small HTTP server, one request a connection: a way to another server, or one that answers by itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Starts it; `respond` gives the bytes of an answer, or none to close the connection without a word.
pub(super) fn serve(respond: impl Fn(Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let respond = Arc::new(respond);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let respond = Arc::clone(&respond);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { return };
                if let Some(answer) = respond(request) {
                    let _ = stream.write_all(&answer);
                }
            });
        }
    });
    port
}

pub(super) fn answer(status: u16, fields: &str, body: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{fields}content-length: {}\r\n\r\n", body.len());
    (head + body).into_bytes()
}

/// Asks another server the same.
pub(super) fn forward(request: &Request, port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in &request.fields {
        if !["connection", "expect", "content-length"].contains(&name.as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("connection: close\r\ncontent-length: {}\r\n\r\n", request.body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        fields.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, fields, body: Vec::new() };
    request.body = vec![0; request.field("content-length").parse().unwrap_or(0)];
    input.read_exact(&mut request.body).ok()?;
    Some(request)
}
