//! `/etc/passwd` and `/etc/group`.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::accounts::{AccountFaultKind, Accounts};

#[test]
fn users_and_groups_are_found_by_name_and_number() {
    let mut host = MemoryHost::new();
    host.file(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\n# comment\n\nwww-data:x:33:33::/var/www:/bin/false\n\
         twice:x:33:44::/:/bin/sh\n",
    )
    .file(
        "/etc/group",
        "root:x:0:\nwww-data:x:33:\nssl:x:100:www-data,root\nadm:x:4: www-data ,\n",
    );
    let sources = Sources::new(&host);
    let accounts = Accounts::load(&sources);
    assert!(accounts.faults.is_empty() && accounts.problems.is_empty());
    let user = accounts.user("www-data").unwrap();
    assert_eq!((user.uid, user.gid), (33, 33));
    assert_eq!(accounts.user("33").unwrap().name, "www-data");
    assert_eq!(accounts.groups_of(user), [33, 100, 4]);
    assert_eq!(accounts.group("ssl").unwrap().gid, 100);
    assert_eq!(accounts.group_by_number(4).unwrap().name, "adm");
    assert!(accounts.user("nobody").is_none());
    let file = sources.file(user.span.file);
    assert_eq!(file.slice(user.span), b"www-data:x:33:33::/var/www:/bin/false");
}

#[test]
fn broken_lines_are_faults_and_missing_files_are_problems() {
    let mut host = MemoryHost::new();
    host.file(
        "/etc/passwd",
        b"a:x:1:1::/\nb:x:one:1::/:/bin/sh\n:x:1:1::/:/bin/sh\n\xff:x:1:1::/:/bin/sh\n\
          c:x:4294967295:1::/:/bin/sh\nd:x:-1:1::/:/bin/sh\nok:x:5:5::/:/bin/sh"
            .to_vec(),
    );
    let accounts = Accounts::load(&Sources::new(&host));
    use AccountFaultKind::{Fields, NoName, NotUtf8, Number};
    let kinds: Vec<_> = accounts.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [Fields, Number, NoName, NotUtf8, Number, Number]);
    assert_eq!(accounts.users.len(), 1);
    assert_eq!(accounts.problems.len(), 1);
}
