//! Errors. As a batch has them, so they are made; a call that fails has the same in a gRPC status with google.rpc details.

use crate::pb::CredentialError;
use prost_types::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// An error with what to do about it, none of which may be secret.
pub fn error(reason: &str, message: &str, help: &str) -> CredentialError {
    let code = match reason {
        "CREDENTIAL_NOT_FOUND" => Code::NotFound,
        "CREDENTIAL_ID_INVALID" | "SETTINGS_INVALID" | "PAGE_TOKEN_INVALID" | "REQUEST_INVALID" => Code::InvalidArgument,
        "BACKEND_UNAVAILABLE" => Code::Unavailable,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "UNSUPPORTED" => Code::Unimplemented,
        "INTERNAL" => Code::Internal,
        _ => Code::FailedPrecondition,
    };
    let retry_delay = matches!(code, Code::Unavailable | Code::DeadlineExceeded).then_some(Duration { seconds: 1, nanos: 0 });
    let metadata = (code == Code::Unavailable).then(|| ("stage".into(), "read".into())).into_iter().collect();
    let (reason, message, help) = (reason.into(), cut(message, 500), vec![cut(help, 200)]);
    CredentialError { code: code.into(), reason, message, metadata, retry_delay, help }
}

/// Texts are cut to so many bytes: all details of an error together may take 4 KiB.
pub fn cut(text: &str, most: usize) -> String {
    text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= most).map(|(_, c)| c).collect()
}

impl From<CredentialError> for Status {
    fn from(error: CredentialError) -> Status {
        let mut details = ErrorDetails::with_error_info(&error.reason, "credential.tom", error.metadata.clone());
        details.set_retry_info(error.retry_delay.and_then(|delay| delay.try_into().ok()));
        error.help.iter().for_each(|step| _ = details.add_help_link(step, ""));
        if error.reason == "SETTINGS_INVALID" {
            error.metadata.iter().for_each(|(setting, why)| _ = details.add_bad_request_violation(setting, why));
        }
        Status::with_error_details(error.code.into(), error.message, details)
    }
}
