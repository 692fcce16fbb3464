//! Any bytes as nginx's configuration: never a panic, nothing lost.
#![no_main]

use std::path::PathBuf;
use std::sync::Arc;

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::nginx::tree::Tree;
use deploy_doctor::source::nginx::{Address, Host, Model, Place, load_fragments};
use deploy_doctor::source::{FileId, SourceFile, Sources};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x", bytes)));
    let mut joined = Vec::new();
    for (_, span) in tree.pieces() {
        assert_eq!(span.start as usize, joined.len());
        joined.extend_from_slice(tree.file.slice(span));
    }
    assert!(joined == bytes);

    let mut host = MemoryHost::new();
    host.file("/x", bytes);
    let sources = Sources::new(&host);
    let Ok(config) = load_fragments(&sources, &[PathBuf::from("/x")]) else { return };
    let model = Model::new(config);
    let address = Address::Inet { host: Host::Any, port: 80 };
    model.serve(&address, "example.com");
    for server in &model.servers {
        model.locate(server.id, "/a/b.png");
    }
    for location in &model.locations {
        model.effective(Place::Location(location.id), "proxy_set_header");
        model.effective_passes(location.id);
    }
});
