//! A federation of companies that do by hand what a participant's node does.

use std::{path::PathBuf, time::Duration};

use data_encoding::BASE64;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use unsilo_coordinator::{InitOptions, ServeOptions, Server, init};
use unsilo_fhe::{
    Committee, Dealing, Entropy, KeySum, Params, ParamsLiteral, RoundContext, RoundKeyPair,
    RoundPublicKey, apply_mean, combine, contribute, decrypt, encode, open_share,
};
use unsilo_ledger::{
    CloseStatement, Draft, Entry, FederationId, SeatOffer, SignedEntry, SignedReceipt,
    SigningIdentity, State, commit_nonce,
};
use unsilo_proto::{
    Code, Invite, JOIN_DOMAIN, OPENING_DOMAIN, Rejected, join_statement, limits, opening_hash,
    opening_statement,
    v1::{
        ContributePart, ContributionHeader, CosignCloseRequest, EntriesRequest, JoinReply,
        JoinRequest, ModelRequest, OfferSeatRequest, OpenRequest, Receipt, SharesRequest,
        SignGenesisRequest, SignPublishRequest, Step, StepsRequest, SumRequest,
        admission_client::AdmissionClient, blob_part, committee_client::CommitteeClient,
        contribute_part, ledger_log_client::LedgerLogClient, models_client::ModelsClient,
        rounds_client::RoundsClient, step::Kind,
    },
    weights_digest,
};

pub(crate) const FOUNDERS: [&str; 4] = ["Aster", "Birch", "Cedar", "Daisy"];

/// Nothing in these tests waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const MODEL: &str = r#"
version = 1
[model]
kind = "mlp"
hidden = [52]
activation = "relu"
[data]
label = "digit"
classes = ["zero", "one"]
[[data.features]]
names = [NAMES]
min = 0.0
max = 16.0
[training]
steps = 1
batch = 1
learning_rate = 0.1
"#;

/// A created federation's directory.
pub(crate) struct Home {
    pub(crate) directory: TempDir,
    pub(crate) invitations: Vec<(String, String)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("made");
        let model = directory.path().join("model.toml");
        let names: Vec<_> = (0..32).map(|index| format!("\"p{index}\"")).collect();
        std::fs::write(&model, MODEL.replace("NAMES", &names.join(","))).expect("written");
        let options = InitOptions {
            name: "Digits".into(),
            model,
            founders: FOUNDERS.iter().map(|name| (*name).to_owned()).collect(),
            listen: "127.0.0.1:0".into(),
            address: "127.0.0.1:7443".into(),
            rounds: Some(2),
        };
        let home = directory.path().join("coordinator");
        let made = init(&home, &options).expect("created");
        Self {
            directory,
            invitations: made.invitations,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("coordinator")
    }

    pub(crate) async fn serve(&self) -> Server {
        Server::start(&self.path(), &ServeOptions::default())
            .await
            .expect("serves")
    }

    pub(crate) fn invitation(&self, name: &str) -> Invite {
        let found = self.invitations.iter().find(|(of, _)| of == name);
        Invite::from_text(&found.expect("a founder").1).expect("an invitation")
    }

    pub(crate) fn authority_pem(&self) -> String {
        pem(&std::fs::read(self.path().join("authority.der")).expect("there"))
    }
}

pub(crate) fn pem(certificate: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        BASE64.encode(certificate)
    )
}

/// A channel to the server, with the client certificate of `identity` if there is one.
pub(crate) async fn channel(
    server: &Server,
    authority_pem: &str,
    identity: Option<Identity>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority_pem))
        .domain_name("localhost");
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    Endpoint::from_shared(format!("https://127.0.0.1:{}", server.address().port()))
        .expect("a url")
        .connect_timeout(PATIENCE)
        .tls_config(tls)?
        .connect()
        .await
}

/// The stable code of a refusal.
pub(crate) fn code<T>(result: Result<T, Status>) -> Option<Code> {
    let status = result.err()?;
    let rejected = Rejected::from_status(&status);
    Some(
        rejected
            .unwrap_or_else(|| panic!("not a refusal: {status:?}"))
            .code,
    )
}

/// One company with its keys.
pub(crate) struct Company {
    pub(crate) name: String,
    pub(crate) identity: SigningIdentity,
    pub(crate) tls: KeyPair,
    pub(crate) certificate: Vec<u8>,
    pub(crate) channel: Option<Channel>,
    seats: Vec<(u64, RoundKeyPair, [u8; 32])>,
}

impl Company {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            identity: SigningIdentity::generate().expect("generated"),
            tls: KeyPair::generate().expect("generated"),
            certificate: Vec::new(),
            channel: None,
            seats: Vec::new(),
        }
    }

    pub(crate) fn join_request(&self, invite: &Invite) -> JoinRequest {
        let request = CertificateParams::default()
            .serialize_request(&self.tls)
            .expect("made")
            .der()
            .to_vec();
        let statement = join_statement(&self.name, &Invite::secret_hash(&invite.secret), &request);
        JoinRequest {
            protocol_version: limits::PROTOCOL_VERSION,
            name: self.name.clone(),
            secret: invite.secret.to_vec(),
            certificate_request: request,
            identity: self.identity.public().0.to_vec(),
            signature: self.identity.sign(JOIN_DOMAIN, &statement).to_vec(),
        }
    }

    pub(crate) fn tls_identity(&self) -> Identity {
        Identity::from_pem(pem(&self.certificate), self.tls.serialize_pem())
    }

    /// Joins and connects with the certificate.
    pub(crate) async fn join(
        &mut self,
        home: &Home,
        server: &Server,
        invite: &Invite,
    ) -> Result<JoinReply, Status> {
        let anonymous = channel(server, &home.authority_pem(), None)
            .await
            .expect("connects");
        let reply = AdmissionClient::new(anonymous)
            .join(self.join_request(invite))
            .await?
            .into_inner();
        self.certificate.clone_from(&reply.certificate);
        self.connect(home, server).await;
        Ok(reply)
    }

    pub(crate) async fn connect(&mut self, home: &Home, server: &Server) {
        let connected = channel(server, &home.authority_pem(), Some(self.tls_identity())).await;
        self.channel = Some(connected.expect("connects"));
    }

    fn link(&self) -> Channel {
        self.channel.clone().expect("connected")
    }

    pub(crate) fn admission(&self) -> AdmissionClient<Channel> {
        AdmissionClient::new(self.link())
    }

    pub(crate) fn rounds(&self) -> RoundsClient<Channel> {
        RoundsClient::new(self.link())
    }

    pub(crate) fn committee(&self) -> CommitteeClient<Channel> {
        CommitteeClient::new(self.link())
    }

    pub(crate) async fn steps(&self) -> Result<tonic::Streaming<Step>, Status> {
        let request = StepsRequest {
            protocol_version: limits::PROTOCOL_VERSION,
        };
        Ok(self.rounds().steps(request).await?.into_inner())
    }

    /// Waits for a step that `wanted` likes.
    pub(crate) async fn step(&self, wanted: impl Fn(&Kind) -> bool) -> Kind {
        let waiting = async {
            let mut steps = self.steps().await.expect("a stream");
            while let Some(step) = steps.message().await.expect("a step") {
                match step.kind {
                    Some(kind) if wanted(&kind) => return kind,
                    _ => {}
                }
            }
            panic!("the step stream ended")
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the step comes")
    }

    /// The ledger, replayed.
    pub(crate) async fn state(&self) -> State {
        let mut client =
            LedgerLogClient::new(self.link()).max_decoding_message_size(limits::MESSAGE_BYTES);
        let reply = client
            .entries(EntriesRequest { from: 0 })
            .await
            .expect("answered")
            .into_inner();
        let entries: Vec<_> = reply
            .entries
            .iter()
            .map(|bytes| SignedEntry::decode(bytes).expect("an entry"))
            .collect();
        assert_eq!(entries.len() as u64, reply.size);
        State::replay(&entries).expect("replays")
    }
}

/// A contribution as it is sent.
pub(crate) struct Made {
    pub(crate) header: ContributionHeader,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) root: [u8; 32],
}

/// A served federation whose founders have joined.
pub(crate) struct Federation {
    pub(crate) home: Home,
    pub(crate) server: Server,
    pub(crate) companies: Vec<Company>,
    pub(crate) draft: Draft,
    pub(crate) id: FederationId,
    pub(crate) params: Params,
}

impl Federation {
    pub(crate) async fn joined() -> Self {
        let home = Home::new();
        let server = home.serve().await;
        let mut companies = Vec::new();
        let mut draft = Vec::new();
        for name in FOUNDERS {
            let mut company = Company::new(name);
            let reply = company
                .join(&home, &server, &home.invitation(name))
                .await
                .expect("joins");
            draft = reply.draft;
            companies.push(company);
        }
        let draft: Draft = borsh::from_slice(&draft).expect("a draft");
        Self {
            home,
            server,
            companies,
            id: draft.federation_id(),
            params: Params::new(&ParamsLiteral {
                profile: "default".into(),
                parameters: draft.model.parameters(),
            })
            .expect("valid"),
            draft,
        }
    }

    /// All founders have signed.
    pub(crate) async fn founded() -> Self {
        let federation = Self::joined().await;
        let step = federation.companies[0]
            .step(|kind| matches!(kind, Kind::Founding(founding) if !founding.entry.is_empty()))
            .await;
        let Kind::Founding(founding) = step else {
            unreachable!("that was asked for");
        };
        let entry = Entry::from_bytes(&founding.entry).expect("an entry");
        for company in &federation.companies {
            let signature = entry.sign(&federation.id, &company.identity).signature;
            let request = SignGenesisRequest {
                entry: founding.entry.clone(),
                signature: signature.to_vec(),
            };
            company
                .admission()
                .sign_genesis(request)
                .await
                .expect("taken");
        }
        federation
    }

    /// Round 1 takes contributions.
    pub(crate) async fn open() -> Self {
        let mut federation = Self::founded().await;
        federation.offer_seats().await;
        federation
    }

    pub(crate) async fn offer_seats(&mut self) {
        let step = self.companies[0]
            .step(|kind| matches!(kind, Kind::Seating(_)))
            .await;
        let Kind::Seating(seating) = step else {
            unreachable!("that was asked for");
        };
        let state = self.companies[0].state().await;
        for company in &mut self.companies {
            let id = state
                .participant_by_key(&company.identity.public())
                .expect("admitted")
                .id;
            let keys = RoundKeyPair::generate().expect("generated");
            let nonce = [id.0 as u8; 32];
            let offer = SeatOffer {
                federation: self.id,
                round: seating.round,
                model: state.model().expect("founded"),
                round_key: keys.public().as_bytes().to_vec(),
                nonce_commitment: commit_nonce(&self.id, seating.round, id, &nonce),
                guard: unsilo_ledger::GuardHead::default(),
            };
            let signature = offer.sign(&company.identity);
            let seat = offer.into_seat(id, signature);
            company.seats.push((seating.round, keys, nonce));
            let request = OfferSeatRequest {
                round: seating.round,
                seat: borsh::to_vec(&seat).expect("encodes"),
            };
            company
                .committee()
                .offer_seat(request)
                .await
                .expect("taken");
        }
        self.companies[0]
            .step(|kind| matches!(kind, Kind::Contributing(_)))
            .await;
    }

    fn seats(&self, state: &State) -> Committee {
        let open = state.round().expect("open");
        let keys = open
            .opening
            .seats
            .iter()
            .map(|seat| RoundPublicKey::from_bytes(&seat.round_key).expect("a key"))
            .collect();
        Committee::new(keys, usize::from(open.opening.threshold)).expect("valid")
    }

    fn context(&self, state: &State) -> RoundContext {
        let open = state.round().expect("open");
        RoundContext {
            federation: self.id.0,
            round: open.opening.round,
            model: open.opening.model,
        }
    }

    /// A contribution of a company to the open round; `seed` makes different ones.
    pub(crate) async fn contribution(&self, company: usize, seed: u8) -> Made {
        let company = &self.companies[company];
        let state = company.state().await;
        let context = self.context(&state);
        let committee = self.seats(&state);
        let id = state
            .participant_by_key(&company.identity.public())
            .expect("admitted")
            .id;
        let dealing = Dealing {
            params: &self.params,
            context: &context,
            participant: id.0,
            committee: &committee,
        };
        let update = vec![0.01 * f32::from(seed); self.params.parameters()];
        let encoded = encode(&self.params, &self.id.0, -14, &update, [seed; 32]).expect("encodes");
        let made = contribute(&dealing, encoded, Entropy::from_bytes([seed; 32])).expect("made");
        self.package(
            company,
            &state,
            made.ciphertext,
            made.sealed_shares,
            made.commitment.root,
        )
    }

    pub(crate) fn package(
        &self,
        company: &Company,
        state: &State,
        ciphertext: Vec<u8>,
        sealed_shares: Vec<Vec<u8>>,
        root: [u8; 32],
    ) -> Made {
        let id = state
            .participant_by_key(&company.identity.public())
            .expect("admitted")
            .id;
        let round = state.round().expect("open").opening.round;
        let bytes = ciphertext.len() + sealed_shares.iter().map(Vec::len).sum::<usize>();
        let entry = Entry::ContributionCommitted {
            round,
            participant: id,
            root,
            bytes: bytes as u64,
        };
        let signed = SignedEntry::signed_by(entry, &self.id, &[&company.identity]);
        Made {
            header: ContributionHeader {
                round,
                entry: signed.encode(),
                sealed_shares,
                offset: 0,
            },
            ciphertext,
            root,
        }
    }

    /// Sends a header and parts of ciphertext.
    pub(crate) async fn send(
        &self,
        company: usize,
        header: ContributionHeader,
        ciphertext: &[u8],
    ) -> Result<SignedReceipt, Status> {
        let mut parts = vec![header_part(header)];
        parts.extend(ciphertext.chunks(10_000).map(ciphertext_part));
        self.send_parts(company, parts).await
    }

    pub(crate) async fn send_parts(
        &self,
        company: usize,
        parts: Vec<ContributePart>,
    ) -> Result<SignedReceipt, Status> {
        let reply: Receipt = self.companies[company]
            .rounds()
            .contribute(tokio_stream::iter(parts))
            .await?
            .into_inner();
        Ok(SignedReceipt::from_bytes(&reply.receipt).expect("a receipt"))
    }

    /// Everybody contributes and the committee does its duty until the model is published.
    pub(crate) async fn complete_round(&mut self) {
        for company in 0..self.companies.len() {
            let made = self.contribution(company, company as u8 + 1).await;
            self.send(company, made.header, &made.ciphertext)
                .await
                .expect("taken");
        }
        self.cosign().await;
        self.open_sum().await;
        self.publish().await;
    }

    pub(crate) async fn cosign(&self) {
        self.companies[0]
            .step(|kind| matches!(kind, Kind::Closing(_)))
            .await;
        let state = self.companies[0].state().await;
        let open = state.round().expect("open");
        for company in &self.companies {
            let id = state
                .participant_by_key(&company.identity.public())
                .expect("admitted")
                .id;
            let Some(seat) = open.seat_of(id) else {
                continue;
            };
            let statement = CloseStatement {
                federation: self.id,
                round: open.opening.round,
                contributions: state.contributions_hash().expect("open"),
                nonce: company.seat(open.opening.round).1,
                guard: unsilo_ledger::GuardHead::default(),
            };
            let cosignature = statement.sign(seat, &company.identity);
            let request = CosignCloseRequest {
                round: open.opening.round,
                cosignature: borsh::to_vec(&cosignature).expect("encodes"),
            };
            company
                .committee()
                .cosign_close(request)
                .await
                .expect("taken");
        }
    }

    pub(crate) async fn open_sum(&self) {
        self.companies[0]
            .step(|kind| matches!(kind, Kind::Opening(_)))
            .await;
        let state = self.companies[0].state().await;
        let closed = state.round().expect("closed");
        let round = closed.opening.round;
        let context = self.context(&state);
        let committee = self.seats(&state);
        let weights: Vec<_> = state
            .weights()
            .expect("weighed")
            .iter()
            .map(|(id, weight)| (id.0, *weight))
            .collect();
        for company in &self.companies {
            let id = state
                .participant_by_key(&company.identity.public())
                .expect("admitted")
                .id;
            let seat = closed.seat_of(id).expect("all are seated");
            let mut stream = company
                .committee()
                .shares(SharesRequest { round })
                .await
                .expect("shares")
                .into_inner();
            let mut shares = Vec::new();
            while let Some(share) = stream.message().await.expect("a share") {
                let dealing = Dealing {
                    params: &self.params,
                    context: &context,
                    participant: share.participant,
                    committee: &committee,
                };
                let keys = company.seat(round).0;
                shares.push(open_share(keys, &dealing, seat, &share.sealed).expect("opens"));
            }
            let weighted: Vec<_> = weights
                .iter()
                .zip(&shares)
                .map(|((participant, weight), share)| {
                    assert_eq!(*participant, share.participant());
                    (*weight, share)
                })
                .collect();
            let opening = combine(&weighted).expect("combines").to_bytes();
            let digest = weights_digest(round, &weights);
            let statement =
                opening_statement(&self.id.0, round, seat, &digest, &opening_hash(&opening));
            let signature = company.identity.sign(OPENING_DOMAIN, &statement);
            let request = OpenRequest {
                round,
                seat: u32::from(seat),
                digest: digest.to_vec(),
                opening,
                signature: signature.to_vec(),
            };
            company.committee().open(request).await.expect("taken");
        }
    }

    /// Recomputes the model as every company would, signs it, and checks what is served.
    pub(crate) async fn publish(&self) {
        let step = self.companies[0]
            .step(|kind| matches!(kind, Kind::Publishing(_)))
            .await;
        let Kind::Publishing(publishing) = step else {
            unreachable!("that was asked for");
        };
        let entry = Entry::from_bytes(&publishing.entry).expect("an entry");
        let Entry::ModelPublished {
            model,
            total_weight,
            ..
        } = entry
        else {
            panic!("another entry is to be signed");
        };
        let state = self.companies[0].state().await;
        let context = self.context(&state);
        let (sum, key) = self.sum(publishing.round).await;
        let key = KeySum::from_bytes(&key).expect("a key");
        let mean = decrypt(&self.params, &context, &sum, &key, total_weight).expect("decrypts");
        let mut weights = floats(&self.model(context.model).await);
        apply_mean(&mut weights, &mean, -14).expect("applies");
        let bytes: Vec<u8> = weights
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        assert_eq!(unsilo_ledger::model_hash(&self.draft.model, &bytes), model);
        for company in &self.companies {
            let signature = entry.sign(&self.id, &company.identity).signature;
            let request = SignPublishRequest {
                round: publishing.round,
                entry: publishing.entry.clone(),
                signature: signature.to_vec(),
            };
            company
                .committee()
                .sign_publish(request)
                .await
                .expect("taken");
        }
        assert_eq!(self.model(model).await, bytes);
    }

    async fn sum(&self, round: u64) -> (Vec<u8>, Vec<u8>) {
        let mut client = ModelsClient::new(self.companies[1].link())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let stream = client.sum(SumRequest { round }).await.expect("a sum");
        blob(stream.into_inner()).await
    }

    async fn model(&self, hash: [u8; 32]) -> Vec<u8> {
        let mut client = ModelsClient::new(self.companies[1].link())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let request = ModelRequest {
            model: hash.to_vec(),
        };
        let stream = client.model(request).await.expect("a model");
        blob(stream.into_inner()).await.0
    }

    /// Stops the server and starts it again; everybody connects anew.
    pub(crate) async fn restart(mut self) -> Self {
        self.server.stop().await.expect("stops");
        self.server = self.home.serve().await;
        for company in &mut self.companies {
            company.connect(&self.home, &self.server).await;
        }
        self
    }
}

impl Company {
    fn seat(&self, round: u64) -> (&RoundKeyPair, [u8; 32]) {
        let kept = self.seats.iter().find(|(of, _, _)| *of == round);
        let (_, keys, nonce) = kept.expect("a seat was offered");
        (keys, *nonce)
    }
}

async fn blob(mut stream: tonic::Streaming<unsilo_proto::v1::BlobPart>) -> (Vec<u8>, Vec<u8>) {
    let (mut expected, mut key, mut data) = (0, Vec::new(), Vec::new());
    while let Some(part) = stream.message().await.expect("a part") {
        match part.part.expect("not empty") {
            blob_part::Part::Header(header) => (expected, key) = (header.bytes, header.key_sum),
            blob_part::Part::Data(bytes) => data.extend_from_slice(&bytes),
        }
    }
    assert_eq!(data.len() as u64, expected);
    (data, key.to_vec())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

pub(crate) fn header_part(header: ContributionHeader) -> ContributePart {
    ContributePart {
        part: Some(contribute_part::Part::Header(header)),
    }
}

pub(crate) fn ciphertext_part(bytes: &[u8]) -> ContributePart {
    ContributePart {
        part: Some(contribute_part::Part::Ciphertext(bytes.to_vec().into())),
    }
}
