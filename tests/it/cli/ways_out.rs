//! Every refusal and every difference says what mends it, and typing that does: a ledger that is lost or damaged, rows
//! that are kept, tables that are missing, targets that are forgotten.

use std::process::{Command, Output, Stdio};

use super::clinic::Mini;
use super::safety::says;
/// A clinic whose rows were pushed and are equal.
fn pushed(mode: &str) -> Mini {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", mode);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
pub(super) fn says_not(output: &Output, part: &str) {
    let text = text(output);
    assert!(!text.contains(part), "'{part}' is in:\n{text}");
}

#[test]
fn rows_that_stand_with_other_values_are_not_told_as_nothing_to_do() {
    let mini = pushed("mode = \"insert\"");
    mini.execute("update person set name = 'Other' where name = 'Ana'");
    let told = mini.run(&["push", "mini"]);
    says(
        &told,
        0,
        &["1 row stands with other values than the snapshot's: person 1", "mode = \"upsert\" in clinic.toml"],
    );
    says_not(&told, "holds all of it already");
    let there = mini.run(&["push", "mini", "--target", "rehearsal"]);
    says(&there, 0, &["updates them: trasvase push mini --target rehearsal\n"]);
    says(&mini.run(&["push", "mini", "--lang", "es"]), 0, &["1 fila tiene otros valores que la instantánea"]);
    mini.edit("clinics/mini/clinic.toml", "mode = \"insert\"", "mode = \"upsert\"");
    says(&mini.run(&["push", "mini"]), 0, &["pushed: batch"]);
    says(&mini.run(&["push", "mini"]), 0, &["nothing to do: PostgreSQL holds all of it already"]);
}

#[test]
fn a_key_that_somebody_dropped_is_hinted_at() {
    let mini = pushed("mode = \"insert\"");
    says_not(&mini.run(&["verify", "mini"]), "not as they were");
    mini.execute("alter table visit drop constraint visit_pkey");
    let told = "the target's tables are not as they were when the snapshot was checked";
    says(&mini.run(&["verify", "mini"]), 0, &[told, "schema/"]);
}

#[test]
fn a_lost_ledger_is_told_and_the_way_out_works() {
    for setting in ["mode = \"upsert\"", "mode = \"replace\""] {
        let mini = pushed("mode = \"insert\"");
        mini.execute("drop schema trasvase cascade");
        says(&mini.run(&["verify", "mini"]), 1, &["was dropped", "→ trasvase push mini"]);
        let told = mini.run(&["push", "mini"]);
        let equal = "6 rows equal the snapshot, but no push of the ledger wrote them, so verify counts them as somebody else's";
        says(&told, 0, &[equal, "person 3, visit 3", "restore the schema trasvase", "mode = \"upsert\""]);
        says_not(&told, "holds all of it already");
        mini.edit("clinics/mini/clinic.toml", "mode = \"insert\"", setting);
        mini.execute("create table before as select xmin::text as writer, id from person");
        says(&mini.run(&["push", "mini", "--dry-run"]), 0, &["taken into the ledger", "person 3, visit 3"]);
        says(&mini.run(&["push", "mini"]), 0, &["taken into the ledger", "pushed: batch"]);
        // The rows are not touched, and a rollback finds them as they were.
        mini.execute(
            "do $$ begin assert (select count(*) = 3 from person join before b using (id) where person.xmin::text = b.writer); \
             assert (select count(*) = 6 from trasvase.change where action = 'update'); end $$",
        );
        says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
        says(&mini.run(&["push", "mini"]), 0, &["nothing to do: PostgreSQL holds all of it already"]);
        mini.edit("clinics/mini/clinic.toml", setting, "mode = \"insert\"");
        says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    }
}

#[test]
fn rows_that_no_push_of_the_ledger_wrote_say_so_in_verify() {
    let mini = pushed("mode = \"insert\"");
    mini.execute("delete from trasvase.batch");
    let verified = mini.run(&["verify", "mini"]);
    says(
        &verified,
        3,
        &["was there before and is kept", "no push of the ledger", "restore the schema trasvase"],
    );
    says(&verified, 3, &["mode = \"upsert\" in clinic.toml for person, visit, then trasvase push mini"]);
}

#[test]
fn a_damaged_ledger_is_a_sentence_with_what_to_do() {
    for (damage, missing) in [
        ("drop view trasvase.row_digest", "row_digest"),
        ("drop table trasvase.batch cascade", "batch"),
        ("drop table trasvase.external_id_1", "external_id_1"),
        ("drop table trasvase.page_1", "page_1"),
    ] {
        let mini = pushed("mode = \"upsert\"");
        mini.execute(damage);
        for command in ["push", "verify"] {
            let told = mini.run(&[command, "mini"]);
            says(
                &told,
                1,
                &["the ledger (schema trasvase) is damaged", missing, "drop schema trasvase cascade"],
            );
            says_not(&told, "does not exist (SQLSTATE");
        }
        mini.execute("drop schema trasvase cascade");
        says(&mini.run(&["push", "mini"]), 0, &["pushed: batch"]);
        says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
    }
}

#[test]
fn production_takes_no_yes_for_a_name() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini", "--target", "rehearsal"]), 0, &[]);
    mini.execute("delete from visit; delete from person; drop schema trasvase cascade");
    let push = ["push", "mini", "--target", "production", "--yes"];
    let run = ["run", "mini", "--from", "push", "--target", "production", "--yes"];
    for line in [&push[..], &run] {
        says(&mini.run(line), 2, &["--confirm mini"]);
        says(
            &mini.run(&[line, &["--confirm", "other"]].concat()),
            2,
            &["--confirm wants another name: mini"],
        );
        mini.execute("do $$ begin assert (select count(*) = 0 from person); end $$");
    }
    says(&mini.run(&[&push[..4], &["--confirm", "mini"]].concat()), 0, &["pushed: batch"]);
    mini.execute("update person set name = 'Other' where name = 'Ana'");
    says(&mini.run(&[&run[..6], &["--confirm", "mini"]].concat()), 0, &["Equal"]);
}

#[test]
fn each_difference_says_what_mends_it() {
    let mini = pushed("mode = \"insert\"");
    mini.execute("delete from visit where kind = 'RETURN'");
    let told = mini.run(&["verify", "mini"]);
    says(&told, 3, &["  missing", "→ rows that are missing (visit) are put back by: trasvase push mini"]);
    says_not(&told, "mode =");
    says(&mini.run(&["push", "mini"]), 0, &["pushed: batch"]);
    says(&mini.run(&["verify", "mini"]), 0, &[]);
    mini.execute("update person set name = 'Other' where name = 'Ana'");
    says(&mini.run(&["verify", "mini"]), 3, &["mode = \"upsert\" in clinic.toml for person"]);
    mini.edit("clinics/mini/clinic.toml", "mode = \"insert\"", "mode = \"upsert\"");
    let told = mini.run(&["verify", "mini", "--target", "rehearsal"]);
    says(&told, 3, &["(person) are made the snapshot's by: trasvase push mini --target rehearsal"]);
    says_not(&told, "mode =");
    says(&mini.run(&["push", "mini"]), 0, &[]);
    says(&mini.run(&["verify", "mini"]), 0, &[]);
}

#[test]
fn values_that_differ_are_shown_as_they_are() {
    let mini = pushed("mode = \"upsert\"");
    mini.execute("update person set name = E'Secreto\\x1b[2J' where name = 'Ana'; update person set born = '1990-02-03' where name = 'Eva'");
    // `script` gives the program a terminal.
    let shown = |language: &str| {
        let line = format!("{} verify mini --show-values --lang {language}", env!("CARGO_BIN_EXE_trasvase"));
        let command = mini.command(&[]);
        let given = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(mini.path()).envs(given).stdin(Stdio::null());
        script.output().unwrap()
    };
    says(
        &shown("en"),
        3,
        &["name: source Ana, target Secreto\\u{1b}[2J", "born: source NULL, target 1990-02-03"],
    );
    says(&shown("es"), 3, &["born: origen NULL, destino 1990-02-03"]);
}

#[test]
fn status_tells_the_target_and_keeps_it_in_what_to_type() {
    let mini = Mini::new();
    let targets = "[target.rehearsal]";
    mini.edit(
        "clinics/mini/clinic.toml",
        targets,
        &format!("[target.lim]\nurl_env = \"REHEARSAL_URL\"\n\n{targets}"),
    );
    says(&mini.run(&["run", "mini", "--until", "export", "--target", "lim"]), 0, &[]);
    says(&mini.run(&["status", "mini"]), 0, &["  trasvase run mini --from push --target lim\n"]);
    says(&mini.run(&["run", "mini", "--target", "lim"]), 0, &[]);
    let told = mini.run(&["status", "mini"]);
    says(&told, 0, &["lim: inserted 6", "lim: tables 2, rows 6", "  trasvase verify mini --target lim\n"]);
    says_not(&told, "postgres psql");
    mini.execute("alter table person rename to people");
    says(&mini.run(&["push", "mini", "--target", "rehearsal"]), 1, &[]);
    let (status, _) = mini.json("status mini");
    assert_eq!(status[0]["stages"][4]["counts"], serde_json::json!({"target": "rehearsal"}), "{status}");
    mini.execute("alter table people rename to person");
}

#[test]
fn a_refused_production_run_says_which_target_to_rehearse_on() {
    let mini = Mini::new();
    let refused = mini.run(&["run", "mini", "--target", "production"]);
    says(&refused, 2, &["→ trasvase run mini --from push --target rehearsal\n"]);
    says_not(&refused, "<rehearsal>");
    let told = mini.run(&["status", "mini"]);
    says(&told, 0, &["  trasvase run mini --from push --target rehearsal\n"]);
    says(&mini.run(&["run", "mini", "--from", "push", "--target", "rehearsal"]), 0, &["Equal"]);
}

#[test]
fn a_snapshot_that_is_not_there_is_made_by_a_run() {
    let mini = Mini::new();
    for command in ["push", "verify"] {
        says(&mini.run(&[command, "mini"]), 1, &["→ make one: trasvase run mini --until export\n"]);
    }
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
}

#[test]
fn a_missing_table_is_named_with_the_line_that_makes_it() {
    let mini = Mini::new();
    mini.edit(
        "schema/small.sql",
        "create table person",
        "create type mood as enum ('sad');\n\ncreate table person",
    );
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    mini.execute("create type mood as enum ('sad'); drop table visit");
    let told = mini.run(&["schema", "apply", "mini", "--target", "rehearsal"]);
    says(&told, 1, &["not there, 1 of 2", "visit (", "schema/small.sql:4)"]);
    says_not(&told, "schema reset");
    says(&mini.run(&["doctor", "mini"]), 3, &["schema/small.sql:4"]);
    for line in [&["push", "mini"][..], &["run", "mini"]] {
        let told = mini.run(line);
        says(&told, if line[0] == "run" { 3 } else { 1 }, &["visit", "schema/small.sql:4"]);
        says_not(&told, "schema apply");
    }
    mini.execute("drop table person");
    let told = mini.run(&["schema", "apply", "mini"]);
    says(&told, 1, &["schema/small.sql:1: ", "(SQLSTATE 42710)", "type \"mood\" already exists"]);
}

#[test]
fn an_extension_that_the_role_may_not_make_is_named_with_what_its_owner_types() {
    let mini = Mini::new();
    mini.execute("drop table visit; drop table person");
    let role = format!("{}_maker", mini.database.name);
    mini.execute(&format!("create role {role}; grant create, usage on schema public to {role}"));
    mini.write(
        "schema/small.sql",
        "-- tables\n\ncreate extension if not exists btree_gist;\ncreate table a (id int);\n",
    );
    let url = mini.database.url_as(&role);
    let told = mini.command(&["schema", "apply", "mini"]).env("DATABASE_URL", url).output().unwrap();
    says(&told, 1, &["schema/small.sql:3: ", "create extension btree_gist", "owner"]);
    mini.execute(&format!("drop owned by {role}; drop role {role}"));
}
