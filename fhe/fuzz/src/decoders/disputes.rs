//! Shown answers, evidence on a rejected contribution, and appeals.

use super::{
    Outcome, Seed, canonical,
    fixture::{CONTEXT, PARTICIPANTS, THRESHOLD, fixture},
    refused, valid,
};
use unsilo_fhe::{
    Appeal, Evidence, RejectionReason, SealSeeds,
    check::{Dispute, Recorded, ShownAnswers},
    commit::share_hash,
    commitment,
};

pub(super) fn shown(data: &[u8]) -> Outcome {
    let f = fixture();
    let shown = ShownAnswers::from_bytes(data);
    if let Ok(shown) = &shown {
        // Under its own root or another, about each contribution and one that is not there.
        for (sheet, sealed) in &f.sheets {
            for participant in [0, 7, 9, 10] {
                let verified =
                    shown.verify(&f.projections, &PARTICIPANTS, participant, &sealed.root);
                let honest = sheet.show(participant);
                assert_eq!(
                    verified.is_ok(),
                    honest.is_some_and(|honest| honest == *shown)
                );
            }
        }
    }
    canonical(data, shown, ShownAnswers::to_bytes)
}

fn honest_shown(seat: usize, participant: u32) -> ShownAnswers {
    let shown = fixture().sheets[seat - 1].0.show(participant);
    shown.expect("in the round")
}

pub(super) fn shown_seeds() -> Vec<Seed> {
    let bytes = honest_shown(3, 7).to_bytes();
    let change = |at: usize, to: &[u8]| {
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        changed
    };
    let path_length = 2 + 32 + 1 + 6 * 48;
    vec![
        refused("bad_neither", change(34, &[2])),
        refused("bad_answers_that_are_none", change(34, &[0])),
        refused("bad_word", change(35, &[0xFF; 6])),
        refused("bad_path_too_long", change(path_length, &[14])),
        refused("bad_path_of_255", change(path_length, &[0xFF])),
        refused("bad_empty", vec![]),
        valid("shown", bytes),
    ]
}

pub(super) fn evidence(data: &[u8]) -> Outcome {
    let f = fixture();
    let evidence = Evidence::from_bytes(data);
    if let Ok(evidence) = &evidence {
        let roots: Vec<(u16, [u8; 32])> = f
            .sheets
            .iter()
            .map(|(sheet, sealed)| (sheet.seat(), sealed.root))
            .collect();
        let recorded = Recorded {
            projections: &f.projections,
            threshold: THRESHOLD,
            closed: &PARTICIPANTS,
            roots: &roots,
            erased: &[],
        };
        for participant in PARTICIPANTS {
            let row = f.table.row(participant).expect("in the round");
            let ruling = evidence.verify(&recorded, row);
            // Nothing but what was judged can be shown, and only the last contribution was rejected.
            if participant == PARTICIPANTS[2] && data == honest_evidence() {
                assert_eq!(ruling, Ok(Some(RejectionReason::OutOfRange)));
            } else if data != honest_evidence() {
                assert!(ruling.is_err(), "changed evidence was believed");
            }
        }
    }
    canonical(data, evidence, Evidence::to_bytes)
}

fn honest_evidence() -> Vec<u8> {
    let f = fixture();
    let sheets: Vec<_> = f.sheets.iter().map(|(sheet, _)| sheet).collect();
    let evidence = Evidence::new(&f.verdict, PARTICIPANTS[2], &sheets);
    evidence.expect("it was rejected").to_bytes()
}

pub(super) fn evidence_seeds() -> Vec<Seed> {
    let bytes = honest_evidence();
    let mut crowd = bytes.clone();
    crowd[4] = 22;
    let mut claims = bytes.clone();
    claims[4] = 21;
    vec![
        refused("bad_more_seats_than_a_committee", crowd),
        refused("bad_more_seats_than_there_are", claims),
        refused("bad_one_seat_missing", bytes[..bytes.len() - 100].to_vec()),
        valid("nobody", vec![9, 0, 0, 0, 0]),
        refused("bad_empty", vec![]),
        valid("evidence", bytes),
    ]
}

/// Decides on the pair of participant 7 and seat 2 whenever the bytes are an appeal: a changed one never blames the member.
pub(super) fn appeal(data: &[u8]) -> Outcome {
    let f = fixture();
    let appeal = Appeal::from_bytes(data);
    if let Ok(appeal) = &appeal {
        let contribution = &f.contributions[1];
        let hashes: Vec<[u8; 32]> = contribution
            .sealed_shares
            .iter()
            .map(|sealed| share_hash(sealed))
            .collect();
        let made = commitment(
            &f.params,
            &CONTEXT,
            PARTICIPANTS[1],
            &contribution.ciphertext,
            &contribution.sealed_shares,
        )
        .expect("a ciphertext");
        let shown = honest_shown(2, PARTICIPANTS[1]);
        let decided = appeal.decide(&Dispute {
            dealing: f.dealing(PARTICIPANTS[1]),
            contribution_root: &made.root,
            commitment: &made,
            share_hashes: &hashes,
            keys: &f.projection_keys,
            closed: &PARTICIPANTS,
            sheet_root: &f.sheets[1].1.root,
            shown: &shown,
            counted: f.sheets.len(),
        });
        let about_this = (appeal.participant(), appeal.seat()) == (PARTICIPANTS[1], 2);
        assert_eq!(decided.is_ok(), about_this);
        // The member answered rightly, so whatever is shown, it is not to blame.
        assert_ne!(decided, Ok(unsilo_fhe::check::Blame::Member));
    }
    canonical(data, appeal, |appeal| appeal.to_bytes().to_vec())
}

pub(super) fn appeal_seeds() -> Vec<Seed> {
    let f = fixture();
    let contribution = &f.contributions[1];
    let make = |seat: u16| {
        let seeds = contribution.seal_seeds.to_secret_bytes();
        let seeds = SealSeeds::from_secret_bytes(&seeds).expect("whole seeds");
        let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
        let appeal = Appeal::new(&f.dealing(PARTICIPANTS[1]), seat, sealed, seeds);
        appeal.expect("its seeds").to_bytes().to_vec()
    };
    let appeal = make(2);
    let with_seat = |seat: u16| {
        let mut changed = appeal.clone();
        changed[4..6].copy_from_slice(&seat.to_le_bytes());
        changed
    };
    vec![
        valid("appeal", appeal.clone()),
        valid("appeal_of_a_full_share", make(5)),
        valid("nothing_sealed", appeal[..38].to_vec()),
        refused("bad_seat_0", with_seat(0)),
        refused("bad_seat_22", with_seat(22)),
        refused("bad_too_long", [make(5), vec![0]].concat()),
        refused("bad_short", appeal[..37].to_vec()),
    ]
}
