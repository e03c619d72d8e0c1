//! A sheet on its way to the committee: encrypted once, under a key that is sealed to each other seat.
//!
//! All who open it read the same bytes, as these must hash to the root that the member signed. And either all can open it or
//! none does: the randomness that seals the key to a seat comes from the key itself (encrypt-with-hash: Bellare, Boldyreva,
//! O'Neill, CRYPTO 2007; the key is 256 random bits, so nobody without it can guess that randomness). Whoever has the key
//! seals it again to every other seat and compares with what the member signed. A member that sealed it badly to one seat
//! has answered for none, in the eyes of all the others alike.

use super::sheet::{AnswerSheet, Entry, SALT_SEED_BYTES, SheetError, TAG_BYTES, plaintext_bytes};
use crate::{
    answer::ProjectionAnswers,
    committee::Committee,
    key::Entropy,
    projection::Projections,
    seal::{RoundKeyPair, RoundPublicKey, SEAL_OVERHEAD, open_bytes, seal_bytes},
    xof::Xof,
};
use chacha20poly1305::{
    ChaCha20Poly1305, Key, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

/// Bytes of the sheet's key, sealed to one seat.
pub const SEALED_SHEET_KEY_BYTES: usize = SEAL_OVERHEAD + 32;
const INFO: &[u8] = b"unsilo/v1/answer sheet key\0";

/// Bytes of the encrypted sheet of a round with so many contributions.
#[must_use]
pub fn sealed_sheet_bytes(contributions: usize) -> usize {
    plaintext_bytes(contributions) + TAG_BYTES
}

/// What a member sends: it signs `root` together with the two hashes of what it sent, outside of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSheet {
    /// Commits to every answer, the round, the challenge and the seat.
    pub root: [u8; 32],
    /// The encrypted sheet, [`sealed_sheet_bytes`].
    pub sheet: Vec<u8>,
    /// The sheet's key for each other seat, ascending, [`SEALED_SHEET_KEY_BYTES`] each.
    pub keys: Vec<(u16, Vec<u8>)>,
}

impl AnswerSheet {
    /// Puts a member's answers together and seals them to the committee's other seats.
    ///
    /// 1. *Private input*: the answers in ascending order of participants; the entropy, used up. With the same entropy
    ///    and answers the result is the same to the bit, so a member that records its entropy repeats itself after a crash.
    /// 2. *Public input*: the round's projections, committee and the member's seat.
    /// 3. *Public output*: the sealed sheet. *Private output*: the sheet, as the others will read it.
    ///
    /// # Errors
    /// [`SheetError`] if the answers are not one ascending list of this seat's, or a key cannot be sealed to.
    pub fn seal(
        projections: &Projections,
        committee: &Committee,
        seat: u16,
        answers: Vec<ProjectionAnswers>,
        entropy: Entropy,
    ) -> Result<(Self, SealedSheet), SheetError> {
        check_seat(committee, seat)?;
        let own = |answers: &&ProjectionAnswers| {
            answers
                .origin
                .is_none_or(|origin| origin == (seat, *projections))
        };
        if let Some(other) = answers.iter().find(|answers| !own(answers)) {
            return Err(SheetError::OtherOrigin {
                participant: other.participant,
            });
        }
        let entries = answers
            .iter()
            .map(|answers| Entry {
                participant: answers.participant,
                words: answers.words,
            })
            .collect();
        let mut secrets = Xof::new(
            "answer sheet",
            &[
                entropy.bytes(),
                &projections.to_bytes(),
                &seat.to_le_bytes(),
            ],
        );
        let mut salt_seed = Zeroizing::new([0; SALT_SEED_BYTES]);
        secrets.fill(&mut salt_seed[..]);
        let sheet = Self::new(projections, seat, salt_seed, entries)?;
        let root = *sheet.root();

        // Should the same entropy ever come with other answers, the root and so the key differ.
        let mut secrets = Xof::new("answer sheet key", &[entropy.bytes(), &root]);
        let mut key = Zeroizing::new([0; 32]);
        secrets.fill(&mut key[..]);
        let plaintext = sheet.to_bytes();
        let payload = Payload {
            msg: &plaintext,
            aad: &root,
        };
        let encrypted = cipher(&key)
            .encrypt(&Nonce::default(), payload)
            .map_err(|_| SheetError::Seal { seat })?;
        let keys = (1..)
            .zip(committee.members())
            .filter(|(recipient, _)| *recipient != seat)
            .map(|(recipient, member)| {
                let sealed = seal_key(projections, (seat, &root), (recipient, member), &key)?;
                Ok((recipient, sealed))
            })
            .collect::<Result<_, _>>()?;
        let sealed = SealedSheet {
            root,
            sheet: encrypted,
            keys,
        };
        Ok((sheet, sealed))
    }
}

/// One sealed sheet as a recipient has it.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedSheet<'a> {
    /// Who answered.
    pub seat: u16,
    /// The root that the member signed.
    pub root: &'a [u8; 32],
    /// The encrypted sheet.
    pub sheet: &'a [u8],
    /// The sheet's key, sealed to the recipient.
    pub key: &'a [u8],
}

impl ReceivedSheet<'_> {
    /// Opens the sheet that another seat answered with; `participants` is the closed set, ascending. `is_signed` says
    /// whether bytes are what the member signed as the key sealed to a seat (every seat but its own is asked about).
    ///
    /// The caller has checked the member's signature on the root and on what it sealed.
    ///
    /// # Errors
    /// [`SheetError`]: `NoSuchSeat` and `WrongKey` are the recipient's own; the others are the answering member's (or whoever
    /// carried the bytes): such a member counts as one that did not answer. Which error it is may differ between
    /// recipients, but if one of them gets an error from bytes that the member signed, all do.
    pub fn open(
        &self,
        projections: &Projections,
        committee: &Committee,
        recipient: u16,
        keys: &RoundKeyPair,
        participants: &[u32],
        is_signed: impl Fn(u16, &[u8]) -> bool,
    ) -> Result<AnswerSheet, SheetError> {
        let seat = self.seat;
        check_seat(committee, seat)?;
        check_seat(committee, recipient)?;
        if committee.member(recipient) != Some(keys.public()) {
            return Err(SheetError::WrongKey { seat: recipient });
        }
        let expected = sealed_sheet_bytes(participants.len());
        if self.sheet.len() != expected {
            return Err(SheetError::Length {
                seat,
                expected,
                actual: self.sheet.len(),
            });
        }
        let aad = associated_data(projections, seat, recipient, self.root);
        let key = open_bytes(keys, &info(projections), &aad, self.key)
            .ok()
            .and_then(|key| <[u8; 32]>::try_from(&key[..]).ok())
            .map(Zeroizing::new)
            .ok_or(SheetError::KeyDoesNotOpen { seat, recipient })?;
        let payload = Payload {
            msg: self.sheet,
            aad: self.root,
        };
        let plaintext = cipher(&key)
            .decrypt(&Nonce::default(), payload)
            .map(Zeroizing::new)
            .map_err(|_| SheetError::DoesNotOpen { seat })?;
        let sheet = AnswerSheet::from_bytes(projections, seat, &plaintext, participants)?;
        if sheet.root() != self.root {
            return Err(SheetError::OtherRoot { seat });
        }
        // The own one too: that it opened does not say that it was sealed as the others can make it again.
        let others = (1..).zip(committee.members());
        for (to, member) in others.filter(|(to, _)| *to != seat) {
            let sealed = seal_key(projections, (seat, self.root), (to, member), &key)?;
            if !is_signed(to, &sealed) {
                let recipient = to;
                return Err(SheetError::KeySealedBadly { seat, recipient });
            }
        }
        Ok(sheet)
    }
}

/// The sheet's key as every member seals it to one seat: the only bytes that all who have the key accept there.
fn seal_key(
    projections: &Projections,
    (seat, root): (u16, &[u8; 32]),
    (recipient, member): (u16, &RoundPublicKey),
    key: &[u8; 32],
) -> Result<Vec<u8>, SheetError> {
    let (info, aad) = (
        info(projections),
        associated_data(projections, seat, recipient, root),
    );
    let seed = seal_seed(key, &aad, &info);
    seal_bytes(member, &info, &aad, &seed, key).map_err(|_| SheetError::Seal { seat: recipient })
}

/// The randomness of a seal.
fn seal_seed(key: &[u8; 32], aad: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    Xof::new("answer sheet key seal", &[key, aad, info]).fill(&mut seed[..]);
    seed
}

fn check_seat(committee: &Committee, seat: u16) -> Result<(), SheetError> {
    match committee.member(seat) {
        Some(_) => Ok(()),
        None => Err(SheetError::NoSuchSeat {
            seat,
            seats: committee.seats(),
        }),
    }
}

/// The key is used for one sheet only, so the nonce is constant.
fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn info(projections: &Projections) -> Vec<u8> {
    [INFO, &projections.context().model, projections.challenge()].concat()
}

fn associated_data(
    projections: &Projections,
    seat: u16,
    recipient: u16,
    root: &[u8; 32],
) -> [u8; 76] {
    let mut bytes = [0; 76];
    bytes[..40].copy_from_slice(&projections.to_bytes()[..40]);
    bytes[40..42].copy_from_slice(&seat.to_le_bytes());
    bytes[42..44].copy_from_slice(&recipient.to_le_bytes());
    bytes[44..].copy_from_slice(root);
    bytes
}

#[cfg(test)]
mod tests {
    //! What only a member that does not follow the protocol can send: a well-sealed sheet with the wrong content.

    use super::*;
    use crate::{
        Params, ParamsLiteral, RoundContext,
        check::{sheet::ENTRY_BYTES, table::WORDS_BYTES},
        projection::PROJECTIONS,
    };

    const KEY: [u8; 32] = [9; 32];

    struct Round {
        projections: Projections,
        keys: Vec<RoundKeyPair>,
        committee: Committee,
    }

    fn round() -> Round {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters: 10,
        };
        let context = RoundContext {
            federation: [1; 32],
            round: 2,
            model: [3; 32],
        };
        let params = Params::new(&literal).expect("valid");
        let keys: Vec<_> = (1..=3)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat; 32]).expect("a key"))
            .collect();
        let members = keys.iter().map(|keys| keys.public().clone()).collect();
        Round {
            projections: Projections::new(&params, &context, [4; 32]),
            keys,
            committee: Committee::new(members, 3).expect("valid"),
        }
    }

    fn sheet(projections: &Projections) -> AnswerSheet {
        let entry = |participant, words| Entry { participant, words };
        let entries = vec![entry(5, Some([7; PROJECTIONS])), entry(6, None)];
        AnswerSheet::new(projections, 1, Zeroizing::new([8; 32]), entries).expect("valid")
    }

    /// Seat 2 opens a sheet with this plaintext under this root, of a member that seals the key as it should.
    fn opened(round: &Round, plaintext: &[u8], root: &[u8; 32]) -> Result<AnswerSheet, SheetError> {
        opened_as(round, plaintext, root, |to| sealed_to(round, root, to))
    }

    fn sealed_to(round: &Round, root: &[u8; 32], to: u16) -> Vec<u8> {
        let member = round.committee.member(to).expect("a seat");
        seal_key(&round.projections, (1, root), (to, member), &KEY).expect("seals")
    }

    /// The same with whatever the member signed as the key sealed to a seat.
    fn opened_as(
        round: &Round,
        plaintext: &[u8],
        root: &[u8; 32],
        signed: impl Fn(u16) -> Vec<u8>,
    ) -> Result<AnswerSheet, SheetError> {
        let payload = Payload {
            msg: plaintext,
            aad: root,
        };
        let encrypted = cipher(&KEY)
            .encrypt(&Nonce::default(), payload)
            .expect("encrypts");
        let key = signed(2);
        let received = ReceivedSheet {
            seat: 1,
            root,
            sheet: &encrypted,
            key: &key,
        };
        received.open(
            &round.projections,
            &round.committee,
            2,
            &round.keys[1],
            &[5, 6],
            |to, sealed| signed(to) == sealed,
        )
    }

    #[test]
    fn the_randomness_of_a_seal_is_the_one_that_a_second_implementation_makes() {
        let round = round();
        let aad = associated_data(&round.projections, 1, 2, &[5; 32]);
        // Xof("answer sheet key seal", key, aad, info).take(32) of tests/vectors/generate.py.
        let known = [
            0xb5, 0xa0, 0x0f, 0x20, 0x55, 0x74, 0x68, 0x28, 0x5d, 0x23, 0x1a, 0x8a, 0xee, 0xc1,
            0xe9, 0xa5, 0x25, 0x81, 0x2a, 0xc2, 0x6a, 0xb8, 0x4c, 0xfd, 0xef, 0x6f, 0xa0, 0x4e,
            0x82, 0x7d, 0x7b, 0xa5,
        ];
        assert_eq!(*seal_seed(&KEY, &aad, &info(&round.projections)), known);
    }

    #[test]
    fn a_key_that_opens_but_was_not_sealed_as_all_can_make_it_again_is_refused() {
        let round = round();
        let sheet = sheet(&round.projections);
        let (plaintext, root) = (sheet.to_bytes(), *sheet.root());
        let aad = associated_data(&round.projections, 1, 2, &root);
        let to = round.keys[1].public();
        let other = seal_bytes(to, &info(&round.projections), &aad, &[1; 32], &KEY);
        let other = other.expect("seals");
        let signed = |seat| match seat {
            2 => other.clone(),
            to => sealed_to(&round, &root, to),
        };
        assert_eq!(
            opened_as(&round, &plaintext, &root, signed).err(),
            Some(SheetError::KeySealedBadly {
                seat: 1,
                recipient: 2
            })
        );
    }

    #[test]
    fn a_sheet_with_another_content_than_its_root_does_not_open() {
        let round = round();
        let sheet = sheet(&round.projections);
        let plaintext = sheet.to_bytes();
        assert_eq!(
            opened(&round, &plaintext, sheet.root()).map(|s| *s.root()),
            Ok(*sheet.root())
        );
        // The salt, an answer, and the claim that there is none.
        let first = SALT_SEED_BYTES;
        for place in [0, first + 5, first + 4 + 1 + WORDS_BYTES - 6] {
            let mut altered = plaintext.to_vec();
            altered[place] ^= 1;
            let error = SheetError::OtherRoot { seat: 1 };
            assert_eq!(opened(&round, &altered, sheet.root()).err(), Some(error));
        }
        let complaint = [
            &plaintext[..first + 4],
            &[0; 1 + WORDS_BYTES],
            &plaintext[first + ENTRY_BYTES..],
        ];
        let error = SheetError::OtherRoot { seat: 1 };
        assert_eq!(
            opened(&round, &complaint.concat(), sheet.root()).err(),
            Some(error)
        );
    }

    #[test]
    fn a_sheet_that_is_not_about_the_closed_set_or_holds_no_numbers_does_not_open() {
        let round = round();
        let sheet = sheet(&round.projections);
        let plaintext = sheet.to_bytes();
        let error_at = |place: usize, byte: u8| {
            let mut altered = plaintext.to_vec();
            altered[place] = byte;
            opened(&round, &altered, sheet.root()).err()
        };
        let (first, second) = (SALT_SEED_BYTES, SALT_SEED_BYTES + ENTRY_BYTES);
        assert_eq!(
            error_at(first, 4),
            Some(SheetError::OtherContribution {
                seat: 1,
                expected: 5,
                actual: 4
            })
        );
        let words = |participant| {
            Some(SheetError::Words {
                seat: 1,
                participant,
            })
        };
        assert_eq!(error_at(first + 4, 2), words(5), "neither answered nor not");
        assert_eq!(
            error_at(first + 4, 0),
            words(5),
            "words where it says there are none"
        );
        assert_eq!(
            error_at(second + 5, 1),
            words(6),
            "words where it says there are none"
        );
        let mut large = plaintext.to_vec();
        large[first + 5..][..6].fill(0xFF);
        assert_eq!(opened(&round, &large, sheet.root()).err(), words(5));
        for length in [0, 31, plaintext.len() - 1, plaintext.len() + ENTRY_BYTES] {
            let mut altered = plaintext.to_vec();
            altered.resize(length, 0);
            let result = opened(&round, &altered, sheet.root());
            assert!(matches!(result, Err(SheetError::Length { seat: 1, .. })));
        }
    }
}
