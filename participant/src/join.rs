//! Joining: an invitation is traded for a certificate, and a directory is set up that a node can run on.
//!
//! The private keys are made here and stay here. They are written first, and everything else follows from them and
//! the invitation, so a join that was cut off at any point is simply repeated.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tonic::transport::Channel;
use unsilo_ledger::{Draft, SigningIdentity};
use unsilo_proto::{
    Invite, JOIN_DOMAIN, Rejected, join_statement, limits,
    v1::{JoinReply, JoinRequest, admission_client::AdmissionClient},
};
use zeroize::Zeroizing;

use crate::{
    card,
    config::{
        Config, DataSection, EvaluationSection, LedgerSection, NetworkSection, RatingSection,
        StorageSection, TrainingSection,
    },
    data::DataReport,
    directory::Directory,
    error::NodeError,
    keystore, learner,
    rating::DEFAULT_SHARE,
    tls,
};

/// What joining needs beside the invitation.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// Directory of the new node: empty, not there yet, or that of an earlier try.
    pub dir: PathBuf,
    /// CSV file with the rows to train on, or IDX file with images.
    pub data: PathBuf,
    /// IDX file with the labels of the images.
    pub labels: Option<PathBuf>,
    /// Its label column, if not called as in the federation's schema.
    pub label: Option<String>,
    /// File with rows to measure on.
    pub evaluation: Option<PathBuf>,
    /// IDX file with the labels of its images.
    pub evaluation_labels: Option<PathBuf>,
    /// Also train a model on own data alone, for comparison.
    pub baseline: bool,
    /// Show both accuracies of every round on the coordinator's page.
    pub publish: bool,
    /// Leave out rows with missing values instead of refusing the file.
    pub drop_missing: bool,
    /// Fixes the order of rows in training.
    pub seed: Option<u64>,
    /// The share of the rows that is held out from training to rate the others with, at most a half; 0 rates nobody.
    pub held_out: f64,
}

impl JoinOptions {
    /// The usual options.
    pub fn new(dir: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            data: data.into(),
            labels: None,
            label: None,
            evaluation: None,
            evaluation_labels: None,
            baseline: false,
            publish: false,
            drop_missing: false,
            seed: None,
            held_out: DEFAULT_SHARE,
        }
    }
}

/// A directory that is ready to run.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The directory.
    pub dir: PathBuf,
    /// The configuration that was written (or found, if this was a repetition).
    pub config: Config,
    /// The federation's card.
    pub draft: Draft,
    /// This company's ledger identity, as it will stand in the list of founders or members.
    pub identity: unsilo_ledger::PublicKey,
    /// What was found in the training rows. For the company's eyes: nothing of it was sent.
    pub report: DataReport,
    /// What was found in the evaluation rows.
    pub evaluation: Option<DataReport>,
}

/// Joins the federation of `invite`.
///
/// # Errors
/// [`NodeError::Directory`] for a directory of something else; [`NodeError::Unreachable`],
/// [`NodeError::Certificate`] and [`NodeError::Rejected`] for the coordinator; [`NodeError::Data`] if the rows do not
/// fit the federation: correct the file and join again in the same directory.
pub async fn join(invite: &Invite, options: &JoinOptions) -> Result<Joined, NodeError> {
    let data = absolute(&options.data)?;
    let optional = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
    let evaluation = optional(&options.evaluation)?;
    let labels = optional(&options.labels)?;
    let evaluation_labels = optional(&options.evaluation_labels)?;
    check_directory(&options.dir, invite)?;
    let directory = Directory::create(&options.dir)?;
    let _lock = directory.lock()?;

    // From here on the directory belongs to this invitation's federation, whatever happens next.
    let mark = directory.path().join("federation.id");
    keystore::write(&mark, HEXLOWER.encode(&invite.federation).as_bytes())?;
    let identity = identity(&directory)?;
    let tls_key = tls_key(&directory)?;
    let reply = ask(invite, &identity, &tls_key).await?;
    let draft = keep_reply(invite, &directory, &tls_key, reply)?;

    let found = directory.config().exists();
    let config = if found {
        Config::read(&directory.config())?
    } else {
        Config {
            name: invite.name.clone(),
            coordinator: invite.address.clone(),
            authority: HEXLOWER.encode(&invite.authority),
            federation: HEXLOWER.encode(&invite.federation),
            data: DataSection {
                file: data,
                labels,
                label: options.label.clone(),
                drop_missing: options.drop_missing,
            },
            evaluation: EvaluationSection {
                file: evaluation,
                labels: evaluation_labels,
                baseline: options.baseline,
                publish: options.publish,
            },
            training: TrainingSection {
                seed: options.seed,
                ..TrainingSection::default()
            },
            rating: rating(options.held_out),
            network: NetworkSection::default(),
            storage: StorageSection::default(),
            ledger: LedgerSection::default(),
        }
    };
    let loaded = learner::load_own(&config, &draft.schema)?;
    // How many are held out does not depend on which.
    let divided = match config.rating.enabled {
        true => learner::divide(&loaded.data, &config, 0)?,
        false => None,
    };
    let report = DataReport {
        held_out: Some(divided.map_or(0, |divided| divided.held_out.rows())),
        ..loaded.report
    };
    let evaluation = learner::load_evaluation(&config, &draft.schema)?;
    let evaluation = evaluation.map(|loaded| loaded.report);
    if !found {
        let text = config.to_commented_text();
        Config::from_text(&text)
            .map_err(|message| NodeError::config(directory.config(), message))?;
        keystore::write(&directory.config(), text.as_bytes())?;
    }
    Ok(Joined {
        dir: directory.path().to_owned(),
        config,
        draft,
        identity: identity.public(),
        report,
        evaluation,
    })
}

/// The section of a company that holds out this share.
fn rating(held_out: f64) -> RatingSection {
    if held_out == 0.0 {
        RatingSection {
            enabled: false,
            ..RatingSection::default()
        }
    } else {
        RatingSection {
            enabled: true,
            held_out,
        }
    }
}

/// The path as the node will find it from wherever it is started.
fn absolute(path: &Path) -> Result<String, NodeError> {
    let data = |message: String| NodeError::Data {
        path: path.to_owned(),
        message: format!("{}: {message}", path.display()),
    };
    let absolute = path
        .canonicalize()
        .map_err(|error| data(format!("cannot be read: {error}; check the path")))?;
    absolute
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| data("the path is not UTF-8: the configuration cannot hold it".to_owned()))
}

/// Refuses a directory that holds something else than an earlier try with this invitation.
fn check_directory(dir: &Path, invite: &Invite) -> Result<(), NodeError> {
    let mut files = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(NodeError::io("read", dir))?,
    };
    let federation = fs::read_to_string(dir.join("federation.id")).ok();
    let expected = HEXLOWER.encode(&invite.federation);
    match federation {
        Some(found) if found.trim() == expected => Ok(()),
        Some(found) => Err(NodeError::Directory(format!(
            "{} belongs to a membership of another federation ({}): choose another directory",
            dir.display(),
            found.trim()
        ))),
        // A first try may have ended before the mark was written: the lock alone is nothing.
        None if files.all(|file| {
            file.is_ok_and(|file| {
                file.file_name() == "lock" || file.file_name() == "federation.new"
            })
        }) =>
        {
            Ok(())
        }
        None => Err(NodeError::Directory(format!(
            "{} is not empty and not a participant's directory: choose another, or an empty one",
            dir.display()
        ))),
    }?;
    let config = dir.join("participant.toml");
    if config.exists() {
        let config = Config::read(&config)?;
        if config.name != invite.name {
            return Err(NodeError::Directory(format!(
                "{} is the directory of {:?}, the invitation is for {:?}: choose another directory",
                dir.display(),
                config.name,
                invite.name
            )));
        }
    }
    Ok(())
}

/// The identity of this directory, made if there is none.
fn identity(directory: &Directory) -> Result<SigningIdentity, NodeError> {
    let path = directory.identity();
    if path.exists() {
        return read_identity(&path);
    }
    let identity = SigningIdentity::generate().map_err(no_randomness)?;
    let text = Zeroizing::new(HEXLOWER.encode(identity.to_seed().as_slice()));
    keystore::write(&path, text.as_bytes())?;
    Ok(identity)
}

/// Reads a kept identity.
pub(crate) fn read_identity(path: &Path) -> Result<SigningIdentity, NodeError> {
    let text = keystore::read(path)?;
    let damaged = || {
        NodeError::config(
            path,
            "this is not an identity key: restore it from a backup",
        )
    };
    let bytes = Zeroizing::new(HEXLOWER.decode(text.trim_ascii()).map_err(|_| damaged())?);
    let mut seed = Zeroizing::new([0; 32]);
    if bytes.len() != seed.len() {
        return Err(damaged());
    }
    seed.copy_from_slice(&bytes);
    Ok(SigningIdentity::from_seed(&seed))
}

fn tls_key(directory: &Directory) -> Result<KeyPair, NodeError> {
    let path = directory.tls_key();
    let failed = |error: rcgen::Error| NodeError::Computation(format!("TLS key: {error}"));
    if path.exists() {
        let pem = keystore::read(&path)?;
        let pem = std::str::from_utf8(&pem)
            .map_err(|_| NodeError::config(&path, "this is not a key in PEM form"))?;
        return KeyPair::from_pem(pem).map_err(|error| NodeError::config(&path, error.to_string()));
    }
    let key = KeyPair::generate().map_err(failed)?;
    keystore::write(&path, Zeroizing::new(key.serialize_pem()).as_bytes())?;
    Ok(key)
}

async fn ask(
    invite: &Invite,
    identity: &SigningIdentity,
    tls_key: &KeyPair,
) -> Result<JoinReply, NodeError> {
    let failed =
        |error: rcgen::Error| NodeError::Computation(format!("certificate request: {error}"));
    // Names are the authority's to give: the request only proves possession of the key.
    let certificate_request = CertificateParams::default()
        .serialize_request(tls_key)
        .map_err(failed)?
        .der()
        .to_vec();
    let statement = join_statement(
        &invite.name,
        &Invite::secret_hash(&invite.secret),
        &certificate_request,
    );
    let request = JoinRequest {
        protocol_version: limits::PROTOCOL_VERSION,
        name: invite.name.clone(),
        secret: invite.secret.to_vec(),
        certificate_request,
        identity: identity.public().0.to_vec(),
        signature: identity.sign(JOIN_DOMAIN, &statement).to_vec(),
    };
    let network = NetworkSection::default();
    let channel: Channel = tls::connect(&invite.address, invite.authority, None, &network).await?;
    let reply = AdmissionClient::new(channel)
        .max_decoding_message_size(limits::MESSAGE_BYTES)
        .join(request)
        .await;
    match reply {
        Ok(reply) => Ok(reply.into_inner()),
        Err(status) => Err(match Rejected::from_status(&status) {
            Some(rejected) => rejected.into(),
            None => tls::classify(&invite.address, &status),
        }),
    }
}

/// Checks the reply against the invitation and keeps it.
fn keep_reply(
    invite: &Invite,
    directory: &Directory,
    tls_key: &KeyPair,
    reply: JoinReply,
) -> Result<Draft, NodeError> {
    let untrusted = |reason: String| NodeError::Certificate {
        address: invite.address.clone(),
        reason,
    };
    let draft = card::parse(&reply.draft, &invite.federation).map_err(untrusted)?;
    if draft.ca_fingerprint != invite.authority {
        return Err(untrusted(
            "the federation card names another certificate authority than the invitation"
                .to_owned(),
        ));
    }
    let authority = CertificateDer::from(reply.authority);
    let certificate = CertificateDer::from(reply.certificate);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(tls_key.serialize_der()));
    tls::check_issued(&invite.authority, &authority, &certificate, key).map_err(untrusted)?;

    keystore::write(&directory.authority(), pem(&authority).as_bytes())?;
    keystore::write(&directory.tls_certificate(), pem(&certificate).as_bytes())?;
    keystore::write(&directory.card(), &reply.draft)?;
    Ok(draft)
}

/// A certificate in PEM form.
pub(crate) fn pem(certificate: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(64) {
        // Base64 is ASCII.
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

pub(crate) fn no_randomness(error: impl std::fmt::Display) -> NodeError {
    NodeError::Computation(format!("the operating system gave no randomness: {error}"))
}

#[cfg(test)]
mod tests;
