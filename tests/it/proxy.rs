//! Sits between one node and the coordinator with the federation's real authority key, which the test owns: it sees
//! in plain what TLS hides from everybody else, records it, and can stop passing it on.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::free_address;

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) address: String,
    recorded: Arc<Mutex<Recorded>>,
    runtime: Option<Runtime>,
}

/// What passed, one buffer a connection.
#[derive(Default)]
struct Recorded {
    sent: Vec<Vec<u8>>,
    stop: Option<Stop>,
    /// Nothing of the node's is passed on any more.
    stopped: bool,
}

/// Looks at what the node has sent on a connection and says whether that was enough: the piece that made it so, and
/// all after it, are swallowed.
pub(crate) type Stop = fn(&[u8]) -> bool;

/// Who the proxy is to both sides.
struct Parts {
    coordinator: String,
    authority: CertificateDer<'static>,
    /// The node's directory: once it has a certificate there, the coordinator is shown that.
    company: PathBuf,
    recorded: Arc<Mutex<Recorded>>,
    provider: Arc<CryptoProvider>,
}

impl Proxy {
    /// Between the node in `company` and the coordinator with its directory at `fed`, which listens at `coordinator`.
    /// Passes on everything, or until `stop` says so.
    pub(crate) fn start(
        fed: &std::path::Path,
        coordinator: &str,
        company: PathBuf,
        stop: Option<Stop>,
    ) -> Self {
        let address = free_address();
        let authority = std::fs::read(fed.join("authority.der")).expect("the authority");
        let authority = CertificateDer::from(authority);
        let pem = std::fs::read_to_string(fed.join("secrets/authority.pem")).expect("its key");
        let issuer = KeyPair::from_pem(&pem).expect("a key");
        let issuer = Issuer::from_ca_cert_der(&authority, issuer).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &issuer).expect("signed");

        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone(), authority.clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a certificate");
        server.alpn_protocols = vec![b"h2".to_vec()];

        let recorded = Arc::new(Mutex::new(Recorded {
            stop,
            ..Recorded::default()
        }));
        let parts = Arc::new(Parts {
            coordinator: coordinator.to_owned(),
            authority,
            company,
            recorded: recorded.clone(),
            provider,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind(&address))
            .expect("listening");
        let acceptor = TlsAcceptor::from(Arc::new(server));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(parts.clone(), acceptor.clone(), stream));
            }
        });
        Self {
            address,
            recorded,
            runtime: Some(runtime),
        }
    }

    /// Every byte the node has sent, one buffer a connection, without TLS.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        lock(&self.recorded).sent.clone()
    }

    /// Whether it has stopped to pass on what the node sends.
    pub(crate) fn has_stopped(&self) -> bool {
        lock(&self.recorded).stopped
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(recorded: &Mutex<Recorded>) -> std::sync::MutexGuard<'_, Recorded> {
    recorded.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parts {
    fn client(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(roots);
        let own = CertificateDer::from_pem_file(self.company.join("tls.pem"));
        let mut config = match own {
            Ok(own) => {
                let key = PrivateKeyDer::from_pem_file(self.company.join("tls.key"));
                builder
                    .with_client_auth_cert(vec![own], key.expect("the node's key"))
                    .expect("the node's certificate")
            }
            Err(_) => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// Records what the node sent on connection `number`; how much of it is passed on.
    fn record(&self, number: usize, bytes: &[u8]) -> usize {
        let mut recorded = lock(&self.recorded);
        recorded.sent[number].extend_from_slice(bytes);
        if let Some(stop) = recorded.stop {
            recorded.stopped |= stop(&recorded.sent[number]);
        }
        if recorded.stopped { 0 } else { bytes.len() }
    }
}

/// One connection, until either side ends it.
async fn pass(parts: Arc<Parts>, acceptor: TlsAcceptor, node: TcpStream) {
    let Ok(node) = acceptor.accept(node).await else {
        return;
    };
    let Ok(stream) = TcpStream::connect(&parts.coordinator).await else {
        return;
    };
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let Ok(coordinator) = parts.client().connect(name, stream).await else {
        return;
    };
    let number = {
        let mut recorded = lock(&parts.recorded);
        recorded.sent.push(Vec::new());
        recorded.sent.len() - 1
    };
    let (from_node, to_node) = tokio::io::split(node);
    let (from_coordinator, to_coordinator) = tokio::io::split(coordinator);
    let up = copy(from_node, to_coordinator, |bytes| {
        parts.record(number, bytes)
    });
    let down = copy(from_coordinator, to_node, <[u8]>::len);
    tokio::select! { () = up => {}, () = down => {} }
}

/// Copies as many bytes of each piece as `passes` says.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passes: impl Fn(&[u8]) -> usize,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let passed = passes(bytes);
        if to.write_all(&bytes[..passed]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The bodies of all requests on a connection: HTTP/2 data frames, joined stream by stream.
pub(crate) fn bodies(sent: &[u8]) -> Vec<Vec<u8>> {
    const PREFACE: usize = 24;
    const DATA: u8 = 0;
    const PADDED: u8 = 8;
    let mut streams = std::collections::BTreeMap::<u32, Vec<u8>>::new();
    let mut rest = sent.get(PREFACE..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, next)) = after.split_at_checked(length) else {
            break;
        };
        if head[3] == DATA {
            assert_eq!(head[4] & PADDED, 0, "no padding is expected");
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            streams
                .entry(stream)
                .or_default()
                .extend_from_slice(payload);
        }
        rest = next;
    }
    streams.into_values().collect()
}
