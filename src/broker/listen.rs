//! Where the child reaches the broker: a Unix socket in a directory of its own, and a port of this machine's own address.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdTcp};
#[cfg(unix)]
use std::os::unix::net::UnixListener as StdUnix;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::forward::{Shared, handle};
use super::guard::{MAX_HEAD, Strict};

/// So many connections of the child are served at a time; more wait.
const MAX_CONNECTIONS: usize = 512;

/// A connection on which no head of a request comes for so long is closed.
const IDLE: Duration = Duration::from_secs(300);

/// The longest path of a socket, without the byte that ends it (that of macOS; Linux has four more).
#[cfg(unix)]
const MAX_PATH: usize = 103;

#[cfg(unix)]
const PREFIX: &str = "cck-run-";

#[cfg(unix)]
const NAME: &str = "s";

/// The listeners of a run.
pub(crate) struct Listeners {
    tcp: StdTcp,
    pub(crate) port: u16,
    #[cfg(unix)]
    unix: StdUnix,
    /// The directory of the socket, which goes with the run.
    #[cfg(unix)]
    dir: tempfile::TempDir,
}

impl Listeners {
    /// Binds both; the socket below the first of `bases` that has room for it.
    pub(crate) fn bind(bases: &[PathBuf]) -> anyhow::Result<Listeners> {
        let tcp = StdTcp::bind((Ipv4Addr::LOCALHOST, 0))?;
        tcp.set_nonblocking(true)?;
        let port = tcp.local_addr()?.port();
        #[cfg(windows)]
        {
            _ = bases;
            Ok(Listeners { tcp, port })
        }
        #[cfg(unix)]
        {
            let (dir, unix) = bind_unix(bases)?;
            Ok(Listeners { tcp, port, unix, dir })
        }
    }

    /// The path of the socket, where there are sockets.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        return Some(self.dir.path().join(NAME));
        #[cfg(windows)]
        None
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, shared: Arc<Shared>) -> io::Result<()> {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let tcp = TcpListener::from_std(self.tcp)?;
        let over_tcp = async {
            loop {
                let place = Arc::clone(&places).acquire_owned().await;
                let Ok((stream, _)) = accepted(tcp.accept().await).await else { continue };
                _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream.into_split(), Arc::clone(&shared), place.ok()));
            }
        };
        #[cfg(windows)]
        return over_tcp.await;
        #[cfg(unix)]
        {
            let path = self.dir.path().join(NAME);
            let mut unix = UnixListener::from_std(self.unix)?;
            let mut look = tokio::time::interval(Duration::from_secs(1));
            let over_unix = async {
                loop {
                    let place = Arc::clone(&places).acquire_owned().await;
                    let stream = loop {
                        tokio::select! {
                            stream = unix.accept() => break accepted(stream).await,
                            // Where something clears old files away, the client finds the socket again.
                            _ = look.tick() => if !path.exists() && let Ok(again) = listen(&path) {
                                unix = UnixListener::from_std(again)?;
                            },
                        }
                    };
                    if let Ok((stream, _)) = stream {
                        tokio::spawn(serve(stream.into_split(), Arc::clone(&shared), place.ok()));
                    }
                }
            };
            tokio::select! {
                ended = over_tcp => ended,
                ended = over_unix => ended,
            }
        }
    }
}

/// What was accepted. After an error, such as too many open files, there is a pause.
async fn accepted<S>(stream: io::Result<S>) -> io::Result<S> {
    if stream.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stream
}

async fn serve<R, W>(
    (reader, writer): (R, W),
    shared: Arc<Shared>,
    place: Option<OwnedSemaphorePermit>,
) where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| handle(Arc::clone(&shared), request));
    // A child that goes away is not an error here: the call's record says so.
    _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(tokio::io::join(Strict::new(reader), writer)), service)
        .await;
    drop(place);
}

#[cfg(unix)]
fn bind_unix(bases: &[PathBuf]) -> anyhow::Result<(tempfile::TempDir, StdUnix)> {
    use std::os::unix::fs::PermissionsExt;

    let mut problem = anyhow::anyhow!("no directory is short enough for a socket");
    for base in bases {
        sweep(base);
        let private = std::fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(base);
        let bound = dir.and_then(|dir| {
            let path = dir.path().join(NAME);
            if path.as_os_str().len() > MAX_PATH {
                return Err(io::Error::other("the path is too long for a socket"));
            }
            Ok((listen(&path)?, dir))
        });
        match bound {
            Ok((socket, dir)) => return Ok((dir, socket)),
            Err(error) => {
                let context = format!("cannot make a socket in {}", base.display());
                problem = anyhow::Error::new(error).context(context);
            }
        }
    }
    Err(problem)
}

#[cfg(unix)]
fn listen(path: &Path) -> io::Result<StdUnix> {
    use std::os::unix::fs::PermissionsExt;

    let socket = StdUnix::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes the sockets of runs that were killed: nobody listens there any more.
#[cfg(unix)]
pub(crate) fn sweep(base: &Path) {
    use std::os::unix::fs::MetadataExt;

    let me = rustix::process::geteuid().as_raw();
    for dir in crate::disk::entries(base).unwrap_or_default() {
        let is_mine = || {
            dir.symlink_metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == me)
        };
        let name = dir.file_name().unwrap_or_default();
        if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) || !is_mine() {
            continue;
        }
        let socket = dir.join(NAME);
        let connected = std::os::unix::net::UnixStream::connect(&socket);
        if connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            _ = std::fs::remove_file(&socket);
            _ = std::fs::remove_dir(&dir);
        }
    }
}

/// Without sockets nothing is left.
#[cfg(windows)]
pub(crate) fn sweep(_: &Path) {}
