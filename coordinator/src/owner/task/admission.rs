//! Who joins.

use unsilo_ledger::PublicKey;
use unsilo_proto::{Code, Rejected};

use super::{Task, internal, now_ms};
use crate::{
    admission::{Member, authority},
    owner::{JoinApplication, Renewal},
    round::Event,
};

/// How far a renewal's time may be from the clock here: ten minutes.
const RENEWAL_SKEW_MS: u64 = 600_000;

impl Task {
    pub(super) fn join(&mut self, application: JoinApplication) -> Result<Vec<u8>, Rejected> {
        let JoinApplication {
            name,
            secret,
            identity,
            certificate_request,
        } = application;
        self.invitations
            .redeem(&name, &secret, &identity.0, now_ms())?;
        self.members.check_suspension(&name)?;
        self.check_identity(&name, identity)?;
        let certificate = self
            .authority
            .issue(&name, &certificate_request)
            .map_err(|error| Rejected::new(Code::Malformed, error))?;
        let joined_ms = self
            .members
            .get(&name)
            .map_or_else(now_ms, |before| before.joined_ms());
        let fingerprint = authority::fingerprint(&certificate);
        self.members
            .record(Member::new(&name, identity, fingerprint, joined_ms))
            .map_err(internal)?;
        tracing::info!(name, "joined");
        let event = self.joined_event();
        self.step(event)?;
        Ok(certificate)
    }

    /// A fresh certificate for a company that has joined, under the identity that it joined with.
    pub(super) fn renew(&mut self, renewal: &Renewal) -> Result<Vec<u8>, Rejected> {
        let Renewal { name, at_ms, .. } = renewal;
        let member = self.members.get(name);
        let member = member.filter(|member| member.identity() == Some(renewal.identity));
        let member = member.ok_or_else(|| {
            Rejected::new(
                Code::CertificateUnknown,
                format!(
                    "{name:?} has not joined with this identity: join with an invitation first"
                ),
            )
        })?;
        self.members.check_suspension(name)?;
        let now_ms = now_ms();
        if now_ms.abs_diff(*at_ms) > RENEWAL_SKEW_MS || *at_ms <= member.renewed_ms() {
            return Err(Rejected::new(
                Code::WrongStep,
                format!(
                    "the renewal was asked for at {at_ms}, the clock here says {now_ms} and the last one was at {} \
                     (milliseconds since 1970): set this machine's clock and ask again",
                    member.renewed_ms()
                ),
            ));
        }
        let certificate = self
            .authority
            .issue(name, &renewal.certificate_request)
            .map_err(|error| Rejected::new(Code::Malformed, error))?;
        let fingerprint = authority::fingerprint(&certificate);
        self.members
            .record(member.renewed(fingerprint, *at_ms, renewal.drop_old))
            .map_err(internal)?;
        tracing::info!(name, "renewed its certificate");
        Ok(certificate)
    }

    /// One name, one identity: both on the ledger, where it cannot change, and among those who wait to be,
    /// where two names of one key would make a genesis that the ledger refuses for ever.
    pub(super) fn check_identity(&self, name: &str, identity: PublicKey) -> Result<(), Rejected> {
        let state = self.ledger.state();
        let named_otherwise = state
            .participant_by_name(name)
            .is_some_and(|known| known.key != identity || known.name != name);
        if named_otherwise {
            return Err(Rejected::new(
                Code::InviteUsed,
                format!(
                    "the ledger knows {name:?} by another identity: go on in the directory of that time. If that is lost, \
                     more than half of the owners can give the company the identity made now, {identity} (`unsilo readmit \
                     DIR NAME --identity KEY`); then join again"
                ),
            ));
        }
        let taken = identity == self.identity.public()
            || state
                .participant_by_key(&identity)
                .is_some_and(|known| known.name != name)
            || self
                .members
                .all()
                .iter()
                .any(|member| member.name != name && member.identity() == Some(identity));
        if taken {
            return Err(Rejected::new(
                Code::InviteUsed,
                "this identity has joined under another name: every participant makes its own, in its own directory",
            ));
        }
        Ok(())
    }

    pub(super) fn joined_event(&self) -> Event {
        Event::Joined(
            self.members
                .all()
                .into_iter()
                .filter_map(|member| Some((member.name.clone(), member.identity()?)))
                .collect(),
        )
    }
}
