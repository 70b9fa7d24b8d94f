//! A hub's databases of a test's own, with gates that write taps.

use std::env;

use hub::cache::{Cache, CacheProjector};
use hub::decisions::Decision;
use hub::ledger::postgres::{Lease, PostgresLedger, Request, RequestOutcome};
use hub::migrate::{Databases, Service};
use hub::people::People;
use hub::project::{TerminalProjector, UserProjector};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use sync_protocol::fact::Fact;
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::id::FactId;
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, Value, key};

use crate::network::{HUB_KEY, Roster, Site, card, fares, minutes};

const NEEDED: &str = "run make test, or start the services with .ci/services";
const USED: [Service; 3] = [Service::User, Service::Terminal, Service::Transaction];

pub(crate) fn redis_url() -> String {
    env::var("TEST_REDIS_URL").expect(NEEDED)
}

/// One set of service databases, with their projectors.
pub(crate) struct Services {
    prefix: String,
    databases: Databases,
    pub(crate) users: PgPool,
    pub(crate) terminals: PgPool,
    pub(crate) user_projector: UserProjector,
    pub(crate) terminal_projector: TerminalProjector,
}

impl Services {
    async fn new(prefix: String, transactions: &PgPool) -> Services {
        let databases = Databases::new(&env::var("TEST_DATABASE_URL").expect(NEEDED), &prefix).unwrap();
        let mut pools = Vec::new();
        for service in [Service::User, Service::Terminal] {
            databases.migrate_one(service).await.unwrap();
            pools.push(pool(&databases, service));
        }
        let [users, terminals] = pools.try_into().unwrap();
        Services {
            user_projector: UserProjector::new(transactions.clone(), users.clone()),
            terminal_projector: TerminalProjector::new(
                transactions.clone(),
                terminals.clone(),
                users.clone(),
            ),
            prefix,
            databases,
            users,
            terminals,
        }
    }

    /// Applies all events.
    pub(crate) async fn follow(&self) {
        while self.user_projector.run_once().await.unwrap().has_more() {}
        while self.terminal_projector.run_once().await.unwrap().has_more() {}
    }

    /// Everything shown of cards, without the ids.
    pub(crate) async fn users(&self) -> Vec<String> {
        let shown = "SELECT concat_ws(' ', card_id, coalesce(full_name, '-'), balance, status, \
             coalesce(current_trip_terminal, '-'), coalesce(current_trip_terminal_id::text, '-'), \
             coalesce(trip_hold::text, '-'), revision) FROM users ORDER BY card_id";
        texts(&self.users, shown).await
    }

    /// Everything shown of holds, without the ids; times in minutes of the tests' calendar.
    pub(crate) async fn holds(&self) -> Vec<String> {
        let shown = "SELECT concat_ws(' ', card_id, terminal_code, coalesce(terminal_id::text, '-'), status, hold_amount, \
             coalesce(final_amount::text, '-'), (extract(epoch FROM created_at) - 1700000000)::bigint / 60) \
             FROM balance_holds ORDER BY card_id, created_at, transaction_reference";
        texts(&self.terminals, shown).await
    }

    async fn drop_databases(self) {
        self.users.close().await;
        self.terminals.close().await;
        drop_databases(&self.databases, &self.prefix, &[Service::User, Service::Terminal]).await;
    }
}

/// The system of record, its services, and a settler.
pub(crate) struct World {
    prefix: String,
    databases: Databases,
    pub(crate) ledger: PostgresLedger,
    lease: Lease,
    pub(crate) services: Services,
    others: u32,
    pub(crate) now_ms: i64,
}

impl World {
    /// A migrated hub with nothing in it. `name` is the test's own.
    pub(crate) async fn empty(name: &str) -> World {
        let prefix = format!("{name}{}_", std::process::id());
        let databases = Databases::new(&env::var("TEST_DATABASE_URL").expect(NEEDED), &prefix).unwrap();
        databases.migrate_one(Service::Transaction).await.unwrap();
        let ledger = PostgresLedger::connect(pool(&databases, Service::Transaction))
            .await
            .unwrap();
        let lease = ledger
            .acquire_lease("test", HUB_KEY.0, &HUB_KEY.0.0, [[1; 16], [2; 16]])
            .await;
        let services = Services::new(prefix.clone(), ledger.pool()).await;
        World {
            lease: lease.unwrap().unwrap(),
            prefix,
            databases,
            ledger,
            services,
            others: 0,
            now_ms: minutes(-60),
        }
    }

    /// A hub with terminals A, B and C (1, 2, 3), fare version 1 and cards 1 to 3 with 50,000 each.
    pub(crate) async fn new(name: &str, policy: OrphanPolicy) -> World {
        let mut world = World::empty(name).await;
        for (id, code) in [(1, "A"), (2, "B"), (3, "C")] {
            let cells = [
                ("code", Value::Text(code.to_owned())),
                ("name", Value::Text(format!("Terminal {code}"))),
            ];
            world.decide(row("terminals", id, 1, &cells)).await;
        }
        world.decide(vec![Decision::Fares(fares(1, 0, policy))]).await;
        for number in 1..=3 {
            world.issue(number, 50_000).await;
        }
        world
    }

    /// Issues a card and tops it up.
    pub(crate) async fn issue(&mut self, number: u32, rupiah: i64) {
        let card = card(number);
        let paid = Decision::TopUp {
            card,
            amount: Money::rupiah(rupiah),
            reference: format!("paid for {card}"),
        };
        self.decide(vec![Decision::Issue { card }, paid]).await;
    }

    /// Decides and settles, overriding lead times.
    pub(crate) async fn decide(&mut self, decisions: Vec<Decision>) -> Vec<FactId> {
        let request = Request {
            idempotency_key: None,
            decisions,
            override_lead_time: true,
            requested_by: "test".to_owned(),
        };
        let id = self.ledger.submit(&request).await.unwrap().id;
        self.settle().await;
        match self.ledger.outcome(id).await.unwrap() {
            Some(RequestOutcome::Taken(facts)) => facts,
            other => panic!("{other:?}"),
        }
    }

    /// Numbers what is asked for and settles what waits.
    pub(crate) async fn settle(&mut self) {
        self.now_ms += 1_000;
        let (ledger, lease) = (&self.ledger, &self.lease);
        ledger
            .take_requests(lease, 100, self.now_ms, &HUB_KEY, &Roster)
            .await
            .unwrap();
        ledger.settle(lease, 1_000, self.now_ms, &HUB_KEY).await.unwrap();
        assert_eq!(ledger.waiting().await.unwrap(), 0);
    }

    /// Has a gate write taps, each a changeset of its own, and settles them together.
    pub(crate) async fn tap(&mut self, gate: &mut Site, taps: Vec<(i64, Fact)>) -> Vec<FactId> {
        let ids = taps.into_iter().flat_map(|tap| gate.state(vec![tap])).collect();
        self.ledger.ingest(&[gate.log()], &Roster).await.unwrap();
        self.settle().await;
        ids
    }

    /// Another set of service databases over the same system of record.
    pub(crate) async fn other_services(&mut self) -> Services {
        self.others += 1;
        let prefix = format!("{}x{}_", self.prefix, self.others);
        Services::new(prefix, self.ledger.pool()).await
    }

    pub(crate) fn people(&self) -> People {
        People::new(self.services.users.clone())
    }

    /// A cache with keys of the test's own.
    pub(crate) fn cache(&self) -> CacheProjector {
        let cache = Cache::open(&redis_url(), &self.prefix).unwrap();
        self.cache_of(cache)
    }

    pub(crate) fn cache_of(&self, cache: Cache) -> CacheProjector {
        CacheProjector::new(self.ledger.pool().clone(), self.services.users.clone(), cache)
    }

    /// What its keys begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The databases go.
    pub(crate) async fn end(self, others: Vec<Services>) {
        for services in others.into_iter().chain([self.services]) {
            services.drop_databases().await;
        }
        self.ledger.pool().close().await;
        drop_databases(&self.databases, &self.prefix, &[Service::Transaction]).await;
    }
}

/// Cells of one row of a shared table, edited for the `edit`th time.
pub(crate) fn row(table: &str, id: i64, edit: i64, cells: &[(&str, Value)]) -> Vec<Decision> {
    let change = |(column, value): &(&str, Value)| {
        Decision::Row(RowChange {
            table: table.to_owned(),
            key: key::pack(&[Value::Integer(id)]).unwrap(),
            column: (*column).to_owned(),
            value: value.clone(),
            col_version: edit,
            causal_length: 1,
            seq: 0,
        })
    };
    cells.iter().map(change).collect()
}

pub(crate) fn fare_version(version: u32, from_ms: i64, policy: OrphanPolicy) -> FareVersion {
    fares(version, from_ms, policy)
}

/// The first column of a query, as text.
pub(crate) async fn texts(pool: &PgPool, query: &'static str) -> Vec<String> {
    let rows = sqlx::query(query).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

pub(crate) async fn execute(pool: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

fn pool(databases: &Databases, service: Service) -> PgPool {
    PgPoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(databases.options(service))
}

async fn drop_databases(databases: &Databases, prefix: &str, services: &[Service]) {
    assert!(services.iter().all(|service| USED.contains(service)));
    let server = databases.options(Service::User).database("postgres");
    let mut server = PgConnection::connect_with(&server).await.unwrap();
    for service in services {
        let drop = format!("DROP DATABASE {prefix}{} WITH (FORCE)", service.database());
        server.execute(AssertSqlSafe(drop)).await.unwrap();
    }
}
