//! A TLS connection in its place: it ends with the server, and a stranger's when it is silent or old.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{Instant, Sleep},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{
    places::{ConnectionLimits, Place},
    until_true,
};

/// A connection of the server.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    /// Ends when the server does: reading fails from then on.
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// A stranger's time.
    time: Option<Time>,
    _place: Place,
}

struct Time {
    idle: Duration,
    over: Pin<Box<Sleep>>,
    last: Instant,
}

impl Connection {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        place: Place,
        limits: ConnectionLimits,
        cut: watch::Receiver<bool>,
    ) -> Self {
        let time = match &place {
            // What HTTP/2 pings find dead is dropped, and whose certificate it is does not change.
            Place::Member { .. } => None,
            Place::Stranger { .. } => Some(Time {
                idle: limits.idle_time,
                over: Box::pin(tokio::time::sleep(
                    limits.idle_time.min(limits.stranger_time),
                )),
                last: Instant::now() + limits.stranger_time,
            }),
        };
        Self {
            stream,
            cut: Box::pin(until_true(cut)),
            time,
            _place: place,
        }
    }

    /// Why nothing may be read or written any more.
    fn ended(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        if self.cut.as_mut().poll(context).is_ready() {
            // A future that has ended must not be asked again.
            self.cut = Box::pin(std::future::ready(()));
            return Some(io::ErrorKind::ConnectionAborted.into());
        }
        let time = self.time.as_mut()?;
        let over = time.over.as_mut().poll(context).is_ready();
        over.then(|| io::ErrorKind::TimedOut.into())
    }
}

impl Connected for Connection {
    type ConnectInfo = <TlsStream<TcpStream> as Connected>::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.ended(context) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before
            && let Some(time) = &mut self.time
        {
            let idle = Instant::now() + time.idle;
            time.over.as_mut().reset(idle.min(time.last));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A stranger that reads no answer is not waited for either.
        if let Some(error) = self.ended(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
