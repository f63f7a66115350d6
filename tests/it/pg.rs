//! The private PostgreSQL, connections, the catalog.

use crate::support;

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let one = support::database_with("create table t (a int)").await;
    let other = support::database_with("create table t (a int)").await;
    let rows = one
        .client()
        .await
        .client
        .query("select current_database(), current_setting('row_security')", &[])
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, String>(0), one.name);
    assert_eq!(rows[0].get::<_, String>(1), "off");
    assert_ne!(one.name, other.name);
}
