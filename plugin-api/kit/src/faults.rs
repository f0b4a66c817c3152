//! All that is wrong with a table of options, told at once.

use std::{
    fmt::Display,
    ops::{Deref, DerefMut, RangeInclusive},
};

use plugin_api::PluginError;

/// Faults of options in the order in which they were found, each a text that ends with its remedy.
///
/// The checks write `NAME is GIVEN; ASK BOUND`: `name` is the option as the plugin shows it, `ask`
/// the words before the bound, such as `use` or `allowed is`.
#[derive(Debug, Default)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Adds a fault unless the value lies within the bounds, both included.
    pub fn within<T: PartialOrd + Display>(
        &mut self,
        name: &str,
        given: T,
        allowed: RangeInclusive<T>,
        ask: &str,
    ) {
        if !allowed.contains(&given) {
            let (least, most) = allowed.into_inner();
            self.push(format!("{name} is {given}; {ask} {least} to {most}"));
        }
    }

    /// Adds a fault if the value is below the bound.
    pub fn at_least<T: PartialOrd + Display>(&mut self, name: &str, given: T, least: T, ask: &str) {
        if given < least {
            self.push(format!("{name} is {given}; {ask} {least}"));
        }
    }

    /// Adds a fault if the value is above the bound.
    pub fn at_most<T: PartialOrd + Display>(&mut self, name: &str, given: T, most: T, ask: &str) {
        if given > most {
            self.push(format!("{name} is {given}; {ask} {most}"));
        }
    }

    /// Takes the value, or adds why there is none.
    pub fn keep<T>(&mut self, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|error| self.push(error.to_string())).ok()
    }

    /// Nothing if there is no fault.
    ///
    /// # Errors
    /// `Config` with all faults, in one line.
    pub fn check(&self) -> Result<(), PluginError> {
        self.check_made(Some(()))
    }

    /// As [`check`](Self::check), with a line for each fault.
    ///
    /// # Errors
    /// `Config` with all faults.
    pub fn check_by_line(&self) -> Result<(), PluginError> {
        self.check_made_by_line(Some(()))
    }

    /// The value, if there is no fault; where it could not be made, one was added.
    ///
    /// # Errors
    /// `Config` with all faults, in one line.
    pub fn check_made<T>(&self, made: Option<T>) -> Result<T, PluginError> {
        made.filter(|_| self.is_empty()).ok_or_else(|| PluginError::config(self.join("; ")))
    }

    /// As [`check_made`](Self::check_made), with a line for each fault.
    ///
    /// # Errors
    /// `Config` with all faults.
    pub fn check_made_by_line<T>(&self, made: Option<T>) -> Result<T, PluginError> {
        made.filter(|_| self.is_empty()).ok_or_else(|| PluginError::config(self.join("\n")))
    }
}

impl Deref for Faults {
    type Target = Vec<String>;

    fn deref(&self) -> &Vec<String> {
        &self.0
    }
}

impl DerefMut for Faults {
    fn deref_mut(&mut self) -> &mut Vec<String> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time;

    use plugin_api::{ByteSize, Duration, ErrorKind};

    use super::*;

    #[test]
    fn every_fault_is_named_with_the_value_and_the_bound() {
        let millis = |millis| Duration(time::Duration::from_millis(millis));
        let mut faults = Faults::default();
        faults.within("`timeout`", millis(10), millis(100)..=millis(60_000), "write");
        faults.at_least("max_memory", ByteSize(1), ByteSize(1 << 20), "use at least");
        faults.at_most("threads", 2_000, 1_024, "use at most");
        assert_eq!(faults.keep("x".parse::<u8>()), None);
        faults.within("levels", 10, 1..=10, "give");
        faults.at_least("levels", 10, 10, "give");
        faults.at_most("levels", 10, 10, "give");
        assert_eq!(faults.keep("1".parse::<u8>()), Some(1));
        let expected = [
            "`timeout` is 10ms; write 100ms to 1m",
            "max_memory is 1B; use at least 1MiB",
            "threads is 2000; use at most 1024",
            "invalid digit found in string",
        ];
        assert_eq!(**faults, expected);
        let error = faults.check().unwrap_err();
        assert_eq!((error.kind, error.message), (ErrorKind::Config, expected.join("; ")));
        assert_eq!(faults.check_by_line().unwrap_err().message, expected.join("\n"));
        assert_eq!(faults.check_made(Some(1)).unwrap_err().message, expected.join("; "));
    }

    #[test]
    fn without_faults_a_value_passes() {
        let faults = Faults::default();
        assert!(faults.check().is_ok() && faults.check_by_line().is_ok());
        assert_eq!(faults.check_made(Some(1)).unwrap(), 1);
    }
}
