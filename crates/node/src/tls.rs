//! TLS of the HTTP server, by rustls: versions 1.2 and 1.3, HTTP/1.1 alone.
//!
//! Certificate and key come from two PEM files and may be renewed while the node runs: the files
//! are read again every minute and on SIGHUP. Connections that stand keep what they began with.
//! Files that do not do change nothing; an error in the log says why.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};
use zeroize::Zeroizing;

use crate::config::TlsSection;

/// How often the files are read again.
const RENEW_INTERVAL: Duration = Duration::from_secs(60);
/// Longest file in bytes; a chain of certificates has a few thousand.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Why TLS cannot be served with the files that are configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too long for what it should be.
    #[error("{path} has more than {FILE_BYTES_MAX} bytes; a certificate or key in PEM is expected")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Everybody on the machine may read or write the key.
    #[error("{path} has mode {mode:04o}: everybody may use the key; run `chmod o= {path}`")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No certificates in PEM.
    #[error("{path} is not a chain of certificates in PEM: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No private key in PEM.
    #[error("{path} is not a private key in PEM (PKCS#8 or SEC1, without passphrase): {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not go together.
    #[error("{certificate} and {key} cannot be served: {reason}")]
    Pair {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What connections are secured with.
pub(crate) struct Tls {
    files: TlsSection,
    current: RwLock<Arc<ServerConfig>>,
    /// What was read last, whether it did or not.
    read: Mutex<Pem>,
}

/// The two files.
#[derive(PartialEq, Eq)]
struct Pem {
    certificate: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn load(files: &TlsSection) -> Result<Self, TlsError> {
        let pem = Pem::read(files)?;
        Ok(Self {
            files: files.clone(),
            current: RwLock::new(Arc::new(pem.server(files)?)),
            read: Mutex::new(pem),
        })
    }

    /// Secures a new connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current).into()
    }

    /// Reads the files again, and uses them from now on if they have changed and do.
    fn renew(&self) {
        let renewed = Pem::read(&self.files).and_then(|pem| {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if *read == pem {
                return Ok(None);
            }
            *read = pem;
            read.server(&self.files).map(Some)
        });
        match renewed {
            Ok(None) => {}
            Ok(Some(server)) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(server);
                tracing::info!(
                    certificate = %self.files.certificate.display(),
                    "new connections get the renewed certificate"
                );
            }
            Err(error) => tracing::error!(
                %error,
                "the certificate was not renewed; connections get the one of before"
            ),
        }
    }
}

/// Looks for renewed files, for as long as the node runs.
pub(crate) async fn keep_renewed(tls: Option<Arc<Tls>>) {
    let Some(tls) = tls else {
        return std::future::pending().await;
    };
    let mut hangups = Hangups::listen();
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEW_INTERVAL) => {}
            () = hangups.next() => {}
        }
        let tls = Arc::clone(&tls);
        if let Err(error) = spawn_blocking(move || tls.renew()).await {
            tracing::error!(%error, "the look at the certificate panicked");
        }
    }
}

/// SIGHUP, by which tools that renew certificates tell servers.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn listen() -> Self {
        let hangup = tokio::signal::unix::SignalKind::hangup();
        Self {
            signal: tokio::signal::unix::signal(hangup).ok(),
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl Pem {
    fn read(files: &TlsSection) -> Result<Self, TlsError> {
        refuse_open(&files.key)?;
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    fn server(&self, files: &TlsSection) -> Result<ServerConfig, TlsError> {
        let certificate = |reason: String| TlsError::Certificate {
            path: files.certificate.clone(),
            reason,
        };
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, pem::Error>>()
            .map_err(|error| certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(certificate("no CERTIFICATE in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Key {
            path: files.key.clone(),
            reason: error.to_string(),
        })?;
        server(chain, key).map_err(|error| TlsError::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            reason: error.to_string(),
        })
    }
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(count) if count as u64 > FILE_BYTES_MAX => Err(TlsError::TooLong {
            path: path.to_owned(),
        }),
        Ok(_) => Ok(bytes),
        Err(source) => Err(TlsError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A group may read the key: many machines have one for those who serve TLS.
#[cfg(unix)]
fn refuse_open(path: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = std::fs::metadata(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let path = path.to_owned();
        return Err(TlsError::TooOpen { path, mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_open(_: &Path) -> Result<(), TlsError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Files {
        _folder: tempfile::TempDir,
        section: TlsSection,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let section = TlsSection {
                certificate: folder.path().join("cert.pem"),
                key: folder.path().join("key.pem"),
            };
            let files = Self {
                _folder: folder,
                section,
            };
            files.write(&issued());
            files
        }

        fn write(&self, (certificate, key): &(String, String)) {
            std::fs::write(&self.section.certificate, certificate).unwrap();
            std::fs::write(&self.section.key, key).unwrap();
            self.set_mode(0o640);
        }

        fn set_mode(&self, mode: u32) {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&self.section.key, permissions).unwrap();
        }

        fn refusal(&self) -> String {
            let refused = Tls::load(&self.section).map(drop).unwrap_err();
            refused.to_string()
        }
    }

    /// A certificate that signs itself, and its key.
    fn issued() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.key_pair.serialize_pem())
    }

    #[test]
    fn files_that_do_not_do_are_named_with_the_reason() {
        let files = Files::new();
        Tls::load(&files.section).unwrap();
        let (certificate, key) = issued();
        files.write(&(key.clone(), key.clone()));
        assert!(files.refusal().contains("cert.pem is not a chain"));
        files.write(&(certificate.clone(), certificate.clone()));
        assert!(files.refusal().contains("key.pem is not a private key"));
        files.write(&(certificate.clone(), issued().1));
        assert!(files.refusal().contains("cannot be served"));
        files.write(&(certificate.clone(), " ".repeat(300_000)));
        assert!(files.refusal().contains("more than 262144 bytes"));
        files.write(&(certificate, key));
        Tls::load(&files.section).unwrap();
        files.set_mode(0o644);
        assert!(files.refusal().contains("mode 0644"));
        std::fs::remove_file(&files.section.key).unwrap();
        assert!(files.refusal().contains("key.pem cannot be read"));
    }

    #[test]
    fn renewed_files_are_used_and_bad_ones_change_nothing() {
        let files = Files::new();
        let tls = Tls::load(&files.section).unwrap();
        let current = || Arc::clone(&tls.current.read().unwrap());
        let first = current();
        tls.renew();
        assert!(Arc::ptr_eq(&first, &current()), "nothing has changed");
        files.write(&("no certificate".to_owned(), issued().1));
        tls.renew();
        assert!(Arc::ptr_eq(&first, &current()), "they do not do");
        files.write(&issued());
        tls.renew();
        assert!(!Arc::ptr_eq(&first, &current()));
    }
}
