//! nginx's configuration: nothing is lost, and the model of it can be asked anything. The first
//! file is the one that is named; it includes the others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::nginx::{
    Address, Host, Model, Place, Tree, load, load_fragments, parse_size, parse_time,
};
use deploy_doctor::source::{FileId, SourceFile, Sources};

use crate::pack::sections;
use crate::spans::inside;

pub fn run(input: &[u8]) {
    let sections = sections(input);
    let mut host = MemoryHost::new();
    for section in &sections {
        lossless(section.bytes);
        let name = section.name.trim_start_matches('/');
        if !name.contains("..") && !name.is_empty() {
            host.file(Path::new("/etc/nginx").join(name), section.bytes);
        }
    }
    host.file("/etc/nginx/nginx.conf", sections[0].bytes);
    let sources = Sources::new(&host);
    if let Ok(config) = load(&sources, Path::new("/etc/nginx/nginx.conf"), Path::new("/etc/nginx"))
    {
        ask(&Model::new(config), &sources);
    }
    let sources = Sources::new(&host);
    if let Ok(config) = load_fragments(&sources, &[PathBuf::from("/etc/nginx/nginx.conf")]) {
        ask(&Model::new(config), &sources);
    }
}

/// The pieces join to the file.
fn lossless(bytes: &[u8]) {
    let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x", bytes)));
    let mut joined = Vec::new();
    for (_, span) in tree.pieces() {
        assert_eq!(span.start as usize, joined.len());
        joined.extend_from_slice(tree.file.slice(span));
    }
    assert!(joined == bytes);
    for word in &tree.words {
        parse_size(&word.value(bytes));
        parse_time(&word.value(bytes));
    }
}

fn ask(model: &Model, sources: &Sources) {
    for directive in model.config.directives() {
        inside(&sources.file(directive.span().file), directive.span());
        for word in directive.words() {
            inside(&sources.file(word.span().file), word.span());
            word.has_placeholder();
        }
        directive.chain();
    }
    for fault in &model.config.faults {
        inside(&sources.file(fault.span.file), fault.span);
    }
    let address = Address::Inet { host: Host::Any, port: 80 };
    for name in ["example.com", "", "a.b.example.com."] {
        model.serve(&address, name);
    }
    for server in &model.servers {
        for address in server.addresses() {
            model.serve(&address, "example.com");
        }
        for path in ["/", "/a/b.png", "/static/../x", ""] {
            model.locate(server.id, path);
        }
    }
    for location in &model.locations {
        for name in ["proxy_set_header", "root", "alias", "client_max_body_size", "add_header"] {
            model.effective(Place::Location(location.id), name);
        }
        model.effective_passes(location.id);
    }
}
