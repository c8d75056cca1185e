//! A client over TLS that is not the server's own code: rustls over a plain socket.

use crate::authority::Authority;
use crate::support::resp::{self, Value};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

pub struct TlsClient {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

/// What a client is configured by: which certificate it shows, which versions it speaks.
pub fn config(
    authority: &Authority,
    own: Option<&str>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = |file: &str| {
        CertificateDer::from_pem_file(authority.path(file)).expect("it is a certificate")
    };
    roots.add(certificate("ca.crt")).expect("it is an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("there are such versions")
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(authority.path(&format!("{name}.key")));
            let chain = vec![certificate(&format!("{name}.crt"))];
            builder.with_client_auth_cert(chain, key.expect("it is a key")).expect("they fit")
        }
    };
    Arc::new(config)
}

/// As above, with all versions.
pub fn showing(authority: &Authority, own: Option<&str>) -> Arc<ClientConfig> {
    config(authority, own, rustls::ALL_VERSIONS)
}

impl TlsClient {
    /// Connects, without a word yet.
    pub fn connect(port: u16, config: Arc<ClientConfig>) -> TlsClient {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it is a socket");
        stream.set_nodelay(true).expect("it is a socket");
        let name = ServerName::try_from("localhost").expect("it is a name");
        let session = ClientConnection::new(config, name).expect("it can begin");
        TlsClient { stream: StreamOwned::new(session, stream), received: Vec::new() }
    }

    /// Sends a request and waits for its reply.
    pub fn call(&mut self, line: &str) -> io::Result<Value> {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.stream.write_all(&resp::request(&words))?;
        self.reply()
    }

    /// Waits for the next reply.
    pub fn reply(&mut self) -> io::Result<Value> {
        let mut piece = vec![0; 1 << 16];
        loop {
            let decoded = resp::decode(&self.received).map_err(io::Error::other)?;
            if let Some((value, length)) = decoded {
                self.received.drain(..length);
                return Ok(value);
            }
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.received.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// The certificate that the server has shown.
    pub fn shown(&self) -> Vec<u8> {
        let chain = self.stream.conn.peer_certificates().expect("there was a handshake");
        chain[0].to_vec()
    }
}
