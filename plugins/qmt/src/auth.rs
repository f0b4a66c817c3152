//! Who knows the token: challenge and response, so that it never crosses the network.
//!
//! Both sides prove it, each over both nonces, so that neither an overheard answer nor a host that
//! only pretends to be one is of any use. What follows is checksummed, not encrypted.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a challenge.
pub const NONCE_LEN: usize = 32;
/// Bytes of a proof.
pub const PROOF_LEN: usize = 32;
/// Version of bridges that send quotes.
pub const VERSION: u16 = 1;
/// Version of bridges that answer what they are asked.
pub const HISTORY_VERSION: u16 = 2;
/// First bytes of a greeting.
pub const MAGIC: &[u8; 5] = b"DSQMT";

const OF_BRIDGE: &[u8] = b"dataserver qmt bridge";
const OF_HOST: &[u8] = b"dataserver qmt host";

/// A challenge that was never given before.
pub type Nonce = [u8; NONCE_LEN];

/// A fresh challenge.
pub fn nonce() -> Nonce {
    rand::random()
}

/// What the host says first: magic, lowest and highest version, challenge.
pub fn greeting(challenge: &Nonce, highest: u16) -> Vec<u8> {
    let mut body = MAGIC.to_vec();
    body.extend(VERSION.to_le_bytes());
    body.extend(highest.to_le_bytes());
    body.extend(challenge);
    body
}

/// What the bridge answers.
///
/// ```text
/// version u16 │ challenge [32] │ spool u64 │ first kept u64 │ next u64 │ proof [32] │ name
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Version that the bridge chose.
    pub version: u16,
    /// The bridge's own challenge.
    pub challenge: Nonce,
    /// Identity of its spool.
    pub spool: u64,
    /// Number of the first frame that it still has; `next` when it has none.
    pub first_kept: u64,
    /// Number of the next frame.
    pub next: u64,
    /// Program, version and machine, for the log.
    pub name: String,
    proof: [u8; PROOF_LEN],
    proven: Vec<u8>,
}

const BEFORE_PROOF: usize = 2 + NONCE_LEN + 24;

impl Answer {
    /// Reads an answer; `None` when it is none.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (head, rest) = body.split_at_checked(BEFORE_PROOF)?;
        let (proof, name) = rest.split_first_chunk::<PROOF_LEN>()?;
        let (version, rest) = head.split_first_chunk::<2>()?;
        let (challenge, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let word = |place: usize| {
            let bytes = rest.get(8 * place..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let proven = [head, name].concat();
        Some(Self {
            version: u16::from_le_bytes(*version),
            challenge: *challenge,
            spool: word(0)?,
            first_kept: word(1)?,
            next: word(2)?,
            name: String::from_utf8_lossy(name).into_owned(),
            proof: *proof,
            proven,
        })
    }

    /// Whether the bridge knows the token.
    pub fn is_proven(&self, token: &str, challenge: &Nonce) -> bool {
        // in constant time
        mac(token, &[OF_BRIDGE, challenge, &self.proven]).verify_slice(&self.proof).is_ok()
    }
}

/// What the host tells a bridge that it believes: proof, how far all sinks are, how far it is
/// itself, seconds between heartbeats.
pub fn welcome(
    token: &str,
    answer: &Answer,
    challenge: &Nonce,
    (confirmed, taken): (u64, u64),
    heartbeat_s: u16,
) -> Vec<u8> {
    let mut told = Vec::with_capacity(18);
    told.extend(confirmed.to_le_bytes());
    told.extend(taken.to_le_bytes());
    told.extend(heartbeat_s.to_le_bytes());
    let proof = mac(token, &[OF_HOST, &answer.challenge, challenge, &told]).finalize();
    [proof.into_bytes().as_slice(), &told].concat()
}

fn mac(token: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes())
        .expect("an HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(token: &str, challenge: &Nonce) -> Vec<u8> {
        let mut head = VERSION.to_le_bytes().to_vec();
        head.extend([7; NONCE_LEN]);
        for word in [9_u64, 3, 5] {
            head.extend(word.to_le_bytes());
        }
        let proof = mac(token, &[OF_BRIDGE, challenge, &head, b"name"]).finalize().into_bytes();
        [head.as_slice(), &proof, b"name"].concat()
    }

    #[test]
    fn only_the_token_and_this_challenge_prove_anything() {
        let challenge = nonce();
        let parsed = Answer::parse(&answer("secret", &challenge)).unwrap();
        assert!(parsed.is_proven("secret", &challenge));
        assert!(!parsed.is_proven("Secret", &challenge));
        assert!(!parsed.is_proven("secret", &nonce()), "an overheard answer");
        assert_eq!((parsed.spool, parsed.first_kept, parsed.next), (9, 3, 5));
        assert_eq!(parsed.name, "name");
    }

    #[test]
    fn nothing_of_an_answer_can_be_changed() {
        let challenge = nonce();
        let sound = answer("secret", &challenge);
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            let parsed = Answer::parse(&bytes).unwrap();
            assert!(!parsed.is_proven("secret", &challenge), "byte {at}");
        }
        for len in 0..BEFORE_PROOF + PROOF_LEN {
            assert!(Answer::parse(&sound[..len]).is_none(), "{len} bytes");
        }
    }
}
