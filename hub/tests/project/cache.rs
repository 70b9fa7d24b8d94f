//! What Redis shows.

use std::collections::BTreeMap;

use hub::cache::{Cache, CardEntry, FARE_TTL_S, FareEntry, TRIP_TTL_S, TripEntry, USER_TTL_S};
use hub::decisions::Decision;
use hub::people::{Demographics, Person};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use sync_protocol::fact::CardStatus;
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::money::Money;

use crate::network::{Site, card, entry, exit, minutes, terminal};
use crate::world::{World, fare_version, redis_url, texts};

/// The keys of one test.
pub(crate) struct Keys {
    connection: MultiplexedConnection,
    prefix: String,
}

impl Keys {
    pub(crate) async fn new(prefix: &str) -> Keys {
        let client = redis::Client::open(redis_url()).unwrap();
        Keys {
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            prefix: prefix.to_owned(),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) async fn hash(&mut self, name: &str) -> BTreeMap<String, String> {
        let key = self.key(name);
        self.connection.hgetall(key).await.unwrap()
    }

    pub(crate) async fn field(&mut self, name: &str, field: &str) -> Option<String> {
        let key = self.key(name);
        self.connection.hget(key, field).await.unwrap()
    }

    pub(crate) async fn exists(&mut self, name: &str) -> bool {
        let key = self.key(name);
        self.connection.exists(key).await.unwrap()
    }

    async fn lives_s(&mut self, name: &str) -> u64 {
        let key = self.key(name);
        let ttl: i64 = self.connection.ttl(key).await.unwrap();
        u64::try_from(ttl).unwrap_or(0)
    }

    async fn delete(&mut self, name: &str) {
        let key = self.key(name);
        let _: () = self.connection.del(key).await.unwrap();
    }

    /// All keys of the test go, as a flush would have them go.
    pub(crate) async fn flush(&mut self) {
        let pattern = self.key("*");
        let keys: Vec<String> = self.connection.keys(pattern).await.unwrap();
        if !keys.is_empty() {
            let _: () = self.connection.del(keys).await.unwrap();
        }
    }
}

/// One second may pass while a test looks.
fn is_about(found_s: u64, wanted_s: u64) -> bool {
    found_s <= wanted_s && found_s >= wanted_s - 2
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

async fn follow(world: &World, cache: &hub::cache::CacheProjector, now_ms: i64) {
    world.services.follow().await;
    while cache.run_once(now_ms).await.unwrap().has_more() {}
}

#[tokio::test]
async fn cards_trips_and_fares_are_shown_with_their_times_to_live() {
    let mut world = World::new("shown", OrphanPolicy::Release).await;
    let cache = world.cache();
    let mut keys = Keys::new(world.prefix()).await;
    let person = Person {
        full_name: "Joko Santoso".to_owned(),
        email: Some("joko@example.com".to_owned()),
        phone: None,
        demographics: Demographics::default(),
    };
    let id = world
        .people()
        .register(card(1), &person, minutes(0))
        .await
        .unwrap();
    let mut at_a = Site::gate(1, "A");
    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    follow(&world, &cache, minutes(1)).await;

    let expected = fields(&[
        ("id", &id.to_string()),
        ("card_id", "CARD0001"),
        ("balance", "50000.00"),
        ("status", "active"),
        ("full_name", "Joko Santoso"),
        ("updated_at", "1700000000"),
        ("revision", "2"),
        ("person_revision", "1"),
    ]);
    let user = format!("user:{id}");
    let trip = format!("active_trip:{id}");
    assert_eq!(keys.hash(&user).await, expected);
    let expected = fields(&[
        ("card_id", "CARD0001"),
        ("checkin_terminal", "A"),
        ("checkin_time", "1700000000"),
        ("expected_fare", "12000.00"),
        ("revision", "2"),
    ]);
    assert_eq!(keys.hash(&trip).await, expected);
    let fare = keys.hash("fare:A:B").await;
    assert_eq!(
        (fare["price"].as_str(), fare["version"].as_str()),
        ("5100.00", "1")
    );
    assert_eq!(fare["updated_at"], settled_at(&world).await);
    assert!(is_about(keys.lives_s(&user).await, USER_TTL_S));
    assert!(is_about(keys.lives_s(&trip).await, TRIP_TTL_S));
    assert!(is_about(keys.lives_s("fare:A:B").await, FARE_TTL_S));
    assert_eq!(
        (USER_TTL_S, TRIP_TTL_S, FARE_TTL_S),
        (3_600, 7_200, 86_400),
        "R-20 to R-22"
    );

    let shown = cache.cache();
    let user = shown.card(card(1)).await.unwrap().unwrap();
    assert_eq!(
        (user.user_id, user.balance, user.status),
        (id, Money::rupiah(50_000), CardStatus::Active)
    );
    assert_eq!(shown.card(card(77)).await.unwrap(), None, "unknown");
    assert_eq!(
        shown.trip(id).await.unwrap().unwrap().checkin_terminal,
        terminal("A")
    );
    assert_eq!(
        shown
            .fare(terminal("A"), terminal("C"))
            .await
            .unwrap()
            .unwrap()
            .price,
        Money::rupiah(6_100)
    );
    assert_eq!(shown.fare(terminal("A"), terminal("X")).await.unwrap(), None);

    let mut at_b = Site::gate(2, "B");
    world
        .tap(&mut at_b, vec![(minutes(30), exit(card(1), "B", 2))])
        .await;
    follow(&world, &cache, minutes(31)).await;
    assert!(!keys.exists(&trip).await, "the journey ended");
    assert_eq!(
        keys.field(&format!("user:{id}"), "balance").await.as_deref(),
        Some("44900.00")
    );
    world.people().erase(card(1), minutes(40)).await.unwrap();
    cache.refresh_cards(&[card(1)]).await.unwrap();
    assert_eq!(
        keys.field(&format!("user:{id}"), "full_name").await,
        None,
        "erased"
    );
    keys.flush().await;
    world.end(Vec::new()).await;
}

/// When fare version 1 was settled, by PostgreSQL's clock.
async fn settled_at(world: &World) -> String {
    let settled = "SELECT floor(extract(epoch FROM settled_at))::text FROM fare_versions WHERE version = 1";
    texts(world.ledger.pool(), settled).await.remove(0)
}

fn entry_at(revision: i64, balance: i64, trip: bool) -> CardEntry {
    CardEntry {
        user_id: 7,
        card: card(7),
        balance: Money::rupiah(balance),
        status: "active".to_owned(),
        full_name: None,
        updated_at_s: 1_700_000_000 + revision,
        revision,
        person_revision: 0,
        trip: trip.then(|| TripEntry {
            terminal: terminal("A"),
            started_at_s: 1_700_000_000,
            hold: Money::rupiah(12_000),
        }),
    }
}

#[tokio::test]
async fn writes_in_any_order_leave_the_newest() {
    let prefix = format!("order{}:", std::process::id());
    let cache = Cache::open(&redis_url(), &prefix).unwrap();
    let mut keys = Keys::new(&prefix).await;
    let history = [
        entry_at(1, 100, false),
        entry_at(2, 100, true),
        entry_at(3, 95, false),
        entry_at(4, 95, true),
    ];
    // Every order of writing the first `count` states, each of them twice.
    for count in 1..=history.len() {
        for order in orders(count) {
            keys.flush().await;
            for place in order.iter().chain(&order) {
                cache.write_cards(&history[*place..=*place]).await.unwrap();
            }
            let newest = &history[count - 1];
            let shown = keys.field("user:7", "revision").await;
            assert_eq!(shown, Some(newest.revision.to_string()), "{order:?}");
            assert_eq!(
                keys.exists("active_trip:7").await,
                newest.trip.is_some(),
                "{order:?}"
            );
            assert!(is_about(keys.lives_s("user:7").await, USER_TTL_S), "{order:?}");
        }
    }
    // The user's hash expires before the trip: what is left guards itself.
    keys.delete("user:7").await;
    assert_eq!(cache.write_cards(&history[2..3]).await.unwrap(), 0);
    assert!(keys.exists("active_trip:7").await);
    // A name is never replaced by an older one either.
    let named = |person_revision, name: Option<&str>| CardEntry {
        full_name: name.map(str::to_owned),
        person_revision,
        ..entry_at(4, 95, true)
    };
    cache.write_cards(&[named(2, None)]).await.unwrap();
    assert_eq!(
        cache
            .write_cards(&[named(1, Some("erased by then"))])
            .await
            .unwrap(),
        0
    );
    assert_eq!(keys.field("user:7", "full_name").await, None);
    keys.flush().await;
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let with_last = |order: &Vec<usize>| {
        let order = order.clone();
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    shorter.iter().flat_map(with_last).collect()
}

#[tokio::test]
async fn what_others_wrote_is_put_right() {
    let prefix = format!("others{}:", std::process::id());
    let cache = Cache::open(&redis_url(), &prefix).unwrap();
    let mut keys = Keys::new(&prefix).await;
    // A half hash without a time to live, as HSET on an expired key leaves it (D-46), and keys of another type.
    let user = keys.key("user:7");
    let _: () = keys.connection.hset(user, "balance", "1.00").await.unwrap();
    let mapping = keys.key("card:CARD0007");
    let _: () = keys.connection.set(mapping, 7).await.unwrap();
    assert_eq!(cache.card(card(7)).await.unwrap(), None, "half a user is unknown");
    let trip = keys.key("active_trip:7");
    let _: () = keys.connection.set(trip, "not a hash").await.unwrap();
    let fare = keys.key("fare:A:B");
    let _: () = keys.connection.set(fare, "not a hash").await.unwrap();
    cache.write_cards(&[entry_at(1, 100, true)]).await.unwrap();
    let route = FareEntry {
        origin: terminal("A"),
        destination: terminal("B"),
        price: Some(Money::rupiah(5_000)),
    };
    cache.write_fares(1, 0, &[route]).await.unwrap();
    assert_eq!(
        cache.card(card(7)).await.unwrap().unwrap().balance,
        Money::rupiah(100)
    );
    assert!(keys.lives_s("user:7").await > 0);
    assert_eq!(
        keys.field("active_trip:7", "checkin_terminal").await.as_deref(),
        Some("A")
    );
    assert_eq!(keys.field("fare:A:B", "price").await.as_deref(), Some("5000.00"));
    keys.flush().await;
}

#[tokio::test]
async fn the_fare_version_in_force_is_shown_and_no_older_one() {
    let mut world = World::new("farecache", OrphanPolicy::Release).await;
    let cache = world.cache();
    let mut keys = Keys::new(world.prefix()).await;
    world
        .decide(vec![Decision::Fares(fare_version(
            2,
            minutes(100),
            OrphanPolicy::Release,
        ))])
        .await;
    follow(&world, &cache, minutes(99)).await;
    assert_eq!(
        keys.field("fare:A:B", "price").await.as_deref(),
        Some("5100.00"),
        "announced, not in force"
    );
    cache.run_once(minutes(100)).await.unwrap();
    assert_eq!(keys.field("fare:A:B", "price").await.as_deref(), Some("5200.00"));
    let old = FareEntry {
        origin: terminal("A"),
        destination: terminal("B"),
        price: Some(Money::rupiah(5_100)),
    };
    cache.cache().write_fares(1, 0, &[old]).await.unwrap();
    assert_eq!(keys.field("fare:A:B", "version").await.as_deref(), Some("2"));

    // A version without a route takes it away, and an older write does not bring it back.
    let small = sync_protocol::fare::FareVersion::new(
        3,
        minutes(200),
        OrphanPolicy::Release,
        [(terminal("A"), terminal("C"), Money::rupiah(9_000))],
    );
    world.decide(vec![Decision::Fares(small.unwrap())]).await;
    follow(&world, &cache, minutes(200)).await;
    assert!(!keys.exists("fare:A:B").await);
    cache.cache().write_fares(2, 0, &[old]).await.unwrap();
    assert!(!keys.exists("fare:A:B").await);
    assert_eq!(keys.field("fare:A:C", "price").await.as_deref(), Some("9000.00"));
    keys.flush().await;
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_flush_heals_by_itself() {
    let mut world = World::new("flush", OrphanPolicy::Release).await;
    let cache = world.cache();
    let mut keys = Keys::new(world.prefix()).await;
    let mut at_a = Site::gate(1, "A");
    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    follow(&world, &cache, minutes(1)).await;
    let user = cache.cache().card(card(1)).await.unwrap().unwrap();
    let trip = format!("active_trip:{}", user.user_id);
    let (before, fare) = (keys.hash(&trip).await, keys.hash("fare:A:B").await);
    assert_eq!(cache.run_once(minutes(1)).await.unwrap().lag(), 0);

    keys.flush().await;
    while cache.run_once(minutes(2)).await.unwrap().has_more() {}
    assert_eq!(keys.hash(&trip).await, before);
    assert_eq!(keys.hash("fare:A:B").await, fare);
    assert_eq!(cache.cache().card(card(1)).await.unwrap(), Some(user));

    // An old copy of the memory comes back: it says itself how far it is.
    let position = keys.key("cache:position");
    let _: () = keys.connection.set(position, 2).await.unwrap();
    keys.delete(&trip).await;
    while cache.run_once(minutes(2)).await.unwrap().has_more() {}
    assert_eq!(keys.hash(&trip).await, before);

    // A refresh shows the recent cards again.
    keys.delete(&trip).await;
    cache.run_once(minutes(3)).await.unwrap();
    assert!(
        !keys.exists(&trip).await,
        "absent means unknown: nobody has to put it back at once"
    );
    cache.refresh(minutes(3)).await.unwrap();
    cache.run_once(minutes(3)).await.unwrap();
    assert_eq!(keys.hash(&trip).await, before);
    keys.flush().await;
    world.end(Vec::new()).await;
}
