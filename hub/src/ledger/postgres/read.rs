//! What others read of the ledger.

use sqlx::types::Uuid;
use sync_protocol::changeset::{BODIES_MAX, PublicKey, Run};
use sync_protocol::codec;
use sync_protocol::fact::{CardSettled, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{CardId, NodeId, Seq, SiteId};
use sync_protocol::journey::history::{CardHistory, CardProjection};
use sync_protocol::journey::{CardView, Ignore};
use sync_protocol::ledger::Account;
use sync_protocol::money::Money;
use sync_protocol::wire::Heartbeat;

use super::columns::{
    self, FactColumns, SiteColumns, StateColumns, account_name, card_id, card_settled, corrupt, fact_row,
    signature, site_record, stored_count, stored_seq, uuid,
};
use super::settle::histories;
use super::{LedgerError, PostgresLedger, money, sql};
use crate::ledger::{FactRow, JournalEntry, SiteRecord};

/// Changesets looked at in one step when a range is served.
const SERVE_STEP: usize = 512;

/// A site with what is known of it.
pub type Site = (SiteId, SiteRecord);

/// What was not believed, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Changes whose writer had no right to them.
    pub quarantined: u64,
    /// Runs that did not verify.
    pub refused: u64,
    /// How often closed sites wrote on.
    pub reopened: u64,
}

impl PostgresLedger {
    /// What the hub holds.
    ///
    /// # Errors
    /// See [`LedgerError`]; so for all below.
    pub async fn have(&self) -> Result<Have, LedgerError> {
        let mut have = Have::default();
        for (site, record) in self.sites().await? {
            have.advance(site, held(&record));
        }
        Ok(have)
    }

    /// What is held of one site.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn site_have(&self, site: SiteId) -> Result<Option<SiteHave>, LedgerError> {
        let found: Option<SiteColumns> = sqlx::query_as(sql::SITES_KNOWN)
            .bind(vec![uuid(site)])
            .fetch_optional(&self.pool)
            .await?;
        let record = found.map(site_record).transpose()?;
        Ok(record.map(|(_, record)| held(&record)))
    }

    /// What is known of each site, by id.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn sites(&self) -> Result<Vec<Site>, LedgerError> {
        let found: Vec<SiteColumns> = sqlx::query_as(sql::HAVE).fetch_all(&self.pool).await?;
        found.into_iter().map(site_record).collect()
    }

    /// Whether a node has opened a site with this key.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn knows_key(&self, node: NodeId, key: &PublicKey) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar(sql::KNOWS_KEY)
            .bind(i64::from(node.0))
            .bind(key.0.as_slice())
            .fetch_one(&self.pool)
            .await?)
    }

    /// A signed run that starts where `range` does: the longest that ends in the range and holds at most `bytes_max`
    /// bytes of bodies, or the shortest there is. `None` when nothing from there on is held.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn serve(&self, range: Range, bytes_max: usize) -> Result<Option<Run>, LedgerError> {
        let first = range.first.max(Seq(1));
        let mut best: Option<(Seq, Vec<u8>)> = None;
        let (mut next, mut bytes, mut seen) = (first, 0_usize, 0);
        'ends: while seen < BODIES_MAX {
            let step: Vec<(i64, i32, Option<Vec<u8>>)> = sqlx::query_as(sql::CHANGESET_SIZES)
                .bind(uuid(range.site))
                .bind(columns::seq(next))
                .bind(SERVE_STEP as i64)
                .fetch_all(&self.pool)
                .await?;
            for (seq, body_bytes, signature) in &step {
                let seq = stored_seq(*seq)?;
                bytes = bytes.saturating_add(usize::try_from(*body_bytes).unwrap_or(0));
                let Some(signature) = signature else { continue };
                if best.is_some() && (bytes > bytes_max || seq > range.last) {
                    break 'ends;
                }
                best = Some((seq, signature.clone()));
            }
            seen += step.len();
            match step.last() {
                Some((seq, ..)) if step.len() == SERVE_STEP => next = stored_seq(*seq)?.next(),
                _ => break,
            }
        }
        let Some((last, signed)) = best else {
            return Ok(None);
        };
        let bodies: Vec<(Vec<u8>,)> = sqlx::query_as(sql::BODIES)
            .bind(uuid(range.site))
            .bind(columns::seq(first))
            .bind(columns::seq(last))
            .fetch_all(&self.pool)
            .await?;
        Ok(Some(Run {
            site: range.site,
            first,
            bodies: bodies.into_iter().map(|(body,)| body.into()).collect(),
            signature: signature(&signed)?,
        }))
    }

    /// How many changesets wait to be settled.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn waiting(&self) -> Result<u64, LedgerError> {
        let waiting: i64 = sqlx::query_scalar(sql::WAITING).fetch_one(&self.pool).await?;
        stored_count(waiting, "a count")
    }

    /// Whether any changeset waits. Cheap however many do.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn is_waiting(&self) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar(sql::IS_WAITING).fetch_one(&self.pool).await?)
    }

    /// Whether any request for decisions waits.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn is_pending(&self) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar(sql::IS_PENDING).fetch_one(&self.pool).await?)
    }

    /// The fare versions of what is settled.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn fare_book(&self) -> Result<FareBook, LedgerError> {
        let mut connection = self.pool.acquire().await?;
        self.read_fares(&mut connection).await
    }

    /// A card's last settled state.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn card_state(&self, card: CardId) -> Result<Option<CardSettled>, LedgerError> {
        Ok(self.card_states(&[card]).await?.pop())
    }

    /// The last settled states of cards, in no particular order. Cards that are not known are left out.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn card_states(&self, cards: &[CardId]) -> Result<Vec<CardSettled>, LedgerError> {
        let cards: Vec<String> = cards.iter().map(CardId::to_string).collect();
        let found: Vec<StateColumns> = sqlx::query_as(sql::CARD_STATES_OF)
            .bind(cards)
            .fetch_all(&self.pool)
            .await?;
        found.into_iter().map(card_settled).collect()
    }

    /// Cards with a settled state after `after` (`None`: from the first on), at most `cards_max`, ascending.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn cards(&self, after: Option<CardId>, cards_max: usize) -> Result<Vec<CardId>, LedgerError> {
        let found: Vec<(String,)> = sqlx::query_as(sql::CARDS_AFTER)
            .bind(after.map(|card| card.to_string()).unwrap_or_default())
            .bind(columns::count(cards_max as u64))
            .fetch_all(&self.pool)
            .await?;
        found.iter().map(|(card,)| card_id(card)).collect()
    }

    /// A card as the hub sees it now.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn view(&self, card: CardId) -> Result<Option<CardView>, LedgerError> {
        let Some(settled) = self.card_state(card).await? else {
            return Ok(None);
        };
        let fares = self.fare_book().await?;
        Ok(Some(settled.state.finish(&fares, &mut Ignore)))
    }

    /// Everything a card's settled facts say, folded anew.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn projection(&self, card: CardId) -> Result<CardProjection, LedgerError> {
        let mut connection = self.pool.acquire().await?;
        let fares = self.read_fares(&mut connection).await?;
        let facts = histories(&mut connection, &[card.to_string()]).await?;
        let facts = facts.into_iter().map(|(_, row)| row);
        Ok(folded(card, &fares, facts).projection(&fares))
    }

    /// Every stored fact of a card in the order of the fold, those that are not settled yet included.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn facts(&self, card: CardId) -> Result<Vec<FactRow>, LedgerError> {
        let found: Vec<FactColumns> = sqlx::query_as(sql::FACTS_OF_CARD)
            .bind(card.to_string())
            .fetch_all(&self.pool)
            .await?;
        found.into_iter().map(fact_row).collect()
    }

    /// A card's journal, in the order of booking.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn journal(&self, card: CardId) -> Result<Vec<JournalEntry>, LedgerError> {
        let mut connection = self.pool.acquire().await?;
        money::journal_of(&mut connection, &[card.to_string()]).await
    }

    /// All that was ever booked on an account, credits less debits.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn account(&self, account: Account) -> Result<Money, LedgerError> {
        let found: Option<(String, i64)> = sqlx::query_as(sql::ACCOUNTS_OF)
            .bind(vec![account_name(account)])
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.map_or(Money::ZERO, |(_, balance)| Money::hundredths(balance)))
    }

    /// All accounts with their balances, by name.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn accounts(&self) -> Result<Vec<(Account, Money)>, LedgerError> {
        let found: Vec<(String, Option<String>, i64)> =
            sqlx::query_as(sql::ACCOUNTS_ALL).fetch_all(&self.pool).await?;
        let account = |(name, _, balance): (String, Option<String>, i64)| {
            Ok((columns::account(&name)?, Money::hundredths(balance)))
        };
        found.into_iter().map(account).collect()
    }

    /// What was not believed.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn evidence(&self) -> Result<Evidence, LedgerError> {
        let (quarantined, refused, reopened): (i64, i64, i64) =
            sqlx::query_as(sql::EVIDENCE).fetch_one(&self.pool).await?;
        Ok(Evidence {
            quarantined: stored_count(quarantined, "a count")?,
            refused: stored_count(refused, "a count")?,
            reopened: stored_count(reopened, "a count")?,
        })
    }

    /// Keeps the newest heartbeat of each node. They have to be genuine. `now_ms` is the hub's clock.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn save_heartbeats(&self, beats: &[Heartbeat], now_ms: i64) -> Result<(), LedgerError> {
        let mut newest: std::collections::BTreeMap<NodeId, &Heartbeat> = std::collections::BTreeMap::new();
        for beat in beats {
            let known = newest.entry(beat.node).or_insert(beat);
            if beat.t > known.t {
                *known = beat;
            }
        }
        let beats: Vec<&Heartbeat> = newest.into_values().collect();
        let nodes: Vec<i64> = beats.iter().map(|beat| i64::from(beat.node.0)).collect();
        let keys: Vec<&[u8]> = beats.iter().map(|beat| beat.key.0.as_slice()).collect();
        let times: Vec<i64> = beats.iter().map(|beat| beat.t.ms).collect();
        let counters: Vec<i64> = beats.iter().map(|beat| i64::from(beat.t.counter)).collect();
        let encoded: Vec<Vec<u8>> = beats.iter().map(codec::encode).collect();
        let heard: Vec<i64> = vec![now_ms; beats.len()];
        sqlx::query(sql::HEARTBEATS_SAVE)
            .bind(nodes)
            .bind(keys)
            .bind(times)
            .bind(counters)
            .bind(encoded)
            .bind(heard)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The newest heartbeat of each node and when it was heard, milliseconds since 1970; by node.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn heartbeats(&self) -> Result<Vec<(Heartbeat, i64)>, LedgerError> {
        let found: Vec<(Vec<u8>, i64)> = sqlx::query_as(sql::HEARTBEATS).fetch_all(&self.pool).await?;
        let beat = |(bytes, heard_ms): (Vec<u8>, i64)| {
            let beat = codec::decode(&bytes).map_err(|error| corrupt("an unreadable heartbeat:", error))?;
            Ok((beat, heard_ms))
        };
        found.into_iter().map(beat).collect()
    }

    /// The holds of a card as pending transfers, in the order they began: revision, tap, hold, state, revision that
    /// resolved it, amount posted.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn holds(&self, card: CardId) -> Result<Vec<super::HoldRecord>, LedgerError> {
        type Columns = (i64, Uuid, i64, i32, i64, String, Option<i64>, Option<i64>);
        let found: Vec<Columns> = sqlx::query_as(sql::HOLDS_OF_CARD)
            .bind(card.to_string())
            .fetch_all(&self.pool)
            .await?;
        let record = |(revision, site, seq, index, hold, state, resolved, posted): Columns| {
            Ok(super::HoldRecord {
                revision: stored_count(revision, "a revision")?,
                tap: columns::fact_id(site, seq, index)?,
                hold: Money::hundredths(hold),
                state,
                resolved_revision: resolved
                    .map(|revision| stored_count(revision, "a revision"))
                    .transpose()?,
                posted: posted.map(Money::hundredths),
            })
        };
        found.into_iter().map(record).collect()
    }
}

fn held(record: &SiteRecord) -> SiteHave {
    SiteHave {
        role: record.role,
        floor: Seq::NONE,
        head: record.head,
    }
}

/// A card's facts folded anew.
pub(super) fn folded(card: CardId, fares: &FareBook, facts: impl Iterator<Item = FactRow>) -> CardHistory {
    let mut history = CardHistory::new(card);
    let ordered = facts.map(|row| OrderedFact {
        key: row.key,
        fact: row.fact,
    });
    history.extend(fares, ordered);
    history
}
