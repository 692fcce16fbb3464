//! Users and groups: `/etc/passwd` (passwd(5)) and `/etc/group` (group(5)).
//!
//! Other sources of accounts (LDAP, `nss-systemd`'s dynamic users) are not read; an account that is
//! not found here may still exist elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{SourceFile, Sources, Span};
use crate::host::HostError;

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its primary group.
    pub gid: u32,
    /// Its home directory.
    pub home: PathBuf,
    /// Its login shell.
    pub shell: PathBuf,
    /// Its line.
    pub span: Span,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// The members, except users whose primary group it is.
    pub members: Vec<String>,
    /// Its line.
    pub span: Span,
}

/// A line that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFault {
    /// What is wrong.
    pub kind: AccountFaultKind,
    /// The line.
    pub span: Span,
}

/// The kinds of [`AccountFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountFaultKind {
    /// Not UTF-8.
    NotUtf8,
    /// Too few or too many fields between colons.
    Fields,
    /// No name.
    NoName,
    /// A field that must be a number is none.
    Number,
}

impl fmt::Display for AccountFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "the line is not valid UTF-8",
            Self::Fields => "the line does not have the right number of fields",
            Self::NoName => "the line has no name",
            Self::Number => "the line's number is not a number",
        })
    }
}

/// The accounts of a machine.
#[derive(Debug, Default)]
pub struct Accounts {
    /// The users in file order.
    pub users: Vec<User>,
    /// The groups in file order.
    pub groups: Vec<Group>,
    /// Lines that could not be read.
    pub faults: Vec<AccountFault>,
    /// Files that could not be read, whose content is therefore not known.
    pub problems: Vec<HostError>,
    users_by_name: HashMap<String, usize>,
    users_by_number: HashMap<u32, usize>,
    groups_by_name: HashMap<String, usize>,
    groups_by_number: HashMap<u32, usize>,
    /// For each user, the groups that list the user as a member.
    groups_by_member: HashMap<String, Vec<usize>>,
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group`.
    pub fn load(sources: &Sources) -> Self {
        let mut accounts = Self::default();
        let [passwd, group] = ["/etc/passwd", "/etc/group"].map(|path| {
            sources.load(Path::new(path)).map_err(|error| accounts.problems.push(error)).ok()
        });
        accounts.take(passwd.as_ref(), group.as_ref());
        accounts
    }

    /// Parses the two files.
    pub fn parse(passwd: Option<&Arc<SourceFile>>, group: Option<&Arc<SourceFile>>) -> Self {
        let mut accounts = Self::default();
        accounts.take(passwd, group);
        accounts
    }

    fn take(&mut self, passwd: Option<&Arc<SourceFile>>, group: Option<&Arc<SourceFile>>) {
        for (span, line) in passwd.into_iter().flat_map(|file| lines(file)) {
            match line.and_then(|line| user(line, span)) {
                Ok(user) => self.add_user(user),
                Err(kind) => self.faults.push(AccountFault { kind, span }),
            }
        }
        for (span, line) in group.into_iter().flat_map(|file| lines(file)) {
            match line.and_then(|line| self::group(line, span)) {
                Ok(group) => self.add_group(group),
                Err(kind) => self.faults.push(AccountFault { kind, span }),
            }
        }
    }

    /// Of two lines with the same name or number, the first counts, as in getpwnam(3).
    fn add_user(&mut self, user: User) {
        let index = self.users.len();
        self.users_by_name.entry(user.name.clone()).or_insert(index);
        self.users_by_number.entry(user.uid).or_insert(index);
        self.users.push(user);
    }

    fn add_group(&mut self, group: Group) {
        let index = self.groups.len();
        self.groups_by_name.entry(group.name.clone()).or_insert(index);
        self.groups_by_number.entry(group.gid).or_insert(index);
        for member in &group.members {
            self.groups_by_member.entry(member.clone()).or_default().push(index);
        }
        self.groups.push(group);
    }

    /// A user by name or number, as `User=` takes it.
    pub fn user(&self, name_or_number: &str) -> Option<&User> {
        self.users_by_name
            .get(name_or_number)
            .and_then(|i| self.users.get(*i))
            .or_else(|| self.user_by_number(number(name_or_number)?))
    }

    /// A user by number.
    pub fn user_by_number(&self, uid: u32) -> Option<&User> {
        self.users_by_number.get(&uid).and_then(|i| self.users.get(*i))
    }

    /// A group by name or number, as `Group=` takes it.
    pub fn group(&self, name_or_number: &str) -> Option<&Group> {
        self.groups_by_name
            .get(name_or_number)
            .and_then(|i| self.groups.get(*i))
            .or_else(|| self.group_by_number(number(name_or_number)?))
    }

    /// A group by number.
    pub fn group_by_number(&self, gid: u32) -> Option<&Group> {
        self.groups_by_number.get(&gid).and_then(|i| self.groups.get(*i))
    }

    /// The numbers of a user's groups: the primary one first, then those that list the user as a
    /// member, each once.
    pub fn groups_of(&self, user: &User) -> Vec<u32> {
        let mut numbers = vec![user.gid];
        let mut seen = std::collections::HashSet::from([user.gid]);
        for index in self.groups_by_member.get(&user.name).into_iter().flatten() {
            if let Some(group) = self.groups.get(*index)
                && seen.insert(group.gid)
            {
                numbers.push(group.gid);
            }
        }
        numbers
    }
}

type AccountLine<'f> = (Span, Result<&'f str, AccountFaultKind>);

/// The lines with content. The C library ignores empty lines and comments.
fn lines(file: &SourceFile) -> impl Iterator<Item = AccountLine<'_>> {
    let mut at = 0;
    file.bytes.split(|b| *b == b'\n').filter_map(move |line| {
        let start = at;
        at += line.len() + 1;
        let blank = line.iter().all(u8::is_ascii_whitespace);
        let comment = line.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'#');
        (!blank && !comment).then(|| {
            let span = Span::new(file.id, start, start + line.len());
            (span, std::str::from_utf8(line).map_err(|_| AccountFaultKind::NotUtf8))
        })
    })
}

fn user(line: &str, span: Span) -> Result<User, AccountFaultKind> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
        return Err(AccountFaultKind::Fields);
    };
    Ok(User {
        name: name_of(name)?,
        uid: number(uid).ok_or(AccountFaultKind::Number)?,
        gid: number(gid).ok_or(AccountFaultKind::Number)?,
        home: PathBuf::from(home),
        shell: PathBuf::from(shell.trim_end()),
        span,
    })
}

fn group(line: &str, span: Span) -> Result<Group, AccountFaultKind> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields.as_slice() else {
        return Err(AccountFaultKind::Fields);
    };
    let members = members.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(Group {
        name: name_of(name)?,
        gid: number(gid).ok_or(AccountFaultKind::Number)?,
        members: members.map(str::to_owned).collect(),
        span,
    })
}

fn name_of(field: &str) -> Result<String, AccountFaultKind> {
    let name = field.trim_start();
    if name.is_empty() {
        return Err(AccountFaultKind::NoName);
    }
    Ok(name.to_owned())
}

/// A number as the C library reads it: decimal digits alone. The highest number means "no user".
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number != u32::MAX)
}
