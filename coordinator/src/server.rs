//! The one port: TLS, then gRPC and HTTPS by path.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::Server as GrpcServer;

use crate::{directory::Directory, error::CoordinatorError};

/// Connections at a time: a federation of 1,000 participants and as many users.
const CONNECTIONS: usize = 4096;
/// A client that does not finish its TLS handshake in this time is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A silent connection is pinged this often, and dropped when it does not answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Requests at a time on one connection.
const STREAMS: u32 = 64;
/// How long a stop waits for requests that are under way.
const DRAIN: Duration = Duration::from_secs(5);

/// A running coordinator.
pub struct Server {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<Result<(), CoordinatorError>>,
}

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// `host:port` to listen on instead of the settings'; port 0 takes a free one.
    pub listen: Option<String>,
}

impl Server {
    /// Opens the coordinator's directory, verifies its ledger, and listens.
    ///
    /// # Errors
    /// [`CoordinatorError`] says what is wrong with directory, configuration, ledger or address.
    pub async fn start(directory: &Path, options: &ServeOptions) -> Result<Self, CoordinatorError> {
        let directory = Directory::open(directory)?;
        let lock = directory.lock()?;
        let listen = options
            .listen
            .clone()
            .unwrap_or_else(|| directory.settings.listen.clone());
        let listener =
            TcpListener::bind(&listen)
                .await
                .map_err(|source| CoordinatorError::Listen {
                    address: listen.clone(),
                    source,
                })?;
        let address = listener
            .local_addr()
            .map_err(|source| CoordinatorError::Listen {
                address: listen,
                source,
            })?;
        let tls = directory.tls()?;
        let (failed, mut failure) = mpsc::channel(1);
        let (stopping, until_stopping) = watch::channel(false);
        // Replaying the ledger takes as long as the ledger is.
        let (routes, owner) =
            tokio::task::spawn_blocking(move || directory.assemble(failed, until_stopping))
                .await
                .map_err(|error| CoordinatorError::Directory(error.to_string()))??;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (cut, until_cut) = watch::channel(false);
        let incoming = accept(listener, TlsAcceptor::from(Arc::new(tls)), until_cut);
        let task = tokio::spawn(async move {
            let (draining, drained) = tokio::sync::oneshot::channel();
            let serve = GrpcServer::builder()
                .accept_http1(true)
                .http2_keepalive_interval(Some(KEEPALIVE))
                .http2_keepalive_timeout(Some(KEEPALIVE))
                .max_concurrent_streams(Some(STREAMS))
                .add_routes(routes)
                .serve_with_incoming_shutdown(incoming, async move {
                    // A dropped handle stops the server too.
                    let _ = stopped.await;
                    // Step streams end, and what else is under way gets some time.
                    let _ = stopping.send(true);
                    let _ = draining.send(());
                });
            let deadline = async {
                let _ = drained.await;
                tokio::time::sleep(DRAIN).await;
            };
            let result = tokio::select! {
                result = serve => result.map_err(|error| CoordinatorError::Directory(error.to_string())),
                () = deadline => Ok(()),
                Some(error) = failure.recv() => Err(error),
            };
            // Connections run beside `serve` and would outlive it: whoever is left is cut off and reconnects.
            let _ = cut.send(true);
            owner.stop().await;
            // From here on nobody touches the directory, so the next coordinator may have it.
            drop(lock);
            result
        });
        Ok(Self {
            address,
            stop: Some(stop),
            task,
        })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking connections, lets requests under way finish for a few seconds, and waits.
    ///
    /// # Errors
    /// What made the server fail, if it did.
    pub async fn stop(mut self) -> Result<(), CoordinatorError> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.finished().await
    }

    /// Waits until the server ends by itself, which only a failure makes it do.
    ///
    /// # Errors
    /// What made the server fail.
    pub async fn finished(&mut self) -> Result<(), CoordinatorError> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => Err(CoordinatorError::Directory(error.to_string())),
        }
    }
}

/// Connections with finished handshakes. Handshakes run beside each other, so a slow one delays nobody.
fn accept(listener: TcpListener, acceptor: TlsAcceptor, cut: watch::Receiver<bool>) -> Incoming {
    let (sender, receiver) = mpsc::channel(64);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::spawn(async move {
        loop {
            let place = tokio::select! {
                place = places.clone().acquire_owned() => place,
                () = sender.closed() => return,
            };
            let Ok(place) = place else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be freed.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (acceptor, sender, cut) = (acceptor.clone(), sender.clone(), cut.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let connection = Connection {
                            stream,
                            cut: Box::pin(until_true(cut)),
                            _place: place,
                        };
                        let _ = sender.send(connection).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            });
        }
    });
    Incoming { receiver }
}

struct Incoming {
    receiver: mpsc::Receiver<Connection>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context).map(|next| next.map(Ok))
    }
}

/// Ends when the value turns true or its sender is gone.
pub(crate) async fn until_true(mut value: watch::Receiver<bool>) {
    let _ = value.wait_for(|value| *value).await;
}

/// A TLS connection and its place among [`CONNECTIONS`].
struct Connection {
    stream: TlsStream<TcpStream>,
    /// Ends when the server does: reading fails from then on.
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl tonic::transport::server::Connected for Connection {
    type ConnectInfo = <TlsStream<TcpStream> as tonic::transport::server::Connected>::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl tokio::io::AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            // A future that has ended must not be asked again.
            self.cut = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl tokio::io::AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
