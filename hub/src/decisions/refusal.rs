//! Why people's decisions are refused, in words for who made them.

use sync_protocol::fare::FareError;
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::rows;

use super::{DECISIONS_MAX, TEXT_BYTES_MAX};

/// Why a decision is refused. Nothing of its call is then written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More than [`DECISIONS_MAX`].
    #[error("{0} decisions at once: at most {DECISIONS_MAX} are allowed")]
    TooMany(usize),
    /// No fact is about this card.
    #[error("card {0} is not known: issue it first")]
    UnknownCard(CardId),
    /// Not an amount for this decision.
    #[error("{0} is not allowed here: an amount lies between 0.01 and 9999999999999.99")]
    Amount(Money),
    /// A reason or reference that is empty or too long.
    #[error("a {what} of {bytes} bytes: 1 to {TEXT_BYTES_MAX} are allowed")]
    Text {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A reason or reference that cannot be written on one line.
    #[error("a {what} with a control character, such as a line break: leave it out")]
    Control {
        /// Which text.
        what: &'static str,
    },
    /// A reference that stands for another payment.
    #[error(
        "reference {reference:?} was used for {amount} on card {card}: a payment has a reference of its own"
    )]
    ReferenceTaken {
        /// The reference.
        reference: String,
        /// The card of the other payment.
        card: CardId,
        /// The amount of the other payment.
        amount: Money,
    },
    /// A damaged fare version.
    #[error(transparent)]
    Fares(#[from] FareError),
    /// A fare version that prices nothing.
    #[error("fare version {0} has no fares: from its time on no gate would let anybody in")]
    NoFares(u32),
    /// A version number that is not the next.
    #[error("fare version {version} is not the next: {next} is")]
    FareVersion {
        /// The number given.
        version: u32,
        /// The number expected.
        next: u32,
    },
    /// Published too late (T-22b).
    #[error(
        "fare version {version} would hold {late_ms} ms too soon: publish it {lead_time_ms} ms ahead, or override"
    )]
    LeadTime {
        /// The version.
        version: u32,
        /// By how much the lead time is missed.
        late_ms: i64,
        /// The lead time.
        lead_time_ms: i64,
    },
    /// Not an accepted tap of the card.
    #[error("{tap} is not an accepted tap of card {card}: only such a one can be closed")]
    NoTap {
        /// The card.
        card: CardId,
        /// The fact named.
        tap: FactId,
    },
    /// A site nobody has heard of.
    #[error("site {0} is not known")]
    UnknownSite(SiteId),
    /// A site is closed at its head.
    #[error("site {site} ends at {head}, not at {last}")]
    SiteEnd {
        /// The site.
        site: SiteId,
        /// Where it is to be closed.
        last: Seq,
        /// Where it ends.
        head: Seq,
    },
    /// A row change that would do harm.
    #[error(transparent)]
    Row(#[from] rows::Refusal),
}

/// Why decisions were not planned.
#[derive(Debug, thiserror::Error)]
pub enum DecideError<E> {
    /// One of them is refused.
    #[error("decision {index}: {refusal}")]
    Refused {
        /// Its place in the call, from 0.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(E),
}
