//! Changes to units: where a setting goes in a file, and how a change to a fragment becomes a
//! drop-in.
//!
//! systemd.unit(5): drop-ins are read after the fragment, in the order of their names; an empty
//! assignment clears what a list contained before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::text::{Splice, line_after, newline};
use crate::source::unit::known::SettingLookup;
use crate::source::unit::{
    Assignment, Specifiers, Unit, UnitFile, UnitName, commands, known, syntax,
};
use crate::source::{FileId, SourceFile};

/// The name of the drop-in with this program's changes.
pub(super) const DROP_IN: &str = "50-deploy-doctor.conf";

/// The splices and the files that they go into.
pub(super) type FileSplices = Vec<(FileId, Splice)>;

/// Gives a setting one value: in place of the assignment that decides it now, otherwise as a new
/// line.
pub(super) fn set(
    unit: &Unit,
    section: &str,
    key: &str,
    value: &str,
) -> Result<FileSplices, String> {
    let line = format!("{key}={value}");
    let all = unit.all(section, key);
    let effective = match known::is_list(section, key) {
        true => unit.list(section, key),
        false => all.last().copied().into_iter().collect(),
    };
    if let [first, others @ ..] = effective.as_slice() {
        let mut splices = vec![(first.key.span.file, replaced(first, value))];
        for other in others {
            let bytes = bytes_of(unit, other).ok_or("the unit's file is gone")?;
            let span = other.span;
            let at = span.start as usize..span.end as usize;
            splices.push((span.file, super::text::without_statement(bytes, at)));
        }
        return Ok(splices);
    }
    // The list was reset: the line must come after the reset, or it would be reset too.
    if let Some(reset) = all.last() {
        let bytes = bytes_of(unit, reset).ok_or("the unit's file is gone")?;
        let splice = line_after(bytes, reset.span.end as usize, b"", &line);
        return Ok(vec![(reset.span.file, slotted(splice, key))]);
    }
    let file = unit.fragment.as_ref().ok_or("the unit has no file of its own")?;
    let splice = added(file, section, key, &line)?;
    Ok(vec![(file.file.id, slotted(splice, key))])
}

fn slotted(splice: Splice, key: &str) -> Splice {
    Splice { slot: Some(key.to_owned()), ..splice }
}

fn bytes_of<'a>(unit: &'a Unit, assignment: &Assignment) -> Option<&'a [u8]> {
    let file = unit.files().find(|file| file.file.id == assignment.span.file)?;
    Some(&file.file.bytes)
}

fn replaced(assignment: &Assignment, value: &str) -> Splice {
    let span = assignment.value.span();
    // An empty value is at the end of the line.
    Splice::new(span.start as usize..span.end as usize, value)
}

/// Inserts a new line in a section: after the setting that customarily precedes it, or after the
/// section's header.
fn added(file: &UnitFile, section: &str, key: &str, line: &str) -> Result<Splice, String> {
    let bytes = &file.file.bytes;
    let rank = |key: &str| known::find(section, key).and_then(|setting| setting.order());
    let own = rank(key).unwrap_or(usize::MAX);
    let inside = file.assignments.iter().filter(|a| *a.section == *section);
    let neighbour = inside
        .enumerate()
        .filter_map(|(at, a)| {
            let rank = match own {
                usize::MAX => Some(0),
                _ => rank(&a.key.value).filter(|rank| *rank <= own),
            };
            rank.map(|rank| ((rank, at), a))
        })
        .max_by_key(|(order, _)| *order)
        .map(|(_, a)| a.span.end);
    let header = file.sections.iter().rev().find(|header| header.value == section);
    let at = neighbour
        .or_else(|| header.map(|header| header.span.end))
        .ok_or_else(|| format!("there is no section [{section}]"))?;
    Ok(line_after(bytes, at as usize, b"", line))
}

/// Where changes to a unit are written, by path.
#[derive(Debug, Clone)]
pub(super) struct Placing {
    /// The directory of this machine's drop-ins for the unit.
    pub directory: PathBuf,
    /// The unit's drop-ins, in the order in which they apply, by path with links resolved.
    pub drop_ins: Vec<PathBuf>,
}

/// The unit's drop-ins that were read, and where a new one would go.
pub(super) fn placing(unit: &Unit, repository: bool) -> Option<Placing> {
    let fragment = unit.fragment.as_ref()?;
    let drop_ins = unit.drop_ins.iter().map(|file| file.file.path.clone()).collect();
    if repository {
        let mut directory = fragment.file.path.clone().into_os_string();
        directory.push(".d");
        return Some(Placing { directory: directory.into(), drop_ins });
    }
    let name = match fragment.file.path.file_name() {
        Some(file) if unit.name.instance().is_some() => file.to_string_lossy().into_owned(),
        _ => unit.name.to_string(),
    };
    let directory = Path::new("/etc/systemd/system").join(format!("{name}.d"));
    Some(Placing { directory, drop_ins })
}

/// A setting that a drop-in would have to change.
type UnitSetting = (Arc<str>, String);

fn parsed(bytes: &[u8]) -> UnitFile {
    syntax::parse(Arc::new(SourceFile::new(FileId(0), "unit", bytes)))
}

/// The values of a setting as written, including continuations.
fn written(file: &UnitFile, setting: &UnitSetting) -> Vec<Vec<u8>> {
    file.all(&setting.0, &setting.1).map(|a| file.file.slice(a.value.span()).to_vec()).collect()
}

fn raw(file: &UnitFile, assignment: &Assignment) -> Vec<u8> {
    file.file.slice(assignment.value.span()).to_vec()
}

/// Whether systemd refuses or ignores the command line: it would complain about the file even with
/// a drop-in.
fn is_refused(assignment: &Assignment) -> bool {
    let name = UnitName::parse("any.service");
    let specifiers = name.map(Specifiers::new);
    let commands = specifiers.map(|specifiers| commands(&assignment.value, &specifiers));
    assignment.key.value.starts_with("Exec") && matches!(commands, Some(Err(_)))
}

/// The lines of a drop-in that turn `before` into `after`, in the order of `after`.
///
/// `drop_ins` are those that apply earlier. Fails with the reason if a drop-in cannot express the
/// change.
pub(super) fn as_drop_in(
    before: &[u8],
    after: &[u8],
    drop_ins: &[Vec<u8>],
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let (before, after) = (parsed(before), parsed(after));
    if let Some(fault) = before.fatal() {
        return Err(format!(
            "a drop-in cannot repair text that systemd cannot read: {:?}",
            fault.kind
        ));
    }
    if before.faults.len() > after.faults.len() {
        return Err("a drop-in cannot repair a line that systemd reads differently".to_owned());
    }
    let drop_ins: Vec<UnitFile> = drop_ins.iter().map(|bytes| parsed(bytes)).collect();
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    let settings = after.assignments.iter().chain(&before.assignments);
    for setting in settings.map(|a| (Arc::clone(&a.section), a.key.value.clone())) {
        if !seen.insert(setting.clone()) || written(&before, &setting) == written(&after, &setting)
        {
            continue;
        }
        lines.extend(
            setting_lines(&before, &after, &drop_ins, &setting)?
                .into_iter()
                .map(|line| (setting.0.to_string(), line)),
        );
    }
    match lines.is_empty() {
        true => Err("the change is not a setting, so no drop-in can make it".to_owned()),
        false => Ok(lines),
    }
}

fn setting_lines(
    before: &UnitFile,
    after: &UnitFile,
    drop_ins: &[UnitFile],
    setting: &UnitSetting,
) -> Result<Vec<Vec<u8>>, String> {
    let (section, key) = (&*setting.0, setting.1.as_str());
    if section == "Install" {
        return Err("systemd reads [Install] only in the unit's own file".to_owned());
    }
    let line = |value: &[u8]| [key.as_bytes(), b"=", value].concat();
    let now = written(after, setting);
    if !known::is_list(section, key) {
        return match now.last() {
            Some(value) => Ok(vec![line(value)]),
            None if !matches!(known::lookup(section, key), SettingLookup::Known(_)) => {
                Err(format!("systemd ignores {key}= until it is gone from the file"))
            }
            None if known::empty_resets(section, key) => Ok(vec![line(b"")]),
            None => Err(format!("a drop-in cannot undo {key}=")),
        };
    }
    let old = written(before, setting);
    if before.all(section, key).any(|a| is_refused(a) && !now.contains(&raw(before, a))) {
        return Err(format!("systemd does not accept {key}= until it is repaired in the file"));
    }
    if let Some(added) = now.strip_prefix(old.as_slice())
        && added.iter().all(|value| !value.is_empty())
    {
        return Ok(added.iter().map(|value| line(value)).collect());
    }
    if !known::empty_resets(section, key) {
        return Err(format!("a drop-in cannot undo {key}="));
    }
    let mut list = Vec::new();
    let later = drop_ins.iter().flat_map(|file| written(file, setting));
    for value in now.into_iter().chain(later) {
        match value.is_empty() {
            true => list.clear(),
            false => list.push(line(&value)),
        }
    }
    Ok(std::iter::once(line(b"")).chain(list).collect())
}

/// A drop-in with additional lines: the old one extended, or a new file.
pub(super) fn with_lines(old: Option<&[u8]>, lines: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = old.unwrap_or_default().to_vec();
    let mut sections: Vec<&str> = Vec::new();
    for (section, _) in lines {
        if !sections.contains(&section.as_str()) {
            sections.push(section);
        }
    }
    for section in sections {
        let own = lines.iter().filter(|(of, _)| of == section).map(|(_, line)| line);
        let end = newline(&out, 0);
        let text: Vec<u8> = own.flat_map(|line| line.iter().copied().chain(end.bytes())).collect();
        let at = section_end(&out, section);
        match at {
            Some(at) => drop(out.splice(at..at, text)),
            None => {
                if !out.is_empty() {
                    if out.last() != Some(&b'\n') {
                        out.extend_from_slice(end.as_bytes());
                    }
                    out.extend_from_slice(end.as_bytes());
                }
                out.extend_from_slice(format!("[{section}]{end}").as_bytes());
                out.extend(text);
            }
        }
    }
    out
}

/// Where a line at the end of a section goes: after its last assignment or its header.
fn section_end(bytes: &[u8], section: &str) -> Option<usize> {
    let file = parsed(bytes);
    let header = file.sections.iter().rev().find(|header| header.value == section)?;
    let last = file.assignments.iter().rev().find(|a| *a.section == *section);
    let at = last.map_or(header.span.end, |a| a.span.end.max(header.span.end)) as usize;
    let rest = bytes.get(at..)?;
    rest.iter().position(|b| *b == b'\n').map(|newline| at + newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(before: &str, after: &str) -> Result<String, String> {
        let lines = as_drop_in(before.as_bytes(), after.as_bytes(), &[])?;
        Ok(String::from_utf8_lossy(&with_lines(None, &lines)).into_owned())
    }

    #[test]
    fn a_drop_in_says_what_changes() {
        let before = "[Service]\nExecStart=/a\nKillMode=none\n";
        let after = "[Service]\nExecStart=/b\nKillMode=mixed\nUser=c\n";
        let wanted = "[Service]\nExecStart=\nExecStart=/b\nKillMode=mixed\nUser=c\n";
        assert_eq!(said(before, after).as_deref(), Ok(wanted));
    }

    #[test]
    fn what_a_file_goes_on_to_be_blamed_for_no_drop_in_mends() {
        for (before, after) in [
            // The misspelt name stays, and so does systemd's warning.
            ("[Service]\nKilMode=mixed\n", "[Service]\nKillMode=mixed\n"),
            ("[Unit]\nUser=a\n[Service]\n", "[Unit]\n[Service]\nUser=a\n"),
            // systemd refuses the unit because of this line, whatever comes after it.
            ("[Service]\nExecStartPre=/a %Z\n", "[Service]\nExecStartPre=/a %%Z\n"),
            ("[Service]\nExecStart=/a 'b\n", "[Service]\nExecStart=/a b\n"),
            ("[Service]\nExecStart=/a \\ \n  b\n", "[Service]\nExecStart=/a \\\n  b\n"),
            ("[Service] # a\nUser=b\n", "# a\n[Service]\nUser=b\n"),
        ] {
            assert!(said(before, after).is_err(), "{before}");
        }
        // A line that is not changed does not matter.
        let before = "[Service]\nExecStartPre=/a 'b\nKillMode=none\n";
        let after = before.replace("none", "mixed");
        assert_eq!(said(before, &after).as_deref(), Ok("[Service]\nKillMode=mixed\n"));
    }
}
