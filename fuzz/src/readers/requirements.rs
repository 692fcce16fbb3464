//! What a release needs, in each format, held against an environment. A file's name says its
//! format; what lies below `venv/` is the environment.

use std::path::Path;

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::requirements::{self, Marker};
use deploy_doctor::source::venv::{self, metadata, pth, record};
use deploy_doctor::source::{FileId, Sources};

use crate::pack::sections;
use crate::spans::inside;

const SITE: &str = "venv/lib/python3.11/site-packages";

pub fn run(input: &[u8]) {
    let sections = sections(input);
    let mut host = MemoryHost::new();
    let top = Path::new("/srv/myapp");
    host.file(top.join("venv/pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n");
    host.file(top.join("venv/bin/python"), "");
    for (name, version) in [("flask", "3.0.3"), ("gunicorn", "23.0.0")] {
        let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        host.file(top.join(format!("{SITE}/{name}-{version}.dist-info/METADATA")), text);
    }
    let mut files = Vec::new();
    for section in &sections {
        let name = if section.name.is_empty() { "requirements.txt" } else { section.name };
        if name.contains("..") || name.starts_with('/') || name.len() > 200 {
            continue;
        }
        let path = top.join(name);
        // A file where a directory is would hide it.
        if host.contains(&path) && !name.contains('.') {
            continue;
        }
        host.file(&path, section.bytes);
        if !name.starts_with("venv/") {
            files.push(path);
        }
        venv::shebang(section.bytes);
        markers(section.bytes);
    }
    let sources = Sources::new(&host);
    let venv = venv::read(&host, &sources, &top.join("venv"));
    for path in files {
        let Ok(read) = requirements::read(&sources, &path) else { continue };
        for fault in &read.faults {
            inside(&sources.file(fault.span.file), fault.span);
            assert!(!fault.message.contains('\n'), "{}", fault.message);
        }
        for option in &read.options {
            inside(&sources.file(option.span.file), option.span);
        }
        for requirement in read.requirements.iter().chain(&read.constraints) {
            let span = requirement.span;
            if span.file != FileId(u32::MAX) {
                inside(&sources.file(span.file), span);
            }
        }
        let Ok(venv) = &venv else { continue };
        let markers = venv.markers();
        requirements::compare(&sources, &read, venv, markers.as_ref().map_err(Clone::clone));
    }
    if let Ok(venv) = &venv {
        installed(&host, &sources, venv);
    }
}

fn markers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().filter(|line| line.contains(';')).take(20) {
        Marker::parse(line.split_once(';').map_or("", |(_, marker)| marker).trim());
    }
}

fn installed(host: &MemoryHost, sources: &Sources, venv: &venv::Venv) {
    requirements::check::check(sources, venv);
    venv.absence_unknown();
    venv.doubled();
    let _ = pth::read(host, sources, venv);
    for distribution in &venv.distributions {
        let _ = metadata::read(sources, distribution);
        let _ = record::missing_files(host, sources, venv, distribution);
        let _ = record::import_names(sources, distribution);
        let _ = record::direct_url(sources, distribution);
    }
}
