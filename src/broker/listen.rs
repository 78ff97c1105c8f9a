//! Where the child reaches the broker: a Unix socket in a directory of its own, and a port of this machine's own address.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::call::Shared;
use super::forward::handle;
use super::guard::{MAX_HEAD, Strict};
use system::Socket;

/// So many connections of the child are served at a time; more wait.
const MAX_CONNECTIONS: usize = 512;

/// A connection on which no head of a request comes for so long is closed.
const IDLE: Duration = Duration::from_secs(300);

/// After an error, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Listeners {
    tcp: TcpListener,
    socket: Socket,
}

impl Listeners {
    /// Binds both; the socket below the first of `bases` that has room for it.
    pub(crate) async fn bind(bases: &[PathBuf]) -> anyhow::Result<Listeners> {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Listeners { tcp, socket: Socket::bind(bases)? })
    }

    /// The path of the socket, where there are sockets, and the port.
    pub(crate) fn places(&self) -> anyhow::Result<(Option<PathBuf>, u16)> {
        Ok((self.socket.path(), self.tcp.local_addr()?.port()))
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(mut self, shared: Arc<Shared>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let (shared, place) = (Arc::clone(&shared), Arc::clone(&places).acquire_owned().await);
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted.map(|(stream, _)| {
                    _ = stream.set_nodelay(true);
                    tokio::spawn(serve(stream.into_split(), shared, place.ok()))
                }),
                accepted = self.socket.accept() => accepted.map(|stream| {
                    tokio::spawn(serve(stream.into_split(), shared, place.ok()))
                }),
            };
            if accepted.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
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
mod system {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use anyhow::Context as _;
    use tokio::net::{UnixListener, UnixStream};
    use tokio::time::{Interval, interval};

    use crate::records::runs::{self, PREFIX, SOCKET};

    /// The longest path of a socket, without the byte that ends it (that of macOS; Linux has four more).
    const MAX_PATH: usize = 103;

    /// The socket, in a directory that goes with the run.
    pub(super) struct Socket {
        unix: UnixListener,
        /// When to look whether it is still there.
        look: Interval,
        dir: tempfile::TempDir,
    }

    impl Socket {
        pub(super) fn bind(bases: &[PathBuf]) -> anyhow::Result<Socket> {
            let mut problem = anyhow::anyhow!("no directory is short enough for a socket");
            for (at, base) in bases.iter().enumerate() {
                if at > 0 {
                    // The first was swept before the key was read.
                    runs::sweep(base);
                }
                let context = || format!("cannot make a socket in {}", base.display());
                match Socket::bind_in(base).with_context(context) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => problem = error,
                }
            }
            Err(problem)
        }

        fn bind_in(base: &Path) -> anyhow::Result<Socket> {
            let private = Permissions::from_mode(0o700);
            let mut builder = tempfile::Builder::new();
            let dir = builder.prefix(PREFIX).permissions(private).tempdir_in(base)?;
            let path = dir.path().join(SOCKET);
            let length = path.as_os_str().len();
            anyhow::ensure!(length <= MAX_PATH, "the path is too long for a socket");
            let unix = listen(&path)?;
            Ok(Socket { unix, look: interval(Duration::from_secs(1)), dir })
        }

        pub(super) fn path(&self) -> Option<PathBuf> {
            Some(self.dir.path().join(SOCKET))
        }

        /// The next connection. Where something clears old files away, the client finds the socket again.
        pub(super) async fn accept(&mut self) -> io::Result<UnixStream> {
            let path = self.dir.path().join(SOCKET);
            loop {
                tokio::select! {
                    accepted = self.unix.accept() => return accepted.map(|(stream, _)| stream),
                    _ = self.look.tick() => if !path.exists() && let Ok(again) = listen(&path) {
                        self.unix = again;
                    },
                }
            }
        }
    }

    fn listen(path: &Path) -> io::Result<UnixListener> {
        let socket = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(socket)
    }
}

/// Clients know no sockets here.
#[cfg(windows)]
mod system {
    use std::path::PathBuf;

    pub(super) struct Socket;

    impl Socket {
        pub(super) fn bind(_: &[PathBuf]) -> anyhow::Result<Socket> {
            Ok(Socket)
        }

        pub(super) fn path(&self) -> Option<PathBuf> {
            None
        }

        pub(super) async fn accept(&mut self) -> std::io::Result<tokio::net::TcpStream> {
            std::future::pending().await
        }
    }
}
