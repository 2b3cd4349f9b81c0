//! The backend: a JSON file.

use crate::{error::error, pb::Credential, pb::CredentialError};
use serde_json::Value;
use std::{collections::BTreeMap, collections::HashMap, fs, io};

/// What the file holds, by id.
pub type Content = Result<BTreeMap<String, Value>, CredentialError>;

/// Reads the file, anew for each call, so that a change counts at once.
pub fn read(path: &str) -> Content {
    let unusable = |why: &str| error("BACKEND_MISCONFIGURED", &format!("file {path:?} {why}"), "correct it or plugin_json_file");
    let unavailable = |why: &str| error("BACKEND_UNAVAILABLE", &format!("file {path:?} {why}"), "write it anew");
    let failure = |failure: io::Error| match failure.kind() {
        io::ErrorKind::NotFound => unusable("doesn't exist"),
        io::ErrorKind::PermissionDenied => unusable("may not be read by the worker's user"),
        _ => unavailable("can't be read"),
    };
    let about = fs::metadata(path).map_err(failure)?;
    if !about.is_file() || about.len() > 16 << 20 {
        return Err(unusable("is no file of at most 16 MiB")); // a pipe would wait for its writer
    }
    serde_json::from_slice(&fs::read(path).map_err(failure)?).map_err(|wrong| match wrong.is_eof() {
        true => unavailable("is not complete"), // it is being written
        false => unusable(&format!("is no JSON object: line {}, column {}", wrong.line(), wrong.column())),
    })
}

/// Makes a credential of what the file has under its id.
pub fn credential(id: &str, found: &Value) -> Result<Credential, CredentialError> {
    let malformed = |field: &str, problem: &str| {
        let metadata = [("field".into(), field.into()), ("problem".into(), problem.into())].into();
        let message = format!("credential {id:?}: {field} {problem}");
        CredentialError { metadata, ..error("CREDENTIAL_MALFORMED", &message, "correct it in the file") }
    };
    let fields = found.as_object().ok_or_else(|| malformed("all of it", "is no object"))?;
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.contains(|c: char| c.is_control() && c != '\t') => Ok(Some(text.clone())),
        _ => Err(malformed(name, "is no string, or has a line end or another control character")),
    };
    let username = text("username")?.filter(|name| (1..=1024).contains(&name.len()) && !name.contains('\t'));
    let username = username.ok_or_else(|| malformed("username", "is missing, too long or has a tab"))?;
    let password = text("password")?;
    let further = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "username" | "password"));
    let as_text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Some((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Some((name.clone(), value.to_string())),
        _ => None,
    };
    let extra: HashMap<_, _> = further.filter_map(as_text).collect();
    if password.is_none() && extra.get("private_key").is_none_or(String::is_empty) {
        return Err(malformed("password", "is missing, and so is private_key"));
    }
    let large = extra.len() > 1000 || extra.keys().any(|name| name.len() > 256);
    let credential = Credential { credential_id: id.into(), username, password, extra, ..Default::default() };
    if large || prost::Message::encoded_len(&credential) > 64 << 10 {
        return Err(malformed("all of it", "has over 64 KiB, over 1,000 fields, or names of over 256 bytes"));
    }
    Ok(credential)
}
