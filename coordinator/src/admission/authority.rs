//! The federation's own certificate authority: it vouches for the TLS keys of the coordinator and of every
//! company that joined, and for nothing else.

use std::{net::IpAddr, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::error::CoordinatorError;

/// Life of the authority: longer than any federation we plan for; a new one means new invitations.
const AUTHORITY_DAYS: i64 = 3650;
/// Life of a participant's certificate. Its node renews it when a third of it is left.
const PARTICIPANT_DAYS: i64 = 397;
/// Life of the coordinator's own certificate, which is made anew at every start.
const SERVER_DAYS: i64 = 397;
/// Certificates are valid from a day before they are made, so that a slow clock does not refuse them.
const BACKDATED_DAYS: i64 = 1;

/// The authority with its private key.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    key_pem: zeroize::Zeroizing<String>,
}

impl Authority {
    /// A new authority for the federation called `name`.
    pub(crate) fn generate(name: &str) -> Result<Self, CoordinatorError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("{name} federation authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_life(&mut params, AUTHORITY_DAYS);
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            key_pem: zeroize::Zeroizing::new(key.serialize_pem()),
        })
    }

    /// The authority from its stored parts.
    pub(crate) fn from_parts(
        certificate: Vec<u8>,
        key_pem: String,
    ) -> Result<Self, CoordinatorError> {
        let authority = Self {
            certificate: certificate.into(),
            key_pem: zeroize::Zeroizing::new(key_pem),
        };
        authority.issuer()?;
        Ok(authority)
    }

    /// The certificate, DER.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key, PEM (a secret).
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// SHA-256 of the certificate, to which invitations pin their connection.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.certificate)
    }

    /// A certificate for the key in `request`, in the name of the company `name`: whatever names or
    /// extensions the request asks for are ignored.
    ///
    /// # Errors
    /// The text says why the request is not one.
    pub(crate) fn issue(&self, name: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        let mut request = CertificateSigningRequestParams::from_der(&request.into())
            .map_err(|error| format!("the certificate request is not usable: {error}"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_life(&mut params, PARTICIPANT_DAYS);
        request.params = params;
        let issuer = self.issuer().map_err(|error| error.to_string())?;
        let certificate = request
            .signed_by(&issuer)
            .map_err(|error| format!("the certificate request is not usable: {error}"))?;
        Ok(certificate.der().to_vec())
    }

    /// TLS for the one port: HTTP/2 and HTTP/1.1; a client certificate is checked when there is one (gRPC
    /// services ask for it, the page and the endpoint do not).
    pub(crate) fn server_config(&self, hosts: &[String]) -> Result<ServerConfig, CoordinatorError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(hosts.to_vec()).map_err(failed)?;
        params.distinguished_name = common_name("Unsilo coordinator");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_life(&mut params, SERVER_DAYS);
        let certificate = params.signed_by(&key, &self.issuer()?).map_err(failed)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(failed)?;
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(failed)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![certificate.der().clone(), self.certificate.clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .map_err(failed)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, CoordinatorError> {
        let key = KeyPair::from_pem(&self.key_pem).map_err(failed)?;
        Issuer::from_ca_cert_der(&self.certificate, key).map_err(failed)
    }
}

/// SHA-256 of a certificate, DER.
pub(crate) fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// The names under which a server at `address` (`host:port`) is reached, this machine's loopback included.
pub(crate) fn host_names(address: &str) -> Vec<String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let unspecified = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    if !unspecified && !names.iter().any(|name| name == host) {
        names.insert(0, host.to_owned());
    }
    names
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_life(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(BACKDATED_DAYS);
    params.not_after = now + Duration::days(days);
}

fn failed(error: impl std::fmt::Display) -> CoordinatorError {
    CoordinatorError::Certificates(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_a_certificate_in_the_name_of_the_invitation() {
        let authority = Authority::generate("Digits").expect("generated");
        let stored = Authority::from_parts(
            authority.certificate().to_vec(),
            authority.key_pem().to_owned(),
        )
        .expect("reads back");
        let key = KeyPair::generate().expect("generated");
        let mut asked = CertificateParams::new(vec!["evil.example".to_owned()]).expect("valid");
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = asked.serialize_request(&key).expect("serialized");
        let issued = stored.issue("Aster", request.der()).expect("issued");
        let text = String::from_utf8_lossy(&issued);
        assert!(text.contains("Aster") && !text.contains("evil.example"));
        assert!(stored.issue("Aster", b"nonsense").is_err());
        assert!(stored.server_config(&host_names("0.0.0.0:7443")).is_ok());
    }
}
