//! Where a plugin listens or dials: addresses, certificates, socket files and topics among
//! its options.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use plugin_api::{Context, PluginError};
use sp::{Address, Listener, tls};

/// Longest topic, in bytes.
const LONGEST_TOPIC: usize = 255;

/// Reads the options `listen` and `tls` of a plugin that others dial: its addresses, none twice,
/// and the certificates for those with TLS. What is wrong is added to `faults`; `example` is an
/// address to write where there is none.
pub fn listen(
    texts: &[String],
    files: Option<&tls::ServerFiles>,
    example: &str,
    context: &Context,
    faults: &mut Vec<String>,
) -> (Vec<Address>, Option<Arc<tls::Server>>) {
    let resolve = |path: &Path| context.resolve(path);
    let addresses = Address::listen_all(texts, example, resolve, faults);
    let tls = server_certificates(files, &addresses, context, faults);
    (addresses, tls)
}

/// Reads the options `dial` and `tls` of a plugin that dials; as [`listen`].
pub fn dial(
    texts: &[String],
    files: Option<&tls::ClientFiles>,
    example: &str,
    context: &Context,
    faults: &mut Vec<String>,
) -> (Vec<Address>, Option<Arc<tls::Client>>) {
    let resolve = |path: &Path| context.resolve(path);
    let addresses = Address::dial_all(texts, example, resolve, faults);
    tls::check_use(files.is_some(), "dial", &addresses, faults);
    let tls = tls::Client::read(files, resolve, log(context), faults);
    (addresses, tls)
}

/// Reads the option `tls` of a plugin that listens at those addresses. What is wrong, also that
/// certificates lack or are of no use there, is added to `faults`.
pub fn server_certificates(
    files: Option<&tls::ServerFiles>,
    addresses: &[Address],
    context: &Context,
    faults: &mut Vec<String>,
) -> Option<Arc<tls::Server>> {
    tls::check_use(files.is_some(), "listen", addresses, faults);
    tls::Server::read(files, |path| context.resolve(path), log(context), faults)
}

/// Reads the option `ipc_mode`, the permissions of socket files in octal; what is wrong is added to
/// `faults`.
pub fn ipc_mode(text: &str, faults: &mut Vec<String>) -> u32 {
    let mode = u32::from_str_radix(text, 8).unwrap_or(u32::MAX);
    if mode > 0o777 {
        faults.push(format!("ipc_mode \"{text}\" is no octal file mode; write e.g. 0660"));
    }
    mode
}

/// Adds a fault if the option `topic`, the first bytes of every message, is too long.
pub fn check_topic(topic: &str, faults: &mut Vec<String>) {
    let len = topic.len();
    if len > LONGEST_TOPIC {
        faults.push(format!("topic has {len} bytes; use at most {LONGEST_TOPIC}"));
    }
}

fn log(context: &Context) -> tls::Log {
    let (info, warn) = (context.clone(), context.clone());
    tls::Log::new(move |line| info.info(line), move |line| warn.warn(line))
}

/// A listener with the thread that accepts at it.
pub struct Acceptor {
    listener: Arc<Listener>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    /// Has a thread of that name `run`, which accepts until the listener is stopped. The log gets
    /// `what`, such as `listening at`, with the address, and a warning if the address is open to
    /// the network without TLS.
    ///
    /// # Errors
    /// `Fatal` when no thread can be had.
    pub fn start(
        listener: Listener,
        name: &str,
        what: &str,
        context: &Context,
        run: impl FnOnce(&Listener) + Send + 'static,
    ) -> Result<Self, PluginError> {
        let listener = Arc::new(listener);
        let accepting = Arc::clone(&listener);
        let thread = thread::Builder::new().name(name.into()).spawn(move || run(&accepting));
        let thread = thread.map_err(|error| {
            PluginError::fatal(format!("no thread for {}: {error}", listener.name()))
        })?;
        context.info(&format!("{what} {}", listener.name()));
        if let Some(warning) = listener.warning() {
            context.warn(&warning);
        }
        Ok(Self { listener, thread: Some(thread) })
    }

    /// Where it listens, with the port in effect.
    pub fn address(&self) -> &str {
        self.listener.name()
    }

    /// Lets nobody in any more: removes the socket file and makes accepts fail.
    pub fn stop(&self) {
        self.listener.stop();
    }

    /// Waits until the thread has ended.
    pub fn join(&mut self) {
        // a panic was printed to stderr
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use plugin_api::testing;

    use super::*;

    #[test]
    fn addresses_and_certificates_are_read_together() {
        let context = testing::context(&Arc::default(), Path::new("/base"));
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let mut faults = Vec::new();
        let (addresses, tls) =
            listen(&texts(&["tcp://:1", "ipc://a"]), None, "tcp://a:1", &context, &mut faults);
        let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["tcp://0.0.0.0:1", "ipc:///base/a"]);
        assert!(tls.is_none() && faults.is_empty(), "{faults:?}");

        listen(&texts(&["tls+tcp://:1"]), None, "tcp://a:1", &context, &mut faults);
        let files =
            tls::ClientFiles { ca: PathBuf::from("absent.pem"), cert: None, key: None, name: None };
        dial(&texts(&["tcp://a:1"]), Some(&files), "tcp://a:1", &context, &mut faults);
        dial(&[], None, "tcp://a:1", &context, &mut faults);
        let said = [
            "needs certificates",
            "no address of `dial` begins with tls+tcp",
            "/base/absent.pem cannot be read",
            "dial is empty; name an address, e.g. tcp://a:1",
        ];
        assert_eq!(faults.len(), said.len(), "{faults:?}");
        for (fault, text) in faults.iter().zip(said) {
            assert!(fault.contains(text), "{text} is missing in: {fault}");
        }
    }

    #[test]
    fn permissions_are_read_in_octal() {
        let mut faults = Vec::new();
        assert_eq!((ipc_mode("0660", &mut faults), ipc_mode("777", &mut faults)), (0o660, 0o777));
        assert!(faults.is_empty());
        for text in ["rw", "", "1000", "8"] {
            ipc_mode(text, &mut faults);
            assert!(faults.pop().unwrap().contains("octal"), "{text}");
        }
    }

    #[test]
    fn a_thread_accepts_until_it_is_stopped() {
        let host = Arc::<testing::TestHost>::default();
        let context = testing::context(&host, Path::new("."));
        let address = Address::listen("tcp://127.0.0.1:0", Path::to_owned).unwrap();
        let listener = Listener::bind(&address, 0o600, None).unwrap().remove(0);
        let run = |listener: &Listener| while listener.accept().is_ok() {};
        let mut acceptor =
            Acceptor::start(listener, "kit-accept", "listening at", &context, run).unwrap();
        assert!(!acceptor.address().ends_with(":0"), "{}", acceptor.address());
        acceptor.stop();
        acceptor.join();
        let lines = format!("{:?}", host.told().logs);
        assert!(lines.contains(&format!("listening at {}", acceptor.address())), "{lines}");
    }
}
