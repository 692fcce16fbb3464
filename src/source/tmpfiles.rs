//! `tmpfiles.d`: directories that systemd creates at boot (tmpfiles.d(5)).

use super::{SourceFile, Span};

/// A line that creates a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its absolute path. Lines whose path contains a specifier are left out.
    pub path: String,
    /// Its mode; 0755 if the line has `-`.
    pub mode: u32,
    /// The owner's name or number; root if the line has `-`.
    pub user: String,
    /// The group's name or number; root if the line has `-`.
    pub group: String,
    /// The line.
    pub span: Span,
}

/// The lines of type `d`, `D`, `v`, `q` or `Q`, with any of the modifiers `+ ! - = ~ ^ $`.
pub fn directories(file: &SourceFile) -> Vec<Directory> {
    let text = String::from_utf8_lossy(&file.bytes);
    let mut found = Vec::new();
    // Lossy decoding may change lengths, so offsets are exact only if the file is UTF-8.
    let exact = std::str::from_utf8(&file.bytes).is_ok();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let from = start;
        start += line.len();
        let mut words = line.split_whitespace();
        let (Some(kind), Some(path)) = (words.next(), words.next()) else { continue };
        let makes = kind.starts_with(['d', 'D', 'v', 'q', 'Q'])
            && kind[1..].chars().all(|c| "+!-=~^$".contains(c));
        if !makes || path.contains('%') {
            continue;
        }
        let mut field = |default: &str| match words.next() {
            None | Some("-") => default.to_owned(),
            Some(word) => word.trim_start_matches([':', '~']).to_owned(),
        };
        let mode = u32::from_str_radix(&field("0755"), 8).unwrap_or(0o755);
        let (user, group) = (field("root"), field("root"));
        let end = if exact { from + line.trim_end().len() } else { from };
        found.push(Directory {
            path: path.trim_matches('"').to_owned(),
            mode,
            user,
            group,
            span: Span::new(file.id, if exact { from } else { 0 }, end),
        });
    }
    found
}

/// The paths that the lines of a file create, and whether paths below each may be created with it:
/// a link leads elsewhere, and `C` copies a whole tree. Paths with a specifier or a pattern are
/// left out.
pub fn made(file: &SourceFile) -> Vec<(String, bool)> {
    let text = String::from_utf8_lossy(&file.bytes);
    let made = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (kind, path) = (words.next()?, words.next()?.trim_matches('"'));
        let makes = kind.starts_with(['f', 'F', 'd', 'D', 'v', 'q', 'Q', 'p', 'L', 'c', 'b', 'C']);
        let plain = path.starts_with('/') && !path.contains(['%', '*', '?', '[']);
        (makes && plain).then(|| (path.to_owned(), kind.starts_with(['L', 'C'])))
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::{directories, made};
    use crate::source::{FileId, SourceFile};

    #[test]
    fn directories_with_mode_and_owner() {
        let text = "# note\nd /run/myapp 0750 www-data www-data -\nD! /run/other - - -\nf /run/x\nd /run/%i\n";
        let file = SourceFile::new(FileId(0), "/usr/lib/tmpfiles.d/x.conf", text);
        let found = directories(&file);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].path.as_str(), found[0].mode, found[0].user.as_str()),
            ("/run/myapp", 0o750, "www-data")
        );
        assert_eq!((found[1].mode, found[1].user.as_str()), (0o755, "root"));
        assert_eq!(file.slice(found[0].span), b"d /run/myapp 0750 www-data www-data -");
        let paths: Vec<String> = made(&file).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/run/myapp", "/run/other", "/run/x"]);
    }
}
