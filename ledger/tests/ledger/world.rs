//! A whole federation whose keys the test holds.

use unsilo_ledger::{
    Account, Activation, CloseStatement, Cosignature, Draft, Entry, Event, Feature, FederationId,
    GuardHead, Hash, Incentive, Member, ModelKind, ModelSpec, OpeningStatement, Optimiser, OwnerId,
    ParticipantId, Phase, RatingStep, Ratings, Rejected, Schema, Seat, SeatOffer, Settlement,
    SignedEntry, SigningIdentity, State, Statement, Testimony, TrainingPlan, Violation,
    VoidAuthority, VoidReason, commit_nonce, commit_rating, ratings_hash,
};

pub(crate) const COORDINATOR: u32 = 1_000_000;
/// The exponent of every honest norm, at which the unit of [`draft`] stays as it is.
pub(crate) const NORM: u16 = 124;
/// What every rating is salted with.
pub(crate) const SALT: Hash = [40; 32];

/// The identity of participant `number`; [`COORDINATOR`] for the coordinator's.
pub(crate) fn identity(number: u32) -> SigningIdentity {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    SigningIdentity::from_seed(&seed)
}

pub(crate) fn name(number: usize) -> String {
    format!("Company {number}")
}

pub(crate) fn draft(founders: usize) -> Draft {
    Draft {
        name: "Digits".to_owned(),
        coordinator: identity(COORDINATOR).public(),
        ca_fingerprint: [3; 32],
        model: ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![64, 32, 10],
            activation: Activation::Relu,
        },
        schema: Schema {
            label: "digit".to_owned(),
            classes: (0..10).map(|class| class.to_string()).collect(),
            features: (0..64)
                .map(|pixel| Feature::number(format!("pixel {pixel}"), 0, 16_000_000))
                .collect(),
        },
        training: TrainingPlan {
            steps: 10,
            batch: 16,
            learning_rate_micro: 100_000,
            optimiser: Optimiser::Sgd,
            rounds: 0,
        },
        unit_log2: -14,
        min_cohort: 0,
        grant: 1_000,
        incentive: Incentive::default(),
        created_ms: 1_700_000_000_000,
        nonce: [9; 32],
        founders: (0..founders).map(name).collect(),
    }
}

pub(crate) fn founders(count: usize) -> Vec<Member> {
    (0..count)
        .map(|number| Member {
            name: name(number),
            key: identity(u32::try_from(number).expect("small")).public(),
            owner: None,
        })
        .collect()
}

/// The genesis of `draft` by these founders, signed by all of them (participant i has identity i).
pub(crate) fn genesis(draft: Draft, founders: Vec<Member>) -> SignedEntry {
    let federation = draft.federation_id();
    let mut keys: Vec<SigningIdentity> = (0..founders.len() as u32).map(identity).collect();
    keys.push(identity(COORDINATOR));
    let entry = Entry::FederationCreated { draft, founders };
    SignedEntry::signed_by(entry, &federation, &keys.iter().collect::<Vec<_>>())
}

/// The books, every entry so far, and all keys.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) log: Vec<SignedEntry>,
}

impl World {
    pub(crate) fn new(founders: usize) -> Self {
        Self::from_draft(draft(founders))
    }

    pub(crate) fn from_draft(draft: Draft) -> Self {
        let members = founders(draft.founders.len());
        let mut world = Self {
            state: State::new(),
            log: Vec::new(),
        };
        world.accept(genesis(draft, members));
        world
    }

    pub(crate) fn federation(&self) -> FederationId {
        self.state.federation_id().expect("founded")
    }

    /// Applies an entry that must be allowed.
    pub(crate) fn accept(&mut self, entry: SignedEntry) -> Vec<Event> {
        let events = self.state.apply(&entry).expect("the entry is allowed");
        self.log.push(entry);
        events
    }

    /// Applies an entry that must be refused, and checks that nothing changed.
    pub(crate) fn refuse(&mut self, entry: SignedEntry) -> Rejected {
        let before = self.state.root();
        let rejected = self
            .state
            .apply(&entry)
            .expect_err("the entry is not allowed");
        assert_eq!(
            self.state.root(),
            before,
            "a rejected entry changed the state"
        );
        rejected
    }

    pub(crate) fn sign(&self, entry: Entry, signers: &[u32]) -> SignedEntry {
        let keys: Vec<SigningIdentity> = signers.iter().copied().map(identity).collect();
        SignedEntry::signed_by(entry, &self.federation(), &keys.iter().collect::<Vec<_>>())
    }

    pub(crate) fn nonce(&self, round: u64, participant: ParticipantId) -> Hash {
        let mut nonce = [1; 32];
        nonce[..8].copy_from_slice(&round.to_le_bytes());
        nonce[8..12].copy_from_slice(&participant.0.to_le_bytes());
        nonce
    }

    /// A chain that grows every round.
    pub(crate) fn guard(&self, round: u64, participant: ParticipantId) -> GuardHead {
        GuardHead {
            records: round,
            digest: self.nonce(round, participant),
        }
    }

    pub(crate) fn seat(&self, participant: ParticipantId) -> Seat {
        let round = self.state.next_round();
        let offer = self.offer(round, participant);
        let signature = offer.sign(&identity(participant.0));
        offer.into_seat(participant, signature)
    }

    pub(crate) fn offer(&self, round: u64, participant: ParticipantId) -> SeatOffer {
        let federation = self.federation();
        let mut round_key = vec![5; 32];
        round_key[..4].copy_from_slice(&participant.0.to_le_bytes());
        SeatOffer {
            federation,
            round,
            model: self.state.model().expect("founded"),
            round_key,
            nonce_commitment: commit_nonce(
                &federation,
                round,
                participant,
                &self.nonce(round, participant),
            ),
            guard: self.guard(round, participant),
        }
    }

    /// The first participant of an owner.
    pub(crate) fn first_of(&self, owner: OwnerId) -> ParticipantId {
        self.state
            .participants()
            .find(|participant| participant.owner == owner)
            .expect("exists")
            .id
    }

    /// Seats for everyone drawn, up to the committee's size.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        let drawn = self.state.draw().expect("no round in progress");
        drawn
            .owners
            .iter()
            .take(drawn.size)
            .map(|owner| self.seat(self.first_of(*owner)))
            .collect()
    }

    pub(crate) fn round_opened(&self, seats: Vec<Seat>) -> Entry {
        Entry::RoundOpened {
            round: self.state.next_round(),
            model: self.state.model().expect("founded"),
            unit_log2: self.state.next_unit_log2().expect("founded"),
            seats,
            contribute_by_ms: 60_000,
            close_by_ms: 70_000,
            open_by_ms: 80_000,
        }
    }

    pub(crate) fn open(&mut self) -> Vec<Event> {
        let entry = self.sign(self.round_opened(self.seats()), &[COORDINATOR]);
        self.accept(entry)
    }

    pub(crate) fn round(&self) -> u64 {
        self.state
            .round()
            .expect("a round in progress")
            .opening
            .round
    }

    pub(crate) fn contribution(&self, participant: u32) -> SignedEntry {
        let mut root = [2; 32];
        root[..8].copy_from_slice(&self.round().to_le_bytes());
        root[8..12].copy_from_slice(&participant.to_le_bytes());
        let entry = Entry::ContributionCommitted {
            round: self.round(),
            participant: ParticipantId(participant),
            root,
            bytes: 12_288,
        };
        self.sign(entry, &[participant])
    }

    pub(crate) fn contribute(&mut self, participants: impl IntoIterator<Item = u32>) {
        for participant in participants {
            let entry = self.contribution(participant);
            self.accept(entry);
        }
    }

    /// The members on the seats, in order.
    /// The members of the round's committee; who was evicted since has no seat any more.
    pub(crate) fn seated(&self) -> Vec<u32> {
        let round = self.state.round().expect("a round in progress");
        let members = round.opening.seats.iter().map(|seat| seat.participant);
        members
            .filter(|id| {
                self.state
                    .participant(*id)
                    .is_some_and(|one| one.is_present)
            })
            .map(|id| id.0)
            .collect()
    }

    pub(crate) fn threshold(&self) -> usize {
        usize::from(
            self.state
                .round()
                .expect("a round in progress")
                .opening
                .threshold,
        )
    }

    pub(crate) fn cosign(&self, seat: u16) -> Cosignature {
        let round = self.state.round().expect("a round in progress");
        let participant = round.seat(seat).expect("the seat exists").participant;
        let statement = CloseStatement {
            federation: self.federation(),
            round: round.opening.round,
            contributions: self
                .state
                .contributions_hash()
                .expect("a round in progress"),
            nonce: self.nonce(round.opening.round, participant),
            guard: self.guard(round.opening.round, participant),
        };
        statement.sign(seat, &identity(participant.0))
    }

    pub(crate) fn cosignatures(&self, count: usize) -> Vec<Cosignature> {
        (1..=u16::try_from(count).expect("small"))
            .map(|seat| self.cosign(seat))
            .collect()
    }

    pub(crate) fn round_closed(&self, cosignatures: Vec<Cosignature>) -> Entry {
        let contributions = self
            .state
            .contributions_hash()
            .expect("a round in progress");
        Entry::RoundClosed {
            round: self.round(),
            contributions,
            cosignatures,
        }
    }

    pub(crate) fn close(&mut self) -> Vec<Event> {
        let entry = self.sign(
            self.round_closed(self.cosignatures(self.threshold())),
            &[COORDINATOR],
        );
        self.accept(entry)
    }

    /// Verdicts of all seats that accept every contribution, of equal norm.
    pub(crate) fn judged(&self) -> Entry {
        let round = self.state.round().expect("a round in progress");
        let seats = u16::try_from(round.opening.seats.len()).expect("small");
        Entry::ContributionsJudged {
            round: round.opening.round,
            answers: (1..=seats).map(|seat| (seat, [20; 32])).collect(),
            projections: [21; 32],
            accepted: round.contributions.keys().map(|id| (*id, NORM)).collect(),
            rejected: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// By as many members as must.
    pub(crate) fn judge(&mut self) -> Vec<Event> {
        let members: Vec<u32> = self.seated().into_iter().take(self.threshold()).collect();
        let entry = self.sign(self.judged(), &members);
        self.accept(entry)
    }

    pub(crate) fn directions(&self, participant: u32) -> Entry {
        let mut direction = [30; 32];
        direction[..4].copy_from_slice(&participant.to_le_bytes());
        Entry::DirectionsCommitted {
            round: self.round(),
            participant: ParticipantId(participant),
            round_key: vec![6; 32],
            directions: vec![direction, [31; 32]],
        }
    }

    pub(crate) fn direct(&mut self, raters: impl IntoIterator<Item = u32>) {
        for rater in raters {
            let entry = self.sign(self.directions(rater), &[rater]);
            self.accept(entry);
        }
    }

    /// `score` for all accepted contributions but the rater's own and its affiliates'.
    pub(crate) fn ratings(&self, rater: u32, score: i16) -> Ratings {
        let owner = |id| self.state.participant(id).expect("known").owner;
        let norms = self.state.norms().expect("judged");
        let score_of = |id| {
            if owner(id) == owner(ParticipantId(rater)) {
                0
            } else {
                score
            }
        };
        let scores: Vec<i16> = norms.iter().map(|(id, _)| score_of(*id)).collect();
        let rewards = scores.iter().map(|score| score.unsigned_abs()).collect();
        Ratings { scores, rewards }
    }

    pub(crate) fn rating_committed(&self, rater: u32, ratings: &Ratings) -> Entry {
        let (round, participant) = (self.round(), ParticipantId(rater));
        Entry::RatingsCommitted {
            round,
            participant,
            commitment: commit_rating(&self.federation(), round, participant, ratings, &SALT),
        }
    }

    pub(crate) fn rating_revealed(&self, rater: u32, ratings: &Ratings) -> Entry {
        Entry::RatingsRevealed {
            round: self.round(),
            participant: ParticipantId(rater),
            scores: ratings.scores.clone(),
            rewards: ratings.rewards.clone(),
            salt: SALT,
        }
    }

    pub(crate) fn commit_ratings(&mut self, rater: u32, ratings: &Ratings) {
        let entry = self.sign(self.rating_committed(rater, ratings), &[rater]);
        self.accept(entry);
    }

    pub(crate) fn reveal_ratings(&mut self, rater: u32, ratings: &Ratings) {
        let entry = self.sign(self.rating_revealed(rater, ratings), &[rater]);
        self.accept(entry);
    }

    pub(crate) fn end_step(&mut self, step: RatingStep) -> Vec<Event> {
        let members: Vec<u32> = self.seated().into_iter().take(self.threshold()).collect();
        let entry = self.sign(self.step_ended(step), &members);
        self.accept(entry)
    }

    /// The end of this step over the rows on the log; over none if another step, or none, is under way.
    pub(crate) fn step_ended(&self, step: RatingStep) -> Entry {
        let due = self.state.rating_step_end();
        let fits = |entry: &Entry| matches!(entry, Entry::RatingStepEnded { step: under_way, .. } if *under_way == step);
        due.filter(fits).unwrap_or_else(|| {
            let current = self.state.round().map(|round| round.opening.round);
            let round = current.unwrap_or_else(|| self.state.next_round());
            let set = ratings_hash(&self.federation(), round, step, [].into_iter());
            Entry::RatingStepEnded {
                round,
                step,
                rows: 0,
                set,
            }
        })
    }

    /// Commits, reveals and ends both steps.
    pub(crate) fn rate(&mut self, ratings: &[(u32, Ratings)]) -> Vec<Event> {
        for (rater, ratings) in ratings {
            self.commit_ratings(*rater, ratings);
        }
        self.end_step(RatingStep::Commit);
        for (rater, ratings) in ratings {
            self.reveal_ratings(*rater, ratings);
        }
        self.end_step(RatingStep::Reveal)
    }

    /// A whole round in which everybody contributes and one participant of each owner rates the others by
    /// `score`, up to the publication.
    pub(crate) fn rated_round(&mut self, score: impl Fn(u32, ParticipantId) -> i16) -> Vec<Event> {
        self.open();
        let everyone: Vec<u32> = self.state.participants().map(|one| one.id.0).collect();
        let raters: Vec<u32> = self
            .state
            .raters()
            .iter()
            .map(|owner| self.first_of(*owner).0)
            .collect();
        self.contribute(everyone);
        self.direct(raters.clone());
        self.close();
        self.judge();
        let norms = self.state.norms().expect("judged").to_vec();
        let ratings: Vec<(u32, Ratings)> = raters
            .into_iter()
            .map(|rater| {
                let mut ratings = self.ratings(rater, 1);
                for ((id, _), (value, reward)) in norms
                    .iter()
                    .zip(ratings.scores.iter_mut().zip(&mut ratings.rewards))
                {
                    *value *= score(rater, *id);
                    *reward = u16::try_from(*value).unwrap_or(0);
                }
                (rater, ratings)
            })
            .collect();
        self.rate(&ratings);
        self.publish()
    }

    pub(crate) fn model_after(&self, round: u64) -> Hash {
        let mut model = [4; 32];
        model[..8].copy_from_slice(&round.to_le_bytes());
        model
    }

    pub(crate) fn model_published(&self) -> Entry {
        Entry::ModelPublished {
            round: self.round(),
            sum: [10; 32],
            key_sum: [11; 32],
            model: self.model_after(self.round()),
            total_weight: self
                .state
                .round()
                .expect("a round in progress")
                .total_weight(),
        }
    }

    /// The coordinator and the first `members` seats.
    pub(crate) fn publishers(&self, members: usize) -> Vec<u32> {
        let mut signers = vec![COORDINATOR];
        signers.extend(self.seated().into_iter().take(members));
        signers
    }

    /// Of a closed round; judged first, unless it is.
    pub(crate) fn publish(&mut self) -> Vec<Event> {
        if self.state.phase() == Phase::Closed {
            self.judge();
        }
        let entry = self.sign(self.model_published(), &self.publishers(self.threshold()));
        self.accept(entry)
    }

    pub(crate) fn voided(&self, round: u64, authority: VoidAuthority) -> Entry {
        Entry::RoundVoided {
            round,
            reason: VoidReason::TooFewMembers,
            authority,
        }
    }

    /// By the whole committee.
    pub(crate) fn void(&mut self) -> Vec<Event> {
        let entry = self.sign(
            self.voided(self.round(), VoidAuthority::Committee),
            &self.seated(),
        );
        self.accept(entry)
    }

    /// An answer about the key of a sum, that a member signed.
    pub(crate) fn opening(&self, member: u32, round: u64, digest: u8) -> Testimony {
        let statement = OpeningStatement {
            federation: self.federation(),
            round,
            seat: 1,
            digest: [digest; 32],
            opening: [2; 32],
        };
        Testimony {
            signature: statement.sign(&identity(member)),
            statement: Statement::Opening(statement),
        }
    }

    /// Two of one round.
    pub(crate) fn two_openings(&self, member: u32, round: u64) -> Violation {
        Violation::Contradiction {
            participant: ParticipantId(member),
            first: Box::new(self.opening(member, round, 1)),
            second: Box::new(self.opening(member, round, 2)),
        }
    }

    pub(crate) fn admission(&self, number: u32, owner: Option<OwnerId>) -> Entry {
        Entry::ParticipantAdmitted {
            name: name(usize::try_from(number).expect("small")),
            key: identity(number).public(),
            owner,
        }
    }

    pub(crate) fn eviction(&self, participant: u32) -> Entry {
        let participant = ParticipantId(participant);
        Entry::ParticipantEvicted {
            participant,
            change: self.changes(participant),
        }
    }

    pub(crate) fn readmission(&self, participant: u32, key: u32) -> Entry {
        let participant = ParticipantId(participant);
        Entry::ParticipantReadmitted {
            participant,
            change: self.changes(participant),
            key: identity(key).public(),
        }
    }

    pub(crate) fn owner_change(&self, participant: u32, owner: Option<OwnerId>) -> Entry {
        let participant = ParticipantId(participant);
        Entry::OwnerChanged {
            participant,
            change: self.changes(participant),
            owner,
        }
    }

    fn changes(&self, participant: ParticipantId) -> u32 {
        self.state
            .participant(participant)
            .map_or(0, |participant| participant.changes)
    }

    pub(crate) fn deposit(&self, participant: u32, amount: u64) -> Entry {
        let participant = ParticipantId(participant);
        Entry::StakeDeposited {
            participant,
            number: self.moves(participant),
            amount,
        }
    }

    pub(crate) fn withdrawal(&self, participant: u32, amount: u64) -> Entry {
        let participant = ParticipantId(participant);
        Entry::StakeWithdrawn {
            participant,
            number: self.moves(participant),
            amount,
        }
    }

    fn moves(&self, participant: ParticipantId) -> u64 {
        let owner = self.state.participant(participant).map(|one| one.owner);
        owner
            .and_then(|owner| self.state.account(owner))
            .map_or(0, |account| account.moves)
    }

    /// By a participant alone.
    pub(crate) fn accept_by(&mut self, entry: Entry, signer: u32) -> Vec<Event> {
        let entry = self.sign(entry, &[signer]);
        self.accept(entry)
    }

    /// Rounds with ratings to the end of the epoch; the events of the last publication.
    pub(crate) fn epoch(&mut self, score: impl Fn(u32, ParticipantId) -> i16) -> Settlement {
        let before = self.state.epoch();
        loop {
            let events = self.rated_round(&score);
            if self.state.epoch() > before {
                let settled = events.into_iter().find_map(|event| match event {
                    Event::EpochSettled(settlement) => Some(*settlement),
                    _ => None,
                });
                return settled.expect("an epoch ended");
            }
        }
    }

    /// The account of an owner.
    pub(crate) fn account(&self, owner: u32) -> Account {
        *self.state.account(OwnerId(owner)).expect("an owner")
    }

    /// A whole round with every participant.
    pub(crate) fn full_round(&mut self) {
        self.open();
        self.contribute(0..self.state.participants().count() as u32);
        self.close();
        self.judge();
        self.publish();
    }
}
