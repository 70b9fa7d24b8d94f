//! Who may state what. A verified changeset proves who wrote it, not that its writer may say so.
//!
//! Gate and hub ask the same function, so both put the same changes aside: [`judge`] for a change on its own, and
//! [`crate::changeset::Run::opening`] for who may open a site.
//!
//! Invariant: what is refused depends on the change, its place and its writer only, never on what else is held.

use crate::changeset::{Content, SiteRole, TAPS_MAX};
use crate::fact::{CardSettled, Fact, Tap};
use crate::fare::FareError;
use crate::id::{FactId, GateId, NodeId, Seq, TerminalCode};
use crate::journey::{EARLY_CLOSES_MAX, UNSTARTED_MAX};
use crate::money::Money;
use crate::mutation::{Mutation, is};
use crate::rows::{self, RowChange, Value, key};

/// The table of gates' own denials: each row has one writer, named in its key (T-27).
const DENY_LIST: &str = "deny_list";

/// The table of settings, where gates state overrides, and the beginning of the keys that revoke a node's key: those
/// are the hub's alone.
const SETTINGS: &str = "system_config";
/// What the keys of `system_config` begin with that name a revoked public key in hexadecimal digits.
pub const REVOKED_PREFIX: &str = "revoked.";

/// Who wrote a site, by its SiteOpen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The node.
    pub node: NodeId,
    /// What the site is for.
    pub role: SiteRole,
}

/// Why a change is stored and passed on, but never applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A SiteOpen that is not a site's first change.
    #[error("a site opens only with its first change")]
    SiteOpen,
    /// A gate stated what only the hub may state.
    #[error("only the hub may state this")]
    HubOnly,
    /// The hub stated what only a gate can observe.
    #[error("only a gate observes taps")]
    GateOnly,
    /// The hub's fact stands in the wrong one of its two sites.
    #[error("the wrong site of the hub for this fact")]
    WrongSite,
    /// A tap at a terminal whose gate did not write the site.
    #[error("a tap at terminal {0} in a site of another terminal")]
    Terminal(TerminalCode),
    /// A tap at a gate whose node did not write the site.
    #[error("a tap at gate {} in a site of another gate", .0.0)]
    Gate(GateId),
    /// A tap behind the last place of a group commit: more taps than settle together.
    #[error("a tap in place {0} of its changeset: a group has at most {TAPS_MAX} taps")]
    Place(u16),
    /// An amount no honest writer states.
    #[error("the amount {0} is out of range")]
    Amount(Money),
    /// A version or revision no honest writer states: they count from 1.
    #[error("version {0} is out of range")]
    Version(u64),
    /// A settled state larger than the fold makes one.
    #[error("a settled state with {unstarted} exits without entry and {early_closes} early closes")]
    StateSize {
        /// Exits without entry and price.
        unstarted: usize,
        /// Closes of taps not seen.
        early_closes: usize,
    },
    /// A damaged fare table.
    #[error(transparent)]
    Fare(#[from] FareError),
    /// A row change that would do harm.
    #[error(transparent)]
    Row(#[from] rows::Refusal),
    /// A row change in the site of settled states.
    #[error("no row changes in the site of settled states")]
    RowInSettled,
    /// A row of `deny_list` that names another gate.
    #[error("a denial in another node's name by {0}")]
    Denial(NodeId),
}

/// Whether the writer of a site had the right to state this change, which stands at `id`.
///
/// # Errors
/// See [`Refusal`].
pub fn judge(writer: Writer, id: FactId, content: &Content) -> Result<(), Refusal> {
    match content {
        _ if is(Mutation::SkipJudge) => Ok(()),
        Content::SiteOpen(_) if opens(id) => Ok(()),
        Content::SiteOpen(_) => Err(Refusal::SiteOpen),
        Content::Row(row) => judge_row(writer, row),
        Content::Fact(fact) => judge_fact(writer, id, fact),
    }
}

/// Whether this is the place of a SiteOpen.
fn opens(id: FactId) -> bool {
    (id.seq, id.index) == (Seq(1), 0)
}

fn judge_fact(writer: Writer, id: FactId, fact: &Fact) -> Result<(), Refusal> {
    let derived = matches!(
        fact,
        Fact::CardSettled(_)
            | Fact::SettledUpTo { .. }
            | Fact::Checkpoint { .. }
            | Fact::SettledDigest { .. }
    );
    match (writer.role, fact) {
        (SiteRole::Gate(terminal), Fact::Tap(tap)) => judge_tap(writer.node, terminal, id, tap),
        (SiteRole::Gate(_), _) => Err(Refusal::HubOnly),
        (_, Fact::Tap(_)) => Err(Refusal::GateOnly),
        (SiteRole::Settled, _) if !derived => Err(Refusal::WrongSite),
        (SiteRole::Decisions, _) if derived => Err(Refusal::WrongSite),
        _ => judge_content(fact),
    }
}

/// Taps of one gate stand in its own site, and never more in a changeset than settle as one: the cards of a
/// changeset are published together with what covers them, or not at all.
fn judge_tap(node: NodeId, terminal: TerminalCode, id: FactId, tap: &Tap) -> Result<(), Refusal> {
    let places = TAPS_MAX + usize::from(id.seq == Seq(1));
    if usize::from(id.index) >= places {
        return Err(Refusal::Place(id.index));
    }
    if tap.terminal != terminal {
        return Err(Refusal::Terminal(tap.terminal));
    }
    if tap.gate.node() != node {
        return Err(Refusal::Gate(tap.gate));
    }
    price(tap.hold)?;
    tap.quoted.map_or(Ok(()), price)
}

fn judge_content(fact: &Fact) -> Result<(), Refusal> {
    match fact {
        Fact::TopUp { amount, .. } | Fact::Refund { amount, .. } | Fact::WriteOff { amount, .. } => {
            price(*amount)
        }
        Fact::Adjust { amount, .. } if !amount.is_amount() => Err(Refusal::Amount(*amount)),
        Fact::CardStatus { version, .. } => count(*version),
        Fact::FareVersion(_) if is(Mutation::TakeDamagedFares) => Ok(()),
        Fact::FareVersion(fare) => Ok(fare.check()?),
        Fact::CardSettled(settled) | Fact::Checkpoint { settled, .. } => judge_settled(settled),
        _ => Ok(()),
    }
}

fn judge_settled(settled: &CardSettled) -> Result<(), Refusal> {
    count(settled.revision)?;
    let (unstarted, early_closes) = (settled.state.unstarted.len(), settled.state.early_closes.len());
    if unstarted > UNSTARTED_MAX || early_closes > EARLY_CLOSES_MAX {
        return Err(Refusal::StateSize {
            unstarted,
            early_closes,
        });
    }
    Ok(())
}

fn price(amount: Money) -> Result<(), Refusal> {
    if amount.is_price() {
        Ok(())
    } else {
        Err(Refusal::Amount(amount))
    }
}

/// Counts start at 1 and fit the columns of every database.
fn count(version: u64) -> Result<(), Refusal> {
    if version == 0 || i64::try_from(version).is_err() {
        return Err(Refusal::Version(version));
    }
    Ok(())
}

/// The hub may pass on everybody's rows; a gate denies cards in its own name only.
fn judge_row(writer: Writer, row: &RowChange) -> Result<(), Refusal> {
    if writer.role == SiteRole::Settled {
        return Err(Refusal::RowInSettled);
    }
    row.check()?;
    if writer.node.is_hub() {
        return Ok(());
    }
    match row.table.as_str() {
        DENY_LIST => judge_denial(writer, row),
        SETTINGS if revokes(row) => Err(Refusal::HubOnly),
        _ => Ok(()),
    }
}

/// Whether a row of `system_config` revokes a key, or cannot be told not to.
fn revokes(row: &RowChange) -> bool {
    match key::unpack(&row.key).as_deref() {
        Ok([Value::Text(key)]) => key.starts_with(REVOKED_PREFIX),
        _ => true,
    }
}

fn judge_denial(writer: Writer, row: &RowChange) -> Result<(), Refusal> {
    let own = Value::Integer(i64::from(writer.node.0));
    match key::unpack(&row.key).as_deref() {
        Ok([_, declared_by, written_by]) if *declared_by == own && *written_by == own => Ok(()),
        _ => Err(Refusal::Denial(writer.node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str) -> Content {
        Content::Row(RowChange {
            table: SETTINGS.to_owned(),
            key: key::pack(&[Value::Text(key.to_owned())]).unwrap(),
            column: "value".to_owned(),
            value: Value::Text(String::new()),
            col_version: 9,
            causal_length: 1,
            seq: 0,
        })
    }

    /// The same row, deleted.
    fn deleted(mut content: Content) -> Content {
        if let Content::Row(row) = &mut content {
            row.column = rows::SENTINEL.to_owned();
            (row.value, row.col_version, row.causal_length) = (Value::Null, 2, 2);
        }
        content
    }

    fn by(node: u32, content: &Content) -> Result<(), Refusal> {
        let role = match node {
            0 => SiteRole::Decisions,
            _ => SiteRole::Gate("A".parse().unwrap()),
        };
        let writer = Writer {
            node: NodeId(node),
            role,
        };
        let id = FactId {
            seq: Seq(2),
            ..FactId::default()
        };
        judge(writer, id, content)
    }

    #[test]
    fn only_the_hub_revokes_keys_and_takes_that_back() {
        let revocation = setting(&format!("{REVOKED_PREFIX}00ff"));
        assert_eq!(by(0, &revocation), Ok(()));
        assert_eq!(by(3, &revocation), Err(Refusal::HubOnly));
        assert_eq!(by(0, &deleted(revocation.clone())), Ok(()));
        assert_eq!(by(3, &deleted(revocation)), Err(Refusal::HubOnly));
        assert_eq!(by(3, &setting("terminal.A.mode")), Ok(()));
    }

    #[test]
    fn a_setting_whose_key_cannot_be_read_is_no_gates() {
        let mut odd = setting("x");
        if let Content::Row(row) = &mut odd {
            row.key = key::pack(&[Value::Integer(1)]).unwrap();
        }
        assert_eq!(by(3, &odd), Err(Refusal::HubOnly));
    }
}
