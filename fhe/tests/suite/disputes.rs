//! Dealers and members who do not do as the protocol says: who is left out, who is erased, who is blamed.
#![expect(clippy::unwrap_used, reason = "honest inputs in tests")]

use crate::{
    checking::{Checking, update},
    federation::{CONTEXT, Federation, UNIT_LOG2},
};
use unsilo_fhe::{
    AnswerSheet, Appeal, CHUNK_BYTES, Contribution, Dealing, Entropy, Evidence, Judgement,
    ProjectionAnswers, Projections, RejectionReason, SealSeeds, answer_projections,
    check::{
        AppealError, Blame, Dispute, EvidenceError, JudgeError, Recorded, ShownAnswers, ShownError,
    },
    commit::share_hash,
    commitment, contribute, encode, project, threshold_for,
};

const PARAMETERS: usize = 2100;

/// Another contribution of `participant`, under another key.
fn other(federation: &Federation, participant: u32) -> Contribution {
    let update = vec![0.0; PARAMETERS];
    let encoded = encode(
        &federation.params,
        &CONTEXT.federation,
        UNIT_LOG2,
        &update,
        [0; 32],
    );
    let entropy = Entropy::from_bytes([participant as u8 + 100; 32]);
    contribute(&federation.dealing(participant), encoded.unwrap(), entropy).unwrap()
}

/// A round of `count` contributions before anybody has answered; `spoil` makes dealers dishonest.
fn round(
    members: usize,
    count: u32,
    spoil: impl Fn(&Federation, u32, &mut Contribution),
) -> Checking {
    let federation = Federation::new(PARAMETERS as u64, members, threshold_for(members));
    let contributions = (0..count)
        .map(|j| {
            let mut contribution = federation.contribute(j, &update(PARAMETERS, j.into(), 0.3));
            spoil(&federation, j, &mut contribution);
            contribution.commitment = commitment(
                &federation.params,
                &CONTEXT,
                j,
                &contribution.ciphertext,
                &contribution.sealed_shares,
            )
            .unwrap();
            contribution
        })
        .collect();
    Checking::of(federation, contributions)
}

fn honest(_: &Federation, _: u32, _: &mut Contribution) {}

/// Deals `seat` a share of another key, sealed as it should be.
fn deal_another_share(federation: &Federation, j: u32, contribution: &mut Contribution, seat: u16) {
    let other = other(federation, j);
    let index = usize::from(seat) - 1;
    contribution.sealed_shares[index].clone_from(&other.sealed_shares[index]);
    let mut seeds = contribution.seal_seeds.to_secret_bytes();
    seeds[32 * index..][..32].copy_from_slice(other.seal_seeds.seed(seat).unwrap());
    contribution.seal_seeds = SealSeeds::from_secret_bytes(&seeds).unwrap();
}

/// The answers of a member that answers on a share of something else for the participants given.
fn lying(round: &Checking, seat: u16, about: &[u32]) -> Vec<ProjectionAnswers> {
    let mut answers = round.answers(seat);
    for answers in &mut answers {
        let j = answers.participant();
        if about.contains(&j) {
            let other = other(&round.federation, j);
            let share = round.federation.share(j, &other, seat);
            *answers = answer_projections(&share, &round.keys).unwrap();
        }
    }
    answers
}

/// All sheets; the members given lie about the participants given.
fn sheets(round: &Checking, lies: &[(u16, &[u32])]) -> Vec<AnswerSheet> {
    (1..=round.federation.committee.seats())
        .map(|seat| {
            let about: Vec<u32> = lies
                .iter()
                .filter(|lie| lie.0 == seat)
                .flat_map(|lie| lie.1)
                .copied()
                .collect();
            round.seal(seat, lying(round, seat, &about)).0
        })
        .collect()
}

fn judgement(round: &Checking, sheets: &[AnswerSheet]) -> Judgement {
    round.judge(sheets).unwrap().judgement().clone()
}

fn accepted(judgement: &Judgement) -> Vec<u32> {
    judgement.accepted.iter().map(|&(j, _)| j).collect()
}

#[test]
fn shares_of_another_key_are_caught_as_garbage() {
    // All shares fit each other, but not the ciphertext: a wrong s.
    let round = round(5, 4, |federation, j, contribution| {
        if j == 2 {
            contribution.sealed_shares = other(federation, j).sealed_shares;
        }
    });
    let judgement = judgement(&round, &sheets(&round, &[]));
    assert_eq!(accepted(&judgement), [0, 1, 3]);
    assert_eq!(judgement.rejected, [(2, RejectionReason::OutOfRange)]);
    assert!(judgement.bad_pairs.is_empty() && judgement.erased.is_empty());
}

#[test]
fn shares_of_too_high_a_degree_are_left_out() {
    // Half of the seats hold shares of one key, half of another: no polynomial of degree t-1.
    for members in [4, 5, 7] {
        let round = round(members, 4, |federation, j, contribution| {
            if j == 1 {
                for seat in (1..=members as u16).step_by(2) {
                    deal_another_share(federation, j, contribution, seat);
                }
            }
        });
        let judgement = judgement(&round, &sheets(&round, &[]));
        assert_eq!(accepted(&judgement), [0, 2, 3]);
        assert_eq!(judgement.rejected, [(1, RejectionReason::Undecodable)]);
        assert!(judgement.bad_pairs.is_empty() && judgement.erased.is_empty());
    }
}

#[test]
fn a_share_with_swapped_associated_data_is_a_bad_pair() {
    // Seat 2 of participant 1 receives the share for seat 3, or that of participant 0.
    for swapped in [(2, 0), (1, 2)] {
        let round = round(5, 4, |federation, j, contribution| {
            if j == 1 {
                contribution.sealed_shares[1] = match swapped {
                    (2, _) => contribution.sealed_shares[2].clone(),
                    _ => federation
                        .contribute(0, &vec![0.0; PARAMETERS])
                        .sealed_shares[1]
                        .clone(),
                };
            }
        });
        let judgement = judgement(&round, &sheets(&round, &[]));
        assert_eq!(accepted(&judgement), [0, 2, 3]);
        assert_eq!(judgement.rejected, [(1, RejectionReason::BadPair)]);
        assert_eq!(judgement.bad_pairs, [(1, 2)]);
    }
}

#[test]
fn one_framing_dealer_is_left_out_and_its_victim_not_erased_and_blamed_with_two_answers_to_spare() {
    for members in [4, 5, 7, 21] {
        let round = round(members, 5, |federation, j, contribution| {
            if j == 3 {
                deal_another_share(federation, j, contribution, 4);
            }
        });
        let sheets = sheets(&round, &[]);
        let judgement = judgement(&round, &sheets);
        assert_eq!(accepted(&judgement), [0, 1, 2, 4], "{members}");
        assert_eq!(judgement.rejected, [(3, RejectionReason::BadPair)]);
        assert_eq!(judgement.bad_pairs, [(3, 4)]);
        assert!(judgement.erased.is_empty());
        // With one to spare, two members who collude look like this too.
        let expected = match members {
            4 | 5 => Blame::Nobody,
            _ => Blame::Dealer,
        };
        assert_eq!(appealed(&round, &sheets, 3, 4), Ok(expected));
    }
}

#[test]
fn two_framing_dealers_cannot_erase_two_members() {
    let frame = |federation: &Federation, j: u32, contribution: &mut Contribution| {
        if j == 1 || j == 4 {
            deal_another_share(federation, j, contribution, 2);
            deal_another_share(federation, j, contribution, 6);
        }
    };
    // With 21 seats both pairs of both dealers are located.
    let large = round(21, 6, frame);
    let all = sheets(&large, &[]);
    let judgement = judgement(&large, &all);
    assert_eq!(accepted(&judgement), [0, 2, 3, 5]);
    assert_eq!(judgement.bad_pairs, [(1, 2), (1, 6), (4, 2), (4, 6)]);
    assert!(judgement.erased.is_empty());
    for (participant, seat) in judgement.bad_pairs {
        assert_eq!(appealed(&large, &all, participant, seat), Ok(Blame::Dealer));
    }
    // With 7 they are more than can be located: left out without blame.
    let small = round(7, 6, frame);
    let judgement = self::judgement(&small, &sheets(&small, &[]));
    assert_eq!(accepted(&judgement), [0, 2, 3, 5]);
    assert!(
        judgement
            .rejected
            .iter()
            .all(|(_, reason)| *reason == RejectionReason::Undecodable)
    );
    assert!(judgement.bad_pairs.is_empty() && judgement.erased.is_empty());
}

#[test]
fn a_member_who_lies_about_one_contribution_is_located_and_blamed() {
    for members in [4, 5, 7, 21] {
        let round = round(members, 4, honest);
        for seat in [1, members as u16] {
            let sheets = sheets(&round, &[(seat, &[2])]);
            let judgement = judgement(&round, &sheets);
            assert_eq!(accepted(&judgement), [0, 1, 3]);
            assert_eq!(judgement.rejected, [(2, RejectionReason::BadPair)]);
            assert_eq!(judgement.bad_pairs, [(2, seat)]);
            assert_eq!(appealed(&round, &sheets, 2, seat), Ok(Blame::Member));
        }
    }
}

#[test]
fn members_who_lie_about_most_contributions_are_erased_and_nobody_is_left_out() {
    let all: &[u32] = &[0, 1, 2, 3, 4];
    for (members, liars) in [(4, 1), (5, 1), (7, 1), (21, 1), (21, 2), (21, 3)] {
        let round = round(members, 5, honest);
        let lies: Vec<_> = (2..2 + liars).map(|seat| (seat, all)).collect();
        let judgement = judgement(&round, &sheets(&round, &lies));
        assert_eq!(accepted(&judgement), all, "{members} {liars}");
        assert_eq!(judgement.erased, (2..2 + liars).collect::<Vec<_>>());
        assert_eq!(judgement.bad_pairs.len(), 5 * usize::from(liars));
    }
}

#[test]
fn half_of_the_contributions_are_not_most_of_them() {
    let round = round(7, 4, honest);
    let half = judgement(&round, &sheets(&round, &[(3, &[0, 2])]));
    assert_eq!(accepted(&half), [1, 3]);
    assert!(half.erased.is_empty());
    let most = judgement(&round, &sheets(&round, &[(3, &[0, 1, 2])]));
    assert_eq!(accepted(&most), [0, 1, 2, 3]);
    assert_eq!(most.erased, [3]);
}

#[test]
fn erasing_one_liar_makes_room_to_locate_another() {
    // Seat 1 lies about everything, seats 2 and 3 about one contribution each. At 7/5 two liars on one contribution are too many;
    // without seat 1 one answer is redundant, and leaving one out locates the other.
    let round = round(7, 6, honest);
    let lies: [(u16, &[u32]); 3] = [(1, &[0, 1, 2, 3, 4, 5]), (2, &[1]), (3, &[4])];
    let judgement = judgement(&round, &sheets(&round, &lies));
    assert_eq!(judgement.erased, [1]);
    assert_eq!(accepted(&judgement), [0, 2, 3, 5]);
    let pairs: Vec<_> = judgement
        .bad_pairs
        .iter()
        .filter(|pair| pair.1 != 1)
        .collect();
    assert_eq!(pairs, [&(1, 2), &(4, 3)]);
    // Seat 1 was located where it was the only one who lied.
    assert_eq!(judgement.bad_pairs.len(), 6);
}

#[test]
fn a_member_who_complains_about_most_contributions_is_erased() {
    let round = round(5, 4, honest);
    let mut sheets = sheets(&round, &[]);
    let complain = |about: &[u32]| {
        let answers = round.answers(3).into_iter().map(|answers| {
            match about.contains(&answers.participant()) {
                true => ProjectionAnswers::unusable(answers.participant()),
                false => answers,
            }
        });
        round.seal(3, answers.collect()).0
    };
    sheets[2] = complain(&[1]);
    let one = judgement(&round, &sheets);
    assert_eq!(one.rejected, [(1, RejectionReason::BadPair)]);
    assert_eq!(one.bad_pairs, [(1, 3)]);
    assert_eq!(
        appealed(&round, &sheets, 1, 3),
        Ok(Blame::Member),
        "it could have answered"
    );
    sheets[2] = complain(&[0, 1, 2]);
    let three = judgement(&round, &sheets);
    assert_eq!(accepted(&three), [0, 1, 2, 3]);
    assert_eq!(three.erased, [3]);
}

#[test]
fn without_redundancy_a_lie_leaves_contributions_out_and_blames_nobody() {
    let round = round(3, 3, honest);
    let judgement = judgement(&round, &sheets(&round, &[(2, &[1])]));
    assert_eq!(accepted(&judgement), [0, 2]);
    assert_eq!(judgement.rejected, [(1, RejectionReason::OutOfRange)]);
    assert!(judgement.bad_pairs.is_empty());
}

#[test]
fn with_one_redundant_answer_two_liars_blame_nobody() {
    let round = round(5, 3, honest);
    let judgement = judgement(&round, &sheets(&round, &[(2, &[1]), (4, &[1])]));
    assert_eq!(judgement.rejected, [(1, RejectionReason::Undecodable)]);
    assert!(judgement.bad_pairs.is_empty() && judgement.erased.is_empty());
}

#[test]
fn absent_members_do_not_change_the_judgement() {
    let round = round(7, 3, honest);
    let all = sheets(&round, &[]);
    let full = judgement(&round, &all);
    for absent in [&[0, 1][..], &[6], &[2, 5], &[]] {
        let present: Vec<_> = (0..7)
            .rev()
            .filter(|i| !absent.contains(i))
            .map(|i| &all[i])
            .collect();
        let verdict = unsilo_fhe::judge(&round.projections, 5, &round.table, &present).unwrap();
        assert_eq!(*verdict.judgement(), full);
        assert!(verdict.sketch(0).is_some() && verdict.sketch(9).is_none());
    }
}

#[test]
fn sheets_that_do_not_belong_together_are_not_judged() {
    let round = round(5, 3, honest);
    let all = sheets(&round, &[]);
    let few: Vec<_> = all[..3].iter().collect();
    let judge = |threshold, sheets: &[&AnswerSheet]| {
        unsilo_fhe::judge(&round.projections, threshold, &round.table, sheets).err()
    };
    let threshold = 4;
    assert_eq!(
        judge(4, &few),
        Some(JudgeError::TooFew {
            sheets: 3,
            threshold
        })
    );
    assert_eq!(
        judge(0, &few),
        Some(JudgeError::OutOfRange {
            seat: 0,
            threshold: 0
        })
    );
    let twice = [&all[0], &all[1], &all[2], &all[3], &all[1]];
    assert_eq!(judge(4, &twice), Some(JudgeError::Twice { seat: 2 }));
    let larger = self::round(5, 4, honest);
    let wrong = [
        &all[0],
        &all[1],
        &all[2],
        &larger.seal(4, larger.answers(4)).0,
    ];
    assert_eq!(
        judge(4, &wrong),
        Some(JudgeError::OtherContributions { seat: 4 })
    );
    let other = Projections::new(&round.federation.params, &CONTEXT, [0; 32]);
    let sheets: Vec<_> = all.iter().collect();
    assert_eq!(
        unsilo_fhe::judge(&other, 4, &round.table, &sheets).err(),
        Some(JudgeError::OtherRound { seat: 1 })
    );
}

/// The dealer of a bad pair appeals; anybody decides.
fn appealed(
    round: &Checking,
    sheets: &[AnswerSheet],
    participant: u32,
    seat: u16,
) -> Result<Blame, AppealError> {
    let contribution = &round.contributions[participant as usize];
    let dealing = round.federation.dealing(participant);
    let seeds = SealSeeds::from_secret_bytes(&contribution.seal_seeds.to_secret_bytes()).unwrap();
    let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
    let appeal = Appeal::new(&dealing, seat, sealed, seeds)?;
    assert_eq!((appeal.participant(), appeal.seat()), (participant, seat));
    let sent = Appeal::from_bytes(&appeal.to_bytes()).unwrap();
    assert!(sent == appeal);
    decide(round, &sent, &sheets[usize::from(seat) - 1], dealing)
}

fn decide(
    round: &Checking,
    appeal: &Appeal,
    sheet: &AnswerSheet,
    dealing: Dealing<'_>,
) -> Result<Blame, AppealError> {
    let contribution = &round.contributions[appeal.participant() as usize];
    let hashes: Vec<_> = contribution
        .sealed_shares
        .iter()
        .map(|share| share_hash(share))
        .collect();
    let shown = sheet.show(appeal.participant()).unwrap();
    let shown = ShownAnswers::from_bytes(&shown.to_bytes()).unwrap();
    appeal.decide(&Dispute {
        dealing,
        contribution_root: &contribution.commitment.root,
        commitment: &contribution.commitment,
        share_hashes: &hashes,
        keys: &round.keys,
        closed: &round.participants(),
        sheet_root: sheet.root(),
        shown: &shown,
        counted: round.federation.committee.seats().into(),
    })
}

#[test]
fn a_dealer_that_shows_something_else_than_it_sealed_is_blamed() {
    let round = round(5, 2, honest);
    // Member 5 lies, so an honest appeal blames it.
    let sheets = sheets(&round, &[(5, &[1])]);
    assert_eq!(appealed(&round, &sheets, 1, 5), Ok(Blame::Member));
    let other = other(&round.federation, 1);
    let dealing = round.federation.dealing(1);
    let appeal = Appeal::new(&dealing, 5, &other.sealed_shares[4], other.seal_seeds).unwrap();
    assert_eq!(
        decide(&round, &appeal, &sheets[4], dealing),
        Ok(Blame::Dealer)
    );
    // So does one that shows no share at all, or another seed.
    let bytes = appeal.to_bytes();
    for altered in [
        &bytes[..38],
        &bytes[..bytes.len() - 1],
        &[&bytes[..6], &[1; 32], &bytes[38..]].concat(),
    ] {
        let appeal = Appeal::from_bytes(altered).unwrap();
        assert_eq!(
            decide(&round, &appeal, &sheets[4], dealing),
            Ok(Blame::Dealer)
        );
    }
}

#[test]
fn a_dealer_that_sealed_no_polynomial_is_blamed() {
    // A seed where a polynomial belongs, sealed and committed as it should be: seat 4 cannot use it.
    let sealed_seed = |federation: &Federation, j: u32| {
        // A federation with a higher threshold seals a 32-byte seed to seat 4 under the same associated data.
        let larger = Federation::new(PARAMETERS as u64, 5, 5);
        let contribution = contribute(
            &Dealing {
                committee: &larger.committee,
                ..federation.dealing(j)
            },
            encode(
                &federation.params,
                &CONTEXT.federation,
                -14,
                &vec![0.0; PARAMETERS],
                [0; 32],
            )
            .unwrap(),
            Entropy::from_bytes([44; 32]),
        );
        contribution.unwrap()
    };
    let round = round(5, 2, |federation, j, contribution| {
        if j == 1 {
            let seed = sealed_seed(federation, j);
            contribution.sealed_shares[3].clone_from(&seed.sealed_shares[3]);
            let mut seeds = contribution.seal_seeds.to_secret_bytes();
            seeds[96..128].copy_from_slice(seed.seal_seeds.seed(4).unwrap());
            contribution.seal_seeds = SealSeeds::from_secret_bytes(&seeds).unwrap();
        }
    });
    let sheets = sheets(&round, &[]);
    assert_eq!(judgement(&round, &sheets).bad_pairs, [(1, 4)]);
    assert_eq!(appealed(&round, &sheets, 1, 4), Ok(Blame::Dealer));
}

#[test]
fn appeals_about_something_else_are_not_decided() {
    let round = round(5, 3, honest);
    let sheets = sheets(&round, &[(4, &[1])]);
    let contribution = &round.contributions[1];
    let dealing = round.federation.dealing(1);
    let seeds =
        || SealSeeds::from_secret_bytes(&contribution.seal_seeds.to_secret_bytes()).unwrap();
    let sealed = &contribution.sealed_shares[3];
    let new = |dealing: &Dealing<'_>, seat, sealed: &[u8], seeds| {
        Appeal::new(dealing, seat, sealed, seeds).err()
    };
    assert_eq!(new(&dealing, 4, sealed, seeds()), None);
    assert_eq!(
        new(&dealing, 6, sealed, seeds()),
        Some(AppealError::NoSuchSeat { seat: 6 })
    );
    assert_eq!(
        new(&dealing, 3, sealed, seeds()),
        Some(AppealError::OtherSeeds { seat: 3 })
    );
    assert_eq!(
        new(&dealing, 4, &sealed[1..], seeds()),
        Some(AppealError::OtherSeeds { seat: 4 })
    );
    let short = SealSeeds::from_secret_bytes(&[0; 32]).unwrap();
    assert_eq!(
        new(&dealing, 4, sealed, short),
        Some(AppealError::OtherSeeds { seat: 4 })
    );

    let appeal = Appeal::new(&dealing, 4, sealed, seeds()).unwrap();
    assert_eq!(
        decide(&round, &appeal, &sheets[3], dealing),
        Ok(Blame::Member)
    );
    let pair = Err(AppealError::OtherPair {
        participant: 1,
        seat: 4,
    });
    assert_eq!(decide(&round, &appeal, &sheets[2], dealing), pair);
    assert_eq!(
        decide(&round, &appeal, &sheets[3], round.federation.dealing(2)),
        pair
    );
    let later = unsilo_fhe::RoundContext {
        round: 4,
        ..CONTEXT
    };
    let other_round = Dealing {
        context: &later,
        ..dealing
    };
    assert_eq!(
        decide(&round, &appeal, &sheets[3], other_round),
        Err(AppealError::OtherRound)
    );

    let hashes: Vec<_> = contribution
        .sealed_shares
        .iter()
        .map(|share| share_hash(share))
        .collect();
    let (closed, shown) = (round.participants(), sheets[3].show(1).unwrap());
    let dispute = Dispute {
        dealing,
        contribution_root: &contribution.commitment.root,
        commitment: &contribution.commitment,
        share_hashes: &hashes,
        keys: &round.keys,
        closed: &closed,
        sheet_root: sheets[3].root(),
        shown: &shown,
        counted: 5,
    };
    assert_eq!(appeal.decide(&dispute), Ok(Blame::Member));
    for dispute in [
        Dispute {
            contribution_root: &[0; 32],
            ..dispute
        },
        Dispute {
            share_hashes: &hashes[..4],
            ..dispute
        },
        Dispute {
            share_hashes: &[],
            ..dispute
        },
    ] {
        assert_eq!(appeal.decide(&dispute), Err(AppealError::NotCommitted));
    }
    let (participant, seat) = (1, 4);
    for dispute in [
        Dispute {
            sheet_root: sheets[2].root(),
            ..dispute
        },
        Dispute {
            closed: &closed[..2],
            ..dispute
        },
        Dispute {
            shown: &sheets[3].show(1).map(|_| honest_answers(&round)).unwrap(),
            ..dispute
        },
    ] {
        assert_eq!(
            appeal.decide(&dispute),
            Err(ShownError::OtherRoot { seat, participant }.into()),
            "a member cannot change its answers afterwards, and nobody can change them for it"
        );
    }
    assert_eq!(
        appeal.decide(&Dispute {
            closed: &[0, 2],
            ..dispute
        }),
        Err(ShownError::NotClosed { participant: 1 }.into())
    );
    for length in [0, 37, 38 + CHUNK_BYTES + 1] {
        let bytes = [&1_u32.to_le_bytes()[..], &[4, 0], &vec![0; length]].concat();
        let result = Appeal::from_bytes(&bytes[..length]);
        assert_eq!(result.err(), Some(AppealError::Length { actual: length }));
    }
    assert!(Appeal::from_bytes(&[0; 40]).is_err(), "seats count from 1");
}

/// What seat 4 should have answered on contribution 1.
fn honest_answers(round: &Checking) -> ShownAnswers {
    round.seal(4, round.answers(4)).0.show(1).unwrap()
}

/// What everybody finds on the ledger.
fn recorded<'a>(
    round: &'a Checking,
    closed: &'a [u32],
    roots: &'a [(u16, [u8; 32])],
    erased: &'a [u16],
) -> Recorded<'a> {
    Recorded {
        projections: &round.projections,
        threshold: round.threshold(),
        closed,
        roots,
        erased,
    }
}

fn roots(sheets: &[AnswerSheet]) -> Vec<(u16, [u8; 32])> {
    sheets
        .iter()
        .map(|sheet| (sheet.seat(), *sheet.root()))
        .collect()
}

#[test]
fn anybody_comes_to_the_same_ruling_on_a_rejected_contribution() {
    for members in [3, 5, 7] {
        let round = round(members, 4, |federation, j, contribution| {
            if j == 2 {
                contribution.sealed_shares = other(federation, j).sealed_shares;
            }
        });
        let sheets = sheets(&round, &[]);
        let verdict = round.judge(&sheets).unwrap();
        let all: Vec<_> = sheets.iter().collect();
        let evidence = Evidence::new(&verdict, 2, &all).unwrap();
        let evidence = Evidence::from_bytes(&evidence.to_bytes()).unwrap();
        assert_eq!(evidence.participant(), 2);
        // The third party has the stored ciphertext.
        let projected = project(&round.projections, &round.contributions[2].ciphertext).unwrap();
        let (closed, roots) = (round.participants(), roots(&sheets));
        let recorded = recorded(&round, &closed, &roots, &[]);
        assert_eq!(
            evidence.verify(&recorded, &projected),
            Ok(Some(RejectionReason::OutOfRange))
        );
        for j in [0, 9] {
            let error = EvidenceError::NotRejected { participant: j };
            assert_eq!(Evidence::new(&verdict, j, &all).err(), Some(error));
        }
    }
}

#[test]
fn evidence_does_not_count_erased_seats_and_shows_all_others() {
    let round = round(7, 3, |federation, j, contribution| {
        if j == 2 {
            contribution.sealed_shares = other(federation, j).sealed_shares;
        }
    });
    let sheets = sheets(&round, &[(6, &[0, 1])]);
    let verdict = round.judge(&sheets).unwrap();
    assert_eq!(verdict.judgement().erased, [6]);
    let all: Vec<_> = sheets.iter().rev().collect();
    let evidence = Evidence::new(&verdict, 2, &all).unwrap();
    let projected = project(&round.projections, &round.contributions[2].ciphertext).unwrap();
    let (closed, roots) = (round.participants(), roots(&sheets));
    let verify = |roots: &[(u16, [u8; 32])], erased: &[u16], projected| {
        evidence.verify(&recorded(&round, &closed, roots, erased), projected)
    };
    assert_eq!(
        verify(&roots, &[6], &projected),
        Ok(Some(RejectionReason::OutOfRange))
    );
    // It shows neither more nor less than the ledger counts.
    for (roots, erased) in [
        (&roots[..], &[][..]),
        (&roots[1..], &[6]),
        (&roots, &[6, 7]),
        (&[], &[]),
    ] {
        assert_eq!(verify(roots, erased, &projected), Err(EvidenceError::Seats));
    }
    let mut others = roots.clone();
    others[4].1[0] ^= 1;
    let (seat, participant) = (5, 2);
    assert_eq!(
        verify(&others, &[6], &projected),
        Err(ShownError::OtherRoot { seat, participant }.into())
    );
}

#[test]
fn evidence_never_shows_the_sketch_of_an_update_whose_answers_are_disputed() {
    let round = round(7, 4, |federation, j, contribution| {
        if j == 3 {
            for seat in [1, 3, 5] {
                deal_another_share(federation, j, contribution, seat);
            }
        }
    });
    let sheets = sheets(&round, &[(2, &[1])]);
    let verdict = round.judge(&sheets).unwrap();
    assert_eq!(
        verdict.judgement().rejected,
        [
            (1, RejectionReason::BadPair),
            (3, RejectionReason::Undecodable)
        ]
    );
    let all: Vec<_> = sheets.iter().collect();
    for participant in [1, 3] {
        let error = EvidenceError::Disputed { participant };
        assert_eq!(
            Evidence::new(&verdict, participant, &all).err(),
            Some(error)
        );
    }
}

#[test]
fn altered_evidence_is_refused() {
    let round = round(5, 3, |federation, j, contribution| {
        if j == 0 {
            contribution.sealed_shares = other(federation, j).sealed_shares;
        }
    });
    let sheets = sheets(&round, &[]);
    let verdict = round.judge(&sheets).unwrap();
    let evidence = Evidence::new(&verdict, 0, &sheets.iter().collect::<Vec<_>>()).unwrap();
    let bytes = evidence.to_bytes();
    let projected = round.table.rows()[0].1;
    let (closed, roots) = (round.participants(), roots(&sheets));
    let recorded = recorded(&round, &closed, &roots, &[]);
    assert_eq!(
        evidence.verify(&recorded, &projected),
        Ok(Some(RejectionReason::OutOfRange))
    );
    // No byte of it can be changed.
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        let result = Evidence::from_bytes(&altered)
            .and_then(|evidence| evidence.verify(&recorded, &projected));
        assert!(result.is_err(), "byte {place}");
    }
    for length in [0, 3, 4, 5, bytes.len() - 1] {
        assert!(Evidence::from_bytes(&bytes[..length]).is_err());
    }
    assert_eq!(
        Evidence::from_bytes(&[&bytes[..], &[0]].concat()),
        Err(EvidenceError::Length)
    );
    assert_eq!(
        Evidence::from_bytes(&[0, 0, 0, 0, 22]),
        Err(EvidenceError::Length)
    );
    // Another ciphertext gives another ruling, or none: the caller has to take the signed one.
    let hidden = round.judge(&sheets).unwrap();
    assert!(hidden.sketch(0).is_none());
}
