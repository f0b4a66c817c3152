//! Which stream a record belongs to.
//!
//! With shards, a record goes to the stream `NAME:{i}`, where i is the CRC-32 of its symbol modulo
//! the number of shards. All records of a security share a stream and so keep their order, and in a
//! cluster the braces spread the streams over the nodes by i alone. docs/REDIS.md publishes this for
//! other languages.

use plugin_api::Symbol;

/// Most shards that a stream can have.
pub const MOST_SHARDS: u32 = 1_024;

/// The shard of a security.
pub fn of(symbol: Symbol<'_>, shards: u32) -> u32 {
    let code = crc32(u32::MAX, symbol.code.as_bytes());
    let dot = crc32(code, b".");
    !crc32(dot, symbol.market.as_bytes()) % shards
}

/// Names of the streams of one kind; the name itself without shards.
pub fn streams(name: &str, shards: u32) -> Vec<String> {
    match shards {
        0 => vec![name.to_owned()],
        shards => (0..shards).map(|shard| stream(name, shard)).collect(),
    }
}

/// Name of one shard's stream.
pub fn stream(name: &str, shard: u32) -> String {
    format!("{name}:{{{shard}}}")
}

/// CRC-32 as in zlib, Ethernet and PNG, before its last inversion.
fn crc32(start: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    bytes.iter().fold(start, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut table = [0; 256];
    let mut index = 0_u32;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ POLYNOMIAL };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_that_is_published() {
        assert_eq!(!crc32(u32::MAX, b"123456789"), 0xCBF4_3926);
        // zlib.crc32(b"600000.SH") and so on
        for (code, market, crc) in VECTORS {
            assert_eq!(of(Symbol { code, market }, u32::MAX), crc % u32::MAX, "{code}.{market}");
            assert_eq!(of(Symbol { code, market }, 8), crc % 8, "{code}.{market}");
        }
    }

    const VECTORS: [(&str, &str, u32); 3] = [
        ("600000", "SH", 415_150_220),
        ("000001", "SZ", 547_479_339),
        ("430047", "BJ", 1_833_386_924),
    ];

    #[test]
    fn shards_have_their_number_in_braces() {
        assert_eq!(streams("spot_stream", 0), ["spot_stream"]);
        assert_eq!(streams("spot_stream", 2), ["spot_stream:{0}", "spot_stream:{1}"]);
    }
}
