//! Invitations, certificates, suspension, admission.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::transport::Identity;
use unsilo_coordinator::{invite, suspend};
use unsilo_ledger::Entry;
use unsilo_proto::{
    Code, Invite, limits,
    v1::{
        EntriesRequest, OfferSeatRequest, SignRequest, StatusRequest, UploadStateRequest,
        admission_client::AdmissionClient, ledger_log_client::LedgerLogClient,
        status_client::StatusClient,
    },
};

use crate::federation::{Company, FOUNDERS, Federation, Home, channel, code};

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_admits_one_company_once_in_time() {
    let home = Home::new();
    let server = home.serve().await;
    let good = home.invitation("Aster");

    let mut aster = Company::new("Aster");
    let mut wrong = home.invitation("Aster");
    wrong.secret[0] ^= 1;
    let join = aster.join(&home, &server, &wrong).await;
    assert_eq!(code(join), Some(Code::InviteUnknown));
    let mut nobody = Company::new("Nobody");
    let join = nobody.join(&home, &server, &good).await;
    assert_eq!(code(join), Some(Code::InviteUnknown));
    let mut dots = Company::new("../Aster");
    let join = dots.join(&home, &server, &good).await;
    assert!(matches!(
        code(join),
        Some(Code::InviteUnknown | Code::Malformed)
    ));

    aster.join(&home, &server, &good).await.expect("joins");
    let mut thief = Company::new("Aster");
    let join = thief.join(&home, &server, &good).await;
    assert_eq!(code(join), Some(Code::InviteUsed));

    // Made while the coordinator runs, and over at once.
    let text = invite(&home.path(), "Late", 0).expect("made");
    let expired = Invite::from_text(&text).expect("an invitation");
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let mut late = Company::new("Late");
    let join = late.join(&home, &server, &expired).await;
    assert_eq!(code(join), Some(Code::InviteExpired));
    let text = invite(&home.path(), "Late", 1).expect("made");
    let newer = Invite::from_text(&text).expect("an invitation");
    let join = late.join(&home, &server, &expired).await;
    assert_eq!(
        code(join),
        Some(Code::InviteUnknown),
        "replaced by a newer one"
    );
    late.join(&home, &server, &newer).await.expect("joins");
    server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_again_renews_the_certificate_and_ends_the_old_one() {
    let home = Home::new();
    let server = home.serve().await;
    let invite = home.invitation("Aster");
    let mut aster = Company::new("Aster");
    aster.join(&home, &server, &invite).await.expect("joins");
    let old = aster.channel.clone().expect("connected");
    aster.join(&home, &server, &invite).await.expect("renews");
    let with_old = StatusClient::new(old).get(StatusRequest {}).await;
    assert_eq!(code(with_old), Some(Code::CertificateUnknown));
    let new = aster.channel.clone().expect("connected");
    StatusClient::new(new)
        .get(StatusRequest {})
        .await
        .expect("answered");
    server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_request_that_is_not_as_it_should_be_is_refused_and_costs_no_invitation() {
    let home = Home::new();
    let server = home.serve().await;
    let invite = home.invitation("Aster");
    let mut aster = Company::new("Aster");
    let anonymous = channel(&server, &home.authority_pem(), None)
        .await
        .expect("connects");
    let mut client = AdmissionClient::new(anonymous);
    let good = aster.join_request(&invite);

    let mut request = good.clone();
    request.protocol_version = limits::PROTOCOL_VERSION + 1;
    assert_eq!(
        code(client.join(request).await),
        Some(Code::VersionUnsupported)
    );
    let mut request = good.clone();
    request.secret.pop();
    assert_eq!(code(client.join(request).await), Some(Code::Malformed));
    let mut request = good.clone();
    request.name = String::new();
    assert_eq!(code(client.join(request).await), Some(Code::Malformed));
    let mut request = good.clone();
    request.certificate_request = vec![0; 5000];
    assert_eq!(code(client.join(request).await), Some(Code::TooLarge));
    let mut request = good.clone();
    request.signature[0] ^= 1;
    assert_eq!(
        code(client.join(request).await),
        Some(Code::SignatureInvalid)
    );
    let mut request = good.clone();
    request.identity = vec![0; 32];
    assert_eq!(
        code(client.join(request).await),
        Some(Code::SignatureInvalid)
    );
    aster.join(&home, &server, &invite).await.expect("joins");
    server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_identity_cannot_stand_for_two_companies() {
    let home = Home::new();
    let server = home.serve().await;
    let mut aster = Company::new("Aster");
    aster
        .join(&home, &server, &home.invitation("Aster"))
        .await
        .expect("joins");
    aster.name = "Birch".into();
    let join = aster.join(&home, &server, &home.invitation("Birch")).await;
    assert_eq!(code(join), Some(Code::InviteUsed));
    server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_want_a_certificate_that_this_federation_issued() {
    let federation = Federation::founded().await;
    let authority = federation.home.authority_pem();
    let server = &federation.server;
    let anonymous = channel(server, &authority, None).await.expect("connects");
    let status = StatusClient::new(anonymous.clone())
        .get(StatusRequest {})
        .await;
    assert_eq!(code(status), Some(Code::CertificateUnknown));
    let entries = LedgerLogClient::new(anonymous)
        .entries(EntriesRequest { from: 0 })
        .await;
    assert_eq!(code(entries), Some(Code::CertificateUnknown));

    // A certificate of another authority does not get through the handshake.
    let key = KeyPair::generate().expect("generated");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let other = params.self_signed(&key).expect("signed");
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("generated");
    let forged = CertificateParams::default()
        .signed_by(&own, &issuer)
        .expect("signed");
    let identity = Identity::from_pem(forged.pem(), own.serialize_pem());
    let refused = match channel(server, &authority, Some(identity)).await {
        Ok(channel) => StatusClient::new(channel)
            .get(StatusRequest {})
            .await
            .is_err(),
        Err(_) => true,
    };
    assert!(refused, "a certificate that somebody else issued was taken");

    // A participant that expects another authority does not talk to this server.
    let member = federation.companies[0].tls_identity();
    assert!(channel(server, &other.pem(), Some(member)).await.is_err());
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_company_is_refused_at_its_next_call_and_cannot_join_its_way_back() {
    let mut federation = Federation::founded().await;
    let home = federation.home.path();
    assert!(
        suspend(&home, "Nobody", true).is_err_and(|error| error.to_string().contains("Nobody"))
    );
    suspend(&home, "Daisy", true).expect("suspended");
    let daisy = &federation.companies[3];
    assert_eq!(code(daisy.steps().await), Some(Code::Suspended));
    let request = UploadStateRequest {
        round: 1,
        root: vec![0; 32],
    };
    assert_eq!(
        code(daisy.rounds().upload_state(request).await),
        Some(Code::Suspended)
    );
    let invitation = federation.home.invitation("Daisy");
    let again = federation.companies[3]
        .join(&federation.home, &federation.server, &invitation)
        .await;
    assert_eq!(code(again), Some(Code::Suspended));
    suspend(&home, "Daisy", false).expect("lifted");
    federation.companies[3].steps().await.expect("lets it in");
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_company_is_in_when_more_than_half_of_the_owners_say_so() {
    let mut federation = Federation::founded().await;
    let text = invite(&federation.home.path(), "Elder", 1).expect("made");
    let invitation = Invite::from_text(&text).expect("an invitation");
    let mut elder = Company::new("Elder");
    elder
        .join(&federation.home, &federation.server, &invitation)
        .await
        .expect("joins");
    elder.steps().await.expect("may listen");
    assert!(elder.state().await.participant_by_name("Elder").is_none());
    let offer = elder
        .committee()
        .offer_seat(OfferSeatRequest {
            round: 1,
            seat: Vec::new(),
        })
        .await;
    assert_eq!(code(offer), Some(Code::NotAParticipant));
    assert_eq!(code(elder.pending().await), Some(Code::NotAParticipant));
    for approvals in 0..3 {
        // People approve once: a restart in between forgets nobody's word.
        federation = federation.restart().await;
        elder.connect(&federation.home, &federation.server).await;
        let company = &federation.companies[approvals];
        let pending = company.pending().await.expect("answered");
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].signatures.len(), approvals);
        let signed = company.sign(&federation.id, &pending[0].entry).await;
        signed.expect("taken");
    }
    assert!(elder.state().await.participant_by_name("Elder").is_some());

    // From now on the name is this identity's, whatever invitation the admin makes.
    let text = invite(&federation.home.path(), "Elder", 1).expect("made");
    let invitation = Invite::from_text(&text).expect("an invitation");
    let mut impostor = Company::new("Elder");
    let join = impostor
        .join(&federation.home, &federation.server, &invitation)
        .await;
    assert_eq!(code(join), Some(Code::InviteUsed));
    elder
        .steps()
        .await
        .expect("the company itself still has its place");
    assert_eq!(FOUNDERS.len(), 4);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_company_is_refused_and_one_that_lost_its_identity_gets_another() {
    let mut federation = Federation::founded().await;
    let state = federation.companies[0].state().await;
    let daisy = state.participant_by_name("Daisy").expect("a founder");
    let eviction = Entry::ParticipantEvicted {
        participant: daisy.id,
        change: daisy.changes,
    };
    let own = federation.companies[3]
        .sign(&federation.id, &eviction)
        .await;
    assert_eq!(code(own), Some(Code::LedgerRefused));
    let mut forged = SignRequest {
        entry: eviction.to_bytes(),
        signature: eviction
            .sign(&federation.id, &federation.companies[1].identity)
            .signature
            .to_vec(),
    };
    let aster = &federation.companies[0];
    assert_eq!(
        code(aster.proposals().sign(forged.clone()).await),
        Some(Code::SignatureInvalid),
        "another company's signature under Aster's name"
    );
    forged.signature.pop();
    assert_eq!(
        code(aster.proposals().sign(forged.clone()).await),
        Some(Code::Malformed)
    );
    forged.entry = vec![0; limits::ENTRY_BYTES + 1];
    assert_eq!(
        code(aster.proposals().sign(forged).await),
        Some(Code::TooLarge)
    );
    for (company, evicted) in [(0, false), (0, false), (1, true)] {
        let company = &federation.companies[company];
        company
            .sign(&federation.id, &eviction)
            .await
            .expect("taken");
        let state = company.state().await;
        let key = federation.companies[3].identity.public();
        assert_eq!(state.participant_by_key(&key).is_none(), evicted);
    }
    let daisy = &federation.companies[3];
    for refused in [
        code(daisy.pending().await),
        code(daisy.sign(&federation.id, &eviction).await),
        code(
            daisy
                .rounds()
                .upload_state(UploadStateRequest {
                    round: 1,
                    root: vec![0; 32],
                })
                .await,
        ),
    ] {
        assert_eq!(refused, Some(Code::NotAParticipant));
    }
    daisy.steps().await.expect("it may follow what it left");

    // A new machine: refused until more than half of the owners gave the company the identity that it made.
    let text = invite(&federation.home.path(), "Daisy", 1).expect("made");
    let invitation = Invite::from_text(&text).expect("an invitation");
    let mut renewed = Company::new("Daisy");
    let join = renewed
        .join(&federation.home, &federation.server, &invitation)
        .await;
    let refused = join.expect_err("not yet");
    assert!(
        refused
            .message()
            .contains(&renewed.identity.public().to_hex()),
        "{refused:?}"
    );
    let state = federation.companies[0].state().await;
    let known = state.participant_by_name("Daisy").expect("known");
    let readmission = Entry::ParticipantReadmitted {
        participant: known.id,
        change: known.changes,
        key: renewed.identity.public(),
    };
    for company in &federation.companies[..2] {
        company
            .sign(&federation.id, &readmission)
            .await
            .expect("taken");
    }
    renewed
        .join(&federation.home, &federation.server, &invitation)
        .await
        .expect("joins");
    assert!(renewed.pending().await.expect("answered").is_empty());
    let state = renewed.state().await;
    let present = state.participant_by_key(&renewed.identity.public());
    assert_eq!(present.expect("readmitted").name, "Daisy");
    assert_eq!(
        code(federation.companies[3].steps().await),
        Some(Code::CertificateUnknown),
        "the lost machine's certificate is none any more"
    );
    federation.companies[3] = renewed;
    federation.offer_seats().await;
    let state = federation.companies[3].state().await;
    assert_eq!(state.participants().count(), 4);
    federation.server.stop().await.expect("stops");
}
