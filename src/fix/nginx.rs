//! Inserts a new directive of nginx with the surrounding indentation.

use std::ops::Range;

use super::text::{Splice, begins_line, indentation, line_after, line_end, line_start, one_line};

/// Inserts a directive after another one, or last in a block whose closing brace is the last byte
/// of `block`. A block on one line stays on one line.
pub(super) fn insert(
    bytes: &[u8],
    block: Range<usize>,
    after: Option<Range<usize>>,
    lines: &str,
) -> Result<Splice, String> {
    if let Some(after) = after {
        return Ok(behind(bytes, after, lines));
    }
    let brace = block.end.checked_sub(1).filter(|at| bytes.get(*at) == Some(&b'}'));
    let brace = brace.ok_or("the block does not end with a brace")?;
    if !begins_line(bytes, brace) {
        let text = format!("{} ", one_line(lines));
        let gap = bytes[..brace].iter().rev().take_while(|b| **b == b' ').count();
        let text = if gap == 0 { format!(" {text}") } else { text };
        return Ok(Splice::new(brace..brace, text));
    }
    // Inserts after the last non-empty line of the block, with the indentation of the block's
    // content.
    let inside = &bytes[block.start..brace];
    let last = inside.iter().rposition(|b| !b.is_ascii_whitespace()).map(|at| block.start + at);
    let last = last.ok_or("the block has no beginning")?;
    let own = indentation(bytes, brace);
    if line_start(bytes, last) == line_start(bytes, block.start) {
        let deeper = [own, if own.contains(&b'\t') { b"\t" } else { b"    " }].concat();
        return Ok(line_after(bytes, last, &deeper, lines));
    }
    let inner = indentation(bytes, last).to_vec();
    Ok(line_after(bytes, last, &inner, lines))
}

fn behind(bytes: &[u8], after: Range<usize>, lines: &str) -> Splice {
    let rest = &bytes[after.end.min(bytes.len())..line_end(bytes, after.end)];
    let rest: &[u8] = rest.trim_ascii_start();
    let ends = rest.is_empty() || rest.starts_with(b"#");
    if !ends || !begins_line(bytes, after.start) {
        return Splice::new(after.end..after.end, format!(" {}", one_line(lines)));
    }
    let indentation = indentation(bytes, after.start).to_vec();
    line_after(bytes, after.end, &indentation, lines)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::text::spliced;
    use super::*;

    fn inserted(text: &str, after: Option<&str>) -> String {
        let block = text.find('s').unwrap()..text.rfind('}').unwrap() + 1;
        let after =
            after.map(|word| text.find(word).unwrap()..text.find(word).unwrap() + word.len());
        let splice = insert(text.as_bytes(), block, after, "x 1;\ny 2;").unwrap();
        String::from_utf8(spliced(text.as_bytes(), &[splice])).unwrap()
    }

    #[test]
    fn a_directive_follows_the_indentation_round_it() {
        assert_eq!(inserted("s {\n  a;\n}\n", None), "s {\n  a;\n  x 1;\n  y 2;\n}\n");
        assert_eq!(
            inserted("s {\n  a {\n    b;\n  }\n}\n", None),
            "s {\n  a {\n    b;\n  }\n  x 1;\n  y 2;\n}\n"
        );
        assert_eq!(inserted("\ts {\n\t}\n", None), "\ts {\n\t\tx 1;\n\t\ty 2;\n\t}\n");
        assert_eq!(inserted("s { a; }\n", None), "s { a; x 1; y 2; }\n");
        assert_eq!(inserted("s {}\n", None), "s { x 1; y 2; }\n");
        assert_eq!(
            inserted("s {\r\n  a; # b\r\n  c;\r\n}\r\n", Some("a;")),
            "s {\r\n  a; # b\r\n  x 1;\r\n  y 2;\r\n  c;\r\n}\r\n"
        );
        assert_eq!(inserted("s { a; c; }", Some("a;")), "s { a; x 1; y 2; c; }");
    }
}
