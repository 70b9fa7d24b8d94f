//! The harness's own servers do what the other cases rely on.

use std::process::Command;

use tests::harness::process;
use tests::harness::scratch::Scratch;
use tests::harness::services::Server;

#[test]
fn a_killed_postgresql_comes_back_with_what_it_had_committed() {
    let scratch = Scratch::new("postgres").unwrap();
    let mut server = Server::postgres(scratch.path()).unwrap();
    let url = server.url();
    let sql = |text: &str| process::run(Command::new("psql").args([&url, "-qAt", "-c", text]));
    sql("CREATE TABLE t (number int); INSERT INTO t VALUES (42)").unwrap();
    server.kill().unwrap();
    assert!(sql("SELECT 1").is_err(), "a killed server answers");
    server.start().unwrap();
    assert_eq!(sql("SELECT number FROM t").unwrap(), "42\n");
}

#[test]
fn a_killed_redis_comes_back_empty() {
    let scratch = Scratch::new("redis").unwrap();
    let mut server = Server::redis(scratch.path()).unwrap();
    let url = server.url();
    let ask = |words: &[&str]| {
        let mut command = Command::new("redis-cli");
        process::run(command.args(["-u", &url, "--no-auth-warning"]).args(words))
    };
    assert_eq!(ask(&["set", "key", "value"]).unwrap(), "OK\n");
    server.kill().unwrap();
    assert!(ask(&["ping"]).is_err(), "a killed server answers");
    server.start().unwrap();
    assert_eq!(ask(&["exists", "key"]).unwrap(), "0\n");
}
