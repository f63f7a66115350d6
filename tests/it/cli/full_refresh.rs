//! `--full-refresh`: the clinic's rows go and come anew in one transaction, whatever the modes say, and a rollback takes
//! that back.

use super::clinic::Mini;
use super::safety::says;

/// A clinic that leaves rows alone that are there, pushed; then its rows, those of others and its source changed.
fn moved_apart() -> Mini {
    let mini = Mini::new();
    let modes = "mode = \"insert\"\n\n[tables.visit]\nmode = \"upsert\"";
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", modes);
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute(
        "update person set name = 'Other' where name = 'Ana'; delete from visit where day = '2024-01-05'; \
         insert into person values ('theirs', 'Theirs', null); \
         create table before as select 'person' as kind, id, name as value from person \
         union all select 'visit', id, concat(person_id, day, kind) from visit",
    );
    mini.edit("clinics/mini/sources/visits.csv", "13;3;2024-04-08;odd\n", "");
    mini
}

/// What is otherwise than before.
fn changed(mini: &Mini, rows: usize) {
    mini.execute(&format!(
        "do $$ declare found bigint; begin \
         with now as (select 'person' as kind, id, name as value from person \
         union all select 'visit', id, concat(person_id, day, kind) from visit) \
         select count(*) into found from ((table before except table now) union (table now except table before)) d; \
         assert found = {rows}, found; end $$"
    ));
}

#[test]
fn all_rows_of_the_clinic_are_emptied_and_loaded_anew() {
    let mini = moved_apart();
    let unasked = mini.run(&["run", "mini", "--full-refresh"]);
    says(&unasked, 2, &["replace"]);
    changed(&mini, 0);
    let planned = mini.run(&["run", "mini", "--full-refresh", "--dry-run"]);
    says(&planned, 0, &["replace"]);
    changed(&mini, 0);

    says(&mini.run(&["run", "mini", "--full-refresh", "--yes"]), 0, &["equal"]);
    // Ana's old and new name, the visit that somebody deleted, the one that the source has no more.
    changed(&mini, 4);
    mini.execute(
        "do $$ begin \
         assert (select array_agg(name::text order by name) from person) = '{Ana,Eva,Luis,Theirs}'; \
         assert (select array_agg(day::text order by day) from visit) = '{2024-01-05,2024-02-06}'; \
         assert (select count(distinct writer) from (select xmin::text as writer from person where id <> 'theirs' \
         union all select xmin::text from visit) r) = 1, 'one transaction writes all'; end $$",
    );
    says(&mini.run(&["push", "mini", "--full-refresh", "--yes"]), 0, &["nothing to do"]);

    says(&mini.run(&["rollback", "mini", "last", "--yes"]), 0, &[]);
    changed(&mini, 0);
    says(&mini.run(&["push", "mini", "--full-refresh", "--yes"]), 0, &["pushed: batch"]);
    says(&mini.run(&["verify", "mini"]), 0, &["equal"]);
}

#[test]
fn rows_that_are_as_they_were_go_and_come_with_those_they_refer_to() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.execute("create table before as select id, concat(person_id, day, kind) as value from visit");
    mini.edit("clinics/mini/sources/people.csv", "Ana", "Anna");
    says(&mini.run(&["run", "mini", "--full-refresh", "--yes"]), 0, &["equal"]);
    mini.execute(
        "do $$ begin assert (select bool_or(name = 'Anna') from person); \
         assert not exists (table before except select id, concat(person_id, day, kind) from visit) \
         and (select count(*) from before) = (select count(*) from visit); \
         assert (select count(distinct xmin::text) from visit) = 1; end $$",
    );
    says(&mini.run(&["push", "mini", "--full-refresh", "--yes"]), 0, &["nothing to do"]);
}

#[test]
fn a_production_is_refreshed_only_by_its_clinics_name() {
    let mini = moved_apart();
    says(&mini.run(&["run", "mini", "--until", "export"]), 0, &[]);
    let production =
        ["push", "mini", "--full-refresh", "--target", "production", "--without-rehearsal", "a test"];
    says(&mini.run(&[&production[..], &["--yes"]].concat()), 2, &["--confirm mini"]);
    changed(&mini, 0);
    says(&mini.run(&[&production[..], &["--confirm", "mini"]].concat()), 0, &["pushed: batch"]);
    changed(&mini, 4);
}
