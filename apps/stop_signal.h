// SIGINT and SIGTERM ask the work to stop between two steps; the second one ends the process at
// once.
#pragma once

namespace attune {

void install_stop_signals();
bool stop_requested();
int stop_exit_code();  // 130 or 143; 130 before any signal

}  // namespace attune
