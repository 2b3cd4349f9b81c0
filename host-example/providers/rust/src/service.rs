//! The contract's calls.

use crate::pb::{credential_provider_server::CredentialProvider, credential_result::Result as Outcome, *};
use crate::{error::cut, error::error, file, file::Content};
use prost_types::value::Kind;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::{collections::HashMap, ops::Bound, sync::OnceLock};
use tonic::{Request, Response, Status, async_trait};

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["file"], "properties": {
    "file": {"type": "string", "minLength": 1, "description": "The JSON file. Only its owner may have access to it."}
}}"#;

type Reply<A> = Result<Response<A>, Status>;
type Work<Q, A> = fn(&Content, Q) -> Result<A, CredentialError>;

/// Holds the file's path once it is configured.
#[derive(Default)]
pub struct Provider(OnceLock<String>);

impl Provider {
    /// Does the work of a call in a thread, of which there is a bounded number. A caller that has given up isn't waited for, and
    /// a panic is an error of this call alone.
    async fn answer<Q: Send + 'static, A: Send + 'static>(&self, request: Request<Q>, work: Work<Q, A>) -> Reply<A> {
        let path = self.0.get().cloned().ok_or_else(|| error("NOT_CONFIGURED", "there are no settings yet", "call Configure"))?;
        let done = tokio::task::spawn_blocking(move || work(&file::read(&path), request.into_inner())).await;
        let answer = done.map_err(|_| error("INTERNAL", "a defect of the provider", "look for a panic in its log"))?;
        Ok(Response::new(answer?))
    }
}

#[async_trait]
impl CredentialProvider for Provider {
    async fn get_metadata(&self, _: Request<GetMetadataRequest>) -> Reply<GetMetadataResponse> {
        Ok(Response::new(GetMetadataResponse {
            name: "json".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "reads device credentials from a JSON file".into(),
            capabilities: vec!["BATCH".into(), "LIST".into()],
            settings_schema: SCHEMA.into(),
            ..Default::default()
        }))
    }

    async fn configure(&self, request: Request<ConfigureRequest>) -> Reply<ConfigureResponse> {
        let mut settings = request.into_inner().settings.unwrap_or_default().fields;
        let file = settings.remove("file").and_then(|value| value.kind);
        let path = if let Some(Kind::StringValue(path)) = file { path } else { String::new() };
        let names = settings.into_keys().take(8).map(|name| (cut(&name, 100), "is unknown: there is only file".into()));
        let mut metadata: HashMap<String, String> = names.collect();
        if path.is_empty() {
            metadata.insert("file".into(), "must be a string that isn't empty".into());
        }
        if self.0.get().is_none() && !metadata.is_empty() {
            return Err(CredentialError { metadata, ..error("SETTINGS_INVALID", "settings are wrong", "correct them") }.into());
        }
        self.0.set(path).map_err(|_| error("ALREADY_CONFIGURED", "it has settings", "start another process"))?;
        Ok(Response::new(ConfigureResponse {}))
    }

    async fn validate(&self, request: Request<ValidateRequest>) -> Reply<ValidateResponse> {
        self.answer(request, validate).await
    }
    async fn get_credential(&self, request: Request<GetCredentialRequest>) -> Reply<GetCredentialResponse> {
        self.answer(request, |all, request| Ok(GetCredentialResponse { credential: Some(get(all, request)?) })).await
    }
    async fn batch_get_credentials(&self, request: Request<BatchGetCredentialsRequest>) -> Reply<BatchGetCredentialsResponse> {
        self.answer(request, batch).await
    }
    async fn list_credentials(&self, request: Request<ListCredentialsRequest>) -> Reply<ListCredentialsResponse> {
        self.answer(request, list).await
    }
}

fn validate(all: &Content, request: ValidateRequest) -> Result<ValidateResponse, CredentialError> {
    let read = |id| ("read", get(all, GetCredentialRequest { credential_id: id, version: None }).err());
    let found = [("file", all.as_ref().err().cloned())].into_iter().chain(request.credential_id.map(read));
    let check = |(name, failed): (&str, Option<CredentialError>)| {
        let status = if failed.is_none() { CheckStatus::Passed } else { CheckStatus::Failed };
        let CredentialError { message, help, reason, .. } = failed.unwrap_or_else(|| error("", "it can be read", ""));
        Check { name: name.into(), status: status.into(), message, remedy: help.concat(), reason }
    };
    Ok(ValidateResponse { checks: found.map(check).collect(), ..Default::default() })
}

fn get(all: &Content, request: GetCredentialRequest) -> Result<Credential, CredentialError> {
    let id = request.credential_id;
    if !is_id(&id) {
        return Err(error("CREDENTIAL_ID_INVALID", "no credential has such an id", "1 to 512 bytes, no control characters"));
    }
    if request.version.is_some() {
        return Err(error("UNSUPPORTED", "a file has no versions", "ask without a version"));
    }
    let found = all.as_ref().map_err(CredentialError::clone)?.get(&id);
    let missing = || error("CREDENTIAL_NOT_FOUND", &format!("there is no credential {id:?}"), "add it to the file");
    file::credential(&id, found.ok_or_else(missing)?)
}

fn batch(all: &Content, request: BatchGetCredentialsRequest) -> Result<BatchGetCredentialsResponse, CredentialError> {
    if !(1..=100).contains(&request.requests.len()) {
        return Err(error("REQUEST_INVALID", "a batch has too many requests, or none", "ask for 1 to 100"));
    }
    let outcomes = request.requests.into_iter().map(|one| get(all, one).map_or_else(Outcome::Error, Outcome::Credential));
    Ok(BatchGetCredentialsResponse { results: outcomes.map(|outcome| CredentialResult { result: Some(outcome) }).collect() })
}

fn list(all: &Content, request: ListCredentialsRequest) -> Result<ListCredentialsResponse, CredentialError> {
    let size = match request.page_size {
        ..0 => return Err(error("REQUEST_INVALID", "the page size is negative", "ask for 1 to 1,000")),
        0 | 1000.. => 1000,
        size => size as usize,
    };
    let start = match request.page_token.split_once('.') {
        None if request.page_token.is_empty() => Bound::Unbounded,
        Some((_, id)) if seal_token(id) == request.page_token => Bound::Excluded(id),
        _ => return Err(error("PAGE_TOKEN_INVALID", "no listing has returned this page token", "list from the first page")),
    };
    let all = all.as_ref().map_err(CredentialError::clone)?;
    let mut ids = all.range::<str, _>((start, Bound::Unbounded)).map(|(id, _)| id).filter(|id| is_id(id));
    let page: Vec<&String> = ids.by_ref().take(size).collect();
    let next_page_token = ids.next().and(page.last()).map(|last| seal_token(last)).unwrap_or_default();
    let summary = |id: &String| CredentialSummary { credential_id: id.clone(), ..Default::default() };
    Ok(ListCredentialsResponse { credentials: page.into_iter().map(summary).collect(), next_page_token })
}

fn is_id(id: &str) -> bool {
    (1..=512).contains(&id.len()) && !id.contains(char::is_control)
}

/// A page token names the last id of the page before: the listing goes on there in a new process too, and though the file has
/// changed. By its sum a token that no page had is known.
fn seal_token(id: &str) -> String {
    format!("{:016x}.{id}", BuildHasherDefault::<DefaultHasher>::new().hash_one(id))
}
