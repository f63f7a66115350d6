//! What is wrong with a database is told, and what cannot be read is refused.

use trasvase::error::Kind;

use super::{desk, path, told};

#[test]
fn what_sqlite_finds_wrong_is_a_finding() {
    let sql = "pragma foreign_keys = off;
        create table sala (id integer primary key, nombre text);
        create table cama (id integer primary key, sala_id integer references sala (id), estado text);
        insert into sala values (1, 'A'), (2, null);
        insert into cama values (1, 1, 'libre'), (2, 8, 'libre'), (3, 9, 'libre'), (4, null, 'x');
        pragma writable_schema = on;
        update sqlite_schema set sql = 'create table sala (id integer primary key, nombre text not null)' where name = 'sala';";
    let found = |asked: &str| told(&desk(asked, sql).load().unwrap());
    let orphans = "foreign_key_check warning  2 rows of cama whose sala is not there";
    let broken = "integrity_check critical  1 SQLite says: NULL value in sala.nombre";
    assert_eq!(found("table = 'cama'"), [orphans]);
    assert_eq!(found("table = 'sala'"), [broken]);
    assert_eq!(found("query = 'select id from sala'"), [broken, orphans], "a query is about all of the file");
}

#[test]
fn rows_without_a_parent_are_told_where_their_table_is_read() {
    let sql = "pragma foreign_keys = off;
        create table sala (id integer primary key); create table cama (id integer primary key, sala integer references sala (id));
        create table alta (id integer primary key, cama integer references cama (id)); create index por_cama on alta (cama);
        create table rota (x integer references alta (nada));
        insert into cama values (1, 8); insert into alta values (1, 9); insert into sala values (1); insert into rota values (1);
        create view camas as select * from cama;";
    let query =
        |name: &str, query: &str| format!("[sources.{name}]\nfiles = ['*.db']\nquery = 'select {query}'\n");
    let sources = [
        query("a", "id from sala"),
        query("b", "c.id from camas c join sala on true"),
        query("c", "1 from sala"),
        "[sources.d]\nfiles = ['x.db']\ntable = 'camas'\n".to_owned(),
    ];
    let told_by_source = |sources: &[String]| {
        let desk = desk("table = 'sala'", sql);
        desk.configure(&sources.concat());
        let report = desk.load().unwrap();
        let told = report.sources.iter().map(|source| {
            let details = source.findings.iter().filter(|one| one.rule == "foreign_key_check");
            let table = |detail: &str| {
                detail.split(' ').find(|word| ["cama", "alta", "\"rota\""].contains(word)).map(str::to_owned)
            };
            details
                .map(|one| table(one.detail.as_deref().unwrap()).unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" ")
        });
        told.collect::<Vec<_>>()
    };
    // Nobody reads the tables `alta` and `rota`.
    assert_eq!(told_by_source(&sources), ["alta \"rota\"", "cama", "", "cama"]);
    let more = [&sources[..], &[query("e", "cama from alta where cama > 0")]].concat();
    assert_eq!(told_by_source(&more), ["\"rota\"", "cama", "", "cama", "alta"]);
    // A source of one table speaks of that table only.
    let first = [
        "[sources.a]\nfiles = ['x.db']\ntable = 'sala'\n".to_owned(),
        sources[1].clone(),
        sources[2].clone(),
    ];
    assert_eq!(told_by_source(&first), ["", "alta cama \"rota\"", ""]);
}

#[test]
fn a_foreign_key_that_cannot_be_checked_is_a_finding_too() {
    let sql = "pragma foreign_keys = off;
        create table a (x); create table b (y references a (x)); insert into b values (1)";
    let told = told(&desk("table = 'b'", sql).load().unwrap());
    assert!(
        told[0].starts_with("foreign_key_check warning  1 SQLite says: foreign key mismatch"),
        "{told:?}"
    );
}

const MANY: &str = "create table t (id integer primary key, nota text);
    insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
        select i, printf('%.*c', 100, 'x') from n";

#[test]
fn a_damaged_file_is_refused_and_leaves_what_was_loaded() {
    let desk = desk("table = 't'", MANY);
    desk.load().unwrap();
    let before = desk.everything();
    let whole = std::fs::read(path(&desk)).unwrap();
    let middle = whole.len() / 2;
    let mut page = whole.clone();
    page[middle..middle + 8192].fill(0xa5);
    let mut schema = whole.clone();
    schema[100..4096].fill(0xff);
    let unreadable = "cannot be read as a SQLite database";
    for (damaged, part) in
        [(whole[..middle].to_vec(), unreadable), (schema, unreadable), (page, "could be read as far as row ")]
    {
        std::fs::write(path(&desk), damaged).unwrap();
        let failure = desk.load().unwrap_err();
        assert_eq!(failure.kind, Kind::Failed);
        assert!(failure.message.contains(part), "{failure:?}");
        assert!(failure.hints[0].contains(".recover"), "{failure:?}");
        assert_eq!(desk.everything(), before);
    }
}

#[test]
fn an_encrypted_file_is_refused() {
    let desk = desk("table = 't'", MANY);
    let mut bytes = std::fs::read(path(&desk)).unwrap();
    // Every byte of an encrypted database looks random, its first ones too.
    let mut state = 88_172_645_463_325_252_u64;
    for byte in &mut bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte ^= state as u8;
    }
    std::fs::write(path(&desk), bytes).unwrap();
    let failure = desk.load().unwrap_err();
    assert!(
        failure.message.contains("is no SQLite database") && failure.message.contains("encrypted"),
        "{failure:?}"
    );
}

#[test]
fn no_value_is_shown_where_reading_a_row_fails() {
    let sql = "create table t (nombre); insert into t values ('Ana Gil')";
    let desk = desk("query = \"select json_extract('{}', nombre) from t\"", sql);
    let failure = desk.load().unwrap_err();
    assert!(
        failure.message.contains("as far as row 0") && !format!("{failure:?}").contains("Ana"),
        "{failure:?}"
    );
}
