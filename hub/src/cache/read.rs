//! Reads. `None` is "unknown": the caller asks PostgreSQL.

use std::collections::BTreeMap;

use redis::AsyncCommands;
use sync_protocol::fact::CardStatus;
use sync_protocol::id::{CardId, TerminalCode};
use sync_protocol::money::Money;

use super::{Cache, CacheError, READ_DEADLINE};

/// A card as the cache shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedUser {
    /// The user's id.
    pub user_id: i64,
    /// The card.
    pub card: CardId,
    /// The posted balance.
    pub balance: Money,
    /// Its status.
    pub status: CardStatus,
    /// The settled state it was computed from.
    pub revision: u64,
}

/// A trip as the cache shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedTrip {
    /// The card.
    pub card: CardId,
    /// Where it began.
    pub checkin_terminal: TerminalCode,
    /// When it began, seconds since 1970.
    pub checkin_time_s: i64,
    /// What is held for it.
    pub expected_fare: Money,
}

/// A fare as the cache shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedFare {
    /// The price.
    pub price: Money,
    /// The fare version it is from.
    pub version: u32,
}

/// A hash; one with fields missing, which somebody else wrote, is as good as none.
struct Hash(BTreeMap<String, String>);

impl Hash {
    fn field<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.parse().ok()
    }
}

impl Cache {
    /// The card's user.
    ///
    /// # Errors
    /// Redis does not answer in time.
    pub async fn card(&self, card: CardId) -> Result<Option<CachedUser>, CacheError> {
        let mut connection = self.connection.clone();
        let of_card = self.key(format_args!("card:{card}"));
        let read = async move {
            let Some(id) = connection.get::<_, Option<i64>>(of_card).await? else {
                return Ok(None);
            };
            let hash = connection.hgetall(self.key(format_args!("user:{id}"))).await?;
            Ok(user(&Hash(hash)).filter(|user| user.card == card))
        };
        self.call(READ_DEADLINE, read).await
    }

    /// The trip of a user.
    ///
    /// # Errors
    /// Redis does not answer in time.
    pub async fn trip(&self, user_id: i64) -> Result<Option<CachedTrip>, CacheError> {
        let hash = self.hash(format_args!("active_trip:{user_id}")).await?;
        let trip = || {
            Some(CachedTrip {
                card: hash.field("card_id")?,
                checkin_terminal: hash.field("checkin_terminal")?,
                checkin_time_s: hash.field("checkin_time")?,
                expected_fare: hash.field("expected_fare")?,
            })
        };
        Ok(trip())
    }

    /// The fare of a route.
    ///
    /// # Errors
    /// Redis does not answer in time.
    pub async fn fare(
        &self,
        origin: TerminalCode,
        destination: TerminalCode,
    ) -> Result<Option<CachedFare>, CacheError> {
        let hash = self.hash(format_args!("fare:{origin}:{destination}")).await?;
        let fare = || {
            Some(CachedFare {
                price: hash.field("price")?,
                version: hash.field("version")?,
            })
        };
        Ok(fare())
    }

    async fn hash(&self, name: std::fmt::Arguments<'_>) -> Result<Hash, CacheError> {
        let mut connection = self.connection.clone();
        let key = self.key(name);
        let read = async move { connection.hgetall(key).await };
        self.call(READ_DEADLINE, read).await.map(Hash)
    }
}

fn user(hash: &Hash) -> Option<CachedUser> {
    let status = match hash.0.get("status")?.as_str() {
        "active" => CardStatus::Active,
        "suspended" => CardStatus::Suspended,
        "blocked" => CardStatus::Blocked,
        "closed" => CardStatus::Closed,
        _ => return None,
    };
    Some(CachedUser {
        user_id: hash.field("id")?,
        card: hash.field("card_id")?,
        balance: hash.field("balance")?,
        status,
        revision: hash.field("revision")?,
    })
}
