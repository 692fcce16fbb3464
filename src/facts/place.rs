//! A path of the deployment: what is there, through which links, and who has access to it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Known, Origin, Why};
pub use crate::host::tidy;
use crate::host::{FileKind, Host, HostErrorKind, LinkHop, Metadata, Outcome, Step};

/// A user that a process runs as, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The name, or the number as it was written.
    pub name: String,
    /// The number; unknown where /etc/passwd was not read or does not list the name.
    pub uid: Option<u32>,
    /// The primary and supplementary groups; unknown where /etc/group was not read.
    pub groups: Option<Vec<u32>>,
}

impl Identity {
    /// The superuser, whom no mode stops.
    pub fn root() -> Self {
        Self { name: "root".into(), uid: Some(0), groups: Some(vec![0]) }
    }

    /// Is this the superuser?
    pub fn is_root(&self) -> bool {
        self.uid == Some(0) || (self.uid.is_none() && self.name == "root")
    }

    /// May this user do this with what has this mode and belongs to this user and group?
    pub fn may(&self, want: Want, mode: u32, uid: u32, gid: u32) -> Result<bool, Why> {
        let [user, group, others] = [6, 3, 0].map(|shift| mode & (want.bit() << shift) != 0);
        match self.uid {
            Some(own) if own == uid => return Ok(user),
            // A user without an entry in /etc/passwd is at least not the superuser.
            None if uid != 0 && user != others => {
                return Err(Why::not_read(format!("the uid of user {} is not known", self.name)));
            }
            _ => {}
        }
        match &self.groups {
            Some(groups) if groups.contains(&gid) => Ok(group),
            None if gid != 0 && group != others => {
                Err(Why::not_read(format!("the groups of user {} are not known", self.name)))
            }
            _ => Ok(others),
        }
    }
}

/// What one wants of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Read its content.
    Read,
    /// Change its content, or create names in it.
    Write,
    /// Execute it, or pass through it.
    Execute,
}

impl Want {
    /// Its bit among those for others.
    fn bit(self) -> u32 {
        match self {
            Self::Read => 0o4,
            Self::Write => 0o2,
            Self::Execute => 0o1,
        }
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something is there.
    Present(Metadata),
    /// Nothing is there, from this component on.
    Missing {
        /// The first missing component.
        at: PathBuf,
        /// The link whose target is missing, where a link led there.
        link: Option<LinkHop>,
    },
    /// A component in the middle is not a directory, or the links form a cycle.
    Broken {
        /// In the operating system's words.
        reason: String,
    },
}

/// A path of the deployment, walked to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path as the deployment writes it, absolute.
    pub path: PathBuf,
    /// What is there.
    pub state: Known<State>,
    /// The path free of links, as far as it leads.
    pub resolved: PathBuf,
    /// The links crossed, in order.
    pub links: Vec<LinkHop>,
    /// The directories crossed.
    pub steps: Vec<Step>,
    /// Whether the owners and modes are those of the deployment. They are not in a tree that an
    /// ordinary user checked out.
    pub owners_known: bool,
}

impl Place {
    /// Looks at a path through the host.
    pub fn look(host: &dyn Host, path: &Path, owners_known: bool) -> Self {
        let lookup = host.look(path);
        let state = match &lookup.outcome {
            Outcome::Present(metadata) => {
                Known::Value(State::Present(*metadata), Origin::Path(path.into()))
            }
            Outcome::Missing { at } => {
                // The last link crossed is to blame when the missing part is behind it.
                let link = lookup.links.last().filter(|hop| behind(hop, at)).cloned();
                Known::Value(State::Missing { at: at.clone(), link }, Origin::Path(path.into()))
            }
            Outcome::Failed(error) => match &error.kind {
                HostErrorKind::NotADirectory | HostErrorKind::LinkLoop => Known::Value(
                    State::Broken { reason: error.kind.to_string() },
                    Origin::Path(path.into()),
                ),
                HostErrorKind::NotGiven => Known::Unknown(Why::not_read(format!(
                    "{} is not among the files given",
                    path.display()
                ))),
                HostErrorKind::NotSeen(why) => Known::Unknown(Why::depends(why.clone())),
                _ => Known::Unknown(Why::not_read(format!("{}: {}", path.display(), error.kind))),
            },
        };
        Self {
            path: path.into(),
            state,
            resolved: lookup.resolved,
            links: lookup.links,
            steps: lookup.steps,
            owners_known,
        }
    }

    /// The metadata where something is there.
    pub fn metadata(&self) -> Option<&Metadata> {
        match self.state.ok() {
            Some(State::Present(metadata)) => Some(metadata),
            _ => None,
        }
    }

    /// Is something of this kind there?
    pub fn is(&self, kind: FileKind) -> Result<bool, Why> {
        Ok(matches!(self.state.get()?, State::Present(metadata) if metadata.kind == kind))
    }

    /// Is it certainly not there? A tree without `/srv` says nothing of what is in it.
    pub fn is_missing(&self) -> Result<bool, Why> {
        let top = Path::new("/");
        Ok(match self.state.get()? {
            State::Missing { at, .. } => *at == self.path || at.parent() != Some(top),
            _ => false,
        })
    }

    /// Is anything there?
    pub fn exists(&self) -> Result<bool, Why> {
        Ok(matches!(self.state.get()?, State::Present(_)))
    }

    /// The first directory on the way that this user cannot pass through; none when the way is
    /// free. (POSIX permission bits; access control lists only ever add rights or are not read.)
    pub fn blocked_at(&self, who: &Identity) -> Result<Option<&Step>, Why> {
        for step in &self.steps {
            if !self.allows(&step.metadata, who, Want::Execute)? {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// May this user do this with what is at the path? The way there must be free, too.
    pub fn accessible(&self, who: &Identity, want: Want) -> Result<bool, Why> {
        let State::Present(metadata) = self.state.get()? else { return Ok(false) };
        if self.blocked_at(who)?.is_some() {
            return Ok(false);
        }
        self.allows(metadata, who, want)
    }

    fn allows(&self, metadata: &Metadata, who: &Identity, want: Want) -> Result<bool, Why> {
        if who.is_root() {
            // Root passes everything but the execution of a file that nobody may execute.
            return Ok(want != Want::Execute
                || metadata.kind == FileKind::Directory
                || metadata.mode & 0o111 != 0);
        }
        let [user, group, others] =
            [6, 3, 0].map(|shift| metadata.mode & (want.bit() << shift) != 0);
        if user == group && group == others {
            return Ok(others);
        }
        if !self.owners_known {
            return Err(Why::not_read(format!(
                "the owners under {} are not the deployment's",
                self.path.display()
            )));
        }
        who.may(want, metadata.mode, metadata.uid, metadata.gid)
    }
}

/// Is the missing component what this link points to, or on the way there? Where the target is there
/// and something below it is missing (`/bin` is a link, `/bin/kill` is not there), the link is fine.
fn behind(hop: &LinkHop, missing: &Path) -> bool {
    let target = if hop.target.is_absolute() {
        hop.target.clone()
    } else {
        hop.link.parent().unwrap_or(Path::new("/")).join(&hop.target)
    };
    tidy(&target).starts_with(missing)
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut place = serializer.serialize_struct("Place", 4)?;
        place.serialize_field("path", &self.path.to_string_lossy())?;
        place.serialize_field("state", &self.state)?;
        place.serialize_field("resolved", &self.resolved.to_string_lossy())?;
        place.serialize_field("links", &self.links)?;
        place.end()
    }
}
