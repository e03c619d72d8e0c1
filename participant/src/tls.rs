//! The connection to the coordinator: TLS 1.3, pinned to the federation's own authority.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{config::NetworkSection, error::NodeError};

/// Accepts a server whose certificate was issued by the authority with this fingerprint, and no other.
///
/// The pin replaces the host name: the authority issues server certificates to the coordinator alone, and those of
/// participants are for clients only, which the usage check refuses here.
#[derive(Debug)]
struct PinnedAuthority {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl PinnedAuthority {
    fn new(fingerprint: [u8; 32]) -> Self {
        Self {
            fingerprint,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates
            .iter()
            .find(|certificate| fingerprint(certificate) == self.fingerprint)
            .ok_or(rustls::Error::InvalidCertificate(
                rustls::CertificateError::UnknownIssuer,
            ))?;
        verify_issued(authority, end_entity, now, &self.provider)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 is required".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

/// Whether `authority` issued `certificate` for a server.
fn verify_issued(
    authority: &CertificateDer<'_>,
    certificate: &CertificateDer<'_>,
    now: UnixTime,
    provider: &CryptoProvider,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(certificate)?,
        &roots,
        &[],
        now,
        provider.signature_verification_algorithms.all,
    )
}

/// SHA-256 of a certificate, DER.
pub(crate) fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// Checks what joining returned: the authority is the pinned one, it issued the certificate for a client (and not for a
/// server, or any participant could pose as the coordinator), and the certificate is for `key_pem`.
pub(crate) fn check_issued(
    pinned: &[u8; 32],
    authority: &CertificateDer<'static>,
    certificate: &CertificateDer<'static>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> Result<(), String> {
    if fingerprint(authority) != *pinned {
        return Err("the authority it sent is not the invitation's".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let said = |error: rustls::Error| error.to_string();
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(said)?;
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    )
    .build()
    .map_err(|error| error.to_string())?;
    verifier
        .verify_client_cert(certificate, &[], UnixTime::now())
        .map_err(|error| format!("the certificate it issued is not valid: {error}"))?;
    if verify_issued(authority, certificate, UnixTime::now(), &provider).is_ok() {
        return Err(
            "the certificate it issued may also be used by a server: with it, any participant could pose as the \
             coordinator"
                .to_owned(),
        );
    }
    let signing = provider.key_provider.load_private_key(key).map_err(said)?;
    rustls::sign::CertifiedKey::new(vec![certificate.clone()], signing)
        .keys_match()
        .map_err(|_| "the certificate it issued is for another key".to_owned())
}

/// Connects to `address`, pinned to `authority`; with `identity` unless joining.
pub(crate) async fn connect(
    address: &str,
    authority: [u8; 32],
    identity: Option<Identity>,
    network: &NetworkSection,
) -> Result<Channel, NodeError> {
    let wait = Duration::from_secs(network.answer_seconds.into());
    let alive = Duration::from_secs(network.keepalive_seconds.into());
    // The server has one certificate: the name it is asked for says nothing and reveals nothing.
    let mut tls = ClientTlsConfig::new().domain_name("unsilo");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    let refused = |error: &(dyn StdError + 'static)| classify(address, error);
    Endpoint::from_shared(format!("https://{address}"))
        .and_then(|endpoint| {
            endpoint
                .connect_timeout(wait)
                .http2_keep_alive_interval(alive)
                .keep_alive_timeout(alive)
                .keep_alive_while_idle(true)
                .tcp_nodelay(true)
                .http2_adaptive_window(true)
                .tls_config_with_verifier(tls, Arc::new(PinnedAuthority::new(authority)))
        })
        .map_err(|error| refused(&error))?
        .connect()
        .await
        .map_err(|error| refused(&error))
}

/// A failed connection or request, sorted into "nobody there" and "not to be trusted".
pub(crate) fn classify(address: &str, error: &(dyn StdError + 'static)) -> NodeError {
    let mut deepest = error.to_string();
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(reason) = tls_cause(cause) {
            return NodeError::Certificate {
                address: address.to_owned(),
                reason,
            };
        }
        deepest = cause.to_string();
        next = cause.source();
    }
    // HTTP/2 passes on the text of what ended a connection, not its type. With TLS 1.3 a server's word on our
    // certificate comes after the handshake.
    if let Some((_, alert)) = deepest.split_once("received fatal alert: ") {
        return NodeError::Certificate {
            address: address.to_owned(),
            reason: not_accepted(&format_args!("{alert}")),
        };
    }
    NodeError::Unreachable {
        address: address.to_owned(),
        reason: deepest,
    }
}

/// What a TLS alert of the coordinator's means.
fn not_accepted(alert: &dyn std::fmt::Debug) -> String {
    format!(
        "the coordinator does not accept this node's certificate ({alert:?}): `unsilo renew` gets a fresh one"
    )
}

/// The reason, if this very error is one of TLS.
fn tls_cause(error: &(dyn StdError + 'static)) -> Option<String> {
    let tls = error.downcast_ref::<rustls::Error>().or_else(|| {
        // An io::Error hides what it wraps from `source`.
        error
            .downcast_ref::<io::Error>()?
            .get_ref()?
            .downcast_ref::<rustls::Error>()
    })?;
    Some(match tls {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "its certificate is not of the federation that the invitation names: it is another server, or somebody sits \
             in between"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) => not_accepted(alert),
        other => format!("its certificate or handshake is not acceptable: {other}"),
    })
}
