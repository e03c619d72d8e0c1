//! Joining over real TLS, against a coordinator that does what each test wants.

use std::{os::unix::fs::PermissionsExt, sync::Mutex};

use rcgen::{
    BasicConstraints, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Identity, Server, ServerTlsConfig},
};
use unsilo_ledger::{
    Activation, Feature, ModelKind, ModelSpec, Optimiser, PublicKey, Schema, TrainingPlan,
};
use unsilo_proto::{
    Code,
    v1::{
        Acknowledgement, RenewReply, RenewRequest, SignGenesisRequest,
        admission_server::{Admission, AdmissionServer},
    },
};

use super::*;

/// A certificate authority of its own.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::from_ca_cert_der(&certificate, key).unwrap(),
            certificate,
        }
    }

    fn issue(&self, request: &[u8], usage: ExtendedKeyUsagePurpose) -> Vec<u8> {
        let mut request = CertificateSigningRequestParams::from_der(&request.into()).unwrap();
        request.params = CertificateParams::default();
        request.params.extended_key_usages = vec![usage];
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    fn server_identity(&self, usage: ExtendedKeyUsagePurpose) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = pem(certificate.der()) + &pem(&self.certificate);
        Identity::from_pem(chain, key.serialize_pem())
    }
}

/// What the coordinator does with a valid request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    Refuses,
    OtherDraft,
    OtherAuthority,
    ServerCertificate,
    OtherKey,
}

struct FakeAdmission {
    authority: Authority,
    draft: Draft,
    manner: Manner,
    /// Identities that joined.
    joined: Mutex<Vec<PublicKey>>,
}

#[async_trait]
impl Admission for FakeAdmission {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let request = request.into_inner();
        let identity = PublicKey(request.identity.as_slice().try_into().unwrap());
        let secret: [u8; 32] = request.secret.as_slice().try_into().unwrap();
        let statement = join_statement(
            &request.name,
            &Invite::secret_hash(&secret),
            &request.certificate_request,
        );
        let signature = request.signature.as_slice().try_into().unwrap();
        assert!(identity.verify(JOIN_DOMAIN, &statement, &signature));
        self.joined.lock().unwrap().push(identity);
        if self.manner == Manner::Refuses {
            return Err(Rejected::new(Code::InviteExpired, "ask for a new one").into());
        }
        let mut draft = self.draft.clone();
        if self.manner == Manner::OtherDraft {
            draft.grant += 1;
        }
        let usage = match self.manner {
            Manner::ServerCertificate => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        };
        let certificate_request = match self.manner {
            Manner::OtherKey => CertificateParams::default()
                .serialize_request(&KeyPair::generate().unwrap())
                .unwrap()
                .der()
                .to_vec(),
            _ => request.certificate_request,
        };
        let authority = match self.manner {
            Manner::OtherAuthority => Authority::new().certificate,
            _ => self.authority.certificate.clone(),
        };
        Ok(Response::new(JoinReply {
            certificate: self.authority.issue(&certificate_request, usage),
            authority: authority.to_vec(),
            draft: borsh::to_vec(&draft).unwrap(),
        }))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn sign_genesis(
        &self,
        _: Request<SignGenesisRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// A running fake coordinator, an invitation to it, and a place for files.
struct Scene {
    dir: TempDir,
    invite: Invite,
    coordinator: std::sync::Arc<FakeAdmission>,
    _server: tokio::task::JoinHandle<()>,
}

impl Scene {
    async fn new(manner: Manner) -> Self {
        Self::with_usage(manner, ExtendedKeyUsagePurpose::ServerAuth).await
    }

    async fn with_usage(manner: Manner, usage: ExtendedKeyUsagePurpose) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let fingerprint = tls::fingerprint(&authority.certificate);
        let draft = draft(fingerprint);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let invite = Invite {
            name: "Aster".into(),
            address: listener.local_addr().unwrap().to_string(),
            authority: fingerprint,
            federation: draft.federation_id().0,
            secret: [7; 32],
            expires_ms: u64::MAX,
        };
        let identity = authority.server_identity(usage);
        let coordinator = std::sync::Arc::new(FakeAdmission {
            authority,
            draft,
            manner,
            joined: Mutex::default(),
        });
        let service = AdmissionServer::from_arc(coordinator.clone());
        let server = tokio::spawn(async move {
            let _ = Server::builder()
                .tls_config(ServerTlsConfig::new().identity(identity))
                .unwrap()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await;
        });
        let scene = Self {
            dir,
            invite,
            coordinator,
            _server: server,
        };
        scene.write_data("x,y,kind\n0.5,1,a\n0.25,0,b\n");
        scene
    }

    fn write_data(&self, text: &str) {
        let columns: String = (2..16).map(|column| format!(",c{column}")).collect();
        let mut lines = text.lines();
        let mut table = format!("{}{columns}\n", lines.next().unwrap());
        for line in lines {
            table.push_str(&format!("{line}{}\n", ",0.5".repeat(14)));
        }
        fs::write(self.dir.path().join("rows.csv"), table).unwrap();
    }

    fn node(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    fn options(&self) -> JoinOptions {
        JoinOptions::new(self.node(), self.dir.path().join("rows.csv"))
    }

    async fn join(&self) -> Result<Joined, NodeError> {
        join(&self.invite, &self.options()).await
    }
}

fn draft(ca_fingerprint: [u8; 32]) -> Draft {
    let names = ["x", "y"].map(String::from).into_iter();
    let names = names.chain((2..16).map(|column| format!("c{column}")));
    Draft {
        name: "Test".into(),
        coordinator: SigningIdentity::from_seed(&[1; 32]).public(),
        ca_fingerprint,
        model: ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![16, 100, 2],
            activation: Activation::Relu,
        },
        schema: Schema {
            label: "kind".into(),
            classes: vec!["a".into(), "b".into()],
            features: names
                .map(|name| Feature::number(name, 0, 1_000_000))
                .collect(),
        },
        training: TrainingPlan {
            steps: 1,
            batch: 1,
            learning_rate_micro: 100_000,
            optimiser: Optimiser::Sgd,
            rounds: 0,
        },
        unit_log2: -14,
        min_cohort: 0,
        grant: 1,
        incentive: Default::default(),
        created_ms: 0,
        nonce: [2; 32],
        founders: ["Aster", "Birch", "Cedar"].map(String::from).to_vec(),
    }
}

#[tokio::test]
async fn joining_writes_a_private_directory_and_can_be_repeated_with_the_same_keys() {
    let scene = Scene::new(Manner::Honest).await;
    let joined = scene.join().await.unwrap();
    assert_eq!(joined.report.rows, 2);
    assert_eq!(joined.config.name, "Aster");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scene.node()), 0o700);
    for secret in ["identity.key", "tls.key"] {
        assert_eq!(mode(scene.node().join(secret)), 0o600, "{secret}");
    }
    // Cut off before the configuration was written: the same keys are used again.
    fs::remove_file(scene.node().join("participant.toml")).unwrap();
    fs::remove_file(scene.node().join("tls.pem")).unwrap();
    let again = scene.join().await.unwrap();
    assert_eq!(again.identity, joined.identity);
    assert_eq!(
        *scene.coordinator.joined.lock().unwrap(),
        [joined.identity; 2]
    );
    // An existing configuration is not overwritten.
    let config = scene.node().join("participant.toml");
    let edited = fs::read_to_string(&config)
        .unwrap()
        .replace("keep_models = 8", "keep_models = 3");
    fs::write(&config, &edited).unwrap();
    assert_eq!(scene.join().await.unwrap().config.storage.keep_models, 3);
    assert_eq!(fs::read_to_string(&config).unwrap(), edited);
}

#[tokio::test]
async fn a_joined_directory_opens_as_a_node_and_only_once() {
    let scene = Scene::new(Manner::Honest).await;
    scene.join().await.unwrap();
    let node = crate::Node::open(&scene.node(), crate::NodeOptions::default()).unwrap();
    assert_eq!(node.config().name, "Aster");
    assert!(matches!(
        crate::Node::open(&scene.node(), crate::NodeOptions::default()),
        Err(NodeError::Locked { .. })
    ));
    assert!(matches!(scene.join().await, Err(NodeError::Locked { .. })));
    drop(node);
    fs::set_permissions(
        scene.node().join("identity.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let Err(NodeError::Permission { message, .. }) =
        crate::Node::open(&scene.node(), crate::NodeOptions::default())
    else {
        panic!("a key that others can read was used");
    };
    assert!(message.contains("chmod 600"), "{message}");
}

#[tokio::test]
async fn a_directory_of_something_else_is_left_alone() {
    let scene = Scene::new(Manner::Honest).await;
    fs::create_dir(scene.node()).unwrap();
    fs::set_permissions(scene.node(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(scene.node().join("thesis.tex"), "mine").unwrap();
    let Err(NodeError::Directory(message)) = scene.join().await else {
        panic!("a foreign directory was used");
    };
    assert!(message.contains("not empty"), "{message}");
    fs::remove_file(scene.node().join("thesis.tex")).unwrap();
    scene.join().await.unwrap();

    let mut other = Invite::from_text(&scene.invite.to_text()).unwrap();
    other.federation = [9; 32];
    assert!(matches!(
        join(&other, &scene.options()).await,
        Err(NodeError::Directory(_))
    ));
    let mut renamed = Invite::from_text(&scene.invite.to_text()).unwrap();
    renamed.name = "Birch".into();
    assert!(matches!(
        join(&renamed, &scene.options()).await,
        Err(NodeError::Directory(_))
    ));
    assert_eq!(scene.coordinator.joined.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_of_another_authority_or_with_a_clients_certificate_is_not_spoken_to() {
    let scene = Scene::new(Manner::Honest).await;
    let mut elsewhere = Invite::from_text(&scene.invite.to_text()).unwrap();
    elsewhere.authority = [3; 32];
    let Err(NodeError::Certificate { reason, .. }) = join(&elsewhere, &scene.options()).await
    else {
        panic!("an unknown authority was trusted");
    };
    assert!(reason.contains("another server"), "{reason}");

    let participant = Scene::with_usage(Manner::Honest, ExtendedKeyUsagePurpose::ClientAuth).await;
    assert!(matches!(
        participant.join().await,
        Err(NodeError::Certificate { .. })
    ));
    assert!(participant.coordinator.joined.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_reply_that_does_not_fit_the_invitation_is_refused() {
    for (manner, named) in [
        (Manner::OtherDraft, "card"),
        (Manner::OtherAuthority, "authority"),
        (Manner::ServerCertificate, "certificate"),
        (Manner::OtherKey, "another key"),
    ] {
        let scene = Scene::new(manner).await;
        let Err(NodeError::Certificate { reason, .. }) = scene.join().await else {
            panic!("accepted: {named}");
        };
        assert!(reason.contains(named), "{reason}");
        assert!(!scene.node().join("participant.toml").exists());
    }
}

#[tokio::test]
async fn refusals_and_an_absent_coordinator_are_told_apart() {
    let scene = Scene::new(Manner::Refuses).await;
    let Err(NodeError::Rejected(rejected)) = scene.join().await else {
        panic!("not refused");
    };
    assert_eq!(rejected.code, Code::InviteExpired);
    let mut nobody = Invite::from_text(&scene.invite.to_text()).unwrap();
    nobody.address = "127.0.0.1:1".into();
    assert!(matches!(
        join(&nobody, &scene.options()).await,
        Err(NodeError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn rows_that_do_not_fit_are_named_and_corrected_rows_join() {
    let scene = Scene::new(Manner::Honest).await;
    let mut absent = scene.options();
    absent.data = scene.dir.path().join("nothing.csv");
    assert!(matches!(
        join(&scene.invite, &absent).await,
        Err(NodeError::Data { .. })
    ));
    assert!(!scene.node().exists(), "nothing is left of a mistyped path");
    scene.write_data("x,y,kind\n0.5,1,a\n0.25,0,zebra\n");
    let Err(NodeError::Data { message, .. }) = scene.join().await else {
        panic!("an unknown class was taken");
    };
    assert!(message.contains("zebra"), "{message}");
    assert!(!scene.node().join("participant.toml").exists());
    scene.write_data("x,y,species\n0.5,1,a\n0.25,0,b\n");
    let mut renamed = scene.options();
    renamed.label = Some("species".into());
    let joined = join(&scene.invite, &renamed).await.unwrap();
    assert_eq!(joined.config.data.label.as_deref(), Some("species"));
}
