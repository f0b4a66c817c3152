//! A connection to one server.

use std::{
    io::{BufReader, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Cmd, ConnectionInfo, RedisConnectionInfo, Value, cmd};
use rustls::ClientConfig;

use super::{
    Fault,
    link::Link,
    reply::{self, Broken, MOST_ENTRIES, MOST_TOLD},
};

/// What is read from the network at once.
const BUFFER: usize = 64 << 10;

/// A connection, with the name of its server for people.
///
/// Whatever is sent at once has to be answered within one `timeout`, however many answers it has;
/// the first one includes connecting and logging in.
pub struct Node {
    name: String,
    link: BufReader<Link>,
    timeout: Duration,
}

impl Node {
    /// Connects and logs in.
    ///
    /// # Errors
    /// When it is away, too slow, or refuses who we are.
    pub fn connect(
        name: String,
        info: &ConnectionInfo,
        tls: &Arc<ClientConfig>,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let deadline = Instant::now() + timeout;
        let link = Link::connect(info.addr(), tls, deadline)
            .map_err(|error| Fault::from_line(&name, timeout, &error))?;
        let mut node = Self { name, link: BufReader::with_capacity(BUFFER, link), timeout };
        node.log_in(info.redis_settings())?;
        Ok(node)
    }

    /// Host and port, and the database when it is not 0.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends commands that are encoded already.
    pub fn send(&mut self, commands: &[u8]) -> Result<(), Fault> {
        self.send_within(commands, self.timeout)
    }

    /// The next answer, about anything but entries; an error of the server is a value, too.
    pub fn receive(&mut self) -> Result<Value, Fault> {
        self.receive_most(MOST_TOLD)
    }

    /// The next answer, with entries.
    pub fn receive_entries(&mut self) -> Result<Value, Fault> {
        self.receive_most(MOST_ENTRIES)
    }

    /// Sends one command and gives its answer.
    pub fn ask(&mut self, command: &Cmd) -> Result<Value, Fault> {
        self.send(&command.get_packed_command())?;
        let value = self.receive()?;
        self.accepted(value)
    }

    /// Sends commands at once and gives their answers, among them errors of the server.
    pub fn ask_all(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Fault> {
        self.send_all(commands, Duration::ZERO)?;
        commands.iter().map(|_| self.receive()).collect()
    }

    /// Sends commands at once; the server may wait so long before it answers.
    pub fn send_all(&mut self, commands: &[Cmd], wait: Duration) -> Result<(), Fault> {
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        if packed.is_empty() { Ok(()) } else { self.send_within(&packed, self.timeout + wait) }
    }

    /// The value, unless it is an error of the server.
    pub fn accepted(&self, value: Value) -> Result<Value, Fault> {
        match value {
            Value::ServerError(error) => Err(Fault::from_server(&self.name, &error)),
            value => Ok(value),
        }
    }

    fn send_within(&mut self, commands: &[u8], timeout: Duration) -> Result<(), Fault> {
        let link = self.link.get_mut();
        link.set_deadline(Instant::now() + timeout);
        self.write(commands)
    }

    fn write(&mut self, commands: &[u8]) -> Result<(), Fault> {
        let link = self.link.get_mut();
        link.write_all(commands)
            .and_then(|()| link.flush())
            .map_err(|error| Fault::from_line(&self.name, self.timeout, &error))
    }

    fn receive_most(&mut self, most: usize) -> Result<Value, Fault> {
        reply::read(&mut self.link, most).map_err(|broken| match broken {
            Broken::Line(error) => Fault::from_line(&self.name, self.timeout, &error),
            Broken::TooLarge(most) => Fault::too_large(&self.name, most),
            Broken::Form(what) => Fault::strange(&self.name, what),
        })
    }

    /// Says who we are, in the time that is left of connecting.
    fn log_in(&mut self, settings: &RedisConnectionInfo) -> Result<(), Fault> {
        if let Some(password) = settings.password() {
            let mut answer = self.authenticate(settings.username(), password)?;
            // servers before 6.0 know no users
            if settings.username().is_some() && is_too_many_words(&answer) {
                answer = self.authenticate(None, password)?;
            }
            if let Value::ServerError(error) = &answer {
                return Err(Fault::password(&self.name, error));
            }
        }
        let mut commands = Vec::new();
        if settings.db() != 0 {
            commands.push(cmd("SELECT").arg(settings.db()).to_owned());
        }
        let told = [("LIB-NAME", "dataserver"), ("LIB-VER", env!("CARGO_PKG_VERSION"))];
        for (name, value) in told {
            commands.push(cmd("CLIENT").arg("SETINFO").arg(name).arg(value).to_owned());
        }
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        self.write(&packed)?;
        let mut answers = commands.iter().map(|_| self.receive()).collect::<Result<Vec<_>, _>>()?;
        // a server before 7.2 does not know what it is told about us
        answers.truncate(commands.len() - told.len());
        for answer in answers {
            self.accepted(answer).map_err(|it| it.about(&format!("database {}", settings.db())))?;
        }
        Ok(())
    }

    fn authenticate(&mut self, username: Option<&str>, password: &str) -> Result<Value, Fault> {
        let mut command = cmd("AUTH");
        username.iter().for_each(|username| {
            command.arg(username);
        });
        command.arg(password);
        self.write(&command.get_packed_command())?;
        self.receive()
    }
}

fn is_too_many_words(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error)
        if error.details().is_some_and(|text| text.contains("wrong number of arguments")))
}
