//! Templates: `{{name}}` is a value, and a line that begins with `{{?flag}}` is written only if the
//! flag is set.

/// Fills a template in. What is in a value is not looked at again.
pub(super) fn fill(template: &str, values: &[(&str, &str)], flags: &[(&str, bool)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    for line in template.split_inclusive('\n') {
        if let Some(line) = wanted(line, flags) {
            fill_line(line, values, &mut out);
        }
    }
    out
}

/// The line without its flag; `None` if the flag is not set.
fn wanted<'a>(line: &'a str, flags: &[(&str, bool)]) -> Option<&'a str> {
    let Some((flag, rest)) = line.strip_prefix("{{?").and_then(|rest| rest.split_once("}}")) else {
        return Some(line);
    };
    flags.iter().any(|(name, set)| *name == flag && *set).then_some(rest)
}

fn fill_line(mut rest: &str, values: &[(&str, &str)], out: &mut String) {
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let found = after.split_once("}}").and_then(|(name, tail)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, tail))
        });
        if let Some((value, tail)) = found {
            out.push_str(value);
            rest = tail;
        } else {
            out.push_str("{{");
            rest = after;
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn values_and_flags() {
        let values = [("a", "1"), ("b", "{{a}}")];
        let flags = [("yes", true), ("no", false)];
        let text = "x {{a}} {{b}} {{c}}\n{{?yes}}y {{a}}\n{{?no}}n\n{{?other}}o\nz {{";
        assert_eq!(fill(text, &values, &flags), "x 1 {{a}} {{c}}\ny 1\nz {{");
    }
}
