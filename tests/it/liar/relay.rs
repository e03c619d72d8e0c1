//! A coordinator that lies to one node: every message between the two passes here, and a [`Lie`] makes of it what it
//! likes. It stands at the network's end with the authority's key, which the test owns as a coordinator does.

use std::{
    collections::BTreeMap,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use prost::bytes::{Buf, BufMut, Bytes};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use tokio::runtime::Runtime;
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{BoxFuture, Service, http},
    server::{NamedService, StreamingService},
    transport::{
        Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig,
    },
};

use unsilo_proto::{Code, Rejected};

use crate::{
    companies::Companies,
    support::{free_address, set, until},
};

/// What a coordinator's messages become on their way. Methods are named as in `Rounds/Steps`.
pub(crate) trait Lie: Send + Sync + 'static {
    /// What the coordinator is sent instead of a message of the node.
    fn sent(&self, _method: &str, message: Bytes) -> Vec<Bytes> {
        vec![message]
    }

    /// What the node is told instead of a message of the coordinator; `asked` is the node's first message of the call.
    fn told(&self, _method: &str, _asked: &Bytes, message: Bytes) -> Vec<Bytes> {
        vec![message]
    }

    /// What becomes of a call.
    fn way(&self, _method: &str) -> Way {
        Way::Through
    }

    /// The answer to a call that is [`Way::Answered`], to all that the node sent in it.
    fn answer(&self, _method: &str, _sent: Vec<Bytes>) -> Vec<Bytes> {
        Vec::new()
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It goes to the coordinator.
    Through,
    /// The coordinator never hears of it, and the node gets no answer.
    Held,
    /// The coordinator never hears of it, and [`Lie::answer`] answers.
    Answered,
    /// The coordinator never hears of it, and the node is told that it is too early.
    Refused,
}

/// The truth: everything passes as it is.
pub(crate) struct Truth;

impl Lie for Truth {}

/// A relay in front of one company's node.
pub(crate) struct Relay {
    seen: Arc<Mutex<Seen>>,
    runtime: Option<Runtime>,
}

/// Every message that the node sent, by method.
type Seen = BTreeMap<String, Vec<Bytes>>;

impl Relay {
    /// Leads the company's node, which has joined, through a relay with this lie.
    pub(crate) fn before(fed: &Companies, name: &str, lie: impl Lie) -> Self {
        let address = free_address();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (certificate, key) = certificate(fed);
        let seen = Arc::default();
        let inner = Arc::new(Inner {
            channel: runtime.block_on(async { channel(fed, name) }),
            lie: Box::new(lie),
            seen: Arc::clone(&seen),
        });
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        let serving = Server::builder()
            .tls_config(tls)
            .expect("TLS")
            .add_service(Door::<Rounds>::new(&inner))
            .add_service(Door::<Committee>::new(&inner))
            .add_service(Door::<Models>::new(&inner))
            .add_service(Door::<LedgerLog>::new(&inner))
            .add_service(Door::<Admission>::new(&inner))
            .serve(address.parse().expect("an address"));
        runtime.spawn(serving);
        until("the relay listens", || {
            std::net::TcpStream::connect(&address).is_ok()
        });
        let config = fed.company(name).join("participant.toml");
        set(&config, "coordinator", &format!("{address:?}"));
        Self {
            seen,
            runtime: Some(runtime),
        }
    }

    /// What the node sent with a method.
    pub(crate) fn sent(&self, method: &str) -> Vec<Bytes> {
        lock(&self.seen).get(method).cloned().unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The chain and key of a server certificate that the authority signed.
fn certificate(fed: &Companies) -> (String, String) {
    let path = fed.coordinator();
    let authority = std::fs::read(path.join("authority.der")).expect("the authority");
    let pem = std::fs::read_to_string(path.join("secrets/authority.pem")).expect("its key");
    let issuer = KeyPair::from_pem(&pem).expect("a key");
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(authority.clone()), issuer)
        .expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let chain = [certificate.der(), authority.as_slice()]
        .map(pem_of)
        .concat();
    (chain, key.serialize_pem())
}

fn pem_of(certificate: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// To the coordinator, as the company.
pub(crate) fn channel(fed: &Companies, name: &str) -> Channel {
    let dir = fed.company(name);
    let read = |file: &str| std::fs::read(dir.join(file)).expect("the node joined");
    let authority = std::fs::read(fed.coordinator().join("authority.der")).expect("there");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(pem_of(&authority)))
        .domain_name("127.0.0.1")
        .identity(Identity::from_pem(read("tls.pem"), read("tls.key")));
    Endpoint::from_shared(format!("https://{}", fed.address))
        .expect("a url")
        .tls_config(tls)
        .expect("TLS")
        .connect_lazy()
}

struct Inner {
    channel: Channel,
    lie: Box<dyn Lie>,
    seen: Arc<Mutex<Seen>>,
}

/// The door of one service; behind all is one relay.
struct Door<S>(Arc<Inner>, PhantomData<fn() -> S>);

impl<S> Door<S> {
    fn new(inner: &Arc<Inner>) -> Self {
        Self(inner.clone(), PhantomData)
    }
}

impl<S> Clone for Door<S> {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

macro_rules! services {
    ($($service:ident = $name:literal),*) => {$(
        struct $service;

        impl NamedService for Door<$service> {
            const NAME: &'static str = $name;
        }
    )*};
}

services!(
    Rounds = "unsilo.v1.Rounds",
    Committee = "unsilo.v1.Committee",
    Models = "unsilo.v1.Models",
    LedgerLog = "unsilo.v1.LedgerLog",
    Admission = "unsilo.v1.Admission"
);

impl<S: 'static> Service<http::Request<Body>> for Door<S> {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let method = path.trim_start_matches("/unsilo.v1.").to_owned();
        let call = Call {
            inner: self.0.clone(),
            path,
            method,
        };
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw).max_decoding_message_size(usize::MAX);
            Ok(grpc.streaming(call, request).await)
        })
    }
}

/// One call of the node's: on the wire every kind of call is a stream of messages in each direction.
struct Call {
    inner: Arc<Inner>,
    path: String,
    method: String,
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl StreamingService<Bytes> for Call {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = BoxFuture<Response<Messages>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (inner, path) = (self.inner.clone(), self.path.clone());
        let method = Arc::<str>::from(self.method.as_str());
        Box::pin(async move {
            let mut asked = request.into_inner();
            let first = asked.message().await?.unwrap_or_default();
            let see = {
                let (inner, method) = (inner.clone(), method.clone());
                move |message: &Bytes| {
                    let mut seen = lock(&inner.seen);
                    seen.entry(method.to_string())
                        .or_default()
                        .push(message.clone());
                }
            };
            see(&first);
            let way = inner.lie.way(&method);
            if way != Way::Through {
                let mut sent = vec![first];
                while let Some(message) = asked.message().await? {
                    see(&message);
                    sent.push(message);
                }
                match way {
                    Way::Held => std::future::pending::<()>().await,
                    Way::Refused => {
                        return Err(Rejected::new(Code::WrongStep, "not yet").into());
                    }
                    Way::Answered | Way::Through => {}
                }
                let answers = inner.lie.answer(&method, sent).into_iter().map(Ok);
                let answers: Messages = Box::pin(tokio_stream::iter(answers));
                return Ok(Response::new(answers));
            }
            let rest = asked.filter_map(Result::ok).map({
                let see = see.clone();
                move |message| {
                    see(&message);
                    message
                }
            });
            let up = tokio_stream::iter([first.clone()]).chain(rest).map({
                let (inner, method) = (inner.clone(), method.clone());
                move |message| inner.lie.sent(&method, message)
            });
            let mut client = tonic::client::Grpc::new(inner.channel.clone())
                .max_decoding_message_size(usize::MAX);
            client
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let path = path.parse().expect("a path");
            let reply = client
                .streaming(Request::new(flat(up)), path, Raw)
                .await?
                .into_inner();
            let down = reply.map(move |message| {
                let told = message.map(|message| inner.lie.told(&method, &first, message));
                match told {
                    Ok(told) => told.into_iter().map(Ok).collect(),
                    Err(status) => vec![Err(status)],
                }
            });
            let down: Messages = Box::pin(flat(down));
            Ok(Response::new(down))
        })
    }
}

/// One after the other.
fn flat<T: Send + 'static>(
    mut lists: impl Stream<Item = Vec<T>> + Send + Unpin + 'static,
) -> impl Stream<Item = T> + Send + 'static {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        let pass = async {
            while let Some(list) = lists.next().await {
                for one in list {
                    if sender.send(one).await.is_err() {
                        return;
                    }
                }
            }
        };
        // A stream that nobody reads any more ends, also while it is silent.
        tokio::select! { () = pass => {}, () = sender.closed() => {} }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
