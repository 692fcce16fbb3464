//! Which names of variables, options and settings suggest a secret, and which values are not
//! secrets.

/// Words of a name that suggest a secret.
const SECRET: [&str; 19] = [
    "APIKEY",
    "AUTH",
    "CREDENTIAL",
    "CREDENTIALS",
    "DSN",
    "KEY",
    "KEYS",
    "LICENSE",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PRIVATE",
    "PWD",
    "SALT",
    "SECRET",
    "SIGNATURE",
    "TOKEN",
    "WEBHOOK",
];

/// Whether the name of a variable, an option or a setting suggests a secret.
pub fn is_secretive(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    // Settings of systemd that name the file of a credential rather than contain its value.
    let files = ["LOADCREDENTIAL", "LOADCREDENTIALENCRYPTED", "IMPORTCREDENTIAL"];
    if matches!(name.as_str(), "PWD" | "OLDPWD") || files.contains(&name.as_str()) {
        return false;
    }
    let parts = ["SECRET", "PASSW", "TOKEN", "APIKEY", "CREDENTIAL"];
    parts.iter().any(|part| name.contains(part))
        || name.split(['_', '-', '.']).any(|word| SECRET.contains(&word))
}

/// Parts that only occur in words of tutorials or placeholders, in small letters and without
/// separators.
pub const PLACEHOLDER_PARTS: [&str; 9] = [
    "secretkey",
    "changeme",
    "changethis",
    "changeit",
    "inproduction",
    "replaceme",
    "replacewith",
    "placeholder",
    "djangoinsecure",
];
