//! What can still be taken back once a purge destroyed how rows were before.

use super::clinic::Mini;
use super::safety::says;
use crate::support;

fn texts(mini: &Mini, sql: &str) -> Vec<String> {
    support::runtime().block_on(async {
        let session = mini.database.client().await;
        session.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    })
}

fn people(mini: &Mini, people: &str) {
    mini.write("clinics/mini/sources/people.csv", &format!("code;name;born\n{people}"));
    mini.edit("clinics/mini/clinic.toml", "\"\" = \"3\"", &format!("\"\" = \"{}\"", people.lines().count()));
    says(&mini.run(&["run", "mini"]), 0, &[]);
}

/// Signs the last batch off, and destroys what the ledger has of rows as they were.
fn purge(mini: &Mini) {
    mini.edit("clinics/mini/clinic.toml", "[limits]", "[retention]\ndays = 0\n\n[limits]");
    says(&mini.run(&["signoff", "mini", "last", "--by", "Eva"]), 0, &[]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    says(&mini.run(&["purge", "mini", "--confirm", "mini"]), 0, &[]);
    assert_eq!(texts(mini, "select count(*)::text from trasvase.change"), ["0"]);
}

const ALL: &str = "select name from person union all select 'a visit' from visit order by 1";

#[test]
fn rows_that_were_inserted_go_though_a_later_batch_that_changed_them_is_purged() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    people(&mini, "1;Anna;1980-05-01\n2;Luis;1975-12-31\n3;Eva;\n");
    purge(&mini);
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 1, &["purge"]);
    says(&mini.run(&["clean", "mini", "--confirm", "mini"]), 0, &["that could go is gone"]);
    assert!(texts(&mini, ALL).is_empty());
}

#[test]
fn what_may_have_been_there_before_stays_and_is_named() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    let ana = &texts(&mini, "select id from person where name = 'Ana'")[0];
    says(&mini.run(&["rollback", "mini", "last", "--confirm", "mini"]), 0, &[]);
    mini.execute(&format!("insert into person (id, name) values ('{ana}', 'Before')"));
    says(&mini.run(&["run", "mini", "--from", "push"]), 0, &[]);
    purge(&mini);
    let told = "person 3 that may have been there before";
    for line in ["clean mini --dry-run", "clean mini --confirm mini"] {
        says(
            &mini.run(&line.split(' ').collect::<Vec<_>>()),
            3,
            &[told, "trasvase clean mini --keep-edited"],
        );
    }
    assert_eq!(texts(&mini, "select count(*)::text from visit"), ["3"]);
    says(&mini.run(&["clean", "mini", "--force", "--confirm", "mini"]), 0, &["may have been there before"]);
    assert_eq!(texts(&mini, ALL), ["Ana", "Eva", "Luis"]);
}

#[test]
fn rows_that_were_left_go_later_and_those_that_moved_on_do_not() {
    let mini = Mini::new();
    says(&mini.run(&["run", "mini"]), 0, &[]);
    people(&mini, "1;Ana;1980-05-01\n2;Luisa;1975-12-31\n3;Eva;\n");
    mini.execute("update person set name = 'Edited ' || name where name in ('Ana', 'Luisa')");
    says(&mini.run(&["clean", "mini", "--confirm", "mini"]), 3, &["--keep-edited"]);
    says(&mini.run(&["clean", "mini", "--keep-edited", "--confirm", "mini"]), 0, &[]);
    let left = ["Edited Ana", "Edited Luisa"];
    assert_eq!(texts(&mini, ALL), left);
    let told = "rows that were left before, since people had edited them or refer to them: person 2";
    says(&mini.run(&["clean", "mini", "--dry-run"]), 3, &[told, "--force"]);
    says(&mini.run(&["clean", "mini", "--keep-edited", "--confirm", "mini"]), 0, &[told]);
    assert_eq!(texts(&mini, ALL), left);
    // Somebody goes on with one: it may be anybody's by now.
    mini.execute("update person set name = 'Theirs' where name = 'Edited Luisa'");
    says(&mini.run(&["clean", "mini", "--force", "--confirm", "mini"]), 0, &["person 1"]);
    assert_eq!(texts(&mini, ALL), ["Theirs"]);
    says(&mini.run(&["clean", "mini"]), 0, &["no batch of mini stands"]);
    assert_eq!(texts(&mini, "select distinct status from trasvase.batch"), ["rolled_back"]);
}

#[test]
fn what_a_purged_batch_deleted_is_told_and_does_not_come_back() {
    let mini = Mini::new();
    mini.edit("clinics/mini/clinic.toml", "[load]\n", "[load]\nvanished = \"delete\"\n");
    mini.edit("clinics/mini/sources/visits.csv", "12;9;2024-03-07;first\n", "");
    says(&mini.run(&["run", "mini"]), 0, &[]);
    mini.edit("clinics/mini/sources/visits.csv", "13;3;2024-04-08;odd\n", "");
    says(&mini.run(&["run", "mini", "--yes"]), 0, &[]);
    purge(&mini);
    says(
        &mini.run(&["clean", "mini", "--confirm", "mini"]),
        3,
        &["visit 1 deleted by a batch whose rows a purge destroyed"],
    );
    says(
        &mini.run(&["clean", "mini", "--keep-edited", "--confirm", "mini"]),
        0,
        &["deleted by a batch whose rows a purge destroyed"],
    );
    assert!(texts(&mini, ALL).is_empty());
}
