//! Makes the contract's code from the .proto file. protox reads it: there is no protoc to install.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../../proto/tom");
    let contract = protox::compile(["tom/credential/v1/credential_provider.proto"], ["../../../proto"])?;
    // Messages without Debug: it would print secrets, whatever debug_redact says.
    tonic_prost_build::configure().build_client(false).skip_debug(["."]).compile_fds(contract)?;
    Ok(())
}
