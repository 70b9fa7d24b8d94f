//! Writes, only forward.

use sync_protocol::id::{CardId, TerminalCode};
use sync_protocol::money::Money;

use super::{
    CARDS_PER_CALL, Cache, CacheError, FARE_TTL_S, FARES_PER_CALL, TRIP_TTL_S, USER_TTL_S, WRITE_DEADLINE,
};

/// A card as it is to be shown: one row of `users`.
#[derive(Clone, PartialEq, Eq)]
pub struct CardEntry {
    /// The user's id.
    pub user_id: i64,
    /// The card.
    pub card: CardId,
    /// The posted balance.
    pub balance: Money,
    /// Its status.
    pub status: String,
    /// The person's name. Personal data.
    pub full_name: Option<String>,
    /// The card's last settled fact, seconds since 1970.
    pub updated_at_s: i64,
    /// Counts the card's settled states.
    pub revision: i64,
    /// Counts the edits of the person.
    pub person_revision: i64,
    /// The journey under way.
    pub trip: Option<TripEntry>,
}

/// A journey under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TripEntry {
    /// Where it began.
    pub terminal: TerminalCode,
    /// When it began, seconds since 1970.
    pub started_at_s: i64,
    /// What is held for it.
    pub hold: Money,
}

/// A route of the fare version in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FareEntry {
    /// From.
    pub origin: TerminalCode,
    /// To.
    pub destination: TerminalCode,
    /// The price; `None` when an earlier version had the route and this one has not.
    pub price: Option<Money>,
}

impl Cache {
    /// Writes cards, unless something newer is shown already. Returns how many were written.
    ///
    /// # Errors
    /// Redis does not answer in time. Some of them may have been written then.
    pub async fn write_cards(&self, cards: &[CardEntry]) -> Result<usize, CacheError> {
        let mut written = 0;
        for some in cards.chunks(CARDS_PER_CALL) {
            let mut call = self.scripts.cards.prepare_invoke();
            call.arg(USER_TTL_S).arg(TRIP_TTL_S);
            for entry in some {
                let (id, card) = (entry.user_id, entry.card);
                call.key(self.key(format_args!("user:{id}")))
                    .key(self.key(format_args!("active_trip:{id}")))
                    .key(self.key(format_args!("card:{card}")));
                call.arg(entry.revision)
                    .arg(entry.person_revision)
                    .arg(id)
                    .arg(card.as_str())
                    .arg(entry.balance.to_string())
                    .arg(&entry.status)
                    .arg(entry.updated_at_s)
                    .arg(entry.full_name.as_deref().unwrap_or_default());
                match &entry.trip {
                    Some(trip) => call
                        .arg(trip.terminal.as_str())
                        .arg(trip.started_at_s)
                        .arg(trip.hold.to_string()),
                    None => call.arg("").arg("").arg(""),
                };
            }
            let mut connection = self.connection.clone();
            written += self
                .call(WRITE_DEADLINE, call.invoke_async::<usize>(&mut connection))
                .await?;
        }
        Ok(written)
    }

    /// Writes routes of a fare version, published at `updated_at_s` (seconds since 1970), unless a later version is
    /// shown already.
    ///
    /// # Errors
    /// Redis does not answer in time. Some of them may have been written then.
    pub async fn write_fares(
        &self,
        version: u32,
        updated_at_s: i64,
        routes: &[FareEntry],
    ) -> Result<(), CacheError> {
        for some in routes.chunks(FARES_PER_CALL) {
            let mut call = self.scripts.fares.prepare_invoke();
            call.key(self.key("fares:version"))
                .arg(version)
                .arg(FARE_TTL_S)
                .arg(updated_at_s);
            for route in some {
                let (origin, destination) = (route.origin, route.destination);
                call.key(self.key(format_args!("fare:{origin}:{destination}")));
                call.arg(route.price.map_or_else(String::new, |price| price.to_string()));
            }
            let mut connection = self.connection.clone();
            self.call(WRITE_DEADLINE, call.invoke_async::<i64>(&mut connection))
                .await?;
        }
        Ok(())
    }

    /// Which event and which fare version are shown. `None` after a flush.
    pub(super) async fn shown(&self) -> Result<(Option<i64>, Option<u32>), CacheError> {
        let keys = [self.key("cache:position"), self.key("fares:version")];
        let mut connection = self.connection.clone();
        let read = async move {
            let found: (Option<String>, Option<String>) = redis::cmd("MGET")
                .arg(&keys[..])
                .query_async(&mut connection)
                .await?;
            Ok(found)
        };
        let (position, version) = self.call(WRITE_DEADLINE, read).await?;
        let position = position.and_then(|text| text.parse().ok());
        Ok((position, version.and_then(|text| text.parse().ok())))
    }

    /// Moves the position from where it was read. Returns false when it is there no more: Redis was flushed, or
    /// another process was faster.
    pub(super) async fn move_position(&self, from: Option<i64>, to: i64) -> Result<bool, CacheError> {
        let mut call = self.scripts.position.prepare_invoke();
        call.key(self.key("cache:position"))
            .arg(from.map_or_else(String::new, |from| from.to_string()))
            .arg(to);
        let mut connection = self.connection.clone();
        let moved = self.call(WRITE_DEADLINE, call.invoke_async::<i64>(&mut connection));
        moved.await.map(|moved| moved == 1)
    }
}
