//! Commands in the form in which they are sent, written without an allocation per argument.

use std::io::Write;

/// Appends the head of a command with so many arguments, its name included.
pub fn head(buffer: &mut Vec<u8>, arguments: usize) {
    buffer.push(b'*');
    number(buffer, arguments as u64);
    buffer.extend_from_slice(b"\r\n");
}

/// Appends an argument.
pub fn bulk(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.push(b'$');
    number(buffer, bytes.len() as u64);
    buffer.extend_from_slice(b"\r\n");
    buffer.extend_from_slice(bytes);
    buffer.extend_from_slice(b"\r\n");
}

/// Appends a whole command.
pub fn command(buffer: &mut Vec<u8>, arguments: &[&[u8]]) {
    head(buffer, arguments.len());
    for argument in arguments {
        bulk(buffer, argument);
    }
}

/// Appends a whole number in decimal.
pub fn number(buffer: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&digits[at..]);
}

/// Appends the shortest decimal that is read back as the same value.
pub fn float(buffer: &mut Vec<u8>, value: f64) {
    if !four_decimals(buffer, value) {
        // a `Vec` takes everything
        let _ = write!(buffer, "{value}");
    }
}

/// The quick way for what nearly all prices and amounts are; false when the value is none of these.
///
/// Where n / 10000 rounds to the value, the decimal of n ten-thousandths is read back as the value:
/// division and reading both round correctly.
fn four_decimals(buffer: &mut Vec<u8>, value: f64) -> bool {
    const SCALE: f64 = 10_000.0;
    const LARGEST: f64 = 9e15; // whole numbers are exact up to 2^53
    let scaled = (value * SCALE).round();
    #[allow(clippy::float_cmp)] // it is the very value or not
    let is_exact = scaled.abs() < LARGEST && scaled / SCALE == value && value.is_sign_positive();
    if !is_exact {
        return false;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole and below 2^53
    let scaled = scaled as u64;
    number(buffer, scaled / 10_000);
    let mut fraction = scaled % 10_000;
    if fraction > 0 {
        let mut places = 4;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        buffer.push(b'.');
        let start = buffer.len();
        buffer.resize(start + places, b'0');
        for digit in buffer[start..].iter_mut().rev() {
            *digit = b'0' + u8::try_from(fraction % 10).unwrap_or(0);
            fraction /= 10;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut buffer = Vec::new();
        float(&mut buffer, value);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn prices_and_amounts_are_written_as_they_are_said() {
        for (value, text) in [
            (0.0, "0"),
            (8.55, "8.55"),
            (10.0, "10"),
            (0.0001, "0.0001"),
            (1234.5, "1234.5"),
            (3_429_770.0, "3429770"),
            (12_345_678_901.23, "12345678901.23"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-1.5, "-1.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn commands_have_their_lengths_in_front() {
        let mut buffer = Vec::new();
        command(&mut buffer, &[b"XADD", "浦发".as_bytes(), b""]);
        assert_eq!(buffer, "*3\r\n$4\r\nXADD\r\n$6\r\n浦发\r\n$0\r\n\r\n".as_bytes());
    }
}
