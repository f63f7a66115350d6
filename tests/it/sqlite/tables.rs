//! Every kind of table, views and queries, and what clinic.toml may ask.

use serde_json::json;
use trasvase::error::Kind;

use super::{database, desk, path, told};
use crate::load::desk::Desk;

#[test]
fn tables_of_every_kind_are_read() {
    let desk = Desk::new("");
    std::fs::create_dir_all(desk.clinic_dir()).unwrap();
    database(&desk)
        .execute_batch(
            r#"create table sin (codigo text primary key, n) without rowid;
               insert into sin values ('b', 1), ('a', 2);
               create table calculada (base, doble as (base * 2), guardada as (base * 3) stored);
               insert into calculada values (2), (5);
               create table "una ""tabla"" [rara]; --" ("col; drop" integer, "ñ" text, "" text, rowid text);
               insert into "una ""tabla"" [rara]; --" values (1, 'eñe', 'v', 'r');
               create view vista as select codigo || '!' as c, (select count(*) from calculada) from sin order by 1;
               create virtual table busca using fts5(texto);
               insert into busca values ('hola mundo'), ('adios');
               create table vacia (id integer, nombre text);
               create table estricta (id integer, x any) strict;
               insert into estricta values (5, 'x'), (3, 1.5);
               create index estricta_todo on estricta (x, id);
               analyze;
               update sqlite_stat1 set stat = '2 1 1 sz=1' where idx = 'estricta_todo';"#,
        )
        .unwrap();
    let tables = ["sin", "Calculada", "una \\\"tabla\\\" [rara]; --", "vista", "busca", "vacia", "estricta"];
    let section = |(number, name): (usize, &&str)| {
        format!("[sources.s{number}]\nfiles = ['x.db']\ntable = \"{name}\"\n")
    };
    desk.configure(&tables.iter().enumerate().map(section).collect::<String>());
    let report = desk.load().unwrap();
    let columns: Vec<_> = report.sources.iter().map(|source| source.columns.join("|")).collect();
    assert_eq!(
        columns,
        [
            "codigo|n",
            "base|doble|guardada",
            "col; drop|ñ|column_3|rowid",
            "c|(select count(*) from calculada)",
            "texto",
            "id|nombre",
            "id|x|_type_x",
        ]
    );
    let rows = |number: usize| {
        let sql = format!("select * exclude (_id, _file, _row) from raw.s{number} order by _row");
        desk.rows(&sql)
    };
    assert_eq!(rows(0), [json!(["a", "2"]), json!(["b", "1"])]);
    assert_eq!(rows(1), [json!(["2", "4", "6"]), json!(["5", "10", "15"])]);
    assert_eq!(rows(2), [json!(["1", "eñe", "v", "r"])]);
    assert_eq!(rows(3), [json!(["a!", "2"]), json!(["b!", "2"])]);
    assert_eq!(rows(4), [json!(["hola mundo"]), json!(["adios"])]);
    assert_eq!(rows(5), [] as [serde_json::Value; 0]);
    assert_eq!(rows(6), [json!(["5", "x", "text"]), json!(["3", "1.5", "real"])], "in the table's order");
    assert_eq!(
        told(&report)[1..].join("\n"),
        "no_records warning  1 x.db\nmixed_types warning x 1 real 1, text 1"
    );
}

#[test]
fn a_query_is_read_as_it_is_asked() {
    let sql = "create table t (a, b); insert into t values (1, 'x'), (2, 'y'), (3, null)";
    let desk = desk("query = \"select b, a * 10 as diez from t where a > 1 order by a desc; \"", sql);
    desk.load().unwrap();
    assert_eq!(
        desk.rows("select b, diez from raw.s order by _row"),
        [json!([null, "30"]), json!(["y", "20"])]
    );
    assert!(desk.load().unwrap().unchanged());
    desk.configure("[sources.s]\nfiles = ['x.db']\nquery = 'select a from t'");
    assert_eq!(desk.load().unwrap().rows(), 3, "another query is another reading");
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_can() {
    let sql = "create table pacientes (id, nombre); create table citas (id)";
    let refused = |asked: &str| desk(asked, sql).load().unwrap_err();
    let failure = refused("");
    assert!(
        failure.kind == Kind::Usage && failure.hints[0].ends_with("tables: citas, pacientes"),
        "{failure:?}"
    );
    let failure = refused("table = 'paciente'");
    assert!(failure.message.contains("no table or view 'paciente'"), "{failure:?}");
    assert_eq!(failure.hints, ["table = \"pacientes\""]);
    for (query, part) in [
        ("select nombr from pacientes", "no such column: nombr"),
        ("select \\\"nombr\\\" from pacientes", "no such column: \"nombr\""),
        ("selec 1", "near \"selec\": syntax error"),
        ("select 1; select 2", "ultiple"),
        ("select 1; --", "syntax error"),
        ("select * from pacientes where id = ?", "places for values (?, :name), and nobody fills them: 1"),
        ("delete from pacientes returning id", "one SELECT"),
        ("explain select 1", "one SELECT"),
        ("pragma user_version", "no such table: pragma"),
        ("select load_extension('x')", "SQL logic error"),
        ("", "one SELECT"),
    ] {
        let failure = refused(&format!("query = \"{query}\""));
        assert!(failure.message.contains(part), "{query}: {failure:?}");
        assert!(failure.message.contains("x.db") && !failure.hints.is_empty(), "{query}: {failure:?}");
    }
    // What only shows at a row's values.
    let rows = "create table pacientes (id, nombre); insert into pacientes values (1, '{}'), (2, 'zlx')";
    let broken = desk("query = \"select json_extract(nombre, '$.a') from pacientes\"", rows);
    let failure = broken.load().unwrap_err();
    assert!(failure.message.contains("x.db could be read as far as row 1"), "{failure:?}");
    assert!(
        failure.hints[0].contains("sqlite3 x.db") && !format!("{failure:?}").contains("zlx"),
        "{failure:?}"
    );
    for other in ["encoding = 'utf-8'", "sheet = 'x'", "header_row = 0", "empty = 'text'"] {
        let failure = refused(&format!("table = 'citas'\n{other}"));
        let key = other.split(' ').next().unwrap();
        assert!(
            failure.kind == Kind::Usage && failure.message.contains(&format!("] {key} says")),
            "{failure:?}"
        );
    }
    let text = Desk::with("id;nombre\n1;Ana\n");
    text.configure("[sources.s]\nfiles = ['s.csv']\ntable = 't'");
    assert!(text.load().unwrap_err().message.contains("is no SQLite database"));
}

#[test]
fn a_database_that_no_source_names_is_told_and_its_logs_are_no_files() {
    let desk = desk("table = 't'", "create table t (a)");
    std::fs::create_dir(desk.clinic_dir().join("sources")).unwrap();
    for name in ["x.db", "x.db-wal", "x.db-shm"] {
        std::fs::copy(path(&desk), desk.clinic_dir().join("sources").join(name)).unwrap();
    }
    assert_eq!(desk.load().unwrap().unnamed, ["sources/x.db"]);
    desk.configure("[sources.s]\nfiles = ['sources/*']\ntable = 't'");
    std::fs::write(desk.clinic_dir().join("sources/x.db-wal"), "").unwrap();
    assert_eq!(desk.load().unwrap().sources[0].files.len(), 1);
}

#[test]
fn tables_that_nothing_reads_are_told() {
    let sql = "create table leida (a); create table \"por vista\" (a); create table por_consulta (a);
        create table olvidada (a); create index por_indice on por_consulta (a); create table vacia (a);
        create view vista as select * from \"por vista\"; create virtual table busca using fts5(x);
        insert into leida values (1); insert into \"por vista\" values (1); insert into por_consulta values (1);
        insert into olvidada values (1)";
    let desk = desk(
        "table = 'LEIDA'\n[sources.q]\nfiles = ['x.db']\nquery = 'select a from por_consulta order by a;'",
        sql,
    );
    let told = ["x.db: table olvidada", "x.db: table por vista"];
    assert_eq!(desk.plan().unnamed, told);
    assert_eq!(desk.load().unwrap().unnamed, told);
    assert!(desk.load_with(&["s"], false, &trasvase::model::run::Silent).unwrap().unnamed.is_empty());
    let toml = std::fs::read_to_string(desk.clinic_dir().join("clinic.toml")).unwrap();
    desk.write("clinic.toml", toml + "[sources.v]\nfiles = ['x.db']\ntable = 'vista'\n");
    assert_eq!(desk.load().unwrap().unnamed, ["x.db: table olvidada"]);
}

/// A virtual table keeps rows of its own (and tables of its module's, which are none of anybody's), or shows those of another.
#[test]
fn virtual_tables_that_nothing_reads_are_told() {
    let sql = "create table leida (a); insert into leida values ('x');
        create virtual table busca using fts5(x); insert into busca values ('uno');
        create virtual table mapa using rtree(id, x0, x1); insert into mapa values (1, 0, 1);
        create virtual table asked using fts4(x); insert into asked values ('uno');
        create virtual table por_vista using fts5(x); insert into por_vista values ('uno');
        create view vista as select x from por_vista;
        create virtual table vacia using fts5(x);
        create virtual table indice using fts5(a, content='leida'); insert into indice(indice) values ('rebuild');
        create virtual table palabras using fts5vocab(busca, row)";
    let desk = desk("table = 'leida'\n[sources.q]\nfiles = ['x.db']\nquery = 'select x from asked'", sql);
    // A module that is not known here.
    let schema = "pragma writable_schema = on;
        insert into sqlite_schema values ('table', 'extranjera', 'extranjera', 0, 'create virtual table extranjera using spellfix1')";
    database(&desk).execute_batch(schema).unwrap();
    let told = ["x.db: table busca", "x.db: table extranjera", "x.db: table mapa", "x.db: table por_vista"];
    assert_eq!(desk.plan().unnamed, told);
    assert_eq!(desk.load().unwrap().unnamed, told);
    let toml = std::fs::read_to_string(desk.clinic_dir().join("clinic.toml")).unwrap();
    desk.write("clinic.toml", toml + "[sources.v]\nfiles = ['x.db']\ntable = 'vista'\n[sources.b]\nfiles = ['x.db']\ntable = 'busca'\n");
    assert_eq!(desk.load().unwrap().unnamed, ["x.db: table extranjera", "x.db: table mapa"]);
}

#[test]
fn a_big_table_comes_in_pieces() {
    let sql = "create table t (id integer primary key, nota text);
        insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
            select i, printf('%.*c', 500, 'x') from n";
    let desk = desk("table = 't'", sql);
    let file = trasvase::sources::SourceFile { shown: "x.db".to_owned(), path: path(&desk) };
    let survey = trasvase::sources::survey(&file).unwrap();
    let config = toml::from_str("files = ['x.db']\ntable = 't'").unwrap();
    let opened =
        trasvase::sources::open(&file, &survey, &config, &trasvase::sources::Frozen::default()).unwrap();
    let origin = trasvase::sources::Origin { source_number: 1, file_number: 1, shown: "x.db".to_owned() };
    let (mut pieces, mut bytes) = (Vec::new(), 0);
    let totals = opened
        .read(&origin, &mut |portion| {
            match portion {
                trasvase::sources::Portion::Rows(batch) => pieces.push(batch.num_rows()),
                trasvase::sources::Portion::Progress(more) => bytes += more,
                trasvase::sources::Portion::Refused(_) => {}
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(
        (totals.rows, pieces.iter().sum::<usize>(), bytes),
        (60_000, 60_000, survey.fingerprint.bytes)
    );
    assert!(pieces.len() >= 4 && pieces.iter().all(|rows| *rows <= 16_384), "{pieces:?}");
}
