//! What members and participants do between the close of a round and its publication, by hand.

use unsilo_fhe::{
    AnswerSheet, Dealing, DigitSumReader, Entropy, KeyShare, KeySum, LinearHash, ProjectionKeys,
    ProjectionTable, Projections, Summand, answer_projections, apply_mean,
    check::{Evidence, ReceivedSheet, RejectionReason as Found},
    combine, commit, decrypt, judge, open_share, verify_sum,
};
use unsilo_ledger::{
    AnswerStatement, CloseStatement, Entry, GuardHead, OpeningStatement, ParticipantId,
    RejectionReason, SignedCheckpoint, State,
};
use unsilo_proto::{
    SealedHashes, limits, opening_hash,
    v1::{
        AnswerRequest, AnswersRequest, BlobPart, CosignCloseRequest, CosignRequest, ModelRequest,
        OpenRequest, SharesRequest, SignJudgementRequest, SignPublishRequest, SumProofRequest,
        SumRequest, answers_part, blob_part, step::Kind, sum_proof_part,
    },
    weights_digest,
};

use crate::federation::{Company, Federation};

/// Any moment: when a cosignature was made plays no part here.
const SECONDS: u64 = 1_700_000_000;

impl Federation {
    /// Everybody contributes and the committee does its duty until the model is published.
    pub(crate) async fn complete_round(&mut self) {
        for company in 0..self.companies.len() {
            let made = self.contribution(company, company as u8 + 1).await;
            self.send(company, made.header, &made.ciphertext)
                .await
                .expect("taken");
        }
        self.finish_round().await;
    }

    /// From the contributions to the publication.
    pub(crate) async fn finish_round(&mut self) {
        self.cosign().await;
        self.judge().await;
        self.open_sum().await;
        self.publish().await;
    }

    pub(crate) fn id(&self, company: &Company, state: &State) -> ParticipantId {
        let known = state.participant_by_key(&company.identity.public());
        known.expect("admitted").id
    }

    pub(crate) async fn cosign(&self) {
        self.companies[0]
            .step(|kind| matches!(kind, Kind::Closing(_)))
            .await;
        let state = self.companies[0].state().await;
        let open = state.round().expect("open");
        for company in &self.companies {
            let Some(seat) = open.seat_of(self.id(company, &state)) else {
                continue;
            };
            let statement = CloseStatement {
                federation: self.id,
                round: open.opening.round,
                contributions: state.contributions_hash().expect("open"),
                nonce: company.seat(open.opening.round).1,
                guard: GuardHead::default(),
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

    /// One company's word that it replayed the log to the newest checkpoint.
    pub(crate) async fn cosignature(&self, company: usize) -> CosignRequest {
        let company = &self.companies[company];
        let reply = company.entries().await;
        let state = company.state().await;
        let signed = SignedCheckpoint::parse(&reply.checkpoint, &self.draft.coordinator)
            .expect("a checkpoint");
        let cosignature = signed.cosign(self.id(company, &state), &company.identity, SECONDS);
        CosignRequest {
            size: reply.size,
            cosignature: cosignature.line(),
        }
    }

    /// Everybody cosigns the newest checkpoint.
    pub(crate) async fn cosign_checkpoint(&self) {
        for company in 0..self.companies.len() {
            let request = self.cosignature(company).await;
            let taken = self.companies[company].log().cosign(request).await;
            taken.expect("taken");
        }
    }

    pub(crate) fn projections(&self, state: &State) -> Projections {
        let closed = state.round().expect("closed");
        let challenge = closed.closing.as_ref().expect("closed").challenge;
        Projections::new(&self.params, &self.context(state), challenge)
    }

    /// The shares sealed to a company, opened.
    pub(crate) async fn shares(&self, company: &Company, state: &State) -> Vec<KeyShare> {
        let closed = state.round().expect("closed");
        let round = closed.opening.round;
        let (context, committee) = (self.context(state), self.seats(state));
        let seat = closed
            .seat_of(self.id(company, state))
            .expect("all are seated");
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
        shares
    }

    /// One company's answer on the projections.
    pub(crate) async fn answer(&self, company: usize) -> AnswerRequest {
        let company = &self.companies[company];
        let state = company.state().await;
        let closed = state.round().expect("closed");
        let round = closed.opening.round;
        let projections = self.projections(&state);
        let keys = ProjectionKeys::new(&projections);
        let shares = self.shares(company, &state).await;
        let answers = shares
            .iter()
            .map(|share| answer_projections(share, &keys).expect("of this round"))
            .collect();
        let seat = closed.seat_of(self.id(company, &state)).expect("seated");
        let (_, sealed) = AnswerSheet::seal(
            &projections,
            &self.seats(&state),
            seat,
            answers,
            Entropy::from_bytes([seat as u8; 32]),
        )
        .expect("sealed");
        let sheet_keys: Vec<_> = sealed.keys.into_iter().map(|(_, key)| key).collect();
        let statement = AnswerStatement {
            federation: self.id,
            round,
            seat,
            sheet_root: sealed.root,
            sealed: SealedHashes::of(&sealed.sheet, &sheet_keys, &[]).digest(),
        };
        AnswerRequest {
            round,
            seat: seat.into(),
            sheet_root: sealed.root.to_vec(),
            sheet: sealed.sheet,
            sheet_keys,
            directions: Vec::new(),
            signature: statement.sign(&company.identity).to_vec(),
        }
    }

    /// Everybody answers and judges, on cosigned checkpoints.
    pub(crate) async fn judge(&self) {
        self.companies[0]
            .step(|kind| matches!(kind, Kind::Answering(_)))
            .await;
        self.cosign_checkpoint().await;
        let step = self.companies[0].whole_step(|step| {
            matches!(step.kind, Some(Kind::Answering(_))) && !step.checkpoint.is_empty()
        });
        let step = step.await;
        let state = self.companies[0].state().await;
        let cosigned = unsilo_ledger::CosignedCheckpoint::parse(
            &step.checkpoint,
            &self.draft.coordinator,
            |participant| state.cosigner_key(participant),
        )
        .expect("cosigned");
        assert!(state.threshold_cosigned(&cosigned));
        assert_eq!(cosigned.checkpoint().size, step.ledger_entries);
        for company in 0..self.companies.len() {
            let request = self.answer(company).await;
            let taken = self.companies[company].committee().answer(request).await;
            taken.expect("taken");
        }
        for company in 0..self.companies.len() {
            let request = self.judgement(company).await;
            let taken = self.companies[company]
                .committee()
                .sign_judgement(request)
                .await;
            taken.expect("taken");
        }
    }

    /// One company's judgement, from what the coordinator hands out.
    pub(crate) async fn judgement(&self, company: usize) -> SignJudgementRequest {
        let company = &self.companies[company];
        company
            .whole_step(|step| {
                matches!(step.kind, Some(Kind::Judging(_))) && !step.checkpoint.is_empty()
            })
            .await;
        let state = company.state().await;
        let closed = state.round().expect("closed");
        let (round, committee) = (closed.opening.round, self.seats(&state));
        let reader = closed.seat_of(self.id(company, &state)).expect("seated");
        let closed_set: Vec<u32> = closed.contributions.keys().map(|id| id.0).collect();
        let projections = self.projections(&state);
        let mut client = company
            .committee()
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let mut stream = client
            .answers(AnswersRequest { round })
            .await
            .expect("answers")
            .into_inner();
        let (mut table, mut sheets) = (Vec::new(), Vec::new());
        while let Some(part) = stream.message().await.expect("a part") {
            match part.part.expect("not empty") {
                answers_part::Part::Projections(bytes) => table.extend(bytes),
                answers_part::Part::Seat(of) => {
                    let root: [u8; 32] = of.sheet_root.try_into().expect("a hash");
                    let hashes = of.hashes.as_ref().map(SealedHashes::from_message);
                    let hashes = hashes.expect("there").expect("hashes");
                    assert_eq!(hashes.sheet, unsilo_proto::sealed_hash(&of.sheet));
                    let statement = AnswerStatement {
                        federation: self.id,
                        round,
                        seat: of.seat as u16,
                        sheet_root: root,
                        sealed: hashes.digest(),
                    };
                    let member = closed.seat(of.seat as u16).expect("seated");
                    let signature = of.signature.try_into().expect("a signature");
                    assert!(statement.verify(&member.key, &signature));
                    if of.seat == u32::from(reader) {
                        assert!(of.sheet_key.is_empty(), "nobody seals to itself");
                        continue;
                    }
                    let received = ReceivedSheet {
                        seat: of.seat as u16,
                        root: &root,
                        sheet: &of.sheet,
                        key: &of.sheet_key,
                    };
                    let keys = company.seat(round).0;
                    let place = |to: u16| to - 1 - u16::from(u32::from(to) > of.seat);
                    let is_signed = |to: u16, key: &[u8]| {
                        hashes.keys[usize::from(place(to))] == unsilo_proto::sealed_hash(key)
                    };
                    let of = (&projections, &committee);
                    let opened = received.open(of.0, of.1, reader, keys, &closed_set, is_signed);
                    sheets.push(opened.expect("opens"));
                }
            }
        }
        // Its own answers are made again: the same bytes.
        let keys = ProjectionKeys::new(&projections);
        let shares = self.shares(company, &state).await;
        let own = shares
            .iter()
            .map(|share| answer_projections(share, &keys).expect("of this round"))
            .collect();
        let entropy = Entropy::from_bytes([reader as u8; 32]);
        let (own, _) =
            AnswerSheet::seal(&projections, &committee, reader, own, entropy).expect("sealed");
        sheets.push(own);
        sheets.sort_by_key(AnswerSheet::seat);
        let sheets: Vec<&AnswerSheet> = sheets.iter().collect();
        let table = ProjectionTable::from_bytes(&table).expect("a table");
        let threshold = usize::from(closed.opening.threshold);
        let verdict = judge(&projections, threshold, &table, &sheets).expect("judges");
        let judged = verdict.judgement();
        let reason = |found: &Found| match found {
            Found::BadPair => RejectionReason::BadPair {
                seat: judged.bad_pairs.first().map_or(0, |(_, seat)| *seat),
            },
            Found::Undecodable => RejectionReason::Undecodable,
            Found::OutOfRange => RejectionReason::OutOfRange,
            Found::TooLong => RejectionReason::TooLong,
        };
        let entry = Entry::ContributionsJudged {
            round,
            answers: sheets
                .iter()
                .map(|sheet| (sheet.seat(), *sheet.root()))
                .collect(),
            projections: table.hash(),
            accepted: judged
                .accepted
                .iter()
                .map(|(id, exponent)| (ParticipantId(*id), *exponent))
                .collect(),
            rejected: judged
                .rejected
                .iter()
                .map(|(id, found)| (ParticipantId(*id), reason(found)))
                .collect(),
            erased: judged.erased.clone(),
        };
        let evidence = judged.rejected.iter().filter_map(|(id, _)| {
            let shown = Evidence::new(&verdict, *id, &sheets).ok()?;
            Some(shown.to_bytes())
        });
        SignJudgementRequest {
            round,
            evidence: evidence.collect(),
            signature: entry.sign(&self.id, &company.identity).signature.to_vec(),
            entry: entry.to_bytes(),
        }
    }

    pub(crate) async fn open_sum(&self) {
        self.companies[0]
            .step(|kind| matches!(kind, Kind::Opening(_)))
            .await;
        self.cosign_checkpoint().await;
        self.companies[0]
            .whole_step(|step| {
                matches!(step.kind, Some(Kind::Opening(_) | Kind::Publishing(_)))
                    && (!step.checkpoint.is_empty()
                        || matches!(step.kind, Some(Kind::Publishing(_))))
            })
            .await;
        let state = self.companies[0].state().await;
        let closed = state.round().expect("closed");
        let round = closed.opening.round;
        let weights: Vec<_> = state
            .weights()
            .expect("weighed")
            .iter()
            .map(|(id, weight)| (id.0, *weight))
            .collect();
        for company in &self.companies {
            let seat = closed.seat_of(self.id(company, &state)).expect("seated");
            let shares = self.shares(company, &state).await;
            let weighted: Vec<_> = weights
                .iter()
                .zip(&shares)
                .inspect(|((participant, _), share)| assert_eq!(*participant, share.participant()))
                .filter(|((_, weight), _)| *weight > 0)
                .map(|((_, weight), share)| (*weight, share))
                .collect();
            let opening = combine(&weighted).expect("combines").to_bytes();
            let digest = weights_digest(round, &weights);
            let statement = OpeningStatement {
                federation: self.id,
                round,
                seat,
                digest,
                opening: opening_hash(&opening),
            };
            let signature = statement.sign(&company.identity);
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

    /// Verifies the sum and recomputes the model as every company would, signs it, and checks what is served.
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
            sum,
            total_weight,
            ..
        } = entry
        else {
            panic!("another entry is to be signed");
        };
        let state = self.companies[0].state().await;
        let (context, unit) = (
            self.context(&state),
            state.round().expect("weighed").opening.unit_log2,
        );
        let (digits, key) = self.sum(publishing.round).await;
        assert_eq!(unsilo_proto::sum_hash(&digits), sum);
        let mut reader = DigitSumReader::new(&self.params, total_weight).expect("a weight");
        reader.update(&digits).expect("digits");
        let read = reader.finish().expect("whole");
        self.sum_is_verified(&state, &read).await;
        let key = KeySum::from_bytes(&key).expect("a key");
        let mean = decrypt(&self.params, &context, &read.ciphertext, &key, total_weight);
        let mut weights = floats(&self.model(context.model).await);
        apply_mean(&mut weights, &mean.expect("decrypts"), unit).expect("applies");
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

    /// Every linear hash opens its signed root, and together they give the hash of the sum.
    async fn sum_is_verified(&self, state: &State, read: &unsilo_fhe::digit_sum::ReadSum) {
        let round = state.round().expect("weighed");
        let request = SumProofRequest {
            round: round.opening.round,
        };
        let stream = self.companies[1].models().sum_proof(request).await;
        let mut stream = stream.expect("a proof").into_inner();
        let (mut table, mut leaves) = (Vec::new(), Vec::new());
        while let Some(part) = stream.message().await.expect("a part") {
            match part.part.expect("not empty") {
                sum_proof_part::Part::Projections(bytes) => table.extend(bytes),
                sum_proof_part::Part::Contribution(of) => leaves.push(of),
            }
        }
        let table = ProjectionTable::from_bytes(&table).expect("a table");
        assert_eq!(table.hash(), state.judged().expect("judged").projections);
        let hashes: Vec<_> = leaves
            .iter()
            .map(|of| LinearHash::from_bytes(&of.linear_hash).expect("a hash"))
            .collect();
        let summands: Vec<_> = leaves
            .iter()
            .zip(&hashes)
            .zip(state.weights().expect("weighed"))
            .map(|((of, linear_hash), (id, weight))| {
                assert_eq!(of.participant, id.0);
                let share_hashes: Vec<[u8; 32]> = of
                    .share_hashes
                    .iter()
                    .map(|hash| hash.as_slice().try_into().expect("a hash"))
                    .collect();
                let chunks_root = of.chunks_root.as_slice().try_into().expect("a hash");
                let commitment = commit::ContributionCommitment::new(
                    &self.params,
                    &self.context(state),
                    id.0,
                    chunks_root,
                    &share_hashes,
                    &linear_hash.digest(),
                );
                Summand {
                    participant: id.0,
                    weight: *weight,
                    root: &round.contributions[id].root,
                    chunks_root,
                    shares_hash: commitment.shares_hash,
                    linear_hash,
                }
            })
            .collect();
        verify_sum(&self.params, &self.context(state), &summands, read).expect("the sum");
    }

    async fn sum(&self, round: u64) -> (Vec<u8>, Vec<u8>) {
        let stream = self.companies[1].models().sum(SumRequest { round }).await;
        blob(stream.expect("a sum").into_inner()).await
    }

    async fn model(&self, hash: [u8; 32]) -> Vec<u8> {
        let request = ModelRequest {
            model: hash.to_vec(),
        };
        let stream = self.companies[1].models().model(request).await;
        blob(stream.expect("a model").into_inner()).await.0
    }
}

pub(crate) async fn blob(mut stream: tonic::Streaming<BlobPart>) -> (Vec<u8>, Vec<u8>) {
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
