//! Commands to run once the files are written or restored.

use super::super::{CommandError, print};
use crate::fix::actions::{self, Action};
use crate::host::Host;
use crate::source::show::line as show_line;

/// Runs the commands in order, up to the first that fails. Returns whether all succeeded.
pub(super) fn act(host: &dyn Host, actions: &[Action]) -> Result<bool, CommandError> {
    for action in actions {
        let command = show_line(&action.command.to_string());
        match actions::run(host, action) {
            Ok(()) => print(&format!("  done: {command}\n"))?,
            Err(why) => {
                print(&format!("  failed: {command}\n    {}\n", why.replace('\n', "\n    ")))?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}
