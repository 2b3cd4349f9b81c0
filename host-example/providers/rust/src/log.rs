//! Log lines on standard error, in go-hclog's form.

use serde_json::Value;
use std::{env, io::Write};

/// Writes an object as a line, if the host wants lines of the level. Nothing in it may be secret.
pub fn write(level: &str, message: &str, mut line: Value) {
    let rank =
        |level: &str| ["trace", "debug", "info", "warn", "error", "off"].iter().position(|known| *known == level).unwrap_or(2);
    if rank(level) < rank(&env::var("TOM_CREDENTIAL_LOG_LEVEL").unwrap_or_default()) {
        return;
    }
    let now = time::OffsetDateTime::now_utc();
    let (hour, minute, second, micros) = now.time().as_hms_micro();
    line["@timestamp"] = format!("{}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z", now.date()).into();
    line["@level"] = level.into();
    line["@message"] = message.into();
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes()); // in one piece, so that lines don't mix
}
