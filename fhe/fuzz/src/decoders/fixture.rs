//! One small round, made once: what the decoders that need a context decode in.

use std::sync::LazyLock;
use unsilo_fhe::{
    AnswerSheet, Committee, Contribution, Dealing, Direction, DirectionAnswers, DirectionKey,
    Entropy, KeyShare, Params, ParamsLiteral, Permutation, ProjectionKeys, ProjectionTable,
    Projections, Queries, Question, RoundContext, RoundKeyPair, SealedSheet, Verdict,
    answer_projections, contribute, direction_hash, encode, judge, open_share,
};

pub(super) const PARAMETERS: usize = 100;
pub(super) const CONTEXT: RoundContext = RoundContext {
    federation: [0xF0; 32],
    round: 5,
    model: [0x0D; 32],
};
pub(super) const THRESHOLD: usize = 4;
pub(super) const SEATS: u16 = 5;
/// Participants of the round. The shares of the last are those of another key, so it is rejected.
pub(super) const PARTICIPANTS: [u32; 3] = [0, 7, 9];
/// The validator that asks.
pub(super) const VALIDATOR: u32 = 3;

pub(super) struct Fixture {
    pub(super) params: Params,
    pub(super) keys: Vec<RoundKeyPair>,
    pub(super) committee: Committee,
    pub(super) contributions: Vec<Contribution>,
    pub(super) projections: Projections,
    pub(super) projection_keys: ProjectionKeys,
    pub(super) table: ProjectionTable,
    /// Of each seat: as it was judged, and as it was sent.
    pub(super) sheets: Vec<(AnswerSheet, SealedSheet)>,
    pub(super) verdict: Verdict,
    pub(super) permutation: Permutation,
    pub(super) validator: RoundKeyPair,
    pub(super) directions: Vec<Direction>,
    pub(super) direction_keys: Vec<DirectionKey>,
    pub(super) hashes: Vec<[u8; 32]>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

pub(super) fn fixture() -> &'static Fixture {
    &FIXTURE
}

impl Fixture {
    fn new() -> Self {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: PARAMETERS as u64,
        })
        .expect("in range");
        let keys: Vec<_> = (1..=SEATS)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat as u8; 32]).expect("32 bytes"))
            .collect();
        let members = keys.iter().map(|keys| keys.public().clone()).collect();
        let committee = Committee::new(members, THRESHOLD).expect("5 members");
        let deal = |participant: u32, seed: u8| {
            let update = [0.01 * f32::from(seed); PARAMETERS];
            let encoded =
                encode(&params, &CONTEXT.federation, -14, &update, [seed; 32]).expect("finite");
            let dealing = Dealing {
                params: &params,
                context: &CONTEXT,
                participant,
                committee: &committee,
            };
            contribute(&dealing, encoded, Entropy::from_bytes([seed; 32])).expect("deals")
        };
        let mut contributions = vec![deal(0, 1), deal(7, 2), deal(9, 3)];
        contributions[2].sealed_shares = deal(9, 4).sealed_shares;

        let projections = Projections::new(&params, &CONTEXT, [0xC4; 32]);
        let projection_keys = ProjectionKeys::new(&projections);
        let ciphertexts: Vec<_> = contributions
            .iter()
            .map(|contribution| contribution.ciphertext.as_slice())
            .collect();
        let mut queries = Queries::of_projections(&projections, ciphertexts.len());
        queries.add(0, &ciphertexts).expect("ciphertexts");
        let rows = queries.finish().expect("all chunks").into_iter();
        let rows = PARTICIPANTS
            .into_iter()
            .zip(rows)
            .map(|(participant, row)| (participant, row.try_into().expect("48 words")));
        let table = ProjectionTable::new(rows.collect()).expect("ascending");

        let share = |seat: u16, index: usize| -> KeyShare {
            let dealing = Dealing {
                params: &params,
                context: &CONTEXT,
                participant: PARTICIPANTS[index],
                committee: &committee,
            };
            let sealed = &contributions[index].sealed_shares[usize::from(seat) - 1];
            match open_share(&keys[usize::from(seat) - 1], &dealing, seat, sealed) {
                Ok(share) => share,
                Err(error) => panic!("a share of the fixture: {error}"),
            }
        };
        let sheets: Vec<_> = (1..=SEATS)
            .map(|seat| {
                let answers = (0..PARTICIPANTS.len())
                    .map(|index| {
                        answer_projections(&share(seat, index), &projection_keys)
                            .expect("same round")
                    })
                    .collect();
                let entropy = Entropy::from_bytes([seat as u8; 32]);
                AnswerSheet::seal(&projections, &committee, seat, answers, entropy).expect("seals")
            })
            .collect();
        let judged: Vec<_> = sheets.iter().map(|(sheet, _)| sheet).collect();
        let verdict = judge(&projections, THRESHOLD, &table, &judged).expect("enough sheets");
        assert_eq!(verdict.judgement().rejected.len(), 1);

        let permutation = Permutation::new(&params, &CONTEXT.federation);
        let directions: Vec<_> = (0..2_u8)
            .map(|index| {
                let values = [1 + index as i8; PARAMETERS];
                Direction::new(&permutation, &values, Entropy::from_bytes([index; 32]))
                    .expect("short")
            })
            .collect();
        let direction_keys: Vec<_> = directions.iter().map(|v| v.key(&CONTEXT)).collect();
        let hashes = (0..)
            .zip(&direction_keys)
            .map(|(index, key)| direction_hash(&CONTEXT, VALIDATOR, index, key))
            .collect();
        Self {
            params,
            keys,
            committee,
            contributions,
            projections,
            projection_keys,
            table,
            sheets,
            verdict,
            permutation,
            validator: RoundKeyPair::from_secret_bytes(&[0x77; 32]).expect("32 bytes"),
            directions,
            direction_keys,
            hashes,
        }
    }

    pub(super) fn dealing(&self, participant: u32) -> Dealing<'_> {
        Dealing {
            params: &self.params,
            context: &CONTEXT,
            participant,
            committee: &self.committee,
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question {
            projections: &self.projections,
            validator: VALIDATOR,
            directions: &self.hashes,
        }
    }

    /// What `seat` answers to the validator on the first two contributions.
    pub(super) fn direction_answers(&self, seat: u16) -> DirectionAnswers {
        let keys = &self.keys[usize::from(seat) - 1];
        let shares: Vec<KeyShare> = (0..2)
            .map(|index| {
                let sealed = &self.contributions[index].sealed_shares[usize::from(seat) - 1];
                match open_share(keys, &self.dealing(PARTICIPANTS[index]), seat, sealed) {
                    Ok(share) => share,
                    Err(error) => panic!("a share of the fixture: {error}"),
                }
            })
            .collect();
        let shares: Vec<_> = shares.iter().collect();
        DirectionAnswers::new(&self.question(), &self.direction_keys, &shares).expect("same round")
    }
}
