//! Program tom-credential-json is the credential provider for a JSON file, and an example of a provider that needs none of our
//! packages. The file has credentials by id: {"lab": {"username": "admin", "password": "your-password"}}
//!
//! This file starts the process as proto/README.md says; tls.rs makes the certificate, server.rs has what is the same for all
//! calls, service.rs the calls, file.rs the backend.

mod error;
mod file;
mod log;
mod server;
mod service;
mod tls;

mod pb {
    tonic::include_proto!("tom.credential.v1");
}

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{env, io::Read, process::exit};
use tokio::{net::UnixListener, runtime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if env::var("TOM_CREDENTIAL_PROVIDER").as_deref() != Ok("4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61") {
        eprintln!("This is a credential provider: a worker starts it, whose settings have credential_plugin: json");
        exit(1);
    }
    // A panic's message may quote what it is about.
    std::panic::set_hook(Box::new(|panic| {
        log::write("error", "panic", serde_json::json!({"at": panic.location().map(ToString::to_string)}));
    }));
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    // A file system that hangs takes so many threads and no more.
    runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let host = env::var("PLUGIN_CLIENT_CERT").map_err(|_| "PLUGIN_CLIENT_CERT is missing")?;
    let (certificate, acceptor) = tls::mutual(&host)?;
    let directory = env::var("PLUGIN_UNIX_SOCKET_DIR").map_err(|_| "PLUGIN_UNIX_SOCKET_DIR is missing")?;
    let socket = format!("{directory}/provider"); // the directory is this process's alone
    let listener = UnixListener::bind(&socket)?;
    println!("1|1|unix|{socket}|grpc|{}", STANDARD_NO_PAD.encode(certificate));
    if env::var("TOM_CREDENTIAL_LIFELINE").as_deref() == Ok("stdin") {
        std::thread::spawn(|| {
            while std::io::stdin().read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
            exit(0)
        });
    }
    server::serve(listener, acceptor).await
}
