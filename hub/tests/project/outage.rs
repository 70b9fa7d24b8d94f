//! Redis is away, hangs, and comes back.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hub::cache::{Cache, CacheError, PAUSE, READ_DEADLINE};
use sync_protocol::fare::OrphanPolicy;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::network::{Site, card, entry, minutes, terminal};
use crate::world::World;

/// What a test waits for at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis of the test's own; it goes with the test.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    async fn start(address: SocketAddr) -> Server {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &address.port().to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing: run .ci/setup test");
        let server = Server { child, address };
        wait(async || TcpStream::connect(server.address).await.is_ok()).await;
        server
    }

    fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn wait(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .expect("it did not come about in time");
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test]
async fn a_redis_that_is_away_or_hangs_costs_a_deadline_and_then_nothing() {
    // Takes connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("redis://{}/", listener.local_addr().unwrap());
    let away = format!("redis://{}/", free_address().await);
    for url in [hanging, away] {
        let cache = Cache::open(&url, "").unwrap();
        let began = Instant::now();
        let error = cache.fare(terminal("A"), terminal("B")).await.unwrap_err();
        assert!(began.elapsed() < READ_DEADLINE * 4, "{error}");
        assert!(error.to_string().starts_with("Redis"), "{error}");
        let began = Instant::now();
        for _ in 0..100 {
            let error = cache.card(card(1)).await.unwrap_err();
            assert!(matches!(error, CacheError::Pausing), "{error}");
        }
        assert!(began.elapsed() < PAUSE);
        assert_eq!(cache.errors(), 1, "counted once: the others were not sent");
    }
    drop(listener);
}

#[tokio::test]
async fn what_happened_while_redis_was_away_is_shown_once_it_is_back() {
    let mut world = World::new("away", OrphanPolicy::Release).await;
    let address = free_address().await;
    let server = Server::start(address).await;
    let cache = world.cache_of(Cache::open(&server.url(), "").unwrap());
    world.services.follow().await;
    while cache.run_once(minutes(0)).await.unwrap().has_more() {}
    let user = cache.cache().card(card(1)).await.unwrap().unwrap();
    assert_eq!(cache.cache().trip(user.user_id).await.unwrap(), None);

    drop(server);
    let mut at_a = Site::gate(1, "A");
    world
        .tap(&mut at_a, vec![(minutes(5), entry(card(1), "A", 1))])
        .await;
    world.services.follow().await;
    assert!(cache.run_once(minutes(6)).await.is_err());
    assert_eq!(
        world.services.holds().await.len(),
        1,
        "nothing else is the worse for it"
    );

    let _server = Server::start(address).await;
    wait(async || {
        cache
            .run_once(minutes(7))
            .await
            .is_ok_and(|progress| progress.lag() == 0)
    })
    .await;
    let trip = cache.cache().trip(user.user_id).await.unwrap().unwrap();
    assert_eq!(
        (trip.checkin_terminal, trip.checkin_time_s),
        (terminal("A"), 1_700_000_300)
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_without_the_password() {
    let error = Cache::open("http://user:secret@host/", "")
        .unwrap_err()
        .to_string();
    assert!(error.contains("host") && !error.contains("secret"), "{error}");
    assert!(matches!(
        Cache::open("redis://host/", &"p".repeat(65)),
        Err(CacheError::Prefix(65))
    ));
}
