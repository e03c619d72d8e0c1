//! A company that lies: its directory was made by `join` and its seat by its node; from then on the test acts in its
//! name, with its keys.

use std::time::Duration;

use tokio::runtime::Runtime;
use tonic::transport::Channel;
use unsilo_fhe::{
    AnswerSheet, Committee, Contribution, Dealing, Entropy, KeyShare, Params, ParamsLiteral,
    ProjectionAnswers, ProjectionKeys, Projections, RoundContext, RoundKeyPair, RoundPublicKey,
    SealSeeds, answer_projections, commitment, contribute, encode, open_share,
};
use unsilo_ledger::{
    AnswerStatement, CurrentRound, Entry, FederationId, Opening, ParticipantId, SignedEntry,
    SigningIdentity, State,
};
use unsilo_proto::{
    SealedHashes, SignedAppeal, limits,
    v1::{
        AnswerRequest, AppealRequest, ContributePart, ContributionHeader, EntriesRequest,
        SharesRequest, Step, StepsRequest, committee_client::CommitteeClient, contribute_part,
        ledger_log_client::LedgerLogClient, models_client::ModelsClient,
        rounds_client::RoundsClient, step::Kind,
    },
};

use super::relay::channel;
use crate::{companies::Companies, support::DEADLINE};

/// A company whose duties are done here.
pub(crate) struct Hand {
    pub(crate) identity: SigningIdentity,
    runtime: Runtime,
    channel: Channel,
    /// The key of its seat in round 1.
    keys: RoundKeyPair,
}

/// The round as this company sees it.
pub(crate) struct View {
    pub(crate) state: State,
    pub(crate) params: Params,
    pub(crate) context: RoundContext,
    pub(crate) committee: Committee,
    pub(crate) me: ParticipantId,
}

impl View {
    pub(crate) fn round(&self) -> &CurrentRound {
        self.state.round().expect("a round is under way")
    }

    pub(crate) fn id(&self, name: &str) -> ParticipantId {
        self.state
            .participant_by_name(name)
            .expect("a participant")
            .id
    }

    pub(crate) fn seat_of(&self, id: ParticipantId) -> u16 {
        self.round().seat_of(id).expect("seated")
    }

    pub(crate) fn dealing(&self) -> Dealing<'_> {
        Dealing {
            params: &self.params,
            context: &self.context,
            participant: self.me.0,
            committee: &self.committee,
        }
    }

    /// A contribution of this company: the same number everywhere.
    pub(crate) fn contribution(&self, value: f32) -> Contribution {
        let update = vec![value; self.params.parameters()];
        let unit = self.round().opening.unit_log2;
        let encoded = encode(
            &self.params,
            &self.context.federation,
            unit,
            &update,
            [7; 32],
        );
        let entropy = Entropy::from_bytes(value.to_le_bytes().repeat(8).try_into().expect("32"));
        contribute(&self.dealing(), encoded.expect("encodes"), entropy).expect("made")
    }

    fn projections(&self) -> Projections {
        let challenge = self.round().closing.as_ref().expect("closed").challenge;
        Projections::new(&self.params, &self.context, challenge)
    }
}

/// Deals `seat` a share of another key, sealed as it should be.
pub(crate) fn deal_another_share(view: &View, contribution: &mut Contribution, seat: u16) {
    let other = view.contribution(0.02);
    let index = usize::from(seat) - 1;
    contribution.sealed_shares[index].clone_from(&other.sealed_shares[index]);
    let mut seeds = contribution.seal_seeds.to_secret_bytes();
    seeds[32 * index..][..32].copy_from_slice(other.seal_seeds.seed(seat).expect("a seat"));
    contribution.seal_seeds = SealSeeds::from_secret_bytes(&seeds).expect("whole");
}

impl Hand {
    /// Takes over from the company's node, which was seated in round 1 and has ended.
    pub(crate) fn of(fed: &Companies, name: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let secret = std::fs::read(fed.company(name).join("round-1.key")).expect("it was seated");
        Self {
            identity: identity(fed, name),
            channel: runtime.block_on(async { channel(fed, name) }),
            keys: RoundKeyPair::from_secret_bytes(&secret).expect("a key"),
            runtime,
        }
    }

    pub(crate) fn committee(&self) -> CommitteeClient<Channel> {
        CommitteeClient::new(self.channel.clone())
            .max_decoding_message_size(limits::COMMITTEE_MESSAGE_BYTES)
    }

    pub(crate) fn models(&self) -> ModelsClient<Channel> {
        ModelsClient::new(self.channel.clone()).max_decoding_message_size(limits::MESSAGE_BYTES)
    }

    /// Waits for something of the coordinator's.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime
            .block_on(async { tokio::time::timeout(DEADLINE, what).await })
            .expect("answered in time")
    }

    /// The ledger, replayed.
    pub(crate) fn state(&self) -> State {
        let entries = self.wait(log(self.channel.clone()));
        State::replay(&entries).expect("replays")
    }

    pub(crate) fn view(&self) -> View {
        let state = self.state();
        let draft = state.draft().expect("founded");
        let opening = &state.round().expect("under way").opening;
        View {
            params: fhe_params(&state),
            context: RoundContext {
                federation: draft.federation_id().0,
                round: opening.round,
                model: opening.model,
            },
            committee: committee(opening),
            me: state
                .participant_by_key(&self.identity.public())
                .expect("admitted")
                .id,
            state,
        }
    }

    /// Waits for a step that `wanted` likes.
    pub(crate) fn step(&self, wanted: impl Fn(&Kind) -> bool) -> Step {
        let request = StepsRequest {
            protocol_version: limits::PROTOCOL_VERSION,
        };
        let mut rounds = RoundsClient::new(self.channel.clone());
        self.wait(async {
            loop {
                let steps = rounds.steps(request).await;
                let mut steps = steps.expect("a stream").into_inner();
                while let Ok(Some(step)) = steps.message().await {
                    if step.kind.as_ref().is_some_and(&wanted) {
                        return step;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    /// Sends a contribution under its signed root.
    pub(crate) fn contribute(&self, view: &View, made: &Contribution) {
        let signed = commitment(
            &view.params,
            &view.context,
            view.me.0,
            &made.ciphertext,
            &made.sealed_shares,
        );
        let sealed: usize = made.sealed_shares.iter().map(Vec::len).sum();
        let entry = Entry::ContributionCommitted {
            round: view.context.round,
            participant: view.me,
            root: signed.expect("whole").root,
            bytes: (made.ciphertext.len() + sealed) as u64,
        };
        let federation = view.state.federation_id().expect("founded");
        let header = ContributionHeader {
            round: view.context.round,
            entry: SignedEntry::signed_by(entry, &federation, &[&self.identity]).encode(),
            sealed_shares: made.sealed_shares.clone(),
            offset: 0,
            linear_hash: made.linear_hash.to_bytes(),
        };
        let parts = std::iter::once(contribute_part::Part::Header(header)).chain(
            made.ciphertext
                .chunks(1 << 16)
                .map(|part| contribute_part::Part::Ciphertext(part.to_vec().into())),
        );
        let parts: Vec<_> = parts
            .map(|part| ContributePart { part: Some(part) })
            .collect();
        let mut rounds = RoundsClient::new(self.channel.clone());
        self.wait(rounds.contribute(tokio_stream::iter(parts)))
            .expect("taken");
    }

    /// Answers the projections; on the contributions of `lied` as if their shares were other ones.
    pub(crate) fn answer(&self, lied: &[ParticipantId]) {
        self.answer_sealing(lied, |_| {});
    }

    /// The same, with the keys of its sheet changed before they are signed: one for each other seat, ascending.
    pub(crate) fn answer_sealing(
        &self,
        lied: &[ParticipantId],
        change: impl FnOnce(&mut [Vec<u8>]),
    ) {
        self.step(|kind| matches!(kind, Kind::Answering(_)));
        let view = self.view();
        let (round, seat) = (view.context.round, view.seat_of(view.me));
        let projections = view.projections();
        let keys = ProjectionKeys::new(&projections);
        let answers: Vec<ProjectionAnswers> = self
            .shares(&view)
            .iter()
            .map(|share| {
                let lies = lied.contains(&ParticipantId(share.participant()));
                let other = match lies {
                    true => &self.another(&view, share.participant()),
                    false => share,
                };
                answer_projections(other, &keys).expect("of this round")
            })
            .collect();
        let (_, sealed) = AnswerSheet::seal(
            &projections,
            &view.committee,
            seat,
            answers,
            Entropy::from_bytes([seat as u8; 32]),
        )
        .expect("sealed");
        let mut sheet_keys: Vec<_> = sealed.keys.into_iter().map(|(_, key)| key).collect();
        change(&mut sheet_keys);
        let statement = AnswerStatement {
            federation: view.state.federation_id().expect("founded"),
            round,
            seat,
            sheet_root: sealed.root,
            sealed: SealedHashes::of(&sealed.sheet, &sheet_keys, &[]).digest(),
        };
        let request = AnswerRequest {
            round,
            seat: seat.into(),
            sheet_root: sealed.root.to_vec(),
            sheet: sealed.sheet,
            sheet_keys,
            directions: Vec::new(),
            signature: statement.sign(&self.identity).to_vec(),
        };
        self.wait(self.committee().answer(request)).expect("taken");
    }

    /// The shares sealed to this seat, opened.
    fn shares(&self, view: &View) -> Vec<KeyShare> {
        let request = SharesRequest {
            round: view.context.round,
        };
        let mut committee = self.committee();
        let mut shares = Vec::new();
        self.wait(async {
            let mut stream = committee
                .shares(request)
                .await
                .expect("shares")
                .into_inner();
            while let Some(share) = stream.message().await.expect("a share") {
                let dealing = Dealing {
                    participant: share.participant,
                    ..view.dealing()
                };
                let opened = open_share(&self.keys, &dealing, view.seat_of(view.me), &share.sealed);
                shares.push(opened.expect("opens"));
            }
        });
        shares
    }

    /// A share of something else that `dealer` could have dealt to this seat.
    fn another(&self, view: &View, dealer: u32) -> KeyShare {
        let dealing = Dealing {
            participant: dealer,
            ..view.dealing()
        };
        let update = vec![0.0; view.params.parameters()];
        let encoded = encode(
            &view.params,
            &view.context.federation,
            -14,
            &update,
            [1; 32],
        );
        let made = contribute(
            &dealing,
            encoded.expect("encodes"),
            Entropy::from_bytes([9; 32]),
        );
        let seat = view.seat_of(view.me);
        let sealed = &made.expect("made").sealed_shares[usize::from(seat) - 1];
        open_share(&self.keys, &dealing, seat, sealed).expect("opens")
    }

    /// Shows a share, or what it says is one.
    pub(crate) fn appeal(&self, view: &View, appeal: Vec<u8>) {
        let round = view.context.round;
        let federation = FederationId(view.context.federation);
        let signed = SignedAppeal::sign(&federation, round, view.me, appeal, &self.identity);
        let appeal = signed.to_bytes();
        let request = AppealRequest { round, appeal };
        self.wait(self.committee().appeal(request)).expect("taken");
    }
}

/// The ledger identity of a company that joined.
pub(crate) fn identity(fed: &Companies, name: &str) -> SigningIdentity {
    let text = std::fs::read(fed.company(name).join("identity.key")).expect("it joined");
    let seed = data_encoding::HEXLOWER
        .decode(text.trim_ascii())
        .expect("hex");
    SigningIdentity::from_seed(&seed.try_into().expect("32 bytes"))
}

/// The whole log, as a company is told it.
async fn log(channel: Channel) -> Vec<SignedEntry> {
    let mut log = LedgerLogClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let reply = log.entries(EntriesRequest { from: 0 }).await;
    let reply = reply.expect("answered").into_inner();
    assert_eq!(reply.entries.len() as u64, reply.size, "one page");
    let entries = reply.entries.iter();
    entries
        .map(|bytes| SignedEntry::decode(bytes).expect("an entry"))
        .collect()
}

/// The whole log, asked for in a company's name.
pub(crate) fn entries(fed: &Companies, name: &str) -> Vec<SignedEntry> {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async { log(channel(fed, name)).await })
}

/// The parameters of the federation's encryption.
pub(crate) fn fhe_params(state: &State) -> Params {
    let draft = state.draft().expect("founded");
    Params::new(&ParamsLiteral {
        profile: "default".into(),
        parameters: draft.model.parameters(),
    })
    .expect("valid")
}

/// The committee of a round.
pub(crate) fn committee(opening: &Opening) -> Committee {
    let keys = opening.seats.iter();
    let keys = keys.map(|seat| RoundPublicKey::from_bytes(&seat.round_key).expect("a key"));
    Committee::new(keys.collect(), usize::from(opening.threshold)).expect("a committee")
}
