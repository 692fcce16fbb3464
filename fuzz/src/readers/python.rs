//! A Python module, read as gunicorn's configuration, as Django's settings and as the application.
//! The value of a variable that it takes over is in nothing that may be shown.

use std::path::{Path, PathBuf};

use deploy_doctor::source::python::evaluate::{FileText, Surroundings, TakenModule, evaluate};
use deploy_doctor::source::python::search::PathSurroundings;
use deploy_doctor::source::python::{Binding, Module, PythonVersion, parse};
use deploy_doctor::source::{FileId, Lookup, Secret, SourceFile};

use crate::pack::sections;
use crate::spans::{all_inside, inside};

const CANARY: &str = "c4n4ry-d34d";

pub fn run(input: &[u8]) {
    let sections = sections(input);
    for section in &sections {
        let name = if section.name.is_empty() { "gunicorn.conf.py" } else { section.name };
        let file = SourceFile::new(FileId(0), Path::new("/srv/myapp").join(name), section.bytes);
        let version = PythonVersion::new(3, [8, 11, 14][section.bytes.len() % 3]);
        read(&file, version);
    }
}

fn read(file: &SourceFile, version: PythonVersion) {
    let module = parse(file, version);
    all_inside(file, module.faults().iter().map(|fault| fault.span));
    module.unusable();
    names(file, &module);
    for import in module.imports(Some(version)) {
        inside(file, import.span);
        import.absolute("a.b");
    }
    let environment = module.environment();
    all_inside(file, environment.variables.iter().map(|one| one.span));
    all_inside(file, environment.computed.iter().copied());
    if let Some(settings) = module.django_start().settings {
        inside(file, settings.span);
    }
    let settings = module.django_settings(Some(version), &mut |_| None);
    for text in settings.values().flat_map(|texts| &texts.certain) {
        inside(file, text.span);
    }
    for served in module.served() {
        inside(file, served.call.span);
    }
    if let Some(limit) = module.upload_limit() {
        inside(file, limit.span);
    }
    module.search_changes(&PathSurroundings {
        working_directory: Some(Path::new("/srv/myapp")),
        resolve: &Path::to_path_buf,
    });
    configuration(file, &module);
}

fn names(file: &SourceFile, module: &Module) {
    let names = module.names();
    let mut all: Vec<&str> = names.all().collect();
    all.truncate(50);
    for name in all.into_iter().chain(["application", "create_app"]) {
        match names.binding(name) {
            Binding::Defined(span) | Binding::MaybeDefined(span) => inside(file, span),
            _ => {}
        }
        names.kind(name);
        module.made(name);
        module.made_by_calling(name);
    }
}

fn configuration(file: &SourceFile, module: &Module) {
    let holds = |text: &str| text.contains("c4n4ry");
    let surroundings = Surroundings {
        file: None,
        variable: &|name| match name.len() % 3 {
            0 => Lookup::Set(Secret::new(CANARY)),
            1 => Lookup::Unset,
            _ => Lookup::Unknown("it is not known".into()),
        },
        cpu_count: Some(2),
        working_directory: Some(PathBuf::from("/srv/myapp")),
        resolve: &|path| Some(path.to_path_buf()),
        read: &|path| match path.as_os_str().len() % 3 {
            0 => FileText::Text(format!("A={CANARY}\nB='{CANARY}'\n")),
            1 => FileText::Missing,
            _ => FileText::Unknown("it was not read".into()),
        },
        imported: &|_| None,
        taken: &|_| TakenModule::Unknown,
    };
    let worked = evaluate(module, &surroundings);
    for one in &worked.values {
        inside(file, one.name.span);
        inside(file, one.value_span);
    }
    all_inside(file, worked.raises.iter().map(|raises| raises.span));
    all_inside(file, worked.open.iter().map(|(_, span)| *span));
    // The module's own text may hold the word.
    if !holds(&String::from_utf8_lossy(&file.bytes)) {
        assert!(!holds(&format!("{worked:?}")), "a value is shown: {worked:?}");
    }
}
