//! A PostgreSQL source that lets nobody in, is not there, or closes: a sentence with what to look at, and no secret.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use trasvase::error::{Cause, Failure};
use trasvase::pg::embedded::{Server, ServerOptions};

use super::desk::Desk;
use super::postgres::{connect, desk};
use crate::support;

const SECRET: &str = "open-sesame-7731";

fn visits() -> Desk {
    Desk::new("[sources.s]\nurl = 'OLD_URL'\ntable = 'visit'")
}

/// Loads in vain: the sentence, in both of its parts, is of the connection, says what to look at and holds no secret.
#[track_caller]
fn fails(desk: &Desk, url: &str, message: &str, hint: &str) -> Failure {
    connect(desk, url);
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains(message), "{message:?} in {failure:?}");
    assert!(failure.hints.join(" ").contains(hint), "{hint:?} in {failure:?}");
    assert_eq!(failure.cause, Some(Cause::Connection), "{failure:?}");
    assert!(!format!("{failure:?}").contains(SECRET), "{failure:?}");
    failure
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let folder = support::reachable_folder("trasvase-login-");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = ServerOptions { durable: false, loopback: Some(port), ..ServerOptions::new(&folder) };
    let server = Server::start(&options).unwrap();
    support::runtime().block_on(async {
        let target = trasvase::pg::Target::at("TEST_URL", trasvase::pg::Secret::new(server.url()));
        let session = trasvase::pg::Session::open(&target, trasvase::pg::Purpose::Write).await.unwrap();
        let sql = "set password_encryption = 'scram-sha-256'; create table visit (id int); \
                   create role reader login password 'right'; grant select on visit to reader";
        session.client.batch_execute(sql).await.unwrap();
        session.close().await;
    });
    let desk = visits();
    let url = |password: &str| format!("postgresql://reader:{password}@127.0.0.1:{port}/trasvase");
    let failure = fails(&desk, &url(SECRET), "(SQLSTATE 28P01)", "password in OLD_URL");
    assert!(failure.message.contains("as reader") && failure.passing.is_none(), "{failure:?}");
    let nobody = url(SECRET).replace("reader", "nobody");
    fails(&desk, &nobody, "(SQLSTATE 28P01)", "user and password in OLD_URL");
    fails(&desk, &url("").replace(":@", "@"), "cannot connect", "password in OLD_URL");
    connect(&desk, &url("right"));
    desk.load().unwrap();
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgresql://reader:{SECRET}@127.0.0.1:{port}/clinic");
    let failure = fails(&visits(), &url, &format!("127.0.0.1:{port}"), "host and port in OLD_URL");
    assert_eq!(failure.passing.as_deref(), Some("refused"));
}

/// Something at a port that answers each connection with these bytes, and closes.
fn answering(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&bytes);
        }
    });
    port
}

#[test]
fn what_closes_or_refuses_before_a_session_is_told() {
    let desk = visits();
    let url = |port: u16| format!("postgresql://reader:{SECRET}@127.0.0.1:{port}/clinic?sslmode=disable");
    let failure = fails(&desk, &url(answering(Vec::new())), "cannot connect", "host and port in OLD_URL");
    assert!(failure.passing.is_some(), "{failure:?}");
    // What poolers say of names that they do not know: no SQLSTATE of PostgreSQL's own refusals.
    for (state, passes) in [("08P01", false), ("08006", true), ("XX000", false)] {
        let fields = format!("SFATAL\0VFATAL\0C{state}\0Mno such tenant\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        let answer = [b"E", length.as_slice(), fields.as_bytes()].concat();
        let failure = fails(&desk, &url(answering(answer)), &format!("(SQLSTATE {state})"), "in OLD_URL");
        assert!(failure.message.contains("reader"), "{failure:?}");
        assert_eq!(failure.passing.is_some(), passes, "{failure:?}");
    }
}

#[test]
fn a_server_that_closes_while_it_is_asked_is_told() {
    let (database, desk) = desk("create table visit (id int)", "");
    let ended = "[sources.s]\nurl = 'OLD_URL'\nquery = 'select pg_terminate_backend(pg_backend_pid())'";
    desk.configure(ended);
    let failure = fails(&desk, &database.url, "OLD_URL", "run the same command again");
    assert!(failure.message.contains("source s") && failure.passing.is_some(), "{failure:?}");
}

#[test]
fn a_table_of_another_server_that_is_not_reached_is_told() {
    let sql = format!(
        "create extension postgres_fdw;
         create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1', dbname 'x');
         create user mapping for current_user server far options (user 'u', password '{SECRET}');
         create foreign table visit (id int) server far"
    );
    let (database, desk) = desk(&sql, "[sources.s]\nurl = 'OLD_URL'\ntable = 'visit'");
    let failure = fails(&desk, &database.url, "(SQLSTATE 08001)", "another server");
    assert!(failure.message.contains("source s, asked of OLD_URL"), "{failure:?}");
}
