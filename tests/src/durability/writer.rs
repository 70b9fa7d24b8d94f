//! The process that is killed: a gate's day at full speed, each commit acknowledged.

use std::io::Write;
use std::path::Path;

use edge_node::store::Store;
use sync_protocol::changeset::Run;
use sync_protocol::id::OrderKey;
use sync_protocol::time::{HOUR_MS, SECOND_MS};

use super::acknowledged::Word;
use super::town::{self, Everybody};
use crate::harness::random::Random;

/// The gate's database in its folder.
pub const DATABASE: &str = "gate.db";
/// What the others have to say, in the same folder.
pub const NEWS: &str = "news";

/// Works on the database in `folder` for so many steps, unless it is killed before. `start` differs between all
/// starts that ever open this database; equal starts do the same.
///
/// # Errors
/// The store failed, or nobody listens.
pub fn write(folder: &Path, start: u64, steps: u64, to: &mut impl Write) -> anyhow::Result<()> {
    let news = town::read_runs(&folder.join(NEWS))?;
    let mut store = town::open(&folder.join(DATABASE), town::GATE, start)?;
    Word::Opened(store.site()).say(to)?;
    let mut random = Random::new(start);
    let mut taps = random.below(1_000);
    // A later start's clock is not behind an earlier one's.
    let start_ms = town::START_MS + i64::try_from(start % 1_000)? * HOUR_MS;
    for step in 0..steps {
        let at_ms = start_ms + i64::try_from(step)? * SECOND_MS;
        let group: Vec<_> = (0..1 + random.below(4))
            .map(|place| town::presentation(0, taps + place, at_ms))
            .collect::<Result<_, _>>()?;
        taps += group.len() as u64;
        for decided in store.taps(&group, 0)? {
            let key = OrderKey {
                at: decided.at,
                id: decided.fact,
            };
            Word::Tap(key, decided.decision.tap).say(to)?;
        }
        let choice = random.below(24);
        if choice < 12 {
            store.seal()?;
        }
        match choice {
            0..4 => store.file()?,
            4..7 => edit(&mut store, step, at_ms, to)?,
            7..11 => hear(&mut store, &news, to)?,
            11 => store.checkpoint()?,
            _ => {}
        }
    }
    store.close()?;
    Word::Closed.say(to)?;
    Ok(())
}

fn edit(store: &mut Store, step: u64, at_ms: i64, to: &mut impl Write) -> anyhow::Result<()> {
    let run = store.set_config("step", &format!("{}-{step}", store.site()), at_ms)?;
    if let Some(run) = run {
        Word::Changeset(run.site, store.head(run.site)).say(to)?;
    }
    Ok(())
}

/// Takes the next of the news that is not held.
fn hear(store: &mut Store, news: &[Run], to: &mut impl Write) -> anyhow::Result<()> {
    if let Some(run) = news.iter().find(|run| run.last() > store.head(run.site).seq) {
        let ingested = store.ingest(run, &Everybody)?;
        Word::Changeset(run.site, ingested.have.head).say(to)?;
    }
    Ok(())
}
