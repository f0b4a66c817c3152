//! A feed of the whole market, as Hikyuu's collectors send it.

use harness::Random;
use nng::{Protocol, Socket};
use plugin_api::{SpotListEncoder, SpotRecord};

/// Securities of a round.
pub const SECURITIES: u64 = 5_500;
/// Quotes of a message.
const IN_A_MESSAGE: usize = 500;
const TOPIC: &[u8] = b":spot:";

/// What is known of a security.
struct Security {
    market: &'static str,
    code: String,
    pre_close: f64,
    close: f64,
    low: f64,
    high: f64,
    volume: u64,
    amount: f64,
}

/// A publisher whose prices move and whose volumes grow.
pub struct Market {
    socket: Socket,
    securities: Vec<Security>,
    encoder: SpotListEncoder,
    random: Random,
    sequence: u64,
}

impl Market {
    /// A publisher that listens there.
    pub fn open(address: &str) -> Self {
        let socket = Socket::new(Protocol::Pub0).unwrap();
        socket.listen(address).unwrap();
        let security = |at: u64| {
            let (market, code) =
                if at.is_multiple_of(2) { ("SH", 600_000 + at / 2) } else { ("SZ", 1 + at / 2) };
            #[allow(clippy::cast_precision_loss)] // some thousand
            let close = 5.0 + (at % 400) as f64 / 10.0;
            Security {
                market,
                code: format!("{code:06}"),
                pre_close: close,
                close,
                low: close,
                high: close,
                volume: 0,
                amount: 0.0,
            }
        };
        Self {
            socket,
            securities: (0..SECURITIES).map(security).collect(),
            encoder: SpotListEncoder::new(IN_A_MESSAGE),
            random: Random::new(1),
            sequence: 0,
        }
    }

    /// Sends a quote of every security, between the marks of a round.
    pub fn send_round(&mut self, time_us: i64) {
        self.send(b"[start spot]");
        let mut securities = std::mem::take(&mut self.securities);
        for some in securities.chunks_mut(IN_A_MESSAGE) {
            for security in some {
                security.trade(&mut self.random);
                self.sequence += 1;
                push(&mut self.encoder, security, time_us, self.sequence);
            }
            let list = self.encoder.finish();
            self.send(&list);
        }
        self.securities = securities;
        self.send(b"[end spot]");
    }

    /// Quotes that were sent.
    pub fn sent(&self) -> u64 {
        self.sequence
    }

    fn send(&self, content: &[u8]) {
        self.socket.send([TOPIC, content].concat().as_slice()).unwrap();
    }
}

impl Security {
    fn trade(&mut self, random: &mut Random) {
        let step = [-0.01, 0.0, 0.0, 0.01][usize::try_from(random.between(0, 3)).unwrap()];
        let most = self.pre_close * 0.08;
        let close = (self.close + step).clamp(self.pre_close - most, self.pre_close + most);
        self.close = (close * 100.0).round() / 100.0;
        self.low = self.low.min(self.close);
        self.high = self.high.max(self.close);
        let lots = random.between(0, 20);
        self.volume += lots * 100;
        #[allow(clippy::cast_precision_loss)] // some thousand
        let shares = (lots * 100) as f64;
        self.amount += shares * self.close;
    }
}

fn push(encoder: &mut SpotListEncoder, security: &Security, time_us: i64, sequence: u64) {
    let book =
        |side: f64| [1.0, 2.0, 3.0, 4.0, 5.0].map(|level| security.close + side * level / 100.0);
    let record = SpotRecord {
        market: security.market,
        code: &security.code,
        name: "证券",
        time_us,
        pre_close: security.pre_close,
        open: security.pre_close,
        high: security.high.max(security.pre_close),
        low: security.low.min(security.pre_close),
        close: security.close,
        amount_cny: security.amount,
        volume_shares: security.volume,
        bid: &book(-1.0),
        bid_volume: &[100, 200, 300, 400, 500],
        ask: &book(1.0),
        ask_volume: &[100, 200, 300, 400, 500],
        source: "market",
        sequence,
        ..SpotRecord::default()
    };
    encoder.push(&record).unwrap();
}
