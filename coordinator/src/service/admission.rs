//! Joining and founding.

use tonic::{Request, Response, Status, async_trait};
use unsilo_ledger::{PublicKey, name::check_name};
use unsilo_proto::{
    Code, Invite, JOIN_DOMAIN, RENEW_DOMAIN, Rejected, join_statement, limits, renew_statement,
    v1::{
        Acknowledgement, JoinReply, JoinRequest, RenewReply, RenewRequest, SignGenesisRequest,
        admission_server::Admission,
    },
};

use super::{Services, at_most, hash_field, signature_field};
use crate::{
    owner::{JoinApplication, Renewal},
    round::Event,
};

#[async_trait]
impl Admission for Services {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let application = parse(request.into_inner())?;
        let certificate = self.owner.join(application).await?;
        let draft = borsh::to_vec(&self.draft)
            .map_err(|error| Rejected::new(Code::Internal, error.to_string()))?;
        Ok(Response::new(JoinReply {
            certificate,
            authority: self.authority.certificate().to_vec(),
            draft,
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        let renewal = parse_renewal(request.into_inner(), &self.federation.0)?;
        let certificate = self.owner.renew(renewal).await?;
        Ok(Response::new(RenewReply { certificate }))
    }

    async fn sign_genesis(
        &self,
        request: Request<SignGenesisRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let caller = self.caller(&request)?;
        let SignGenesisRequest { entry, signature } = request.into_inner();
        let signature = signature_field(caller.identity, &signature)?;
        self.owner
            .event(Event::GenesisSigned { entry, signature })
            .await?;
        Ok(Response::new(Acknowledgement {}))
    }
}

fn parse(request: JoinRequest) -> Result<JoinApplication, Rejected> {
    if request.protocol_version != limits::PROTOCOL_VERSION {
        return Err(version_refused(request.protocol_version));
    }
    check_request(&request.name, &request.certificate_request)?;
    let secret = hash_field("secret", &request.secret)?;
    let identity = PublicKey(hash_field("identity", &request.identity)?);
    let statement = join_statement(
        &request.name,
        &Invite::secret_hash(&secret),
        &request.certificate_request,
    );
    let signature = signature_field(identity, &request.signature)?.signature;
    if !identity.is_usable() || !identity.verify(JOIN_DOMAIN, &statement, &signature) {
        return Err(Rejected::new(
            Code::SignatureInvalid,
            "the join request is not signed by the identity it names",
        ));
    }
    Ok(JoinApplication {
        name: request.name,
        secret,
        identity,
        certificate_request: request.certificate_request,
    })
}

fn check_request(name: &str, certificate_request: &[u8]) -> Result<(), Rejected> {
    check_name("participant name", name)
        .map_err(|error| Rejected::new(Code::Malformed, error.to_string()))?;
    at_most(
        "the certificate request",
        certificate_request,
        limits::CERTIFICATE_REQUEST_BYTES,
    )
}

fn parse_renewal(request: RenewRequest, federation: &[u8; 32]) -> Result<Renewal, Rejected> {
    if request.protocol_version != limits::PROTOCOL_VERSION {
        return Err(version_refused(request.protocol_version));
    }
    check_request(&request.name, &request.certificate_request)?;
    let identity = PublicKey(hash_field("identity", &request.identity)?);
    let statement = renew_statement(
        federation,
        &request.name,
        &request.certificate_request,
        request.at_ms,
        request.drop_old,
    );
    let signature = signature_field(identity, &request.signature)?.signature;
    if !identity.is_usable() || !identity.verify(RENEW_DOMAIN, &statement, &signature) {
        return Err(Rejected::new(
            Code::SignatureInvalid,
            "the renewal is not signed by the identity it names",
        ));
    }
    Ok(Renewal {
        name: request.name,
        identity,
        certificate_request: request.certificate_request,
        at_ms: request.at_ms,
        drop_old: request.drop_old,
    })
}

/// The refusal of another version of the protocol.
pub(super) fn version_refused(theirs: u32) -> Rejected {
    let ours = limits::PROTOCOL_VERSION;
    let who = if theirs < ours {
        "update the participant's software"
    } else {
        "the coordinator's admin must update first"
    };
    Rejected::new(
        Code::VersionUnsupported,
        format!("you speak protocol version {theirs}, this coordinator speaks {ours}: {who}"),
    )
}
