//! Passwords of database clients and similar programs, in options whose names do not suggest a
//! password: `mysql -pSECRET`, `redis-cli -a SECRET`, `sshpass -p SECRET`, `curl -u user:SECRET`.

use std::ops::Range;

/// How an option's value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OptionStyle {
    /// Directly after the option: after a space, it is not the option's value, and the client asks
    /// for the password.
    Attached,
    /// With or without a space.
    Either,
}

/// One kind of client.
struct Client {
    names: &'static [&'static str],
    options: &'static [&'static str],
    given: OptionStyle,
    /// The character between the user and the password, if both are one word.
    behind: Option<u8>,
}

const CLIENTS: &[Client] = &[
    Client {
        names: &[
            "mysql",
            "mysqladmin",
            "mysqlcheck",
            "mysqldump",
            "mysqlimport",
            "mysqlpump",
            "mysqlshow",
            "mariadb",
            "mariadb-admin",
            "mariadb-backup",
            "mariadb-check",
            "mariadb-dump",
            "mariadb-import",
            "mariadb-show",
            "mariabackup",
            "xtrabackup",
            "7z",
            "7za",
            "7zr",
        ],
        options: &["-p"],
        given: OptionStyle::Attached,
        behind: None,
    },
    Client {
        names: &[
            "sshpass",
            "mongo",
            "mongodump",
            "mongoexport",
            "mongoimport",
            "mongorestore",
            "mongosh",
            "cqlsh",
        ],
        options: &["-p"],
        given: OptionStyle::Either,
        behind: None,
    },
    Client {
        names: &["redis-cli", "valkey-cli", "keydb-cli"],
        options: &["-a"],
        given: OptionStyle::Either,
        behind: None,
    },
    Client {
        names: &["ldapadd", "ldapdelete", "ldapmodify", "ldappasswd", "ldapsearch", "ldapwhoami"],
        options: &["-w"],
        given: OptionStyle::Either,
        behind: None,
    },
    Client {
        names: &["zip", "unzip", "sqlcmd", "bcp", "ipmitool"],
        options: &["-P"],
        given: OptionStyle::Either,
        behind: None,
    },
    Client {
        names: &["curl"],
        options: &["-u", "-U", "--user", "--proxy-user"],
        given: OptionStyle::Either,
        behind: Some(b':'),
    },
    Client {
        names: &["smbclient", "rpcclient", "net"],
        options: &["-U", "--user"],
        given: OptionStyle::Either,
        behind: Some(b'%'),
    },
    Client { names: &["lftp"], options: &["-u"], given: OptionStyle::Either, behind: Some(b',') },
];

/// The ranges of such passwords in the text of commands, in order. Words are separated by spaces or
/// NUL bytes.
pub fn ranges(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut client: Option<&Client> = None;
    let mut openssl = false;
    let mut next = false;
    for word in words(text) {
        let bare = unquoted(text, word.clone());
        let value = &text[bare.clone()];
        if matches!(value, b";" | b"&&" | b"||" | b"|" | b"&") {
            (client, openssl, next) = (None, false, false);
            continue;
        }
        if std::mem::take(&mut next) {
            found.extend(client.and_then(|client| client.secret(text, bare)));
            continue;
        }
        let base = value.rsplit(|byte| b"/@!+:=(".contains(byte)).next().unwrap_or_default();
        if let Some(named) = CLIENTS.iter().find(|one| one.is(base)) {
            client = Some(named);
        } else if base == b"openssl" {
            openssl = true;
        } else if openssl && value.starts_with(b"pass:") {
            found.push(bare.start + 5..bare.end);
        } else if let Some(client) = client {
            match client.option(value) {
                Some(0) => next = client.given == OptionStyle::Either,
                Some(length) => {
                    let value = unquoted(text, bare.start + length..bare.end);
                    found.extend(client.secret(text, value));
                }
                None => {}
            }
        }
        if text[word.clone()].ends_with(b";") {
            (client, openssl, next) = (None, false, false);
        }
    }
    found
}

impl Client {
    fn is(&self, name: &[u8]) -> bool {
        self.names.iter().any(|own| own.as_bytes() == name)
    }

    /// The offset of the value within a word that is one of the options; 0 if the value is the next
    /// word.
    fn option(&self, word: &[u8]) -> Option<usize> {
        self.options.iter().find_map(|option| {
            let rest = word.strip_prefix(option.as_bytes())?;
            let long = option.starts_with("--");
            match rest.first() {
                None => Some(0),
                Some(b'=') if long => Some(option.len() + 1),
                Some(_) if !long => Some(option.len()),
                Some(_) => None,
            }
        })
    }

    /// The part of a value that is the password.
    fn secret(&self, text: &[u8], value: Range<usize>) -> Option<Range<usize>> {
        let start = match self.behind {
            None => value.start,
            Some(sign) => {
                value.start + text[value.clone()].iter().position(|byte| *byte == sign)? + 1
            }
        };
        (start < value.end).then_some(start..value.end)
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].iter().position(|byte| !is_gap(byte))?;
        let end = text[start..].iter().position(is_gap).map_or(text.len(), |n| start + n);
        at = end;
        Some(start..end)
    })
}

/// The range without the quotes at both ends, and without a `;` at the end.
fn unquoted(text: &[u8], word: Range<usize>) -> Range<usize> {
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\'' | b';');
    let inner = &text[word.clone()];
    let before = inner.iter().take_while(|byte| is_mark(byte)).count();
    let behind = inner[before..].iter().rev().take_while(|byte| is_mark(byte)).count();
    match before == inner.len() {
        // A single `;` ends a command.
        true => word,
        false => word.start + before..word.end - behind,
    }
}

#[cfg(test)]
mod tests {
    use super::ranges;

    fn secrets(line: &str) -> Vec<&str> {
        ranges(line.as_bytes()).into_iter().map(|range| &line[range]).collect()
    }

    #[test]
    fn passwords_in_options_that_do_not_say_so() {
        for line in [
            "/usr/bin/mysql -u root -phunter2 shop",
            "mysqldump -p'hunter2' shop > x",
            "sshpass -p hunter2 ssh host",
            "-/usr/bin/sshpass -phunter2 ssh host",
            "redis-cli -h r -a hunter2 ping",
            "/bin/sh -c 'true; redis-cli -a \"hunter2\"'",
            "curl -u user:hunter2 http://x/",
            "curl -uuser:hunter2 http://x/",
            "curl --proxy-user=user:hunter2 http://x/",
            "smbclient -U user%hunter2 //x/y",
            "openssl rsa -passin pass:hunter2 -in k",
            "ldapsearch -D cn=x -w hunter2",
            "mongosh -u a -p hunter2 db",
            "mysql\0-phunter2\0shop",
        ] {
            assert_eq!(secrets(line), ["hunter2"], "{line}");
        }
    }

    #[test]
    fn what_is_no_password_is_none() {
        for line in [
            "mysql -u root -p shop",
            "curl -u user http://x/",
            "ssh -p 2222 host",
            "mkdir -p /srv/x",
            "mysql -e x; mkdir -pv /srv/x",
            "sshpass -f /etc/pw ssh -x host && nc -p 80",
            "docker run -p 80:80 a",
            "gunicorn -w 3 -p /run/x.pid wsgi:app",
        ] {
            assert!(secrets(line).is_empty(), "{line}: {:?}", secrets(line));
        }
    }
}
