// SIGINT and SIGTERM ask a training to stop between two steps; the second one ends the process at
// once, whatever it is doing. Commands that have nothing to go on from leave them as the system has
// them.
#pragma once

namespace attune {

void install_stop_signals();
bool stop_requested();
int stop_exit_code();  // 130 or 143; 130 before any signal

}  // namespace attune
