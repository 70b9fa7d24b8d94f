//! What has to notice each deliberate bug.

use sync_protocol::mutation::Mutation;

/// Most seeds drawn for one mutation, where nothing else is said.
const SEEDS: u64 = 200;

/// What has to notice a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An example of the fold: its expected outcome was written down before.
    Example,
    /// A check of a drawn scenario.
    Check {
        /// Any of these checks.
        names: &'static [&'static str],
        /// Only seeds with a fault of one of these kinds are run, because no other can show it; any seed when empty.
        kinds: &'static [&'static str],
        /// It is noticed within so many seeds, those without such a fault counted.
        within: u64,
    },
    /// A check of one scenario, because drawn ones hardly ever come to what shows it.
    Scenario {
        /// Any of these checks.
        names: &'static [&'static str],
        /// The scenario.
        text: &'static str,
    },
    /// Nothing notices it yet: a gap, told in the table, with what is missing.
    Nothing(&'static str),
}

/// Bugs whose mechanism is not built yet.
pub const NOT_YET: &[(&str, &str)] = &[];

const ACKNOWLEDGED: &str = "no acknowledged tap lost";
const LEVEL: &str = "heads and digests equal everywhere";
const CONSERVED: &str = "money conserved at every step";
const SAME_MONEY: &str = "independent fold equals hub and gates";
const CONVERGES: &str = "converges in time";
const EXITS: &str = "exit never denied";
const CLOCKS: &str = "no money by another node's clock";
const ANY_ORDER: &str = "any order of facts gives the same money";
const ONE_CHARGE: &str = "one charge per journey";
const HEADS: &str = "heads never go back";
const SITES: &str = "no site reused";
const CHAINS: &str = "chains without gaps";
const PREFIX: &str = "money conserved at every prefix";
const OVERDRAFT: &str = "overdraft within its bound";
const DECISIONS: &str = "decisions keep the table";
const WAITS: &str = "decisions never wait for the network";
const OPAQUE: &str = "unknown changes kept and relayed";
const POISON: &str = "one poisoned node harms no other";
const BRANCHES: &str = "second branches are proven";

const fn by(names: &'static [&'static str]) -> Notice {
    among(names, &[])
}

const fn among(names: &'static [&'static str], kinds: &'static [&'static str]) -> Notice {
    Notice::Check {
        names,
        kinds,
        within: SEEDS,
    }
}

/// What has to notice it.
#[must_use]
pub(super) const fn of(mutation: Mutation) -> Notice {
    use Mutation as M;
    match mutation {
        M::SkipFsync => among(&[HEADS], &["power_loss"]),
        // Neighbours may have got the tap all the same: then it is the own log that lacks it.
        M::AnswerBeforeCommit => among(&[ACKNOWLEDGED, CHAINS], &["crash", "power_loss"]),
        M::HeadBack => among(&[HEADS, ACKNOWLEDGED], &["crash", "power_loss"]),
        M::ReuseSite => among(&[SITES], &["crash", "power_loss", "restored_disk"]),
        M::CountCoveredTwice => by(&[PREFIX]),
        M::CoverWithoutState => by(&[PREFIX, LEVEL]),
        M::QuarantineBlocks => among(&[POISON, LEVEL], &["byzantine", "poison"]),
        M::LoseOpaque => among(&[OPAQUE], &["newer_gate"]),
        M::MergeRemoteTime => among(&[CLOCKS], &["clock"]),
        M::DenyExit => by(&[EXITS]),
        M::WaitForHub => by(&[WAITS]),
        M::HoldNotInFact => by(&[DECISIONS]),
        M::IgnoreBlock => by(&[DECISIONS]),
        M::SpendAgain => Notice::Scenario {
            names: &[OVERDRAFT],
            text: include_str!("spend-again.toml"),
        },
        M::AcceptAnySnapshot => Notice::Scenario {
            names: &[LEVEL, PREFIX],
            text: include_str!("../../scenarios/cut-off-everywhere.toml"),
        },
        M::IgnoreGap => by(&[CHAINS, LEVEL, ACKNOWLEDGED]),
        M::SkipChainCheck => among(&[POISON, CHAINS], &["byzantine"]),
        M::MissBranches => Notice::Scenario {
            names: &[BRANCHES],
            text: include_str!("../../scenarios/equivocating-gate.toml"),
        },
        M::SkipJudge => among(&[POISON, SAME_MONEY, LEVEL], &["byzantine"]),
        M::TakeDamagedFares => among(&[POISON], &["poison"]),
        M::ServeOwnOnly => by(&[LEVEL, CONVERGES]),
        M::NeverAsk => by(&[LEVEL, CONVERGES]),
        M::DropDedupe => by(&[CHAINS]),
        M::LastWriteWins => by(&[CONSERVED]),
        M::SettleTwice => by(&[CONSERVED, ONE_CHARGE]),
        M::SettleWithoutVector => by(&[LEVEL]),
        M::OneLegged => by(&[CONSERVED]),
        M::NoRefold => by(&[CONSERVED, SAME_MONEY]),
        M::HubForgetsTail => among(&[LEVEL, PREFIX], &["hub_restored"]),
        M::TellTwice => Notice::Nothing("a check that each transition is told once"),
        M::FoldDuplicates => by(&[ANY_ORDER]),
        M::OldFareVersion
        | M::CounterBeforeTime
        | M::SiteBeforeCounter
        | M::DeniedCounts
        | M::NoSkewSwap
        | M::SwapJustBefore
        | M::SwapAtSameTerminal
        | M::SwapAfterEntry
        | M::NegativeDuration
        | M::RepeatElevenSeconds
        | M::PassbackJustBefore
        | M::PassbackReplaces
        | M::IncompleteFree
        | M::IncompleteAlwaysLowest
        | M::DupOutJustBefore
        | M::DupOutFromRepeat
        | M::DupOutAnywhere
        | M::OverdayAt24Hours
        | M::NoOverday
        | M::UnstartedAtOnce
        | M::UnstartedFrom
        | M::FareByExitTime
        | M::FareJustAfter
        | M::IgnoreLowerQuote
        | M::TakeHigherQuote
        | M::SameStationCosts
        | M::NoOvertime
        | M::OverHoldLost
        | M::LateIsOrdinary
        | M::CloseLeavesOpen
        | M::ReleaseByClock
        | M::CloseReprices
        | M::TopUpAgain
        | M::RefundTakes
        | M::AdjustGives
        | M::LastStatusCounts
        | M::BlockedUnflagged => Notice::Example,
    }
}
