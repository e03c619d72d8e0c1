//! The certificate's renewal. A node does it by itself when a third of the certificate's life is left; a person may at any
//! time, with a new key for one that is not trusted any more. It is asked for with the ledger identity, so it works also
//! when the certificate has expired, and nothing of anybody else is issued again.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use unsilo_ledger::SigningIdentity;
use unsilo_proto::{
    RENEW_DOMAIN, Rejected, limits, renew_statement,
    v1::{RenewRequest, admission_client::AdmissionClient},
};
use zeroize::Zeroizing;

use crate::{
    config::Config,
    directory::Directory,
    error::NodeError,
    join::{pem, read_identity},
    keystore, tls,
};

/// How often a running node looks whether its certificate is to be renewed.
pub(crate) const LOOK: Duration = Duration::from_secs(3600);

/// When a certificate is valid, seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub from_s: i64,
    /// To.
    pub to_s: i64,
}

impl Validity {
    /// Whether a third of its life, or less, is left.
    #[must_use]
    pub fn is_due(&self, now_s: i64) -> bool {
        let life = self.to_s.saturating_sub(self.from_s);
        self.to_s.saturating_sub(now_s) <= life / 3
    }
}

/// When the certificate of the node in `dir` is valid.
///
/// # Errors
/// [`NodeError::Config`] if there is none that can be read.
pub fn validity(dir: &Path) -> Result<Validity, NodeError> {
    let directory = Directory::open(dir)?;
    let path = directory.tls_certificate();
    let certificate = CertificateDer::from_pem_file(&path).map_err(|error| {
        NodeError::config(
            &path,
            format!("not a certificate: {error}; run `unsilo renew`"),
        )
    })?;
    parse(&certificate).ok_or_else(|| {
        NodeError::config(
            &path,
            "not a certificate that can be read; run `unsilo renew`",
        )
    })
}

fn parse(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    Some(Validity {
        from_s: validity.not_before.timestamp(),
        to_s: validity.not_after.timestamp(),
    })
}

/// Whether the node's certificate is to be renewed now: late in its life, expired, or not one of its key.
pub(crate) fn is_due(directory: &Directory, authority: &[u8; 32], now_s: i64) -> bool {
    let usable = || {
        let certificate = CertificateDer::from_pem_file(directory.tls_certificate()).ok()?;
        let issuer = CertificateDer::from_pem_file(directory.authority()).ok()?;
        let key =
            PrivateKeyDer::from_pem_slice(&keystore::read(&directory.tls_key()).ok()?).ok()?;
        let validity = parse(&certificate)?;
        tls::check_issued(authority, &issuer, &certificate, key).ok()?;
        Some(validity)
    };
    usable().is_none_or(|validity| validity.is_due(now_s))
}

/// Renews if it is to be; a failure is told and tried again at the next look.
pub(crate) async fn if_due(
    directory: &Directory,
    config: &Config,
) -> Option<Result<Validity, NodeError>> {
    let authority = config.authority().ok()?;
    if !is_due(directory, &authority, now_s()) {
        return None;
    }
    Some(ask(directory, config, None).await)
}

/// Gets a fresh certificate for the node in `dir`, which may be running; with `new_key`, for a new TLS key, and the old
/// certificate is refused from then on.
///
/// # Errors
/// [`NodeError`] for the directory and the coordinator; nothing has changed then, or the same command goes on.
pub async fn renew(dir: &Path, new_key: bool) -> Result<Validity, NodeError> {
    let directory = Directory::of_participant(dir)?;
    let config = Config::read(&directory.config())?;
    let key = if new_key {
        Some(KeyPair::generate().map_err(failed)?)
    } else {
        None
    };
    ask(&directory, &config, key).await
}

async fn ask(
    directory: &Directory,
    config: &Config,
    new_key: Option<KeyPair>,
) -> Result<Validity, NodeError> {
    let wrong = |message| NodeError::config(directory.config(), message);
    let authority = config.authority().map_err(wrong)?;
    let federation = config.federation().map_err(wrong)?;
    let identity = read_identity(&directory.identity())?;
    let drop_old = new_key.is_some();
    let key = match new_key {
        Some(key) => key,
        None => kept_key(directory)?,
    };
    let request = request(config, &federation, &identity, &key, drop_old)?;
    let channel = tls::connect(&config.coordinator, authority, None, &config.network).await?;
    let reply = AdmissionClient::new(channel)
        .max_decoding_message_size(limits::MESSAGE_BYTES)
        .renew(request)
        .await;
    let reply = reply.map_err(|status| match Rejected::from_status(&status) {
        Some(rejected) => rejected.into(),
        None => tls::classify(&config.coordinator, &status),
    })?;
    let certificate = CertificateDer::from(reply.into_inner().certificate);
    let untrusted = |reason: String| NodeError::Certificate {
        address: config.coordinator.clone(),
        reason,
    };
    let issuer = CertificateDer::from_pem_file(directory.authority())
        .map_err(|error| NodeError::config(directory.authority(), error.to_string()))?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    tls::check_issued(&authority, &issuer, &certificate, private).map_err(untrusted)?;
    let validity = parse(&certificate)
        .ok_or_else(|| untrusted("the certificate it issued cannot be read".to_owned()))?;
    if drop_old {
        // A crash between the two leaves a certificate of another key: the next start sees it and renews.
        keystore::write(
            &directory.tls_key(),
            Zeroizing::new(key.serialize_pem()).as_bytes(),
        )?;
    }
    keystore::write(&directory.tls_certificate(), pem(&certificate).as_bytes())?;
    Ok(validity)
}

fn request(
    config: &Config,
    federation: &[u8; 32],
    identity: &SigningIdentity,
    key: &KeyPair,
    drop_old: bool,
) -> Result<RenewRequest, NodeError> {
    let certificate_request = CertificateParams::default()
        .serialize_request(key)
        .map_err(failed)?
        .der()
        .to_vec();
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let at_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let statement = renew_statement(
        federation,
        &config.name,
        &certificate_request,
        at_ms,
        drop_old,
    );
    Ok(RenewRequest {
        protocol_version: limits::PROTOCOL_VERSION,
        name: config.name.clone(),
        certificate_request,
        identity: identity.public().0.to_vec(),
        at_ms,
        drop_old,
        signature: identity.sign(RENEW_DOMAIN, &statement).to_vec(),
    })
}

fn kept_key(directory: &Directory) -> Result<KeyPair, NodeError> {
    let path = directory.tls_key();
    let pem = keystore::read(&path)?;
    let wrong = |error: String| {
        NodeError::config(
            &path,
            format!("{error}; `unsilo renew --new-key` makes another"),
        )
    };
    let text = std::str::from_utf8(&pem).map_err(|error| wrong(error.to_string()))?;
    KeyPair::from_pem(text).map_err(|error| wrong(error.to_string()))
}

fn failed(error: rcgen::Error) -> NodeError {
    NodeError::Computation(format!("certificate request: {error}"))
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_in_the_last_third_of_its_life() {
        let validity = Validity {
            from_s: 1000,
            to_s: 4000,
        };
        assert!(!validity.is_due(1000) && !validity.is_due(2999));
        assert!(validity.is_due(3000) && validity.is_due(4000) && validity.is_due(i64::MAX));
    }
}
