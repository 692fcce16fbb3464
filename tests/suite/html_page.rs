//! `--format html` without a browser: what stands in the page and what never does. In Chromium it is
//! looked at by `tests/living/html_real.rs`.

use std::collections::BTreeSet;

use crate::support::command::{Copied, run};
use crate::support::hostile_page::{TEXTS, hostile};

fn page(case: &str, options: &[&str]) -> String {
    Copied::of(case).check(&[&["--format", "html"], options].concat()).stdout
}

/// The tags of a page as a browser finds them, each with the names of its attributes, and the text
/// between them. Panics where a tag does not end, or an attribute is not in double quotes.
fn tags(page: &str) -> (Vec<(String, Vec<String>)>, String) {
    let (mut tags, mut text) = (Vec::new(), String::new());
    let style = page.find("<style>").unwrap()..page.find("</style>").unwrap();
    let mut rest = &page[..style.start];
    let behind = &page[style.end..];
    for part in 0..2 {
        if part == 1 {
            rest = behind;
        }
        while let Some(open) = rest.find('<') {
            text.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            let mut quoted = false;
            let end = rest
                .char_indices()
                .find(|(_, c)| {
                    quoted ^= *c == '"';
                    *c == '>' && !quoted
                })
                .unwrap_or_else(|| panic!("a tag that does not end"))
                .0;
            let inner = &rest[..end];
            rest = &rest[end + 1..];
            let name: String = inner
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "/!".contains(*c))
                .collect();
            let mut attributes = Vec::new();
            let mut left = inner[name.len()..].trim().trim_end_matches('/').trim();
            while let Some((key, value)) = left.split_once('=') {
                let value = value.strip_prefix('"').expect("a value in double quotes");
                attributes.push(key.trim().to_owned());
                left = value.split_once('"').unwrap().1.trim();
            }
            assert!(left.is_empty() || name == "!doctype", "{inner}");
            tags.push((name, attributes));
        }
    }
    text.push_str(rest);
    (tags, text)
}

#[test]
fn nothing_of_what_was_read_is_markup() {
    let (page, count) = hostile();
    let (tags, text) = tags(&page);
    let known = [
        "!doctype",
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "h1",
        "h2",
        "h3",
        "p",
        "code",
        "time",
        "section",
        "figure",
        "figcaption",
        "svg",
        "desc",
        "g",
        "rect",
        "path",
        "circle",
        "text",
        "article",
        "span",
        "a",
        "ul",
        "li",
        "strong",
        "pre",
        "mark",
        "details",
        "summary",
        "nav",
    ];
    let names: BTreeSet<&str> = tags.iter().map(|(name, _)| name.trim_start_matches('/')).collect();
    let foreign: Vec<&&str> = names.iter().filter(|name| !known.contains(*name)).collect();
    assert_eq!(foreign, Vec::<&&str>::new());
    let attributes: BTreeSet<&str> =
        tags.iter().flat_map(|(_, attributes)| attributes).map(String::as_str).collect();
    for attribute in &attributes {
        assert!(
            !attribute.starts_with("on") && *attribute != "src" && *attribute != "style",
            "{attribute}"
        );
    }
    assert!(!text.contains('>') && !text.contains('"'), "text that was not escaped");
    assert_eq!(tags.iter().filter(|(name, _)| name == "article").count(), count);
    for hostile in TEXTS.iter().filter(|text| text.contains('<')) {
        let first = hostile.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let first = first.replace('"', "&quot;").replace('\'', "&#39;");
        assert!(page.contains(&first), "{hostile} is not shown as it is");
    }
    for control in ['\u{1b}', '\u{0}', '\u{8}', '\u{202e}'] {
        assert!(!page.contains(control), "{control:?}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    for case in ["guide", "healthy"] {
        let page = page(case, &[]);
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
        let (tags, _) = tags(&page);
        for (name, attributes) in &tags {
            assert!(!["script", "link", "img", "iframe"].contains(&name.as_str()), "{name}");
            assert!(!attributes.iter().any(|one| one == "src"), "{name}");
        }
        assert!(!page.contains("url(") && !page.contains("@import"), "{case}");
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("width=device-width"));
        // Every box that scrolls is reached by the keyboard.
        assert_eq!(page.matches("<pre ").count(), page.matches("<pre tabindex=\"0\"").count());
        let ids: Vec<&str> = page
            .match_indices(" id=\"")
            .map(|(at, _)| page[at + 5..].split('"').next().unwrap())
            .collect();
        let unique: BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
    }
}

#[test]
fn the_picture_marks_the_hop_that_is_broken() {
    let guide = page("guide", &[]);
    let hops: Vec<(&str, bool)> = guide
        .match_indices("<g class=\"hop")
        .map(|(at, _)| {
            let shape = &guide[at..at + guide[at..].find("</g>").unwrap()];
            let title = shape.split("class=\"title\"").nth(1).unwrap();
            let title = title.split('>').nth(1).unwrap().split('<').next().unwrap();
            (title, shape.starts_with("<g class=\"hop broken\""))
        })
        .collect();
    let wanted = [
        ("client", false),
        ("site", false),
        ("socket", true),
        ("master", false),
        ("workers", false),
        ("release", true),
    ];
    assert_eq!(hops, wanted);
    assert_eq!(guide.matches("<g class=\"arrow broken\">").count(), 2);
    assert!(guide.contains(">broken: U117</text>") && guide.contains(">broken: U113</text>"));
    assert!(guide.contains("broken at: socket (U117), release (U113)."));
    let healthy = page("healthy", &["--ignore", "E407"]);
    assert!(healthy.contains("<g class=\"hop\">") && !healthy.contains("class=\"hop broken\""));
    assert!(healthy.contains("no hop is known to be broken"));
}

#[test]
fn findings_stand_with_their_lines_and_what_to_do() {
    let page = page("guide", &[]);
    assert!(page.contains("<title>2 errors, 0 warnings - deploy-doctor</title>"));
    assert!(page.contains("<h2 id=\"app-0\">myapp.service</h2>"));
    assert!(page.contains("<strong>requests get 502 instead of an answer</strong>"));
    let article = &page[page.find("U117</span>").unwrap()..];
    let article = &article[..article.find("</article>").unwrap()];
    for part in [
        "<code>/etc/systemd/system/myapp.service:10</code>",
        "<code>/etc/nginx/sites-enabled/myapp:6</code>",
        "    6</span> User=<mark>www-data</mark>\n",
        "   10</span> ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --bind \
         <mark>unix:/run/myapp.sock</mark> wsgi:app\n",
        "^ systemd makes /run at boot for root, mode 0755</span>",
        "<strong>Fix (safe):</strong> set RuntimeDirectory=myapp, and",
        "--select U117</pre>",
        "systemctl daemon-reload &amp;&amp; systemctl restart myapp.service",
    ] {
        assert!(article.contains(part), "{part}\n{article}");
    }
    assert_eq!(page.matches("<li><span class=\"mark ").count(), 15, "the checklist has 15 items");
    assert!(page.contains("failed: U117</span>") && page.contains("checks skipped, and why"));
}

#[test]
fn what_could_not_be_read_stands_first() {
    let page = run(&["check", "--format", "html", "--unit", "/nowhere/x.service"]).stdout;
    assert!(page.contains("<h1>0 errors, 0 warnings, 1 not read</h1>"), "{page}");
    assert!(page.contains("<code>/nowhere/x.service</code> cannot be read"), "{page}");
}

#[test]
fn no_value_of_a_variable_is_in_it() {
    const SECRET: &str = "hunter2hunter2";
    let tree = Copied::of("healthy");
    tree.write("/etc/myapp.env", format!("export TOKEN={SECRET}\nB={SECRET} # note\n"));
    let page = tree.check(&["--format", "html"]).stdout;
    assert!(page.contains("E401") && page.contains("TOKEN"), "{page}");
    assert!(!page.contains(SECRET));
}
