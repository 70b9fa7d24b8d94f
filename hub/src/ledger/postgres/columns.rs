//! How the core's types stand in columns.

use sqlx::types::Uuid;
use sync_protocol::changeset::{ChainHash, Change, Content, Head, PublicKey, SiteRole};
use sync_protocol::codec;
use sync_protocol::fact::{CardSettled, CardStatus, Direction, Fact, Reason};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::id::{CardId, FactId, NodeId, OrderKey, Seq, SiteId};
use sync_protocol::ledger::{Account, Rule};
use sync_protocol::time::Stamp;

use super::LedgerError;
use crate::ledger::{FactRow, SiteRecord};

pub(super) const fn uuid(site: SiteId) -> Uuid {
    Uuid::from_bytes(site.0)
}

pub(super) const fn site_id(uuid: Uuid) -> SiteId {
    SiteId(uuid.into_bytes())
}

/// A count as a column. Those that are stored are far below the limit; a larger one can only be asked for.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn seq(seq: Seq) -> i64 {
    count(seq.0)
}

pub(super) fn stored_count(column: i64, what: &str) -> Result<u64, LedgerError> {
    u64::try_from(column).map_err(|_| corrupt(what, column))
}

pub(super) fn stored_seq(column: i64) -> Result<Seq, LedgerError> {
    stored_count(column, "a sequence number").map(Seq)
}

pub(super) fn corrupt(what: &str, found: impl std::fmt::Debug) -> LedgerError {
    LedgerError::Corrupt(format!("{what} {found:?}"))
}

/// Text for people's eyes: PostgreSQL's text has no NUL.
pub(super) fn readable(text: impl Into<String>) -> String {
    let text = text.into();
    if text.contains('\0') {
        text.replace('\0', "\u{FFFD}")
    } else {
        text
    }
}

pub(super) fn bytes<const N: usize>(what: &str, column: &[u8]) -> Result<[u8; N], LedgerError> {
    column
        .try_into()
        .map_err(|_| LedgerError::Corrupt(format!("{what} of {} bytes", column.len())))
}

pub(super) fn stored_head(seq: i64, chain: &[u8]) -> Result<Head, LedgerError> {
    Ok(Head {
        seq: stored_seq(seq)?,
        chain: ChainHash(bytes("a chain hash", chain)?),
    })
}

pub(super) fn signature(column: &[u8]) -> Result<sync_protocol::changeset::Signature, LedgerError> {
    Ok(sync_protocol::changeset::Signature(bytes("a signature", column)?))
}

pub(super) fn card_id(column: &str) -> Result<CardId, LedgerError> {
    column.parse().map_err(|_| corrupt("a card", column))
}

pub(super) fn fact_id(site: Uuid, seq: i64, index: i32) -> Result<FactId, LedgerError> {
    Ok(FactId {
        site: site_id(site),
        seq: stored_seq(seq)?,
        index: u16::try_from(index).map_err(|_| corrupt("a fact's index", index))?,
    })
}

/// A fact's id as events and outcomes write it: `site:seq:index`.
pub(super) fn fact_id_of_text(text: &str) -> Option<FactId> {
    let mut parts = text.split(':');
    let (site, seq, index) = (parts.next()?, parts.next()?, parts.next()?);
    Some(FactId {
        site: site_id(Uuid::try_parse(site).ok()?),
        seq: Seq(seq.parse().ok()?),
        index: index.parse().ok()?,
    })
    .filter(|_| parts.next().is_none())
}

/// `sites` as read: site, node, role, terminal, public_key, head_seq, head_chain, closed_seq, accepted_seq.
pub(super) type SiteColumns = (
    Uuid,
    i64,
    String,
    Option<String>,
    Vec<u8>,
    i64,
    Vec<u8>,
    Option<i64>,
    Option<i64>,
);

pub(super) fn site_record(columns: SiteColumns) -> Result<(SiteId, SiteRecord), LedgerError> {
    let (site, node, role_name, terminal, public_key, head_seq, head_chain, closed, accepted) = columns;
    let record = SiteRecord {
        node: NodeId(u32::try_from(node).map_err(|_| corrupt("a node", node))?),
        role: role(&role_name, terminal.as_deref())?,
        public_key: PublicKey(bytes("a public key", &public_key)?),
        head: stored_head(head_seq, &head_chain)?,
        closed: closed.map(stored_seq).transpose()?,
        accepted: accepted.map(stored_seq).transpose()?,
    };
    Ok((site_id(site), record))
}

pub(super) fn role_columns(role: SiteRole) -> (&'static str, Option<String>) {
    match role {
        SiteRole::Gate(terminal) => ("gate", Some(terminal.to_string())),
        SiteRole::Decisions => ("decisions", None),
        SiteRole::Settled => ("settled", None),
    }
}

fn role(name: &str, terminal: Option<&str>) -> Result<SiteRole, LedgerError> {
    let terminal = terminal.and_then(|code| code.parse().ok());
    match (name, terminal) {
        ("gate", Some(terminal)) => Ok(SiteRole::Gate(terminal)),
        ("decisions", None) => Ok(SiteRole::Decisions),
        ("settled", None) => Ok(SiteRole::Settled),
        _ => Err(corrupt("a site's role", name)),
    }
}

/// `facts` as read: site, seq, index, at_ms, at_counter, content, hash.
pub(super) type FactColumns = (Uuid, i64, i32, i64, i64, Vec<u8>, Vec<u8>);

pub(super) fn fact_row(columns: FactColumns) -> Result<FactRow, LedgerError> {
    let (site, seq, index, at_ms, at_counter, content, hash) = columns;
    let id = fact_id(site, seq, index)?;
    let counter = u32::try_from(at_counter).map_err(|_| corrupt("a stamp's counter", at_counter))?;
    let at = Stamp { ms: at_ms, counter };
    Ok(FactRow {
        key: OrderKey { at, id },
        fact: fact(content).ok_or_else(|| corrupt("content that is no fact at", id))?,
        hash: u128::from_le_bytes(bytes("a fact's hash", &hash)?),
    })
}

fn fact(content: Vec<u8>) -> Option<Fact> {
    let content = content.into();
    match (Change { at: None, content }).read() {
        Ok(Some(Content::Fact(fact))) => Some(fact),
        _ => None,
    }
}

/// `card_states` as read: card, revision, state, fare_version, facts, facts_hash.
pub(super) type StateColumns = (String, i64, Vec<u8>, i64, i64, Vec<u8>);

pub(super) fn card_settled(columns: StateColumns) -> Result<CardSettled, LedgerError> {
    let (card, revision, state, fare_version, facts, facts_hash) = columns;
    let card = card_id(&card)?;
    Ok(CardSettled {
        card,
        revision: stored_count(revision, "a revision")?,
        state: codec::decode(&state).map_err(|_| corrupt("an unreadable state of card", card))?,
        fare_version: u32::try_from(fare_version).map_err(|_| corrupt("a fare version", fare_version))?,
        facts: stored_count(facts, "a count of facts")?,
        facts_hash: u128::from_le_bytes(bytes("a hash of facts", &facts_hash)?),
    })
}

pub(super) fn account_name(account: Account) -> String {
    match account {
        Account::Card(card) => format!("card:{card}"),
        other => other.name().to_owned(),
    }
}

pub(super) fn account(name: &str) -> Result<Account, LedgerError> {
    use Account::{Adjustments, FareRevenue, Suspense, TopupFloat, Writeoff};
    if let Some(card) = name.strip_prefix("card:") {
        return card_id(card).map(Account::Card);
    }
    let all = [FareRevenue, TopupFloat, Adjustments, Writeoff, Suspense];
    let found = all.into_iter().find(|account| account.name() == name);
    found.ok_or_else(|| corrupt("an account", name))
}

pub(super) fn rule(name: &str) -> Result<Rule, LedgerError> {
    use Rule::{Adjust, Capture, Incomplete, LateFare, OverHold, Refund, Topup, Unstarted, Writeoff};
    let all = [
        Adjust, Capture, Incomplete, LateFare, OverHold, Refund, Topup, Unstarted, Writeoff,
    ];
    let found = all.into_iter().find(|rule| rule.name() == name);
    found.ok_or_else(|| corrupt("a rule", name))
}

pub(super) const fn status(status: CardStatus) -> &'static str {
    match status {
        CardStatus::Active => "active",
        CardStatus::Suspended => "suspended",
        CardStatus::Blocked => "blocked",
        CardStatus::Closed => "closed",
    }
}

pub(super) const fn orphan_policy(policy: OrphanPolicy) -> &'static str {
    match policy {
        OrphanPolicy::Release => "release",
        OrphanPolicy::ChargeMax => "charge_max",
        OrphanPolicy::ChargeMin => "charge_min",
    }
}

pub(super) const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Entry => "entry",
        Direction::Exit => "exit",
    }
}

pub(super) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Accepted => "ACCEPTED",
        Reason::DupIn => "DUP_IN",
        Reason::Allowance => "ALLOWANCE",
        Reason::ExitOpen => "EXIT_OPEN",
        Reason::FreeFlow => "FREE_FLOW",
        Reason::Blocked => "BLOCKED",
        Reason::Suspended => "SUSPENDED",
        Reason::Closed => "CLOSED",
        Reason::DenyList => "DENY_LIST",
        Reason::Funds => "FUNDS",
        Reason::Debt => "DEBT",
        Reason::Passback => "PASSBACK",
        Reason::WrongGate => "WRONG_GATE",
        Reason::UnknownCard => "UNKNOWN_CARD",
        Reason::NoFare => "NO_FARE",
        Reason::Velocity => "VELOCITY",
        Reason::StaleKnowledge => "STALE_KNOWLEDGE",
        Reason::GateClosed => "GATE_CLOSED",
    }
}

pub(super) const fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Tap(_) => "tap",
        Fact::CardIssued { .. } => "card_issued",
        Fact::CardStatus { .. } => "card_status",
        Fact::TopUp { .. } => "top_up",
        Fact::Adjust { .. } => "adjust",
        Fact::Refund { .. } => "refund",
        Fact::WriteOff { .. } => "write_off",
        Fact::FareVersion(_) => "fare_version",
        Fact::Close { .. } => "close",
        Fact::SiteClosed { .. } => "site_closed",
        Fact::CardSettled(_) => "card_settled",
        Fact::SettledUpTo { .. } => "settled_up_to",
        Fact::SiteFork { .. } => "site_fork",
        Fact::ClockOffset { .. } => "clock_offset",
        Fact::Checkpoint { .. } => "checkpoint",
        Fact::DayClose { .. } => "day_close",
        Fact::SettledDigest { .. } => "settled_digest",
    }
}
