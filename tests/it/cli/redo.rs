//! What is taken back and pushed again is told as that: by the refusal of what would undo later batches, by verify, by reports.

use super::clinic::Mini;
use super::safety::says;
use super::ways_out::says_not;
use crate::support;

/// The clinic's batches, the oldest first.
fn batches(mini: &Mini) -> Vec<String> {
    support::runtime().block_on(async {
        let session = mini.database.client().await;
        let rows = session.client.query("select id from trasvase.batch order by number", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}

fn ran() -> Mini {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini
}

/// Ana is Anabel at the source from now on.
fn renamed(mini: &Mini) {
    mini.edit("clinics/mini/sources/people.csv", "Ana", "Anabel");
    says(&mini.run(&["run", "mini"]), 0, &[]);
}

fn rolled_back(mini: &Mini, more: &[&str]) {
    let told = mini.run(&[&["rollback", "mini"], more, &["--confirm", "mini"]].concat());
    says(&told, 0, &["trasvase redo mini"]);
}

#[test]
fn what_would_undo_later_batches_is_refused_with_them_and_then_told_as_its_own_work() {
    let mini = ran();
    rolled_back(&mini, &["last"]);
    renamed(&mini);
    let [first, second] = &batches(&mini)[..] else { panic!("two batches") };
    let first = first.as_str();
    for dry_run in [&[][..], &["--dry-run"]] {
        let told = mini.run(&[&["redo", "mini", first], dry_run].concat());
        let over = format!("trasvase redo mini {first} --over-later --dry-run");
        says(&told, 1, &[first, second, "rows: 6", &over]);
        says(&told, 1, &[&format!("trasvase rollback mini {second} --cascade")]);
    }
    says(&mini.run(&["redo", "mini", first, "--lang", "es"]), 1, &["lotes posteriores en pie", second]);
    says(&mini.run(&["redo", "mini", first, "--over-later", "--dry-run"]), 0, &["plan"]);
    says(&mini.run(&["redo", "mini", first, "--over-later"]), 0, &["pushed: batch"]);
    let third = &batches(&mini)[2];

    let told = mini.run(&["verify", "mini"]);
    says(
        &told,
        3,
        &[
            "the target holds what later batches wrote",
            "written by a later batch",
            &format!("batch {third} ("),
            "trasvase verify mini --snapshot",
            "trasvase push mini --snapshot",
        ],
    );
    says_not(&told, "changed since");
    says_not(&told, "never sent");
    says(&mini.run(&["verify", "mini", "--lang", "es"]), 3, &["escritas por un lote posterior", third]);
    let (verified, _) = mini.json("verify mini");
    let person = &verified["stages"][0]["report"]["tables"][0];
    assert_eq!(person["counts"][0]["cause"], "overwritten", "{person}");
    assert_eq!(person["by_batches"][0]["batch"], third.as_str(), "{person}");
    let since = mini.run(&["verify", "mini", "--since", second]);
    says(&since, 3, &["written by a later batch", third]);
    says_not(&since, "never sent");
    let snapshot = person["by_batches"][0]["snapshot"].as_str().unwrap();
    says(&mini.run(&["verify", "mini", "--snapshot", &snapshot[..12]]), 0, &["Equal"]);
    let (report, _) = mini.json("report mini");
    let text = std::fs::read_to_string(report["json"].as_str().unwrap()).unwrap();
    assert!(text.contains("different_overwritten") && !text.contains("different_edited"), "{text}");
    says(&mini.run(&["report", "mini", "--batch", "last"]), 0, &[]);
    says(&mini.run(&["log", "mini"]), 0, &["redo"]);
    // What people change after that is theirs.
    mini.execute("update person set name = 'Other' where name = 'Ana'");
    says(
        &mini.run(&["verify", "mini", "--snapshot", &snapshot[..12]]),
        3,
        &["changed since they were written"],
    );
    says(&mini.run(&["push", "mini"]), 0, &[]);
    says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
}

#[test]
fn batches_are_done_again_in_the_order_in_which_they_were_without_being_asked() {
    let mini = ran();
    renamed(&mini);
    let [first, second] = &batches(&mini)[..] else { panic!("two batches") };
    rolled_back(&mini, &[first, "--cascade"]);
    says(&mini.run(&["redo", "mini", first]), 0, &["pushed: batch"]);
    says(&mini.run(&["redo", "mini", second]), 0, &["pushed: batch"]);
    says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
}

#[test]
fn after_a_cascade_the_batch_is_proposed_that_gives_the_last_state() {
    let mini = ran();
    renamed(&mini);
    let [first, second] = &batches(&mini)[..] else { panic!("two batches") };
    let told = mini.run(&["rollback", "mini", first, "--cascade", "--confirm", "mini"]);
    says(&told, 0, &[&format!("to push it again: trasvase redo mini {second}\n")]);
    says_not(&told, &format!("redo mini {first}"));
    says(&mini.run(&["redo", "mini", second]), 0, &["pushed: batch"]);
    says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
}

#[test]
fn after_a_rollback_verify_names_the_batch_and_the_way_back() {
    let mini = ran();
    let first = batches(&mini).remove(0);
    let way_back = |batch: &str| format!("trasvase redo mini {batch}; ");
    rolled_back(&mini, &["last"]);
    let told = mini.run(&["verify", "mini"]);
    says(
        &told,
        3,
        &[
            "what had brought this snapshot was taken back",
            "brought by a batch that was taken back",
            &format!("batch {first} (snapshot "),
            &way_back(&first),
            "trasvase push mini",
        ],
    );
    says_not(&told, "never sent");
    says(&mini.run(&["verify", "mini", "--lang", "es"]), 3, &["se deshizo", &way_back(&first)]);
    says(&mini.run(&["redo", "mini", &first]), 0, &[]);
    says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
    // Rows that a batch changed are as they were.
    renamed(&mini);
    let third = batches(&mini).remove(2);
    rolled_back(&mini, &["last"]);
    let told = mini.run(&["verify", "mini"]);
    says(&told, 3, &["written otherwise by a batch that was taken back", &way_back(&third)]);
    says_not(&told, "never sent");
    says(&mini.run(&["redo", "mini", "last"]), 0, &[]);
    says(&mini.run(&["verify", "mini"]), 0, &["Equal"]);
    // Rows that the rollback left.
    mini.execute("update person set name = 'Other' where name = 'Anabel'");
    says(&mini.run(&["rollback", "mini", &first, "--confirm", "mini"]), 1, &["was taken back already"]);
    let second = batches(&mini).remove(1);
    rolled_back(&mini, &[&second, "--cascade", "--keep-edited"]);
    let told = mini.run(&["verify", "mini"]);
    says(&told, 3, &["left where they are when their batch was taken back"]);
    says_not(&told, "restore the schema");
}

#[test]
fn rows_that_refer_to_each_other_and_that_the_source_has_no_more_go_by_what_verify_says() {
    let mini = Mini::new();
    mini.execute("alter table person add column last_visit text references visit (id)");
    mini.edit(
        "sql/systems/small/target/person.sql",
        "name, born, _id from golden.person",
        "name, born,\n  (select max(v.golden_id) from golden.visit v where v.person_source_id = p.source_id) as last_visit, _id\n\
         from golden.person p",
    );
    mini.edit("clinics/mini/clinic.toml", "[control.people]\n\"\" = \"3\"\n", "");
    mini.edit("clinics/mini/sources/visits.csv", "12;9;2024-03-07;first\n", "");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.edit("clinics/mini/sources/people.csv", "3;Eva;\n", "");
    mini.edit("clinics/mini/sources/visits.csv", "13;3;2024-04-08;odd\n", "");
    let told = mini.run(&["run", "mini"]);
    says(&told, 3, &["of an earlier batch", "vanished = \"delete\"", "trasvase push mini"]);
    says_not(&told, "mode = \"sync\"");
    mini.edit("clinics/mini/clinic.toml", "mode = \"upsert\"", "mode = \"upsert\"\nvanished = \"delete\"");
    says(&mini.run(&["run", "mini", "--yes"]), 0, &["Equal"]);
}

/// Nobody has a name: every row is rejected.
fn nameless() -> Mini {
    let mini = Mini::new();
    mini.write("clinics/mini/sources/people.csv", "code;name;born\n1;;1980-05-01\n2;;1975-12-31\n3;;\n");
    mini.edit("clinics/mini/clinic.toml", "\"*\" = \"50%\"", "\"*\" = \"100%\"");
    mini.write(
        "sql/systems/small/control/people.reject.sql",
        "-- people that were rejected\nselect '' as key, count(*)::varchar as value from reject.person\n",
    );
    mini
}

#[test]
fn a_first_push_of_rejected_rows_alone_is_in_the_ledger_and_can_be_taken_back() {
    let mini = nameless();
    says(
        &mini.run(&["run", "mini", "--dry-run"]),
        0,
        &["a batch of the ledger says what became of the records"],
    );
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    let counts = "do $$ begin assert (select counts -> 'people' ->> 'errors' = '3' and status = 'completed' from trasvase.batch); \
                  assert (select count(*) = 7 from trasvase.verdict where verdict = 'rejected' and errors <> '{}'); end $$";
    mini.execute(counts);
    says(&mini.run(&["verify", "mini"]), 0, &["Equal", "people"]);
    says(&mini.run(&["push", "mini"]), 0, &["nothing to do"]);
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    assert_eq!(batches(&mini).len(), 1);
    rolled_back(&mini, &["last"]);
    says(&mini.run(&["verify", "mini"]), 0, &[]);
    says(&mini.run(&["redo", "mini", "last"]), 0, &["pushed: batch"]);
    says(&mini.run(&["push", "mini", "--lang", "es"]), 0, &["nada que hacer"]);
    // Once they have names, they come.
    mini.write(
        "clinics/mini/sources/people.csv",
        "code;name;born\n1;Ana;1980-05-01\n2;Luis;1975-12-31\n3;Eva;\n",
    );
    says(&mini.run(&["run", "mini"]), 0, &["Equal"]);
    mini.execute("do $$ begin assert (select count(*) = 3 from person); end $$");
}

#[test]
fn a_batch_whose_snapshot_was_destroyed_is_not_proposed() {
    let mini = ran();
    std::fs::remove_dir_all(mini.path().join("staging/mini/snapshots")).unwrap();
    let told = mini.run(&["rollback", "mini", "last", "--confirm", "mini"]);
    says(&told, 0, &["is not here any more; to push what the sources say now: trasvase run mini"]);
    says_not(&told, "trasvase redo");
}
