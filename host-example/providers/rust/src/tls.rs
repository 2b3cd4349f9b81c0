//! TLS in which each side takes the other's certificate and no other.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, rustls};

/// Makes a certificate, and what accepts connections from the holder of the host's, which is a PEM.
pub fn mutual(host: &str) -> Result<(CertificateDer<'static>, TlsAcceptor), Box<dyn std::error::Error>> {
    let mut about = rcgen::CertificateParams::new(["localhost".to_owned()])?;
    about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    about.not_before = rcgen::date_time_ymd(1970, 1, 1);
    about.not_after = rcgen::date_time_ymd(9999, 12, 31);
    let key = rcgen::KeyPair::generate()?; // ECDSA on P-256
    let own = about.self_signed(&key)?.der().clone();

    let crypto = Arc::new(ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(host.as_bytes())?;
    let host = HostOnly { certificate, algorithms: crypto.signature_verification_algorithms };
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(host))
        .with_single_cert(vec![own.clone()], PrivateKeyDer::try_from(key.serialize_der())?)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok((own, TlsAcceptor::from(Arc::new(config))))
}

/// rustls' own verifier wants a certificate that an authority has signed, and refuses one that is its own authority
/// (CaUsedAsEndEntity). Here the certificate must be the one that the host has handed over, byte for byte, and the signature
/// under the handshake shows that the client has its key.
#[derive(Debug)]
struct HostOnly {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for HostOnly {
    fn verify_client_cert(&self, shown: &CertificateDer, _: &[CertificateDer], _: UnixTime) -> Result<ClientCertVerified, Error> {
        let same = *shown == self.certificate;
        same.then(ClientCertVerified::assertion).ok_or(CertificateError::UnknownIssuer.into())
    }
    fn verify_tls12_signature(&self, message: &[u8], shown: &CertificateDer, signed: &DigitallySignedStruct) -> Signature {
        verify_tls12_signature(message, shown, signed, &self.algorithms)
    }
    fn verify_tls13_signature(&self, message: &[u8], shown: &CertificateDer, signed: &DigitallySignedStruct) -> Signature {
        verify_tls13_signature(message, shown, signed, &self.algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
}

type Signature = Result<HandshakeSignatureValid, Error>;
