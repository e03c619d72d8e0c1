//! Plaintext in the place of a ciphertext.

use std::fs;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use unsilo_fhe::{
    CHUNK_BYTES, Entropy, LinearHash, LinearHasher, Opening, Params, Q, RoundContext, RoundKeyPair,
    combine, commitment, contribute, encode, open_key_sum, open_share, weighted_digit_sum,
};
use unsilo_ledger::{Entry, ParticipantId, SignedEntry, SigningIdentity};
use unsilo_proto::{
    Code, Rejected,
    v1::{ContributePart, ContributionHeader, contribute_part::Part, rounds_client::RoundsClient},
};

use super::{Frozen, attack::Target};
use crate::companies::count;

/// Dahlia's keys in the hands of a program that forgets to encrypt: the coordinator takes nothing of it.
pub(super) fn is_refused(frozen: &Frozen, update: &[f32]) {
    let target = Target::new(&frozen.fed.coordinator(), "Aster");
    let dir = frozen.fed.company("Dahlia");
    let shares = fs::read(dir.join("outbox/2-shares.kept")).expect("her shares");
    let (shares, _linear_hash): (Vec<Vec<u8>>, Vec<u8>) =
        borsh::from_slice(&shares).expect("shares");
    let honest = fs::read(dir.join("outbox/2-ciphertext.kept")).expect("her ciphertext");
    let size = honest.len();
    let floats: Vec<u8> = update
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let unit = f32::from(target.unit_log2).exp2();
    let steps: Vec<u8> = update
        .iter()
        .flat_map(|value| ((value / unit) as i16).to_le_bytes())
        .collect();
    let padded = |bytes: &[u8], with: u8| {
        let mut bytes = bytes.to_vec();
        bytes.resize(size, with);
        bytes
    };
    let above_q = {
        let mut bytes = padded(&floats, 0);
        let at = 4 * CHUNK_BYTES;
        bytes[at..at + 6].copy_from_slice(&Q.to_le_bytes()[..6]);
        bytes
    };
    let root_of = |bytes: &[u8]| {
        commitment(&target.params, &target.context, 3, bytes, &shares)
            .expect("whole chunks")
            .root
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut client = runtime.block_on(client(frozen));
    // Roots of their own where none fits: what is kept of an upload is kept for its root.
    let cases = [
        ("floats", floats.clone(), [1; 32], Code::OutOfOrder),
        ("quantised steps", steps, [2; 32], Code::OutOfOrder),
        (
            "floats and zeros",
            padded(&floats, 0),
            [3; 32],
            Code::ContributionInvalid,
        ),
        (
            "floats and ones, committed to",
            padded(&floats, 0xff),
            root_of(&padded(&floats, 0xff)),
            Code::ContributionInvalid,
        ),
        (
            "one coefficient of q, committed to",
            above_q.clone(),
            root_of(&above_q),
            Code::ContributionInvalid,
        ),
        (
            "more bytes than a ciphertext",
            [&honest[..], &floats].concat(),
            [4; 32],
            Code::TooLarge,
        ),
    ];
    for (what, bytes, root, code) in cases {
        let rejected = runtime
            .block_on(send(&mut client, frozen, &target, &shares, &bytes, root))
            .expect_err(what);
        assert_eq!(rejected.code, code, "{what}: {rejected}");
        assert!(rejected.message.len() > 20, "{what}: {rejected}");
    }
    assert_eq!(
        count(&frozen.fed.entries(), "round 2: Dahlia contributed"),
        0
    );
}

async fn client(frozen: &Frozen) -> RoundsClient<Channel> {
    let read = |name: &str| fs::read(frozen.fed.company("Dahlia").join(name)).expect(name);
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("authority.pem")))
        .identity(Identity::from_pem(read("tls.pem"), read("tls.key")))
        .domain_name("127.0.0.1");
    let channel = Channel::from_shared(format!("https://{}", frozen.fed.address))
        .expect("an address")
        .tls_config(tls)
        .expect("TLS")
        .connect()
        .await
        .expect("connected");
    RoundsClient::new(channel)
}

async fn send(
    client: &mut RoundsClient<Channel>,
    frozen: &Frozen,
    target: &Target,
    shares: &[Vec<u8>],
    bytes: &[u8],
    root: [u8; 32],
) -> Result<(), Rejected> {
    let seed = fs::read(frozen.fed.company("Dahlia").join("identity.key")).expect("her identity");
    let seed = data_encoding::HEXLOWER
        .decode(seed.trim_ascii())
        .expect("hex");
    let identity = SigningIdentity::from_seed(&seed.try_into().expect("32 bytes"));
    let sealed: usize = shares.iter().map(Vec::len).sum();
    let entry = Entry::ContributionCommitted {
        round: target.context.round,
        participant: ParticipantId(3),
        root,
        bytes: (target.params.ciphertext_bytes() + sealed) as u64,
    };
    let signature = entry.sign(&frozen.draft.federation_id(), &identity);
    let header = ContributionHeader {
        round: target.context.round,
        entry: SignedEntry::new(entry, vec![signature]).encode(),
        sealed_shares: shares.to_vec(),
        offset: 0,
        linear_hash: linear_hash(&target.params, bytes).to_bytes(),
    };
    let parts = std::iter::once(Part::Header(header))
        .chain(
            bytes
                .chunks(16 << 10)
                .map(|part| Part::Ciphertext(part.to_vec().into())),
        )
        .map(|part| ContributePart { part: Some(part) });
    let parts: Vec<ContributePart> = parts.collect();
    match client.contribute(tokio_stream::iter(parts)).await {
        Ok(_) => Ok(()),
        Err(status) => Err(Rejected::from_status(&status).unwrap_or_else(|| panic!("{status}"))),
    }
}

/// The linear hash of bytes that are as long as a ciphertext; of others there is none.
fn linear_hash(params: &Params, bytes: &[u8]) -> LinearHash {
    let mut hasher = LinearHasher::new(params);
    hasher.update(bytes);
    hasher.finish().unwrap_or_else(|_| LinearHash::zero())
}

/// Packed as a ciphertext would be, and committed to: plaintext has a form that cannot be told from random bytes. It
/// ends in a sum that nobody opens, not in a model.
#[test]
fn a_sum_with_plaintext_in_it_is_not_opened() {
    let params = Params::new(&unsilo_fhe::ParamsLiteral {
        profile: "default".to_owned(),
        parameters: 4810,
    })
    .expect("parameters");
    let context = RoundContext {
        federation: [1; 32],
        round: 1,
        model: [2; 32],
    };
    let keys: Vec<RoundKeyPair> = (0..4)
        .map(|_| RoundKeyPair::generate().expect("keys"))
        .collect();
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    let committee = unsilo_fhe::Committee::new(members, 3).expect("a committee");
    let dealing = |participant| unsilo_fhe::Dealing {
        params: &params,
        context: &context,
        participant,
        committee: &committee,
    };
    let update = [0.01_f32; 4810];
    let mut made: Vec<_> = (0..3)
        .map(|participant| {
            let encoded = encode(&params, &[1; 32], -14, &update, [5; 32]).expect("encoded");
            let entropy = Entropy::from_os().expect("randomness");
            contribute(&dealing(participant), encoded, entropy).expect("made")
        })
        .collect();
    let open = |made: &[unsilo_fhe::Contribution]| {
        let answers: Vec<(u16, Opening)> = (1..=4)
            .map(|seat| {
                let shares: Vec<_> = (0..3)
                    .map(|participant| {
                        let sealed = &made[participant].sealed_shares[usize::from(seat) - 1];
                        let dealing = dealing(participant as u32);
                        open_share(&keys[usize::from(seat) - 1], &dealing, seat, sealed)
                            .expect("opens")
                    })
                    .collect();
                let shares: Vec<_> = shares.iter().map(|share| (16, share)).collect();
                (seat, combine(&shares).expect("combined"))
            })
            .collect();
        let terms: Vec<(&[u8], u16)> = made.iter().map(|one| (&one.ciphertext[..], 16)).collect();
        let sum = weighted_digit_sum(params.chunks(), &terms)
            .expect("summed")
            .to_ciphertext();
        open_key_sum(3, &answers, |key| {
            unsilo_fhe::decrypt::is_plausible(&params, &context, &sum, key, 48)
        })
        .map(|_| ())
    };
    assert_eq!(open(&made), Ok(()), "three ciphertexts open");
    let plain: Vec<u8> = update
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    made[1].ciphertext.fill(0);
    made[1].ciphertext[..plain.len()].copy_from_slice(&plain);
    assert!(
        unsilo_fhe::check_ciphertext(&params, &made[1].ciphertext).is_ok(),
        "in the form of a ciphertext"
    );
    assert_eq!(open(&made), Err(unsilo_fhe::open::OpenError::Implausible));
}
