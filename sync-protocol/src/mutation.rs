//! Deliberate bugs: each breaks one promise of the production code, so that it can be shown which check notices.
//!
//! A switch is one `is(…)` at the place where the promise is kept. Without the feature `mutations`, which no program
//! that is shipped has, [`is`] is a constant `false` and the compiler drops the switch with what it guards.
//! With it, `begin` makes one bug the current one of this thread: other threads are not concerned.
//!
//! Who has to notice which is said in the simulator, which runs them: `simulator/MUTATIONS.md`.

/// Lists the mutations: what each breaks, its name in code, its name on the command line.
macro_rules! mutations {
    ($(#[doc = $breaks:literal] $variant:ident = $name:literal,)*) => {
        /// A deliberate bug. Its description says what it breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutation {
            $(#[doc = $breaks] $variant,)*
        }

        impl Mutation {
            /// All of them.
            pub const ALL: &[Mutation] = &[$(Mutation::$variant),*];

            /// The name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mutation::$variant => $name,)*
                }
            }

            /// What it breaks.
            #[must_use]
            pub const fn breaks(self) -> &'static str {
                match self {
                    $(Mutation::$variant => $breaks.trim_ascii(),)*
                }
            }
        }
    };
}

mutations! {
    // The gate's store.
    /// a commit returns before the disk has it
    SkipFsync = "skip-fsync",
    /// a tap is answered first and committed with the next one
    AnswerBeforeCommit = "answer-before-commit",
    /// what was committed and not filed is not read again after a restart: the head goes back
    HeadBack = "head-back",
    /// the random bytes of a start are ignored: a restarted or restored gate writes the same site on
    ReuseSite = "reuse-site",
    /// taps that a settled state covers are folded onto it again
    CountCoveredTwice = "count-covered-twice",
    /// what the hub says is covered counts as covered, though its settled state is not kept
    CoverWithoutState = "cover-without-state",
    /// a change that cannot be applied stops its site
    QuarantineBlocks = "quarantine-blocks",
    /// a change of an unknown kind is not kept for the version that will know it
    LoseOpaque = "lose-opaque",
    /// a stamp follows what others have stamped, not the gate's own clock alone
    MergeRemoteTime = "merge-remote-time",
    // The decision.
    /// an exit is denied to a card that is blocked or unknown
    DenyExit = "deny-exit",
    /// a gate that hears the hub decides only once it has heard from it
    WaitForHub = "wait-for-hub",
    /// the hold of an entry is not in its fact
    HoldNotInFact = "hold-not-in-fact",
    /// an entry is open to a blocked card
    IgnoreBlock = "ignore-block",
    /// what was spent and is not covered yet does not count
    SpendAgain = "spend-again",
    /// the oldest fare version stays in force
    OldFareVersion = "old-fare-version",
    // Logs and their way.
    /// a run that begins beyond the head is appended there
    IgnoreGap = "ignore-gap",
    /// nobody asks whether the signature covers the chain
    SkipChainCheck = "skip-chain-check",
    /// a second branch of a log is taken for a repetition
    MissBranches = "miss-branches",
    /// anybody may state anything
    SkipJudge = "skip-judge",
    /// a damaged fare version is taken for a good one
    TakeDamagedFares = "take-damaged-fares",
    /// a node serves its own site only
    ServeOwnOnly = "serve-own-only",
    /// nothing is asked for that was missed
    NeverAsk = "never-ask",
    /// a snapshot is taken though its sum is not the one that the hub states
    AcceptAnySnapshot = "accept-any-snapshot",
    // The hub.
    /// the hub takes a changeset again that it holds
    DropDedupe = "drop-dedupe",
    /// of several facts settled together the last one's balance stands
    LastWriteWins = "last-write-wins",
    /// the hub settles every fact twice
    SettleTwice = "settle-twice",
    /// settled states are published without what they cover
    SettleWithoutVector = "settle-without-vector",
    /// a booking credits and does not debit
    OneLegged = "one-legged",
    /// a late fact is read as if it had come in order
    NoRefold = "no-refold",
    /// an event is told again each time its card is settled
    TellTwice = "tell-twice",
    /// a restored hub publishes again without taking back from gates what it lacks
    HubForgetsTail = "hub-forgets-tail",
    // The fold, by point of domain 4.8.
    /// 1: a fact that comes again counts again
    FoldDuplicates = "fold-duplicates",
    /// 1: the counter is compared before the time
    CounterBeforeTime = "counter-before-time",
    /// 1: the site is compared before the counter
    SiteBeforeCounter = "site-before-counter",
    /// 2: denied taps make journeys
    DeniedCounts = "denied-counts",
    /// 3: an exit is never read after the entry that follows it
    NoSkewSwap = "no-skew-swap",
    /// 3: the swap ends just before the sum of the two uncertainties
    SwapJustBefore = "swap-just-before",
    /// 3: the swap is also made at one terminal
    SwapAtSameTerminal = "swap-at-same-terminal",
    /// 3: the swap is also made after an entry
    SwapAfterEntry = "swap-after-entry",
    /// 3: a negative duration does not count as 0
    NegativeDuration = "negative-duration",
    /// 4: a repeat is one for eleven seconds
    RepeatElevenSeconds = "repeat-eleven-seconds",
    /// 4: a pass-back ends just before five minutes
    PassbackJustBefore = "passback-just-before",
    /// 4: a pass-back begins a new journey
    PassbackReplaces = "passback-replaces",
    /// 4: an incomplete journey costs nothing, whatever the policy
    IncompleteFree = "incomplete-free",
    /// 4: an incomplete journey costs the lowest fare, whatever the policy
    IncompleteAlwaysLowest = "incomplete-always-lowest",
    /// 5: a repeated exit is one just before five minutes
    DupOutJustBefore = "dup-out-just-before",
    /// 5: a repeated exit is measured from the repeat before it
    DupOutFromRepeat = "dup-out-from-repeat",
    /// 5: an exit at another terminal is a repeated one, too
    DupOutAnywhere = "dup-out-anywhere",
    /// 6: an exit 24 hours after the entry is one too late
    OverdayAt24Hours = "overday-at-24-hours",
    /// 6: an exit days after the entry completes the journey
    NoOverday = "no-overday",
    /// 7: an exit without entry is charged at once
    UnstartedAtOnce = "unstarted-at-once",
    /// 7: a closed exit without entry is charged as if it were an entry
    UnstartedFrom = "unstarted-from",
    /// 8: the fare version is chosen by the exit's time
    FareByExitTime = "fare-by-exit-time",
    /// 8: the fare version is in force only after its first moment
    FareJustAfter = "fare-just-after",
    /// 8: a lower quote is ignored
    IgnoreLowerQuote = "ignore-lower-quote",
    /// 8: a higher quote counts
    TakeHigherQuote = "take-higher-quote",
    /// 8: out where one went in costs at once
    SameStationCosts = "same-station-costs",
    /// 8: a long journey costs no more than its fare
    NoOvertime = "no-overtime",
    /// 9: the part of a fare above the hold is not booked
    OverHoldLost = "over-hold-lost",
    /// 9: a fare captured after a Close is an ordinary one
    LateIsOrdinary = "late-is-ordinary",
    /// 10: a Close leaves the journey open
    CloseLeavesOpen = "close-leaves-open",
    /// 10: a hold is released thirty minutes after its entry, by the clock alone
    ReleaseByClock = "release-by-clock",
    /// 11: a Close makes a completed journey free
    CloseReprices = "close-reprices",
    /// 12: a top-up reference counts as often as it comes
    TopUpAgain = "top-up-again",
    /// 12: a refund is taken from the card
    RefundTakes = "refund-takes",
    /// 12: an adjustment below zero is given
    AdjustGives = "adjust-gives",
    /// 13: the last status counts, not the highest version
    LastStatusCounts = "last-status-counts",
    /// 13: nothing is said of a tap accepted while the card was blocked
    BlockedUnflagged = "blocked-unflagged",
}

/// Whether this bug is the current one of this thread.
#[cfg(not(feature = "mutations"))]
#[must_use]
pub const fn is(_mutation: Mutation) -> bool {
    false
}

#[cfg(feature = "mutations")]
pub use switched::{Begun, begin, is};

#[cfg(feature = "mutations")]
mod switched {
    use std::cell::Cell;
    use std::marker::PhantomData;

    use super::Mutation;

    thread_local! {
        static CURRENT: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Whether this bug is the current one of this thread.
    #[must_use]
    pub fn is(mutation: Mutation) -> bool {
        CURRENT.get() == Some(mutation)
    }

    /// Ends what [`begin`] began, when it is dropped. Stays on its thread.
    #[derive(Debug)]
    pub struct Begun {
        before: Option<Mutation>,
        on_this_thread: PhantomData<*const ()>,
    }

    /// Makes a bug, or none, the current one of this thread until the guard is dropped.
    #[must_use]
    pub fn begin(mutation: Option<Mutation>) -> Begun {
        Begun {
            before: CURRENT.replace(mutation),
            on_this_thread: PhantomData,
        }
    }

    impl Drop for Begun {
        fn drop(&mut self) {
            CURRENT.set(self.before);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_bug_lasts_as_long_as_its_guard_and_on_its_thread_only() {
            assert!(!is(Mutation::SkipFsync));
            let begun = begin(Some(Mutation::SkipFsync));
            assert!(is(Mutation::SkipFsync) && !is(Mutation::HeadBack));
            assert!(!std::thread::spawn(|| is(Mutation::SkipFsync)).join().unwrap());
            let inner = begin(None);
            assert!(!is(Mutation::SkipFsync));
            drop(inner);
            assert!(is(Mutation::SkipFsync));
            drop(begun);
            assert!(!is(Mutation::SkipFsync));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_nothing_is_broken_by_itself() {
        let names: BTreeSet<_> = Mutation::ALL.iter().map(|mutation| mutation.name()).collect();
        assert_eq!(names.len(), Mutation::ALL.len());
        assert!(!Mutation::ALL.iter().any(|mutation| is(*mutation)));
    }
}
