//! How fast nginx's configuration is read: `cargo run --release --example nginx_throughput`.
//!
//! Words alone, then words, tree, includes and model of one generated configuration with 5,000
//! servers.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::nginx::token::{Ending, Tokenizer};
use deploy_doctor::source::nginx::{Model, load};

fn main() {
    let text = configuration(5000);
    let megabytes = text.len() as f64 / 1e6;
    let words = best(|| {
        let mut tokenizer = Tokenizer::new(text.as_bytes());
        let (mut words, mut comments) = (Vec::new(), Vec::new());
        while tokenizer.read(&mut words, &mut comments) != Ok(Ending::FileDone) {
            words.clear();
        }
    });
    println!("{megabytes:.1} MB, words: {words:?}, {:.0} MB/s", megabytes / words.as_secs_f64());

    let mut host = MemoryHost::new();
    host.file("/etc/nginx/nginx.conf", text);
    let tree = best(|| {
        let sources = Sources::new(&host);
        let entry = Path::new("/etc/nginx/nginx.conf");
        std::hint::black_box(load(&sources, entry, Path::new("/etc/nginx")).ok());
    });
    println!("words and tree: {tree:?}, {:.0} MB/s", megabytes / tree.as_secs_f64());
    let whole = best(|| {
        let sources = Sources::new(&host);
        let entry = Path::new("/etc/nginx/nginx.conf");
        if let Ok(config) = load(&sources, entry, Path::new("/etc/nginx")) {
            let model = Model::new(config);
            assert!(model.faults.is_empty(), "{:?}", model.faults.first());
            std::hint::black_box(model);
        }
    });
    println!("words, tree and model: {whole:?}, {:.0} MB/s", megabytes / whole.as_secs_f64());
}

fn best(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..7).map(|_| time(&mut run)).min().unwrap_or_default()
}

fn configuration(servers: usize) -> String {
    let mut text = String::from("user www-data;\nevents { worker_connections 768; }\nhttp {\n");
    for n in 0..servers {
        let _ = write!(
            text,
            "    # Site number {n}, one of many that are all alike\n\
             \x20   upstream app{n} {{\n        server unix:/run/app{n}/gunicorn.sock fail_timeout=0;\n    }}\n\
             \x20   server {{\n        listen 80;\n        listen 443 ssl;\n        server_name site{n}.example.com www.site{n}.example.com;\n\
             \x20       ssl_certificate /etc/letsencrypt/live/site{n}.example.com/fullchain.pem;\n\
             \x20       ssl_certificate_key \"/etc/letsencrypt/live/site{n}.example.com/privkey.pem\";\n\
             \x20       location /static/ {{\n            alias /srv/site{n}/current/static/;\n            expires 30d;\n        }}\n\
             \x20       location / {{\n            proxy_set_header Host $http_host;\n            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
             \x20           proxy_set_header X-Forwarded-Proto $scheme;\n            proxy_read_timeout 60s;\n            proxy_pass http://app{n};\n        }}\n    }}\n"
        );
    }
    text.push_str("}\n");
    text
}
