//! The list of known settings, and what is said of names and values.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use deploy_doctor::source::unit::known::{
    Presence, SettingLookup, check_value, empty_resets, find, holds, lookup,
};

#[test]
fn names_are_looked_up() {
    assert!(
        matches!(lookup("Service", "ExecStart"), SettingLookup::Known(s) if s.since == (252..=252))
    );
    assert!(
        matches!(lookup("Service", "RestartSteps"), SettingLookup::Known(s) if s.since == (254..=254))
    );
    assert_eq!(lookup("Service", "X-Mine"), SettingLookup::Private);
    assert_eq!(lookup("X-Mine", "A"), SettingLookup::Private);
    let unknown = |did_you_mean| SettingLookup::UnknownKey { did_you_mean };
    assert_eq!(lookup("Service", "ExecRelaod"), unknown(Some("ExecReload")));
    assert_eq!(lookup("Service", "execstart"), unknown(Some("ExecStart")));
    assert_eq!(lookup("Service", "Nonsense"), unknown(None));
    assert_eq!(
        lookup("Services", "A"),
        SettingLookup::UnknownSection { did_you_mean: Some("Service") }
    );
    assert_eq!(
        lookup("Service", "WantedBy"),
        SettingLookup::WrongSection { right: vec!["Install"] }
    );
}

#[test]
fn what_a_version_has_is_told_apart() {
    let at = |key, version| find("Service", key).unwrap().in_version(version);
    // 262 alone was asked of those that came after 257; the manual page tells which it was.
    assert_eq!(at("ExecReloadPost", 258), Presence::NotYet);
    assert_eq!(at("ExecReloadPost", 259), Presence::Known);
    assert_eq!(at("RefreshOnReload", 259), Presence::NotYet);
    assert_eq!(at("PrivateBPF", 252), Presence::NotYet);
    assert_eq!(at("PrivateBPF", 300), Presence::Known);
    // Gone with 262; which of those before it was the last was not asked.
    assert_eq!(at("MemoryLimit", 257), Presence::Known);
    assert_eq!(at("MemoryLimit", 259), Presence::Unsure);
    assert_eq!(at("MemoryLimit", 262), Presence::Gone);
    // Undocumented settings: one of these versions brought it.
    assert_eq!(at("StartupMemoryHigh", 252), Presence::NotYet);
    assert_eq!(at("StartupMemoryHigh", 255), Presence::Unsure);
    assert_eq!(at("ExecStart", 240), Presence::Known);
    assert!(!holds("Service", "Type", "notify-reload", Some(252)));
    assert!(holds("Service", "Type", "notify-reload", Some(253)));
    assert!(holds("Service", "Type", "notify-reload", None));
    assert!(holds("Service", "Type", "notify", Some(240)));
}

#[test]
fn what_is_so_of_a_setting_stands_in_the_same_table() {
    let of = |key| find("Service", key).unwrap();
    assert!(of("Environment").is_list() && of("Environment").adds_up());
    assert!(of("ExecStart").is_command() && !of("ExecStart").adds_up());
    assert!(of("ExecReload").holds_without_restart() && !of("User").holds_without_restart());
    assert!(of("ExecStart").order() < of("ExecReload").order());
    assert!(of("EnvironmentFile").matters() && !of("Nice").matters());
}

#[test]
fn values_are_judged_only_where_they_are_known() {
    for (key, good, bad) in [
        ("PrivateTmp", "yes", "maybe"),
        ("TimeoutStopSec", "1min 30s", "1 banana"),
        ("Restart", "on-failure", "on_failure"),
        ("Type", "notify-reload", "daemon"),
        ("KillMode", "mixed", "all"),
        ("UMask", "0027", "0o27"),
        ("KillSignal", "HUP", "SIGNOTHING"),
        ("EnvironmentFile", "-/etc/a", "\"/etc/a\""),
        ("ProtectHome", "read-only", "sometimes"),
    ] {
        assert_eq!(check_value("Service", key, good), None, "{key}={good}");
        assert!(check_value("Service", key, bad).is_some(), "{key}={bad}");
        assert_eq!(check_value("Service", key, "{{ value }}"), None, "{key}");
    }
    assert!(empty_resets("Service", "ExecStart") && !empty_resets("Service", "TimeoutStopSec"));
    assert!(!empty_resets("Unit", "After") && empty_resets("Service", "User"));
}
