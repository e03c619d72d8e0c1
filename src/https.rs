//! A small HTTPS client for the coordinator's endpoint, which trusts one authority: the federation's.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::SendRequest,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use zeroize::Zeroizing;

use crate::exit::CommandError;

/// Longest wait for a connection and for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read, bytes.
const ANSWER_BYTES: usize = 16 << 20;

/// A coordinator's endpoint.
pub(crate) struct Endpoint {
    address: String,
    host: ServerName<'static>,
    tls: TlsConnector,
    /// Sent with every request.
    token: Option<Zeroizing<String>>,
}

/// A connection to it.
pub(crate) struct Session<'a> {
    endpoint: &'a Endpoint,
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<Result<(), hyper::Error>>,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A header's text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

impl Endpoint {
    /// The endpoint at `url` (`https://host:port`), certified by the authority in `authority` (DER or PEM).
    pub(crate) fn new(url: &str, authority: &Path) -> anyhow::Result<Self> {
        let wrong = || {
            CommandError::Input(format!(
                "{url:?} is not an endpoint: give https://host:port, as the coordinator prints it"
            ))
        };
        let address = url
            .strip_prefix("https://")
            .ok_or_else(wrong)?
            .trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;

        let bytes = std::fs::read(authority).with_context(|| {
            format!(
                "cannot read the federation's authority {}: it is authority.der in the coordinator's directory, authority.pem in a participant's",
                authority.display()
            )
        })?;
        let certificate = if bytes.starts_with(b"-----") {
            CertificateDer::from_pem_slice(&bytes).ok()
        } else {
            Some(CertificateDer::from(bytes))
        };
        let mut roots = RootCertStore::empty();
        certificate
            .and_then(|certificate| roots.add(certificate).ok())
            .ok_or_else(|| {
                CommandError::Input(format!("{} is not a certificate", authority.display()))
            })?;
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots)
                .with_no_client_auth();
        Ok(Self {
            address: address.to_owned(),
            host,
            tls: TlsConnector::from(Arc::new(config)),
            token: None,
        })
    }

    /// The same, asked with a token.
    pub(crate) fn with_token(self, token: Option<String>) -> Self {
        Self {
            token: token.map(|token| Zeroizing::new(token.trim().to_owned())),
            ..self
        }
    }

    /// `GET path`, as JSON.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// `POST path` with a JSON body, as JSON.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> anyhow::Result<serde_json::Value> {
        self.request(Method::POST, path, body).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<serde_json::Value> {
        let exchange = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body));
        let (status, answer) = exchange
            .await
            .map_err(|_| self.unreachable(&"no answer within 30 s"))??;
        if status.is_success() {
            return serde_json::from_slice(&answer)
                .with_context(|| format!("{} answered something that is not JSON", self.address));
        }
        Err(self.refused(status, &answer))
    }

    /// What a problem document says, as an error.
    pub(crate) fn refused(&self, status: StatusCode, document: &[u8]) -> anyhow::Error {
        let answer: serde_json::Value = match serde_json::from_slice(document) {
            Ok(answer) => answer,
            Err(_) => {
                let what = format!("{} answered something that is not JSON", self.address);
                return anyhow::anyhow!("{what} ({status})");
            }
        };
        let text = |key: &str| answer.get(key).and_then(serde_json::Value::as_str);
        let detail = text("detail").unwrap_or("no reason given");
        let field = text("field")
            .map(|field| format!("{field}: "))
            .unwrap_or_default();
        let next = text("next")
            .map(|next| format!("; {next}"))
            .unwrap_or_default();
        CommandError::Refused(format!("{field}{detail}{next} ({status})")).into()
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut session = self.open().await?;
        session.send(method, path, body).await
    }

    /// A connection for many requests, one after another.
    pub(crate) async fn open(&self) -> anyhow::Result<Session<'_>> {
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(|error| self.unreachable(&error))?;
        // Small requests go out at once.
        let _ = stream.set_nodelay(true);
        let stream = self
            .tls
            .connect(self.host.clone(), stream)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        Ok(Session {
            endpoint: self,
            sender,
            driver: tokio::spawn(connection),
        })
    }

    fn unreachable(&self, reason: &dyn std::fmt::Display) -> CommandError {
        CommandError::Unreachable(format!(
            "cannot get an answer from https://{}: {reason}; check that the coordinator runs and that the \
             authority file is this federation's",
            self.address
        ))
    }
}

impl Session<'_> {
    /// One request with a JSON body, and its answer whatever its status.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let reply = self.send_as(method, path, "application/json", body).await?;
        Ok((reply.status, reply.body))
    }

    /// The same with a body of any type.
    pub(crate) async fn send_as(
        &mut self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.endpoint.address)
            .header(CONTENT_TYPE, kind);
        if let Some(token) = &self.endpoint.token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.as_str())).map_err(|_| {
                    CommandError::Input(
                        "the token is not one: give it as the admin sent it".to_owned(),
                    )
                })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let lost = |error: &dyn std::fmt::Display| self.endpoint.unreachable(error);
        // The answer before this one may still be on its way out of the connection.
        self.sender.ready().await.map_err(|error| lost(&error))?;
        let sent = self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await;
        let response = sent.map_err(|error| lost(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| lost(&error))?
            .to_bytes();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
