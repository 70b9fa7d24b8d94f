//! What the writer says on its pipe, and what the other end has heard so far.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sync_protocol::changeset::Head;
use sync_protocol::codec;
use sync_protocol::fact::Tap;
use sync_protocol::id::{FactId, OrderKey, SiteId};

/// Most bytes of one word; a longer one is no word of the writer's.
const WORD_BYTES_MAX: usize = 4_096;

/// One word of the writer. It says nothing before the store has returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// The store is open; its changesets will be of this site.
    Opened(SiteId),
    /// A tap is durable: the barrier opens.
    Tap(OrderKey, Tap),
    /// A log is durable up to here: an edit of our own, or a changeset of somebody else's.
    Changeset(SiteId, Head),
    /// The work is over and the file closed.
    Closed,
}

impl Word {
    /// Says it, in one write: a word is heard as a whole or not at all.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn say(&self, to: &mut impl Write) -> io::Result<()> {
        let word = codec::encode(self);
        let length = u32::try_from(word.len()).expect("BUG: a word is short");
        to.write_all(&[&length.to_le_bytes(), word.as_slice()].concat())?;
        to.flush()
    }

    /// Hears the next one; `None` at the end, also at one in the middle of a word.
    ///
    /// # Errors
    /// The pipe failed, or what came is no word.
    pub fn hear(from: &mut impl Read) -> anyhow::Result<Option<Word>> {
        let mut length = [0; 4];
        if !filled(from, &mut length)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes(length) as usize;
        ensure!(length <= WORD_BYTES_MAX, "a word of {length} bytes");
        let mut word = vec![0; length];
        if !filled(from, &mut word)? {
            return Ok(None);
        }
        codec::decode(&word).map(Some).context("what the writer said")
    }
}

fn filled(from: &mut impl Read, bytes: &mut [u8]) -> anyhow::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error).context("the writer's pipe"),
    }
}

/// All that was acknowledged about one database.
#[derive(Default)]
pub struct Acknowledged {
    /// The taps.
    pub taps: BTreeMap<FactId, (OrderKey, Tap)>,
    /// The newest head of every log.
    pub heads: BTreeMap<SiteId, Head>,
    /// The sites of all starts.
    starts: BTreeSet<SiteId>,
    current: SiteId,
}

impl Acknowledged {
    /// Takes a word, and checks what one can check without the file.
    ///
    /// # Errors
    /// A site was used by two starts, a number given twice, or a tap written to another start's site.
    pub fn take(&mut self, word: Word) -> anyhow::Result<()> {
        match word {
            Word::Opened(site) => {
                ensure!(self.starts.insert(site), "{site} is the site of two starts");
                self.current = site;
            }
            Word::Tap(key, tap) => {
                ensure!(
                    key.id.site == self.current,
                    "{} was given at a start that writes {}",
                    key.id,
                    self.current
                );
                let before = self.taps.insert(key.id, (key, tap));
                ensure!(before.is_none(), "{} was given to two taps", key.id);
            }
            Word::Changeset(site, head) => {
                self.heads.insert(site, head);
            }
            Word::Closed => {}
        }
        Ok(())
    }

    /// How many starts were acknowledged.
    #[must_use]
    pub fn starts(&self) -> usize {
        self.starts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_word_is_not_heard_and_a_reused_number_is_noticed() {
        let mut pipe = Vec::new();
        Word::Opened(SiteId([1; 16])).say(&mut pipe).unwrap();
        let whole = pipe.len();
        Word::Closed.say(&mut pipe).unwrap();
        for cut in whole..pipe.len() {
            let mut torn = &pipe[..cut];
            assert!(Word::hear(&mut torn).unwrap().is_some());
            assert_eq!(Word::hear(&mut torn).unwrap(), None, "{cut}");
        }
        let mut acknowledged = Acknowledged::default();
        acknowledged.take(Word::Opened(SiteId([1; 16]))).unwrap();
        acknowledged.take(Word::Opened(SiteId([2; 16]))).unwrap();
        assert!(acknowledged.take(Word::Opened(SiteId([1; 16]))).is_err());
    }
}
