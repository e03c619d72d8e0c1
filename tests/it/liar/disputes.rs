//! One disputed share, from the answers to the ledger: the dealer shows it, the members decide whose fault it was and
//! sign that, and a third party comes to the same from what is served.

use unsilo_fhe::{
    Appeal, ContributionCommitment, Dealing, LinearHash, ProjectionKeys, Projections,
    check::{Blame, Dispute, ShownAnswers},
};
use unsilo_ledger::{
    Case, CaseStanding, FederationId, Offence, ParticipantId, RejectionReason, SumRecord,
};
use unsilo_proto::{
    SignedAppeal, dispute_hash,
    v1::{AppealsRequest, SumProofRequest, step::Kind, sum_proof_part::Part},
};

use super::{
    FOUR,
    hand::{Hand, View, deal_another_share},
    relay::{Lie, Relay, Way},
};
use crate::{
    companies::{Companies, count},
    support::{Running, until},
};

/// The node's contribution does not arrive, so that the test can make another one.
struct NoContribution;

impl Lie for NoContribution {
    fn way(&self, method: &str) -> Way {
        match method {
            "Rounds/Contribute" | "Rounds/UploadState" => Way::Held,
            _ => Way::Through,
        }
    }
}

/// Three honest nodes, and Dahlia in the test's hands from its contribution to round 1 on.
pub(super) struct Scene {
    pub(super) fed: Companies,
    coordinator: Running,
    pub(super) honest: Vec<Running>,
    pub(super) dahlia: Hand,
    /// In front of honest nodes.
    pub(super) relays: Vec<Relay>,
}

impl Scene {
    pub(super) fn contributing() -> (Self, View) {
        Self::contributing_behind(|_| Vec::new())
    }

    /// The same with a lying coordinator in front of honest nodes.
    pub(super) fn contributing_behind(relays: impl Fn(&Companies) -> Vec<Relay>) -> (Self, View) {
        let fed = Companies::found(&FOUR, 0);
        let coordinator = fed.serve();
        for (part, name) in FOUR.iter().enumerate() {
            fed.join_fast(name, part, 4);
            // Dahlia, in the test's hands, answers and asks no directions.
            fed.rates_nobody(name);
        }
        let relays = relays(&fed);
        let relay = Relay::before(&fed, "Dahlia", NoContribution);
        let honest = FOUR[..3].iter().map(|name| fed.participate(name)).collect();
        let mut node = fed.participate("Dahlia");
        node.until_said("round 1: offered a seat");
        until("Dahlia would contribute", || {
            !relay.sent("Rounds/UploadState").is_empty()
        });
        node.kill();
        let dahlia = Hand::of(&fed, "Dahlia");
        dahlia.step(|kind| matches!(kind, Kind::Contributing(_)));
        let view = dahlia.view();
        let scene = Self {
            fed,
            coordinator,
            honest,
            dahlia,
            relays,
        };
        (scene, view)
    }

    /// Waits until the ledger holds a case, and checks it against the evidence that the coordinator hands out.
    fn case(&mut self, dealer: ParticipantId, view: &View) -> Case {
        until("the violation is on the ledger", || {
            self.dahlia.state().cases().next().is_some()
        });
        let state = self.dahlia.state();
        let case = *state.cases().next().expect("a case");
        let record = state.last_sum().expect("published all the same").clone();
        let (blame, evidence) = self.third_party(&record, dealer, view);
        assert_eq!(case.evidence, evidence);
        assert_eq!(blame == Blame::Dealer, case.participant == dealer);
        assert_eq!((case.at, case.standing), (1, CaseStanding::Open));
        for node in &mut self.honest {
            assert!(node.runs());
            assert!(!node.said().contains("ALARM"), "{}", node.said());
        }
        case
    }

    /// Anybody with the ledger and what is served comes to the same.
    fn third_party(
        &self,
        record: &SumRecord,
        dealer: ParticipantId,
        view: &View,
    ) -> (Blame, [u8; 32]) {
        let mut committee = self.dahlia.committee();
        let request = AppealsRequest { round: 1 };
        let reply = self.dahlia.wait(committee.appeals(request));
        let reply = reply.expect("answered").into_inner();
        let signed = reply
            .appeals
            .iter()
            .map(|bytes| SignedAppeal::from_bytes(bytes).expect("signed"))
            .find(|it| Appeal::from_bytes(&it.appeal).is_ok_and(|it| it.participant() == dealer.0))
            .expect("kept");
        let (of, federation) = (&view.state, FederationId(view.context.federation));
        let key = of.participant(dealer).expect("admitted").key;
        assert!(signed.verify(&federation, 1, dealer, &key));
        let bytes = &signed.appeal;
        let shown = &match &reply.answers[..] {
            [shown] if shown.dealer == dealer.0 => shown,
            other => panic!("members show the same: {other:?}"),
        }
        .shown;
        let appeal = Appeal::from_bytes(bytes).expect("an appeal");
        let seat = appeal.seat();
        let challenge = record.closing.challenge;
        let projections = Projections::new(&view.params, &view.context, challenge);
        let closed: Vec<u32> = record.contributions.iter().map(|(id, _)| id.0).collect();
        let root = record.contributions.iter().find(|(id, _)| *id == dealer);
        let sheet = record.judgement.answers.iter().find(|(of, _)| *of == seat);
        let (commitment, share_hashes) = self.committed(view, dealer);
        let dispute = Dispute {
            dealing: Dealing {
                participant: dealer.0,
                ..view.dealing()
            },
            contribution_root: &root.expect("closed").1,
            commitment: &commitment,
            share_hashes: &share_hashes,
            keys: &ProjectionKeys::new(&projections),
            closed: &closed,
            sheet_root: &sheet.expect("judged").1,
            shown: &ShownAnswers::from_bytes(shown).expect("answers"),
            counted: record.judgement.answers.len() - record.judgement.erased.len(),
        };
        let blame = appeal.decide(&dispute).expect("they belong together");
        (blame, dispute_hash(bytes, shown))
    }

    /// What the dealer's root is made of, as the coordinator shows it to anybody.
    fn committed(
        &self,
        view: &View,
        dealer: ParticipantId,
    ) -> (ContributionCommitment, Vec<[u8; 32]>) {
        let mut models = self.dahlia.models();
        let leaves = self.dahlia.wait(async {
            let proof = models.sum_proof(SumProofRequest { round: 1 }).await;
            let mut proof = proof.expect("kept").into_inner();
            while let Some(part) = proof.message().await.expect("a part") {
                match part.part {
                    Some(Part::Contribution(leaves)) if leaves.participant == dealer.0 => {
                        return leaves;
                    }
                    _ => {}
                }
            }
            panic!("the dealer's contribution is not shown")
        });
        let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("a hash");
        let shares: Vec<_> = leaves.share_hashes.iter().map(|it| hash(it)).collect();
        let linear = LinearHash::from_bytes(&leaves.linear_hash).expect("a linear hash");
        let commitment = ContributionCommitment::new(
            &view.params,
            &view.context,
            dealer.0,
            hash(&leaves.chunks_root),
            &shares,
            &linear.digest(),
        );
        (commitment, shares)
    }

    /// Waits until the judgement of round 1 is on the ledger; whom it rejects.
    pub(super) fn rejected(&self) -> Vec<(ParticipantId, RejectionReason)> {
        self.dahlia.step(|kind| {
            matches!(
                kind,
                Kind::Opening(_) | Kind::Publishing(_) | Kind::Published(_)
            )
        });
        let state = self.dahlia.state();
        let judged = state.judged().cloned();
        let judged = judged.or_else(|| state.last_sum().map(|sum| sum.judgement.clone()));
        judged.expect("judged").rejected
    }

    pub(super) fn end(mut self) {
        for node in self.honest.iter().chain([&self.coordinator]) {
            node.terminate();
        }
        for node in &mut self.honest {
            node.wait().ok();
        }
        self.coordinator.wait().ok();
    }
}

/// Of 4/3 one answer can be spared: two members who collude could have made an honest dealer's share look so.
#[test]
fn a_dealer_whose_share_is_off_the_polynomial_is_blamed_by_nobody_where_no_two_answers_can_be_spared()
 {
    let (mut scene, view) = Scene::contributing();
    scene.appeal_of_a_wrong_share(&view, |_| {});
    until("the round is published", || {
        scene.dahlia.state().last_sum().is_some()
    });
    assert_eq!(scene.dahlia.state().cases().count(), 0);
    for node in &mut scene.honest {
        assert!(!node.said().contains("dealt a wrong key share"));
    }
    scene.end();
}

#[test]
fn a_dealer_whose_appeal_re_seals_to_another_share_is_reported() {
    let (mut scene, view) = Scene::contributing();
    // Byte 6 is the first of the seal seed.
    scene.appeal_of_a_wrong_share(&view, |appeal| appeal[6] ^= 1);
    let case = scene.case(view.me, &view);
    assert_eq!(
        (case.participant, case.offence),
        (view.me, Offence::WrongShare)
    );
    for node in &mut scene.honest {
        node.until_said("dealt a wrong key share; reported to the ledger");
    }
    let entries = scene.fed.entries();
    assert_eq!(count(&entries, "Dahlia dealt a wrong share in round 1"), 1);
    scene.end();
}

impl Scene {
    /// Dahlia deals Aster a wrong share, is left out, and appeals.
    fn appeal_of_a_wrong_share(&self, view: &View, forge: impl Fn(&mut Vec<u8>)) {
        let seat = view.seat_of(view.id("Aster"));
        let mut made = view.contribution(0.01);
        deal_another_share(view, &mut made, seat);
        self.dahlia.contribute(view, &made);
        self.dahlia.answer(&[]);
        assert_eq!(
            self.rejected(),
            [(view.me, RejectionReason::BadPair { seat })]
        );
        let sealed = &made.sealed_shares[usize::from(seat) - 1];
        let appeal = Appeal::new(&view.dealing(), seat, sealed, made.seal_seeds);
        let mut appeal = appeal.expect("its own seeds").to_bytes().to_vec();
        forge(&mut appeal);
        self.dahlia.appeal(view, appeal);
    }
}

#[test]
fn a_member_that_lies_about_one_contribution_is_reported_when_its_dealer_appeals() {
    let (mut scene, view) = Scene::contributing();
    let made = view.contribution(0.01);
    scene.dahlia.contribute(&view, &made);
    let aster = view.id("Aster");
    scene.dahlia.answer(&[aster]);
    let seat = view.seat_of(view.me);
    assert_eq!(
        scene.rejected(),
        [(aster, RejectionReason::BadPair { seat })]
    );
    // Aster's node appeals by itself; all three are needed to attest it.
    let case = scene.case(aster, &view);
    assert_eq!(
        (case.participant, case.offence),
        (view.me, Offence::WrongAnswer)
    );
    for node in &mut scene.honest {
        node.until_said("answered other than its share says; reported to the ledger");
    }
    let entries = scene.fed.entries();
    assert_eq!(count(&entries, "Dahlia answered wrongly in round 1"), 1);
    scene.end();
}
