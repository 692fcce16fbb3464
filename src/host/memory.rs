//! A file tree in memory, which the rules' examples and the tests use.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::ahead::Ahead;
use super::{
    Command, FileKind, Host, HostError, HostErrorKind, HttpAnswer, HttpError, HttpRequest, Import,
    LINK_LIMIT, LinkHop, Lookup, Metadata, Outcome, Output, Room, RunError, Step,
};

#[derive(Debug, Clone)]
struct MemoryNode {
    metadata: Metadata,
    content: Vec<u8>,
}

/// A file tree built in memory. Parent directories of an entry are created automatically, owned by
/// root with mode 0755.
#[derive(Debug, Clone)]
pub struct MemoryHost {
    nodes: BTreeMap<PathBuf, MemoryNode>,
    commands: Vec<(String, Result<Output, RunError>)>,
    imported: Option<Result<Output, RunError>>,
    answers: Vec<(String, Result<HttpAnswer, HttpError>)>,
    bound: BTreeMap<PathBuf, Vec<(u64, Option<bool>)>>,
    rooms: BTreeMap<PathBuf, Room>,
}

impl Default for MemoryHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHost {
    /// A tree that contains only `/`.
    pub fn new() -> Self {
        let mut host = Self {
            nodes: BTreeMap::new(),
            commands: Vec::new(),
            imported: None,
            answers: Vec::new(),
            bound: BTreeMap::new(),
            rooms: BTreeMap::new(),
        };
        host.put("/", FileKind::Directory, 0o755, Vec::new());
        host
    }

    fn put(&mut self, path: impl AsRef<Path>, kind: FileKind, mode: u32, content: Vec<u8>) {
        let path = path.as_ref();
        if let Some(parent) = path.parent()
            && !self.nodes.contains_key(parent)
        {
            self.put(parent, FileKind::Directory, 0o755, Vec::new());
        }
        let size = content.len() as u64;
        // No two entries have the same time.
        let mtime_nanos = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let metadata = Metadata { kind, mode, uid: 0, gid: 0, size, mtime: 0, mtime_nanos };
        self.nodes.insert(path.into(), MemoryNode { metadata, content });
    }

    /// Adds a file of mode 0644 owned by root.
    pub fn file(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> &mut Self {
        self.put(path, FileKind::File, 0o644, content.into());
        self
    }

    /// Adds a directory of mode 0755 owned by root.
    pub fn directory(&mut self, path: impl AsRef<Path>) -> &mut Self {
        self.put(path, FileKind::Directory, 0o755, Vec::new());
        self
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &mut Self {
        let target = target.as_ref().as_os_str().as_bytes().to_vec();
        self.put(path, FileKind::Link, 0o777, target);
        self
    }

    /// Adds something that is neither file, directory nor link.
    pub fn special(&mut self, path: impl AsRef<Path>, kind: FileKind) -> &mut Self {
        self.put(path, kind, 0o666, Vec::new());
        self
    }

    /// Removes an entry, with everything below it.
    pub fn remove(&mut self, path: impl AsRef<Path>) -> &mut Self {
        self.nodes.retain(|entry, _| !entry.starts_with(path.as_ref()));
        self
    }

    /// Whether there is an entry at exactly this path.
    pub fn contains(&self, path: impl AsRef<Path>) -> bool {
        self.nodes.contains_key(path.as_ref())
    }

    /// Sets the mode and owner of an existing entry.
    pub fn own(&mut self, path: impl AsRef<Path>, mode: u32, uid: u32, gid: u32) -> &mut Self {
        if let Some(node) = self.nodes.get_mut(path.as_ref()) {
            node.metadata = Metadata { mode, uid, gid, ..node.metadata };
        }
        self
    }

    /// Sets the answer of commands whose line begins with these words (`systemctl show`). The last
    /// matching answer counts.
    pub fn command(
        &mut self,
        line: impl Into<String>,
        answer: Result<Output, RunError>,
    ) -> &mut Self {
        self.commands.push((line.into(), answer));
        self
    }

    /// Sets the answer of importing the application.
    pub fn imports(&mut self, answer: Result<Output, RunError>) -> &mut Self {
        self.imported = Some(answer);
        self
    }

    /// Sets the response to a request: `target` is `unix:/path` or `host:port`, optionally with a
    /// space and the request's path after it.
    pub fn answer(
        &mut self,
        target: impl Into<String>,
        answer: Result<HttpAnswer, HttpError>,
    ) -> &mut Self {
        self.answers.push((target.into(), answer));
        self
    }

    /// Sets, for the listening sockets, whether each is bound to the file at this path.
    pub fn binds(&mut self, path: impl AsRef<Path>, told: &[(u64, Option<bool>)]) -> &mut Self {
        self.bound.insert(path.as_ref().into(), told.to_vec());
        self
    }

    /// Sets how much space is free at this path and below.
    pub fn has_room(&mut self, path: impl AsRef<Path>, room: Room) -> &mut Self {
        self.rooms.insert(path.as_ref().into(), room);
        self
    }

    /// Sets the time of the last change of an existing entry; for a link, that of the link itself.
    pub fn touch(&mut self, path: impl AsRef<Path>, mtime: i64) -> &mut Self {
        if let Some(node) = self.nodes.get_mut(path.as_ref()) {
            node.metadata.mtime = mtime;
            node.metadata.mtime_nanos = 0;
        }
        self
    }

    fn walk(&self, path: &Path, follow_last: bool) -> Lookup {
        let mut lookup = Lookup {
            path: path.into(),
            resolved: PathBuf::from("/"),
            links: Vec::new(),
            steps: Vec::new(),
            outcome: Outcome::Missing { at: path.into() },
        };
        let mut ahead = Ahead::new(path);
        while let Some(name) = ahead.next() {
            if name == ".." {
                lookup.resolved.pop();
                lookup.steps.pop();
                continue;
            }
            let Some(here) = self.nodes.get(&lookup.resolved) else {
                return lookup;
            };
            if here.metadata.kind != FileKind::Directory {
                lookup.outcome = fail(path, HostErrorKind::NotADirectory);
                return lookup;
            }
            let step = Step { path: lookup.resolved.clone(), metadata: here.metadata };
            let next = lookup.resolved.join(name);
            let Some(found) = self.nodes.get(&next) else {
                lookup.steps.push(step);
                lookup.outcome = Outcome::Missing { at: next.clone() };
                lookup.resolved = next;
                ahead.append_to(&mut lookup.resolved);
                return lookup;
            };
            if found.metadata.kind == FileKind::Link && (follow_last || !ahead.is_empty()) {
                if lookup.links.len() == LINK_LIMIT {
                    lookup.outcome = fail(path, HostErrorKind::LinkLoop);
                    return lookup;
                }
                let target = PathBuf::from(std::ffi::OsStr::from_bytes(&found.content));
                if target.is_absolute() {
                    lookup.steps.clear();
                    lookup.resolved = PathBuf::from("/");
                }
                ahead.first(&target);
                lookup.links.push(LinkHop { link: next, target });
                continue;
            }
            lookup.steps.push(step);
            lookup.resolved = next;
        }
        if let Some(node) = self.nodes.get(&lookup.resolved) {
            lookup.outcome = Outcome::Present(node.metadata);
        }
        lookup
    }

    fn node(&self, path: &Path, follow_last: bool) -> Result<&MemoryNode, HostError> {
        let lookup = self.walk(path, follow_last);
        match lookup.outcome {
            Outcome::Present(_) => self.nodes.get(&lookup.resolved),
            Outcome::Missing { .. } => None,
            Outcome::Failed(error) => return Err(error),
        }
        .ok_or_else(|| HostError { path: path.into(), kind: HostErrorKind::NotFound })
    }
}

impl Host for MemoryHost {
    fn look(&self, path: &Path) -> Lookup {
        self.walk(path, true)
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        self.node(path, false).map(|node| node.metadata)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let node = self.node(path, true)?;
        let fail = |kind| HostError { path: path.into(), kind };
        if node.metadata.kind != FileKind::File {
            return Err(fail(HostErrorKind::NotAFile(node.metadata.kind)));
        }
        if node.metadata.size > limit {
            return Err(fail(HostErrorKind::TooLarge { size: node.metadata.size, limit }));
        }
        Ok(node.content.clone())
    }

    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let line = command.to_string();
        let said = self.commands.iter().rev().find(|(start, _)| line.starts_with(start.as_str()));
        said.map_or(Err(RunError::NotHere), |(_, answer)| answer.clone())
    }

    fn import(&self, _import: &Import) -> Result<Output, RunError> {
        self.imported.clone().unwrap_or(Err(RunError::NotHere))
    }

    fn bound(&self, path: &Path, _networks: &[u32]) -> Result<Vec<(u64, Option<bool>)>, HostError> {
        let fail = || HostError { path: path.into(), kind: HostErrorKind::NotGiven };
        self.bound.get(path).cloned().ok_or_else(fail)
    }

    fn room(&self, path: &Path) -> Result<Room, HostError> {
        let resolved = self.look(path).resolved;
        let found = resolved.ancestors().find_map(|above| self.rooms.get(above));
        let fail = || HostError { path: path.into(), kind: HostErrorKind::NotGiven };
        found.copied().ok_or_else(fail)
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        let target = request.target.to_string();
        let line = format!("{target} {}", request.path);
        let mut said = self.answers.iter().rev();
        let said = said.find(|(to, _)| *to == target || *to == line);
        said.map_or(Err(HttpError::NotHere), |(_, answer)| answer.clone())
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        let node = self.node(path, false)?;
        if node.metadata.kind != FileKind::Link {
            let kind = HostErrorKind::Other("is not a link".into());
            return Err(HostError { path: path.into(), kind });
        }
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&node.content)))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        let node = self.node(path, true)?;
        if node.metadata.kind != FileKind::Directory {
            return Err(HostError { path: path.into(), kind: HostErrorKind::NotADirectory });
        }
        let resolved = self.walk(path, true).resolved;
        let mut names: Vec<OsString> = self
            .nodes
            .range(resolved.clone()..)
            .skip(1)
            .take_while(|(entry, _)| entry.starts_with(&resolved))
            .filter(|(entry, _)| entry.parent() == Some(&resolved))
            .filter_map(|(entry, _)| entry.file_name().map(ToOwned::to_owned))
            .collect();
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        Ok(names)
    }
}

fn fail(path: &Path, kind: HostErrorKind) -> Outcome {
    Outcome::Failed(HostError { path: path.into(), kind })
}
