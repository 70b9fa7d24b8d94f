//! A UDP proxy: every link between nodes passes through it, and it can lose, delay and reorder what passes, each
//! direction by itself, while everything runs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::random::Random;

/// No UDP datagram is longer.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Diallers remembered on one link; beyond, the link forgets all and they are taken for new ones.
const DIALLERS_MAX: usize = 64;
/// Datagrams held back on one link at a time; more are lost.
const HELD_BACK_MAX: usize = 4_096;

/// What befalls the datagrams that go one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// All are lost.
    pub cut: bool,
    /// Of a thousand, so many are lost.
    pub lost_permille: u64,
    /// Each comes so much later.
    pub delay: Duration,
    /// Of a thousand, so many come [`Weather::late_by`] later still, after others that were sent behind them.
    pub late_permille: u64,
    /// How late the late ones are.
    pub late_by: Duration,
}

impl Weather {
    /// Nothing passes.
    #[must_use]
    pub fn cut() -> Weather {
        Weather {
            cut: true,
            ..Weather::default()
        }
    }
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the node that dials.
    Forth,
    /// To it.
    Back,
}

/// The proxy; dropping it ends all its links.
pub struct Proxy {
    runtime: Option<Runtime>,
    seed: u64,
}

/// One way to a node, with an address of its own.
#[derive(Clone)]
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    inner: Mutex<Inner>,
    held_back: Arc<Semaphore>,
}

struct Inner {
    forth: Weather,
    back: Weather,
    random: Random,
    /// Datagrams the weather has lost.
    lost: u64,
}

impl Proxy {
    /// A proxy whose losses are drawn from `seed`.
    ///
    /// # Errors
    /// No thread for it.
    pub fn new(seed: u64) -> anyhow::Result<Proxy> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build();
        let runtime = Some(runtime.context("cannot start the proxy's thread")?);
        Ok(Proxy { runtime, seed })
    }

    /// A link to the node that listens at `node`.
    ///
    /// # Errors
    /// No socket for it.
    pub fn link(&self, node: SocketAddr) -> anyhow::Result<Link> {
        let runtime = self
            .runtime
            .as_ref()
            .context("the proxy runs until it is dropped")?;
        let port = super::ports::free()?;
        let socket = runtime.block_on(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)));
        let socket = socket.with_context(|| format!("cannot listen at port {port}"))?;
        let random = Random::new(self.seed ^ u64::from(port));
        let inner = Inner {
            forth: Weather::default(),
            back: Weather::default(),
            random,
            lost: 0,
        };
        let state = Arc::new(State {
            inner: Mutex::new(inner),
            held_back: Arc::new(Semaphore::new(HELD_BACK_MAX)),
        });
        let link = Link {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            state: Arc::clone(&state),
        };
        runtime.spawn(carry(Arc::new(socket), node, state));
        Ok(link)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    /// Where to dial to reach the node over this link.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather of one way.
    pub fn set(&self, way: Way, weather: Weather) {
        if let Ok(mut inner) = self.state.inner.lock() {
            match way {
                Way::Forth => inner.forth = weather,
                Way::Back => inner.back = weather,
            }
        }
    }

    /// How many datagrams the weather has lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.state.inner.lock().map_or(0, |inner| inner.lost)
    }

    /// Changes the weather of both ways.
    pub fn set_both(&self, weather: Weather) {
        self.set(Way::Forth, weather);
        self.set(Way::Back, weather);
    }
}

impl State {
    /// How much later a datagram comes; `None`: never.
    fn fate(&self, way: Way) -> Option<Duration> {
        let mut inner = self.inner.lock().ok()?;
        let weather = match way {
            Way::Forth => inner.forth,
            Way::Back => inner.back,
        };
        if weather.cut || inner.random.permille(weather.lost_permille) {
            inner.lost += 1;
            return None;
        }
        let late = inner.random.permille(weather.late_permille);
        Some(weather.delay + if late { weather.late_by } else { Duration::ZERO })
    }
}

/// Carries datagrams from every dialler to the node, over a socket of each dialler's own, so that the node can tell
/// them apart and its answers find back.
async fn carry(socket: Arc<UdpSocket>, node: SocketAddr, state: Arc<State>) {
    let mut diallers: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut ways_back = tokio::task::JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // An error here is about a datagram sent before, to a process that was gone.
        let Ok((length, dialler)) = socket.recv_from(&mut datagram).await else {
            continue;
        };
        if !diallers.contains_key(&dialler) {
            if diallers.len() >= DIALLERS_MAX {
                diallers.clear();
                ways_back.abort_all();
            }
            let Ok(own) = socket_to(node).await else { continue };
            diallers.insert(dialler, Arc::clone(&own));
            ways_back.spawn(carry_back(own, Arc::clone(&socket), dialler, Arc::clone(&state)));
        }
        if let Some(own) = diallers.get(&dialler) {
            pass(&state, Way::Forth, datagram.get(..length), own, node).await;
        }
    }
}

async fn socket_to(node: SocketAddr) -> std::io::Result<Arc<UdpSocket>> {
    let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    own.connect(node).await?;
    Ok(Arc::new(own))
}

async fn carry_back(own: Arc<UdpSocket>, socket: Arc<UdpSocket>, dialler: SocketAddr, state: Arc<State>) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        if let Ok(length) = own.recv(&mut datagram).await {
            pass(&state, Way::Back, datagram.get(..length), &socket, dialler).await;
        }
    }
}

async fn pass(state: &State, way: Way, datagram: Option<&[u8]>, over: &Arc<UdpSocket>, to: SocketAddr) {
    let (Some(datagram), Some(delay)) = (datagram, state.fate(way)) else {
        return;
    };
    if delay.is_zero() {
        deliver(over, datagram, way, to).await;
    } else if let Ok(permit) = Arc::clone(&state.held_back).try_acquire_owned() {
        let (datagram, over) = (datagram.to_vec(), Arc::clone(over));
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            deliver(&over, &datagram, way, to).await;
            drop(permit);
        });
    }
}

/// A datagram that cannot be sent is lost, as on any network.
async fn deliver(over: &UdpSocket, datagram: &[u8], way: Way, to: SocketAddr) {
    let _lost = match way {
        Way::Forth => over.send(datagram).await,
        Way::Back => over.send_to(datagram, to).await,
    };
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::harness::wait::wait_for;

    struct Ends {
        _proxy: Proxy,
        link: Link,
        dialler: UdpSocket,
        node: UdpSocket,
    }

    fn ends() -> Ends {
        let socket = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket
        };
        let (dialler, node) = (socket(), socket());
        let proxy = Proxy::new(1).unwrap();
        let link = proxy.link(node.local_addr().unwrap()).unwrap();
        dialler.connect(link.address()).unwrap();
        Ends {
            _proxy: proxy,
            link,
            dialler,
            node,
        }
    }

    fn received(socket: &UdpSocket) -> (String, SocketAddr) {
        let mut bytes = [0; 100];
        let (length, from) = socket.recv_from(&mut bytes).unwrap();
        (String::from_utf8_lossy(&bytes[..length]).into_owned(), from)
    }

    #[test]
    fn answers_find_back() {
        let ends = ends();
        ends.dialler.send(b"ping").unwrap();
        let (text, from) = received(&ends.node);
        assert_eq!(text, "ping");
        ends.node.send_to(b"pong", from).unwrap();
        assert_eq!(received(&ends.dialler).0, "pong");
    }

    #[test]
    fn each_way_is_cut_by_itself() {
        let ends = ends();
        ends.dialler.send(b"first").unwrap();
        let (_, from) = received(&ends.node);
        ends.link.set(Way::Back, Weather::cut());
        ends.node.send_to(b"lost", from).unwrap();
        ends.dialler.send(b"second").unwrap();
        assert_eq!(received(&ends.node).0, "second");
        wait_for("the cut way has lost it", Duration::from_secs(10), || {
            Ok((ends.link.lost() == 1).then_some(()))
        })
        .unwrap();
        ends.link.set_both(Weather::default());
        ends.node.send_to(b"back again", from).unwrap();
        assert_eq!(received(&ends.dialler).0, "back again");
    }

    #[test]
    fn late_datagrams_are_overtaken() {
        let ends = ends();
        let late = Weather {
            late_permille: 1_000,
            late_by: Duration::from_millis(200),
            ..Weather::default()
        };
        ends.link.set(Way::Forth, late);
        ends.dialler.send(b"sent first").unwrap();
        // The proxy has it once the way back, which is asked for nothing, is known: a second dialler tells that.
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        other.send_to(b"sent second", ends.link.address()).unwrap();
        let waiting = || ends.link.state.held_back.available_permits() == HELD_BACK_MAX - 2;
        crate::harness::wait::wait_until("both to be held back", Duration::from_secs(10), waiting).unwrap();
        ends.link.set_both(Weather::default());
        ends.dialler.send(b"sent third").unwrap();
        assert_eq!(received(&ends.node).0, "sent third");
    }

    #[test]
    fn the_same_seed_loses_the_same() {
        let fates = || {
            let mut random = Random::new(7);
            (0..1_000).map(|_| random.permille(100)).collect::<Vec<_>>()
        };
        assert_eq!(fates(), fates());
        let lost = fates().into_iter().filter(|lost| *lost).count();
        assert!((50..150).contains(&lost), "{lost} of 1000 at 100 permille");
    }
}
