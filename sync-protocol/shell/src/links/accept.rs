//! Those who dial this node: as many as it can look at, and not too many from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::Incoming;
use tokio::time::Instant;

use super::establish::{count_failed_handshake, establish};
use super::limits::{ADDRESSES_MAX, ATTEMPTS_PER_ADDRESS_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX};
use super::{Shared, tls};
use crate::certify;

/// Accepts connections until the node stops.
pub(super) async fn accept_all(shared: Arc<Shared>) {
    let mut attempts = Attempts::default();
    let places = Places::default();
    let mut stopping = shared.stopping.subscribe();
    loop {
        let incoming = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return,
            incoming = shared.endpoint.accept() => incoming,
        };
        match incoming {
            Some(incoming) => admit(&shared, &mut attempts, &places, incoming),
            None => return,
        }
    }
}

/// Lets one in to prove who it is, once its address is proved: then no forged address counts against anybody.
fn admit(shared: &Arc<Shared>, attempts: &mut Attempts, places: &Places, incoming: Incoming) {
    if !incoming.remote_address_validated() {
        // Cannot fail: an address that is not validated may be asked to come again.
        let _ = incoming.retry();
        return;
    }
    let address = incoming.remote_address().ip();
    let is_welcome = attempts.count(address, Instant::now());
    match places.take(address) {
        Some(place) if is_welcome => {
            shared
                .runtime
                .spawn(shake_hands(Arc::clone(shared), incoming, place));
        }
        _ => {
            shared.refusals.floods.add(1);
            incoming.ignore();
        }
    }
}

async fn shake_hands(shared: Arc<Shared>, incoming: Incoming, _place: Place) {
    let address = incoming.remote_address();
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => {
            count_failed_handshake(&shared, &error);
            tracing::debug!(%address, %error, "a handshake failed");
            return;
        }
    };
    if let Some((_, certifier)) = &shared.certifies
        && tls::wants_certificate(&connection)
    {
        return certify::serve(connection, Arc::clone(certifier)).await;
    }
    if let Err(reason) = establish(&shared, connection, false).await {
        tracing::debug!(%address, %reason, "no link");
    }
}

/// Who is proving who it is, by address.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One place, given back when dropped.
struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// A place, unless all are taken or the address has its share.
    fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = taken.get(&address).copied().unwrap_or(0);
        if of_address >= HANDSHAKES_PER_ADDRESS_MAX || taken.values().sum::<usize>() >= HANDSHAKES_MAX {
            return None;
        }
        taken.insert(address, of_address + 1);
        drop(taken);
        Some(Place {
            places: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// Counts attempts per address in one second.
#[derive(Default)]
struct Attempts {
    since: Option<Instant>,
    counts: BTreeMap<IpAddr, u32>,
}

impl Attempts {
    /// Counts one more; whether it is within the limits.
    fn count(&mut self, address: IpAddr, now: Instant) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        if self.since.is_none_or(|since| now.duration_since(since) >= SECOND) {
            self.since = Some(now);
            self.counts.clear();
        }
        if self.counts.len() >= ADDRESSES_MAX && !self.counts.contains_key(&address) {
            return false;
        }
        let count = self.counts.entry(address).or_default();
        *count = count.saturating_add(1);
        *count <= ATTEMPTS_PER_ADDRESS_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn one_address_never_takes_the_places_of_all() {
        let [one, other] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last)));
        let places = Places::default();
        let mut held: Vec<Place> = (0..HANDSHAKES_MAX).filter_map(|_| places.take(one)).collect();
        assert_eq!(held.len(), HANDSHAKES_PER_ADDRESS_MAX);
        assert!(places.take(other).is_some());
        held.pop();
        assert!(places.take(one).is_some());
        held.clear();
        assert!(places.0.lock().unwrap().is_empty());
    }

    #[test]
    fn attempts_of_one_address_are_limited_per_second() {
        let [one, other] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last)));
        let start = Instant::now();
        let mut attempts = Attempts::default();
        let welcome = (0..1_000).filter(|_| attempts.count(one, start)).count();
        assert_eq!(welcome, ATTEMPTS_PER_ADDRESS_MAX as usize);
        assert!(attempts.count(other, start));
        assert!(attempts.count(one, start + Duration::from_secs(1)));
    }

    #[test]
    fn counted_addresses_are_limited() {
        let start = Instant::now();
        let mut attempts = Attempts::default();
        let address = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        let welcome = (0..100_000)
            .filter(|number| attempts.count(address(*number), start))
            .count();
        assert_eq!(welcome, ADDRESSES_MAX);
    }
}
