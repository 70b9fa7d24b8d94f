//! The command line: what it does, and what it says when it cannot.

use serde_json::Value;

use super::support::{Installation, text};

#[test]
fn commands_work_with_no_hub_running() {
    let installation = Installation::migrated();
    installation.succeed(&["sample", "load"]);
    let issued = installation.succeed(&[
        "card",
        "issue",
        "CARDX001",
        "--name",
        "Siti Rahma",
        "--email",
        "siti@example.org",
        "--age-group",
        "25-34",
    ]);
    assert!(issued.contains("CARDX001 is issued"), "{issued}");
    let paid = installation.succeed(&["topup", "CARDX001", "50000", "--reference", "bank-1"]);
    assert!(paid.contains("Rp 50000.00") && paid.contains("TXN-"), "{paid}");
    let again = installation.succeed(&["topup", "CARDX001", "50000", "--reference", "bank-1"]);
    assert_eq!(paid, again, "the same payment");
    installation.succeed(&["card", "status", "CARDX001", "blocked"]);
    let shown: Value =
        serde_json::from_str(&installation.succeed(&["card", "show", "CARDX001", "--json"])).unwrap();
    assert_eq!(
        (&shown["balance"], &shown["status"]),
        (&"50000.00".into(), &"blocked".into())
    );
    assert_eq!(shown["entries"][0]["rule"], "TOPUP");
    assert!(!shown.to_string().contains("Siti"), "no person in it");
    let shown = installation.succeed(&["card", "show", "CARDX001"]);
    assert!(shown.contains("blocked") && shown.contains("50000.00"), "{shown}");

    installation.succeed(&[
        "gate",
        "add",
        "99",
        "--terminal",
        "A",
        "--code",
        "A-ENTRY-99",
        "--type",
        "entry",
        "--address",
        "gate99:7401",
    ]);
    installation.succeed(&["gate", "status", "A-ENTRY-99", "maintenance"]);
}

#[test]
fn fares_are_published_from_a_file_and_late_ones_refused() {
    let installation = Installation::migrated();
    let file = installation.path("fares.toml");
    let fares = |from: &str| {
        format!(
            "version = 1\neffective_from = \"{from}\"\norphan_policy = \"charge_max\"\nfares = [[\"A\", \"B\", \"5000.00\"]]\n"
        )
    };
    std::fs::write(&file, fares("2025-01-01T00:00:00+07:00")).unwrap();
    let said = installation.fail(1, &["fares", "publish", text(&file)]);
    assert!(said.contains("too soon") && said.contains("override"), "{said}");
    let done = installation.succeed(&["fares", "publish", text(&file), "--override-lead-time"]);
    assert!(done.contains("fare version 1"), "{done}");
    let said = installation.fail(1, &["fares", "publish", text(&file), "--override-lead-time"]);
    assert!(said.contains("not the next"), "{said}");
    std::fs::write(&file, fares("yesterday")).unwrap();
    let said = installation.fail(2, &["fares", "publish", text(&file)]);
    assert!(
        said.contains("fares.toml") && said.contains("yesterday"),
        "{said}"
    );
}

#[test]
fn a_running_hub_answers_commands() {
    let installation = Installation::migrated();
    let mut hub = installation.start();
    installation.succeed(&["card", "issue", "CARDX001"]);
    assert_eq!(hub.get("/v1/cards/CARDX001").status, 200);
    // Without the hub's keys at hand the command cannot have settled by itself.
    let elsewhere = installation.path("nowhere");
    let mut command = installation.command(&["topup", "CARDX001", "7.50", "--reference", "r"]);
    let output = command.env("HUB_KEYS", &elsewhere).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(hub.get("/v1/cards/CARDX001").json()["balance"], "7.50");
    assert_eq!(hub.stop(), Some(0));
    let mut command = installation.command(&["topup", "CARDX001", "7.50", "--reference", "s"]);
    let output = command.env("HUB_KEYS", &elsewhere).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("no hub is running") && said.contains("--keys"),
        "{said}"
    );
}

#[test]
fn what_is_refused_says_why() {
    let installation = Installation::migrated();
    let said = installation.fail(1, &["card", "show", "CARD0404"]);
    assert!(said.contains("CARD0404 is not known"), "{said}");
    let said = installation.fail(1, &["topup", "CARD0404", "5000", "--reference", "r"]);
    assert!(said.contains("CARD0404 is not known"), "{said}");
    let said = installation.fail(2, &["card", "show", "card 1"]);
    assert!(said.contains("is not a card"), "{said}");
    let said = installation.fail(2, &["topup", "CARD0404", "5e3", "--reference", "r"]);
    assert!(said.contains("is not an amount"), "{said}");
    let said = installation.fail(
        2,
        &[
            "card", "issue", "CARDX001", "--name", "Siti", "--email", "nowhere",
        ],
    );
    assert!(said.contains("e-mail"), "{said}");
    let said = installation.fail(1, &["gate", "status", "A-ENTRY-77", "online"]);
    assert!(said.contains("A-ENTRY-77 is not known"), "{said}");
    let said = installation.fail(2, &["card", "status", "CARDX001", "lost"]);
    assert!(said.contains("active, suspended, blocked"), "{said}");
    let ca = installation.path("ca");
    let said = installation.fail(1, &["ca", "init", "--dir", text(&ca)]);
    assert!(said.contains("ca.key exists already"), "{said}");
    let said = installation.fail(2, &["run", "--config", "/no/such/file.toml"]);
    assert!(said.contains("/no/such/file.toml"), "{said}");
    let file = installation.path("hub.toml");
    std::fs::write(&file, "listen = 1\n").unwrap();
    let said = installation.fail(2, &["run", "--config", text(&file)]);
    assert!(said.contains("listen") && said.contains("hub.toml"), "{said}");
}

#[test]
fn databases_that_are_not_ready_are_named() {
    let installation = Installation::new();
    for command in [["card", "show", "CARD0001"].as_slice(), &["run"]] {
        let said = installation.fail(3, command);
        assert!(
            said.contains("transaction_service_db") && said.contains("hub migrate"),
            "{said}"
        );
    }
    let mut command = installation.command(&["card", "show", "CARD0001"]);
    let output = command
        .env("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("127.0.0.1:1") && said.contains("PostgreSQL"),
        "{said}"
    );

    let mut command = installation.command(&["run"]);
    command
        .env("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres")
        .env("HUB_DATABASE__START_WAIT_S", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("waiting for PostgreSQL") && said.contains("waited 1 s"),
        "{said}"
    );
    installation.succeed(&["migrate"]);
    let again = installation.succeed(&["migrate"]);
    assert!(again.contains("up to date"), "{again}");
}

#[test]
fn a_schema_that_is_newer_or_missing_stops_the_hub() {
    let installation = Installation::new();
    let output = installation.command(&["run", "--migrate"]);
    let mut hub = installation.start_with(output);
    assert_eq!(hub.stop(), Some(0));
    installation.sql(
        "transaction_service_db",
        "INSERT INTO schema_migrations SELECT 999, 'later', '\\x00'",
    );
    let said = installation.fail(3, &["run"]);
    assert!(said.contains("newer hub"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let installation = Installation::migrated();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = installation.fail(3, &["run", "--http-listen", &address]);
    assert!(said.contains(&address) && said.contains("http.listen"), "{said}");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = installation.fail(3, &["run", "--sync-listen", &address]);
    assert!(said.contains(&address) && said.contains("sync.listen"), "{said}");
}

#[test]
fn a_command_waits_for_the_lease_of_a_hub_that_was_killed() {
    let installation = Installation::migrated();
    let mut hub = installation.start();
    super::support::wait_for("the hub settles", || {
        (hub.get("/readyz").status == 200).then_some(())
    });
    hub.kill();
    installation.succeed(&["card", "issue", "CARDX001"]);
    let shown = installation.succeed(&["card", "show", "CARDX001"]);
    assert!(shown.contains("active"), "{shown}");
}
