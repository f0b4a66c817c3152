//! A connection to one server.

use std::time::Duration;

use redis::{Cmd, Connection, Value};

use super::Fault;

/// A connection, with the name of its server for people.
pub struct Node {
    name: String,
    connection: Connection,
    timeout: Duration,
}

impl Node {
    /// Takes a connection that was just made.
    pub fn new(name: String, connection: Connection, timeout: Duration) -> Result<Self, Fault> {
        let node = Self { name, connection, timeout };
        node.connection
            .set_write_timeout(Some(timeout))
            .and_then(|()| node.connection.set_read_timeout(Some(timeout)))
            .map_err(|error| Fault::from_client(&node.name, timeout, &error))?;
        Ok(node)
    }

    /// Host and port, and the database when it is not 0.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends commands that are encoded already.
    pub fn send(&mut self, commands: &[u8]) -> Result<(), Fault> {
        self.connection
            .send_packed_command(commands)
            .map_err(|error| Fault::from_client(&self.name, self.timeout, &error))
    }

    /// The next answer; an error of the server is a value, too.
    pub fn receive(&mut self) -> Result<Value, Fault> {
        self.connection
            .recv_response()
            .map_err(|error| Fault::from_client(&self.name, self.timeout, &error))
    }

    /// Sends one command and gives its answer.
    pub fn ask(&mut self, command: &Cmd) -> Result<Value, Fault> {
        self.send(&command.get_packed_command())?;
        let value = self.receive()?;
        self.accepted(value)
    }

    /// As [`ask`](Self::ask) for a command that the server answers only after some time.
    pub fn ask_patiently(&mut self, command: &Cmd, wait: Duration) -> Result<Value, Fault> {
        self.set_patience(self.timeout + wait)?;
        let answer = self.ask(command)?;
        self.set_patience(self.timeout)?;
        Ok(answer)
    }

    /// Sends commands at once and gives their answers, among them errors of the server.
    pub fn ask_all(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Fault> {
        let mut packed = Vec::new();
        for command in commands {
            command.write_packed_command(&mut packed);
        }
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        self.send(&packed)?;
        commands.iter().map(|_| self.receive()).collect()
    }

    /// The value, unless it is an error of the server.
    pub fn accepted(&self, value: Value) -> Result<Value, Fault> {
        match value {
            Value::ServerError(error) => Err(Fault::from_server(&self.name, &error)),
            value => Ok(value),
        }
    }

    fn set_patience(&self, patience: Duration) -> Result<(), Fault> {
        self.connection
            .set_read_timeout(Some(patience))
            .map_err(|error| Fault::from_client(&self.name, patience, &error))
    }
}
