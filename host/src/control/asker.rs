//! Who asks.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Who asks, as handlers find it among the extensions of a request.
#[derive(Debug, Clone, Copy)]
pub struct Caller(SocketAddr);

impl Caller {
    /// Who asks from there.
    pub fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// The address alone: a port is another one each time.
    pub fn host(&self) -> IpAddr {
        self.0.ip()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
