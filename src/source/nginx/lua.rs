//! The end of a `*_by_lua_block { … }`: lua-nginx-module counts braces outside Lua's strings,
//! long brackets and comments (its `ngx_http_lua_lex.rl`).

/// The offset of the `}` that closes a block whose content starts at `start`.
pub(super) fn block_end(source: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = source.get(at) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'"' | b'\'' => at = string_end(source, at + 1, byte),
            b'[' => at = long_bracket_end(source, at).map_or(at, |end| end - 1),
            b'-' if source.get(at + 1) == Some(&b'-') => at = comment_end(source, at + 2),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The offset of the closing quote, or of the last byte if there is none.
fn string_end(source: &[u8], mut at: usize, mark: u8) -> usize {
    while let Some(&byte) = source.get(at) {
        match byte {
            b'\\' => at += 1,
            _ if byte == mark => return at,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// The offset of the last byte of a comment.
fn comment_end(source: &[u8], at: usize) -> usize {
    if source.get(at) == Some(&b'[')
        && let Some(end) = long_bracket_end(source, at)
    {
        return end - 1;
    }
    let rest = source.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// The offset after `[==[ … ]==]`, if one starts here. A bracket that never ends extends to the end
/// of the source, so that no byte is read twice.
fn long_bracket_end(source: &[u8], at: usize) -> Option<usize> {
    let rest = source.get(at + 1..)?;
    let level = rest.iter().take_while(|byte| **byte == b'=').count();
    if rest.get(level) != Some(&b'[') {
        return None;
    }
    let mut at = at + level + 2;
    while let Some(&byte) = source.get(at) {
        at += 1;
        if byte != b']' {
            continue;
        }
        let tail = source.get(at..).unwrap_or_default();
        let signs = tail.iter().take(level).take_while(|byte| **byte == b'=').count();
        if signs == level && tail.get(level) == Some(&b']') {
            return Some(at + level + 1);
        }
        at += signs;
    }
    Some(source.len())
}
