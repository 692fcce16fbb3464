//! Turns a rule's edits into bytes: which file, which range, which replacement.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::text::{Splice, begins_line, indentation, line_after, without_statement, without_word};
use super::unit::{self, Placing};
use super::{Placement, nginx, setting, spell, text};
use crate::facts::Deployment;
use crate::host::{FileKind, Host, Outcome, OverlayHost};
use crate::rule::Edit;
use crate::source::unit::{Unit, UnitName};
use crate::source::{FileId, Sources, Span};

/// One change of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Replaces bytes in a file.
    Splice {
        /// The file, with links resolved.
        path: PathBuf,
        /// The replacement.
        splice: Splice,
    },
    /// Sets permission bits.
    Mode {
        /// The file or directory, with links resolved.
        path: PathBuf,
        /// The new bits.
        mode: u32,
    },
}

impl Step {
    pub fn path(&self) -> &Path {
        match self {
            Self::Splice { path, .. } | Self::Mode { path, .. } => path,
        }
    }

    /// Whether both steps can be made in one round.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Splice { path, splice }, Self::Splice { path: second, splice: others }) => {
                path != second || splice.agrees(others)
            }
            (Self::Mode { path, mode }, Self::Mode { path: second, mode: others }) => {
                path != second || mode == others
            }
            _ => true,
        }
    }
}

/// The files that the steps change, if there are any and all steps change the text of a file.
pub(super) fn texts(steps: &[Step]) -> Option<BTreeSet<&Path>> {
    let text = |step| matches!(step, &Step::Splice { .. });
    let all = !steps.is_empty() && steps.iter().all(text);
    all.then(|| steps.iter().map(Step::path).collect())
}

/// What is known about the unit files, apart from their bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The files of units: for a fragment, where its drop-ins go; for a drop-in, nothing.
    pub units: BTreeMap<PathBuf, Option<Placing>>,
    /// The files shared by all instances of a template, each with the instances that were read.
    pub templates: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Places {
    /// Every unit file of a deployment, by its path with links resolved.
    pub fn of(deployment: &Deployment, overlay: &OverlayHost, repository: bool) -> Self {
        let (mut units, mut templates) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for unit in units_of(deployment) {
            if let Some(instance) = unit.name.instance() {
                for file in unit.files().map(|file| overlay.resolve(&file.file.path)) {
                    if is_templates(&file) {
                        templates.entry(file).or_default().insert(instance.to_owned());
                    }
                }
            }
            for drop_in in &unit.drop_ins {
                units.entry(overlay.resolve(&drop_in.file.path)).or_insert(None);
            }
            if let Some(fragment) = &unit.fragment {
                units.insert(overlay.resolve(&fragment.file.path), unit::placing(unit, repository));
            }
        }
        Self { units, templates }
    }

    /// The instance whose name a change would write into a template's file, and so into all other
    /// instances.
    fn instance_in(&self, step: &Step) -> Option<&str> {
        let Step::Splice { path, splice } = step else { return None };
        let instances = self.templates.get(path)?;
        let named = |instance: &&String| has_word(&splice.with, instance.as_bytes());
        instances.iter().find(named).map(String::as_str)
    }
}

/// Whether it is a template's own file or drop-in: `app@.service`, `app@.service.d/10.conf`.
fn is_templates(path: &Path) -> bool {
    let unit = |name: &OsStr| {
        let name = name.to_str()?;
        UnitName::parse(name.strip_suffix(".d").unwrap_or(name))
    };
    path.iter().rev().take(2).filter_map(unit).any(|name| name.is_template())
}

/// Whether the text contains the word on its own: `blue` in `/srv/blue/current`, not in
/// `blueprint`.
fn has_word(text: &[u8], word: &[u8]) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    memchr::memmem::find_iter(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        !part(before) && !part(text.get(at + word.len()))
    })
}

fn units_of(deployment: &Deployment) -> impl Iterator<Item = &Unit> {
    deployment
        .apps
        .iter()
        .flat_map(|app| std::iter::once(&app.service.unit).chain(&app.service.sockets))
}

/// Turns edits into steps.
pub(super) struct Resolver<'a, 'h> {
    pub sources: &'a Sources<'h>,
    pub overlay: &'a OverlayHost<'h>,
    pub deployment: &'a Deployment,
    pub places: &'a Places,
    pub placement: Placement,
    /// Whether these are files of a repository, none of which belongs to a package.
    pub repository: bool,
}

impl Resolver<'_, '_> {
    /// All steps of a fix, or why it cannot be made.
    pub fn steps(&self, edits: &[Edit]) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        for edit in edits {
            for step in self.one(edit)? {
                if steps.iter().any(|other: &Step| !other.agrees(&step)) {
                    return Err("its own changes overlap".to_owned());
                }
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
        }
        for step in &steps {
            self.allowed(step)?;
        }
        Ok(steps)
    }

    fn one(&self, edit: &Edit) -> Result<Vec<Step>, String> {
        match edit {
            Edit::Replace { at, with } => {
                self.splice(*at, |_, range| Ok(Splice::new(range, with.as_str())))
            }
            Edit::Remove { at } => {
                self.splice(*at, |bytes, range| Ok(without_statement(bytes, range)))
            }
            Edit::RemoveWord { at } => {
                self.splice(*at, |bytes, range| Ok(without_word(bytes, range)))
            }
            Edit::Before { at, line } => {
                self.splice(*at, |bytes, range| Ok(text::before(bytes, range.start, line)))
            }
            Edit::After { at, line } => self.splice(*at, |bytes, range| {
                if !begins_line(bytes, range.start) {
                    return Err("something else is before it on its line".to_owned());
                }
                let indentation = indentation(bytes, range.start).to_vec();
                Ok(line_after(bytes, range.end, &indentation, line))
            }),
            Edit::Insert { block, after, line } => {
                if after.is_some_and(|after| after.file != block.file) {
                    return Err("the place is in another file".to_owned());
                }
                let after = after.map(range);
                self.splice(*block, |bytes, range| nginx::insert(bytes, range, after, line))
            }
            Edit::Lift { statement, text } => self.lift(*statement, *text),
            Edit::Setting { name, to, at } => {
                self.splice(at.span(), |bytes, _| setting::changed(bytes, name, to, at))
            }
            Edit::Variable { to, at, .. } | Edit::Socket { to, at, .. } | Edit::Word { to, at } => {
                self.splice(at.span, |_, range| Ok(Splice::new(range, spell::spelt(to, at)?)))
            }
            Edit::Split { left, right, key } => self.splice(*left, |bytes, range| {
                let with = format!("{}{key}=", text::newline(bytes, range.end));
                Ok(Splice::new(range.end..right.start as usize, with))
            }),
            Edit::Set { unit, section, key, value } => self.set(unit, section, key, value),
            Edit::Mode { path, mode } => {
                let lookup = self.overlay.look(path);
                match lookup.outcome {
                    Outcome::Present(metadata)
                        if matches!(metadata.kind, FileKind::File | FileKind::Directory) =>
                    {
                        Ok(vec![Step::Mode { path: lookup.resolved, mode: *mode }])
                    }
                    Outcome::Present(metadata) => {
                        Err(format!("{} is {}", path.display(), metadata.kind))
                    }
                    _ => Err(format!("{} does not exist", path.display())),
                }
            }
        }
    }

    fn set(&self, name: &str, section: &str, key: &str, value: &str) -> Result<Vec<Step>, String> {
        let unit = units_of(self.deployment).find(|unit| unit.name.to_string() == name);
        let unit = unit.ok_or_else(|| format!("{name} was not read"))?;
        let splices = unit::set(unit, section, key, value)?;
        splices.into_iter().map(|(file, splice)| self.step(file, splice)).collect()
    }

    fn lift(&self, statement: Span, text: Span) -> Result<Vec<Step>, String> {
        if statement.file != text.file {
            return Err("the place is in another file".to_owned());
        }
        let file = self.sources.file(text.file);
        let line = std::str::from_utf8(file.slice(text)).map_err(|error| error.to_string())?;
        let above = text::before(
            &file.bytes,
            statement.start as usize,
            line.trim_end_matches([' ', '\t', '\r']),
        );
        let gone = text::without_end(&file.bytes, range(text));
        Ok(vec![self.step(text.file, above)?, self.step(text.file, gone)?])
    }

    fn splice(
        &self,
        at: Span,
        make: impl FnOnce(&[u8], Range<usize>) -> Result<Splice, String>,
    ) -> Result<Vec<Step>, String> {
        let file = self.sources.file(at.file);
        let splice = make(&file.bytes, range(at))?;
        Ok(vec![self.step(at.file, splice)?])
    }

    fn step(&self, file: FileId, splice: Splice) -> Result<Step, String> {
        let path = self.sources.file(file).path.clone();
        let lookup = self.overlay.look(&path);
        match lookup.outcome {
            Outcome::Present(metadata) if metadata.kind == FileKind::File => {
                Ok(Step::Splice { path: lookup.resolved, splice })
            }
            _ => Err(format!("{} is not a file", path.display())),
        }
    }

    /// Whether the path may be changed at all, in place or by a drop-in.
    fn allowed(&self, step: &Step) -> Result<(), String> {
        let path = step.path();
        if let Some(instance) = self.places.instance_in(step) {
            return Err(format!(
                "{} is shared by all instances, and this change is right only for {instance}",
                path.display()
            ));
        }
        let by_drop_in = matches!(self.places.units.get(path), Some(Some(_)))
            && self.placement != Placement::InPlace;
        if self.repository || by_drop_in || !is_packaged(path) {
            return Ok(());
        }
        Err(format!("{} belongs to a package or is recreated at each boot", path.display()))
    }
}

/// Whether a package or the running system owns the path, so that an upgrade or a boot would undo a
/// change.
pub(super) fn is_packaged(path: &Path) -> bool {
    ["/usr", "/lib", "/lib64", "/run", "/bin", "/sbin"].iter().any(|top| path.starts_with(top))
        && !path.starts_with("/usr/local")
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}
