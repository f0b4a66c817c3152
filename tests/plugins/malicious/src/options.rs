//! What the guest is told to do, when, and to what.

use plugin_api::options;

options! {
    /// Options of all three roles.
    #[derive(Default)]
    #[serde(default)]
    pub struct Options {
        /// What it does.
        pub how: How,
        /// It does it in `open` instead of in `apply`, `next` or `write`.
        pub at_open: bool,
        /// Calls that go well before, and with `once` the only one that does not is the one after.
        pub after: u64,
        /// It does it in one call alone, not from then on.
        pub once: bool,
        /// File, address `host:port`, URL or environment variable that it is after.
        pub target: String,
        /// How many, or how many bytes; 0 goes on for ever where that is possible.
        pub amount: u64,
        /// A source ends after so many batches; 0: never.
        pub batches: u64,
        /// The list that it makes a batch of, in hexadecimal.
        pub list: String,
    }
}

options! {
    /// What it does.
    #[derive(Default)]
    pub enum How {
        /// Nothing bad: batches pass, sinks deliver.
        #[default]
        Behave,
        /// Computes for ever.
        Loop,
        /// Takes memory until there is none.
        Memory,
        /// Recurses until the stack is used up.
        Stack,
        /// Runs into an `unreachable` instruction.
        Trap,
        /// Panics with a text.
        Panic,
        /// Ends the process, as it thinks.
        Exit,
        /// Sleeps for an hour, in a call to the host.
        Sleep,
        /// Makes a batch of `amount` bytes that are no list.
        Huge,
        /// Makes `amount` batches of one.
        Batches,
        /// Makes a batch of `amount` bytes that are no list (16 without an amount).
        Malformed,
        /// Makes a batch of the input's list, of which only the first half is there.
        Truncated,
        /// Makes a batch of the bytes of `list`.
        Given,
        /// Says that a batch of bars has the input's list of quotes, or the other way round.
        WrongKind,
        /// Says `unchanged` where there is no input.
        UnchangedOfNothing,
        /// Makes batches with places that go back, jump to the end, or belong to a foreign counting.
        WrongPlace,
        /// Answers with an error whose text has `amount` bytes.
        HugeError,
        /// Answers with an error of no use: a text with control characters and terminal codes.
        UglyError,
        /// Opens a TCP connection to `target`.
        Connect,
        /// Listens for TCP on `target`.
        Listen,
        /// Looks up the name `target`.
        Lookup,
        /// Asks `target` over HTTP.
        Http,
        /// Reads the file `target`.
        Read,
        /// Writes the file `target`.
        Write,
        /// Removes the file `target`.
        Remove,
        /// Lists the folder `target`.
        List,
        /// Makes a symbolic link to `target` in the first granted folder and reads through it.
        Symlink,
        /// Reads the environment variable `target`.
        Env,
        /// Reads the host's clock `amount` times.
        Clock,
        /// Writes `amount` log lines.
        Log,
        /// Writes one log line of `amount` bytes.
        LongLog,
        /// Writes `amount` lines to stderr.
        Stderr,
        /// Counts under `amount` different names.
        Metrics,
        /// Counts under a name that is no name of a metric.
        UglyMetric,
        /// Counts records as dropped under `amount` different reasons.
        Reasons,
        /// Sets `amount` dead letters aside.
        DeadLetters,
        /// Pushes batches in a call that takes none.
        PushFromWrongCall,
    }
}
