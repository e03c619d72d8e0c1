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
    Committee, Dealing, Entropy, LinearHasher, Params, ParamsLiteral, RoundContext, RoundKeyPair,
    RoundPublicKey, commitment, contribute, encode,
};
use unsilo_ledger::{
    Draft, Entry, FederationId, GuardHead, SeatOffer, SignedEntry, SignedReceipt, SigningIdentity,
    State, commit_nonce,
};
use unsilo_proto::{
    Code, Invite, JOIN_DOMAIN, Rejected, join_statement, limits,
    v1::{
        ContributePart, ContributionHeader, EntriesReply, EntriesRequest, JoinReply, JoinRequest,
        OfferSeatRequest, PendingRequest, Receipt, SignGenesisRequest, SignRequest, Step,
        StepsRequest, admission_client::AdmissionClient, committee_client::CommitteeClient,
        contribute_part, ledger_log_client::LedgerLogClient, models_client::ModelsClient,
        proposals_client::ProposalsClient, rounds_client::RoundsClient, step::Kind,
    },
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
        Self::of(&FOUNDERS)
    }

    pub(crate) fn of(founders: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("made");
        let model = directory.path().join("model.toml");
        let names: Vec<_> = (0..32).map(|index| format!("\"p{index}\"")).collect();
        std::fs::write(&model, MODEL.replace("NAMES", &names.join(","))).expect("written");
        let options = InitOptions {
            name: "Digits".into(),
            model,
            founders: founders.iter().map(|name| (*name).to_owned()).collect(),
            listen: "127.0.0.1:0".into(),
            address: "127.0.0.1:7443".into(),
            rounds: Some(2),
            terms: None,
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

    pub(crate) fn link(&self) -> Channel {
        self.channel.clone().expect("connected")
    }

    pub(crate) fn admission(&self) -> AdmissionClient<Channel> {
        AdmissionClient::new(self.link())
    }

    pub(crate) fn proposals(&self) -> ProposalsClient<Channel> {
        ProposalsClient::new(self.link())
    }

    /// What is being signed, as the coordinator says.
    pub(crate) async fn pending(&self) -> Result<Vec<SignedEntry>, Status> {
        let mut stream = self
            .proposals()
            .pending(PendingRequest {})
            .await?
            .into_inner();
        let mut pending = Vec::new();
        while let Some(proposal) = stream.message().await? {
            pending.push(SignedEntry::decode(&proposal.entry).expect("an entry"));
        }
        Ok(pending)
    }

    /// Signs an entry.
    pub(crate) async fn sign(
        &self,
        federation: &FederationId,
        entry: &Entry,
    ) -> Result<(), Status> {
        let request = SignRequest {
            entry: entry.to_bytes(),
            signature: entry.sign(federation, &self.identity).signature.to_vec(),
        };
        self.proposals().sign(request).await.map(|_| ())
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
        let step = self.whole_step(|step| step.kind.as_ref().is_some_and(&wanted));
        step.await.kind.expect("wanted")
    }

    /// Waits for a step that `wanted` likes, with all that came with it.
    pub(crate) async fn whole_step(&self, wanted: impl Fn(&Step) -> bool) -> Step {
        let waiting = async {
            let mut steps = self.steps().await.expect("a stream");
            while let Some(step) = steps.message().await.expect("a step") {
                if wanted(&step) {
                    return step;
                }
            }
            panic!("the step stream ended")
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the step comes")
    }

    pub(crate) fn models(&self) -> ModelsClient<Channel> {
        ModelsClient::new(self.link()).max_decoding_message_size(limits::MESSAGE_BYTES)
    }

    pub(crate) fn log(&self) -> LedgerLogClient<Channel> {
        LedgerLogClient::new(self.link()).max_decoding_message_size(limits::MESSAGE_BYTES)
    }

    /// The whole log, with its checkpoint.
    pub(crate) async fn entries(&self) -> EntriesReply {
        let reply = self.log().entries(EntriesRequest { from: 0 }).await;
        reply.expect("answered").into_inner()
    }

    /// The ledger, replayed.
    pub(crate) async fn state(&self) -> State {
        let reply = self.entries().await;
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
        Self::joined_by(&FOUNDERS).await
    }

    pub(crate) async fn joined_by(founders: &[&str]) -> Self {
        let home = Home::of(founders);
        let server = home.serve().await;
        let mut companies = Vec::new();
        let mut draft = Vec::new();
        for name in founders {
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
        Self::joined().await.signed().await
    }

    async fn signed(self) -> Self {
        let federation = self;
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

    /// The same of seven founders: all of them sit, and of their answers two can be spared.
    pub(crate) async fn open_of_seven() -> Self {
        let names = [&FOUNDERS[..], &["Elm", "Fir", "Gorse"]].concat();
        let mut federation = Self::joined_by(&names).await.signed().await;
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
        let drawn = state.draw().expect("between rounds").owners;
        for company in &mut self.companies {
            let participant = state.participant_by_key(&company.identity.public());
            let participant = participant.expect("admitted");
            if !drawn.contains(&participant.owner) {
                continue;
            }
            let id = participant.id;
            let keys = RoundKeyPair::generate().expect("generated");
            let nonce = [id.0 as u8; 32];
            let offer = SeatOffer {
                federation: self.id,
                round: seating.round,
                model: state.model().expect("founded"),
                round_key: keys.public().as_bytes().to_vec(),
                nonce_commitment: commit_nonce(&self.id, seating.round, id, &nonce),
                guard: GuardHead::default(),
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

    pub(crate) fn seats(&self, state: &State) -> Committee {
        let open = state.round().expect("open");
        let keys = open
            .opening
            .seats
            .iter()
            .map(|seat| RoundPublicKey::from_bytes(&seat.round_key).expect("a key"))
            .collect();
        Committee::new(keys, usize::from(open.opening.threshold)).expect("valid")
    }

    pub(crate) fn context(&self, state: &State) -> RoundContext {
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
        let linear_hash = made.linear_hash.to_bytes();
        self.package(
            company,
            &state,
            (made.ciphertext, linear_hash),
            made.sealed_shares,
            made.commitment.root,
        )
    }

    pub(crate) fn package(
        &self,
        company: &Company,
        state: &State,
        (ciphertext, linear_hash): (Vec<u8>, Vec<u8>),
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
                linear_hash,
            },
            ciphertext,
            root,
        }
    }

    /// A contribution whose ciphertext is none of the key that was shared, signed as it is.
    pub(crate) async fn garbage(&self, company: usize) -> Made {
        self.altered(company, |ciphertext| ciphertext.rotate_left(6))
            .await
    }

    /// A contribution whose ciphertext is changed before it is signed.
    pub(crate) async fn altered(&self, company: usize, change: impl FnOnce(&mut [u8])) -> Made {
        let made = self.contribution(company, 1).await;
        let company = &self.companies[company];
        let state = company.state().await;
        let id = state
            .participant_by_key(&company.identity.public())
            .expect("admitted")
            .id;
        let mut ciphertext = made.ciphertext;
        change(&mut ciphertext);
        let shares = made.header.sealed_shares;
        let signed = commitment(
            &self.params,
            &self.context(&state),
            id.0,
            &ciphertext,
            &shares,
        );
        let mut hasher = LinearHasher::new(&self.params);
        hasher.update(&ciphertext);
        let linear_hash = hasher.finish().expect("whole").to_bytes();
        let root = signed.expect("whole").root;
        self.package(company, &state, (ciphertext, linear_hash), shares, root)
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

    /// Stops the server and starts it again in another way; nobody is connected then.
    pub(crate) async fn serve_with(mut self, options: &ServeOptions) -> Self {
        for company in &mut self.companies {
            company.channel = None;
        }
        self.server.stop().await.expect("stops");
        let server = Server::start(&self.home.path(), options).await;
        self.server = server.expect("serves");
        self
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
    pub(crate) fn seat(&self, round: u64) -> (&RoundKeyPair, [u8; 32]) {
        let kept = self.seats.iter().find(|(of, _, _)| *of == round);
        let (_, keys, nonce) = kept.expect("a seat was offered");
        (keys, *nonce)
    }
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
