//! A server whose failures and stalls are known: a script says what each request gets, and a log
//! says what it did get, and when.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a request gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// These bytes; the connection stays.
    Answer(Vec<u8>),
    /// The same, a byte at a time.
    Dribble(Vec<u8>),
    /// The same after this moment.
    AnswerAt(Instant, Vec<u8>),
    /// The same, and the end of the connection in the same segment.
    AnswerAndClose(Vec<u8>),
    /// Nothing, and the end of the connection.
    Close,
    /// A reset.
    Reset,
    /// Nothing, until the client goes away.
    Hang,
}

impl Deed {
    pub fn ok() -> Self {
        Self::Answer(answer(200, "hello"))
    }

    pub fn status(status: u16) -> Self {
        Self::Answer(answer(status, "sorry"))
    }
}

/// An answer with its length.
pub fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its number, from 0 on, over all connections.
    pub number: usize,
    /// Its number on its connection, from 0 on.
    pub on_connection: usize,
    /// The line of the request and the headers.
    pub head: String,
    pub at: Instant,
}

impl Asked {
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// What happened, in the order of the requests.
#[derive(Debug, Clone)]
pub struct Entry {
    pub asked: Asked,
    pub deed: Deed,
    /// The answer was written.
    pub answered: Option<Instant>,
}

type Script = dyn Fn(&Asked) -> Deed + Send + Sync;

struct State {
    script: Box<Script>,
    log: Mutex<Vec<Entry>>,
    stop: AtomicBool,
}

/// The server. Dropping it ends it.
pub struct Scripted {
    state: Arc<State>,
    pub address: Option<SocketAddr>,
}

trait Stream: Read + Write + Send {
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for UnixStream {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.sock.as_fd()
    }
}

impl Scripted {
    fn state(script: impl Fn(&Asked) -> Deed + Send + Sync + 'static) -> Arc<State> {
        let (log, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        Arc::new(State { script: Box::new(script), log, stop })
    }

    /// Over TCP.
    pub fn tcp(script: impl Fn(&Asked) -> Deed + Send + Sync + 'static) -> Self {
        Self::over_tcp(script, Ok)
    }

    /// Within TLS.
    pub fn tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&Asked) -> Deed + Send + Sync + 'static,
    ) -> Self {
        Self::over_tcp(script, move |stream| {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            Ok(StreamOwned::new(session, stream))
        })
    }

    fn over_tcp<S: Stream + 'static>(
        script: impl Fn(&Asked) -> Deed + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> std::io::Result<S> + Send + 'static,
    ) -> Self {
        let state = Self::state(script);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // The queue of std holds 128: a stall of everything must not fill it.
        rustix::net::listen(&listener, 1024).unwrap();
        let address = listener.local_addr().unwrap();
        let for_thread = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stop.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let Ok(stream) = wrap(stream) else { continue };
                serve(Arc::clone(&for_thread), stream);
            }
        });
        Self { state, address: Some(address) }
    }

    /// At a unix socket.
    pub fn unix(path: &Path, script: impl Fn(&Asked) -> Deed + Send + Sync + 'static) -> Self {
        let state = Self::state(script);
        let listener = UnixListener::bind(path).unwrap();
        let for_thread = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                serve(Arc::clone(&for_thread), stream);
            }
        });
        Self { state, address: None }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address.unwrap())
    }

    pub fn https(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.address.unwrap().port())
    }

    pub fn log(&self) -> Vec<Entry> {
        self.state.log.lock().unwrap().clone()
    }

    /// How many requests got this.
    pub fn count(&self, deed: &Deed) -> u64 {
        self.log().iter().filter(|entry| entry.deed == *deed).count() as u64
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        if let Some(address) = self.address {
            let _ = TcpStream::connect(address);
        }
    }
}

fn serve(state: Arc<State>, mut stream: impl Stream + 'static) {
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        for on_connection in 0.. {
            let Some(head) = read_head(&mut stream, &mut rest) else { return };
            let (number, deed) = {
                let mut log = state.log.lock().unwrap();
                let number = log.len();
                let asked = Asked { number, on_connection, head, at: Instant::now() };
                let deed = (state.script)(&asked);
                log.push(Entry { asked, deed: deed.clone(), answered: None });
                (number, deed)
            };
            if !act(&mut stream, &deed, || {
                state.log.lock().unwrap()[number].answered = Some(Instant::now());
            }) {
                return;
            }
        }
    });
}

/// Does what the script says. Does the connection go on?
fn act(stream: &mut impl Stream, deed: &Deed, answered: impl FnOnce()) -> bool {
    match deed {
        Deed::Answer(bytes) => {
            let _ = stream.write_all(bytes);
            answered();
            // An answer that ends with its connection is one without a length.
            framed(bytes)
        }
        Deed::AnswerAt(moment, bytes) => {
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            let _ = stream.write_all(bytes);
            answered();
            framed(bytes)
        }
        Deed::Dribble(bytes) => {
            for byte in bytes {
                let _ = stream.write_all(&[*byte]);
                std::thread::sleep(Duration::from_micros(100));
            }
            answered();
            framed(bytes)
        }
        Deed::AnswerAndClose(bytes) => {
            let _ = rustix::net::sockopt::set_tcp_cork(stream.descriptor(), true);
            let _ = stream.write_all(bytes);
            answered();
            false
        }
        Deed::Close => false,
        Deed::Reset => {
            let now = Some(Duration::ZERO);
            let _ = rustix::net::sockopt::set_socket_linger(stream.descriptor(), now);
            false
        }
        Deed::Hang => {
            let mut piece = [0; 256];
            while matches!(stream.read(&mut piece), Ok(read) if read > 0) {}
            false
        }
    }
}

/// Does the answer say where it ends, and is it whole?
fn framed(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.rsplit_once("\r\n\r\n").filter(|_| !text.contains("chunked"))
    else {
        return text.ends_with("0\r\n\r\n");
    };
    let length = head.rsplit("content-length: ").next().and_then(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    length == Some(body.len())
}

fn read_head(stream: &mut impl Read, rest: &mut Vec<u8>) -> Option<String> {
    let mut piece = [0; 4096];
    loop {
        if let Some(at) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..at]).into_owned();
            rest.drain(..at + 4);
            return Some(head);
        }
        match stream.read(&mut piece) {
            Ok(0) => return None,
            Ok(read) => rest.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
