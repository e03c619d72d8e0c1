//! Joining and founding.

use tonic::{Request, Response, Status, async_trait};
use unsilo_ledger::{PublicKey, name::check_name};
use unsilo_proto::{
    Code, Invite, JOIN_DOMAIN, Rejected, join_statement, limits,
    v1::{
        Acknowledgement, JoinReply, JoinRequest, SignGenesisRequest, admission_server::Admission,
    },
};

use super::{Services, hash_field, signature_field};
use crate::{owner::JoinApplication, round::Event};

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
    check_name("participant name", &request.name)
        .map_err(|error| Rejected::new(Code::Malformed, error.to_string()))?;
    if request.certificate_request.len() > limits::CERTIFICATE_REQUEST_BYTES {
        return Err(Rejected::new(
            Code::TooLarge,
            format!(
                "the certificate request has {} bytes, at most {} are taken",
                request.certificate_request.len(),
                limits::CERTIFICATE_REQUEST_BYTES
            ),
        ));
    }
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
