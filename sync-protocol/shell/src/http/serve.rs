//! A port, and serving it to a graceful end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, Sleep};

/// Most connections at a time; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1_024;
/// After the signal to stop, requests under way have this long.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(3);
/// A connection on which nothing came for this long is closed, so that idle or stalled clients do not use up
/// [`CONNECTIONS_MAX`].
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has it.
    #[error(
        "{address} is taken: another process listens there; stop it, or choose another port with {setting}"
    )]
    Taken {
        /// Which.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: String,
    },
    /// Anything else.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Other {
        /// Which.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: String,
        /// Why.
        source: io::Error,
    },
}

/// Listens on a TCP address. `setting` is what the message names when it cannot be had, such as
/// `http.listen (EDGE_HTTP__LISTEN, --http-listen)`.
///
/// # Errors
/// The address is taken or not this machine's.
pub async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| {
        let setting = setting.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken { address, setting },
            _ => BindError::Other {
                address,
                setting,
                source,
            },
        }
    })
}

/// Serves a router until `shutdown` comes, then takes no more connections, lets idle ones go at once and gives
/// requests under way [`SHUTDOWN_MAX`].
///
/// # Errors
/// None today; axum keeps the right to.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = Bounded {
        listener,
        places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
    };
    let (stopping, stopped) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        // The other end is gone only when serving has ended already.
        let _ = stopping.send(());
    };
    let service = router.into_make_service_with_connect_info::<Caller>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(signal);
    let deadline = async {
        let _ = stopped.await;
        tokio::time::sleep(SHUTDOWN_MAX).await;
    };
    tokio::select! {
        biased;
        served = serving.into_future() => served,
        () = deadline => Ok(()),
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Caller {
        Caller(*stream.remote_addr())
    }
}

/// Accepts at most [`CONNECTIONS_MAX`] connections at a time.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Client;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Client, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("BUG: the semaphore is never closed");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Without it an answer of two packets waits for the client's delayed acknowledgement. Refused only by a
        // connection that is gone already.
        let _ = stream.set_nodelay(true);
        let client = Client {
            stream,
            idle: Box::pin(tokio::time::sleep(IDLE_MAX)),
            _place: place,
        };
        (client, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its place among [`CONNECTIONS_MAX`].
struct Client {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    /// Only an answer prolongs a connection: one whose request comes a byte at a time is not kept.
    fn answered(&mut self) {
        self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => match self.idle.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.answered();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answered();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
