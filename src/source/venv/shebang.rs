//! The `#!` line of a script, as Linux reads it (`execve(2)`), and the form that pip and uv write
//! if the interpreter's path is too long for it or contains a space:
//!
//! ```text
//! #!/bin/sh
//! '''exec' "/a very/long/path/bin/python" "$0" "$@"
//! ' '''
//! ```

use std::ops::Range;
use std::path::PathBuf;

/// The interpreter that runs a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shebang {
    /// The interpreter's path. Relative if it is given relative to the script (a relocatable
    /// environment).
    pub interpreter: PathBuf,
    /// The text after the interpreter, which Linux passes on as one argument.
    pub arguments: Option<String>,
    /// The range of the interpreter's name in the script.
    pub span: Range<usize>,
    /// Whether the interpreter is in the script's own directory, wherever that is.
    pub beside_script: bool,
}

/// Reads a script's `#!` line; `None` if there is none or it names nothing.
pub fn shebang(bytes: &[u8]) -> Option<Shebang> {
    let line_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let line = bytes.get(2..line_end).filter(|_| bytes.starts_with(b"#!"))?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let skipped = line.iter().take_while(|byte| blank(byte)).count();
    let rest = line.get(skipped..)?;
    let length = rest.iter().position(blank).unwrap_or(rest.len());
    let interpreter = rest.get(..length).filter(|name| !name.is_empty())?;
    if matches!(interpreter, b"/bin/sh" | b"/usr/bin/sh")
        && let Some(found) = exec_form(bytes, line_end + 1)
    {
        return Some(found);
    }
    let arguments = rest.get(length..).unwrap_or_default().trim_ascii();
    let start = 2 + skipped;
    Some(Shebang {
        interpreter: path(interpreter),
        arguments: (!arguments.is_empty()).then(|| String::from_utf8_lossy(arguments).into_owned()),
        span: start..start + length,
        beside_script: false,
    })
}

/// The second line, from `start`: `'''exec' PYTHON "$0" "$@"`.
fn exec_form(bytes: &[u8], start: usize) -> Option<Shebang> {
    let line = bytes.get(start..)?.split(|byte| *byte == b'\n').next()?;
    let rest = line.strip_prefix(b"'''exec' ")?;
    let start = start + 9;
    // The form that uv writes into a relocatable environment.
    const BESIDE: &[u8] = b"\"$(dirname -- \"$(realpath -- \"$0\")\")\"/";
    let beside_script = rest.starts_with(BESIDE);
    let (skipped, rest) =
        if beside_script { (BESIDE.len(), rest.get(BESIDE.len()..)?) } else { (0, rest) };
    let (skipped, length) = match rest.first()? {
        quote @ (b'"' | b'\'') => {
            (skipped + 1, rest.get(1..)?.iter().position(|byte| byte == quote)?)
        }
        _ => (skipped, rest.iter().position(|b| *b == b' ').unwrap_or(rest.len())),
    };
    let span = start + skipped..start + skipped + length;
    let interpreter = bytes.get(span.clone()).filter(|name| !name.is_empty())?;
    // Text that the shell would expand is not known.
    if interpreter.iter().any(|byte| matches!(byte, b'$' | b'`')) {
        return None;
    }
    Some(Shebang { interpreter: path(interpreter), arguments: None, span, beside_script })
}

fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
