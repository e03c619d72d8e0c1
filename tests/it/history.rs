//! Twenty rounds that nobody trained in: a ledger written with the keys of real directories, so that companies have
//! earned something and real processes go on from there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use unsilo_ledger::{
    CloseStatement, Draft, Entry, FederationId, GuardHead, Hash, LedgerStore, Member,
    OpeningStatement, ParticipantId, PublicKey, Ratings, SeatOffer, SignedEntry, SigningIdentity,
    State, Statement, Testimony, Violation, commit_nonce, commit_rating,
};

use crate::companies::Companies;

/// Rounds of the shortest epoch.
const EPOCH: u64 = 20;
/// The exponent of every norm.
const NORM: u16 = 124;
const SALT: Hash = [40; 32];

/// Writes the first epoch of a federation whose founders have joined and whose coordinator is stopped: everybody
/// contributes in every round, all rate all others alike in the first, and `careless` is reported to have
/// answered twice about the key of a sum.
pub(crate) fn write(fed: &Companies, founders: &[&str], careless: &str) {
    let seed = fs::read(fed.coordinator().join("secrets/identity")).expect("the identity");
    let coordinator = SigningIdentity::from_seed(&seed.try_into().expect("32 bytes"));
    let draft = fs::read(fed.coordinator().join("draft")).expect("the draft");
    let draft = Draft::from_bytes(&draft).expect("a draft");
    let path = fed.coordinator().join("ledger.tlog");
    for file in ["ledger.tlog", "ledger.cosignatures"] {
        let _ = fs::remove_file(fed.coordinator().join(file));
    }
    let mut history = History {
        federation: draft.federation_id(),
        state: State::new(),
        log: Vec::new(),
        keys: BTreeMap::new(),
    };
    let mut members = Vec::new();
    for founder in founders {
        let identity = identity(&fed.company(founder));
        members.push(Member {
            name: (*founder).to_owned(),
            key: identity.public(),
            owner: None,
        });
        history.keys.insert(identity.public(), identity);
    }
    let coordinator_key = coordinator.public();
    let signing = SigningIdentity::from_seed(&coordinator.to_seed());
    history.keys.insert(coordinator_key, coordinator);
    let founding = Entry::FederationCreated {
        draft,
        founders: members,
    };
    let all: Vec<PublicKey> = history.keys.keys().copied().collect();
    history.enter(founding, &all);
    let careless = history.state.participant_by_name(careless);
    let careless = careless.expect("a founder").id;
    for round in 1..=EPOCH {
        history.round(round, coordinator_key);
    }
    history.convict(careless);
    let mut store = LedgerStore::create(&path, Arc::new(signing)).expect("a new ledger");
    store.append(&history.log).expect("the rules allow it");
    assert_eq!(store.state().epoch(), 2);
}

/// The ledger identity in a company's directory.
pub(crate) fn identity(dir: &Path) -> SigningIdentity {
    let path: PathBuf = dir.join("identity.key");
    let text = fs::read(path).expect("the identity");
    let seed = HEXLOWER.decode(text.trim_ascii()).expect("hexadecimal");
    SigningIdentity::from_seed(&seed.try_into().expect("32 bytes"))
}

struct History {
    federation: FederationId,
    state: State,
    log: Vec<SignedEntry>,
    keys: BTreeMap<PublicKey, SigningIdentity>,
}

impl History {
    /// Anybody's report is enough: the two signatures prove it.
    fn convict(&mut self, careless: ParticipantId) {
        let key = self.state.participant(careless).expect("known").key;
        let twice = |digest: u8| {
            let statement = OpeningStatement {
                federation: self.federation,
                round: 1,
                seat: 1,
                digest: [digest; 32],
                opening: [2; 32],
            };
            Box::new(Testimony {
                signature: statement.sign(&self.keys[&key]),
                statement: Statement::Opening(statement),
            })
        };
        let violation = Violation::Contradiction {
            participant: careless,
            first: twice(1),
            second: twice(2),
        };
        let reporters = self.state.participants().map(|one| one.key);
        let reporter = reporters.into_iter().find(|other| *other != key);
        let reporter = reporter.expect("more than one");
        self.enter(Entry::ViolationReported { violation }, &[reporter]);
    }

    /// Over the rows that are on the log.
    fn end_rating_step(&mut self, members: &[PublicKey]) {
        let entry = self.state.rating_step_end().expect("a step is under way");
        self.enter(entry, members);
    }

    fn enter(&mut self, entry: Entry, signers: &[PublicKey]) {
        let keys: Vec<&SigningIdentity> = signers.iter().map(|key| &self.keys[key]).collect();
        let signed = SignedEntry::signed_by(entry, &self.federation, &keys);
        self.state.apply(&signed).expect("allowed");
        self.log.push(signed);
    }

    /// A number for this round and participant.
    fn number(round: u64, id: ParticipantId) -> Hash {
        let mut number = [1; 32];
        number[..8].copy_from_slice(&round.to_le_bytes());
        number[8..12].copy_from_slice(&id.0.to_le_bytes());
        number
    }

    fn guard(round: u64, id: ParticipantId) -> GuardHead {
        GuardHead {
            records: round,
            digest: Self::number(round, id),
        }
    }

    fn round(&mut self, round: u64, coordinator: PublicKey) {
        self.open(round, coordinator);
        let everybody: Vec<(ParticipantId, PublicKey)> = self
            .state
            .participants()
            .map(|participant| (participant.id, participant.key))
            .collect();
        for (participant, key) in &everybody {
            let entry = Entry::ContributionCommitted {
                round,
                participant: *participant,
                root: Self::number(round, *participant),
                bytes: 12_288,
            };
            self.enter(entry, &[*key]);
        }
        if round == 1 {
            for (participant, key) in &everybody {
                let entry = Entry::DirectionsCommitted {
                    round,
                    participant: *participant,
                    round_key: vec![6; 32],
                    directions: vec![Self::number(31, *participant)],
                };
                self.enter(entry, &[*key]);
            }
        }
        let members = self.close(round, coordinator);
        let judged = self.state.round().expect("closed");
        let entry = Entry::ContributionsJudged {
            round,
            answers: (1..=members.len() as u16)
                .map(|seat| (seat, [20; 32]))
                .collect(),
            projections: [21; 32],
            accepted: judged.contributions.keys().map(|id| (*id, NORM)).collect(),
            rejected: Vec::new(),
            erased: Vec::new(),
        };
        self.enter(entry, &members);
        if round == 1 {
            self.rate(round, &everybody, &members);
        }
        let mut model = [4; 32];
        model[..8].copy_from_slice(&round.to_le_bytes());
        let entry = Entry::ModelPublished {
            round,
            sum: [10; 32],
            key_sum: [11; 32],
            model,
            total_weight: self.state.round().expect("weighed").total_weight(),
        };
        self.enter(entry, &[&members[..], &[coordinator]].concat());
    }

    fn open(&mut self, round: u64, coordinator: PublicKey) {
        let draw = self.state.draw().expect("between rounds");
        let model = self.state.model().expect("founded");
        let drawn = draw.owners.iter().take(draw.size);
        let seats = drawn
            .map(|owner| {
                let mut participants = self.state.participants();
                let member = participants.find(|one| one.owner == *owner);
                let member = member.expect("drawn");
                let mut round_key = vec![5; 32];
                round_key[..4].copy_from_slice(&member.id.0.to_le_bytes());
                let nonce = Self::number(round, member.id);
                let offer = SeatOffer {
                    federation: self.federation,
                    round,
                    model,
                    round_key,
                    nonce_commitment: commit_nonce(&self.federation, round, member.id, &nonce),
                    guard: Self::guard(round, member.id),
                };
                let signature = offer.sign(&self.keys[&member.key]);
                offer.into_seat(member.id, signature)
            })
            .collect();
        let entry = Entry::RoundOpened {
            round,
            model,
            unit_log2: self.state.next_unit_log2().expect("founded"),
            seats,
            contribute_by_ms: 60_000,
            close_by_ms: 70_000,
            open_by_ms: 80_000,
        };
        self.enter(entry, &[coordinator]);
    }

    /// Closes the round; returns the keys of its members.
    fn close(&mut self, round: u64, coordinator: PublicKey) -> Vec<PublicKey> {
        let contributions = self.state.contributions_hash().expect("open");
        let seats = &self.state.round().expect("open").opening.seats;
        let members: Vec<PublicKey> = seats.iter().map(|seat| seat.key).collect();
        let cosignatures = (1..)
            .zip(seats)
            .map(|(number, seat)| {
                let statement = CloseStatement {
                    federation: self.federation,
                    round,
                    contributions,
                    nonce: Self::number(round, seat.participant),
                    guard: Self::guard(round, seat.participant),
                };
                statement.sign(number, &self.keys[&seat.key])
            })
            .collect();
        let entry = Entry::RoundClosed {
            round,
            contributions,
            cosignatures,
        };
        self.enter(entry, &[coordinator]);
        members
    }

    /// All rate all others alike.
    fn rate(&mut self, round: u64, raters: &[(ParticipantId, PublicKey)], members: &[PublicKey]) {
        let rows: Vec<Ratings> = raters
            .iter()
            .map(|(rater, _)| {
                let others = || raters.iter().map(|(other, _)| other != rater);
                Ratings {
                    scores: others().map(i16::from).collect(),
                    rewards: others().map(u16::from).collect(),
                }
            })
            .collect();
        for ((participant, key), ratings) in raters.iter().zip(&rows) {
            let entry = Entry::RatingsCommitted {
                round,
                participant: *participant,
                commitment: commit_rating(&self.federation, round, *participant, ratings, &SALT),
            };
            self.enter(entry, &[*key]);
        }
        self.end_rating_step(members);
        for ((participant, key), ratings) in raters.iter().zip(rows) {
            let entry = Entry::RatingsRevealed {
                round,
                participant: *participant,
                scores: ratings.scores,
                rewards: ratings.rewards,
                salt: SALT,
            };
            self.enter(entry, &[*key]);
        }
        self.end_rating_step(members);
    }
}
