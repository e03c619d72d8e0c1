//! Random entries of every kind, right and wrong: what is refused changes nothing, and no money is made or
//! lost.

use crate::world::{COORDINATOR, SALT, World, identity};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;
use unsilo_ledger::{
    AppealAuthority, Entry, FeedbackKind, OpeningStatement, OwnerId, ParticipantId, RatingStep,
    Ratings, RejectionReason, SignedEntry, State, Statement, Testimony, Violation, VoidAuthority,
    VoidReason,
};

/// What is tried; numbers are about participants that may or may not exist.
#[derive(Clone, Debug)]
enum Entered {
    Next,
    Judged {
        by: Vec<u32>,
        norm: u16,
        reject: Option<u32>,
    },
    Directions {
        who: u32,
        count: usize,
    },
    Commit {
        who: u32,
        score: i16,
    },
    Reveal {
        who: u32,
        score: i16,
        salt: u8,
        length: usize,
    },
    StepEnded {
        by: Vec<u32>,
        reveal: bool,
    },
    Void {
        by: Vec<u32>,
        reason: u8,
        owners: bool,
    },
    Evict {
        who: u32,
        by: Vec<u32>,
        stale: u32,
    },
    Readmit {
        who: u32,
        key: u32,
        by: Vec<u32>,
    },
    Move {
        who: u32,
        to: Option<u32>,
        by: Vec<u32>,
    },
    Deposit {
        who: u32,
        amount: u64,
        stale: u64,
    },
    Withdraw {
        who: u32,
        amount: u64,
        stale: u64,
    },
    Queries {
        by: u32,
        count: u32,
        fees: u64,
    },
    Report {
        who: u32,
        signer: u32,
        same: bool,
        by: Vec<u32>,
    },
    Attest {
        who: u32,
        round: u64,
        by: Vec<u32>,
    },
    Appeal {
        case: u64,
        owners: bool,
        by: Vec<u32>,
    },
    Feedback {
        who: u32,
        number: u64,
    },
    Again {
        at: usize,
    },
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..3_000_000_u64,
        1 => prop::sample::select(vec![1 << 32, 1 << 63, u64::MAX - 1, u64::MAX]),
    ]
}

fn entered() -> impl Strategy<Value = Entered> {
    let who = || prop_oneof![9 => 0..6_u32, 1 => 6..9_u32];
    let by = || {
        vec(prop_oneof![9 => 0..6_u32, 1 => Just(COORDINATOR)], 0..5).prop_map(|mut by| {
            by.sort_unstable();
            by.dedup();
            by
        })
    };
    prop_oneof![
        30 => Just(Entered::Next),
        2 => (by(), 0..200_u16, prop::option::of(who())).prop_map(|(by, norm, reject)| Entered::Judged { by, norm, reject }),
        2 => (who(), 0..4_usize).prop_map(|(who, count)| Entered::Directions { who, count }),
        3 => (who(), -9..9_i16).prop_map(|(who, score)| Entered::Commit { who, score }),
        3 => (who(), -9..9_i16, 0..2_u8, 0..7_usize)
            .prop_map(|(who, score, salt, length)| Entered::Reveal { who, score, salt, length }),
        2 => (by(), any::<bool>()).prop_map(|(by, reveal)| Entered::StepEnded { by, reveal }),
        2 => (by(), 0..8_u8, any::<bool>()).prop_map(|(by, reason, owners)| Entered::Void { by, reason, owners }),
        1 => (who(), by(), 0..3_u32).prop_map(|(who, by, stale)| Entered::Evict { who, by, stale }),
        2 => (who(), prop_oneof![who(), 20..24_u32], by()).prop_map(|(who, key, by)| Entered::Readmit { who, key, by }),
        1 => (who(), prop::option::of(who()), by()).prop_map(|(who, to, by)| Entered::Move { who, to, by }),
        4 => (who(), amount(), 0..2_u64).prop_map(|(who, amount, stale)| Entered::Deposit { who, amount, stale }),
        4 => (who(), amount(), 0..2_u64).prop_map(|(who, amount, stale)| Entered::Withdraw { who, amount, stale }),
        2 => (prop_oneof![4 => Just(COORDINATOR), 1 => who()], 0..3_u32, amount())
            .prop_map(|(by, count, fees)| Entered::Queries { by, count, fees }),
        3 => (who(), who(), any::<bool>(), by()).prop_map(|(who, signer, same, by)| Entered::Report { who, signer, same, by }),
        2 => (who(), 0..40_u64, by()).prop_map(|(who, round, by)| Entered::Attest { who, round, by }),
        2 => (0..3_u64, any::<bool>(), by()).prop_map(|(case, owners, by)| Entered::Appeal { case, owners, by }),
        2 => (who(), 0..3_u64).prop_map(|(who, number)| Entered::Feedback { who, number }),
        2 => (0..1_000_usize).prop_map(|at| Entered::Again { at }),
    ]
}

/// The entry that an orderly federation would write next.
fn next(world: &World) -> Option<SignedEntry> {
    use unsilo_ledger::Phase;
    let members = |world: &World| -> Vec<u32> {
        let key_of = |id: u32| {
            world
                .state
                .participant(ParticipantId(id))
                .map(|one| one.key)
        };
        let own = |id: &u32| key_of(*id) == Some(identity(*id).public());
        world.seated().into_iter().filter(own).collect()
    };
    Some(match world.state.phase() {
        Phase::Unfounded => return None,
        Phase::Idle => {
            let seats = world.seats();
            world.sign(world.round_opened(seats), &[COORDINATOR])
        }
        Phase::Open => {
            let contributed = &world.state.round()?.contributions;
            let mut everyone = world.state.participants();
            match everyone.find(|one| !contributed.contains_key(&one.id)) {
                Some(missing) => world.contribution(missing.id.0),
                None => {
                    let seats = world.seated().len();
                    world.sign(
                        world.round_closed(world.cosignatures(seats)),
                        &[COORDINATOR],
                    )
                }
            }
        }
        Phase::Closed => world.sign(world.judged(), &members(world)),
        Phase::Rating(step) => world.sign(world.step_ended(step), &members(world)),
        Phase::Weighed => match world.state.void_due() {
            Some(reason) => {
                let entry = Entry::RoundVoided {
                    round: world.round(),
                    reason,
                    authority: VoidAuthority::Committee,
                };
                world.sign(entry, &members(world))
            }
            None => {
                let mut signers = members(world);
                signers.push(COORDINATOR);
                world.sign(world.model_published(), &signers)
            }
        },
    })
}

fn ratings(length: usize, who: u32, score: i16) -> Ratings {
    let mut scores = vec![score; length];
    if let Some(own) = scores.get_mut(who as usize) {
        *own = 0;
    }
    let rewards = scores.iter().map(|score| score.unsigned_abs()).collect();
    Ratings { scores, rewards }
}

impl Entered {
    fn entry(&self, world: &World) -> Option<SignedEntry> {
        let round = world
            .state
            .round()
            .map_or_else(|| world.state.next_round(), |round| round.opening.round);
        let (entry, by): (Entry, Vec<u32>) = match self.clone() {
            Self::Next => return next(world),
            Self::Again { at } => return world.log.get(at % world.log.len()).cloned(),
            Self::Judged { by, norm, reject } => {
                world.state.round()?;
                let mut entry = world.judged();
                if let Entry::ContributionsJudged {
                    accepted, rejected, ..
                } = &mut entry
                {
                    accepted
                        .iter_mut()
                        .for_each(|(_, exponent)| *exponent = norm);
                    if let Some(reject) = reject {
                        accepted.retain(|(id, _)| id.0 != reject);
                        rejected.push((ParticipantId(reject), RejectionReason::OutOfRange));
                    }
                }
                (entry, by)
            }
            Self::Directions { who, count } => {
                let mut entry = Entry::DirectionsCommitted {
                    round,
                    participant: ParticipantId(who),
                    round_key: vec![1; 8],
                    directions: Vec::new(),
                };
                if let Entry::DirectionsCommitted { directions, .. } = &mut entry {
                    directions.extend((0..count).map(|index| [index as u8; 32]));
                }
                (entry, vec![who])
            }
            Self::Commit { who, score } => {
                let ratings = ratings(world.state.norms().map_or(0, <[_]>::len), who, score);
                world.state.round()?;
                (world.rating_committed(who, &ratings), vec![who])
            }
            Self::Reveal {
                who,
                score,
                salt,
                length,
            } => {
                world.state.round()?;
                let mut entry = world.rating_revealed(who, &ratings(length, who, score));
                if let Entry::RatingsRevealed { salt: found, .. } = &mut entry {
                    *found = if salt == 0 { SALT } else { [salt; 32] };
                }
                (entry, vec![who])
            }
            Self::StepEnded { by, reveal } => {
                let step = if reveal {
                    RatingStep::Reveal
                } else {
                    RatingStep::Commit
                };
                (world.step_ended(step), by)
            }
            Self::Void { by, reason, owners } => {
                let reasons = [
                    VoidReason::TooFewContributions,
                    VoidReason::TooFewMembers,
                    VoidReason::Dispute,
                    VoidReason::BadSum,
                    VoidReason::LostData,
                    VoidReason::NoVerdict,
                    VoidReason::TooFewAccepted,
                    VoidReason::Brake,
                ];
                let authority = if owners {
                    VoidAuthority::Owners { passed_ms: 0 }
                } else {
                    VoidAuthority::Committee
                };
                let reason = reasons[usize::from(reason)];
                (
                    Entry::RoundVoided {
                        round,
                        reason,
                        authority,
                    },
                    by,
                )
            }
            Self::Evict { who, by, stale } => {
                let mut entry = world.eviction(who);
                if let Entry::ParticipantEvicted { change, .. } = &mut entry {
                    *change += stale / 2;
                }
                (entry, by)
            }
            Self::Readmit { who, key, by } => (world.readmission(who, key), by),
            Self::Move { who, to, by } => (world.owner_change(who, to.map(OwnerId)), by),
            Self::Deposit { who, amount, stale } => {
                let mut entry = world.deposit(who, amount);
                if let Entry::StakeDeposited { number, .. } = &mut entry {
                    *number += stale / 2;
                }
                (entry, vec![who])
            }
            Self::Withdraw { who, amount, stale } => {
                let mut entry = world.withdrawal(who, amount);
                if let Entry::StakeWithdrawn { number, .. } = &mut entry {
                    *number += stale / 2;
                }
                (entry, vec![who])
            }
            Self::Queries { by, count, fees } => (
                Entry::QueryBatch {
                    root: [1; 32],
                    first: world.state.pool().map_or(0, |pool| pool.queries),
                    count,
                    fees,
                },
                vec![by],
            ),
            Self::Report {
                who,
                signer,
                same,
                by,
            } => {
                let testimony = |digest| {
                    let statement = OpeningStatement {
                        federation: world.federation(),
                        round: 1,
                        seat: 1,
                        digest: [digest; 32],
                        opening: [0; 32],
                    };
                    Box::new(Testimony {
                        signature: statement.sign(&identity(signer)),
                        statement: Statement::Opening(statement),
                    })
                };
                let violation = Violation::Contradiction {
                    participant: ParticipantId(who),
                    first: testimony(1),
                    second: testimony(if same { 1 } else { 2 }),
                };
                (Entry::ViolationReported { violation }, by)
            }
            Self::Attest { who, round, by } => {
                let violation = Violation::WrongAnswer {
                    participant: ParticipantId(who),
                    round,
                    evidence: [1; 32],
                };
                (Entry::ViolationReported { violation }, by)
            }
            Self::Appeal { case, owners, by } => {
                let authority = if owners {
                    AppealAuthority::Owners
                } else {
                    AppealAuthority::Committee
                };
                (Entry::Appealed { case, authority }, by)
            }
            Self::Feedback { who, number } => {
                let entry = Entry::FeedbackFiled {
                    participant: ParticipantId(who),
                    number,
                    kind: FeedbackKind::Problem,
                    hash: [0; 32],
                };
                (entry, vec![who])
            }
        };
        Some(world.sign(entry, &by))
    }
}

fn check_invariants(state: &State) {
    let pool = state.pool().expect("founded");
    let mut own = 0_u64;
    for owner in state.all_owners() {
        let account = state.account(owner.id).expect("an account");
        assert!(account.grant <= 1_000);
        own += account.own();
        assert!(owner.is_present() || state.stake(owner.id) == 0);
    }
    // All that was minted or entered is on an account, burned, or still in the pool.
    assert_eq!(
        own + pool.burned + pool.fees,
        pool.minted + pool.fees_entered
    );
    assert!(state.powers().iter().map(|(_, power)| power).sum::<u64>() <= 1 << 32);
    if let Some(weights) = state.weights() {
        let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let max = weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .max()
            .unwrap_or(0);
        let count = weights.iter().filter(|(_, weight)| *weight > 0).count() as u64;
        assert!(8 * max <= sum || 2 * count * max <= 3 * sum);
    }
}

/// Six owners near the end of their second epoch, with something on their accounts.
static EARNED: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new(6);
    world.epoch(|_, _| 50);
    for _ in 0..18 {
        world.rated_round(|_, _| 50);
    }
    world
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_refused_changes_nothing_and_no_money_is_made_or_lost(
        entered in vec(entered(), 1..120),
        earned in any::<bool>(),
    ) {
        let mut world = if earned { EARNED.clone() } else { World::new(6) };
        for entered in &entered {
            let Some(entry) = entered.entry(&world) else { continue };
            let before = world.state.clone();
            match world.state.apply(&entry) {
                Ok(_) => world.log.push(entry),
                Err(rejected) => {
                    prop_assert_eq!(world.state.root(), before.root());
                    prop_assert_eq!(world.state.to_snapshot(), before.to_snapshot());
                    prop_assert_eq!(before.check(&entry), Err(rejected.clone()));
                    prop_assert!(!rejected.to_string().is_empty());
                }
            }
            check_invariants(&world.state);
        }
        let replayed = State::replay(&world.log).expect("what was accepted is accepted again");
        prop_assert_eq!(replayed.root(), world.state.root());
        let read = State::from_snapshot(&world.state.to_snapshot(), &world.state.root());
        prop_assert!(read.is_ok());
        for entry in &world.log {
            prop_assert!(!world.state.describe(entry).contains('\n'));
        }
    }
}

#[test]
fn random_entries_reach_every_kind_of_rule() {
    // The property above would hold of entries that are all refused: most kinds must also be accepted.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut accepted = std::collections::BTreeSet::new();
    let mut reasons = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let tree = vec(entered(), 200)
            .new_tree(&mut runner)
            .expect("a strategy");
        let mut world = EARNED.clone();
        for entered in tree.current() {
            let Some(entry) = entered.entry(&world) else {
                continue;
            };
            match world.state.apply(&entry) {
                Ok(_) => {
                    accepted.insert(name(&entry.entry));
                    world.log.push(entry);
                }
                Err(rejected) => {
                    reasons.insert(name(&rejected));
                }
            }
        }
    }
    assert!(accepted.len() >= 15, "{accepted:?}");
    assert!(reasons.len() >= 30, "{reasons:?}");
}

/// The variant that a value is, with the one inside of it.
fn name(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}
