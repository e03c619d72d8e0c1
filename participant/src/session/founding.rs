//! The founders sign the first entry: once, and only the list that was agreed on.

use unsilo_ledger::{Domain, DomainHasher, Entry};

use super::{Call, Effect, Session};
use crate::{
    alarm::Alarm,
    founders::{Founder, difference},
    guard::Record,
    progress::Progress,
};

const GENESIS: Domain = Domain::new("signed genesis");

impl Session {
    pub(super) fn found(&mut self, entry: &[u8], missing: Vec<String>, out: &mut Vec<Effect>) {
        if entry.is_empty() {
            return self.tell_founding(Vec::new(), missing, out);
        }
        let founders = match self.check_genesis(entry) {
            Ok(founders) => founders,
            Err(reason) => return self.raise(Alarm::FoundersDiffer { reason }, out),
        };
        self.tell_founding(founders, missing, out);
        let hash = DomainHasher::new(GENESIS).with(entry).finish();
        if self.guards.genesis.is_some_and(|signed| signed != hash) {
            let reason =
                "this node already signed another list, and one federation has one founding entry"
                    .to_owned();
            return self.raise(Alarm::FoundersDiffer { reason }, out);
        }
        let Ok(genesis) = Entry::from_bytes(entry) else {
            return;
        };
        if self.record(Record::Genesis(hash), out) {
            let signature = genesis.sign(&self.federation, &self.member.identity);
            self.start(
                Effect::Call(Call::SignGenesis {
                    entry: entry.to_vec(),
                    signature: signature.signature,
                }),
                out,
            );
        }
    }

    /// The list in `entry`, if it is one that this node may sign.
    fn check_genesis(&self, entry: &[u8]) -> Result<Vec<Founder>, String> {
        let parsed = Entry::from_bytes(entry).map_err(|error| error.to_string())?;
        let Entry::FederationCreated { draft, founders } = parsed else {
            return Err("the coordinator sent another kind of entry to sign".to_owned());
        };
        if draft.federation_id() != self.federation {
            return Err("it is for another federation than the invitation's".to_owned());
        }
        let names = founders.iter().map(|founder| &founder.name);
        if !names.eq(draft.founders.iter()) {
            return Err(
                "its names are not those that were invited to found, in their order".to_owned(),
            );
        }
        let list: Vec<Founder> = founders
            .into_iter()
            .map(|founder| Founder {
                name: founder.name,
                key: founder.key,
            })
            .collect();
        let mine = self.member.identity.public();
        if !list
            .iter()
            .any(|founder| founder.name == self.member.name && founder.key == mine)
        {
            return Err(format!(
                "{:?} is not on it with this node's key {mine}",
                self.member.name
            ));
        }
        match self.pin_difference(&list) {
            Some(reason) => Err(reason),
            None => Ok(list),
        }
    }

    /// How a list of founders differs from the pinned one.
    pub(super) fn pin_difference(&self, list: &[Founder]) -> Option<String> {
        difference(self.member.founders_pin.as_ref()?, list)
    }

    fn tell_founding(
        &mut self,
        founders: Vec<Founder>,
        missing: Vec<String>,
        out: &mut Vec<Effect>,
    ) {
        let told = (founders, missing);
        if self.founding_told.as_ref() == Some(&told) {
            return;
        }
        self.founding_told = Some(told.clone());
        let (founders, missing) = told;
        out.push(Effect::Tell(Progress::Founding { founders, missing }));
    }
}
