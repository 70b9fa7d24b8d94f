//! Passengers at every gate at once, and what they were told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tests::harness::books::Facts;
use tests::harness::client::Client;
use tests::harness::gate::{Tapped, present};
use tests::harness::network::Network;
use tests::harness::random::Random;
use tests::harness::wait::{pause, wait_for, wait_until};

/// Cards that travel.
const CARDS: usize = 24;
/// A gate that does not answer for so long is not coming back.
const GATE_LIMIT: Duration = Duration::from_secs(60);
/// Any number of taps that a case waits for takes less.
const LOAD_LIMIT: Duration = Duration::from_secs(120);
/// Between two passengers of a gate.
const PAUSE: Duration = Duration::from_millis(15);
/// A load that nobody ends does so by itself.
const TAPS_PER_GATE_MAX: usize = 6_000;

/// Taps under way at all gates.
pub(crate) struct Load {
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
    told: Arc<Told>,
}

/// What gates said so far.
#[derive(Default)]
struct Told {
    /// Facts of answered taps.
    answered: Mutex<Vec<String>>,
    /// Taps whose answer never came: they may be recorded or not.
    unanswered: AtomicUsize,
    /// Nobody else comes.
    ended: AtomicBool,
}

/// What gates said in all.
pub(crate) struct Answers {
    /// Facts of answered taps.
    pub(crate) facts: Vec<String>,
    /// Taps whose answer never came.
    pub(crate) unanswered: usize,
}

impl Load {
    /// Issues cards, waits until gates know them, and lets passengers come to every gate until [`Load::finish`].
    pub(crate) fn start(network: &Network) -> anyhow::Result<Load> {
        let cards: Vec<String> = (0..CARDS).map(|number| format!("LOAD{number:06}")).collect();
        for card in &cards {
            network.hub.issue_card(card, "100000.00")?;
        }
        for gate in network.gates.values() {
            for card in &cards {
                network.wait_for_balance(gate.name, card, "100000.00")?;
            }
        }
        let told = Arc::new(Told::default());
        let mut threads = Vec::new();
        for gate in network.gates.values() {
            let passengers = Passengers {
                client: gate.client()?,
                cards: cards.clone(),
                random: Random::new(u64::from(gate.name.id)),
                told: Arc::clone(&told),
            };
            threads.push(std::thread::spawn(move || passengers.come()));
        }
        Ok(Load { threads, told })
    }

    /// Waits until so many more taps are answered.
    pub(crate) fn more(&self, answers: usize) -> anyhow::Result<()> {
        let wanted = self.answered() + answers;
        wait_until(&format!("{answers} more answered taps"), LOAD_LIMIT, || {
            self.answered() >= wanted
        })
    }

    fn answered(&self) -> usize {
        self.told.answered.lock().map_or(0, |answered| answered.len())
    }

    /// Lets nobody else come, and waits until every passenger has passed.
    pub(crate) fn finish(self) -> anyhow::Result<Answers> {
        self.told.ended.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread of the load panicked"))??;
        }
        let facts = self
            .told
            .answered
            .lock()
            .map(|mut answered| std::mem::take(&mut *answered));
        let facts = facts.map_err(|_| anyhow::anyhow!("a thread of the load panicked"))?;
        Ok(Answers {
            facts,
            unanswered: self.told.unanswered.load(Ordering::Relaxed),
        })
    }
}

/// Passengers of one gate, one after the other.
struct Passengers {
    client: Client,
    cards: Vec<String>,
    random: Random,
    told: Arc<Told>,
}

impl Passengers {
    fn come(mut self) -> anyhow::Result<()> {
        for _ in 0..TAPS_PER_GATE_MAX {
            if self.told.ended.load(Ordering::Relaxed) {
                break;
            }
            pause(PAUSE);
            let place = usize::try_from(self.random.below(self.cards.len() as u64))?;
            let card = self.cards.get(place).context("a card of the load")?;
            let (client, told) = (&mut self.client, &self.told);
            // A passenger whose gate died tries again: that may be a second tap, and is another fact then.
            let tapped = wait_for("the gate to answer", GATE_LIMIT, || match present(client, card) {
                Ok(answer) => Tapped::read(&answer).map(Some),
                Err(error) => {
                    told.unanswered.fetch_add(1, Ordering::Relaxed);
                    Err(error)
                }
            })?;
            let mut answered = told
                .answered
                .lock()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
            answered.push(tapped.fact()?.to_owned());
        }
        Ok(())
    }
}

/// Every answered tap is at the hub, none twice, and nothing is there that nobody did.
pub(crate) fn check(network: &Network, answers: &Answers) -> anyhow::Result<Facts> {
    let facts = network.level()?;
    let taps = network.taps_at_hub()?;
    let mut expected = answers.facts.clone();
    expected.sort();
    let answered = expected.len();
    expected.dedup();
    anyhow::ensure!(expected.len() == answered, "two taps were answered with one fact");
    let missing: Vec<&String> = expected
        .iter()
        .filter(|fact| !taps.contains(*fact))
        .take(5)
        .collect();
    anyhow::ensure!(missing.is_empty(), "answered and not at the hub: {missing:?}");
    anyhow::ensure!(
        taps.len() <= answered + answers.unanswered,
        "{} taps at the hub, of {answered} answered and {} unanswered ones",
        taps.len(),
        answers.unanswered
    );
    Ok(facts)
}
