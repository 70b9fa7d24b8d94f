//! A channel that pays money into a card again and again, and repeats each payment until it is told that it is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tests::harness::database::TRANSACTIONS;
use tests::harness::hub;
use tests::harness::network::Network;
use tests::harness::wait::{pause, wait_for};

const CARD: &str = "PAYMENTS0001";
/// A payment that is not taken by then is not going to be.
const PAYMENT_LIMIT: Duration = Duration::from_secs(60);
/// Between two payments.
const PAUSE: Duration = Duration::from_millis(50);
const RUPIAH_EACH: usize = 100;

/// Payments under way.
pub(crate) struct Payments {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<usize>>,
}

impl Payments {
    /// Issues the card and begins to pay.
    pub(crate) fn start(network: &Network) -> anyhow::Result<Payments> {
        network.issue(CARD, "1.00")?;
        let mut client = network.hub.client()?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            let mut paid = 0;
            while !told.load(Ordering::Relaxed) {
                let key = format!("payment-{paid}");
                wait_for(&format!("{key} to be taken"), PAYMENT_LIMIT, || {
                    hub::top_up(&mut client, CARD, &format!("{RUPIAH_EACH}.00"), &key).map(Some)
                })?;
                paid += 1;
                pause(PAUSE);
            }
            Ok(paid)
        });
        Ok(Payments { ended, thread })
    }

    /// Ends them, and checks that each is in the books once.
    pub(crate) fn finish(self, network: &Network) -> anyhow::Result<()> {
        self.ended.store(true, Ordering::Relaxed);
        let paid = self.thread.join();
        let paid = paid.map_err(|_| anyhow::anyhow!("the channel's thread panicked"))??;
        anyhow::ensure!(paid > 0, "nothing was paid");
        network.level()?;
        let booked = network.database.value(
            TRANSACTIONS,
            &format!("SELECT balance::numeric(15,2)::text FROM card_states WHERE card = '{CARD}'"),
        )?;
        let expected = format!("{}.00", 1 + paid * RUPIAH_EACH);
        anyhow::ensure!(
            booked.as_ref() == Some(&expected),
            "{paid} payments make {expected}, the books say {booked:?}"
        );
        Ok(())
    }
}
