//! Names and texts that try to be more than names and texts.

use super::site::Site;

/// A hostile source, header, map, entity, schema, table, columns, enum and values, each with both quotes and a comment.
const MODELS: [(&str, &str); 5] = [
    (
        "clinics/acme/sources/pe'o\"ple; drop table person; --.csv",
        "i'd,\"na\"\"me; drop schema meta cascade; --\",\"typ'e\"\"; --\"\nh1,\"'; drop table person; --\",\"fi'rst\"\"; --\"\nh2,\"\\'); drop table person; --\",x\n",
    ),
    (
        "clinics/acme/maps/k'i\"nd; --.csv",
        "source_value,target_value\n\"fi'rst\"\"; --\",\"o'k\"\"; --\"\nx,b\n",
    ),
    (
        "clinics/acme/sql/clean/e'n\"t; --.sql",
        "-- one row a hostile thing\n-- map: k'i\"nd; -- = \"typ'e\"\"; --\" from raw.pe'o\"ple; --\n\
         select h.\"i'd\" as source_id, h.\"na\"\"me; drop schema meta cascade; --\" as \"n'a\"\"me; --\", k.target_value as \"k'i\"\"nd; --\", h._id\n\
         from raw.\"pe'o\"\"ple; --\" as h left join map.\"k'i\"\"nd; --\" as k on k.source_value = h.\"typ'e\"\"; --\"\n",
    ),
    (
        "clinics/acme/sql/target/s\"c'h.t'a\"ble; drop table person; --.sql",
        "-- one row a hostile thing\nselect golden_id as \"i'd\"\"\", \"n'a\"\"me; --\", \"k'i\"\"nd; --\", source_id as _source_id, _id\n\
         from golden.\"e'n\"\"t; --\"\n",
    ),
    (
        "clinics/acme/sql/target/s\"c'h.chi'ld\"; --.sql",
        "-- one row a child of a hostile thing\nselect ulid_for('child', 'x', source_id) as id, golden_id as \"par'ent\"\"; --\", _id\n\
         from golden.\"e'n\"\"t; --\"\n",
    ),
];

const SCHEMA: &str = r#"
create schema "s""c'h";
create type "s""c'h"."k'i""nd" as enum ('o''k"; --', 'b');
create table "s""c'h"."t'a""ble; drop table person; --" (
  "i'd""" text primary key, "n'a""me; --" text not null check ("n'a""me; --" <> 'x''"'), "k'i""nd; --" "s""c'h"."k'i""nd" not null);
create unique index "in'd""ex; --" on "s""c'h"."t'a""ble; drop table person; --" (lower("n'a""me; --"));
create table "s""c'h"."chi'ld""; --" (
  id text primary key,
  "par'ent""; --" text not null constraint "f'k""; --" references "s""c'h"."t'a""ble; drop table person; --" ("i'd"""));
"#;

const CLINIC: &str = r#"
[sources."pe'o\"ple; --"]
files = ["sources/pe'o*"]
primary = "s\"c'h.t'a\"ble; drop table person; --"

[sources.book]
files = ["sources/bo'ok\"; --.xlsx"]
sheet = "it's\"; drop table x; --"

[tables."s\"c'h.t'a\"ble; drop table person; --"]
mode = "upsert"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_go_through_as_names() {
    let site = Site::new().await;
    site.session().await.client.batch_execute(SCHEMA).await.unwrap();
    for (path, text) in MODELS {
        site.write(path, text);
    }
    site.configure(CLINIC);
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("it's\"; drop table x; --").unwrap();
    sheet.write(0, 0, "a\"; drop table raw.people; --").unwrap();
    sheet.write(1, 0, "1").unwrap();
    book.save(site.path("clinics/acme/sources/bo'ok\"; --.xlsx")).unwrap();

    site.run(&["run", "acme"]).says(0, &["s\"c'h.t'a\"ble; drop", "s\"c'h.chi'ld\"; --"]);
    let table = "\"s\"\"c'h\".\"t'a\"\"ble; drop table person; --\"";
    let rows = format!(
        "select string_agg(\"n'a\"\"me; --\" || ' ' || \"k'i\"\"nd; --\", ' | ' order by \"n'a\"\"me; --\" collate \"C\") from {table}"
    );
    assert_eq!(site.value(&rows).await, "'; drop table person; -- o'k\"; -- | \\'); drop table person; -- b");
    assert_eq!(site.value("select count(*) from \"s\"\"c'h\".\"chi'ld\"\"; --\"").await, "2");
    assert_eq!(site.value("select count(*) from person").await, "3");

    let (path, text) = MODELS[0];
    site.write(path, &text.replace("'; drop table person", "'; drop table visit"));
    site.run(&["run", "acme"]).says(0, &[]);
    assert!(site.value(&rows).await.starts_with("'; drop table visit; -- o'k"));
    assert_eq!(site.value("select count(*) from trasvase.change").await, "1");
    for command in
        [&["status"][..], &["maps", "acme"], &["verify", "acme", "--format", "json"], &["run", "acme"]]
    {
        site.run(command).says(0, &[]);
    }
    let kept = site.run(&[
        "sql",
        "acme",
        "select count(*) as n from duckdb_tables() where schema_name in ('raw', 'meta')",
        "--format",
        "json",
    ]);
    assert!(!kept.text.contains("\"n\": 0"), "{}", kept.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_or_table_that_is_named_on_the_command_line_is_only_a_name() {
    let site = Site::exported().await;
    let (before, staged) = (site.tables().await, site.staged());
    for name in ["../acme", "acme'; drop table person; --", "acme/../acme", "", "\u{1b}[31macme"] {
        site.run(&["run", name]).says(2, &["clinic"]);
    }
    let table = "x\"; drop table person; --";
    site.run(&["run", "acme", "--only", table]).says(2, &["drop table person"]);
    site.run(&["transform", "acme", "--select", table]).says(2, &[]);
    site.run(&["load", "acme", "--source", table]).says(2, &["there is no source"]);
    site.run(&["push", "acme", "--snapshot", "../../../etc"]).says(1, &["no such snapshot"]);
    assert_eq!((site.tables().await, site.staged()), (before, staged));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgresql_cannot_hold_is_rejected_by_its_rule_and_all_else_arrives() {
    let site = Site::new().await;
    site.configure("[limits]\n\"*\" = \"100%\"");
    let people = b"id;name;born;notes\n\
        p1;Ana Zald\0\xc3\xadvar;1977-11-02;\n\
        p2;Luis \xed\xa0\x80 Iturbe;;\n\
        p3;Pura;1990-01-01;\"{\"\"allergy\"\": \"\"\\ud800 Quetzalina\"\"}\"\n\
        p4;Sara;1990-01-01;\"{\"\"allergy\"\": \"\"\\u0000 Quetzalina\"\"}\"\n\
        p5;Zoe;1990-01-01;\"{\"\"allergy\"\": \"\"\\ud83d\\ude00 Quetzalina\"\"}\"\n";
    std::fs::write(site.path("clinics/acme/sources/people.csv"), people).unwrap();
    site.run(&["run", "acme"]).says(0, &[]);
    // The half of a pair that is no character at all is refused as it is read, with its line.
    let refused =
        site.run(&["sql", "acme", "select record, line, reason from meta.load_error", "--format", "json"]);
    refused.says(0, &["\"record\": 2", "\"line\": 3", "undecodable"]);
    let rejected = site.run(&[
        "sql",
        "acme",
        "select p._source_id as person, e.rule, e.column_name from reject.person p, unnest(p._errors) t(e) order by 1",
        "--format",
        "json",
    ]);
    rejected.says(0, &["p1", "nul_byte", "p3", "p4"]);
    assert_eq!(rejected.text.matches("\"rule\"").count(), 3, "{}", rejected.text);
    assert_eq!(site.value("select string_agg(name, ' ' order by name) from person").await, "Nadie Zoe");
    let emoji = "select count(*) from person where notes->>'allergy' = U&'\\+01F600' || ' Quetzalina'";
    assert_eq!(site.value(emoji).await, "1");
    site.run(&["verify", "acme"]).says(0, &[]);
}
