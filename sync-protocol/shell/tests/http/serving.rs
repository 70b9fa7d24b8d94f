//! Connections: kept, many, and brought to an end.

use std::time::Duration;

use sync_shell::http::{CONNECTIONS_MAX, SHUTDOWN_MAX};
use tokio::io::AsyncReadExt;

use super::client::{LIMIT, SLOW_BEGAN, SLOW_MAY_END, Server, TOKEN, config};

fn headers() -> String {
    format!("host: localhost\r\nauthorization: Bearer {TOKEN}\r\n")
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    for _ in 0..100 {
        client.send("GET", "/v1/cards/7?last=9", &headers(), "").await;
        assert_eq!(client.answer().await.status, 200);
    }
    // Requests sent without waiting for answers, too.
    for _ in 0..100 {
        client.send("GET", "/healthz", &headers(), "").await;
    }
    for _ in 0..100 {
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_what_it_began_and_is_not_held_up_by_idle_clients() {
    let mut server = Server::start(config()).await;
    let mut idle = server.connect().await;
    idle.send("GET", "/healthz", &headers(), "").await;
    idle.answer().await;
    let silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET", "/v1/slow", &headers(), "").await;
    SLOW_BEGAN.notified().await;
    server.stop.take().unwrap().send(()).unwrap();
    let mut end = [0; 1];
    assert_eq!(
        idle.stream.read(&mut end).await.unwrap(),
        0,
        "the idle connection is closed while the other one is served"
    );
    SLOW_MAY_END.notify_one();
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    drop(silent);
    tokio::time::timeout(LIMIT, server.serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_finishes_its_request_does_not_hold_up_the_end() {
    let mut server = Server::start(config()).await;
    let mut client = server.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"POST /v1/taps HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();
    server.stop.take().unwrap().send(()).unwrap();
    let ended = tokio::time::timeout(SHUTDOWN_MAX + Duration::from_secs(2), server.serving).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_and_the_next_waits_for_a_place() {
    let server = Server::start(config()).await;
    let mut places = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        places.push(server.connect().await);
    }
    let last = places.last_mut().unwrap();
    last.send("GET", "/healthz", &headers(), "").await;
    assert_eq!(last.answer().await.status, 200);
    // The system completes the connection; the server does not take it before one is free.
    let mut waiting = server.connect().await;
    waiting.send("GET", "/healthz", &headers(), "").await;
    let early = tokio::time::timeout(Duration::from_millis(200), waiting.stream.readable()).await;
    assert!(early.is_err(), "it was served beyond the limit");
    drop(places.swap_remove(0));
    assert_eq!(waiting.answer().await.status, 200);
}
