//! Whether the books agree.

use super::*;

impl MemoryLedger {
    /// Checks that all accounts together hold nothing (I2): cheap enough for every step.
    ///
    /// # Errors
    /// They hold something.
    pub fn check_sum(&self) -> Result<(), AuditError> {
        match self.accounts_sum {
            Money::ZERO => Ok(()),
            sum => Err(AuditError::Sum(sum)),
        }
    }

    /// Checks everything anew from the stored facts: sums (I2), and per card that its settled state, its journal and
    /// its account are what its facts fold to (I8).
    ///
    /// # Errors
    /// The first difference found.
    pub fn audit(&self) -> Result<(), AuditError> {
        match self.accounts.values().copied().sum::<Money>() {
            Money::ZERO => {}
            sum => return Err(AuditError::Sum(sum)),
        }
        self.cards().try_for_each(|card| self.audit_card(card))
    }

    /// Checks one card.
    ///
    /// # Errors
    /// The first difference found.
    pub fn audit_card(&self, card: CardId) -> Result<(), AuditError> {
        let history = self.folded(card);
        let projection = history.projection(&self.fares);
        let settled = self.card_state(card).map(|settled| settled.state.clone());
        if settled.unwrap_or_default() != *history.state() {
            return Err(AuditError::State(card));
        }
        let entries = self.journal(card).iter();
        let journal: Money = entries.map(JournalEntry::effect).sum();
        if [journal, self.account(Account::Card(card))] != [projection.balance; 2] {
            return Err(AuditError::Balance {
                card,
                journal,
                projection: projection.balance,
            });
        }
        let Ok(mut booked) = self.booked(card);
        for posting in projection.postings {
            *booked.entry(posting).or_insert(0) -= 1;
        }
        match booked.into_iter().find(|(_, times)| *times != 0) {
            None => Ok(()),
            Some((posting, times)) => Err(AuditError::Postings {
                card,
                posting: Box::new(posting),
                times,
            }),
        }
    }
}
