//! What is the same for all calls: the connections, the deadline, a log line.

use crate::pb::credential_provider_server::CredentialProviderServer;
use crate::{error::error, log, service::Provider};
use hyper::http::{self, HeaderMap};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use tokio::net::UnixListener;
use tokio::time::{Instant, timeout};
use tonic::{Status, body::Body, codegen::Service};

/// Serves for as long as the process lives.
pub async fn serve(listener: UnixListener, acceptor: tokio_rustls::TlsAcceptor) -> Result<(), Box<dyn std::error::Error>> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    let provider = CredentialProviderServer::new(Provider::default()).max_decoding_message_size(16 << 20);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (mut provider, mut health) = (provider.clone(), health.clone());
        let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
        bounded(path, headers, async move {
            match request.uri().path().split('/').nth(1).unwrap_or_default() {
                "tom.credential.v1.CredentialProvider" => provider.call(request).await,
                "grpc.health.v1.Health" => health.call(request).await,
                "plugin.GRPCController" => std::process::exit(0), // Shutdown; a connection that breaks is as good an answer
                _ => Ok(Status::unimplemented("there is no such service").into_http()),
            }
        })
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let (accepted, service) = (acceptor.accept(stream), service.clone());
        tokio::spawn(async move {
            let Ok(Ok(stream)) = timeout(Duration::from_secs(10), accepted).await else {
                return log::write("warn", "a connection was refused: it is not the host's", json!({}));
            };
            // A host may cancel many calls at once. The default takes 20 for an attack, and breaks the connection.
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.max_concurrent_streams(1000).max_pending_accept_reset_streams(1000);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                log::write("debug", "a connection broke", json!({"error": error.to_string()}));
            }
        });
    }
}

type Answer = Result<http::Response<Body>, Infallible>;

/// Answers before the caller's deadline. tonic's own server would end a call at the deadline, as CANCELLED and without details.
async fn bounded(path: String, headers: HeaderMap, call: impl Future<Output = Answer>) -> Answer {
    let started = Instant::now();
    let answer = match grpc_timeout(&headers) {
        None => call.await,
        Some(time) => timeout(time - Duration::from_secs(1).min(time / 5), call).await.unwrap_or_else(|_| {
            Ok(Status::from(error("DEADLINE_EXCEEDED", "the file was not read in time", "see whether it can be read"))
                .into_http())
        }),
    };
    let code = answer.as_ref().ok().and_then(|answer| answer.headers().get("grpc-status")?.to_str().ok()).unwrap_or("0");
    let took = started.elapsed().as_millis() as u64;
    let trace_id = headers.get("traceparent").and_then(|parent| parent.to_str().ok()?.split('-').nth(1));
    log::write("debug", "call answered", json!({"method": path, "code": code, "took_ms": took, "trace_id": trace_id}));
    answer
}

/// The time that a call has: one to eight digits and a unit, such as 14999m for milliseconds. Anything else is no deadline.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let units = [("H", 3_600_000_000_000), ("M", 60_000_000_000), ("S", 1_000_000_000), ("m", 1_000_000), ("u", 1_000), ("n", 1)];
    let (_, nanos) = units.into_iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_nanos(nanos) * digits.parse::<u32>().ok()?)
}
