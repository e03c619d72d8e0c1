//! The one port: TLS, then gRPC and HTTPS by path.

mod accept;
mod connection;
mod handshakes;
mod places;

use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tonic::transport::Server as GrpcServer;

pub use places::ConnectionLimits;

use crate::{
    directory::{Assembled, Directory},
    error::CoordinatorError,
};

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
    /// Most connections at a time.
    pub connections: ConnectionLimits,
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
        let Assembled {
            routes,
            members,
            owner,
        } = tokio::task::spawn_blocking(move || directory.assemble(failed, until_stopping))
            .await
            .map_err(|error| CoordinatorError::Directory(error.to_string()))??;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (cut, until_cut) = watch::channel(false);
        let limits = options.connections;
        let incoming = accept::accept(listener, tls, members, limits, until_cut);
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

/// Ends when the value turns true or its sender is gone.
pub(crate) async fn until_true(mut value: watch::Receiver<bool>) {
    let _ = value.wait_for(|value| *value).await;
}
