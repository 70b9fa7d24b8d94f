//! How soon a gate has what it missed.

use std::time::Duration;

use anyhow::Context as _;
use edge_node::run::Gate;
use rusqlite::Connection;
use sync_protocol::id::Seq;

use super::Figure;
use super::clock::{timed, timed_async};
use super::filled::{Workshop, taps_one_by_one};
use super::gates;
use super::size::insert_plain_rows;

/// Taps that the gate missed, each a changeset of its own.
const MISSED: usize = 100_000;
/// Who has not caught up by then is not going to.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(120);

/// `catchup_100k_s`: a gate that missed 100,000 taps of its neighbour, each a transaction of its own, is started; until
/// all of them are durable and applied there. Over real QUIC on the loopback address, connecting included.
///
/// Floor: as many plain SQLite rows with the taps' fields, inserted in one transaction on the same disk.
///
/// # Errors
/// A gate did not start, or did not catch up.
pub fn catch_up() -> anyhow::Result<Vec<Figure>> {
    let made = gates::make(2)?;
    let [near, far] = made.gates.as_slice() else {
        anyhow::bail!("two gates were made");
    };
    let (near, far) = (gates::config(near)?, gates::config(far)?);
    let workshop = Workshop::new()?;
    let mut store = workshop.open(&near, 31)?;
    taps_one_by_one(&mut store, MISSED)?;
    let (site, head) = (store.site(), Seq(MISSED as u64));
    workshop.deliver(store, &near)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let took = runtime.block_on(async {
        let near = Gate::start(near).await?;
        let (caught_up, took) = timed_async(async {
            let far = Gate::start(far).await?;
            let mut heads = far.heads();
            let all = heads.wait_for(|heads| heads.get(&site).is_some_and(|seq| *seq >= head));
            tokio::time::timeout(CATCH_UP_LIMIT, all)
                .await
                .context("the gate did not catch up")??;
            Ok::<_, anyhow::Error>(far)
        })
        .await;
        caught_up?.stop().await?;
        near.stop().await?;
        Ok::<_, anyhow::Error>(took)
    })?;
    let plain = Connection::open(made.scratch.path().join("plain.db"))?;
    let (inserted, plain_took) = timed(|| insert_plain_rows(&plain, MISSED));
    inserted?;
    Ok(vec![Figure::new(
        "catchup_100k_s",
        "s",
        took.as_secs_f64(),
        plain_took.as_secs_f64(),
    )])
}
