// Which safetensors files attune reads, for the parity table:
//   weights_probe < PATHS
// prints for each path one line: "read", or "refused" and the reason.
#include <algorithm>
#include <iostream>
#include <string>

#include "core/error.h"
#include "models/weights_file.h"

int main() {
  for (std::string path; std::getline(std::cin, path);) {
    try {
      attune::Weights::from_file(path);
      std::cout << "read\n";
    } catch (const attune::Error& error) {
      std::string reason = error.what();
      std::replace(reason.begin(), reason.end(), '\n', ' ');
      std::cout << "refused " << reason << "\n";
    }
  }
}
