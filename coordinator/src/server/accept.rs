//! From the listener to connections with finished handshakes, each in its place.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    connection::Connection,
    handshakes::Handshakes,
    places::{ConnectionLimits, Place, Places},
};
use crate::admission::{Members, authority};

/// What a new connection goes through.
#[derive(Clone)]
struct Door {
    acceptor: TlsAcceptor,
    members: Members,
    places: Places,
    limits: ConnectionLimits,
    /// Turns true when the server has ended.
    cut: watch::Receiver<bool>,
    sender: mpsc::Sender<Connection>,
}

/// Connections with finished handshakes. Handshakes run beside each other, so a slow one delays nobody, and nothing waits
/// for a place: who finds none is dropped.
pub(super) fn accept(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    members: Members,
    limits: ConnectionLimits,
    cut: watch::Receiver<bool>,
) -> Incoming {
    let (sender, receiver) = mpsc::channel(64);
    let door = Door {
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        members,
        places: Places::new(limits),
        limits,
        cut,
        sender,
    };
    tokio::spawn(async move {
        let mut handshakes = Handshakes::new(limits);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = door.sender.closed() => return,
            };
            let (stream, address) = match accepted {
                Ok((stream, address)) => (stream, address.ip()),
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be freed.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let handshake = door.clone().let_in(stream, address);
            handshakes.start(address, || tokio::spawn(handshake).abort_handle());
        }
    });
    Incoming { receiver }
}

impl Door {
    async fn let_in(self, stream: TcpStream, address: IpAddr) {
        // Small messages go out at once; without it they are only slower.
        let _ = stream.set_nodelay(true);
        let handshake = self.acceptor.accept(stream);
        let stream = match tokio::time::timeout(self.limits.handshake_time, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => return tracing::debug!("a TLS handshake took too long"),
        };
        let Some(place) = self.place(&stream, address) else {
            return tracing::debug!(%address, "no place for another connection of its kind");
        };
        let connection = Connection::new(stream, place, self.limits, self.cut);
        // The server is gone if nobody takes it.
        let _ = self.sender.send(connection).await;
    }

    /// The certificate in use of a company that joined gives a place of its own; one that it has replaced does not, or
    /// whoever has an invitation could collect places.
    fn place(&self, stream: &TlsStream<TcpStream>, address: IpAddr) -> Option<Place> {
        let shown = stream.get_ref().1.peer_certificates();
        let caller = shown
            .and_then(<[_]>::first)
            .and_then(|shown| self.members.caller(&authority::fingerprint(shown)).ok());
        match caller {
            Some(caller) => self.places.of_member(caller.identity),
            None => self.places.of_stranger(address),
        }
    }
}

pub(super) struct Incoming {
    receiver: mpsc::Receiver<Connection>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context).map(|next| next.map(Ok))
    }
}
