//! Hikyuu's INI files.
//!
//! Sections in brackets, `key = value` or `key: value` under them; what follows a `;` is a comment,
//! as is a line that begins with `#`. Names of keys are read without regard to case, as Python's
//! reader has them; a key may come twice, and then the last one counts. UTF-8, with or without a mark.

use std::collections::BTreeMap;

/// The values of a file by section and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Ini {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A text that names the first line that is no INI, without what it says: that may be secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut section: Option<String> = None;
        let mut last: Option<String> = None;
        for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let number = index + 1;
            // Hikyuu's reader ends a line at a semicolon, also within a value
            let line = raw.split(';').next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                let (name, _) = rest
                    .split_once(']')
                    .ok_or_else(|| format!("line {number}: a section has no `]`; close it"))?;
                sections.entry(name.to_owned()).or_default();
                (section, last) = (Some(name.to_owned()), None);
                continue;
            }
            let values =
                section.as_ref().and_then(|name| sections.get_mut(name)).ok_or_else(|| {
                    format!(
                        "line {number}: a value before any section; write e.g. [hikyuu] above it"
                    )
                })?;
            // a line that is indented and no key goes on with the value above it
            if raw.starts_with([' ', '\t'])
                && !line.contains('=')
                && let Some(value) = last.as_ref().and_then(|key| values.get_mut(key))
            {
                value.push('\n');
                value.push_str(line);
                continue;
            }
            let at = line.find('=').or_else(|| line.find(':')).ok_or_else(|| {
                format!("line {number}: no `=` between key and value; write key = value")
            })?;
            let key = line[..at].trim_end().to_lowercase();
            values.insert(key.clone(), line[at + 1..].trim_start().to_owned());
            last = Some(key);
        }
        Ok(Self { sections })
    }

    /// A value; one that is empty is none.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let value = self.sections.get(section)?.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_of_hikyuus_is_read() {
        let text = "\u{feff}; made by HikyuuTDX\r\n[hikyuu]\r\ntmpdir = /s/tmp\r\n\
                    \tquotation_server=tcp://192.168.1.2:9200 ; office\r\n;use_shm_server = True\r\n\
                    [block]\ntype  = qianlong\n指数板块 = zsbk.ini\n# c\n\n[kdata]\n;type = tdx\n\
                    ;dir = D:\\Tdx\ntype = clickhouse\nPort: 9000\npwd =\nlist = a\n  b\n";
        let ini = Ini::parse(text).unwrap();
        let cases = [
            ("hikyuu", "tmpdir", Some("/s/tmp")),
            ("hikyuu", "quotation_server", Some("tcp://192.168.1.2:9200")),
            ("hikyuu", "use_shm_server", None),
            ("block", "指数板块", Some("zsbk.ini")),
            ("kdata", "type", Some("clickhouse")),
            ("kdata", "dir", None),
            ("kdata", "port", Some("9000")),
            ("kdata", "pwd", None),
            ("kdata", "list", Some("a\nb")),
            ("absent", "type", None),
        ];
        for (section, key, value) in cases {
            assert_eq!(ini.get(section, key), value, "[{section}] {key}");
        }
    }

    #[test]
    fn a_fault_names_its_line_and_not_what_may_be_secret() {
        let cases = [
            ("a = 1\n", "line 1: a value before any section"),
            ("[a\n", "line 1: a section has no `]`"),
            ("[a]\n\npwd geheim\n", "line 3: no `=`"),
        ];
        for (text, said) in cases {
            let fault = Ini::parse(text).unwrap_err();
            assert!(fault.contains(said) && !fault.contains("geheim"), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[\\[\\]=:; #a-c\n\t\u{feff}é]{0,60}") {
            let _ = Ini::parse(&text);
        }

        #[test]
        fn what_is_written_is_read(
            key in "[a-z_][a-z0-9_]{0,8}",
            value in "[a-zA-Z0-9:/=#._-][a-zA-Z0-9:/=# ._-]{0,20}[a-z]",
        ) {
            let ini = Ini::parse(&format!("[s]\n{key} = {value}\n")).unwrap();
            prop_assert_eq!(ini.get("s", &key), Some(value.as_str()));
        }
    }
}
