//! The hub inside another process, as benchmarks run it.

use hub::run::{self, Hub, HubConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_starts_serves_and_stops_inside_a_process() {
    let installation = Installation::migrated();
    let mut config = HubConfig {
        database_url: installation.server_url().to_owned(),
        database_prefix: installation.prefix().to_owned(),
        redis_url: String::new(),
        keys: installation.path("keys"),
        ..HubConfig::default()
    };
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.http.token_file = installation.path("token");
    config.sync.listen = "127.0.0.1:0".parse().unwrap();
    let hub = Hub::start(config, run::clock(), run::random).await.unwrap();
    assert!(hub.sync_address().port() > 0 && hub.token().is_some());
    let mut stream = TcpStream::connect(hub.http_address()).await.unwrap();
    let request = format!(
        "GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        hub.http_address()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let address = hub.http_address();
    hub.stop().await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the port is free again"
    );
    // The lease was given back: a command does not wait for it to run out.
    installation.succeed(&["card", "issue", "CARDX001"]);
}
