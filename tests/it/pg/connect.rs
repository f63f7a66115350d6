//! Connections: TLS as asked for, failures as sentences, secrets kept.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use trasvase::error::{self, Failure};
use trasvase::pg::embedded::{Server, ServerOptions};
use trasvase::pg::{Purpose, ReadOnly, Secret, Session, Target};

use crate::support;

const PASSWORD: &str = "hunter2 p@ss";

/// A server with TLS on a loopback port, with the user `ana` and her password.
struct TlsServer {
    server: Server,
    port: u16,
    /// Removed after the server, as fields are dropped in order.
    folder: tempfile::TempDir,
}

impl TlsServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let port = free_port();
        // Files for the server must be its user's own, so they are written once it has a home.
        let plain =
            ServerOptions { durable: false, loopback: Some(port), ..ServerOptions::new(folder.path()) };
        let server = Server::start(&plain).unwrap();
        for (name, text) in
            [("server.pem", include_str!("tls/server.pem")), ("server.key", include_str!("tls/server.key"))]
        {
            server.account().private_file(&server.data_dir().join(name), text).unwrap();
        }
        for (name, text) in
            [("ca.pem", include_str!("tls/ca.pem")), ("other.pem", include_str!("tls/other.pem"))]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let one = Self { server, port, folder };
        one.run(&format!("create role ana login password '{PASSWORD}'")).await;
        one.run("alter system set ssl_cert_file = 'server.pem'").await;
        one.run("alter system set ssl_key_file = 'server.key'").await;
        one.encrypt(true).await;
        one
    }

    async fn run(&self, sql: &str) {
        let session = open(&self.server.url()).await.unwrap();
        session.client.batch_execute(sql).await.unwrap();
        session.close().await;
    }

    async fn encrypt(&self, on: bool) {
        self.run(&format!("alter system set ssl = {on}")).await;
        self.run("select pg_reload_conf()").await;
        // The reload is done by another process, in its own time.
        for _ in 0..100 {
            let session = open(&self.server.url()).await.unwrap();
            if session
                .client
                .query_one("select current_setting('ssl')::bool", &[])
                .await
                .unwrap()
                .get::<_, bool>(0)
                == on
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the server did not change ssl");
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        let parameters = parameters.replace("DIR", &self.folder.path().display().to_string());
        format!("postgresql://ana:hunter2%20p%40ss@{host}:{}/trasvase?{parameters}", self.port)
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn open(url: &str) -> anyhow::Result<Session> {
    Session::open(&Target::at("TEST_URL", Secret::new(url)), Purpose::Write).await
}

/// The failure's whole text, as the log and the terminal would show it.
async fn refused(url: &str) -> String {
    let error = open(url).await.expect_err(url);
    let failure = Failure::from_anyhow(&error);
    let text = format!("{error:?}\n{}\n{}", failure.message, failure.hints.join("\n"));
    assert!(!text.contains("hunter2"), "{text}");
    text
}

async fn encrypted(session: &Session) -> bool {
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    session.client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn tls_is_used_and_verified_as_sslmode_asks() {
    let server = TlsServer::start().await;
    for (host, parameters, wanted) in [
        ("localhost", "sslmode=disable", false),
        ("localhost", "", true),
        ("localhost", "sslmode=allow", true),
        ("127.0.0.1", "sslmode=prefer", true),
        ("127.0.0.1", "sslmode=require", true),
        ("127.0.0.1", "sslmode=require&sslrootcert=DIR/ca.pem", true),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=DIR/ca.pem", true),
        ("localhost", "sslmode=verify-full&sslrootcert=DIR/ca.pem", true),
    ] {
        let session =
            open(&server.url(host, parameters)).await.unwrap_or_else(|e| panic!("{parameters}: {e:?}"));
        assert_eq!(encrypted(&session).await, wanted, "{parameters}");
        assert_eq!(session.user, "ana");
    }
    for (host, parameters, said) in [
        ("localhost", "sslmode=require&sslrootcert=DIR/other.pem", "sslrootcert"),
        ("localhost", "sslmode=verify-ca&sslrootcert=DIR/other.pem", "sslrootcert"),
        ("localhost", "sslmode=verify-full&sslrootcert=DIR/other.pem", "sslrootcert"),
        ("localhost", "sslmode=verify-full&sslrootcert=system", "sslrootcert"),
        ("localhost", "sslrootcert=system", "sslrootcert"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=DIR/ca.pem", "another host name"),
        ("localhost", "sslmode=verify-full&sslrootcert=DIR/none.pem", "none.pem"),
        ("localhost", "sslmode=verify-full&sslrootcert=DIR/location", "location"),
    ] {
        std::fs::write(server.folder.path().join("location"), "no certificate").unwrap();
        let text = refused(&server.url(host, parameters)).await;
        assert!(text.contains(said), "{parameters}: {text}");
    }
    server.encrypt(false).await;
    assert!(!encrypted(&open(&server.url("localhost", "sslmode=prefer")).await.unwrap()).await);
    for mode in ["require", "verify-ca&sslrootcert=DIR/ca.pem", "verify-full&sslrootcert=DIR/ca.pem"] {
        let text = refused(&server.url("localhost", &format!("sslmode={mode}"))).await;
        assert!(text.contains("has no TLS"), "{text}");
    }
    // While a server with TLS is here: failures that need a password.
    let wrong = server.url("localhost", "sslmode=disable").replace("hunter2%20p%40ss", "hunter2wrong");
    let text = refused(&wrong).await;
    assert!(text.contains("user ana") || text.contains("as ana"), "{text}");
    assert!(
        text.contains("28P01") && text.contains("TEST_URL") && text.contains(&server.port.to_string()),
        "{text}"
    );
    let text =
        refused(&server.url("localhost", "sslmode=disable").replace("ana:hunter2%20p%40ss", "ana")).await;
    assert!(text.contains("password in TEST_URL"), "{text}");
    let text = refused(&server.url("localhost", "").replace("/trasvase?", "/elsewhere?")).await;
    assert!(text.contains("3D000") && text.contains("createdb"), "{text}");
}

#[tokio::test]
async fn no_server_is_said_with_address_database_and_user() {
    let text = refused(&format!("postgresql://ana:hunter2@127.0.0.1:{}/clinic", free_port())).await;
    assert!(text.contains("127.0.0.1") && text.contains("clinic") && text.contains("ana"), "{text}");
    assert!(text.contains("is the server running"), "{text}");
    let text = refused("host=/nowhere/at/all user=ana password=hunter2 dbname=clinic").await;
    assert!(text.contains("/nowhere/at/all"), "{text}");
}

#[tokio::test]
async fn a_server_older_than_14_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut startup = [0; 512];
        let _ = stream.read(&mut startup).unwrap();
        let version = b"server_version\x0013.4\x00";
        let mut answer = b"R\0\0\0\x08\0\0\0\0S".to_vec();
        answer.extend(u32::try_from(version.len() + 4).unwrap().to_be_bytes());
        answer.extend(version);
        answer.extend(b"Z\0\0\0\x05I");
        stream.write_all(&answer).unwrap();
    });
    let text = refused(&format!("postgresql://ana@127.0.0.1:{port}/d?sslmode=disable")).await;
    assert!(text.contains("13.4") && text.contains("14"), "{text}");
    old.join().unwrap();
}

#[tokio::test]
async fn every_session_has_the_same_settings() {
    let database = support::database().await;
    let name = &database.name;
    let sql = format!(
        "alter database {name} set timezone = 'Asia/Tokyo'; alter database {name} set datestyle = 'German'; \
         alter database {name} set extra_float_digits = 0; alter database {name} set search_path = 'clinic'"
    );
    database.client().await.client.batch_execute(&sql).await.unwrap();
    let session = database.client().await;
    for (setting, value) in [
        ("row_security", "off"),
        ("client_encoding", "UTF8"),
        ("timezone", "UTC"),
        ("datestyle", "ISO, YMD"),
        ("intervalstyle", "postgres"),
        ("extra_float_digits", "1"),
        ("bytea_output", "hex"),
        ("application_name", "trasvase"),
        ("search_path", "clinic"),
    ] {
        let row = session.client.query_one("select current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{setting}");
    }
    assert_eq!((session.database.as_str(), session.user.as_str()), (name.as_str(), "postgres"));
    assert!(session.server_version >= 140_000);
}

#[tokio::test]
async fn a_read_only_database_is_refused_for_writing_only() {
    let database = support::database().await;
    let sql = format!("alter database {} set default_transaction_read_only = on", database.name);
    database.client().await.client.batch_execute(&sql).await.unwrap();
    let text = refused(&database.url).await;
    let remedy = format!("alter database \"{}\" reset default_transaction_read_only", database.name);
    assert!(text.contains("read-only") && text.contains(&remedy), "{text}");
    let at =
        |option: &str| Target::at("TEST_URL", Secret::new(format!("{}&options=-c{option}", database.url)));
    let session = Session::open(&database.target(), Purpose::Read).await.unwrap();
    assert_eq!(session.read_only, Some(ReadOnly::Database));
    // The nearest setting holds, and is the one to take away.
    let none = Session::open(&at("%20default_transaction_read_only%3Doff"), Purpose::Write).await.unwrap();
    assert_eq!(none.read_only, None);
    let by_connection = Session::open(&at("%20default_transaction_read_only%3Don"), Purpose::Write).await;
    let text = format!("{:?}", Failure::from_anyhow(&by_connection.unwrap_err()));
    assert!(text.contains("set by the connection") && text.contains("PGOPTIONS"), "{text}");
}

#[tokio::test]
async fn a_target_in_another_encoding_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = support::database_in(encoding).await;
        let text = refused(&database.url).await;
        let remedy = format!("create database {}_utf8 encoding 'UTF8'", database.name);
        assert!(text.contains(encoding) && text.contains(&remedy), "{text}");
        assert!(
            Session::open(&database.target(), Purpose::Read).await.is_err(),
            "it cannot be verified either"
        );
        Session::open(&database.target(), Purpose::Ask).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_connection_is_said_to_be_lost() {
    let database = support::database().await;
    let session = database.client().await;
    let process: i32 = session.client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let other = database.client().await;
    other.client.execute("select pg_terminate_backend($1)", &[&process]).await.unwrap();
    let mut text = String::new();
    for _ in 0..2 {
        let error = session.client.batch_execute("select pg_sleep(1)").await.unwrap_err();
        text = format!("{:?}", session.error(&error));
    }
    assert!(text.contains("was lost") && text.contains(&database.name), "{text}");
}

#[tokio::test]
async fn cancelling_ends_a_running_statement() {
    let database = support::database().await;
    let session = database.client().await;
    let start = std::time::Instant::now();
    let (slept, ()) = tokio::join!(session.client.batch_execute("select pg_sleep(30)"), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        session.cancel().await;
    });
    assert_eq!(slept.unwrap_err().code().unwrap().code(), "57014");
    assert!(start.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let url = "postgresql://ana:hunter2@127.0.0.1:1/d";
    let target = Target::at("TEST_URL", Secret::new(url));
    let text = format!("{target:?} {:?} {}", target.url, target.url);
    assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");
    let database = support::database().await;
    let session = database.client().await;
    assert!(format!("{session:?}").contains(&database.name));
    refused(url).await;
}

#[tokio::test]
async fn no_error_of_the_server_shows_a_value() {
    let database = support::database_with(
        "create table patient (id int primary key, name text check (length(name) < 20), born date); \
         insert into patient values (1, 'Ana Zorrilla', '1977-11-02'); \
         create function shout() returns trigger language plpgsql as \
         $$ begin raise exception 'no %', new.name using detail = new.name, hint = new.name; end $$; \
         create table loud (name text); \
         create trigger shout before insert on loud for each row execute function shout()",
    )
    .await;
    let session = database.client().await;
    for (sql, state, names) in [
        ("insert into patient values (1, 'Ana Zorrilla')", "23505", "patient_pkey"),
        ("insert into patient values (2, 'Ana Zorrilla de la Torre')", "23514", "patient_name_check"),
        ("select 'Ana Zorrilla'::int", "22P02", ""),
        ("select 'Ana Zorrilla'::date", "22007", ""),
        ("insert into patient values (null, 'Ana Zorrilla')", "23502", "column id"),
        ("insert into loud values ('Ana Zorrilla')", "P0001", ""),
        ("do $$ begin perform 1/0; end $$", "22012", ""),
    ] {
        let error = session.client.batch_execute(sql).await.unwrap_err();
        for text in [format!("{:?}", error::postgres(&error)), format!("{:?}", session.error(&error))] {
            assert!(text.contains(state) && text.contains(names), "{sql}: {text}");
            assert!(!text.contains("Zorrilla") && !text.contains("Ana"), "{sql}: {text}");
        }
    }
    let error = session.client.batch_execute("select * from patietn").await.unwrap_err();
    assert!(error::postgres(&error).to_string().contains("patietn"), "a name is no value");
}
