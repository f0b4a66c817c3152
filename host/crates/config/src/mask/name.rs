//! Which names stand for secrets.

/// Words that say it wherever they stand within a name.
const PARTS: [&str; 30] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "signingkey",
    "credential",
    "bearer",
    "authorization",
    "authentication",
    "cookie",
    "密码",
    "口令",
    "令牌",
    "密钥",
    "授权码",
    "appkey",
    "passkey",
    "mnemonic",
    "пароль",
    "contrasena",
    "contraseña",
    "motdepasse",
];

/// Words that say it alone or as one of several words: `db_pwd`, but not `passthrough`.
const WORDS: [&str; 29] = [
    "pass",
    "pwd",
    "pswd",
    "psw",
    "pw",
    "pword",
    "passw",
    "auth",
    "oauth",
    "jwt",
    "cred",
    "creds",
    "key",
    "keys",
    "pin",
    "sig",
    "signature",
    "hmac",
    "sasl",
    "salt",
    "otp",
    "mima",
    "psk",
    "ak",
    "sk",
    "sas",
    "seed",
    "session",
    "webhook",
];

/// Words that are often mistyped, with the number of slips that are forgiven.
const MISTYPED: [(&str, usize); 6] = [
    ("password", 2),
    ("passphrase", 2),
    ("credentials", 2),
    ("passwd", 1),
    ("secret", 1),
    ("token", 1),
];

/// Longest name that is compared letter by letter.
const LONGEST: usize = 64;

/// Whether a key of that name may hold a secret, also when it is mistyped.
pub fn is_secret_name(name: &str) -> bool {
    // a folder that is granted stands as a key, and is no option's name
    if name.len() < 2 || name.contains('/') {
        return false;
    }
    let letters: String =
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if PARTS.iter().any(|part| letters.contains(part)) {
        return true;
    }
    name.len() <= LONGEST
        && words(name).any(|word| {
            WORDS.contains(&word.as_str())
                || is_mistyped(&word)
                || is_mistyped(word.trim_end_matches(|c: char| c.is_ascii_digit()))
        })
        || letters.len() <= LONGEST && is_mistyped(&letters)
}

/// The words of `dbPassWord_2` in lower case: `db`, `pass`, `word`, `2`.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && was_lower {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(c.to_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

fn is_mistyped(word: &str) -> bool {
    WORDS.contains(&word)
        || MISTYPED.iter().any(|(meant, slips)| {
            let common = || word.chars().filter(|c| meant.contains(*c)).count();
            word.len().abs_diff(meant.len()) <= *slips
                && common() + slips >= meant.len()
                && strsim::damerau_levenshtein(word, meant) <= *slips
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    #[test]
    fn names_of_secrets_are_known_also_mistyped_and_others_are_not() {
        let secret = [
            "password",
            "Password",
            "PASSWD",
            "redis_password",
            "pasword",
            "passwrd",
            "passwrod",
            "passord",
            "psswrd",
            "pwd",
            "db-pwd",
            "pass",
            "userPass",
            "auth",
            "api_key",
            "api-key",
            "apiKey",
            "API_KEY",
            "x-api-key",
            "secret",
            "secrte",
            "client_secret",
            "token",
            "tokne",
            "tocken",
            "access_token",
            "credentials",
            "credentails",
            "Authorization",
            "bearer",
            "private_key",
            "pass\u{200b}word",
            "pass word",
            "pwd2",
            "passwort",
            "密码",
            "数据库密码",
            "key",
            "cookie",
            "passphrase",
            "p.a.s.s.w.o.r.d",
            "psk",
            "wifi_psk",
            "ak",
            "oss.sk",
            "appKey",
            "passkey",
            "session",
            "sas-url",
            "seed",
            "webhook",
            "授权码",
            "Пароль",
            "contraseña",
            "mot_de_passe",
        ];
        for name in secret {
            assert!(is_secret_name(name), "{name}");
        }
        let plain = [
            "path",
            "passthrough",
            "c-passthrough",
            "bypass",
            "plugin",
            "inputs",
            "user",
            "username",
            "url",
            "host",
            "market",
            "markets",
            "author",
            "broken",
            "select",
            "pins",
            "keyspace",
            "monkey",
            "keep",
            "stale_after",
            "max_records",
            "sessions",
            "ask",
            "task",
            "obsession",
            "word",
            "",
        ];
        for name in plain {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn of_the_hosts_own_keys_only_the_token_and_what_signs_alarms_are_secret() {
        let all = keys::Place::ALL.into_iter().flat_map(keys::of).map(|key| key.name);
        assert_eq!(
            all.filter(|name| is_secret_name(name)).collect::<Vec<_>>(),
            ["token", "secret"]
        );
    }
}
